//! The command line: one subcommand a file. It prints for people and returns
//! exit code 2 for bad input.

mod eval;
mod inspect;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::error::Error;

/// A workbench for RWKV-7 state tuning.
#[derive(Parser)]
#[command(version, about)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Measure the accuracy of the untuned model on a benchmark.
    Eval(eval::EvalArguments),
    /// Show a training set or benchmark as the model would see it.
    Inspect(inspect::InspectArguments),
}

/// Parses the arguments and runs the subcommand.
pub fn main() -> ExitCode {
    let outcome = match Arguments::parse().command {
        Command::Eval(arguments) => eval::run(&arguments),
        Command::Inspect(arguments) => inspect::run(&arguments),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("gosling: {error}");
            match error {
                Error::Input { .. } | Error::Io { .. } | Error::Spec { .. } => ExitCode::from(2),
                Error::Device(_) | Error::Stopped => ExitCode::FAILURE,
            }
        }
    }
}
