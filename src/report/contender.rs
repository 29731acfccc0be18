//! What is compared: an evaluation and the run it is of.

use std::path::Path;

use super::Cell;
use crate::bench::{Accuracy, Evaluation};
use crate::error::{Error, Result};
use crate::format::shown;
use crate::language;
use crate::persist::evaluation_file::{EvaluationFile, read_evaluation};
use crate::persist::run_folder::{SPEC_FILE, read_run_spec};
use crate::protocol::run_spec::RunSpec;

/// An evaluation with the run that it belongs to.
#[derive(Debug, Clone)]
pub struct Contender {
    /// What the user calls it: the run, or the file.
    pub name: String,
    /// The run's specification, where it is one.
    pub spec: Option<RunSpec>,
    /// The evaluation.
    pub file: EvaluationFile,
}

/// Which evaluation of a run is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// Of the untuned model.
    Untuned,
    /// Of the tuned one.
    Tuned,
}

impl Contender {
    /// The evaluation at `path`: a file, or the one of a run's folder that
    /// `side` means.
    ///
    /// # Errors
    /// What [`read_evaluation`] reports; [`Error::Input`] for a folder without
    /// that evaluation.
    pub fn open(path: &Path, side: Side) -> Result<Self> {
        if !path.is_dir() {
            let file = read_evaluation(path)?;
            let name = format!("{} ({})", file.scored.start, shown(path));
            return Ok(Self {
                name,
                spec: None,
                file,
            });
        }
        let (name, what) = match side {
            Side::Untuned => ("before.jsonl", "untuned"),
            Side::Tuned => ("after.jsonl", "tuned"),
        };
        let of_run = path.join("eval").join(name);
        if !of_run.is_file() {
            let reason = tr!(
                "the run has no evaluation of the {what} model",
                what = language::text(what)
            );
            return Err(Error::input(
                path,
                Path::new("eval").join(name).display().to_string(),
                reason,
            ));
        }
        let spec = match path.join(SPEC_FILE).is_file() {
            true => Some(read_run_spec(path)?),
            false => None,
        };
        let run = path
            .file_name()
            .unwrap_or(path.as_os_str())
            .to_string_lossy();
        Ok(Self {
            name: format!("{run}, {what}"),
            spec,
            file: read_evaluation(&of_run)?,
        })
    }

    pub(super) fn evaluation(&self) -> &Evaluation {
        &self.file.evaluation
    }
}

/// The shares of written answers that ended and that have an answer; nothing where
/// options were chosen from.
pub(super) fn shares(contender: &Contender) -> Vec<Cell> {
    let evaluation = contender.evaluation();
    if !evaluation.conditions.has_written_answers() {
        return Vec::new();
    }
    let share = |of: Option<Accuracy>| of.map_or(Cell::Empty, |of| Cell::number(of.value(), 3));
    vec![share(evaluation.ended()), share(evaluation.extracted())]
}

/// The user sees 0.031 and 1.2e-9, programs the number in full.
pub(super) fn p_value(p: f64) -> Cell {
    match p < 0.001 {
        true => Cell::Scientific(p),
        false => Cell::number(p, 3),
    }
}

/// What a run does apart from its seed, its name and where it computes.
pub fn without_seed(spec: &RunSpec) -> RunSpec {
    let mut spec = spec.clone();
    let RunSpec {
        name,
        device,
        training,
        intervals,
        ..
    } = &mut spec;
    let default = RunSpec::default();
    name.clone_from(&default.name);
    *device = default.device;
    *intervals = default.intervals;
    training.seed = default.training.seed;
    spec
}
