//! The loop of a client of the worker: shows events and passes an interrupt on.

use std::io::{sink, stdin};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use crossbeam_channel::{Receiver, bounded, select};

use super::console::when_closed;
use super::progress::Progress;
use crate::error::{Error, Result};
use crate::protocol::command::Command;
use crate::protocol::event::{FailureKind, RunId, RunOutcome};
use crate::runs::RunStore;
use crate::runs::news::News;
use crate::worker::WorkerHandle;

/// How often the status is looked at when nothing happens.
pub(super) const TICK: Duration = Duration::from_millis(100);
/// What a shell expects of a program that was interrupted.
pub(super) const INTERRUPTED: u8 = 130;

/// How what was asked for came out.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Ending {
    /// The run is over.
    Ended {
        /// Which one.
        run: RunId,
        /// How.
        outcome: RunOutcome,
        /// Whether the user interrupted it.
        is_interrupted: bool,
    },
    /// The search for a rate is over.
    RateFound,
    /// It could not be done.
    Failed {
        /// Whose fault it is.
        kind: FailureKind,
        /// Why, in one line.
        message: String,
    },
    /// It was interrupted before it had started.
    NotBegun,
}

/// Passes Ctrl-C on as a message. The second one ends the program at once.
///
/// # Errors
/// [`Error::Device`] if the system refuses.
pub(super) fn interrupts() -> Result<Receiver<()>> {
    let (sender, receiver) = bounded(1);
    let n_pressed = AtomicUsize::new(0);
    let of_console = sender.clone();
    ctrlc::set_handler(move || {
        if n_pressed.fetch_add(1, Ordering::SeqCst) > 0 {
            std::process::exit(INTERRUPTED.into());
        }
        // Full means that the first one waits to be taken.
        let _ = sender.try_send(());
    })
    .map_err(|error| Error::Device(tr!("Ctrl-C cannot be caught, {error}", error)))?;
    when_closed(move || {
        let _ = of_console.try_send(());
    });
    Ok(receiver)
}

/// Hears the end of the standard input, by which a window ends what it has started.
pub(super) fn end_of_input() -> Receiver<()> {
    let (sender, ended) = bounded(1);
    std::thread::spawn(move || {
        // Whatever comes or goes wrong, there is nobody left after it.
        let _ = std::io::copy(&mut stdin(), &mut sink());
        let _ = sender.send(());
    });
    ended
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
    let mut is_interrupted = false;
    let ending = loop {
        select! {
            recv(worker.events) -> event => {
                let Ok(event) = event else { break Ending::NotBegun };
                progress.tell(&event);
                match store.take_in(event) {
                    None | Some(News::Diagnosed(_) | News::Scored(_)) => {}
                    Some(News::Began(began)) => run = Some(began),
                    Some(News::Ended { run, outcome }) => break Ending::Ended {
                        run,
                        outcome,
                        is_interrupted,
                    },
                    Some(News::RateFound(_)) => break Ending::RateFound,
                    Some(News::Failed { run: _, kind, message }) => {
                        break Ending::Failed { kind, message };
                    }
                    Some(News::JobDone) => break Ending::NotBegun,
                }
            }
            recv(interrupts) -> _ => {
                is_interrupted = true;
                interrupt(worker, run.as_ref(), progress);
            }
            default(TICK) => {}
        }
        progress.show(store, run.as_ref());
    };
    progress.clear();
    ending
}

fn interrupt(worker: &WorkerHandle, run: Option<&RunId>, progress: &mut Progress) {
    progress.say(tr!(
        "stopping and saving; press Ctrl-C again to quit at once"
    ));
    let command = match run {
        Some(run) => Command::Stop(run.clone()),
        None => Command::Shutdown,
    };
    // A worker that is gone has closed its events too, which ends the loop.
    let _ = worker.commands.send(command);
}
