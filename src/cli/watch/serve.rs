//! `gosling serve-events`: what happens to the runs of a folder, as lines on the output,
//! until the input ends.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};
use std::thread::{Builder, JoinHandle};
use std::time::{Duration, SystemTime};

use clap::Args;
use crossbeam_channel::{Sender, bounded, never, select, tick};

use super::answering::{Outgoing, carry_out, orders};
use super::protocol::{MAX_TEXT_BYTES, Message, Order, VERSION, is_name};
use crate::cli::output;
use crate::error::Result;
use crate::persist::folder_lock::holder_of;
use crate::persist::run_folder::{METRICS_FILE, SPEC_FILE};
use crate::persist::run_requests::{RequestOutcome, pause_of};

/// How often the folder is looked at.
const EVERY: Duration = Duration::from_millis(500);
/// No specification comes near this.
const MAX_SPEC_BYTES: u64 = MAX_TEXT_BYTES;
/// Orders that are carried out at once.
const MAX_ORDERS: usize = 8;
/// Parts of files that wait to be sent at most.
const MAX_WAITING: usize = 4;

/// Whose events.
#[derive(Args)]
pub(in crate::cli) struct ServeEventsArguments {
    /// The folder of the runs.
    #[arg(default_value = "runs")]
    folder: PathBuf,
    /// Only do what the input asks for.
    #[arg(long)]
    orders_only: bool,
}

/// Says what happens and does what is asked until the input ends or nobody reads.
pub(in crate::cli) fn serve(arguments: &ServeEventsArguments) -> Result<()> {
    let orders = orders();
    let (sender, outgoing) = bounded(MAX_WAITING);
    let mut look = Look::new(arguments.folder.clone());
    say(&Message::Hello {
        version: VERSION,
        program: env!("CARGO_PKG_VERSION").into(),
    });
    let mut under_way = Vec::new();
    let mut say_news = || look.news().iter().for_each(say);
    let ticks = match arguments.orders_only {
        true => never(),
        false => {
            say_news();
            say(&Message::Caught);
            tick(EVERY)
        }
    };
    while !output::is_lost() {
        select! {
            recv(ticks) -> _ => say_news(),
            recv(orders) -> order => {
                let Ok(order) = order else { return Ok(()) };
                under_way.retain(|thread: &JoinHandle<()>| !thread.is_finished());
                match under_way.len() < MAX_ORDERS {
                    true => under_way.extend(begin(&arguments.folder, order, sender.clone())),
                    false => refuse(&order, tr!("too many requests are under way; try again")),
                }
            }
            recv(outgoing) -> told => match told {
                Ok(Outgoing::Message(message)) => say(&message),
                Ok(Outgoing::Part { id, run, bytes }) => say_part(id, run, &bytes),
                // This function has a sender.
                Err(_) => return Ok(()),
            },
        }
    }
    Ok(())
}

/// Begins to carry out an order beside the others.
fn begin(root: &Path, order: Order, sender: Sender<Outgoing>) -> Option<JoinHandle<()>> {
    let (root, copy) = (root.to_path_buf(), order.clone());
    let thread = Builder::new()
        .name("order".into())
        .spawn(move || carry_out(&root, order, &sender));
    match thread {
        Ok(thread) => Some(thread),
        Err(error) => {
            refuse(&copy, &error.to_string());
            None
        }
    }
}

fn refuse(order: &Order, reason: &str) {
    let (Order::Ask { id, run, .. } | Order::Fetch { id, run }) = order;
    say(&Message::Answer {
        id: *id,
        run: run.clone(),
        outcome: RequestOutcome::failed(reason),
    });
}

fn say(message: &Message) {
    if let Ok(line) = serde_json::to_string(message) {
        println!("{line}");
    }
}

/// The line and its bytes together, with nothing in between.
fn say_part(id: u64, run: String, part: &[u8]) {
    let bytes = part.len();
    if let Ok(mut whole) = serde_json::to_vec(&Message::Part { id, run, bytes }) {
        whole.push(b'\n');
        whole.extend_from_slice(part);
        output::write_bytes(&whole);
    }
}

