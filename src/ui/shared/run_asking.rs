//! What is asked of runs that another process works on, here or on another machine.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use super::background::{Background, Threads};
use crate::persist::run_requests::asking::ask;
use crate::persist::run_requests::{RequestOutcome, RunRequest};
use crate::protocol::event::RunId;
use crate::runs::run::Run;

/// How long a run may take to do what was asked: a step of a large model, and as much on
/// the way to another machine.
const PATIENCE: Duration = Duration::from_secs(180);
/// How long a state may take on its way here.
const BRING_PATIENCE: Duration = Duration::from_secs(12 * 3600);
/// How often it is told how far that is.
const TELL: Duration = Duration::from_secs(1);

/// What is heard of a request.
#[derive(Debug)]
pub(crate) enum RunNews {
    /// Bytes that have come of a state, and all.
    Coming { run: RunId, done: u64, total: u64 },
    /// What came of it, or why it could not be asked.
    Answered {
        run: RunId,
        request: RunRequest,
        outcome: Result<RequestOutcome, String>,
    },
}

/// Requests that are under way.
pub(crate) struct RunAsking {
    background: Background<RunNews>,
    under_way: HashSet<(RunId, RunRequest)>,
}

impl RunAsking {
    /// None yet.
    pub fn new(threads: &Threads) -> Self {
        Self {
            background: Background::new(threads),
            under_way: HashSet::new(),
        }
    }

    /// Asks something of a run, unless it is being asked already.
    pub fn ask(&mut self, run: &Run, request: RunRequest) {
        let Run { id, folder, .. } = run;
        if !self.under_way.insert((id.clone(), request)) {
            return;
        }
        let (run, folder) = (id.clone(), folder.clone());
        let patience = match request {
            RunRequest::SaveState => BRING_PATIENCE,
            RunRequest::Pause | RunRequest::Resume | RunRequest::Stop => PATIENCE,
        };
        let (sender, mut last) = (self.background.clone(), Instant::now());
        self.background.start(move || {
            let told = &mut |progress: Option<[u64; 2]>| {
                if let Some([done, total]) = progress
                    && last.elapsed() >= TELL
                {
                    last = Instant::now();
                    let run = run.clone();
                    sender.send(RunNews::Coming { run, done, total });
                }
                true
            };
            let outcome = ask(&folder, request, patience, told);
            Some(RunNews::Answered {
                run: run.clone(),
                request,
                outcome: outcome.map_err(|error| error.to_string()),
            })
        });
    }

    /// What was heard since this was asked last.
    pub fn take_answers(&mut self) -> Vec<RunNews> {
        let news = self.background.answers();
        for one in &news {
            if let RunNews::Answered { run, request, .. } = one {
                self.under_way.remove(&(run.clone(), *request));
            }
        }
        news
    }
}
