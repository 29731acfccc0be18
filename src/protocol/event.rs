//! Everything the worker reports, as plain data.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::any_float;
use super::run_spec::RunSpec;
use crate::tuning::diagnosis::Diagnosis;
use crate::tuning::rate_finder::RateFinding;
use crate::tuning::trainer::LiftNumbers;

/// Names a run; also the name of its folder.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct RunId(pub String);

/// What happened in the worker.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// The compute device is ready.
    DeviceReady {
        /// Name and reason of the choice, for people.
        device: String,
    },
    /// A checkpoint is being read.
    Loading {
        /// Share done, 0 to 1.
        done: f32,
    },
    /// The model is on the device.
    ModelLoaded {
        /// One line about it.
        model: String,
        /// Bytes of its weights on the device.
        bytes: u64,
        /// Seconds it took.
        secs: f64,
    },
    /// A run has begun, at step 0 or where it had stopped.
    RunStarted {
        /// The run.
        run: RunId,
        /// What it does.
        spec: Box<RunSpec>,
        /// Its folder.
        folder: PathBuf,
        /// The step it continues from.
        first_step: usize,
        /// Things people should know: examples left out, memory.
        notes: Vec<String>,
    },
    /// Steps were taken and their numbers read back.
    Step {
        /// The run.
        run: RunId,
        /// The numbers of one step.
        metrics: StepMetrics,
    },
    /// What held-out examples say.
    Validated {
        /// The run.
        run: RunId,
        /// The step it was measured after.
        step: usize,
        /// Mean nats a counted token.
        loss: f64,
        /// The held-out items answered right, where the run selects by them.
        accuracy: Option<Score>,
        /// Whether it is the best so far.
        best: bool,
    },
    /// Something about the run is wrong; told once a sign.
    Diagnosed {
        /// The run.
        run: RunId,
        /// What, and which field to change.
        diagnosis: Diagnosis,
    },
    /// A newer snapshot lies in the latest-wins slot.
    SnapshotReady {
        /// The run.
        run: RunId,
        /// The step it was taken after.
        step: usize,
        /// Whether it is on the disk too.
        is_stored: bool,
    },
    /// A checkpoint is on the disk.
    CheckpointSaved {
        /// The run.
        run: RunId,
        /// The step it holds.
        step: usize,
        /// The file.
        path: PathBuf,
    },
    /// An evaluation goes on.
    EvaluationProgress {
        /// The run.
        run: RunId,
        /// Which evaluation.
        phase: EvaluationPhase,
        /// Items done.
        done: usize,
        /// Items in all.
        total: usize,
    },
    /// An evaluation is complete.
    EvaluationFinished {
        /// The run.
        run: RunId,
        /// Which evaluation.
        phase: EvaluationPhase,
        /// What was measured.
        summary: EvaluationSummary,
    },
    /// A state was written, read back and found equal.
    StateExported {
        /// The run.
        run: RunId,
        /// Steps that made it.
        step: usize,
        /// The file.
        path: PathBuf,
        /// Its size.
        bytes: u64,
    },
    /// The run waits for [`super::command::Command::Resume`].
    Paused {
        /// The run.
        run: RunId,
        /// Steps done.
        step: usize,
    },
    /// The run is over.
    RunEnded {
        /// The run.
        run: RunId,
        /// How.
        outcome: RunOutcome,
    },
    /// A search for a learning rate goes on.
    RateProgress {
        /// Steps done.
        done: usize,
        /// Steps in all.
        total: usize,
    },
    /// A search for a learning rate is over.
    RateFound {
        /// What it found.
        finding: RateFinding,
    },
    /// A newer answer to [`super::command::Command::Trace`] lies in its slot.
    TraceReady,
    /// More of an answer to a prompt.
    Generated {
        /// The name of the text.
        run: RunId,
        /// Which of the two.
        answer: Answer,
        /// What comes after what came before.
        text: String,
    },
    /// An answer is complete.
    GenerationEnded {
        /// The name of the text.
        run: RunId,
        /// Which of the two.
        answer: Answer,
        /// Tokens of it.
        n_tokens: usize,
        /// Seconds since the prompt was read.
        secs: f64,
        /// Why it ended.
        end: AnswerEnd,
    },
    /// An evaluation of a run that is over goes on.
    ScoreProgress {
        /// The name of the evaluation.
        run: RunId,
        /// Items done.
        done: usize,
        /// Items in all.
        total: usize,
    },
    /// An evaluation of a run that is over has ended.
    ScoreEnded {
        /// The name of the evaluation.
        run: RunId,
        /// The run that was scored.
        of: RunId,
        /// What was measured and the file of the items; none if it was stopped.
        scored: Option<(EvaluationSummary, PathBuf)>,
    },
    /// How far receptance vectors and support vectors lie apart.
    DistancesMeasured {
        /// What they are of.
        spec: Box<RunSpec>,
        /// The distances.
        distances: KernelDistances,
    },
    /// A job is over, whatever came of it: one for each
    /// [`super::command::Command`] that is more than a word to a run.
    JobDone,
    /// Something outside a run, or the run itself, could not be done.
    Failed {
        /// The run, if it was one.
        run: Option<RunId>,
        /// Whose fault it is.
        kind: FailureKind,
        /// What was being done.
        during: String,
        /// One line for people.
        message: String,
    },
}

