//! What is done with orders where the runs are.

use std::fs::File;
use std::io::{BufRead as _, BufReader, Read as _, stdin};
use std::path::Path;
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

/// Does an order for a run below `root`, and says what comes of it.
pub(super) fn carry_out(root: &Path, order: Order, told: &Sender<Outgoing>) {
    let (id, run) = match &order {
        Order::Ask { id, run, .. } | Order::Fetch { id, run } => (*id, run.clone()),
    };
    let outcome = done(root, order, told).unwrap_or_else(|reason| RequestOutcome::failed(&reason));
    let answer = Message::Answer { id, run, outcome };
    // Nobody is there to be told.
    let _ = told.send(Outgoing::Message(answer));
}

fn done(root: &Path, order: Order, told: &Sender<Outgoing>) -> Result<RequestOutcome, String> {
    let (Order::Ask { run, .. } | Order::Fetch { run, .. }) = &order;
    check_name(run)?;
    let folder = root.join(run);
    if !folder.join(SPEC_FILE).is_file() {
        return Err(tr!("there is no such run").into());
    }
    let asked =
        |request| ask(&folder, request, PATIENCE, &mut |_| true).map_err(|error| error.to_string());
    match order {
        Order::Ask { request, .. } => asked(request),
        Order::Fetch { id, run } => {
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
                    | RequestOutcome::Failed { .. } => return Ok(outcome),
                }
            }
            send_state(&folder, id, &run, told)
        }
    }
}

/// Sends the files of a state.
fn send_state(
    folder: &Path,
    id: u64,
    run: &str,
    told: &Sender<Outgoing>,
) -> Result<RequestOutcome, String> {
    let exported = past_run(folder)
        .map_err(|error| error.to_string())?
        .exported;
    let files = STATE_FILES.into_iter();
    let files: Vec<_> = files.filter(|name| folder.join(name).is_file()).collect();
    let Some(step) = exported.last().map(|state| state.step) else {
        return Err(tr!("it has no state yet").into());
    };
    if files.is_empty() {
        return Err(tr!("its folder holds no state").into());
    }
    for name in files {
        send_file(&folder.join(name), name, id, run, told)?;
    }
    Ok(RequestOutcome::Done { step })
}

fn send_file(
    path: &Path,
    name: &str,
    id: u64,
    run: &str,
    told: &Sender<Outgoing>,
) -> Result<(), String> {
    let fail = |error: std::io::Error| format!("{name}: {error}");
    let send = |outgoing| {
        let sent = told.send(outgoing);
        sent.map_err(|_| tr!("the connection ended").to_owned())
    };
    // It stays this file where another one takes its name.
    let file = File::open(path).map_err(fail)?;
    let total = file.metadata().map_err(fail)?.len();
    if total > MAX_FILE_BYTES {
        return Err(tr!("{name} is too large to be fetched", name));
    }
    send(Outgoing::Message(Message::File {
        id,
        run: run.to_owned(),
        name: name.to_owned(),
        bytes: total,
    }))?;
    let (mut file, mut hash) = (file.take(total), Sha256::new());
    loop {
        let mut bytes = Vec::new();
        let part = file.by_ref().take(MAX_PART_BYTES as u64);
        let n_bytes = { part }.read_to_end(&mut bytes).map_err(fail)?;
        if n_bytes == 0 {
            break;
        }
        hash.update(&bytes);
        let run = run.to_owned();
        send(Outgoing::Part { id, run, bytes })?;
    }
    send(Outgoing::Message(Message::FileEnd {
        id,
        run: run.to_owned(),
        sha256: format!("{:x}", hash.finalize()),
    }))
}