/// What was said of a run.
#[derive(Debug, Default)]
struct SentRun {
    /// When its specification was written.
    spec: Option<SystemTime>,
    /// Bytes of its numbers.
    from: u64,
    /// Tells a file of numbers that was replaced from one that grew.
    first: Vec<u8>,
    is_held: Option<bool>,
    /// After which step it was said to be paused.
    paused: Option<usize>,
}

/// Looks at a folder of runs again and again.
pub(super) struct Look {
    folder: PathBuf,
    sent: BTreeMap<String, SentRun>,
}

impl Look {
    pub fn new(folder: PathBuf) -> Self {
        Self {
            folder,
            sent: BTreeMap::new(),
        }
    }

    /// What is new. A file that cannot be read now is looked at again the next time.
    pub fn news(&mut self) -> Vec<Message> {
        let mut news = Vec::new();
        let mut names = Vec::new();
        for entry in fs::read_dir(&self.folder).into_iter().flatten().flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            if is_name(&name) && entry.path().join(SPEC_FILE).is_file() {
                names.push(name);
            }
        }
        names.sort();
        let gone: Vec<String> = self.sent.keys().cloned().collect();
        for run in gone.into_iter().filter(|run| !names.contains(run)) {
            self.sent.remove(&run);
            news.push(Message::Removed { run });
        }
        for run in names {
            let folder = self.folder.join(&run);
            let sent = self.sent.entry(run.clone()).or_default();
            if let Some((written, text)) = spec(&folder, sent.spec) {
                sent.spec = Some(written);
                let run = run.clone();
                news.push(Message::Spec { run, text });
            }
            if sent.spec.is_none() {
                continue;
            }
            while let Some((from, text)) = sent.more(&folder.join(METRICS_FILE)) {
                let run = run.clone();
                news.push(Message::Metrics { run, from, text });
            }
            let is_held = holder_of(&folder).is_some();
            if sent.is_held != Some(is_held) {
                sent.is_held = Some(is_held);
                let run = run.clone();
                news.push(Message::Held { run, is_held });
            }
            let step = pause_of(&folder).filter(|_| is_held);
            if sent.paused != step {
                sent.paused = step;
                news.push(Message::Paused { run, step });
            }
        }
        news
    }
}

/// A specification that is newer than the one that was said.
fn spec(folder: &Path, sent: Option<SystemTime>) -> Option<(SystemTime, String)> {
    let path = folder.join(SPEC_FILE);
    let metadata = fs::metadata(&path).ok()?;
    let written = metadata.modified().ok()?;
    if sent == Some(written) || metadata.len() > MAX_SPEC_BYTES {
        return None;
    }
    Some((written, fs::read_to_string(path).ok()?))
}

impl SentRun {
    /// The next whole lines of the numbers, and where they begin.
    fn more(&mut self, path: &Path) -> Option<(u64, String)> {
        let mut file = File::open(path).ok()?;
        let mut first = vec![0; self.first.len().max(64)];
        let n = file.read(&mut first).ok()?;
        first.truncate(n);
        let length = file.metadata().ok()?.len();
        // A run that goes on from a checkpoint drops lines; one that grows keeps them.
        if length < self.from || !first.starts_with(&self.first) {
            (self.from, self.first) = (0, Vec::new());
        }
        if self.first.is_empty() {
            self.first = first;
        }
        file.seek(SeekFrom::Start(self.from)).ok()?;
        let mut bytes = Vec::new();
        file.take(MAX_TEXT_BYTES).read_to_end(&mut bytes).ok()?;
        let end = bytes.iter().rposition(|byte| *byte == b'\n')? + 1;
        let text = String::from_utf8_lossy(&bytes[..end]).into_owned();
        let from = self.from;
        self.from += end as u64;
        Some((from, text))
    }
}
