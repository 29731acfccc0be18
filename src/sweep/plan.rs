//! From a sweep to its runs. Everything that can be refused is refused here,
//! before anything is written.

use std::collections::HashSet;

use super::combinations::{MAX_RUNS, combinations, set};
use super::spec::{BaseRun, Halving, SweepPart, SweepSpec};
use super::values::FieldValue;
use crate::error::{Error, Result};
use crate::file_names::is_device;
use crate::persist::presets::preset;
use crate::persist::spec_file::{field_value, print_compact, read_spec};
use crate::protocol::run_spec::{DataSource, EvaluationSplit, RunSpec};
use crate::tuning::spec::Method;

const MAX_NAME_CHARS: usize = 48;

/// The runs of a sweep, in order.
#[derive(Debug, Clone, PartialEq)]
pub struct SweepPlan {
    /// The sweep with its base run in it and every path absolute.
    pub sweep: SweepSpec,
    /// Runs that tune, each with its own settings.
    pub runs: Vec<PlannedRun>,
    /// Untuned models, each measured once for all runs that share it.
    pub untuned: Vec<RunSpec>,
    /// Things the user should know.
    pub notes: Vec<String>,
}

/// One run of a sweep.
#[derive(Debug, Clone, PartialEq)]
pub struct PlannedRun {
    /// What to do; its name is that of the run's folder.
    pub spec: RunSpec,
    /// The part that it belongs to.
    pub part: usize,
    /// What is different about it: fields of its part's search and their values.
    pub settings: Vec<(String, FieldValue)>,
    /// Steps at which it is compared with the others of its part, before the last.
    pub rungs: Vec<usize>,
}

impl SweepSpec {
    /// The runs, with everything checked that can be without the model, the
    /// data and the device.
    ///
    /// # Errors
    /// [`Error::Spec`] with the field that cannot be run and the run that has
    /// it, [`Error::Input`] and [`Error::Io`] for a base run that cannot be read.
    pub fn plan(&self) -> Result<SweepPlan> {
        check_name(&self.name)?;
        let mut base = self.base.read()?;
        if self.parts.is_empty() {
            return Err(Error::spec(
                "parts",
                tr!("is empty; a sweep needs at least one"),
            ));
        }
        let resolved = Self {
            base: BaseRun::Run(Box::new(base.with_absolute_paths())),
            ..self.clone()
        };
        apply(&mut base, &self.set, "set")?;
        let mut plan = SweepPlan {
            sweep: resolved,
            runs: Vec::new(),
            untuned: Vec::new(),
            notes: Vec::new(),
        };
        let mut known = PlannedRuns::default();
        for (idx, part) in self.parts.iter().enumerate() {
            plan.add_part(idx, part, &base, &mut known)?;
        }
        if plan.runs.is_empty() {
            return Err(Error::spec("parts", tr!("have no runs")));
        }
        Ok(plan)
    }

    /// The run that all others are changes of, with those that hold for every run.
    ///
    /// # Errors
    /// As [`Self::plan`], for the base run and its changes.
    pub fn base_run(&self) -> Result<RunSpec> {
        let mut base = self.base.read()?;
        apply(&mut base, &self.set, "set")?;
        Ok(base)
    }

    /// The name of a part, or its number where it has none.
    pub fn part_name(&self, idx: usize) -> String {
        match self.parts.get(idx) {
            Some(part) if !part.name.is_empty() => part.name.clone(),
            Some(_) | None => format!("part {}", idx + 1),
        }
    }
}

impl BaseRun {
    fn read(&self) -> Result<RunSpec> {
        match self {
            Self::Preset(name) => preset(name),
            Self::File(path) => read_spec(path),
            Self::Run(spec) => Ok((**spec).clone()),
        }
    }
}

impl SweepPlan {
    fn add_part(
        &mut self,
        part_idx: usize,
        part: &SweepPart,
        base: &RunSpec,
        known: &mut PlannedRuns,
    ) -> Result<()> {
        let mut base = base.clone();
        apply(&mut base, &part.set, "set")?;
        let combinations = combinations(&part.search, &base)?;
        let (before, few_shot) = (base.evaluation.before, base.evaluation.few_shot);
        let (mut n_same, mut first) = (0, None);
        for settings in combinations {
            let mut spec = base.clone();
            for (field, value) in &settings {
                set(&mut spec, field, &value.0)?;
            }
            self.prepare(&mut spec);
            check(&spec, &settings)?;
            if !known.add(&spec)? {
                n_same += 1;
                continue;
            }
            if self.runs.len() >= MAX_RUNS {
                let reason = tr!("have more than {MAX_RUNS} runs; use fewer values", MAX_RUNS);
                return Err(Error::spec("parts", reason));
            }
            spec.name = format!("{}.{:04}", self.sweep.name, self.runs.len());
            first.get_or_insert_with(|| spec.clone());
            let rungs = match part.halving {
                None => Vec::new(),
                Some(halving) => rungs(halving, &spec)?,
            };
            self.runs.push(PlannedRun {
                spec,
                part: part_idx,
                settings,
                rungs,
            });
        }
        if n_same > 0 {
            self.notes.push(tr!(
                "{}: {n_same} duplicate runs are left out",
                self.sweep.part_name(part_idx),
                n_same
            ));
        }
        match first {
            Some(first) if before || few_shot > 0 => self.add_untuned(first, before, few_shot),
            Some(_) | None => {}
        }
        Ok(())
    }

