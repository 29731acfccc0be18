//! A process that does the runs of a sweep, from its own side: orders on the
//! input, reports on the output, one worker between them.

use std::io::{BufRead as _, Write as _, stdin, stdout};
use std::path::{Path, PathBuf};
use std::thread::{Builder, sleep};
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, bounded, select, unbounded};

pub use super::process::SERVE;
use super::protocol::{Failure, Order, Report, WireEvent};
use crate::error::{Error, Result};
use crate::persist::folder_lock::FolderLock;
use crate::protocol::command::{Command, ResumeChanges};
use crate::protocol::event::{Event, FailureKind, JobEvent, RunEvent, RunId, RunOutcome};
use crate::protocol::run_spec::RunSpec;
use crate::tuning::train::rate_finder::RateRange;
use crate::worker::{Worker, WorkerHandle};

/// How long a run's folder may still be held by the process of a sweep that was
/// killed, which saves before it ends.
const LOCK_PATIENCE: Duration = Duration::from_secs(60);
/// Steps that warm a device up before steps are timed, and steps that are.
const WARM_STEPS: usize = 5;
const TIMED_STEPS: usize = 5;

/// Does what the input orders until it ends.
///
/// # Errors
/// [`Error::Device`] if the worker cannot be started.
pub fn serve() -> Result<()> {
    // The sweep is told of an interrupt too, and has the run saved.
    let _ = ctrlc::set_handler(|| ());
    let orders = orders()?;
    // The worker waits until its event was looked at, so that a run stops at
    // the step that it is to stop at.
    let (looked, looks) = bounded(1);
    let worker = Worker::spawn(move || {
        let _ = looks.recv();
    })?;
    let mut serving = Serving { looked, worker };
    while let Ok(order) = orders.recv() {
        let is_over = match order {
            Order::Run { folder, until } => serving.run(&folder, until, &orders),
            Order::Time(spec) => serving.time(*spec, &orders),
            // Nothing is under way.
            Order::Pause | Order::Resume | Order::Stop => false,
        };
        if is_over {
            break;
        }
    }
    Ok(())
}

/// The lines of the input, until it ends.
fn orders() -> Result<Receiver<Order>> {
    let (sender, orders) = unbounded();
    let read = move || {
        for line in stdin().lock().lines() {
            let Ok(line) = line else { break };
            if let Ok(order) = serde_json::from_str(&line)
                && sender.send(order).is_err()
            {
                break;
            }
        }
    };
    Builder::new()
        .name("orders".into())
        .spawn(read)
        .map_err(|error| {
            Error::Device(tr!(
                "cannot start the thread that reads commands, {error}",
                error
            ))
        })?;
    Ok(orders)
}

fn report(report: &Report) {
    if let Ok(mut line) = serde_json::to_vec(report) {
        line.push(b'\n');
        let mut stdout = stdout().lock();
        // A sweep that is gone has closed the input too, which ends this process.
        let _ = stdout.write_all(&line).and_then(|()| stdout.flush());
    }
}

struct Serving {
    /// In front of the worker, which waits for it while it is there.
    looked: Sender<()>,
    worker: WorkerHandle,
}

