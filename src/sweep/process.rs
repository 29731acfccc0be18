//! A process beside this one that does runs, from the side of the sweep.

use std::fs::{File, OpenOptions};
use std::io::{BufRead as _, BufReader, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, ExitStatus, Stdio};
use std::thread::{Builder, sleep};
use std::time::{Duration, Instant};

use crossbeam_channel::Sender;

use super::protocol::{Order, Report};
use crate::error::{Error, Result};
use crate::kernels::device::{BACKEND, language_choice};
use crate::language::{self, LANGUAGE, chosen};
use crate::shell::without_console;
use crate::worker::{ALLOW_MEMORY, is_memory_allowed};

/// The subcommand that [`super::serve`] answers to.
pub const SERVE: &str = "serve-runs";
/// What limits the threads of the operators.
const THREADS: &str = "RAYON_NUM_THREADS";
/// How often a process that is about to end is looked at.
const LOOK: Duration = Duration::from_millis(5);
/// How long a process may take to end after it was told that nothing more comes:
/// it saves a checkpoint, and its driver is put away.
pub(super) const END_PATIENCE: Duration = Duration::from_secs(60);
/// No report comes near this.
const MAX_LINE_BYTES: u64 = 1 << 20;
/// What is read of the end of a process's complaints.
const MAX_COMPLAINT_BYTES: u64 = 1 << 16;
/// How the standard library begins its last line where memory is refused.
const REFUSED_MEMORY: &str = "memory allocation of ";
/// What the user can do about it.
const LESS_MEMORY: &str = mark!(
    "choose a smaller training.batch (training.accumulate makes up for it) or fewer parallel runs"
);

/// A process, and what it was last told.
#[derive(Debug)]
pub(super) struct Process {
    child: Child,
    /// None once it was told that nothing more comes.
    orders: Option<ChildStdin>,
    /// Its complaints, and where they begin in the file.
    log: (PathBuf, u64),
}

/// What came from process `of`.
#[derive(Debug)]
pub(super) struct ChildMessage {
    pub of: usize,
    pub body: MessageBody,
}

/// What came from a process.
#[derive(Debug)]
pub(super) enum MessageBody {
    Report(Report),
    /// Nothing more: it has ended, or it is about to.
    Ended,
}

impl Process {
    /// Starts `program` as process number `of`, which may compute with
    /// `n_threads`. What it says goes to `messages`, its complaints to `log`.
    ///
    /// # Errors
    /// [`Error::Io`] if it cannot be started.
    pub fn start(
        program: &Path,
        of: usize,
        n_threads: usize,
        log: &Path,
        messages: Sender<ChildMessage>,
    ) -> Result<Self> {
        let fail = |source| Error::io("start", program, source);
        let mut options = OpenOptions::new();
        let complaints = options
            .create(true)
            .append(true)
            .open(log)
            .map_err(|source| Error::io("write", log, source))?;
        let start = complaints.metadata().map_or(0, |metadata| metadata.len());
        let mut child = without_console(&mut Command::new(program))
            .arg(SERVE)
            .env(THREADS, n_threads.to_string())
            .envs(is_memory_allowed().then_some((ALLOW_MEMORY, "1")))
            .env(BACKEND, language_choice().to_string())
            .env(LANGUAGE, chosen().to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(complaints)
            .spawn()
            .map_err(fail)?;
        let orders = child.stdin.take();
        if let Some(output) = child.stdout.take() {
            Builder::new()
                .name(format!("sweep-{of}"))
                .spawn(move || listen(output, of, &messages))
                .map_err(fail)?;
        }
        Ok(Self {
            child,
            orders,
            log: (log.to_path_buf(), start),
        })
    }

    /// Tells it something. A process that is gone says so itself.
    pub fn tell(&mut self, order: &Order) {
        let Some(orders) = &mut self.orders else {
            return;
        };
        if let Ok(mut line) = serde_json::to_vec(order) {
            line.push(b'\n');
            let _ = orders.write_all(&line).and_then(|()| orders.flush());
        }
    }

    /// Waits for its end, and says how it ended. A process that has nothing left to
    /// do and is still there after `patience` hangs, as drivers may, and is ended.
    pub fn wait(mut self, patience: Duration) -> String {
        self.orders = None;
        let start = Instant::now();
        loop {
            match self.child.try_wait() {
                Ok(Some(status)) => {
                    return exit_message(status, &complaints(&self.log.0, self.log.1));
                }
                Ok(None) if start.elapsed() < patience => sleep(LOOK),
                Ok(None) => {
                    self.kill();
                    return tr!("its process did not exit and was killed").into();
                }
                Err(error) => return tr!("the connection to its process was lost, {error}", error),
            }
        }
    }

    /// Ends it at once. What it was doing continues from its last checkpoint.
    pub fn kill(mut self) {
        // A process that has ended already cannot be killed.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The end of what a process complained of from `start` on.
fn complaints(log: &Path, start: u64) -> String {
    let read = || {
        let mut file = File::open(log)?;
        let end = file.metadata()?.len();
        file.seek(SeekFrom::Start(
            start.max(end.saturating_sub(MAX_COMPLAINT_BYTES)),
        ))?;
        let mut bytes = Vec::new();
        file.take(MAX_COMPLAINT_BYTES).read_to_end(&mut bytes)?;
        Ok::<_, std::io::Error>(String::from_utf8_lossy(&bytes).into_owned())
    };
    // It only says more of what is known already.
    read().unwrap_or_default()
}

fn exit_message(status: ExitStatus, complaints: &str) -> String {
    let refusal = complaints
        .lines()
        .find(|line| line.starts_with(REFUSED_MEMORY));
    if let Some(line) = refusal {
        return tr!(
            "its process ran out of memory ({line}); {LESS_MEMORY}",
            line,
            LESS_MEMORY = language::text(LESS_MEMORY)
        );
    }
    #[cfg(unix)]
    {
        use std::os::unix::process::ExitStatusExt as _;
        if let Some(signal) = status.signal() {
            let why = if signal == 9 {
                tr!(
                    ", which the system does when memory runs out; in that case {LESS_MEMORY}",
                    LESS_MEMORY = language::text(LESS_MEMORY)
                )
            } else {
                String::new()
            };
            return tr!(
                "its process was killed by signal {signal}{why}",
                signal,
                why
            );
        }
    }
    tr!(
        "its process exited without an error message, {status}",
        status
    )
}

fn listen(output: ChildStdout, of: usize, messages: &Sender<ChildMessage>) {
    let mut reader = BufReader::new(output);
    let mut line = Vec::new();
    loop {
        line.clear();
        let read = reader
            .by_ref()
            .take(MAX_LINE_BYTES)
            .read_until(b'\n', &mut line);
        if !matches!(read, Ok(n) if n > 0) {
            break;
        }
        // A driver may write to the output too; such lines are no reports.
        if let Ok(report) = serde_json::from_slice(&line) {
            let body = MessageBody::Report(report);
            if messages.send(ChildMessage { of, body }).is_err() {
                return;
            }
        }
    }
    // A sweep that is over does not listen.
    let _ = messages.send(ChildMessage {
        of,
        body: MessageBody::Ended,
    });
}
