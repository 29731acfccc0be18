//! The rules that a specification's values keep. Each is checked once, here,
//! before anything is loaded or created.

use std::fmt::{Debug, Display};
use std::path::Path;

use crate::error::{Error, Result};
use crate::format::shown;
use crate::kernels::device::DeviceChoice;
use crate::persist::spec_file::PATH_HINT;
use crate::protocol::run_spec::{
    CheckpointSource, DataSource, DataSpec, EvaluationSpec, Intervals, ModelSpec, Precision,
    RunSpec, VocabularySource,
};
use crate::tuning::spec::{OptimizerSpec, Schedule, SelectBy, TrainingSpec};

const MAX_NAME_CHARS: usize = 64;
pub(crate) const MAX_STEPS: usize = 100_000_000;
pub(crate) const MAX_BATCH: usize = 65_536;
pub(crate) const MAX_CONTEXT: usize = 1_048_576;
pub(crate) const MAX_RATE: f64 = 100.0;
/// 16 TiB.
pub(crate) const MAX_SNAPSHOT_MIB: usize = 1 << 24;
pub(crate) const MAX_FEW_SHOT: usize = 1000;

impl RunSpec {
    /// Whether every value can be run; what depends on the model, the data and
    /// the device is seen only when those are loaded.
    ///
    /// # Errors
    /// [`Error::Spec`] with the path of the first field that cannot, its value
    /// and the values that can.
    pub fn check(&self) -> Result<()> {
        let Self {
            name,
            device,
            model,
            data,
            method,
            training,
            evaluation,
            intervals,
        } = self;
        check_name(name)?;
        check_model(model)?;
        check_storage(model.precision, *device)?;
        check_data(data)?;
        method::check_method(method)?;
        check_training(training)?;
        check_selection(training, data)?;
        check_evaluation(evaluation)?;
        check_intervals(intervals)
    }
}

/// The name begins a folder's name on every system.
fn check_name(name: &str) -> Result<()> {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    let n_chars = name.chars().count();
    let reason = if name.is_empty() || n_chars > MAX_NAME_CHARS {
        format!("must be 1 to {MAX_NAME_CHARS} characters, is {n_chars}")
    } else if let Some(c) = name.chars().find(|&c| !fits(c)) {
        format!("must be letters a-z, digits, `-`, `_` and `.`, has {c:?}")
    } else if name.starts_with('.') {
        format!("must not start with `.`, is {name:?}")
    } else {
        return Ok(());
    };
    Err(Error::spec("name", reason))
}

fn check_model(model: &ModelSpec) -> Result<()> {
    let ModelSpec {
        checkpoint,
        vocabulary,
        precision: _,
    } = model;
    match checkpoint {
        CheckpointSource::Mini => {}
        CheckpointSource::File(path) => check_path("model.checkpoint", path)?,
    }
    match vocabulary {
        VocabularySource::Auto | VocabularySource::Mini | VocabularySource::World => Ok(()),
        VocabularySource::File(path) => check_path("model.vocabulary", path),
    }
}

/// What a GPU stores is known when it is opened; the processor has 32 bits only.
fn check_storage(precision: Precision, device: DeviceChoice) -> Result<()> {
    match (precision, device) {
        (Precision::F16, DeviceChoice::Cpu) => {
            let reason = "is F16, which needs a GPU with matrix units, but device is Cpu; use F32";
            Err(Error::spec("model.precision", reason))
        }
        (Precision::F32, _)
        | (Precision::F16, DeviceChoice::Auto | DeviceChoice::Gpu | DeviceChoice::GpuIndex(_)) => {
            Ok(())
        }
    }
}

fn check_data(data: &DataSpec) -> Result<()> {
    let DataSpec {
        source,
        train_limit,
        loss_on: _,
        append_end: _,
        leading_token: _,
        context_length,
    } = data;
    match source {
        DataSource::Mini(_) => {}
        DataSource::Official {
            benchmark: _,
            folder,
        } => check_path("data.source.folder", folder)?,
        DataSource::Jsonl {
            train,
            validation,
            template: _,
        } => {
            check_path("data.source.train", train)?;
            if let Some(path) = validation {
                check_path("data.source.validation", path)?;
            }
        }
    }
    check_limit("data.train_limit", *train_limit)?;
    check_count("data.context_length", *context_length, 2, MAX_CONTEXT)
}

fn check_training(training: &TrainingSpec) -> Result<()> {
    let TrainingSpec {
        steps,
        batch,
        accumulate,
        optimizer,
        learning_rate,
        schedule,
        warmup_steps,
        clip_norm,
        pull_to_start,
        l2wrap: _,
        activation_checkpointing: _,
        select_by: _,
        early_stopping,
        validate_every,
        validation_limit,
        seed: _,
    } = training;
    check_count("training.steps", *steps, 1, MAX_STEPS)?;
    check_count("training.batch", *batch, 1, MAX_BATCH)?;
    check_count("training.accumulate", *accumulate, 1, MAX_BATCH)?;
    check_optimizer(optimizer)?;
    check(
        "training.learning_rate",
        *learning_rate > 0.0 && *learning_rate <= MAX_RATE,
        learning_rate,
        &format!("must be above 0 and at most {MAX_RATE}"),
    )?;
    check_schedule(schedule)?;
    check(
        "training.warmup_steps",
        warmup_steps < steps,
        warmup_steps,
        &format!("must be below training.steps, {steps}"),
    )?;
    if let Some(norm) = clip_norm {
        let field = "training.clip_norm";
        let fits = norm.is_finite() && *norm > 0.0;
        check(field, fits, norm, "must be None or above 0 and finite")?;
    }
    check_strength("training.pull_to_start", *pull_to_start)?;
    if let Some(stopping) = early_stopping {
        let field = "training.early_stopping.patience";
        check_count(field, stopping.patience, 1, MAX_STEPS)?;
        check(
            "training.validate_every",
            *validate_every > 0,
            validate_every,
            "must be at least 1 with training.early_stopping",
        )?;
    }
    check_count("training.validate_every", *validate_every, 0, MAX_STEPS)?;
    check_limit("training.validation_limit", *validation_limit)
}

