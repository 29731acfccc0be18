//! What the folders of the runs cannot tell of a sweep, as lines that are
//! added to a file: a sum of the line in front of it, so that one that a crash
//! cut short is left out.

use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Read as _, Write as _};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::task::Task;
use crate::atomic::sha256_hex;
use crate::error::{Error, Result};

/// A sweep of 10,000 runs writes a tenth of this.
const MAX_BYTES: u64 = 64 << 20;
/// Digits of the sum.
const SUM_DIGITS: usize = 8;

/// One line of the journal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Mark {
    /// Someone asked to leave the task out.
    Skipped(Task),
    /// Someone asked to do it after all.
    Unskipped(Task),
    /// It could not be done, and why.
    Failed(Task, String),
    /// Its process ended without a word, and how.
    Died(Task, String),
    /// Failed tasks are to be tried again.
    Retried,
    /// A process ran the sweep and ended in good order.
    Session {
        /// Tenths of a second that it took.
        tenths: u64,
        /// Runs side by side.
        n_jobs: usize,
        /// What computed.
        device: String,
    },
    /// The order in which the tasks are to be done.
    Order(Vec<Task>),
}

/// The end of a journal that is being written.
#[derive(Debug)]
pub(super) struct Journal {
    path: PathBuf,
}

impl Journal {
    pub fn new(path: PathBuf) -> Self {
        Self { path }
    }

    /// Adds a line and waits until it is on the disk.
    ///
    /// # Errors
    /// [`Error::Io`] if it cannot be written.
    pub fn append(&self, mark: &Mark) -> Result<()> {
        let fail = |source| Error::io("write", &self.path, source);
        let json = serde_json::to_string(mark).map_err(|error| fail(error.into()))?;
        // A line that was cut short ends here.
        let line = format!("\n{} {json}\n", &sha256_hex(json.as_bytes())[..SUM_DIGITS]);
        let mut options = OpenOptions::new();
        let file = options.create(true).append(true).open(&self.path);
        let mut file = file.map_err(fail)?;
        file.write_all(line.as_bytes()).map_err(fail)?;
        file.sync_data().map_err(fail)
    }

    /// Every whole line, and how many others there are.
    ///
    /// # Errors
    /// [`Error::Io`] if the file is there but cannot be read.
    pub fn read(path: &Path) -> Result<(Vec<Mark>, usize)> {
        let fail = |source| Error::io("read", path, source);
        let mut bytes = Vec::new();
        match File::open(path) {
            Ok(file) => file.take(MAX_BYTES).read_to_end(&mut bytes).map_err(fail)?,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Default::default()),
            Err(error) => return Err(fail(error)),
        };
        let (mut marks, mut n_torn) = (Vec::new(), 0);
        for line in bytes.split(|byte| *byte == b'\n') {
            match mark_of(line) {
                Some(mark) => marks.push(mark),
                None if line.is_empty() => {}
                None => n_torn += 1,
            }
        }
        Ok((marks, n_torn))
    }
}

fn mark_of(line: &[u8]) -> Option<Mark> {
    let (sum, json) = line.split_at_checked(SUM_DIGITS)?;
    let json = json.strip_prefix(b" ")?;
    let is_whole = sha256_hex(json).as_bytes().starts_with(sum);
    is_whole
        .then(|| serde_json::from_slice(json).ok())
        .flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_torn_line_is_left_out_and_the_next_is_whole() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal.jsonl");
        assert_eq!(Journal::read(&path).unwrap(), (Vec::new(), 0));
        let journal = Journal::new(path.clone());
        let marks = [
            Mark::Skipped(Task::Run(3)),
            Mark::Failed(Task::Untuned(0), "no\nmemory".into()),
            Mark::Order(vec![Task::Run(1), Task::Run(0)]),
        ];
        for mark in &marks {
            journal.append(mark).unwrap();
        }
        let whole = std::fs::read(&path).unwrap();
        // Cut anywhere, what was whole before stays, and what follows is read.
        for cut in 0..whole.len() {
            std::fs::write(&path, &whole[..cut]).unwrap();
            let (before, _) = Journal::read(&path).unwrap();
            assert_eq!(before, marks[..before.len()]);
            journal.append(&Mark::Retried).unwrap();
            let (after, _) = Journal::read(&path).unwrap();
            assert_eq!(after.last(), Some(&Mark::Retried), "cut at {cut}");
            assert_eq!(after[..after.len() - 1], before);
        }
        // A changed byte does not pass.
        let mut changed = whole.clone();
        let at = whole.len() - 6;
        changed[at] ^= 1;
        std::fs::write(&path, changed).unwrap();
        assert_eq!(Journal::read(&path).unwrap(), (marks[..2].to_vec(), 1));
    }
}
