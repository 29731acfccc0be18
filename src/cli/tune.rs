//! `gosling tune`: a run from its specification to its state.

mod many;
mod report;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;

use super::follow::{Ending, INTERRUPTED, follow, interrupts};
use super::plain_options::{MemoryOptions, StepOptions};
use super::progress::Progress;
use super::quoted;
use super::spec_arguments::{ChosenSpec, SpecArguments, fields_help};
use crate::error::{Error, Result};
use crate::format::byte_size;
use crate::kernels::device::room_of;
use crate::persist::run_history::past_run;
use crate::persist::spec_file::print_commented_spec;
use crate::protocol::command::{Command, ResumeChanges};
use crate::protocol::event::{FailureKind, RunOutcome};
use crate::protocol::run_spec::RunSpec;
use crate::runs::RunStore;
use crate::runs::run::Run;
use crate::tuning::states::alpha_scan::{alpha_note, scanned_alphas};
use crate::worker::Worker;
use crate::worker::memory::fitting::{apply, changes};
use crate::worker::memory::forecast::MemoryForecast;
use report::report;

/// What to tune.
#[derive(Args)]
#[command(after_long_help = fields_help())]
pub struct TuneArguments {
    #[command(flatten)]
    spec: SpecArguments,
    #[command(flatten)]
    steps: StepOptions,
    #[command(flatten)]
    memory: MemoryOptions,
    /// The folder that holds the runs' folders.
    #[arg(long, default_value = "runs")]
    runs: PathBuf,
    /// Resume the run in this folder.
    #[arg(long, value_name = "FOLDER", conflicts_with_all = [
        "run", "preset", "set", "start", "device", "data", "train", "validation", "batch", "rate", "steps", "name",
    ])]
    resume: Option<PathBuf>,
    /// Continue although the weights, the vocabulary or the data have changed, or start
    /// from a state of other weights. The run records this.
    #[arg(long)]
    accept_changes: bool,
    /// Tune every run of a file, one after the other in one process, and print a line of
    /// JSON for each. Each line is an object: {"preset": "NAME", "set": ["PATH=VALUE"]}, also
    /// with "spec", "name", "runs" and "score": ["arc"]; - reads them from standard input
    /// as they come.
    #[arg(long, value_name = "FILE.jsonl", conflicts_with_all = ["resume", "print_spec", "fit"])]
    many: Option<PathBuf>,
    /// Print the specification and exit.
    #[arg(long, conflicts_with = "resume")]
    print_spec: bool,
    /// Choose the batch, accumulation, recomputation, windows and precision that fit into the
    /// memory of the device, and print them. The examples of a step stay the same.
    #[arg(long, conflicts_with = "resume")]
    fit: bool,
    /// Print only the result.
    #[arg(long)]
    quiet: bool,
}

/// Tunes and prints what came of it.
///
/// # Errors
/// Bad input: what it is, and where.
pub fn run(arguments: &TuneArguments) -> Result<ExitCode> {
    arguments.memory.apply();
    if let Some(path) = &arguments.many {
        return many::many(arguments, path);
    }
    let mut store = RunStore::default();
    let mut progress = Progress::new(arguments.quiet);
    let command = match &arguments.resume {
        Some(folder) => {
            // What was measured before is part of the result.
            store.add(past_run(folder)?);
            let folder = folder.clone();
            let changes = ResumeChanges {
                model: arguments.spec.sources.model.clone(),
                accept: arguments.accept_changes,
            };
            Command::ResumeRun { folder, changes }
        }
        None => {
            let ChosenSpec { mut spec, origin } = arguments.spec.spec(&arguments.steps)?;
            if arguments.fit {
                eprintln!("gosling: {}", take_what_fits(&mut spec)?);
            }
            if arguments.print_spec {
                print(&print_commented_spec(&spec)?);
                return Ok(ExitCode::SUCCESS);
            }
            progress.say(&origin);
            let (spec, runs) = (Box::new(spec), arguments.runs.clone());
            Command::StartRun {
                spec,
                runs,
                accept_changes: arguments.accept_changes,
            }
        }
    };
    let interrupts = interrupts()?;
    let worker = Worker::spawn(|| ())?;
    worker
        .commands
        .send(command)
        .map_err(|_| Error::Device(tr!("the worker stopped").into()))?;
    let ending = follow(&worker, &interrupts, None, &mut store, &mut progress);
    Ok(conclude(&ending, &store))
}

