//! What an event means to a client that waits for something: both clients of
//! the worker, the window and the command line, take their events in this way.

use super::RunStore;
use crate::protocol::event::{Event, FailureKind, RunId, RunOutcome};
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
        /// The run, if it was one.
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
            Event::RunStarted { run, .. } => Some(Self::Began(run.clone())),
            Event::RunEnded { run, outcome } => Some(Self::Ended {
                run: run.clone(),
                outcome: outcome.clone(),
            }),
            Event::RateFound { run, .. } => Some(Self::RateFound(run.clone())),
            Event::Failed {
                run,
                kind,
                during,
                message,
            } => Some(Self::Failed {
                run: run.clone(),
                kind: *kind,
                message: match kind {
                    // It names the file or the field itself.
                    FailureKind::Input => message.clone(),
                    FailureKind::Work => failure_line(during, message),
                },
            }),
            Event::Diagnosed { diagnosis, .. } => Some(Self::Diagnosed(diagnosis.clone())),
            Event::ScoreEnded { of, .. } => Some(Self::Scored(of.clone())),
            Event::JobDone => Some(Self::JobDone),
            Event::DeviceReady { .. }
            | Event::Loading { .. }
            | Event::ModelLoaded { .. }
            | Event::Step { .. }
            | Event::Validated { .. }
            | Event::SnapshotReady { .. }
            | Event::CheckpointSaved { .. }
            | Event::EvaluationProgress { .. }
            | Event::EvaluationFinished { .. }
            | Event::StateExported { .. }
            | Event::Paused { .. }
            | Event::RateProgress { .. }
            | Event::Generated { .. }
            | Event::GenerationEnded { .. }
            | Event::ScoreProgress { .. }
            | Event::DistancesMeasured { .. }
            | Event::TraceReady => None,
        }
    }
}
