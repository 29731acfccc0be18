//! What other processes ask of a run. A thread looks into the run's folder now and then,
//! so that a step costs nothing and a pause hears that it is over; the run does what is
//! asked where it takes its commands.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded, unbounded};

use crate::error::{Error, Result};
use crate::persist::run_folder::append_log;
use crate::persist::run_requests::desk::{Desk, Taken};
use crate::persist::run_requests::{RequestOutcome, RunRequest};

/// How often the folder is looked at.
const EVERY: Duration = Duration::from_millis(250);

/// Hears what others ask of a run, until it is dropped.
pub(super) struct RunSession {
    desk: Arc<Mutex<Desk>>,
    /// Whether something was taken that is not answered.
    has_open: Arc<AtomicBool>,
    is_paused: bool,
    folder: PathBuf,
    /// Ends the thread with its other end.
    ends: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl RunSession {
    /// Begins to listen for the run in `folder`, whose lock is held.
    ///
    /// # Errors
    /// [`Error::Io`] if the folder cannot be written, [`Error::Device`] if the system has
    /// no thread left.
    pub fn begin(folder: &Path) -> Result<(Self, Receiver<RunRequest>)> {
        let desk = Arc::new(Mutex::new(Desk::open(folder)?));
        let has_open = Arc::new(AtomicBool::new(false));
        let (ends, ended) = bounded(0);
        let (sender, requests) = unbounded();
        let listener = Listener {
            desk: desk.clone(),
            has_open: has_open.clone(),
            folder: folder.to_path_buf(),
            sender,
        };
        let thread = Builder::new()
            .name("requests".into())
            .spawn(move || listener.go(&ended))
            .map_err(|error| {
                Error::Device(tr!(
                    "cannot start the thread that reads commands, {error}",
                    error
                ))
            })?;
        let session = Self {
            desk,
            has_open,
            is_paused: false,
            folder: folder.to_path_buf(),
            ends: Some(ends),
            thread: Some(thread),
        };
        Ok((session, requests))
    }

    /// The run is paused after `step` steps.
    pub fn paused(&mut self, step: usize) {
        self.is_paused = true;
        self.tell(|desk| desk.stand(true, step));
    }

    /// The run goes on after `step` steps. It costs nothing where that is known.
    pub fn goes_on(&mut self, step: usize) {
        let is_known = !self.is_paused && !self.has_open.load(Ordering::Relaxed);
        if !is_known {
            self.is_paused = false;
            self.tell(|desk| desk.stand(false, step));
        }
    }

    /// The state was written, or why not.
    pub fn state_saved(&mut self, outcome: RequestOutcome) {
        self.tell(|desk| desk.state_saved(&outcome));
    }

    /// A run does not fail because nobody hears of it.
    fn tell(&self, change: impl FnOnce(&mut Desk) -> Result<()>) {
        let mut desk = locked(&self.desk);
        let told = change(&mut desk);
        self.has_open.store(desk.has_open(), Ordering::Relaxed);
        if let Err(error) = told {
            let _ = append_log(&self.folder, &error.to_string());
        }
    }
}

impl Drop for RunSession {
    fn drop(&mut self) {
        self.ends = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// The thread's part.
struct Listener {
    desk: Arc<Mutex<Desk>>,
    has_open: Arc<AtomicBool>,
    folder: PathBuf,
    sender: Sender<RunRequest>,
}

impl Listener {
    fn go(&self, ended: &Receiver<()>) {
        while matches!(ended.recv_timeout(EVERY), Err(RecvTimeoutError::Timeout)) {
            let mut desk = locked(&self.desk);
            let (id, request) = match desk.take() {
                Taken::Nothing => continue,
                // A run does it all the same, and nobody hears of it.
                Taken::CalledOff(_) => {
                    self.has_open.store(desk.has_open(), Ordering::Relaxed);
                    continue;
                }
                Taken::Ignored(reason) => {
                    // It is said to whoever looks why nothing happened.
                    let _ = append_log(&self.folder, &reason);
                    continue;
                }
                Taken::Asked(id, request) => (id, request),
            };
            let told = match request {
                // Nothing polls that could say so.
                RunRequest::Pause if desk.stays_paused() => desk.answer_as_it_stands(&id),
                RunRequest::Pause
                | RunRequest::Resume
                | RunRequest::Stop
                | RunRequest::SaveState => {
                    self.has_open.store(true, Ordering::Relaxed);
                    let sent = self.sender.send(request);
                    sent.or_else(|_| desk.answer(&id, RequestOutcome::Ended))
                }
            };
            if let Err(error) = told {
                let _ = append_log(&self.folder, &error.to_string());
            }
        }
    }
}

/// A panic elsewhere leaves the desk as it was.
fn locked(desk: &Mutex<Desk>) -> MutexGuard<'_, Desk> {
    desk.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::time::Instant;

    use super::*;
    use crate::persist::folder_lock::FolderLock;
    use crate::persist::run_requests::asking::ask;
    use crate::persist::run_requests::{REQUEST_FILE, SESSION_FILE};

    const PATIENCE: Duration = Duration::from_secs(60);

    /// What comes of a request, while `run` does with the request what a run would.
    fn asked(folder: &Path, request: RunRequest, run: impl FnOnce() + Send) -> RequestOutcome {
        std::thread::scope(|scope| {
            let doing = scope.spawn(run);
            let outcome = ask(folder, request, PATIENCE, &mut |_| true).unwrap();
            doing.join().unwrap();
            outcome
        })
    }

    #[test]
    fn requests_reach_the_run_and_its_answers_come_back() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path();
        let _lock = FolderLock::take(path, "run").unwrap();
        let (session, requests) = RunSession::begin(path).unwrap();
        let session = Mutex::new(session);
        let taken = || requests.recv_timeout(PATIENCE).unwrap();
        let outcome = asked(path, RunRequest::Pause, || {
            assert_eq!(taken(), RunRequest::Pause);
            session.lock().unwrap().paused(7);
        });
        assert_eq!(outcome, RequestOutcome::Done { step: 7 });
        // In a pause nothing polls, and it is answered all the same.
        let outcome = asked(path, RunRequest::Pause, || ());
        assert_eq!(outcome, RequestOutcome::Done { step: 7 });
        assert!(requests.is_empty());
        let outcome = asked(path, RunRequest::SaveState, || {
            assert_eq!(taken(), RunRequest::SaveState);
            session
                .lock()
                .unwrap()
                .state_saved(RequestOutcome::Done { step: 7 });
        });
        assert_eq!(outcome, RequestOutcome::Done { step: 7 });
        let outcome = asked(path, RunRequest::Resume, || {
            assert_eq!(taken(), RunRequest::Resume);
            session.lock().unwrap().goes_on(8);
        });
        assert_eq!(outcome, RequestOutcome::Done { step: 8 });
        drop(session);
        assert!(!path.join(SESSION_FILE).exists());
    }

    #[test]
    fn garbage_is_ignored_with_a_word_in_the_log() {
        let folder = tempfile::tempdir().unwrap();
        let (_session, requests) = RunSession::begin(folder.path()).unwrap();
        let log = folder.path().join("log.txt");
        fs::write(folder.path().join(REQUEST_FILE), "stop at once!").unwrap();
        let start = Instant::now();
        while !log.is_file() {
            assert!(start.elapsed() < PATIENCE, "it was not looked at");
            std::thread::sleep(Duration::from_millis(20));
        }
        let said = fs::read_to_string(log).unwrap();
        assert!(said.contains("request.json is no request"), "{said}");
        assert!(requests.is_empty());
        assert!(!folder.path().join(REQUEST_FILE).exists());
    }
}
