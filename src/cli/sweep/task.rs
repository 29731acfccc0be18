//! One task of a sweep in this process, as a job of a cluster does it.

use std::process::ExitCode;

use crate::cli::follow::{Ending, INTERRUPTED, follow, interrupts};
use crate::cli::progress::Progress;
use crate::error::{Error, Result};
use crate::persist::run_folder::RunFolder;
use crate::protocol::command::{Command, ResumeChanges};
use crate::protocol::event::RunOutcome;
use crate::runs::RunStore;
use crate::sweep::store::SweepFolder;
use crate::sweep::task::{Facts, TaskState, run_in};
use crate::worker::Worker;

/// Does task `number` from where it is. A task that is complete, or whose run
/// diverged, is a success: its outcome is in its folder.
///
/// # Errors
/// Bad input: what it is, and where.
pub(super) fn do_task(folder: &SweepFolder, number: usize, is_quiet: bool) -> Result<ExitCode> {
    let tasks = folder.tasks()?;
    let Some(&task) = tasks.get(number) else {
        let reason = tr!("must be 0 to {}, is {number}", tasks.len() - 1, number);
        return Err(Error::spec("--task", reason));
    };
    let spec = folder.spec_of(task);
    let (Some(spec), Some(path)) = (spec, folder.task_path(task)) else {
        return Err(Error::spec("--task", tr!("has no run")));
    };
    let mut progress = Progress::new(is_quiet);
    let past = run_in(&path)?;
    match Facts::of(past.as_ref()).state {
        TaskState::Done | TaskState::Diverged { .. } => {
            progress.say(&tr!("{} is complete", spec.name));
            return Ok(ExitCode::SUCCESS);
        }
        TaskState::Waiting
        | TaskState::Going
        | TaskState::Held { .. }
        | TaskState::Failed(_)
        | TaskState::Skipped
        | TaskState::Dropped { .. } => {}
    }
    RunFolder::create_at(&path, spec)?;
    let mut store = RunStore::default();
    store.add(match past {
        Some(past) => past,
        None => crate::persist::run_history::past_run(&path)?,
    });
    let interrupts = interrupts()?;
    let worker = Worker::spawn(|| ())?;
    let command = Command::ResumeRun {
        folder: path,
        changes: ResumeChanges::default(),
    };
    worker
        .commands
        .send(command)
        .map_err(|_| Error::Device(tr!("the worker stopped").into()))?;
    let ending = follow(&worker, &interrupts, None, &mut store, &mut progress);
    Ok(match ending {
        Ending::Ended { outcome, .. } => match outcome {
            RunOutcome::Finished
            | RunOutcome::StoppedEarly { .. }
            | RunOutcome::Diverged { .. } => ExitCode::SUCCESS,
            RunOutcome::Stopped { step } => {
                eprintln!(
                    "{}",
                    tr!(
                        "gosling: stopped after step {step}; run the same task again to resume",
                        step
                    )
                );
                ExitCode::from(INTERRUPTED)
            }
        },
        Ending::RateFound => ExitCode::SUCCESS,
        Ending::NotBegun => ExitCode::from(INTERRUPTED),
        Ending::Failed { message, .. } => {
            eprintln!("gosling: {message}");
            folder.note_failure(task, message)?;
            ExitCode::FAILURE
        }
    })
}
