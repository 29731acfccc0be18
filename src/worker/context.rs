//! The context of a job: its events and its commands.

use std::time::Instant;

use super::control::Control;
use super::requests::RunSession;
use super::session::{LoadedModel, Session};
use crate::error::{Error, Result};
use crate::language::in_english;
use crate::model::tokenizer::Tokenizer;
use crate::persist::metrics::MetricRecord;
use crate::persist::run_folder::RunFolder;
use crate::protocol::event::{EvaluationPhase, Event, FailureKind, JobEvent, RunEvent, RunId};
use crate::protocol::latest::{Latest, StateSnapshot};
use crate::protocol::log_line::log_line;
use crate::protocol::run_spec::RunSpec;
use crate::protocol::state_import::ImportAnswer;
use crate::protocol::trace::TraceAnswer;

/// The outside of a job.
pub(super) struct Context<'w> {
    /// Commands in.
    pub control: &'w mut Control,
    /// Events out.
    pub send: &'w dyn Fn(Event),
    /// Matrices out.
    pub snapshots: &'w Latest<StateSnapshot>,
    /// States over texts out.
    pub traces: &'w Latest<TraceAnswer>,
    /// What was found of states of other programs.
    pub imports: &'w Latest<ImportAnswer>,
    /// Where others ask something of the run, once it has started. Before the folder,
    /// whose lock is let go of last.
    pub requests: Option<RunSession>,
    /// The folder of the run, once it has started.
    pub folder: Option<RunFolder>,
    /// A run without a folder, which can be stopped by this name.
    pub unwritten: Option<RunId>,
    /// What is being done, for the message of a failure.
    pub during: JobPhase,
    /// Seconds spent in pauses.
    pub held_secs: f64,
}

/// What a job is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum JobPhase {
    CheckingSpec,
    LoadingModel,
    LoadingData,
    Preparing,
    OpeningRun,
    CreatingRun,
    Evaluating(EvaluationPhase),
    Tuning,
    Validating,
    Saving,
    FindingRate,
    CrossValidating,
    Tracing,
    Generating,
    Scoring,
    MeasuringDistances,
    ComparingState,
    ReadingHead,
    AblatingHeads,
}

impl JobPhase {
    /// In words, the beginning of a sentence that ends in "failed".
    fn words(self) -> &'static str {
        match self {
            Self::CheckingSpec => mark!("checking the specification"),
            Self::LoadingModel => mark!("loading the model"),
            Self::LoadingData => mark!("loading the data"),
            Self::Preparing => mark!("preparing the state"),
            Self::OpeningRun => mark!("opening the run"),
            Self::CreatingRun => mark!("creating the run"),
            Self::Evaluating(EvaluationPhase::Before) => mark!("scoring the untuned model"),
            Self::Evaluating(EvaluationPhase::FewShot) => {
                mark!("scoring the untuned model with few-shot examples")
            }
            Self::Evaluating(EvaluationPhase::After) => mark!("scoring the tuned model"),
            Self::Tuning => mark!("tuning"),
            Self::Validating => mark!("measuring the validation loss"),
            Self::Saving => mark!("saving"),
            Self::Tracing => mark!("following a text"),
            Self::CrossValidating => mark!("choosing the number of steps"),
            Self::FindingRate => mark!("finding the learning rate"),
            Self::Generating => mark!("answering the prompt"),
            Self::Scoring => mark!("scoring the run"),
            Self::MeasuringDistances => mark!("measuring distances"),
            Self::ComparingState => mark!("comparing the state"),
            Self::ReadingHead => mark!("reading the head in tokens"),
            Self::AblatingHeads => mark!("measuring the heads"),
        }
    }
}

