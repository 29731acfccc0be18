//! Files that are named after the step that they hold.

use std::fs;
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};

/// The name of the file of a step.
pub(super) fn step_file(step: usize) -> String {
    format!("step-{step:06}.safetensors")
}

/// The step of a file of that name.
fn step_of(file: &str) -> Option<usize> {
    let step = file.strip_prefix("step-")?.strip_suffix(".safetensors")?;
    let step = step.parse().ok()?;
    (step_file(step) == file).then_some(step)
}

/// The files of steps in a folder, the newest first.
///
/// # Errors
/// [`Error::Io`] if the folder cannot be read.
pub(super) fn step_files(folder: &Path) -> Result<Vec<(usize, PathBuf)>> {
    let fail = |source| Error::io("read", folder, source);
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).map_err(fail)? {
        let entry = entry.map_err(fail)?;
        if let Some(step) = step_of(&entry.file_name().to_string_lossy()) {
            files.push((step, entry.path()));
        }
    }
    files.sort_unstable_by(|a, b| b.cmp(a));
    Ok(files)
}
