//! `gosling window`, also without a subcommand: the desktop window.

use std::fs::{self, OpenOptions};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;

use super::plain_options::MemoryOptions;

/// Which runs the window shows.
#[derive(Args, Default)]
pub(super) struct WindowArguments {
    /// The folder that holds the runs' folders; default: runs, or Gosling/runs in the
    /// documents if nothing can be written here.
    #[arg(long)]
    runs: Option<PathBuf>,
    /// A run specification to open the window with.
    run: Option<PathBuf>,
    #[command(flatten)]
    memory: MemoryOptions,
}

/// Opens the window and returns when it is closed; where there can be none,
/// says what to do instead. Unless a language was asked for, the window has the one
/// that was chosen in it.
pub(super) fn run(arguments: WindowArguments, has_language: bool) -> ExitCode {
    arguments.memory.apply();
    let had_console = super::console::leave_own();
    let runs = arguments.runs.unwrap_or_else(|| {
        let here = std::env::current_dir().unwrap_or_default();
        default_runs(
            &here,
            can_write_in,
            dirs::document_dir().or_else(dirs::home_dir),
        )
    });
    match open(runs, arguments.run, has_language) {
        Ok(()) => ExitCode::SUCCESS,
        Err(reason) => {
            eprintln!("gosling: {reason}");
            if had_console {
                tell(&reason);
            }
            ExitCode::FAILURE
        }
    }
}

/// The runs of a window that was opened without a folder. The Finder opens programs in
/// the root of the disk, and a menu of Windows where the program lies: there is no
/// place for runs.
fn default_runs(
    here: &Path,
    can_write: impl Fn(&Path) -> bool,
    documents: Option<PathBuf>,
) -> PathBuf {
    let runs = PathBuf::from("runs");
    match documents {
        Some(documents) if !here.join(&runs).is_dir() && !can_write(here) => {
            documents.join("Gosling").join(runs)
        }
        Some(_) | None => runs,
    }
}

/// Whether a file can be written in a folder: rights alone do not tell on every system.
fn can_write_in(folder: &Path) -> bool {
    let probe = folder.join(format!(".gosling-{}", std::process::id()));
    let is_made = OpenOptions::new().write(true).create_new(true).open(&probe);
    is_made.is_ok() && fs::remove_file(&probe).is_ok()
}

#[cfg(feature = "gui")]
fn open(runs: PathBuf, run: Option<PathBuf>, has_language: bool) -> Result<(), String> {
    use crate::persist::spec_file::read_spec;
    let draft = run.map(read_spec).transpose();
    let draft = draft.map_err(|error| error.to_string())?;
    crate::ui::window::open(runs, draft, has_language)
}

/// Says it where nobody reads what is printed.
#[cfg(feature = "gui")]
fn tell(reason: &str) {
    crate::ui::window::tell(reason);
}

#[cfg(not(feature = "gui"))]
fn tell(_reason: &str) {}

#[cfg(not(feature = "gui"))]
fn open(runs: PathBuf, _run: Option<PathBuf>, _has_language: bool) -> Result<(), String> {
    Err(tr!(
        "this build has no window; use gosling tune --runs {} on the command line",
        crate::format::shown(&runs)
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_go_to_the_documents_only_where_nothing_can_be_written() {
        let here = tempfile::tempdir().unwrap();
        let documents = || Some(PathBuf::from("documents"));
        let in_documents = Path::new("documents").join("Gosling").join("runs");
        let runs = |can_write: bool, documents| default_runs(here.path(), |_| can_write, documents);
        assert_eq!(runs(true, documents()), Path::new("runs"));
        assert_eq!(runs(false, documents()), in_documents);
        assert_eq!(runs(false, None), Path::new("runs"));
        // Runs that are there are shown, though none can be added.
        fs::create_dir(here.path().join("runs")).unwrap();
        assert_eq!(runs(false, documents()), Path::new("runs"));
    }

    #[test]
    fn a_folder_is_tried_without_leaving_anything() {
        let here = tempfile::tempdir().unwrap();
        assert!(can_write_in(here.path()));
        assert_eq!(fs::read_dir(here.path()).unwrap().count(), 0);
        assert!(!can_write_in(&here.path().join("missing")));
    }
}