impl Context<'_> {
    /// The run that can be paused and stopped.
    pub fn run(&self) -> Option<RunId> {
        let id = self.folder.as_ref().map(RunFolder::id);
        id.or(self.unwritten.as_ref()).cloned()
    }

    /// The folder of the run.
    ///
    /// # Errors
    /// [`Error::Device`] before the run has started, which is a mistake of ours.
    pub fn folder(&mut self) -> Result<&mut RunFolder> {
        let missing = || Error::Device(tr!("the run has no folder yet").into());
        self.folder.as_mut().ok_or_else(missing)
    }

    /// Begins to hear what others ask of the run that has just begun. Where that cannot
    /// be, it says so in its log.
    ///
    /// # Errors
    /// [`Error::Device`] before the run has a folder.
    pub fn hear_others(&mut self) -> Result<()> {
        let folder = self.folder()?;
        match RunSession::begin(folder.path()) {
            Ok((session, requests)) => {
                self.control.requests = requests;
                self.requests = Some(session);
            }
            Err(error) => folder.append_log(&in_english(|| error.to_string()))?,
        }
        Ok(())
    }

    /// Writes an event down and then sends it, so that nothing is only in
    /// memory.
    ///
    /// # Errors
    /// [`Error::Io`] if it cannot be written.
    pub fn report(&mut self, event: Event) -> Result<()> {
        if let Some(folder) = &mut self.folder {
            if let Event::Run(_, event) = &event {
                for record in MetricRecord::from_event(event) {
                    folder.append_metric(&record)?;
                }
            }
            if let Some(line) = in_english(|| log_line(&event)) {
                folder.append_log(&line)?;
            }
        }
        (self.send)(event);
        Ok(())
    }

    /// Reports that the job failed. What cannot be written any more is sent
    /// all the same.
    pub fn report_failure(&mut self, kind: FailureKind, message: String) {
        let during = self.during.words().into();
        let failure = match &self.folder {
            Some(folder) => {
                let failure = RunEvent::Failed {
                    kind,
                    during,
                    message,
                };
                Event::Run(folder.id().clone(), failure)
            }
            None => Event::Job(JobEvent::Failed {
                name: self.unwritten.clone(),
                kind,
                during,
                message,
            }),
        };
        if self.report(failure.clone()).is_err() {
            (self.send)(failure);
        }
    }

    /// The model and the vocabulary of a run, with what is heard of their
    /// loading reported and commands taken meanwhile.
    ///
    /// # Errors
    /// [`Error::Stopped`] when the job is to end, and those of [`Session::load`].
    pub fn load<'s>(
        &mut self,
        session: &'s mut Session,
        spec: &RunSpec,
    ) -> Result<(&'s LoadedModel, Tokenizer)> {
        session.load(spec, &mut |event| {
            self.poll(0)?;
            self.report(event)
        })
    }

    /// Takes commands; holds while the run is paused.
    ///
    /// # Errors
    /// [`Error::Stopped`] when the job is to end.
    pub fn poll(&mut self, step: usize) -> Result<()> {
        let run = self.run();
        let (send, folder, requests) = (self.send, &mut self.folder, &mut self.requests);
        let mut pause_start = None;
        let polled = self.control.poll(run.as_ref(), &mut || {
            pause_start = Some(Instant::now());
            let Some(run) = &run else { return Ok(()) };
            let event = Event::Run(run.clone(), RunEvent::Paused { step });
            if let (Some(folder), Some(line)) = (folder.as_mut(), in_english(|| log_line(&event))) {
                folder.append_log(&line)?;
            }
            if let Some(requests) = requests.as_mut() {
                requests.paused(step);
            }
            send(event);
            Ok(())
        });
        if let (Some(requests), false) = (&mut self.requests, self.control.holds()) {
            requests.goes_on(step);
        }
        if let Some(start) = pause_start {
            self.held_secs += start.elapsed().as_secs_f64();
        }
        polled
    }
}

/// The kind of a failure: bad input only where nothing was started.
pub(super) fn failure_kind(error: &Error, has_begun: bool) -> FailureKind {
    match error {
        Error::Changed { .. } if !has_begun => FailureKind::Changed,
        Error::Input { .. } | Error::Spec { .. } | Error::Io { .. } if !has_begun => {
            FailureKind::Input
        }
        Error::Input { .. }
        | Error::Changed { .. }
        | Error::Spec { .. }
        | Error::Io { .. }
        | Error::Device(_)
        | Error::Stopped => FailureKind::Work,
    }
}

/// Lets something happen at most every so often.
pub(super) struct Throttle {
    every_secs: f64,
    last: Option<Instant>,
}

impl Throttle {
    pub fn new(every_secs: f64) -> Self {
        Self {
            every_secs,
            last: None,
        }
    }

    /// Makes it rarer where it takes long: `secs` of work are at most a
    /// twentieth of the time.
    pub fn took(&mut self, secs: f64) {
        self.every_secs = self.every_secs.max(20.0 * secs);
    }

    /// Whether it is time again.
    pub fn is_due(&mut self) -> bool {
        let is_due = self
            .last
            .is_none_or(|last| last.elapsed().as_secs_f64() >= self.every_secs);
        if is_due {
            self.last = Some(Instant::now());
        }
        is_due
    }
}
