//! A sweep on a thread of its own, for a client that must not wait.

use std::thread::{Builder, JoinHandle};

use crossbeam_channel::{Receiver, Sender, unbounded};

use super::scheduler::{Options, SweepCommand, SweepEnd, SweepEvent, run_sweep};
use super::store::SweepFolder;
use crate::error::{Error, Result};

/// What comes from a sweep.
#[derive(Debug)]
pub enum SweepMessage {
    /// Something happened in it.
    Event(SweepEvent),
    /// It is over.
    Ended(Result<SweepEnd>),
}

/// An active sweep. Dropping it saves what is under way and waits for it.
#[derive(Debug)]
pub struct SweepHandle {
    /// Requests, taken in order.
    pub commands: Sender<SweepCommand>,
    /// What happens. It is never held back.
    pub messages: Receiver<SweepMessage>,
    thread: Option<JoinHandle<()>>,
}

impl SweepHandle {
    /// Conducts the sweep in `folder`. `wake` is called after every message.
    ///
    /// # Errors
    /// [`Error::Device`] if the system has no thread left.
    pub fn start(
        folder: SweepFolder,
        options: Options,
        wake: impl Fn() + Send + 'static,
    ) -> Result<Self> {
        let (commands, taken) = unbounded();
        let (messages_to, messages) = unbounded();
        let work = move || {
            let mut send = |event| {
                // A client that is gone has dropped the commands too, which
                // stops the sweep.
                let _ = messages_to.send(SweepMessage::Event(event));
                wake();
            };
            let end = run_sweep(&folder, &options, &taken, &mut send);
            // Before the end is told, so that the sweep can be opened again.
            drop(folder);
            let _ = messages_to.send(SweepMessage::Ended(end));
            wake();
        };
        let thread = Builder::new()
            .name("sweep".into())
            .spawn(work)
            .map_err(|error| Error::Device(tr!("cannot start the sweep thread, {error}", error)))?;
        Ok(Self {
            commands,
            messages,
            thread: Some(thread),
        })
    }
}

impl Drop for SweepHandle {
    fn drop(&mut self) {
        let _ = self.commands.send(SweepCommand::Stop);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
