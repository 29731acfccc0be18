//! What a package brings beside the program, made from the arguments themselves:
//! completions for shells and manual pages.

use std::path::PathBuf;

use clap::{Args, Command};
use clap_complete::Shell;

use crate::error::{Error, Result};

/// Arguments of `gosling completions`.
#[derive(Args)]
pub struct CompletionsArguments {
    /// The shell that completes the commands
    shell: Shell,
}

/// Arguments of `gosling manual`.
#[derive(Args)]
pub struct ManualArguments {
    /// The folder for the pages, one for each command; it is made if it does not exist
    folder: PathBuf,
}

/// Prints the completions of a shell.
pub fn completions(arguments: &CompletionsArguments, mut command: Command) -> Result<()> {
    let mut text = Vec::new();
    clap_complete::generate(arguments.shell, &mut command, "gosling", &mut text);
    print!("{}", String::from_utf8_lossy(&text));
    Ok(())
}

/// Writes the manual pages, `gosling.1` and one for each command. Errors: the folder
/// cannot be made or written to.
pub fn manual(arguments: &ManualArguments, command: Command) -> Result<()> {
    let folder = &arguments.folder;
    std::fs::create_dir_all(folder).map_err(|error| Error::io("create", folder, error))?;
    clap_mangen::generate_to(command, folder).map_err(|error| Error::io("write", folder, error))
}
