//! `gosling window`, also without a subcommand: the desktop window.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;

/// Which runs the window shows.
#[derive(Args)]
pub(super) struct WindowArguments {
    /// The folder that holds the runs' folders.
    #[arg(long, default_value = "runs")]
    runs: PathBuf,
}

impl Default for WindowArguments {
    fn default() -> Self {
        Self {
            runs: PathBuf::from("runs"),
        }
    }
}

/// Opens the window and returns when it is closed; where there can be none,
/// says what to do instead.
pub(super) fn run(arguments: WindowArguments) -> ExitCode {
    match open(arguments.runs) {
        Ok(()) => ExitCode::SUCCESS,
        Err(reason) => {
            eprintln!("gosling: {reason}");
            ExitCode::FAILURE
        }
    }
}

#[cfg(feature = "gui")]
fn open(runs: PathBuf) -> Result<(), String> {
    crate::ui::window::open(runs)
}

#[cfg(not(feature = "gui"))]
fn open(runs: PathBuf) -> Result<(), String> {
    Err(format!(
        "this build has no window; gosling tune --runs {} does the same on the command line",
        runs.display()
    ))
}
