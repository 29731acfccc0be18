//! `gosling bench`: what the parts of the work cost on a device.

mod decode;
mod eval;
mod product;
mod report;
mod step;
mod storage;
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
    /// Time tuning steps; on a GPU also the share of each kernel.
    Step(step::StepArguments),
    /// Time the recurrence alone, forward and backward.
    Wkv(wkv::WkvArguments),
    /// Time matrix products alone, by shape.
    Product(product::ProductArguments),
    /// Time evaluations of the mini benchmarks.
    Eval(eval::EvalArguments),
    /// Compare a model's predictions with its matrices stored in 32, 16, 8 and 4 bits.
    Storage(storage::StorageArguments),
    /// Time generation token by token, next to the time that reading the weights takes.
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
        BenchCommand::Product(arguments) => product::run(arguments),
        BenchCommand::Eval(arguments) => eval::run(arguments),
        BenchCommand::Storage(arguments) => storage::run(arguments),
        BenchCommand::Decode(arguments) => decode::run(arguments),
    }
}
