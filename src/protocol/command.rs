//! Everything the outside may ask of the worker, as plain data.

use std::path::PathBuf;

use super::event::RunId;
use super::head_requests::{AblationRequest, LensRequest};
use super::run_spec::RunSpec;
use super::state_import::ImportRequest;
use super::trace::TraceRequest;
use crate::data::{Benchmark, Split};
use crate::model::sampling::{Limits, Sampling};
use crate::tuning::train::rate_finder::RateRange;

/// A request to the worker. Requests are taken in order; [`Command::Pause`],
/// [`Command::Resume`] and [`Command::Stop`] also reach a run that is under way.
#[derive(Debug, Clone, PartialEq)]
pub enum Command {
    /// Open the device and read the model of this specification, so that a run
    /// starts at once. Nothing is written.
    Load(Box<RunSpec>),
    /// Tune by this specification in a new folder below `runs`.
    StartRun {
        /// What to do.
        spec: Box<RunSpec>,
        /// The folder that holds the runs' folders.
        runs: PathBuf,
        /// Start from a state of other weights too.
        accept_changes: bool,
    },
    /// Go on with a run from its last good checkpoint.
    ResumeRun {
        /// The run's folder.
        folder: PathBuf,
        /// What is another than it was.
        changes: ResumeChanges,
    },
    /// Take a few steps at rising learning rates and report the losses; nothing
    /// is written. [`Command::Stop`] with the same name ends it early.
    FindRate {
        /// A name for this search.
        run: RunId,
        /// What to train, and on what.
        spec: Box<RunSpec>,
        /// The rates.
        range: RateRange,
    },
    /// Follow the state of a head over a text. The newest request is answered,
    /// between two steps of a run if one is on, into
    /// `WorkerHandle::traces`; nothing is written.
    Trace(TraceRequest),
    /// Continue a prompt with and without a tuned state. [`Command::Stop`] with
    /// the same name ends it early.
    Generate {
        /// A name for this text.
        run: RunId,
        /// What to continue, and how.
        request: Box<GenerationRequest>,
    },
    /// Score the model of a run that is over on a benchmark, from its state or
    /// untuned, and write the items into its folder. [`Command::Stop`] with the
    /// same name ends it early, and then nothing is written.
    Score {
        /// A name for this evaluation.
        run: RunId,
        /// What to score, and on what.
        request: Box<ScoreRequest>,
    },
    /// Read the value directions of a head in tokens; nothing is written.
    /// [`Command::Stop`] with the same name ends it early.
    ReadLens {
        /// A name for this question.
        run: RunId,
        /// Which head of which state.
        request: Box<LensRequest>,
    },
    /// Measure the held-out loss without each head of a state; nothing is written.
    /// [`Command::Stop`] with the same name ends it with what is known.
    AblateHeads {
        /// A name for this measurement.
        run: RunId,
        /// Which state, on how many examples.
        request: Box<AblationRequest>,
    },
    /// Compare a state of another program with the zero state, as it is and transposed,
    /// into `WorkerHandle::imports`; nothing is written.
    CompareState(Box<ImportRequest>),
    /// Measure how far receptance vectors and support vectors lie apart, of the
    /// features that this specification would have.
    MeasureDistances(Box<RunSpec>),
    /// Give up what waits and what is being prepared: the reading of a model, a
    /// run that has not started. A run that has started continues.
    Abandon,
    /// Hold the run after the step or batch under way.
    Pause(RunId),
    /// Go on after a pause.
    Resume(RunId),
    /// End the run after the step or batch under way and save it.
    Stop(RunId),
    /// End the scoring of the run that is under way, without figures; the run goes on.
    /// Nothing where it is not being scored.
    SkipScoring(RunId),
    /// End the worker.
    Shutdown,
}

impl Command {
    /// The name of a job that is not a run, by which it can be stopped.
    pub fn job_name(&self) -> Option<&RunId> {
        match self {
            Self::FindRate { run, .. }
            | Self::Generate { run, .. }
            | Self::Score { run, .. }
            | Self::ReadLens { run, .. }
            | Self::AblateHeads { run, .. } => Some(run),
            Self::Load(_)
            | Self::StartRun { .. }
            | Self::ResumeRun { .. }
            | Self::Trace(_)
            | Self::CompareState(_)
            | Self::MeasureDistances(_)
            | Self::Abandon
            | Self::Pause(_)
            | Self::Resume(_)
            | Self::Stop(_)
            | Self::SkipScoring(_)
            | Self::Shutdown => None,
        }
    }
}

/// What may be another than it was when a run continues.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ResumeChanges {
    /// Where the weights are now; the run's own file if none.
    pub model: Option<PathBuf>,
    /// Go on with other weights, another vocabulary or other data.
    pub accept: bool,
}

/// A text to continue.
#[derive(Debug, Clone, PartialEq)]
pub struct GenerationRequest {
    /// The model and the device are those of this specification.
    pub spec: RunSpec,
    /// The file of the tuned state; none continues with the untuned model only.
    pub state: Option<PathBuf>,
    /// The state is taken times this.
    pub alpha: f32,
    /// The state of the other answer; none is the untuned model.
    pub other: Option<PathBuf>,
    /// The text.
    pub prompt: String,
    /// The text that the answer of `state` follows, where that is another one.
    pub tuned_prompt: Option<String>,
    /// How tokens are chosen, the same for both.
    pub sampling: Sampling,
    /// What repeating costs, and how many tokens are drawn from.
    pub limits: Limits,
    /// Tokens that each answer has at most.
    pub max_tokens: usize,
    /// An answer ends before any of these texts.
    pub stops: Vec<String>,
}

/// What to score of a run that is over, and on what.
#[derive(Debug, Clone, PartialEq)]
pub struct ScoreRequest {
    /// The run.
    pub of: RunId,
    /// Its folder, with its specification and its state.
    pub folder: PathBuf,
    /// From its state; else the untuned model.
    pub is_tuned: bool,
    /// The benchmark.
    pub benchmark: Benchmark,
    /// The folder of its official files; without it its mini set.
    pub official: Option<PathBuf>,
    /// The split.
    pub split: Split,
    /// The first so many items only.
    pub limit: Option<usize>,
    /// Solved questions in front of every question.
    pub few_shot: usize,
}
