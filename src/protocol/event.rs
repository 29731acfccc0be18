//! Everything the worker reports, as plain data.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

pub use super::evaluation_summary::{EvaluationPhase, EvaluationSummary, Score, WrittenAnswers};
use super::head_requests::{Ablation, ValueLens};
pub use super::run_id::RunId;
use super::run_spec::RunSpec;
pub use super::step_metrics::{
    DecorrelationMetrics, LiftMetrics, LiteralMetrics, LoraMetrics, StepMetrics,
};
use crate::model::BytesRead;
use crate::tuning::inspect::diagnosis::Diagnosis;
use crate::tuning::train::rate_finder::RateFinding;

/// What happened in the worker. A receiver names the branch that it cares for.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// To the compute device or the model on it.
    Device(DeviceEvent),
    /// To a job that is no run, or to a run before it has a folder.
    Job(JobEvent),
    /// To a run.
    Run(RunId, RunEvent),
}

/// What happened to the compute device or the model on it.
#[derive(Debug, Clone, PartialEq)]
pub enum DeviceEvent {
    /// The compute device is ready.
    Ready {
        /// Name and reason of the choice, for the user.
        device: String,
    },
    /// A checkpoint is being read.
    Loading {
        /// What is read of it.
        read: BytesRead,
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
}

/// What happened to a run.
#[derive(Debug, Clone, PartialEq)]
pub enum RunEvent {
    /// It has started, at step 0 or where it had stopped.
    Started {
        /// What it does.
        spec: Box<RunSpec>,
        /// Its folder.
        folder: PathBuf,
        /// The step it continues from.
        first_step: usize,
        /// Things the user should know: examples left out, memory.
        notes: Vec<String>,
    },
    /// What the run costs, where something is trained; told when it starts.
    Costed(RunCosts),
    /// A step was taken and its numbers read back.
    Step(StepMetrics),
    /// What held-out examples say.
    Validated {
        /// The step it was measured after.
        step: usize,
        /// Mean nats a counted token.
        loss: f64,
        /// The held-out items answered right, where the run selects by them.
        accuracy: Option<Score>,
        /// Whether it is the best so far.
        best: bool,
    },
    /// Something about the run is wrong, and which field to change; told once a
    /// sign.
    Diagnosed(Diagnosis),
    /// A newer snapshot lies in the latest-wins slot.
    SnapshotReady {
        /// The step it was taken after.
        step: usize,
        /// Whether it is on the disk too.
        is_stored: bool,
    },
    /// A checkpoint is on the disk.
    CheckpointSaved {
        /// The step it holds.
        step: usize,
        /// The file.
        path: PathBuf,
    },
    /// An evaluation made progress.
    EvaluationProgress {
        /// Which evaluation.
        phase: EvaluationPhase,
        /// Tokens read and written.
        done: usize,
        /// Tokens in all, with those that answers have room for.
        total: usize,
    },
    /// An evaluation is complete.
    EvaluationFinished {
        /// Which evaluation.
        phase: EvaluationPhase,
        /// What was measured.
        summary: EvaluationSummary,
    },
    /// A state was written, read back and found equal.
    StateExported {
        /// Steps that made it.
        step: usize,
        /// The file.
        path: PathBuf,
        /// Its size.
        bytes: u64,
    },
    /// The run waits for [`super::command::Command::Resume`].
    Paused {
        /// Steps done.
        step: usize,
    },
    /// Something could not be done, and the run with it.
    Failed {
        /// Whose fault it is.
        kind: FailureKind,
        /// What was being done.
        during: String,
        /// One line for the user.
        message: String,
    },
    /// The run is over.
    Ended(RunOutcome),
}

/// What a run costs, as it is known when it starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct RunCosts {
    /// Numbers that an optimiser or a rule changes.
    pub trained: u64,
    /// Bytes of the largest step, by arithmetic.
    pub memory: u64,
}

/// What happened to a job that is no run.
#[derive(Debug, Clone, PartialEq)]
pub enum JobEvent {
    /// The data of a run were read; its model comes next.
    DataRead {
        /// How many examples there are, and what became of those that are longer than
        /// the context.
        line: String,
    },
    /// A search for a learning rate made progress.
    RateProgress {
        /// Steps done.
        done: usize,
        /// Steps in all.
        total: usize,
    },
    /// A search for a learning rate is over.
    RateFound {
        /// The name of the search.
        name: RunId,
        /// What it found.
        finding: RateFinding,
    },
    /// A newer answer to [`super::command::Command::Trace`] lies in its slot.
    TraceReady,
    /// More of an answer to a prompt.
    Generated {
        /// The name of the text.
        name: RunId,
        /// Which of the two.
        answer: Answer,
        /// What comes after what came before.
        text: String,
    },
    /// An answer is complete.
    GenerationEnded {
        /// The name of the text.
        name: RunId,
        /// Which of the two.
        answer: Answer,
        /// Tokens of it.
        n_tokens: usize,
        /// Seconds since the prompt was read.
        secs: f64,
        /// Why it ended.
        end: AnswerEnd,
    },
    /// An evaluation of a finished run made progress.
    ScoreProgress {
        /// The name of the evaluation.
        name: RunId,
        /// Tokens read and written.
        done: usize,
        /// Tokens in all, with those that answers have room for.
        total: usize,
    },
    /// An evaluation of a run that is over has ended.
    ScoreEnded {
        /// The name of the evaluation.
        name: RunId,
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
    /// The value directions of a head were read in tokens.
    LensRead {
        /// The name of the job.
        name: RunId,
        /// What was read.
        lens: Box<ValueLens>,
    },
    /// More is known of what each head is worth, or no more will be.
    Ablated {
        /// The name of the job.
        name: RunId,
        /// What is known.
        ablation: Box<Ablation>,
    },
    /// It could not be done. A run fails in this way while it has no folder.
    Failed {
        /// The name of the job, if it has one.
        name: Option<RunId>,
        /// Whose fault it is.
        kind: FailureKind,
        /// What was being done.
        during: String,
        /// One line for the user.
        message: String,
    },
    /// It is over, whatever came of it: one for each
    /// [`super::command::Command`] that is more than a word to a run.
    Done,
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
    /// The weights, the vocabulary, the data or the state to start from are not those
    /// that a run was made from; nothing was written, and the user may accept it.
    Changed,
    /// The device, the disk or the program.
    #[default]
    Work,
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
        /// Layer, head and numbers, for the user.
        detail: String,
    },
}
