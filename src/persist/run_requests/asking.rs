//! The side of those who ask something of a run.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::thread::sleep;
use std::time::{Duration, Instant};

use super::{
    MAX_REQUEST_BYTES, REQUEST_FILE, RequestOutcome, RequestRecord, RunRequest, SessionRecord,
    VERSION, new_name, read, session_of,
};
use crate::atomic::write_atomic;
use crate::error::Result;
use crate::persist::folder_lock::holder_of;

/// How long a process that has just begun may take until it can be asked.
const BEGIN_PATIENCE: Duration = Duration::from_secs(3);
/// How often answers are looked for.
const LOOK: Duration = Duration::from_millis(100);

/// What marks the folder of a run of another machine, which `gosling watch` keeps here
/// and passes requests on for.
pub const WATCHED_FILE: &str = "watched";

/// Whether the run in `folder` is one of another machine.
pub fn is_watched(folder: &Path) -> bool {
    folder.join(WATCHED_FILE).is_file()
}

/// Asks something of the run in `folder` and waits for what comes of it, for `patience`
/// at most, and no longer than `told` wants to; it is told the bytes that have come and
/// those of all where something is brought here. What it does not want any more is called
/// off.
///
/// # Errors
/// [`crate::error::Error::Io`] if the request cannot be written.
pub fn ask(
    folder: &Path,
    request: RunRequest,
    patience: Duration,
    told: &mut dyn FnMut(Option<[u64; 2]>) -> bool,
) -> Result<RequestOutcome> {
    let start = Instant::now();
    let session = loop {
        if !is_attended(folder) {
            return Ok(match is_watched(folder) {
                true => RequestOutcome::NotWatched,
                false => RequestOutcome::NotRunning,
            });
        }
        match session_of(folder) {
            Some(SessionRecord { session, .. }) => break session,
            None if start.elapsed() < BEGIN_PATIENCE.min(patience) => sleep(LOOK),
            None => return Ok(RequestOutcome::NotListening),
        }
    };
    let record = RequestRecord {
        version: VERSION,
        session,
        id: new_name(),
        request,
        is_called_off: false,
    };
    let path = folder.join(REQUEST_FILE);
    put(&path, &record)?;
    while start.elapsed() < patience {
        // Before the answers: a run that ends answers first.
        let is_attended = is_attended(folder);
        match session_of(folder) {
            Some(session) if session.session != record.session => {
                return Ok(RequestOutcome::Replaced);
            }
            Some(session) => {
                let answers = session.answers.iter();
                if let Some(answer) = answers.rev().find(|answer| answer.id == record.id) {
                    return Ok(answer.outcome.clone());
                }
                if !told(session.progress) {
                    return call_off(&path, record);
                }
            }
            None => {}
        }
        if !is_attended {
            return Ok(RequestOutcome::Ended);
        }
        sleep(LOOK);
    }
    Ok(match withdraw(&path, &record) {
        true => RequestOutcome::NotListening,
        false => RequestOutcome::Late,
    })
}

/// Whether a process answers for the run.
fn is_attended(folder: &Path) -> bool {
    let root = |folder: &Path| folder.parent().map(PathBuf::from);
    match is_watched(folder) {
        // A run of another machine is answered for while it is watched.
        true => root(folder).is_some_and(|root| holder_of(&root).is_some()),
        false => holder_of(folder).is_some(),
    }
}

fn put(path: &Path, record: &RequestRecord) -> Result<()> {
    // Two threads would share a scratch file.
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    let _guard = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    write_atomic(path, |file| {
        serde_json::to_writer(&mut *file, record)?;
        file.write_all(b"\n")
    })
}

/// Takes a request back, or says that it is not wanted any more where it was taken.
fn call_off(path: &Path, record: RequestRecord) -> Result<RequestOutcome> {
    let start = Instant::now();
    if !withdraw(path, &record) {
        // Another request that lies there is taken first.
        while path.exists() && start.elapsed() < BEGIN_PATIENCE {
            sleep(LOOK);
        }
        let is_called_off = true;
        put(
            path,
            &RequestRecord {
                is_called_off,
                ..record
            },
        )?;
    }
    Ok(RequestOutcome::CalledOff)
}

/// Takes a request back that nobody took; whether it still lay there.
fn withdraw(path: &Path, record: &RequestRecord) -> bool {
    let lies_there = read::<RequestRecord>(path, MAX_REQUEST_BYTES).is_ok_and(|of| of == *record);
    lies_there && fs::remove_file(path).is_ok()
}
