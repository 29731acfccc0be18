//! This program as a process of its own, for work that goes on where it was stopped. It
//! stops and saves where its input ends, and so where the window is gone.

use std::ffi::OsString;
use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::{Duration, Instant};

use crate::error::{Error, Result};
use crate::kernels::device::{BACKEND, language_choice};
use crate::language::{LANGUAGE, chosen};
use crate::shell::without_console;

/// What is read of the end of what it said.
const SAID_BYTES: u64 = 4096;
/// How often that is read.
const LOOK: Duration = Duration::from_millis(250);

/// A process on its way.
pub(crate) struct Process {
    child: Child,
    input: Option<ChildStdin>,
    log: PathBuf,
    /// What it said when that was read last, and when.
    said: Option<String>,
    looked: Option<Instant>,
}

/// How a process ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Ended {
    /// All is done.
    Done,
    /// It was stopped and goes on from where it was.
    Stopped,
    /// It could not.
    Failed(String),
}

impl Process {
    /// Starts `program`, which writes what it says to the user into `log`.
    ///
    /// # Errors
    /// [`Error::Io`] if it cannot be started.
    pub fn start(
        program: &Path,
        arguments: impl IntoIterator<Item = OsString>,
        log: PathBuf,
    ) -> Result<Self> {
        let complaints = File::create(&log).map_err(|source| Error::io("write", &log, source))?;
        let mut child = without_console(&mut Command::new(program))
            .args(arguments)
            // As the window was told to.
            .env(BACKEND, language_choice().to_string())
            .env(LANGUAGE, chosen().to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(complaints)
            .spawn()
            .map_err(|source| Error::io("start", program, source))?;
        let input = child.stdin.take();
        Ok(Self {
            child,
            input,
            log,
            said: None,
            looked: None,
        })
    }

    /// Asks it to save and stop.
    pub fn stop(&mut self) {
        self.input = None;
    }

    /// Whether it was asked to stop.
    pub fn is_stopping(&self) -> bool {
        self.input.is_none()
    }

    /// How it ended, if it has.
    pub fn ended(&mut self) -> Option<Ended> {
        let status = match self.child.try_wait() {
            Ok(None) => return None,
            Ok(Some(status)) => status,
            Err(error) => return Some(Ended::Failed(error.to_string())),
        };
        if status.success() {
            return Some(Ended::Done);
        }
        if self.is_stopping() {
            return Some(Ended::Stopped);
        }
        let said = last_line(&self.log, "gosling: ");
        Some(Ended::Failed(
            said.unwrap_or_else(|| tr!("it ended with {status}", status)),
        ))
    }

    /// What it said last. The file is read again when a moment has passed.
    pub fn said(&mut self) -> Option<String> {
        if self.looked.is_none_or(|looked| looked.elapsed() > LOOK) {
            self.looked = Some(Instant::now());
            self.said = last_line(&self.log, "");
        }
        self.said.clone()
    }
}

/// The last line of a file that begins with `front`, without it.
fn last_line(log: &Path, front: &str) -> Option<String> {
    let mut file = File::open(log).ok()?;
    let length = file.metadata().ok()?.len();
    let start = length.saturating_sub(SAID_BYTES);
    file.seek(SeekFrom::Start(start)).ok()?;
    let mut bytes = Vec::new();
    file.take(SAID_BYTES).read_to_end(&mut bytes).ok()?;
    let text = String::from_utf8_lossy(&bytes);
    let mut lines = text.lines().rev();
    let said = lines.find_map(|line| line.strip_prefix(front).filter(|line| !line.is_empty()))?;
    Some(said.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_line_is_found_behind_what_comes_before() {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("log.txt");
        let long = "x".repeat(10_000);
        std::fs::write(
            &log,
            format!("gosling: one\n{long}\ngosling: two\nthree\n\n"),
        )
        .unwrap();
        assert_eq!(last_line(&log, "gosling: ").as_deref(), Some("two"));
        assert_eq!(last_line(&log, "").as_deref(), Some("three"));
        assert_eq!(last_line(&folder.path().join("none"), ""), None);
    }
}