/// One of two answers to a prompt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Answer {
    /// That of the untuned model.
    Untuned,
    /// That of the model with the tuned state.
    Tuned,
}

/// Why an answer ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AnswerEnd {
    /// The model ended it.
    EndOfDocument,
    /// A text came at which it was to end.
    StopText,
    /// It has as many tokens as it may have.
    MaxTokens,
    /// Someone asked for it.
    Stopped,
}

/// Squared distances between receptance vectors and support vectors, both of
/// unit length, so from 0 to 4. Ascending.
#[derive(Debug, Clone, PartialEq)]
pub struct KernelDistances {
    /// Of pairs drawn at random, over all layers and heads.
    pub pairs: Vec<f32>,
    /// Of receptance vectors and the nearest support vector of theirs.
    pub nearest: Vec<f32>,
}

/// Whose fault a failure is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum FailureKind {
    /// A file or a specification that cannot be used; nothing was written.
    Input,
    /// The device, the disk or the program.
    #[default]
    Work,
}

/// Numbers of one step.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct StepMetrics {
    /// Steps done, from 1.
    pub step: usize,
    /// Mean nats a counted token, before the step's update.
    pub loss: f64,
    /// Global norm of the gradient before clipping.
    pub grad_norm: f64,
    /// Norm of S_0 over all layers after the update.
    pub state_norm: f64,
    /// The learning rate used.
    pub learning_rate: f64,
    /// Tokens the step computed, padding left out.
    pub tokens: usize,
    /// Wall time of the step.
    pub secs: f64,
    /// Numbers of the branch, of a lifted run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lift: Option<LiftMetrics>,
}

/// Numbers of the branch of a lifted run.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct LiftMetrics {
    /// Norm of Z over all layers after the update.
    #[serde(with = "any_float")]
    pub norm: f64,
    /// The mean magnitude of the write gates, of a recurrent one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gate: Option<f64>,
    /// Of the paper's recurrence as it is printed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub literal: Option<LiteralMetrics>,
    /// Where R was looked at in this step.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decorrelation: Option<DecorrelationMetrics>,
}

/// What the guard of the paper's recurrence saw in a step.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct LiteralMetrics {
    /// Share of the decays that were outside 0 to 1 and clamped.
    #[serde(with = "any_float")]
    pub clamped: f64,
    /// The largest magnitude in the states.
    #[serde(with = "any_float")]
    pub largest: f64,
}

/// What R makes of the features of a step; means over layers and heads.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct DecorrelationMetrics {
    /// L_decor.
    #[serde(with = "any_float")]
    pub loss: f64,
    /// Mean |corr| of two different features.
    #[serde(with = "any_float")]
    pub off_diagonal: f64,
    /// Root mean square of z = R phi.
    #[serde(with = "any_float")]
    pub rms: f64,
    /// |R|, after the update.
    #[serde(with = "any_float")]
    pub norm: f64,
    /// The largest condition number of an R over layers and heads, after the
    /// update, at the steps for which it is worked out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub condition: Option<f64>,
}

impl From<LiftNumbers> for LiftMetrics {
    fn from(numbers: LiftNumbers) -> Self {
        Self {
            norm: numbers.norm,
            gate: numbers.gate,
            literal: numbers.literal.map(|of| LiteralMetrics {
                clamped: of.clamped,
                largest: of.largest,
            }),
            decorrelation: numbers.decorrelation.map(|of| DecorrelationMetrics {
                loss: of.loss,
                off_diagonal: of.off_diagonal,
                rms: of.rms,
                norm: of.norm,
                condition: None,
            }),
        }
    }
}

/// Which evaluation of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum EvaluationPhase {
    /// The untuned model.
    Before,
    /// The untuned model with examples in front.
    FewShot,
    /// The tuned model.
    After,
}

/// What an evaluation measured.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EvaluationSummary {
    /// Name of the benchmark, "-mini" included where it is one.
    pub benchmark: String,
    /// Examples in front of every question.
    pub few_shot: usize,
    /// Named counts: the headline first, such as "strict" and "flexible".
    pub scores: Vec<Score>,
    /// Items that the split has; more than were scored where a part was.
    #[serde(default)]
    pub n_total: usize,
    /// Items left out because they exceed the context, if any.
    pub left_out: usize,
    /// Wall time.
    pub secs: f64,
}

/// Right answers among items.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Score {
    /// The rule, such as "strict".
    pub name: String,
    /// Items answered right.
    pub n_correct: usize,
    /// Items scored.
    pub n_items: usize,
}

/// How a run ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum RunOutcome {
    /// All steps were taken.
    Finished,
    /// The validation loss stopped improving.
    StoppedEarly {
        /// The step of the best validation loss, whose state is kept.
        best_step: usize,
    },
    /// Someone asked for it.
    Stopped {
        /// Steps done.
        step: usize,
    },
    /// The loss, the gradient or the state left the finite numbers.
    Diverged {
        /// The step at which it was seen; the state is that of the step before.
        step: usize,
        /// Layer, head and numbers, for people.
        detail: String,
    },
}