    /// Measures on the validation split: the test split is for the best runs.
    /// The untuned model is measured once for all.
    fn prepare(&self, spec: &mut RunSpec) {
        *spec = spec.with_absolute_paths();
        spec.evaluation.before = false;
        spec.evaluation.few_shot = 0;
        spec.evaluation.split = EvaluationSplit::Validation;
    }

    fn add_untuned(&mut self, like: RunSpec, before: bool, few_shot: usize) {
        let mut spec = RunSpec {
            name: String::new(),
            method: Method::Base,
            training: Default::default(),
            ..like
        };
        spec.data.train_limit = None;
        match &spec.data.source {
            DataSource::Mini(_) | DataSource::Official { .. } => {}
            // Texts have no right answers.
            DataSource::Jsonl { .. } => return,
        }
        spec.evaluation.before = before;
        spec.evaluation.few_shot = few_shot;
        if self.sweep.test {
            spec.evaluation.split = EvaluationSplit::Test;
        }
        let is_same = |known: &RunSpec| {
            RunSpec {
                name: String::new(),
                ..known.clone()
            } == spec
        };
        if self.untuned.iter().any(is_same) {
            return;
        }
        let number = match self.untuned.len() {
            0 => String::new(),
            n => format!("-{}", n + 1),
        };
        spec.name = format!("{}.untuned{number}", self.sweep.name);
        self.untuned.push(spec);
    }

    /// The fields that differ between runs, in the order in which they appear.
    pub fn fields(&self) -> Vec<String> {
        let mut fields: Vec<String> = Vec::new();
        for (field, _) in self.runs.iter().flat_map(|run| &run.settings) {
            if !fields.contains(field) {
                fields.push(field.clone());
            }
        }
        fields
    }
}

impl PlannedRun {
    /// The same error with the settings of this run.
    pub(super) fn at(&self, error: Error) -> Error {
        in_run(error, &self.settings)
    }

    /// The value of a field, also where another part searches it.
    pub fn value(&self, field: &str) -> Option<FieldValue> {
        let own = self.settings.iter().find(|(of, _)| of == field);
        match own {
            Some((_, value)) => Some(value.clone()),
            None => field_value(&self.spec, field).ok().map(FieldValue),
        }
    }
}

/// The runs that a plan has already, by the text of all but their names: a sweep of
/// thousands is planned anew with every key that is pressed.
#[derive(Default)]
struct PlannedRuns(HashSet<String>);

impl PlannedRuns {
    /// Whether the run is a new one.
    fn add(&mut self, spec: &RunSpec) -> Result<bool> {
        let nameless = RunSpec {
            name: String::new(),
            ..spec.clone()
        };
        Ok(self.0.insert(print_compact(&nameless)?))
    }
}

fn check_name(name: &str) -> Result<()> {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    let n_chars = name.chars().count();
    let reason = if name.is_empty() || n_chars > MAX_NAME_CHARS {
        tr!(
            "must be 1 to {MAX_NAME_CHARS} characters, is {n_chars}",
            MAX_NAME_CHARS,
            n_chars
        )
    } else if let Some(c) = name.chars().find(|&c| !fits(c)) {
        tr!(
            "must be letters a-z, digits, `-` and `_`, has {c}",
            c = format_args!("{c:?}")
        )
    } else if is_device(name) {
        tr!("must not be {name}, which is a device on Windows", name)
    } else {
        return Ok(());
    };
    Err(Error::spec("name", reason))
}

fn apply(spec: &mut RunSpec, assignments: &[String], place: &str) -> Result<()> {
    for assignment in assignments {
        let Some((field, value)) = assignment.split_once('=') else {
            let reason = tr!(
                "`{assignment}` is not an assignment; use path=value",
                assignment
            );
            return Err(Error::spec(place, reason));
        };
        set(spec, field.trim(), value.trim())?;
    }
    Ok(())
}

fn check(spec: &RunSpec, settings: &[(String, FieldValue)]) -> Result<()> {
    // The name comes later.
    spec.check().map_err(|error| in_run(error, settings))
}

/// The same error with the settings of the run that has it.
fn in_run(error: Error, settings: &[(String, FieldValue)]) -> Error {
    match error {
        Error::Spec { field, reason } if !settings.is_empty() => {
            let run: Vec<String> = settings
                .iter()
                .map(|(field, value)| format!("{field}={}", value.0))
                .collect();
            let reason = tr!("{reason} (in the run with {})", run.join(", "), reason);
            Error::Spec { field, reason }
        }
        other => other,
    }
}

/// The steps at which runs are compared, below the last.
fn rungs(halving: Halving, spec: &RunSpec) -> Result<Vec<usize>> {
    let Halving {
        first_steps,
        factor,
    } = halving;
    let refuse =
        |field: &str, reason: String| Err(Error::spec(format!("parts.halving.{field}"), reason));
    if factor < 2 {
        return refuse("factor", tr!("must be at least 2, is {factor}", factor));
    }
    let every = spec.training.validate_every;
    if every == 0 || first_steps == 0 || !first_steps.is_multiple_of(every) {
        return refuse(
            "first_steps",
            tr!(
                "must be a multiple of training.validate_every, {every}, is {first_steps}",
                every,
                first_steps
            ),
        );
    }
    let mut rungs = Vec::new();
    let mut steps = first_steps;
    while steps < spec.training.steps {
        rungs.push(steps);
        steps = steps.saturating_mul(factor);
    }
    Ok(rungs)
}

#[cfg(test)]
mod tests;
