//! Runs of another machine as folders of this one, so that a window shows them; and what
//! is asked of them here, for the other machine.

use std::collections::HashMap;
use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::incoming::Incoming;
use super::link::{Link, Received};
use super::protocol::{Message, Order};
use crate::atomic::write_atomic;
use crate::error::{Error, Result};
use crate::persist::folder_lock::FolderLock;
use crate::persist::run_folder::{METRICS_FILE, SPEC_FILE, append_log};
use crate::persist::run_requests::asking::{WATCHED_FILE, is_watched};
use crate::persist::run_requests::desk::{Desk, Taken};
use crate::persist::run_requests::{RequestOutcome, RunRequest};

/// How often it is said how far a file is.
const TELL: Duration = Duration::from_secs(1);

/// The folder that they are kept in.
pub(super) struct Mirror {
    folder: PathBuf,
    runs: HashMap<String, MirroredRun>,
    /// What was passed on, by the number of its order.
    orders: HashMap<u64, PassedOn>,
    /// Says that requests are passed on as long as it lives, and that nobody else writes
    /// here. Last: those who ask look whether it is held.
    _lock: FolderLock,
}

/// A run that is kept.
struct MirroredRun {
    /// Where it is asked here.
    desk: Desk,
    /// While a process works on it there: it looks as if this one did.
    lock: Option<FolderLock>,
}

/// A request that was passed on.
struct PassedOn {
    run: String,
    /// Its name here.
    id: String,
    incoming: Option<Incoming>,
    /// Bytes of the files before that one, and of those after it.
    before: u64,
    after: u64,
    told: Instant,
}

impl PassedOn {
    /// Bytes that have come of all files, and those of all of them.
    fn progress(&self) -> Option<(u64, u64)> {
        let incoming = self.incoming.as_ref()?;
        let done = self.before.saturating_add(incoming.n_bytes);
        let total = self.before.saturating_add(incoming.total);
        Some((done, total.saturating_add(self.after)))
    }
}

impl Mirror {
    /// Into a folder, which is made if it is not there.
    ///
    /// # Errors
    /// [`Error::Io`]; [`Error::Input`] if another process keeps runs there.
    pub fn new(folder: PathBuf) -> Result<Self> {
        fs::create_dir_all(&folder).map_err(|error| Error::io("create", &folder, error))?;
        Ok(Self {
            _lock: FolderLock::take(&folder, "folder")?,
            folder,
            runs: HashMap::new(),
            orders: HashMap::new(),
        })
    }

    /// Takes what came, and writes it down.
    ///
    /// # Errors
    /// [`Error::Io`]; a run of this machine with the same name.
    pub fn take(&mut self, received: &Received) -> Result<()> {
        match received {
            Received::Message(message) => self.take_message(message),
            Received::Part { id, bytes } => {
                self.add(*id, bytes);
                Ok(())
            }
        }
    }

    fn take_message(&mut self, message: &Message) -> Result<()> {
        let Some(run) = message.run() else {
            return Ok(());
        };
        let folder = self.folder.join(run);
        if folder.join(SPEC_FILE).exists() && !is_watched(&folder) {
            let reason = tr!("is a run of this machine already; choose another folder with --into");
            return Err(Error::input(folder, "watch", reason));
        }
        if let Some(other) = self.in_same_folder(run, &folder) {
            let reason = tr!(
                "is the folder of {other} too, for this disk takes small letters for large ones; choose a folder on another disk with --into",
                other
            );
            return Err(Error::input(folder, "watch", reason));
        }
        match message {
            Message::Hello { .. } | Message::Caught | Message::Part { .. } => {}
            Message::Spec { text, .. } => self.keep_spec(run, &folder, text)?,
            Message::Metrics { from, text, .. } => keep_metrics(&folder, *from, text)?,
            Message::Held { is_held, .. } => {
                if let Some(kept) = self.runs.get_mut(run) {
                    kept.lock = match is_held {
                        true => Some(FolderLock::take(&folder, "run")?),
                        false => None,
                    };
                }
            }
            Message::Paused { step, .. } => {
                if let Some(kept) = self.runs.get_mut(run) {
                    kept.desk.stand(step.is_some(), step.unwrap_or_default())?;
                }
            }
            // What was seen of it stays.
            Message::Removed { .. } => drop(self.runs.remove(run)),
            Message::Answer { id, outcome, .. } => self.answer(*id, outcome.clone()),
            Message::File {
                id,
                name,
                bytes,
                after,
                ..
            } => {
                self.with_file(*id, |passed| {
                    passed.after = *after;
                    passed.incoming = Some(Incoming::begin(&folder, name, *bytes)?);
                    Ok(())
                });
                self.tell(*id);
            }
            Message::FileEnd { id, sha256, .. } => {
                self.with_file(*id, |passed| match passed.incoming.take() {
                    Some(incoming) => {
                        passed.before = passed.before.saturating_add(incoming.total);
                        incoming.finish(sha256).map(drop)
                    }
                    None => Ok(()),
                })
            }
        }
        Ok(())
    }

    /// Another run that is kept in the folder of this one, as happens where the disk takes
    /// two names for one.
    fn in_same_folder(&self, run: &str, folder: &Path) -> Option<&str> {
        if self.runs.contains_key(run) {
            return None;
        }
        let place = fs::canonicalize(folder).ok()?;
        let is_same = |other: &&String| {
            fs::canonicalize(self.folder.join(other)).is_ok_and(|other| other == place)
        };
        self.runs.keys().find(is_same).map(String::as_str)
    }

