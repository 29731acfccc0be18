//! New folders of runs.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::{EVALUATIONS, SNAPSHOTS};
use crate::error::{Error, Result};

const FOLDERS: [&str; 3] = ["checkpoints", SNAPSHOTS, EVALUATIONS];
/// Numbers above this are not taken for those of runs.
const MAX_NUMBER: u32 = 999_999_999;

/// Creates the next `NAME-NNNN` in `runs_dir`; another process may do the same.
///
/// # Errors
/// [`Error::Io`] if it cannot be created.
pub(super) fn create_numbered(runs_dir: &Path, name: &str) -> Result<PathBuf> {
    let fail = |source| Error::io("create", runs_dir, source);
    fs::create_dir_all(runs_dir).map_err(fail)?;
    let mut highest = 0;
    for entry in fs::read_dir(runs_dir).map_err(fail)? {
        let taken = entry.map_err(fail)?.file_name();
        highest = highest.max(number_of(&taken.to_string_lossy(), name).unwrap_or(0));
    }
    loop {
        highest += 1;
        let path = runs_dir.join(format!("{name}-{highest:04}"));
        match fs::create_dir(&path) {
            Ok(()) => return Ok(path),
            // Another process was faster.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists && highest <= MAX_NUMBER => {
            }
            Err(error) => return Err(Error::io("create", path, error)),
        }
    }
}

fn number_of(folder: &str, name: &str) -> Option<u32> {
    let digits = folder.strip_prefix(name)?.strip_prefix('-')?;
    let is_number = digits.bytes().all(|byte| byte.is_ascii_digit());
    let number = digits.parse().ok().filter(|_| is_number)?;
    (number < MAX_NUMBER).then_some(number)
}

/// Creates what a run has inside its folder, where it is missing.
///
/// # Errors
/// [`Error::Io`] if it cannot be created.
pub(super) fn create_folders(path: &Path) -> Result<()> {
    for name in FOLDERS {
        let folder = path.join(name);
        fs::create_dir_all(&folder).map_err(|source| Error::io("create", folder, source))?;
    }
    Ok(())
}