/// Prints the result and says how it went.
fn conclude(ending: &Ending, store: &RunStore) -> ExitCode {
    match ending {
        Ending::Ended { run, outcome, .. } => {
            let Some(run) = store.get(run) else {
                return ExitCode::FAILURE;
            };
            print(&report(run));
            if let Some(note) = alpha_note(&scanned_alphas(&run.folder)) {
                println!("{note}");
            }
            outcome_code(run, outcome)
        }
        Ending::RateFound => ExitCode::SUCCESS,
        Ending::NotBegun => {
            eprintln!("{}", tr!("gosling: interrupted before the run started"));
            ExitCode::from(INTERRUPTED)
        }
        Ending::Failed { kind, message } => {
            eprintln!("gosling: {message}");
            match kind {
                FailureKind::Input => ExitCode::from(2),
                FailureKind::Changed => {
                    eprintln!(
                        "{}",
                        tr!(
                            "gosling: --accept-changes accepts the change and records it in the run"
                        )
                    );
                    ExitCode::from(2)
                }
                FailureKind::Work => {
                    if let Some(run) = store.runs().last() {
                        say_how_to_resume(run);
                    }
                    ExitCode::FAILURE
                }
            }
        }
    }
}

fn outcome_code(run: &Run, outcome: &RunOutcome) -> ExitCode {
    match outcome {
        RunOutcome::Finished | RunOutcome::StoppedEarly { .. } => ExitCode::SUCCESS,
        RunOutcome::Stopped { step } => {
            eprintln!("{}", tr!("gosling: stopped after step {step}", step));
            say_how_to_resume(run);
            ExitCode::from(INTERRUPTED)
        }
        RunOutcome::Diverged { step, detail } => {
            eprintln!(
                "{}",
                tr!(
                    "gosling: diverged at step {step}, {detail}; the state of the step before is kept",
                    step,
                    detail
                )
            );
            ExitCode::FAILURE
        }
    }
}

fn say_how_to_resume(run: &Run) {
    eprintln!(
        "{}",
        tr!(
            "gosling: resume with gosling tune --resume {}",
            quoted(&run.folder)
        )
    );
}

/// Writes to the output.
pub(super) fn print(text: &str) {
    print!("{text}");
}

/// Makes a run fit into the memory of its device; what was changed, for the user.
///
/// # Errors
/// What is wrong with the model or the data; a run that fits in no setting.
fn take_what_fits(spec: &mut RunSpec) -> Result<String> {
    let forecast = MemoryForecast::read(spec)?;
    let room = room_of(spec.device);
    let Some(has) = room.usable() else {
        return Ok(
            tr!("the device does not say how much memory it has, so nothing is changed").into(),
        );
    };
    let Some(fit) = forecast.fit(spec, room) else {
        let Some(least) = forecast.memory(spec) else {
            return Ok(tr!("nothing is trained, so nothing has to fit").into());
        };
        let reason = tr!(
            "needs about {} for a step, of {}, and fits in no setting; choose a smaller model or a shorter data.context_length",
            byte_size(least.total()),
            byte_size(has)
        );
        return Err(Error::spec("--fit", reason));
    };
    let changed = changes(&fit, spec);
    apply(&fit, spec);
    let takes = forecast.memory(spec).map_or(0, |memory| memory.total());
    let changed = match changed.is_empty() {
        true => tr!("the run fits as it is").into(),
        false => changed.join(" "),
    };
    Ok(tr!(
        "{changed}: the largest step takes about {} of {}",
        byte_size(takes),
        byte_size(has),
        changed
    ))
}
