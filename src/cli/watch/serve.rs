//! `gosling serve-events`: what happens to the runs of a folder, as lines on the output,
//! until the input ends.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, SystemTime};

use clap::Args;
use crossbeam_channel::{Receiver, RecvTimeoutError, bounded};

use super::protocol::{MAX_TEXT_BYTES, Message, VERSION, is_name};
use crate::error::Result;
use crate::persist::folder_lock::holder_of;
use crate::persist::run_folder::{METRICS_FILE, SPEC_FILE};

/// How often the folder is looked at.
const EVERY: Duration = Duration::from_millis(500);
/// No specification comes near this.
const MAX_SPEC_BYTES: u64 = MAX_TEXT_BYTES;

/// Whose events.
#[derive(Args)]
pub(in crate::cli) struct ServeEventsArguments {
    /// The folder of the runs.
    #[arg(default_value = "runs")]
    folder: PathBuf,
}

/// Says what happens until the input ends or nobody reads.
pub(in crate::cli) fn serve(arguments: &ServeEventsArguments) -> Result<()> {
    let ends = input_end();
    let mut look = Look::new(arguments.folder.clone());
    say(&Message::Hello {
        version: VERSION,
        program: env!("CARGO_PKG_VERSION").into(),
    });
    let mut is_first = true;
    loop {
        for message in look.news() {
            say(&message);
        }
        if std::mem::take(&mut is_first) {
            say(&Message::Caught);
        }
        let is_over = !matches!(ends.recv_timeout(EVERY), Err(RecvTimeoutError::Timeout));
        if is_over || crate::cli::output::is_lost() {
            return Ok(());
        }
    }
}

fn say(message: &Message) {
    if let Ok(line) = serde_json::to_string(message) {
        println!("{line}");
    }
}

/// Is told when the input ends, as it does where the other side is gone.
fn input_end() -> Receiver<()> {
    let (sender, receiver) = bounded(1);
    thread::spawn(move || {
        let mut input = std::io::stdin().lock();
        let mut buffer = [0; 256];
        while matches!(input.read(&mut buffer), Ok(n) if n > 0) {}
        let _ = sender.send(());
    });
    receiver
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
                news.push(Message::Held { run, is_held });
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
