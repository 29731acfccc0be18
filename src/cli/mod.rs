//! The command line: one subcommand a file. It prints for the user and returns
//! exit code 2 for bad input.

#[macro_use]
mod output;

mod adapt;
mod adapter_check;
mod bench;
mod compare;
mod console;
mod devices;
mod eval;
mod export;
mod find_rate;
mod follow;
mod generate;
mod get;
mod help;
mod import;
mod inspect;
mod leading_token;
mod many;
mod mix;
mod model_arguments;
mod model_choice;
mod packaging;
mod perplexity;
mod plain_options;
mod progress;
mod sample_data;
mod selftest;
mod serve;
mod spec_arguments;
mod sweep;
mod table;
mod tune;
mod watch;
mod window;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};

use crate::error::{Error, Result};
use crate::kernels::device::{
    BACKEND, LanguageChoice, check_spirv_by, choose_language, quiet_drivers,
};
use crate::language::{self, LANGUAGE, Language};
use crate::persist::kernel_files::keep_kernels;
use crate::shell::Shell;

/// A workbench for RWKV-7 state tuning.
#[derive(Parser)]
#[command(version, about)]
struct Arguments {
    /// Without a command the window opens.
    #[command(subcommand)]
    command: Option<Command>,
    /// The language of GPU kernels: auto, spirv or wgsl. auto chooses SPIR-V if the
    /// driver computes correctly with it.
    #[arg(long, global = true, value_name = "LANGUAGE", default_value_t, env = BACKEND, hide_env_values = true)]
    backend: LanguageChoice,
    /// The language of texts: en or zh; default: that of the system.
    #[arg(long, global = true, value_name = "LANGUAGE", env = LANGUAGE, hide_env_values = true)]
    language: Option<Language>,
}

#[derive(Subcommand)]
enum Command {
    /// Adapt the state while a benchmark is answered, without labels, and compare it with voting.
    Adapt(adapt::AdaptArguments),
    /// Time tuning steps, the recurrence, evaluations or generation on a device.
    Bench(bench::BenchArguments),
    /// Compare evaluations item by item: fixed and broken answers, and whether the
    /// difference is chance.
    Compare(compare::CompareArguments),
    /// Print the completions of a shell: bash, zsh, fish, powershell or elvish.
    #[command(hide = true)]
    Completions(packaging::CompletionsArguments),
    /// List the devices of this machine.
    Devices,
    /// Measure the accuracy of a model on a benchmark, untuned or from a tuned state.
    Eval(eval::EvalArguments),
    /// Export a tuned state for another program.
    Export(export::ExportArguments),
    /// Try increasing learning rates, one step each, and suggest one.
    FindRate(find_rate::FindRateArguments),
    /// Continue a text, untuned or from a tuned state.
    Generate(generate::GenerateArguments),
    /// Download a published model, or list them.
    Get(get::GetArguments),
    /// Import a state of another program and detect its orientation.
    Import(import::ImportArguments),
    /// Describe a model or a tuned state, show the matrices of a head, or show a data
    /// set as the model sees it.
    Inspect(inspect::InspectArguments),
    /// Write the manual pages of all commands into a folder.
    #[command(hide = true)]
    Manual(packaging::ManualArguments),
    /// Mix states: a weighted sum, in all layers or in some.
    Mix(mix::MixArguments),
    /// Measure the held-out loss and perplexity of a model, untuned and with a state.
    Perplexity(perplexity::PerplexityArguments),
    /// Let the model answer questions that can be checked, and keep its right answers as
    /// training data.
    SampleData(sample_data::SampleDataArguments),
    /// Check that a device computes correctly, and write a report of it.
    Selftest(selftest::SelftestArguments),
    /// Serve a model and its states to chat clients on this machine (OpenAI interface).
    Serve(serve::ServeArguments),
    /// Report what happens to the runs of a folder, for `gosling watch` on another
    /// machine.
    #[command(hide = true)]
    ServeEvents(watch::ServeEventsArguments),
    /// Execute runs for a sweep, which sends them on standard input.
    #[command(name = crate::sweep::serve::SERVE, hide = true)]
    ServeRuns,
    /// Run many configurations and compare them.
    Sweep(sweep::SweepArguments),
    /// Tune a model's initial state and measure the accuracy.
    Tune(tune::TuneArguments),
    /// Follow the runs of another machine live, over SSH.
    Watch(watch::WatchArguments),
    /// Open the window, as gosling without a subcommand does.
    Window(window::WindowArguments),
}