/// What the handed-over state is chosen by has to be measured.
fn check_selection(training: &TrainingSpec, data: &DataSpec) -> Result<()> {
    let field = "training.select_by";
    let reason = match (training.select_by, &data.source) {
        (SelectBy::ValidationAccuracy, DataSource::Jsonl { .. }) => {
            "is ValidationAccuracy, but texts have no correct answer; choose ValidationLoss"
        }
        (SelectBy::ValidationAccuracy, _) if training.validate_every == 0 => {
            "is ValidationAccuracy, but training.validate_every is 0; raise that"
        }
        (SelectBy::LastStep, _) if training.early_stopping.is_some() => {
            "is LastStep, but training.early_stopping ends a run at the best one; \
             choose ValidationLoss or ValidationAccuracy"
        }
        _ => return Ok(()),
    };
    Err(Error::spec(field, reason))
}

fn check_optimizer(optimizer: &OptimizerSpec) -> Result<()> {
    let adam = |beta1: f64, beta2: f64, epsilon: f64| {
        check_share("training.optimizer.beta1", beta1)?;
        check_share("training.optimizer.beta2", beta2)?;
        check(
            "training.optimizer.epsilon",
            epsilon > 0.0 && epsilon <= 1.0,
            &epsilon,
            "must be above 0 and at most 1",
        )
    };
    match *optimizer {
        OptimizerSpec::Adam {
            beta1,
            beta2,
            epsilon,
        } => adam(beta1, beta2, epsilon),
        OptimizerSpec::AdamW {
            beta1,
            beta2,
            epsilon,
            weight_decay,
        } => {
            adam(beta1, beta2, epsilon)?;
            check_strength("training.optimizer.weight_decay", weight_decay)
        }
        OptimizerSpec::Sgd { momentum } => check_share("training.optimizer.momentum", momentum),
    }
}

fn check_schedule(schedule: &Schedule) -> Result<()> {
    match *schedule {
        Schedule::Cosine { last } | Schedule::Linear { last } => check(
            "training.schedule.last",
            (0.0..=1.0).contains(&last),
            &last,
            "must be from 0 to 1, a share of the peak rate",
        ),
        Schedule::Constant => Ok(()),
    }
}

fn check_evaluation(evaluation: &EvaluationSpec) -> Result<()> {
    let EvaluationSpec {
        before: _,
        after: _,
        few_shot,
        limit,
        split: _,
        context_length,
        max_new_tokens,
        mmlu: _,
    } = evaluation;
    check_count("evaluation.few_shot", *few_shot, 0, MAX_FEW_SHOT)?;
    check_limit("evaluation.context_length", *context_length)?;
    let cap = max_new_tokens.unwrap_or(1);
    check_count("evaluation.max_new_tokens", cap, 1, MAX_CONTEXT)?;
    check_limit("evaluation.limit", *limit)
}

fn check_intervals(intervals: &Intervals) -> Result<()> {
    let Intervals {
        log,
        checkpoint,
        snapshot,
        snapshot_mib,
    } = *intervals;
    check_count("intervals.log", log, 0, MAX_STEPS)?;
    check_count("intervals.checkpoint", checkpoint, 0, MAX_STEPS)?;
    check_count("intervals.snapshot", snapshot, 0, MAX_STEPS)?;
    check_count("intervals.snapshot_mib", snapshot_mib, 1, MAX_SNAPSHOT_MIB)
}

fn check_count(field: &str, value: usize, min: usize, max: usize) -> Result<()> {
    let range = if value < min {
        format!("must be at least {min}")
    } else {
        format!("must be at most {max}")
    };
    check(field, (min..=max).contains(&value), &value, &range)
}

fn check_limit(field: &str, limit: Option<usize>) -> Result<()> {
    let wanted = "must be None or at least 1";
    check(field, limit != Some(0), &limit.unwrap_or_default(), wanted)
}

/// A share of the last value that is kept: 1 would never forget.
fn check_share(field: &str, value: f64) -> Result<()> {
    let fits = (0.0..1.0).contains(&value);
    check(field, fits, &value, "must be at least 0 and below 1")
}

fn check_strength(field: &str, value: f64) -> Result<()> {
    let fits = value.is_finite() && value >= 0.0;
    check(field, fits, &value, "must be at least 0 and finite")
}

fn check_path(field: &str, path: &Path) -> Result<()> {
    if path.to_string_lossy().contains(char::is_control) {
        let reason = format!("has control characters, is {}; {PATH_HINT}", shown(path));
        return Err(Error::spec(field, reason));
    }
    let fits = !path.as_os_str().is_empty();
    check(field, fits, &path.display(), "must be a path")
}

fn check(field: &str, fits: bool, value: &(impl Debug + Display), range: &str) -> Result<()> {
    if fits {
        return Ok(());
    }
    let value = match value.to_string() {
        empty if empty.is_empty() => "empty".to_owned(),
        // Display writes 1e300 as 301 digits.
        long if long.len() > 24 => format!("{value:?}"),
        short => short,
    };
    Err(Error::spec(field, format!("{range}, is {value}")))
}

pub(crate) mod method;
#[cfg(test)]
mod tests;
