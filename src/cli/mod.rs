//! The command line: one subcommand a file. It prints for people and returns
//! exit code 2 for bad input.

#[macro_use]
mod output;

mod bench;
mod compare;
mod devices;
mod eval;
mod export;
mod find_rate;
mod follow;
mod generate;
mod import;
mod inspect;
mod inspect_file;
mod inspect_head;
mod inspect_metadata;
mod inspect_pictures;
mod model_arguments;
mod packaging;
mod plain_options;
mod progress;
mod selftest;
mod spec_arguments;
mod sweep;
mod sweep_forecast;
mod sweep_task;
mod sweep_tell;
mod table;
mod tune;
mod tune_report;
mod window;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};

use crate::error::{Error, Result};
use crate::kernels::device::quiet_drivers;
use crate::shell::Shell;

/// A workbench for RWKV-7 state tuning.
#[derive(Parser)]
#[command(version, about)]
struct Arguments {
    /// Without one the window opens.
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand)]
enum Command {
    /// Time tuning steps, the recurrence, evaluations or writing on a device.
    Bench(bench::BenchArguments),
    /// Compare evaluations item by item: what tuning fixed and broke, and whether it is chance.
    Compare(compare::CompareArguments),
    /// Print the completions of a shell: bash, zsh, fish, powershell or elvish.
    #[command(hide = true)]
    Completions(packaging::CompletionsArguments),
    /// List what this machine can compute on.
    Devices,
    /// Measure the accuracy of a model on a benchmark, untuned or from a tuned state.
    Eval(eval::EvalArguments),
    /// Write a tuned state for another program.
    Export(export::ExportArguments),
    /// Try rising learning rates for a few steps each and suggest one.
    FindRate(find_rate::FindRateArguments),
    /// Continue a text, untuned or from a tuned state.
    Generate(generate::GenerateArguments),
    /// Find out which way round the state of another program is, and take it over.
    Import(import::ImportArguments),
    /// Say what a model or a tuned state is, look into a head of it, or show a data set as the model would see it.
    Inspect(inspect::InspectArguments),
    /// Write the manual pages of all commands into a folder.
    #[command(hide = true)]
    Manual(packaging::ManualArguments),
    /// Check that a device computes what it should.
    Selftest(selftest::SelftestArguments),
    /// Do runs for a sweep, which orders them on the input.
    #[command(name = crate::sweep::serve::SERVE, hide = true)]
    ServeRuns,
    /// Do many runs, each a change of one, and compare them.
    Sweep(sweep::SweepArguments),
    /// Tune the state that a model starts from, and measure it.
    Tune(tune::TuneArguments),
    /// Open the window, as gosling without a subcommand does.
    Window(window::WindowArguments),
}

/// Parses the arguments and runs the subcommand.
pub fn main() -> ExitCode {
    quiet_drivers();
    let command = match Arguments::try_parse() {
        Ok(arguments) => arguments.command,
        Err(error) => return output::code_after_help(&error),
    };
    let command = command.unwrap_or_else(|| Command::Window(Default::default()));
    let outcome = match command {
        Command::Bench(arguments) => bench::run(&arguments).map(|()| ExitCode::SUCCESS),
        Command::Compare(arguments) => compare::run(&arguments).map(|()| ExitCode::SUCCESS),
        Command::Completions(arguments) => {
            packaging::completions(&arguments, Arguments::command()).map(|()| ExitCode::SUCCESS)
        }
        Command::Devices => {
            devices::run();
            Ok(ExitCode::SUCCESS)
        }
        Command::Eval(arguments) => eval::run(&arguments).map(|()| ExitCode::SUCCESS),
        Command::Export(arguments) => export::run(&arguments).map(|()| ExitCode::SUCCESS),
        Command::FindRate(arguments) => find_rate::run(&arguments),
        Command::Generate(arguments) => generate::run(&arguments).map(|()| ExitCode::SUCCESS),
        Command::Import(arguments) => import::run(&arguments).map(|()| ExitCode::SUCCESS),
        Command::Inspect(arguments) => inspect::run(&arguments).map(|()| ExitCode::SUCCESS),
        Command::Manual(arguments) => {
            packaging::manual(&arguments, Arguments::command()).map(|()| ExitCode::SUCCESS)
        }
        Command::Selftest(arguments) => selftest::run(&arguments),
        Command::ServeRuns => crate::sweep::serve::serve().map(|()| ExitCode::SUCCESS),
        Command::Sweep(arguments) => sweep::run(&arguments),
        Command::Tune(arguments) => tune::run(&arguments),
        Command::Window(arguments) => Ok(window::run(arguments)),
    };
    match outcome {
        Ok(code) => output::code_after(code),
        // Nobody reads what it would go on to measure.
        Err(Error::Stopped) if output::is_lost() => output::code_after(ExitCode::SUCCESS),
        Err(error) => {
            eprintln!("gosling: {error}");
            match error {
                Error::Input { .. } | Error::Io { .. } | Error::Spec { .. } => ExitCode::from(2),
                Error::Device(_) | Error::Stopped => ExitCode::FAILURE,
            }
        }
    }
}

/// The program that is running, whose processes do the runs.
fn this_program() -> Result<PathBuf> {
    std::env::current_exe().map_err(|source| Error::io("find", "the running program", source))
}

/// A path as a shell takes it.
fn quoted(path: &Path) -> String {
    Shell::HERE.quoted_path(path)
}