/// Parses the arguments and runs the subcommand.
pub fn main() -> ExitCode {
    quiet_drivers();
    let asked = help::language_asked(std::env::args_os());
    language::choose(asked.unwrap_or_else(Language::of_system));
    let command = match parsed() {
        Ok(arguments) => {
            choose_language(arguments.backend);
            check_spirv_by(adapter_check::check_spirv);
            keep_kernels();
            arguments.command
        }
        Err(error) => return output::code_after_help(&error),
    };
    let command = command.unwrap_or_else(|| Command::Window(Default::default()));
    let outcome = match command {
        Command::Adapt(arguments) => adapt::run(&arguments),
        Command::Bench(arguments) => bench::run(&arguments).map(|()| ExitCode::SUCCESS),
        Command::Compare(arguments) => compare::run(&arguments).map(|()| ExitCode::SUCCESS),
        Command::Completions(arguments) => {
            language::choose(Language::English);
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
        Command::Get(arguments) => get::run(&arguments).map(|()| ExitCode::SUCCESS),
        Command::Import(arguments) => import::run(&arguments).map(|()| ExitCode::SUCCESS),
        Command::Inspect(arguments) => inspect::run(&arguments).map(|()| ExitCode::SUCCESS),
        Command::Manual(arguments) => {
            language::choose(Language::English);
            packaging::manual(&arguments, Arguments::command()).map(|()| ExitCode::SUCCESS)
        }
        Command::Mix(arguments) => mix::run(&arguments).map(|()| ExitCode::SUCCESS),
        Command::Perplexity(arguments) => perplexity::run(&arguments).map(|()| ExitCode::SUCCESS),
        Command::SampleData(arguments) => sample_data::run(&arguments),
        Command::Selftest(arguments) => selftest::run(&arguments),
        Command::Serve(arguments) => serve::run(&arguments).map(|()| ExitCode::SUCCESS),
        Command::ServeEvents(arguments) => watch::serve(&arguments).map(|()| ExitCode::SUCCESS),
        Command::ServeRuns => crate::sweep::serve::serve().map(|()| ExitCode::SUCCESS),
        Command::Sweep(arguments) => sweep::run(&arguments),
        Command::Tune(arguments) => tune::run(&arguments),
        Command::Watch(arguments) => watch::run(&arguments).map(|()| ExitCode::SUCCESS),
        Command::Window(arguments) => Ok(window::run(arguments, asked.is_some())),
    };
    match outcome {
        Ok(code) => output::code_after(code),
        // Nobody reads what it would continue to measure.
        Err(Error::Stopped) if output::is_lost() => output::code_after(ExitCode::SUCCESS),
        Err(error) => {
            eprintln!("gosling: {error}");
            match error {
                Error::Input { .. }
                | Error::Changed { .. }
                | Error::Io { .. }
                | Error::Spec { .. } => ExitCode::from(2),
                Error::Device(_) | Error::Stopped => ExitCode::FAILURE,
            }
        }
    }
}

/// The arguments of this process; what is wrong with them is said in the language that
/// was chosen, as far as it is not clap that says it.
fn parsed() -> Result<Arguments, clap::Error> {
    let mut command = help::translated(Arguments::command());
    let matches = command.try_get_matches_from_mut(std::env::args_os());
    let parsed = matches.and_then(|matches| Arguments::from_arg_matches(&matches));
    parsed.map_err(|error| error.format(&mut command))
}

/// The texts of the help that are the same for every machine.
#[cfg(test)]
pub(crate) fn texts_of_help() -> Vec<String> {
    help::texts_of(Arguments::command())
}

/// Whether bytes are a request of `gosling serve` and a prompt in it.
#[cfg(test)]
pub(crate) use serve::reads_request;

/// The program that is running, whose processes do the runs.
fn this_program() -> Result<PathBuf> {
    std::env::current_exe().map_err(|source| Error::io("find", tr!("the running program"), source))
}

/// A path as a shell takes it.
fn quoted(path: &Path) -> String {
    Shell::HERE.quoted_path(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The commands of the README and of the guide, one in a list.
    fn documented() -> Vec<Vec<String>> {
        let texts = concat!(include_str!("../../README.md"), include_str!("../guide.md"));
        let texts = texts.replace("\\\n", " ");
        let lines = texts.lines().filter_map(|line| {
            let line = line.trim_start();
            let arguments = match line.strip_prefix("cargo run --release") {
                Some(arguments) => arguments.trim_start().trim_start_matches("--"),
                None => line.strip_prefix("gosling ")?,
            };
            Some(words(arguments))
        });
        lines.collect()
    }

    /// The words of a command line; those in quotes are one.
    fn words(line: &str) -> Vec<String> {
        let line = line.split('#').next().unwrap();
        let mut words = vec!["gosling".to_owned()];
        for (idx, part) in line.split(['"', '\'']).enumerate() {
            if idx % 2 == 1 {
                words.push(part.to_owned());
            } else {
                words.extend(part.split_whitespace().map(str::to_owned));
            }
        }
        words
    }

    #[test]
    fn documented_commands_have_options_that_exist() {
        let commands = documented();
        assert!(commands.len() >= 15, "{commands:?}");
        for command in commands {
            if let Err(error) = Arguments::try_parse_from(&command) {
                panic!("{command:?}: {error}");
            }
        }
    }
}
