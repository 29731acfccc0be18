//! What an event means to a client that waits for something: both clients of
//! the worker, the window and the command line, take their events in this way.

use super::RunStore;
use crate::protocol::event::{Event, FailureKind, JobEvent, RunEvent, RunId, RunOutcome};
use crate::protocol::log_line::failure_line;
use crate::tuning::inspect::diagnosis::Diagnosis;

/// Something that a client acts on.
#[derive(Debug, Clone, PartialEq)]
pub enum News {
    /// A run has started.
    Began(RunId),
    /// A run is over.
    Ended {
        /// The run.
        run: RunId,
        /// How.
        outcome: RunOutcome,
    },
    /// The search for a learning rate of this name is over.
    RateFound(RunId),
    /// Something could not be done.
    Failed {
        /// The run or the job, if it has a name.
        run: Option<RunId>,
        /// Whose fault it is.
        kind: FailureKind,
        /// Why, in one line for the user.
        message: String,
    },
    /// Something is wrong with a run.
    Diagnosed(Diagnosis),
    /// An evaluation of this run, which was over, has ended.
    Scored(RunId),
    /// The worker is done with a job, whatever came of it.
    JobDone,
}

impl RunStore {
    /// Takes in what the worker reports, and says what a client acts on.
    pub fn take_in(&mut self, event: Event) -> Option<News> {
        let news = News::of(&event);
        self.apply(event);
        news
    }
}

impl News {
    fn of(event: &Event) -> Option<Self> {
        match event {
            Event::Run(run, RunEvent::Started { .. }) => Some(Self::Began(run.clone())),
            Event::Run(run, RunEvent::Ended(outcome)) => Some(Self::Ended {
                run: run.clone(),
                outcome: outcome.clone(),
            }),
            Event::Run(_, RunEvent::Diagnosed(diagnosis)) => {
                Some(Self::Diagnosed(diagnosis.clone()))
            }
            Event::Run(
                run,
                RunEvent::Failed {
                    kind,
                    during,
                    message,
                },
            ) => Some(Self::failed(Some(run), *kind, during, message)),
            Event::Job(JobEvent::RateFound { name, .. }) => Some(Self::RateFound(name.clone())),
            Event::Job(JobEvent::ScoreEnded { of, .. }) => Some(Self::Scored(of.clone())),
            Event::Job(JobEvent::Done) => Some(Self::JobDone),
            Event::Job(JobEvent::Failed {
                name,
                kind,
                during,
                message,
            }) => Some(Self::failed(name.as_ref(), *kind, during, message)),
            Event::Device(_) | Event::Job(_) | Event::Run(..) => None,
        }
    }

    fn failed(run: Option<&RunId>, kind: FailureKind, during: &str, message: &str) -> Self {
        Self::Failed {
            run: run.cloned(),
            kind,
            message: match kind {
                // It names the file or the field itself.
                FailureKind::Input | FailureKind::Changed => message.to_owned(),
                FailureKind::Work => failure_line(during, message),
            },
        }
    }
}
