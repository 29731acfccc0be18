//! What others ask of a run while a process works on it: to pause, to go on, to stop, to
//! save its state. They write into the run's folder, and the process looks there now and
//! then; `desk.rs` is its side, `asking.rs` that of the others.
//!
//! ```text
//! session.json    which session of which run may be asked, and its answers; it goes with
//!                 the process's work on the run
//! request.json    one request, to the session that it names; whoever works on the run
//!                 takes it away
//! ```
//!
//! A session is one stretch of work of one process on one run. What was asked of an
//! earlier one is never done by a later one.

pub mod asking;
pub mod desk;

use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::Path;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// Names the session that may be asked.
pub const SESSION_FILE: &str = "session.json";
/// One request.
pub const REQUEST_FILE: &str = "request.json";

/// Of the two files.
const VERSION: u32 = 1;
/// Bytes of a request at most: it is a few words.
const MAX_REQUEST_BYTES: u64 = 4 << 10;
/// Bytes of a session at most.
const MAX_SESSION_BYTES: u64 = 64 << 10;
/// Answers that a session keeps; older ones were read long ago.
const MAX_ANSWERS: usize = 16;
/// Characters of a reason in an answer, which may come from another machine.
const MAX_REASON_CHARS: usize = 500;

/// What is asked of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RunRequest {
    /// Hold after the current step.
    Pause,
    /// Go on after a pause.
    Resume,
    /// Save and end after the current step.
    Stop,
    /// Write the state as it would be kept if the run were stopped now, and go on as
    /// before.
    SaveState,
}

/// What came of a request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RequestOutcome {
    /// It was done.
    Done {
        /// Steps that the run had taken.
        step: usize,
    },
    /// The run ended, as was asked or by itself.
    Ended,
    /// No process works on the run.
    NotRunning,
    /// It is a run of another machine that is not watched any more.
    NotWatched,
    /// Its process takes no requests: it is still loading, or older than requests.
    NotListening,
    /// Another session took the run up in between.
    Replaced,
    /// It was taken and not done within the time to wait.
    Late,
    /// Whoever asked called it off.
    CalledOff,
    /// It could not be done.
    Failed {
        /// Why, in one line.
        reason: String,
    },
}

impl RequestOutcome {
    /// Something could not be done; a long reason is cut.
    pub fn failed(reason: &str) -> Self {
        let reason = reason.chars().take(MAX_REASON_CHARS).collect();
        Self::Failed { reason }
    }

    /// Whether what was asked is so now.
    pub fn is_done(&self, request: RunRequest) -> bool {
        match self {
            Self::Done { .. } => true,
            Self::Ended => request == RunRequest::Stop,
            Self::NotRunning
            | Self::NotWatched
            | Self::NotListening
            | Self::Replaced
            | Self::Late
            | Self::CalledOff
            | Self::Failed { .. } => false,
        }
    }

    /// The outcome in a sentence about `run`.
    pub fn sentence(&self, run: &str, request: RunRequest) -> String {
        match (self, request) {
            (Self::Done { step }, RunRequest::Pause) => {
                tr!("{run} is paused after step {step}", run, step)
            }
            (Self::Done { step }, RunRequest::Resume) => {
                tr!("{run} is resumed after step {step}", run, step)
            }
            (Self::Done { step }, RunRequest::SaveState) => {
                tr!("{run} saved its state of step {step}", run, step)
            }
            (Self::Done { .. } | Self::Ended, RunRequest::Stop) => {
                tr!("{run} is saved and stopped", run)
            }
            (Self::Ended, RunRequest::Pause | RunRequest::Resume | RunRequest::SaveState) => {
                tr!("{run} ended before it could do that", run)
            }
            (Self::NotRunning, _) => tr!(
                "{run} is not running; gosling tune --resume on its machine continues it",
                run
            ),
            (Self::NotWatched, _) => tr!(
                "{run} is a run of another machine, and the gosling watch that brought it here has ended; start it again",
                run
            ),
            (Self::NotListening, _) => tr!(
                "{run} takes no requests now: its process is still loading, or its Gosling is older; try again",
                run
            ),
            (Self::Replaced, _) => tr!(
                "{run} was taken up by another process meanwhile; try again",
                run
            ),
            (Self::Late, _) => tr!(
                "{run} has not answered yet; it does what was asked after its current step",
                run
            ),
            (Self::CalledOff, RunRequest::SaveState) => {
                tr!("fetching the state of {run} was cancelled", run)
            }
            (Self::CalledOff, _) => tr!("what was asked of {run} was cancelled", run),
            (Self::Failed { reason }, _) => format!("{run}: {reason}"),
        }
    }
}

/// The contents of [`SESSION_FILE`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SessionRecord {
    version: u32,
    session: String,
    is_paused: bool,
    /// Steps at the last change.
    step: usize,
    /// Bytes that have come of what is brought here, and of all of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    progress: Option<[u64; 2]>,
    answers: Vec<AnswerRecord>,
}

/// What came of the request `id`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct AnswerRecord {
    id: String,
    outcome: RequestOutcome,
}

/// The contents of [`REQUEST_FILE`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RequestRecord {
    version: u32,
    /// The session that it is for.
    session: String,
    id: String,
    request: RunRequest,
    /// Whether the request of that name, which was taken, is not wanted any more.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    is_called_off: bool,
}

/// Whether the run in `folder`, which a process works on, is paused, and after which
/// step; none where its process does not say.
pub fn pause_of(folder: &Path) -> Option<usize> {
    let record = session_of(folder)?;
    record.is_paused.then_some(record.step)
}

fn session_of(folder: &Path) -> Option<SessionRecord> {
    let record: SessionRecord = read(&folder.join(SESSION_FILE), MAX_SESSION_BYTES).ok()?;
    (record.version == VERSION).then_some(record)
}

/// Reads a small file that others may have written.
fn read<T: DeserializeOwned>(path: &Path, max_bytes: u64) -> io::Result<T> {
    let wrong = |reason: &str| io::Error::new(io::ErrorKind::InvalidData, reason);
    // A pipe would never end, and a link could lead anywhere.
    if !fs::symlink_metadata(path)?.is_file() {
        return Err(wrong(tr!("is no file")));
    }
    let mut bytes = Vec::new();
    File::open(path)?
        .take(max_bytes + 1)
        .read_to_end(&mut bytes)?;
    if bytes.len() as u64 > max_bytes {
        return Err(wrong(tr!("is too long")));
    }
    serde_json::from_slice(&bytes).map_err(io::Error::from)
}

/// A name that nothing before had: of a session, of a request.
fn new_name() -> String {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::{SystemTime, UNIX_EPOCH};
    static N_NAMES: AtomicUsize = AtomicUsize::new(0);
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    let nanos = since.map_or(0, |since| since.as_nanos());
    let n = N_NAMES.fetch_add(1, Ordering::Relaxed);
    format!("{}-{nanos}-{n}", std::process::id())
}

/// Whether it can be the name of a request.
fn is_request_name(name: &str) -> bool {
    let fits = |c: char| c.is_ascii_alphanumeric() || c == '-';
    !name.is_empty() && name.len() <= 100 && name.chars().all(fits)
}

#[cfg(test)]
mod tests;
