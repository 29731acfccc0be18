//! What is asked of runs that another process works on, here or on another machine.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::background::{Background, Threads};
use crate::hub::Pace;
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
    Coming {
        run: RunId,
        done: u64,
        total: u64,
        /// Seconds until all have come, once that can be told.
        secs_left: Option<f64>,
    },
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
    under_way: HashMap<(RunId, RunRequest), UnderWay>,
}

/// One of them.
#[derive(Default)]
struct UnderWay {
    is_called_off: Arc<AtomicBool>,
    /// Of what is brought here.
    pace: Pace,
}

impl RunAsking {
    /// None yet.
    pub fn new(threads: &Threads) -> Self {
        Self {
            background: Background::new(threads),
            under_way: HashMap::new(),
        }
    }

    /// Asks something of a run, unless it is being asked already.
    pub fn ask(&mut self, run: &Run, request: RunRequest) {
        let Run { id, folder, .. } = run;
        let key = (id.clone(), request);
        if self.under_way.contains_key(&key) {
            return;
        }
        let UnderWay { is_called_off, .. } = self.under_way.entry(key).or_default();
        let is_called_off = is_called_off.clone();
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
                    sender.send(RunNews::Coming {
                        run,
                        done,
                        total,
                        secs_left: None,
                    });
                }
                !is_called_off.load(Ordering::Relaxed)
            };
            let outcome = ask(&folder, request, patience, told);
            Some(RunNews::Answered {
                run: run.clone(),
                request,
                outcome: outcome.map_err(|error| error.to_string()),
            })
        });
    }

    /// Has the state of a run no longer brought here.
    pub fn call_off(&self, run: &RunId) {
        if let Some(of) = self.under_way.get(&state_of(run)) {
            of.is_called_off.store(true, Ordering::Relaxed);
        }
    }

    /// What was heard since this was asked last; nothing more of what is called off until
    /// that is so.
    pub fn take_answers(&mut self) -> Vec<RunNews> {
        let mut news = self.background.answers();
        news.retain_mut(|one| match one {
            RunNews::Answered { run, request, .. } => {
                self.under_way.remove(&(run.clone(), *request));
                true
            }
            RunNews::Coming {
                run,
                done,
                total,
                secs_left,
            } => match self.under_way.get_mut(&state_of(run)) {
                Some(of) if !of.is_called_off.load(Ordering::Relaxed) => {
                    of.pace.add(Instant::now(), *done);
                    *secs_left = of.pace.secs_left(*total);
                    true
                }
                Some(_) | None => false,
            },
        });
        news
    }
}

/// What brings the state of a run here.
fn state_of(run: &RunId) -> (RunId, RunRequest) {
    (run.clone(), RunRequest::SaveState)
}