impl Serving {
    /// Does a run, and says whether the input has ended.
    fn run(&mut self, folder: &Path, until: Option<usize>, orders: &Receiver<Order>) -> bool {
        if let Err(error) = wait_for(folder) {
            report(&Report::Over {
                failure: Some(Failure {
                    kind: FailureKind::Work,
                    message: error.to_string(),
                }),
                by_others: false,
            });
            return false;
        }
        let folder: PathBuf = folder.to_path_buf();
        let changes = ResumeChanges::default();
        self.command(Command::ResumeRun { folder, changes });
        let mut run: Option<RunId> = None;
        let mut was_stopped = false;
        let (mut failure, mut by_others) = (None, false);
        loop {
            select! {
                recv(self.worker.events) -> event => {
                    let Ok(event) = event else { return true };
                    if let Some(event) = WireEvent::of(&event) {
                        report(&Report::Event(Box::new(event)));
                    }
                    if let Event::Run(started, RunEvent::Started { .. }) = &event {
                        run = Some(started.clone());
                    }
                    if let (Event::Run(_, RunEvent::Step(metrics)), Some(until)) = (&event, until)
                        && metrics.step >= until
                        && !was_stopped
                    {
                        self.stop(run.as_ref());
                        was_stopped = true;
                    }
                    by_others |= !was_stopped && is_stopped(&event);
                    failure = failure_of(&event).or(failure);
                    let _ = self.looked.send(());
                    // Not before, for until then the worker holds the run's folder.
                    if event == Event::Job(JobEvent::Done) {
                        report(&Report::Over { failure, by_others });
                        return false;
                    }
                }
                recv(orders) -> order => match order {
                    Err(_) => {
                        // The sweep was killed: the run is saved.
                        return true;
                    }
                    Ok(Order::Stop) => {
                        self.stop(run.as_ref());
                        was_stopped = true;
                    }
                    Ok(Order::Pause) => {
                        if let Some(run) = &run {
                            self.command(Command::Pause(run.clone()));
                        }
                    }
                    Ok(Order::Resume) => {
                        if let Some(run) = &run {
                            self.command(Command::Resume(run.clone()));
                        }
                    }
                    // One thing at a time.
                    Ok(Order::Run { .. } | Order::Time(_)) => {}
                },
            }
        }
    }

    /// Times steps of a run, and says whether the input has ended.
    fn time(&mut self, spec: RunSpec, orders: &Receiver<Order>) -> bool {
        let run = RunId("time".into());
        let range = RateRange {
            // Too small to break anything.
            first: 1e-9,
            last: 1e-8,
            steps: WARM_STEPS + TIMED_STEPS + 1,
        };
        self.command(Command::FindRate {
            run: run.clone(),
            spec: Box::new(spec),
            range,
        });
        const LAST_STEP: usize = WARM_STEPS + TIMED_STEPS;
        let since = |start: Instant| start.elapsed().as_secs_f64() / TIMED_STEPS as f64;
        let mut start: Option<Instant> = None;
        let (mut secs, mut failure) = (None, None);
        loop {
            select! {
                recv(self.worker.events) -> event => {
                    let Ok(event) = event else { return true };
                    if let Event::Job(JobEvent::RateProgress { done, .. }) = &event {
                        match *done {
                            WARM_STEPS => start = Some(Instant::now()),
                            LAST_STEP => secs = start.map(since),
                            _ => {}
                        }
                    }
                    failure = failure_of(&event).or(failure);
                    let _ = self.looked.send(());
                    if event == Event::Job(JobEvent::Done) {
                        report(&match secs {
                            Some(secs) if failure.is_none() => Report::Timed { secs },
                            Some(_) | None => Report::Over {
                                failure,
                                by_others: false,
                            },
                        });
                        return false;
                    }
                }
                recv(orders) -> order => match order {
                    Err(_) => return true,
                    Ok(Order::Stop) => self.stop(Some(&run)),
                    Ok(_) => {}
                },
            }
        }
    }

    /// Ends the run, or what comes before it has started.
    fn stop(&self, run: Option<&RunId>) {
        match run {
            Some(run) => self.command(Command::Stop(run.clone())),
            None => self.command(Command::Shutdown),
        }
    }

    fn command(&self, command: Command) {
        // A worker that is gone has closed its events, which ends the loop.
        let _ = self.worker.commands.send(command);
    }
}

/// Why a job could not be done.
fn failure_of(event: &Event) -> Option<Failure> {
    match event {
        Event::Job(JobEvent::Failed { kind, message, .. })
        | Event::Run(_, RunEvent::Failed { kind, message, .. }) => Some(Failure {
            kind: *kind,
            message: message.clone(),
        }),
        _ => None,
    }
}

/// Whether a run ends because someone asked for it.
fn is_stopped(event: &Event) -> bool {
    matches!(
        event,
        Event::Run(_, RunEvent::Ended(RunOutcome::Stopped { .. }))
    )
}

/// Waits until no other process holds the run.
fn wait_for(folder: &Path) -> Result<()> {
    let start = Instant::now();
    loop {
        match FolderLock::take(folder, "run") {
            Ok(_) => return Ok(()),
            Err(error) if start.elapsed() > LOCK_PATIENCE => return Err(error),
            Err(_) => sleep(Duration::from_millis(200)),
        }
    }
}
