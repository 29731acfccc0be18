//! `gosling bench`: what the parts of the work cost on a device.

mod decode;
mod eval;
mod report;
mod step;
mod target;
mod wkv;

use clap::{Args, Subcommand};

use crate::error::Result;

/// What is measured.
#[derive(Args)]
pub struct BenchArguments {
    #[command(subcommand)]
    command: BenchCommand,
}

#[derive(Subcommand)]
enum BenchCommand {
    /// Time tuning steps, and on a GPU say which kernels their time goes to.
    Step(step::StepArguments),
    /// Time the recurrence alone, forward and back.
    Wkv(wkv::WkvArguments),
    /// Time evaluations of the mini benchmarks.
    Eval(eval::EvalArguments),
    /// Time writing token by token, beside the time of reading the weights.
    Decode(decode::DecodeArguments),
}

/// Measures it and prints tables.
///
/// # Errors
/// A device that cannot be used, numbers that cannot be run, or a file that
/// cannot be written.
pub fn run(arguments: &BenchArguments) -> Result<()> {
    match &arguments.command {
        BenchCommand::Step(arguments) => step::run(arguments),
        BenchCommand::Wkv(arguments) => wkv::run(arguments),
        BenchCommand::Eval(arguments) => eval::run(arguments),
        BenchCommand::Decode(arguments) => decode::run(arguments),
    }
}
