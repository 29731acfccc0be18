//! The tasks of a sweep, and how each stands, read from its folder.

use std::fmt;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::bench::Accuracy;
use crate::error::Result;
use crate::persist::run_folder::SPEC_FILE;
use crate::persist::run_history::past_run;
use crate::protocol::event::{EvaluationPhase, EvaluationSummary};
use crate::runs::run::{Run, RunStatus};
use crate::runs::series::Series;

/// A piece of work that is done from its start to its end by one process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Task {
    /// Measure an untuned model, of [`super::plan::SweepPlan::untuned`].
    Untuned(usize),
    /// Do a run, of [`super::plan::SweepPlan::runs`].
    Run(usize),
    /// Score the best run of a part on the test split.
    Best(usize),
}

impl fmt::Display for Task {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Untuned(idx) => write!(f, "{}", tr!("untuned model {}", idx + 1)),
            Self::Run(idx) => write!(f, "{}", tr!("run {idx}", idx)),
            Self::Best(part) => write!(f, "{}", tr!("best of part {}", part + 1)),
        }
    }
}

/// How a task stands.
#[derive(Debug, Clone, PartialEq)]
pub enum TaskState {
    /// Nothing of it is done.
    Waiting,
    /// A process of this sweep works on it.
    Going,
    /// It is started and can continue.
    Held {
        /// Steps done.
        step: usize,
    },
    /// It is complete.
    Done,
    /// Its numbers left the finite ones.
    Diverged {
        /// The step at which it was seen.
        step: usize,
        /// Layer, head and numbers, for the user.
        detail: String,
    },
    /// It could not be done, and why.
    Failed(String),
    /// Someone asked to leave it out.
    Skipped,
    /// Others of its part had a lower validation loss.
    Dropped {
        /// Steps done.
        step: usize,
    },
}

impl TaskState {
    /// Whether nothing more is done for it.
    pub fn is_settled(&self) -> bool {
        match self {
            Self::Waiting | Self::Going | Self::Held { .. } => false,
            Self::Done
            | Self::Diverged { .. }
            | Self::Failed(_)
            | Self::Skipped
            | Self::Dropped { .. } => true,
        }
    }

    /// One word for tables and files.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Waiting => mark!("waiting"),
            Self::Going => mark!("running"),
            Self::Held { .. } => mark!("interrupted"),
            Self::Done => mark!("finished"),
            Self::Diverged { .. } => mark!("diverged"),
            Self::Failed(_) => mark!("failed"),
            Self::Skipped => mark!("skipped"),
            Self::Dropped { .. } => mark!("dropped"),
        }
    }
}

impl From<&RunStatus> for TaskState {
    fn from(status: &RunStatus) -> Self {
        match status {
            RunStatus::Running { .. } | RunStatus::Paused { .. } | RunStatus::Evaluating { .. } => {
                Self::Going
            }
            RunStatus::Finished | RunStatus::StoppedEarly { .. } => Self::Done,
            RunStatus::Stopped { step } | RunStatus::Interrupted { step } => {
                Self::Held { step: *step }
            }
            RunStatus::Diverged { step, detail } => Self::Diverged {
                step: *step,
                detail: detail.clone(),
            },
            RunStatus::Failed(reason) => Self::Failed(reason.clone()),
        }
    }
}

/// The run in a folder; none where no run has started.
///
/// # Errors
/// What is there but cannot be read.
pub fn run_in(folder: &Path) -> Result<Option<Run>> {
    if !folder.join(SPEC_FILE).is_file() {
        return Ok(None);
    }
    past_run(folder).map(Some)
}

/// What is known of a task.
#[derive(Debug, Clone, PartialEq)]
pub struct Facts {
    /// How it stands.
    pub state: TaskState,
    /// Numbers of its run, once it has started.
    pub run: Option<RunFacts>,
}

/// Numbers of a run that a sweep compares.
#[derive(Debug, Clone, PartialEq)]
pub struct RunFacts {
    /// Steps done.
    pub step: usize,
    /// The loss of the last step.
    pub loss: Option<f64>,
    /// Steps and losses on held-out examples.
    pub validations: Vec<(usize, f64)>,
    /// Step and loss of the best of them.
    pub best: Option<(usize, f64)>,
    /// What was measured.
    pub evaluations: Vec<(EvaluationPhase, EvaluationSummary)>,
    /// Wall time of its steps and evaluations.
    pub secs: f64,
    /// Tokens a second, over all steps.
    pub tokens_per_sec: Option<f64>,
    /// Norm of S_0 after the last step.
    pub state_norm: Option<f64>,
    /// Global norm of the gradient of the last step, before clipping.
    pub grad_norm: Option<f64>,
    /// L_decor of the last step in which it was looked at.
    pub decorrelation_loss: Option<f64>,
    /// Mean |corr| of two different features then.
    pub off_diagonal: Option<f64>,
    /// The accuracy on the test split, if it is the best of its part.
    pub test: Option<Accuracy>,
}

/// The figure that an evaluation is known by.
pub fn headline(summary: &EvaluationSummary) -> Option<Accuracy> {
    let score = summary.scores.first()?;
    Some(Accuracy {
        n_correct: score.n_correct,
        n_items: score.n_items,
    })
}

impl Facts {
    /// Of a task whose folder holds `run`, if any.
    pub fn of(run: Option<&Run>) -> Self {
        Self {
            state: run.map_or(TaskState::Waiting, |run| (&run.status).into()),
            run: run.map(RunFacts::of),
        }
    }

    /// The tuned model's headline figure.
    pub fn accuracy(&self) -> Option<Accuracy> {
        headline(self.summary(EvaluationPhase::After)?)
    }

    /// What an evaluation measured.
    pub fn summary(&self, phase: EvaluationPhase) -> Option<&EvaluationSummary> {
        let evaluations = &self.run.as_ref()?.evaluations;
        let found = evaluations.iter().find(|(of, _)| *of == phase);
        found.map(|(_, summary)| summary)
    }

    /// The best validation loss.
    pub fn validation_loss(&self) -> Option<f64> {
        self.run.as_ref()?.best.map(|(_, loss)| loss)
    }
}

impl RunFacts {
    fn of(run: &Run) -> Self {
        let steps_secs: f64 = run
            .series
            .step_secs
            .points()
            .iter()
            .map(|(_, secs)| secs)
            .sum();
        let evaluation_secs: f64 = run
            .evaluations
            .iter()
            .map(|(_, summary)| summary.secs)
            .sum();
        let last = |series: &Series| series.last().map(|(_, value)| value);
        Self {
            step: run.step,
            loss: last(&run.series.loss),
            validations: run.series.validation_loss.points().to_vec(),
            best: run.best_validation(),
            evaluations: run.evaluations.clone(),
            secs: steps_secs + evaluation_secs,
            tokens_per_sec: (steps_secs > 0.0).then(|| run.n_tokens() / steps_secs),
            state_norm: last(&run.series.state_norm),
            grad_norm: last(&run.series.grad_norm),
            decorrelation_loss: last(&run.series.decorrelation_loss),
            off_diagonal: last(&run.series.off_diagonal),
            test: None,
        }
    }
}
