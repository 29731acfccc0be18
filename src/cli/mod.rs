//! The command line: one subcommand a file. It prints for people and returns
//! exit code 2 for bad input.

mod eval;
mod find_rate;
mod follow;
mod inspect;
mod progress;
mod spec_arguments;
mod tune;
mod tune_report;

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
    /// Try rising learning rates for a few steps each and suggest one.
    FindRate(find_rate::FindRateArguments),
    /// Show a training set or benchmark as the model would see it.
    Inspect(inspect::InspectArguments),
    /// Tune the state that a model starts from, and measure it.
    Tune(tune::TuneArguments),
}

/// Parses the arguments and runs the subcommand.
pub fn main() -> ExitCode {
    let outcome = match Arguments::parse().command {
        Command::Eval(arguments) => eval::run(&arguments).map(|()| ExitCode::SUCCESS),
        Command::FindRate(arguments) => find_rate::run(&arguments),
        Command::Inspect(arguments) => inspect::run(&arguments).map(|()| ExitCode::SUCCESS),
        Command::Tune(arguments) => tune::run(&arguments),
    };
    match outcome {
        Ok(code) => code,
        Err(error) => {
            eprintln!("gosling: {error}");
            match error {
                Error::Input { .. } | Error::Io { .. } | Error::Spec { .. } => ExitCode::from(2),
                Error::Device(_) | Error::Stopped => ExitCode::FAILURE,
            }
        }
    }
}
