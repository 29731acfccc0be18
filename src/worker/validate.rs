//! The rules that a specification's values keep. Each is checked once, here,
//! before anything is loaded or created. The ranges are those of the table of
//! fields.

use std::path::Path;

use crate::error::{Error, Result};
use crate::file_names::is_device;
use crate::format::shown;
use crate::language;
use crate::persist::spec_file::PATH_HINT;
use crate::protocol::fields;
use crate::protocol::fields::slot::Slot;
use crate::protocol::run_spec::{DataSource, DataSpec, RunSpec};
use crate::tuning::spec::{Method, SelectBy, TrainingSpec};

const MAX_NAME_CHARS: usize = 64;

impl RunSpec {
    /// Whether every value can be run; what depends on the model, the data and
    /// the device is seen only when those are loaded.
    ///
    /// # Errors
    /// [`Error::Spec`] with the path of the first field that cannot, its value
    /// and the values that can.
    pub fn check(&self) -> Result<()> {
        check_name(&self.name)?;
        check_fields(self)?;
        check_steps(&self.training)?;
        check_selection(&self.training, &self.data)?;
        check_targets(&self.method)
    }
}

/// The name begins a folder's name on every system.
fn check_name(name: &str) -> Result<()> {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    let n_chars = name.chars().count();
    let reason = if name.is_empty() || n_chars > MAX_NAME_CHARS {
        tr!(
            "must be 1 to {MAX_NAME_CHARS} characters, is {n_chars}",
            MAX_NAME_CHARS,
            n_chars
        )
    } else if let Some(c) = name.chars().find(|&c| !fits(c)) {
        tr!(
            "must be letters a-z, digits, `-`, `_` and `.`, has {c}",
            c = format_args!("{c:?}")
        )
    } else if name.starts_with('.') {
        tr!(
            "must not start with `.`, is {name}",
            name = format_args!("{name:?}")
        )
    } else if is_device(&format!("{name}-1")) {
        tr!("must not be {name}, which is a device on Windows", name)
    } else {
        return Ok(());
    };
    Err(Error::spec("name", reason))
}

/// Every field by itself.
fn check_fields(spec: &RunSpec) -> Result<()> {
    // Fields lie in what can be changed.
    let mut spec = spec.clone();
    for field in fields::all() {
        if let Some(reason) = field.broken_rule(&mut spec) {
            return Err(Error::spec(field.path, reason));
        }
        match field.slot(&mut spec) {
            Some(Slot::Path(path)) => check_path(field.path, path)?,
            Some(Slot::OptionalPath(Some(path))) => check_path(field.path, path)?,
            Some(Slot::Layers(layers)) => check_layers(field.path, layers)?,
            Some(Slot::Text(text)) if text.is_empty() => {
                let reason = tr!("must be text of at least 1 character, is empty");
                return Err(Error::spec(field.path, reason));
            }
            _ => {}
        }
    }
    Ok(())
}

fn check_path(field: &str, path: &Path) -> Result<()> {
    if path.to_string_lossy().contains(char::is_control) {
        let reason = tr!(
            "has control characters, is {}; {PATH_HINT}",
            shown(path),
            PATH_HINT = language::text(PATH_HINT)
        );
        return Err(Error::spec(field, reason));
    }
    match path.as_os_str().is_empty() {
        true => Err(Error::spec(field, tr!("must be a path, is empty"))),
        false => Ok(()),
    }
}

fn check_layers(field: &str, chosen: &[usize]) -> Result<()> {
    if chosen.is_empty() {
        let reason = tr!("must name at least 1 layer or be All, is Only([])");
        return Err(Error::spec(field, reason));
    }
    let mut sorted = chosen.to_vec();
    sorted.sort_unstable();
    match sorted.windows(2).find(|pair| pair[0] == pair[1]) {
        Some(pair) => Err(Error::spec(
            field,
            tr!("must name every layer once, has {} twice", pair[0]),
        )),
        None => Ok(()),
    }
}

/// Adapters stand beside something.
fn check_targets(method: &Method) -> Result<()> {
    match method.lora() {
        Some(lora) if lora.targets.chosen().is_empty() => {
            let reason = tr!("has no matrix; set at least one of them to true");
            Err(Error::spec("method.targets", reason))
        }
        Some(_) | None => Ok(()),
    }
}

/// What is counted in steps fits the steps.
fn check_steps(training: &TrainingSpec) -> Result<()> {
    let (warmup, steps) = (training.warmup_steps, training.steps);
    if warmup >= steps {
        let reason = tr!(
            "must be below training.steps, {steps}, is {warmup}",
            steps,
            warmup
        );
        return Err(Error::spec("training.warmup_steps", reason));
    }
    if training.early_stopping.is_some() && training.validate_every == 0 {
        let reason = tr!("must be at least 1 with training.early_stopping, is 0");
        return Err(Error::spec("training.validate_every", reason));
    }
    Ok(())
}

/// What the handed-over state is chosen by has to be measured.
fn check_selection(training: &TrainingSpec, data: &DataSpec) -> Result<()> {
    let field = "training.select_by";
    let reason = match (training.select_by, &data.source) {
        (SelectBy::ValidationAccuracy, DataSource::Jsonl { .. }) => {
            tr!("is ValidationAccuracy, but texts have no correct answer; choose ValidationLoss")
        }
        (SelectBy::ValidationAccuracy, _) if training.validate_every == 0 => {
            tr!("is ValidationAccuracy, but training.validate_every is 0; raise that")
        }
        (SelectBy::LastStep, _) if training.early_stopping.is_some() => {
            tr!(
                "is LastStep, but training.early_stopping ends a run at the best one; \
             choose ValidationLoss or ValidationAccuracy"
            )
        }
        _ => return Ok(()),
    };
    Err(Error::spec(field, reason))
}

#[cfg(test)]
mod tests;
