//! The commands during a run: they are taken between steps and batches, where a pause
//! holds and a stop ends it.

use std::collections::VecDeque;
use std::path::PathBuf;

use crossbeam_channel::{Receiver, TryRecvError, never, select};

use crate::error::{Error, Result};
use crate::persist::run_requests::RunRequest;
use crate::protocol::command::{Command, GenerationRequest, ResumeChanges, ScoreRequest};
use crate::protocol::event::RunId;
use crate::protocol::head_requests::{AblationRequest, LensRequest};
use crate::protocol::run_spec::RunSpec;
use crate::protocol::state_import::ImportRequest;
use crate::protocol::trace::TraceRequest;
use crate::tuning::train::rate_finder::RateRange;

/// Work that is done from its start to its end.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Job {
    /// See [`Command::Load`].
    Load(Box<RunSpec>),
    /// See [`Command::StartRun`].
    Start {
        spec: Box<RunSpec>,
        runs: PathBuf,
        accept_changes: bool,
    },
    /// See [`Command::ResumeRun`].
    Resume {
        folder: PathBuf,
        changes: ResumeChanges,
    },
    /// See [`Command::FindRate`].
    FindRate {
        run: RunId,
        spec: Box<RunSpec>,
        range: RateRange,
    },
    /// See [`Command::Trace`].
    Trace(TraceRequest),
    /// See [`Command::Generate`].
    Generate {
        run: RunId,
        request: Box<GenerationRequest>,
    },
    /// See [`Command::Score`].
    Score {
        run: RunId,
        request: Box<ScoreRequest>,
    },
    /// See [`Command::ReadLens`].
    ReadLens {
        run: RunId,
        request: Box<LensRequest>,
    },
    /// See [`Command::AblateHeads`].
    AblateHeads {
        run: RunId,
        request: Box<AblationRequest>,
    },
    /// See [`Command::CompareState`].
    CompareState(Box<ImportRequest>),
    /// See [`Command::MeasureDistances`].
    MeasureDistances(Box<RunSpec>),
}

impl Job {
    /// The name of a job that is not a run.
    fn name(&self) -> Option<&RunId> {
        match self {
            Self::FindRate { run, .. }
            | Self::Generate { run, .. }
            | Self::Score { run, .. }
            | Self::ReadLens { run, .. }
            | Self::AblateHeads { run, .. } => Some(run),
            Self::Load(_)
            | Self::Start { .. }
            | Self::Resume { .. }
            | Self::Trace(_)
            | Self::CompareState(_)
            | Self::MeasureDistances(_) => None,
        }
    }
}

/// The receiving end of the commands.
pub(super) struct Control {
    commands: Receiver<Command>,
    /// What others ask of the run that polls.
    pub(super) requests: Receiver<RunRequest>,
    /// Jobs that came while another was under way.
    waiting: VecDeque<Job>,
    /// The newest request to follow a text, which whoever can takes.
    trace: Option<TraceRequest>,
    /// What whoever polls does with a pause and with such a request.
    pub(super) attention: Attention,
    /// Whether the run that polls is held.
    holds: bool,
    /// Jobs that were cancelled before they began.
    n_abandoned: usize,
    /// Whether the scoring of the run that polls is to be skipped.
    skips: bool,
    /// Whether the run that polls is to write its state.
    wants_state: bool,
    is_shut_down: bool,
}

/// What whoever polls does with a pause and with a text to follow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Attention {
    /// Holds in a pause; texts wait.
    Work,
    /// Holds in a pause, but leaves it for a text or to write the state, after which it
    /// polls again.
    WorkOrText,
    /// Follows a text, in a pause too.
    Text,
}

/// What a command is to whoever takes it.
enum ControlCommand {
    Job(Job),
    Trace(TraceRequest),
    Pause(RunId),
    Resume(RunId),
    Stop(RunId),
    Skip(RunId),
    SaveState,
    Abandon,
    Shutdown,
}

impl Control {
    pub(super) fn new(commands: Receiver<Command>) -> Self {
        Self {
            commands,
            requests: never(),
            waiting: VecDeque::new(),
            trace: None,
            attention: Attention::Work,
            holds: false,
            n_abandoned: 0,
            skips: false,
            wants_state: false,
            is_shut_down: false,
        }
    }

    /// Waits for the next job; none when the worker is to end.
    pub(super) fn next_job(&mut self) -> Option<Job> {
        (self.attention, self.holds) = (Attention::Work, false);
        (self.requests, self.wants_state) = (never(), false);
        while !self.is_shut_down {
            // The user waits for it, and it is short.
            if let Some(request) = self.trace.take() {
                return Some(Job::Trace(request));
            }
            if let Some(job) = self.waiting.pop_front() {
                return Some(job);
            }
            match self.commands.recv().map(ControlCommand::from) {
                Ok(ControlCommand::Job(job)) => return Some(job),
                Ok(ControlCommand::Trace(request)) => return Some(Job::Trace(request)),
                Ok(ControlCommand::Shutdown) | Err(_) => self.is_shut_down = true,
                // The run that was meant is over, or nothing is being prepared.
                Ok(
                    ControlCommand::Pause(_)
                    | ControlCommand::Resume(_)
                    | ControlCommand::Stop(_)
                    | ControlCommand::Skip(_)
                    | ControlCommand::SaveState
                    | ControlCommand::Abandon,
                ) => {}
            }
        }
        None
    }

    /// The newest request to follow a text, if one came since.
    pub(super) fn take_trace(&mut self) -> Option<TraceRequest> {
        self.trace.take()
    }

    /// Takes a job that waits out of the line.
    fn call_off(&mut self, id: &RunId) {
        let n_before = self.waiting.len();
        self.waiting.retain(|job| job.name() != Some(id));
        self.n_abandoned += n_before - self.waiting.len();
    }

