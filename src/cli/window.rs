//! `gosling window`, also without a subcommand: the desktop window.

use std::path::PathBuf;

use clap::Args;

use crate::error::Result;

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

/// Opens the window and returns when it is closed.
///
/// # Errors
/// Where there is no display, what to do instead.
#[cfg(feature = "gui")]
pub(super) fn run(arguments: WindowArguments) -> Result<()> {
    crate::ui::window::open(arguments.runs)
}

/// Says that this program was built without a window.
///
/// # Errors
/// Always, with what to do instead.
#[cfg(not(feature = "gui"))]
pub(super) fn run(arguments: WindowArguments) -> Result<()> {
    let runs = arguments.runs.display();
    let reason = format!(
        "this build has no window; gosling tune --runs {runs} does the same on the command line"
    );
    Err(crate::error::Error::Device(reason))
}
