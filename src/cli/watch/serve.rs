//! `gosling serve-events`: what happens to the runs of a folder, as lines on the output,
//! until the input ends.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{Builder, JoinHandle};
use std::time::{Duration, SystemTime};

use clap::Args;
use crossbeam_channel::{Sender, bounded, never, select, tick};

use super::answering::{Errand, Outgoing, orders};
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
    let mut under_way: Vec<UnderWay> = Vec::new();
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
                under_way.retain(|of| !of.thread.is_finished());
                let (id, run, request) = match order {
                    Order::CallOff { id } => {
                        under_way.iter().for_each(|of| of.call_off(id));
                        continue;
                    }
                    Order::Ask { id, run, request } => (id, run, Some(request)),
                    Order::Fetch { id, run } => (id, run, None),
                };
                let errand = Errand { id, run: run.clone(), request };
                let begun = match under_way.len() < MAX_ORDERS {
                    true => begin(&arguments.folder, errand, sender.clone()),
                    false => Err(tr!("too many requests are under way; try again").into()),
                };
                match begun {
                    Ok(begun) => under_way.push(begun),
                    Err(reason) => say(&Message::Answer {
                        id,
                        run,
                        outcome: RequestOutcome::failed(&reason),
                    }),
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

/// An order that is carried out.
struct UnderWay {
    id: u64,
    is_called_off: Arc<AtomicBool>,
    thread: JoinHandle<()>,
}

impl UnderWay {
    /// Ends it soon, if it is the one that is meant.
    fn call_off(&self, id: u64) {
        if self.id == id {
            self.is_called_off.store(true, Ordering::Relaxed);
        }
    }
}

/// Begins to carry out an order beside the others; or why not.
fn begin(root: &Path, errand: Errand, sender: Sender<Outgoing>) -> Result<UnderWay, String> {
    let id = errand.id;
    let is_called_off = Arc::new(AtomicBool::new(false));
    let (root, called_off) = (root.to_path_buf(), is_called_off.clone());
    let thread = Builder::new()
        .name("order".into())
        .spawn(move || errand.carry_out(&root, &sender, &called_off));
    Ok(UnderWay {
        id,
        is_called_off,
        thread: thread.map_err(|error| error.to_string())?,
    })
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
