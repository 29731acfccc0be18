//! Work on other threads: files are read there, so that no frame waits for them. Every
//! feature has its own answers.

use std::sync::Arc;
use std::thread::Builder;

use crossbeam_channel::{Receiver, Sender, unbounded};

use crate::error::Error;

/// Makes the window look; called from any thread.
pub(crate) type WakeUp = Arc<dyn Fn() + Send + Sync>;

/// Begins threads beside the window.
#[derive(Clone)]
pub(crate) struct Threads {
    wake: WakeUp,
    /// Where it says that there is no thread.
    failures: Sender<Error>,
}

impl Threads {
    /// With where it says that a thread could not begin.
    pub fn new(wake: WakeUp) -> (Self, Receiver<Error>) {
        let (failures, failed) = unbounded();
        (Self { wake, failures }, failed)
    }

    /// Makes the window look.
    pub fn wake(&self) {
        (self.wake)();
    }

    /// What makes the window look.
    pub fn waker(&self) -> WakeUp {
        self.wake.clone()
    }
}

/// Work beside the window, and what came of it.
pub(crate) struct Background<A> {
    threads: Threads,
    sender: Sender<A>,
    receiver: Receiver<A>,
}

impl<A> Clone for Background<A> {
    fn clone(&self) -> Self {
        Self {
            threads: self.threads.clone(),
            sender: self.sender.clone(),
            receiver: self.receiver.clone(),
        }
    }
}

impl<A: Send + 'static> Background<A> {
    /// With no work yet.
    pub fn new(threads: &Threads) -> Self {
        let (sender, receiver) = unbounded();
        Self {
            threads: threads.clone(),
            sender,
            receiver,
        }
    }

    /// What has come so far.
    pub fn answers(&self) -> Vec<A> {
        self.receiver.try_iter().collect()
    }

    /// Adds an answer that work came to before its end.
    pub fn send(&self, answer: A) {
        // A window that is gone wants no answer.
        let _ = self.sender.send(answer);
        self.threads.wake();
    }

    /// Does work on a thread of its own; what comes of it is an answer, if any.
    pub fn start(&self, work: impl FnOnce() -> Option<A> + Send + 'static) {
        let (sender, wake) = (self.sender.clone(), self.threads.wake.clone());
        let work = move || {
            if let Some(answer) = work() {
                // A window that is gone wants no answer.
                let _ = sender.send(answer);
                wake();
            }
        };
        let thread = Builder::new().name("background".into()).spawn(work);
        if let Err(error) = thread {
            let error = Error::Device(tr!(
                "cannot start the thread that reads files, {error}",
                error
            ));
            let _ = self.threads.failures.send(error);
        }
    }
}
