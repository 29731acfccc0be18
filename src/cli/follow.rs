//! What a client of the worker does: take its events in, show them, and pass
//! an interrupt on.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use crossbeam_channel::{Receiver, bounded, select};

use super::progress::Progress;
use crate::error::{Error, Result};
use crate::runs::RunStore;
use crate::worker::WorkerHandle;
use crate::worker::command::Command;
use crate::worker::event::{Event, FailureKind, RunId, RunOutcome};
use crate::worker::log_line::failure_line;

/// How often the status is looked at when nothing happens.
pub(super) const TICK: Duration = Duration::from_millis(100);
/// What a shell expects of a program that was interrupted.
pub(super) const INTERRUPTED: u8 = 130;

/// How what was asked for came out.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Ending {
    /// The run is over.
    Ended { run: RunId, outcome: RunOutcome },
    /// The search for a rate is over.
    RateFound,
    /// It could not be done.
    Failed {
        /// Whose fault it is.
        kind: FailureKind,
        /// Why, in one line.
        message: String,
    },
    /// It was interrupted before it had begun.
    NotBegun,
}

/// Passes Ctrl-C on as a message. The second one ends the program at once.
///
/// # Errors
/// [`Error::Device`] if the system refuses.
pub(super) fn interrupts() -> Result<Receiver<()>> {
    let (sender, receiver) = bounded(1);
    let n_pressed = AtomicUsize::new(0);
    ctrlc::set_handler(move || {
        if n_pressed.fetch_add(1, Ordering::SeqCst) > 0 {
            std::process::exit(INTERRUPTED.into());
        }
        // Full means that the first one waits to be taken.
        let _ = sender.try_send(());
    })
    .map_err(|error| Error::Device(format!("Ctrl-C cannot be caught, {error}")))?;
    Ok(receiver)
}

/// Follows the one thing that was asked for until it is over. `named` is what
/// to stop before the worker has given the run its name.
pub(super) fn follow(
    worker: &WorkerHandle,
    interrupts: &Receiver<()>,
    named: Option<RunId>,
    store: &mut RunStore,
    progress: &mut Progress,
) -> Ending {
    let mut run = named;
    let ending = loop {
        select! {
            recv(worker.events) -> event => {
                let Ok(event) = event else { break Ending::NotBegun };
                if let Event::RunStarted { run: started, .. } = &event {
                    run = Some(started.clone());
                }
                progress.tell(&event);
                let ending = ending(&event);
                store.apply(event);
                if let Some(ending) = ending {
                    break ending;
                }
            }
            recv(interrupts) -> _ => interrupt(worker, run.as_ref(), progress),
            default(TICK) => {}
        }
        progress.show(store, run.as_ref());
    };
    progress.clear();
    ending
}

fn interrupt(worker: &WorkerHandle, run: Option<&RunId>, progress: &mut Progress) {
    progress.say("stopping and saving; Ctrl-C again ends the program at once");
    let command = match run {
        Some(run) => Command::Stop(run.clone()),
        None => Command::Shutdown,
    };
    // A worker that is gone has closed its events too, which ends the loop.
    let _ = worker.commands.send(command);
}

fn ending(event: &Event) -> Option<Ending> {
    match event {
        Event::RunEnded { run, outcome } => Some(Ending::Ended {
            run: run.clone(),
            outcome: outcome.clone(),
        }),
        Event::RateFound { .. } => Some(Ending::RateFound),
        Event::Failed {
            run: _,
            kind,
            during,
            message,
        } => Some(Ending::Failed {
            kind: *kind,
            message: match kind {
                // It names the file or the field itself.
                FailureKind::Input => message.clone(),
                FailureKind::Work => failure_line(during, message),
            },
        }),
        Event::DeviceReady { .. }
        | Event::Loading { .. }
        | Event::ModelLoaded { .. }
        | Event::RunStarted { .. }
        | Event::Step { .. }
        | Event::Validated { .. }
        | Event::Diagnosed { .. }
        | Event::SnapshotReady { .. }
        | Event::CheckpointSaved { .. }
        | Event::EvaluationProgress { .. }
        | Event::EvaluationFinished { .. }
        | Event::StateExported { .. }
        | Event::Paused { .. }
        | Event::RateProgress { .. }
        | Event::TraceReady => None,
    }
}
