//! What is done with orders where the runs are.

use std::fs::File;
use std::io::{BufRead as _, BufReader, Read as _, stdin};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender, unbounded};
use sha2::{Digest as _, Sha256};

use super::protocol::{
    MAX_FILE_BYTES, MAX_ORDER_BYTES, MAX_PART_BYTES, Message, Order, STATE_FILES, check_name,
};
use crate::persist::folder_lock::holder_of;
use crate::persist::run_folder::SPEC_FILE;
use crate::persist::run_history::past_run;
use crate::persist::run_requests::asking::ask;
use crate::persist::run_requests::{RequestOutcome, RunRequest};

/// How long a run may take to do what is asked of it: a step of a large model, and the
/// writing of a checkpoint.
const PATIENCE: Duration = Duration::from_secs(120);

/// What is said of an order.
pub(super) enum Outgoing {
    Message(Message),
    /// More of the file of an order.
    Part {
        id: u64,
        run: String,
        bytes: Vec<u8>,
    },
}

/// The lines of the input, until it ends, as it does where the other side is gone.
pub(super) fn orders() -> Receiver<Order> {
    let (sender, orders) = unbounded();
    thread::spawn(move || {
        let mut input = BufReader::new(stdin());
        let mut line = Vec::new();
        loop {
            line.clear();
            let read = input
                .by_ref()
                .take(MAX_ORDER_BYTES)
                .read_until(b'\n', &mut line);
            if !matches!(read, Ok(n) if n > 0) {
                return;
            }
            match serde_json::from_slice(&line) {
                Ok(order) => {
                    if sender.send(order).is_err() {
                        return;
                    }
                }
                Err(error) => eprintln!(
                    "{}",
                    tr!(
                        "gosling: a line of the input is not a request and is ignored: {error}",
                        error
                    )
                ),
            }
        }
    });
    orders
}

/// What is done for an order.
pub(super) struct Errand {
    /// Names the order.
    pub id: u64,
    /// The run's name.
    pub run: String,
    /// What is asked of its process; none where the files of its state are sent.
    pub request: Option<RunRequest>,
}

impl Errand {
    /// Does it for a run below `root`, until `is_called_off`, and says what comes of it.
    pub fn carry_out(self, root: &Path, told: &Sender<Outgoing>, is_called_off: &AtomicBool) {
        let outcome = self.done(root, told, is_called_off);
        let outcome = outcome.unwrap_or_else(|reason| RequestOutcome::failed(&reason));
        let Self { id, run, .. } = self;
        let answer = Message::Answer { id, run, outcome };
        // Nobody is there to be told.
        let _ = told.send(Outgoing::Message(answer));
    }

    fn done(
        &self,
        root: &Path,
        told: &Sender<Outgoing>,
        is_called_off: &AtomicBool,
    ) -> Result<RequestOutcome, String> {
        check_name(&self.run)?;
        let folder = root.join(&self.run);
        if !folder.join(SPEC_FILE).is_file() {
            return Err(tr!("there is no such run").into());
        }
        let mut goes_on = |_: Option<[u64; 2]>| !is_called_off.load(Ordering::Relaxed);
        let mut asked = |request| {
            let outcome = ask(&folder, request, PATIENCE, &mut goes_on);
            outcome.map_err(|error| error.to_string())
        };
        if let Some(request) = self.request {
            return asked(request);
        }
        if holder_of(&folder).is_some() {
            let outcome = asked(RunRequest::SaveState)?;
            match outcome {
                RequestOutcome::Done { .. }
                | RequestOutcome::Ended
                | RequestOutcome::NotRunning => {}
                RequestOutcome::NotWatched
                | RequestOutcome::NotListening
                | RequestOutcome::Replaced
                | RequestOutcome::Late
                | RequestOutcome::CalledOff
                | RequestOutcome::Failed { .. } => return Ok(outcome),
            }
        }
        self.send_state(&folder, told, is_called_off)
    }

    /// Sends the files of a state.
    fn send_state(
        &self,
        folder: &Path,
        told: &Sender<Outgoing>,
        is_called_off: &AtomicBool,
    ) -> Result<RequestOutcome, String> {
        let exported = past_run(folder)
            .map_err(|error| error.to_string())?
            .exported;
        let Some(step) = exported.last().map(|state| state.step) else {
            return Err(tr!("it has no state yet").into());
        };
        let mut files = Vec::new();
        for name in STATE_FILES {
            if folder.join(name).is_file() {
                files.push(StateFile::open(folder, name)?);
            }
        }
        if files.is_empty() {
            return Err(tr!("its folder holds no state").into());
        }
        let mut after: u64 = files.iter().map(|file| file.bytes).sum();
        for file in files {
            after -= file.bytes;
            if !self.send_file(file, after, told, is_called_off)? {
                return Ok(RequestOutcome::CalledOff);
            }
        }
        Ok(RequestOutcome::Done { step })
    }

    /// Sends a file, `after` bytes of others after which come; whether all of it was sent.
    fn send_file(
        &self,
        file: StateFile,
        after: u64,
        told: &Sender<Outgoing>,
        is_called_off: &AtomicBool,
    ) -> Result<bool, String> {
        let StateFile { name, file, bytes } = file;
        let (id, run) = (self.id, || self.run.clone());
        let send = |outgoing| {
            let sent = told.send(outgoing);
            sent.map_err(|_| tr!("the connection ended").to_owned())
        };
        send(Outgoing::Message(Message::File {
            id,
            run: run(),
            name: name.to_owned(),
            bytes,
            after,
        }))?;
        let (mut file, mut hash) = (file.take(bytes), Sha256::new());
        loop {
            if is_called_off.load(Ordering::Relaxed) {
                return Ok(false);
            }
            let mut bytes = Vec::new();
            let part = file.by_ref().take(MAX_PART_BYTES as u64);
            let n_bytes = { part }.read_to_end(&mut bytes);
            if n_bytes.map_err(|error| format!("{name}: {error}"))? == 0 {
                break;
            }
            hash.update(&bytes);
            let run = run();
            send(Outgoing::Part { id, run, bytes })?;
        }
        send(Outgoing::Message(Message::FileEnd {
            id,
            run: run(),
            sha256: format!("{:x}", hash.finalize()),
        }))?;
        Ok(true)
    }
}

/// A file that is sent. It stays this one where another one takes its name.
struct StateFile {
    name: &'static str,
    file: File,
    bytes: u64,
}

impl StateFile {
    fn open(folder: &Path, name: &'static str) -> Result<Self, String> {
        let fail = |error: std::io::Error| format!("{name}: {error}");
        let file = File::open(folder.join(name)).map_err(fail)?;
        let bytes = file.metadata().map_err(fail)?.len();
        if bytes > MAX_FILE_BYTES {
            return Err(tr!("{name} is too large to be fetched", name));
        }
        Ok(Self { name, file, bytes })
    }
}
