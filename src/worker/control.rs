//! The commands during a run: they are taken between steps and batches, where a pause
//! holds and a stop ends it.

use std::collections::VecDeque;
use std::path::PathBuf;

use crossbeam_channel::{Receiver, TryRecvError};

use crate::error::{Error, Result};
use crate::protocol::command::{Command, GenerationRequest, ResumeChanges, ScoreRequest};
use crate::protocol::event::RunId;
use crate::protocol::run_spec::RunSpec;
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
    /// See [`Command::MeasureDistances`].
    MeasureDistances(Box<RunSpec>),
}

impl Job {
    /// The name of a job that is not a run.
    fn name(&self) -> Option<&RunId> {
        match self {
            Self::FindRate { run, .. } | Self::Generate { run, .. } | Self::Score { run, .. } => {
                Some(run)
            }
            Self::Load(_)
            | Self::Start { .. }
            | Self::Resume { .. }
            | Self::Trace(_)
            | Self::MeasureDistances(_) => None,
        }
    }
}

/// The receiving end of the commands.
pub(super) struct Control {
    commands: Receiver<Command>,
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
    is_shut_down: bool,
}

/// What whoever polls does with a pause and with a text to follow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Attention {
    /// Holds in a pause; texts wait.
    Work,
    /// Holds in a pause, but leaves it for a text, after which it polls again.
    WorkOrText,
    /// Follows a text, in a pause too.
    Text,
}

/// What a command is to whoever takes it.
enum Taken {
    Job(Job),
    Trace(TraceRequest),
    Pause(RunId),
    Resume(RunId),
    Stop(RunId),
    Abandon,
    Shutdown,
}

impl Control {
    pub(super) fn new(commands: Receiver<Command>) -> Self {
        Self {
            commands,
            waiting: VecDeque::new(),
            trace: None,
            attention: Attention::Work,
            holds: false,
            n_abandoned: 0,
            is_shut_down: false,
        }
    }

    /// Waits for the next job; none when the worker is to end.
    pub(super) fn next_job(&mut self) -> Option<Job> {
        (self.attention, self.holds) = (Attention::Work, false);
        while !self.is_shut_down {
            // The user waits for it, and it is short.
            if let Some(request) = self.trace.take() {
                return Some(Job::Trace(request));
            }
            if let Some(job) = self.waiting.pop_front() {
                return Some(job);
            }
            match self.commands.recv().map(Taken::from) {
                Ok(Taken::Job(job)) => return Some(job),
                Ok(Taken::Trace(request)) => return Some(Job::Trace(request)),
                Ok(Taken::Shutdown) | Err(_) => self.is_shut_down = true,
                // The run that was meant is over, or nothing is being prepared.
                Ok(Taken::Pause(_) | Taken::Resume(_) | Taken::Stop(_) | Taken::Abandon) => {}
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

    /// The number of jobs that were cancelled since this was asked last.
    pub(super) fn take_abandoned(&mut self) -> usize {
        std::mem::take(&mut self.n_abandoned)
    }

    /// Takes the commands that have come. A pause of `run` is told to `paused`
    /// and holds until the run is resumed or stopped, or until there is a text
    /// to follow for a caller that takes them, who polls again then.
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
            let is_for_caller = self.attention == Attention::WorkOrText && self.trace.is_some();
            if is_for_caller {
                return Ok(());
            }
            let taken = if self.holds && self.attention != Attention::Text {
                self.commands.recv().map_err(|_| TryRecvError::Disconnected)
            } else {
                self.commands.try_recv()
            };
            match taken.map(Taken::from) {
                Err(TryRecvError::Empty) => return Ok(()),
                Err(TryRecvError::Disconnected) | Ok(Taken::Shutdown) => self.is_shut_down = true,
                Ok(Taken::Job(job)) => self.waiting.push_back(job),
                Ok(Taken::Trace(request)) => self.trace = Some(request),
                Ok(Taken::Stop(id)) if Some(&id) == run => return Err(Error::Stopped),
                Ok(Taken::Abandon) => {
                    self.n_abandoned += self.waiting.len();
                    self.waiting.clear();
                    if run.is_none() {
                        return Err(Error::Stopped);
                    }
                }
                Ok(Taken::Resume(id)) if Some(&id) == run => self.holds = false,
                Ok(Taken::Pause(id)) if Some(&id) == run => {
                    if !self.holds {
                        paused()?;
                    }
                    self.holds = true;
                }
                Ok(Taken::Stop(id)) => self.call_off(&id),
                // Another run was meant, which is over.
                Ok(Taken::Pause(_) | Taken::Resume(_)) => {}
            }
        }
        Err(Error::Stopped)
    }
}

impl From<Command> for Taken {
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
            Command::MeasureDistances(spec) => Self::Job(Job::MeasureDistances(spec)),
            Command::Abandon => Self::Abandon,
            Command::Pause(run) => Self::Pause(run),
            Command::Resume(run) => Self::Resume(run),
            Command::Stop(run) => Self::Stop(run),
            Command::Shutdown => Self::Shutdown,
        }
    }
}

#[cfg(test)]
mod tests {
    use crossbeam_channel::{Sender, unbounded};

    use super::*;

    fn control() -> (Sender<Command>, Control) {
        let (sender, receiver) = unbounded();
        (sender, Control::new(receiver))
    }

    fn id(name: &str) -> RunId {
        RunId(name.into())
    }