    fn keep_spec(&mut self, run: &str, folder: &Path, text: &str) -> Result<()> {
        fs::create_dir_all(folder).map_err(|error| Error::io("create", folder, error))?;
        write_atomic(folder.join(WATCHED_FILE), |_| Ok(()))?;
        write_atomic(folder.join(SPEC_FILE), |file| {
            file.write_all(text.as_bytes())
        })?;
        if !self.runs.contains_key(run) {
            let desk = Desk::open(folder)?;
            let kept = MirroredRun { desk, lock: None };
            self.runs.insert(run.to_owned(), kept);
        }
        Ok(())
    }

    /// Passes on what was asked here.
    ///
    /// # Errors
    /// [`Error::Input`] if the connection is lost.
    pub fn pass_on(&mut self, link: &mut Link) -> Result<()> {
        for (run, kept) in &mut self.runs {
            let (id, request) = match kept.desk.take() {
                Taken::Nothing => continue,
                Taken::Ignored(reason) => {
                    append_log(&self.folder.join(run), &reason)?;
                    continue;
                }
                Taken::Asked(id, request) => (id, request),
                Taken::CalledOff(id) => {
                    // What has come of a file goes with it.
                    let gone = self
                        .orders
                        .extract_if(|_, of| of.run == *run && of.id == id);
                    for (order, _) in gone.collect::<Vec<_>>() {
                        link.call_off(order)?;
                    }
                    continue;
                }
            };
            let run = run.clone();
            let order = link.order(|id| match request {
                // It is saved there and brought here.
                RunRequest::SaveState => Order::Fetch {
                    id,
                    run: run.clone(),
                },
                RunRequest::Pause | RunRequest::Resume | RunRequest::Stop => Order::Ask {
                    id,
                    run: run.clone(),
                    request,
                },
            })?;
            let passed = PassedOn {
                run,
                id,
                incoming: None,
                before: 0,
                after: 0,
                told: Instant::now(),
            };
            self.orders.insert(order, passed);
        }
        Ok(())
    }

    /// Tells who asked here what came of it. What cannot be said is not worth the
    /// connection.
    fn answer(&mut self, order: u64, outcome: RequestOutcome) {
        if let Some(PassedOn { run, id, .. }) = self.orders.remove(&order)
            && let Some(kept) = self.runs.get_mut(&run)
        {
            let _ = kept.desk.answer(&id, outcome);
        }
    }

    fn add(&mut self, order: u64, bytes: &[u8]) {
        let mut is_due = false;
        self.with_file(order, |passed| {
            let Some(incoming) = &mut passed.incoming else {
                return Ok(());
            };
            incoming.add(bytes)?;
            is_due = passed.told.elapsed() >= TELL;
            Ok(())
        });
        if is_due {
            self.tell(order);
        }
    }

    /// Tells whoever asked here how much of an order has come.
    fn tell(&mut self, order: u64) {
        let Some(passed) = self.orders.get_mut(&order) else {
            return;
        };
        passed.told = Instant::now();
        if let Some((done, total)) = passed.progress()
            && let Some(kept) = self.runs.get_mut(&passed.run)
        {
            // It is said again in a second.
            let _ = kept.desk.bring(done, total);
        }
    }

    /// Does something with the file of an order. Where that fails the order has failed,
    /// and what still comes of it is let go.
    fn with_file(&mut self, order: u64, does: impl FnOnce(&mut PassedOn) -> Result<()>) {
        let Some(passed) = self.orders.get_mut(&order) else {
            return;
        };
        if let Err(error) = does(passed) {
            self.answer(order, RequestOutcome::failed(&error.to_string()));
        }
    }
}

fn keep_metrics(folder: &Path, from: u64, text: &str) -> Result<()> {
    let path = folder.join(METRICS_FILE);
    let fail = |error| Error::io("write", &path, error);
    let mut options = OpenOptions::new();
    match from {
        // Windows shortens no file that is only added to.
        0 => options.create(true).write(true).truncate(true),
        _ => options.create(true).append(true),
    };
    let mut file = options.open(&path).map_err(fail)?;
    file.write_all(text.as_bytes()).map_err(fail)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec_of(run: &str) -> Received {
        Received::Message(Message::Spec {
            run: run.into(),
            text: "()".into(),
        })
    }

    #[test]
    fn numbers_begin_anew_or_go_on() {
        let folder = tempfile::tempdir().unwrap();
        for (from, text, want) in [
            (0, "ab\n", "ab\n"),
            (3, "c\n", "ab\nc\n"),
            (0, "d\n", "d\n"),
        ] {
            keep_metrics(folder.path(), from, text).unwrap();
            let kept = fs::read_to_string(folder.path().join(METRICS_FILE)).unwrap();
            assert_eq!(kept, want);
        }
    }

    /// A disk that takes small letters for large ones, as those of Windows and macOS do,
    /// is played by a link.
    #[cfg(unix)]
    #[test]
    fn two_runs_never_share_a_folder() {
        let folder = tempfile::tempdir().unwrap();
        let mut mirror = Mirror::new(folder.path().to_path_buf()).unwrap();
        mirror.take(&spec_of("a-0001")).unwrap();
        mirror.take(&spec_of("A-0002")).unwrap();
        // Again, as after a connection that was lost.
        mirror.take(&spec_of("a-0001")).unwrap();
        std::os::unix::fs::symlink(folder.path().join("a-0001"), folder.path().join("A-0001"))
            .unwrap();
        let error = mirror.take(&spec_of("A-0001")).unwrap_err().to_string();
        assert!(error.contains("is the folder of a-0001 too"), "{error}");
    }
}