    /// Whether the scoring under way is to be skipped, since this was asked last.
    pub(super) fn take_skip(&mut self) -> bool {
        std::mem::take(&mut self.skips)
    }

    /// Whether the state of the run that polls is to be written, since this was asked last.
    pub(super) fn take_state_request(&mut self) -> bool {
        std::mem::take(&mut self.wants_state)
    }

    /// Whether the run that polls is held.
    pub(super) fn holds(&self) -> bool {
        self.holds
    }

    /// The number of jobs that were cancelled since this was asked last.
    pub(super) fn take_abandoned(&mut self) -> usize {
        std::mem::take(&mut self.n_abandoned)
    }

    /// Takes the commands that have come. A pause of `run` is told to `paused`
    /// and holds until the run is resumed or stopped, or until there is a text
    /// to follow or a state to write for a caller that does that, who polls again then.
    ///
    /// # Errors
    /// [`Error::Stopped`] when `run` or the worker is to end, and what `paused`
    /// reports.
    pub(super) fn poll(
        &mut self,
        run: Option<&RunId>,
        paused: &mut dyn FnMut() -> Result<()>,
    ) -> Result<()> {
        while !self.is_shut_down {
            let is_for_caller = self.trace.is_some() || self.wants_state;
            if is_for_caller && self.attention == Attention::WorkOrText {
                return Ok(());
            }
            match self.take(run) {
                Err(TryRecvError::Empty) => return Ok(()),
                Err(TryRecvError::Disconnected) | Ok(ControlCommand::Shutdown) => {
                    self.is_shut_down = true
                }
                Ok(ControlCommand::Job(job)) => self.waiting.push_back(job),
                Ok(ControlCommand::Trace(request)) => self.trace = Some(request),
                Ok(ControlCommand::SaveState) => self.wants_state = true,
                Ok(ControlCommand::Stop(id)) if Some(&id) == run => return Err(Error::Stopped),
                Ok(ControlCommand::Abandon) => {
                    self.n_abandoned += self.waiting.len();
                    self.waiting.clear();
                    if run.is_none() {
                        return Err(Error::Stopped);
                    }
                }
                Ok(ControlCommand::Resume(id)) if Some(&id) == run => self.holds = false,
                Ok(ControlCommand::Pause(id)) if Some(&id) == run => {
                    if !self.holds {
                        paused()?;
                    }
                    self.holds = true;
                }
                Ok(ControlCommand::Stop(id)) => self.call_off(&id),
                // What is skipped is not held any longer.
                Ok(ControlCommand::Skip(id)) if Some(&id) == run => {
                    (self.skips, self.holds) = (true, false);
                }
                // Another run was meant, which is over.
                Ok(
                    ControlCommand::Pause(_) | ControlCommand::Resume(_) | ControlCommand::Skip(_),
                ) => {}
            }
        }
        Err(Error::Stopped)
    }

    /// The next command, or what others ask of `run`; waits for one in a pause.
    fn take(&mut self, run: Option<&RunId>) -> Result<ControlCommand, TryRecvError> {
        let of_run = |request| match run {
            Some(run) => Ok(ControlCommand::of_request(request, run)),
            None => Err(TryRecvError::Empty),
        };
        if !self.holds || self.attention == Attention::Text {
            return match self.commands.try_recv() {
                Err(TryRecvError::Empty) => {
                    let request = self.requests.try_recv();
                    request.map_err(|_| TryRecvError::Empty).and_then(of_run)
                }
                taken => taken.map(ControlCommand::from),
            };
        }
        loop {
            select! {
                recv(self.commands) -> command => {
                    let command = command.map_err(|_| TryRecvError::Disconnected)?;
                    return Ok(command.into());
                }
                recv(self.requests) -> request => match request {
                    Ok(request) => return of_run(request),
                    // Nobody can ask any more.
                    Err(_) => self.requests = never(),
                },
            }
        }
    }
}

impl ControlCommand {
    fn of_request(request: RunRequest, run: &RunId) -> Self {
        match request {
            RunRequest::Pause => Self::Pause(run.clone()),
            RunRequest::Resume => Self::Resume(run.clone()),
            RunRequest::Stop => Self::Stop(run.clone()),
            RunRequest::SaveState => Self::SaveState,
        }
    }
}

impl From<Command> for ControlCommand {
    fn from(command: Command) -> Self {
        match command {
            Command::Load(spec) => Self::Job(Job::Load(spec)),
            Command::StartRun {
                spec,
                runs,
                accept_changes,
            } => Self::Job(Job::Start {
                spec,
                runs,
                accept_changes,
            }),
            Command::ResumeRun { folder, changes } => Self::Job(Job::Resume { folder, changes }),
            Command::FindRate { run, spec, range } => Self::Job(Job::FindRate { run, spec, range }),
            Command::Trace(request) => Self::Trace(request),
            Command::Generate { run, request } => Self::Job(Job::Generate { run, request }),
            Command::Score { run, request } => Self::Job(Job::Score { run, request }),
            Command::ReadLens { run, request } => Self::Job(Job::ReadLens { run, request }),
            Command::AblateHeads { run, request } => Self::Job(Job::AblateHeads { run, request }),
            Command::CompareState(request) => Self::Job(Job::CompareState(request)),
            Command::MeasureDistances(spec) => Self::Job(Job::MeasureDistances(spec)),
            Command::Abandon => Self::Abandon,
            Command::Pause(run) => Self::Pause(run),
            Command::Resume(run) => Self::Resume(run),
            Command::Stop(run) => Self::Stop(run),
            Command::SkipScoring(run) => Self::Skip(run),
            Command::Shutdown => Self::Shutdown,
        }
    }
}

#[cfg(test)]
mod tests;
