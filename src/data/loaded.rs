//! What came out of a file, and what had to be left out.

use std::fmt;
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};
use crate::format::shown;

/// How many bad lines are listed one by one; the rest are counted.
const MAX_LISTED: usize = 1_000;

/// The usable entries of one or more files, and the lines left out.
#[derive(Debug, Clone, PartialEq)]
pub struct Loaded<T> {
    /// The usable entries, in the order of the files.
    pub items: Vec<T>,
    /// The lines left out, the first 1,000 of them.
    pub bad_lines: Vec<BadLine>,
    /// How many lines were left out.
    pub n_bad_lines: usize,
    /// Other things the user should know, a sentence each.
    pub notes: Vec<String>,
}

/// One line that was left out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadLine {
    /// The file.
    pub file: PathBuf,
    /// The line, from 1; for a table the line where the row starts.
    pub line: u64,
    /// What is wrong with it.
    pub reason: String,
}

impl fmt::Display for BadLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { file, line, reason } = self;
        write!(
            f,
            "{}",
            tr!("{}: line {line}: {reason}", shown(file), line, reason)
        )
    }
}

impl<T> Default for Loaded<T> {
    fn default() -> Self {
        Self {
            items: Vec::new(),
            bad_lines: Vec::new(),
            n_bad_lines: 0,
            notes: Vec::new(),
        }
    }
}

impl<T> Loaded<T> {
    /// Lists a line as left out.
    pub(super) fn reject(&mut self, file: &Path, line: u64, reason: String) {
        self.n_bad_lines += 1;
        if self.bad_lines.len() < MAX_LISTED {
            self.bad_lines.push(BadLine {
                file: file.to_path_buf(),
                line,
                reason,
            });
        }
    }

    /// The same, if anything is left.
    ///
    /// # Errors
    /// [`Error::Input`] where every line was bad or there were none.
    pub(super) fn check(self, path: &Path) -> Result<Self> {
        if !self.items.is_empty() {
            return Ok(self);
        }
        Err(match self.bad_lines.first() {
            Some(BadLine { file, line, reason }) => {
                let n_bad = self.n_bad_lines;
                let reason = tr!(
                    "{reason} (none of the {n_bad} lines can be used)",
                    reason,
                    n_bad
                );
                Error::input(file, tr!("line {line}", line), reason)
            }
            None => Error::input(path, tr!("line 1"), tr!("there is nothing in it")),
        })
    }
}
