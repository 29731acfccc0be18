//! The process that adapts.

use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};

use crate::adapt::spec::AdaptSpec;
use crate::atomic::write_atomic;
use crate::error::{Error, Result};
use crate::kernels::device::{BACKEND, language_choice};
use crate::persist::spec_file::print_ron;
use crate::shell::without_console;

/// What is read of the end of its complaints.
const COMPLAINT_BYTES: u64 = 4096;

/// A process that adapts. It stops and saves where its input ends, and so where the
/// window is gone.
pub(super) struct Running {
    child: Child,
    input: Option<ChildStdin>,
    log: PathBuf,
}

/// How a process ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Ended {
    /// All is done.
    Done,
    /// It was stopped and goes on from where it was.
    Stopped,
    /// It could not.
    Failed(String),
}

impl Running {
    /// Starts `program` on `spec` in `folder`.
    ///
    /// # Errors
    /// [`Error::Io`] if it cannot be started.
    pub fn start(program: &Path, spec: &AdaptSpec, folder: &Path) -> Result<Self> {
        let fail = |source| Error::io("start", program, source);
        std::fs::create_dir_all(folder).map_err(|source| Error::io("create", folder, source))?;
        let asked = folder.join("asked.ron");
        let text = print_ron(spec)?;
        write_atomic(&asked, |writer| {
            std::io::Write::write_all(writer, text.as_bytes())
        })?;
        let log = folder.join("log.txt");
        let complaints = File::create(&log).map_err(|source| Error::io("write", &log, source))?;
        let mut child = without_console(&mut Command::new(program))
            .arg("adapt")
            .arg(&asked)
            .arg("--out")
            .arg(folder)
            .args(["--quiet", "--ends-with-input"])
            // As the window was told to.
            .env(BACKEND, language_choice().to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(complaints)
            .spawn()
            .map_err(fail)?;
        let input = child.stdin.take();
        Ok(Self { child, input, log })
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
        let said = last_complaint(&self.log).unwrap_or_else(|| format!("it ended with {status}"));
        Some(Ended::Failed(said))
    }
}

/// What it said last that was meant for people.
fn last_complaint(log: &Path) -> Option<String> {
    let mut file = File::open(log).ok()?;
    let length = file.metadata().ok()?.len();
    let start = length.saturating_sub(COMPLAINT_BYTES);
    file.seek(SeekFrom::Start(start)).ok()?;
    let mut bytes = Vec::new();
    file.take(COMPLAINT_BYTES).read_to_end(&mut bytes).ok()?;
    let text = String::from_utf8_lossy(&bytes);
    let mut lines = text.lines().rev();
    let said = lines.find_map(|line| line.strip_prefix("gosling: "))?;
    Some(said.to_owned())
}
