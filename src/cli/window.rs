//! `gosling window`, also without a subcommand: the desktop window.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;

use super::plain_options::MemoryOptions;

/// Which runs the window shows.
#[derive(Args)]
pub(super) struct WindowArguments {
    /// The folder that holds the runs' folders.
    #[arg(long, default_value = "runs")]
    runs: PathBuf,
    /// A run specification to open the window with.
    run: Option<PathBuf>,
    #[command(flatten)]
    memory: MemoryOptions,
}

impl Default for WindowArguments {
    fn default() -> Self {
        Self {
            runs: PathBuf::from("runs"),
            run: None,
            memory: MemoryOptions::default(),
        }
    }
}

/// Opens the window and returns when it is closed; where there can be none,
/// says what to do instead. Unless a language was asked for, the window has the one
/// that was chosen in it.
pub(super) fn run(arguments: WindowArguments, has_language: bool) -> ExitCode {
    arguments.memory.apply();
    let had_console = super::console::leave_own();
    match open(arguments.runs, arguments.run, has_language) {
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
