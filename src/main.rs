//! The command line of Gosling.

use std::process::ExitCode;

fn main() -> ExitCode {
    gosling::cli::main()
}