    fn resumed(folder: PathBuf) -> Job {
        let changes = ResumeChanges::default();
        Job::Resume { folder, changes }
    }

    fn resume_run(name: &str) -> Command {
        Command::ResumeRun {
            folder: name.into(),
            changes: ResumeChanges::default(),
        }
    }

    /// What polling run `a` gives, and how many pauses were told.
    fn check(commands: &[Command], stopped: bool, n_pauses: usize) {
        let (sender, mut control) = control();
        for command in commands {
            sender.send(command.clone()).unwrap();
        }
        let mut n_told = 0;
        let outcome = control.poll(Some(&id("a")), &mut || {
            n_told += 1;
            Ok(())
        });
        assert_eq!(outcome.is_err(), stopped, "{commands:?}");
        assert_eq!(n_told, n_pauses, "{commands:?}");
    }

    #[test]
    fn a_run_is_paused_resumed_and_stopped() {
        use Command::{Pause, Resume, Shutdown, Stop};
        check(&[], false, 0);
        check(&[Stop(id("a"))], true, 0);
        check(&[Stop(id("b")), Resume(id("a"))], false, 0);
        check(&[Pause(id("a")), Resume(id("a"))], false, 1);
        check(&[Pause(id("a")), Pause(id("a")), Resume(id("a"))], false, 1);
        check(&[Pause(id("a")), Resume(id("b")), Stop(id("a"))], true, 1);
        check(&[Pause(id("a")), Shutdown], true, 1);
        check(&[Pause(id("b"))], false, 0);
    }

    #[test]
    fn a_client_that_is_gone_ends_the_run() {
        let (sender, mut control) = control();
        sender.send(Command::Pause(id("a"))).unwrap();
        drop(sender);
        assert!(control.poll(Some(&id("a")), &mut || Ok(())).is_err());
        assert_eq!(control.next_job(), None);
    }

    #[test]
    fn jobs_wait_for_their_turn() {
        let (sender, mut control) = control();
        sender.send(resume_run("a")).unwrap();
        sender.send(resume_run("b")).unwrap();
        control.poll(None, &mut || Ok(())).unwrap();
        sender.send(Command::Stop(id("c"))).unwrap();
        sender.send(resume_run("c")).unwrap();
        for name in ["a", "b", "c"] {
            let folder = name.into();
            assert_eq!(control.next_job(), Some(resumed(folder)));
        }
    }

    #[test]
    fn a_job_that_waits_is_called_off_by_its_name() {
        let (sender, mut control) = control();
        let search = |name| Command::FindRate {
            run: id(name),
            spec: Box::default(),
            range: RateRange::default(),
        };
        for command in [search("b"), search("c"), Command::Stop(id("b"))] {
            sender.send(command).unwrap();
        }
        assert!(control.poll(Some(&id("a")), &mut || Ok(())).is_ok());
        assert_eq!(control.take_abandoned(), 1);
        let next = control.next_job();
        assert!(matches!(&next, Some(Job::FindRate { run, .. }) if *run == id("c")));
    }

    #[test]
    fn a_pause_is_left_for_a_text_and_held_again_after_it() {
        use crate::protocol::trace::TraceFrom;
        use crate::tuning::inspect::trajectory::Place;
        let (sender, mut control) = control();
        let run = id("a");
        let request = TraceRequest {
            spec: Box::default(),
            from: TraceFrom::Untuned,
            text: "a".into(),
            place: Place { layer: 0, head: 0 },
        };
        sender.send(Command::Pause(run.clone())).unwrap();
        sender.send(Command::Trace(request.clone())).unwrap();
        let mut n_told = 0;
        let mut poll = |control: &mut Control, attention| {
            control.attention = attention;
            let mut paused = || {
                n_told += 1;
                Ok(())
            };
            let polled = control.poll(Some(&run), &mut paused).is_ok();
            (polled, n_told)
        };
        assert_eq!(poll(&mut control, Attention::WorkOrText), (true, 1));
        assert_eq!(control.take_trace(), Some(request));
        assert_eq!(
            poll(&mut control, Attention::Text),
            (true, 1),
            "never holds"
        );
        // It would hold here; the stop ends that, and no pause is told again.
        sender.send(Command::Stop(run.clone())).unwrap();
        assert_eq!(poll(&mut control, Attention::WorkOrText), (false, 1));
    }

    #[test]
    fn what_has_not_begun_is_given_up_and_a_run_goes_on() {
        let (sender, mut control) = control();
        for command in [resume_run("a"), resume_run("b"), Command::Abandon] {
            sender.send(command).unwrap();
        }
        assert!(control.poll(Some(&id("run")), &mut || Ok(())).is_ok());
        assert_eq!(control.take_abandoned(), 2);
        assert_eq!(control.take_abandoned(), 0);
        sender.send(Command::Abandon).unwrap();
        assert!(control.poll(None, &mut || Ok(())).is_err());
        sender.send(Command::Abandon).unwrap();
        sender.send(resume_run("c")).unwrap();
        let folder = "c".into();
        assert_eq!(control.next_job(), Some(resumed(folder)));
    }

    #[test]
    fn nothing_is_begun_after_a_shutdown() {
        let (sender, mut control) = control();
        sender.send(resume_run("a")).unwrap();
        sender.send(Command::Shutdown).unwrap();
        assert!(control.poll(None, &mut || Ok(())).is_err());
        assert_eq!(control.next_job(), None);
    }
}
