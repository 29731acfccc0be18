//! The process that adapts.

use std::io::Write as _;
use std::path::Path;

use crate::adapt::spec::AdaptSpec;
use crate::atomic::write_atomic;
use crate::error::{Error, Result};
use crate::persist::spec_file::print_ron;
use crate::ui::shared::process::Process;

/// Starts `program` on `spec` in `folder`.
///
/// # Errors
/// [`Error::Io`] if it cannot be started.
pub(super) fn start(program: &Path, spec: &AdaptSpec, folder: &Path) -> Result<Process> {
    std::fs::create_dir_all(folder).map_err(|source| Error::io("create", folder, source))?;
    let asked = folder.join("asked.ron");
    let text = print_ron(spec)?;
    write_atomic(&asked, |writer| writer.write_all(text.as_bytes()))?;
    let arguments = [
        "adapt".into(),
        asked.into(),
        "--out".into(),
        folder.into(),
        "--ends-with-input".into(),
    ];
    Process::start(program, arguments, folder.join("log.txt"))
}
