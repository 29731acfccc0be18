//! A sweep from its first run to its last: tasks are handed to processes, what
//! they say is passed on, and what goes wrong with one stays with it.

use std::path::PathBuf;
use std::thread::available_parallelism;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, at, never, select, unbounded};

use super::journal::Mark;
pub use super::messages::{SweepCommand, SweepEnd, SweepEvent};
use super::process::{ChildMessage, END_PATIENCE, MessageBody, Process};
use super::protocol::{Failure, Order, Report};
use super::queue::Queue;
use super::store::SweepFolder;
use super::task::{Task, TaskState};
use crate::error::{Error, Result};
use crate::format::duration;
use crate::persist::run_folder::RunFolder;
use crate::protocol::event::{DeviceEvent, Event, FailureKind};
use crate::protocol::run_spec::RunSpec;

mod tell;

/// Longer than a step or the writing of a checkpoint takes. A process that is silent
/// for longer hangs in its driver, and its run continues from its last checkpoint.
pub const STOP_PATIENCE: Duration = Duration::from_secs(300);

/// Processes at most.
pub const MAX_JOBS: usize = 64;

/// How a sweep is run.
#[derive(Debug, Clone)]
pub struct Options {
    /// The program whose processes do the runs: this one.
    pub program: PathBuf,
    /// Runs side by side.
    pub n_jobs: usize,
    /// Try failed runs again.
    pub retry: bool,
    /// How long a run that is to stop may say nothing before its process is ended:
    /// [`STOP_PATIENCE`], less in tests.
    pub patience: Duration,
}

/// Runs a sweep until it is complete or stopped.
///
/// # Errors
/// What keeps every run from being done: a program that cannot be started, a
/// disk that cannot be written.
pub fn run_sweep(
    folder: &SweepFolder,
    options: &Options,
    commands: &Receiver<SweepCommand>,
    send: &mut dyn FnMut(SweepEvent),
) -> Result<SweepEnd> {
    if options.retry {
        folder.mark(&Mark::Retried)?;
    }
    let mut queue = Queue::read(folder)?;
    if options.retry {
        queue.retry();
    }
    let (sender, messages) = unbounded();
    let mut scheduler = Scheduler {
        folder,
        options,
        queue,
        processes: Vec::new(),
        sender,
        n_started: 0,
        holds: false,
        stops: false,
        device: String::new(),
        send,
    };
    scheduler.tell_all();
    let start = Instant::now();
    let end = scheduler.go(&messages, commands);
    if scheduler.n_started > 0 {
        folder.mark(&Mark::Session {
            tenths: (start.elapsed().as_secs_f64() * 10.0).round() as u64,
            n_jobs: options.n_jobs,
            device: std::mem::take(&mut scheduler.device),
        })?;
    }
    // They end with their input; what they save is saved before this returns.
    for slot in scheduler.processes {
        slot.process.wait(END_PATIENCE);
    }
    end
}

/// A process and what it works on.
struct ProcessSlot {
    number: usize,
    process: Process,
    task: Option<Task>,
    /// Where it was asked to end its task: until when it may be silent.
    stops_until: Option<Instant>,
}

struct Scheduler<'a> {
    folder: &'a SweepFolder,
    options: &'a Options,
    queue: Queue,
    processes: Vec<ProcessSlot>,
    sender: Sender<ChildMessage>,
    n_started: usize,
    holds: bool,
    stops: bool,
    /// What the last process computes on.
    device: String,
    send: &'a mut dyn FnMut(SweepEvent),
}

impl Scheduler<'_> {
    fn go(
        &mut self,
        messages: &Receiver<ChildMessage>,
        commands: &Receiver<SweepCommand>,
    ) -> Result<SweepEnd> {
        let mut commands = commands.clone();
        loop {
            if !self.holds && !self.stops {
                self.hand_out()?;
            }
            if self.processes.iter().all(|slot| slot.task.is_none()) && !self.holds {
                return Ok(match self.stops {
                    true => SweepEnd::Stopped,
                    false => SweepEnd::Complete,
                });
            }
            let first = self
                .processes
                .iter()
                .filter_map(|slot| slot.stops_until)
                .min();
            let alarm = first.map_or_else(never, at);
            select! {
                recv(messages) -> message => if let Ok(message) = message { self.hear(message)? },
                recv(commands) -> command => match command {
                    Ok(command) => self.obey(command)?,
                    // Nobody looks any more: what is under way is saved.
                    Err(_) => {
                        commands = never();
                        self.obey(SweepCommand::Stop)?;
                    }
                },
                recv(alarm) -> _ => self.end_silent()?,
            }
        }
    }

    /// Ends the processes that were asked to stop and have said nothing for too long.
    fn end_silent(&mut self) -> Result<()> {
        let now = Instant::now();
        let is_silent = |slot: &ProcessSlot| slot.stops_until.is_some_and(|until| until <= now);
        while let Some(idx) = self.processes.iter().position(is_silent) {
            let ProcessSlot { process, task, .. } = self.processes.swap_remove(idx);
            process.kill();
            let Some(task) = task else { continue };
            let note = tr!(
                "{}: did not stop within {} and was killed; it resumes from its last checkpoint",
                self.name(task),
                duration(self.options.patience.as_secs_f64())
            );
            (self.send)(SweepEvent::Note(note));
            self.take_in(task, None)?;
        }
        Ok(())
    }

    /// Gives every process that is free a task, as long as there are some.
    fn hand_out(&mut self) -> Result<()> {
        while let Some((task, until)) = self.queue.next(&self.folder.plan) {
            let n_busy = self
                .processes
                .iter()
                .filter(|slot| slot.task.is_some())
                .count();
            if n_busy >= self.options.n_jobs {
                return Ok(());
            }
            let path = match self.prepare(task) {
                Ok(path) => path,
                Err(error) => {
                    self.fail(task, error.to_string())?;
                    continue;
                }
            };
            let free = self.processes.iter().position(|slot| slot.task.is_none());
            let idx = match free {
                Some(idx) => idx,
                None => {
                    let slot = self.start()?;
                    self.processes.push(slot);
                    self.processes.len() - 1
                }
            };
            let slot = &mut self.processes[idx];
            slot.task = Some(task);
            slot.stops_until = None;
            slot.process.tell(&Order::Run {
                folder: path,
                until,
            });
            self.queue.set_going(task);
            self.tell(task);
        }
        Ok(())
    }

    /// Makes the folder of a task, if it is not there.
    fn prepare(&self, task: Task) -> Result<PathBuf> {
        let create = |spec: &RunSpec| {
            let path = self.folder.run_path(&spec.name);
            RunFolder::create_at(&path, spec).map(|()| path)
        };
        let plan = &self.folder.plan;
        match task {
            Task::Untuned(idx) => create(&plan.untuned[idx]),
            Task::Run(idx) => create(&plan.runs[idx].spec),
            Task::Best(part) => match self.queue.best_of(plan, part) {
                Some(idx) => self.folder.copy_run(idx),
                None => Err(Error::spec("parts", tr!("has no finished run to choose"))),
            },
        }
    }

    fn start(&mut self) -> Result<ProcessSlot> {
        let number = self.n_started;
        self.n_started += 1;
        let log = self.folder.path().join(format!("process-{number}.txt"));
        let Options {
            program, n_jobs, ..
        } = self.options;
        let process = Process::start(
            program,
            number,
            threads_for(*n_jobs),
            &log,
            self.sender.clone(),
        )?;
        Ok(ProcessSlot {
            number,
            process,
            task: None,
            stops_until: None,
        })
    }

    fn hear(&mut self, ChildMessage { of, body }: ChildMessage) -> Result<()> {
        let Some(idx) = self.processes.iter().position(|slot| slot.number == of) else {
            return Ok(());
        };
        if let Some(until) = &mut self.processes[idx].stops_until {
            *until = Instant::now() + self.options.patience;
        }
        match body {
            MessageBody::Report(Report::Event(event)) => {
                if let Some(event) = event.into_event() {
                    if let Event::Device(DeviceEvent::Ready { device }) = &event {
                        self.device.clone_from(device);
                    }
                    (self.send)(SweepEvent::Worker(Box::new(event)));
                }
            }
            MessageBody::Report(Report::Over { failure, by_others }) => {
                let task = self.processes[idx].task.take();
                if let (Some(task), true) = (task, by_others) {
                    // It would be taken up again at once.
                    self.folder.mark(&Mark::Skipped(task))?;
                    let note = tr!(
                        "{}: was stopped from outside the sweep and is skipped",
                        self.name(task)
                    );
                    (self.send)(SweepEvent::Note(note));
                }
                self.processes[idx].stops_until = None;
                if let Some(failure) = &failure
                    && failure.kind == FailureKind::Work
                {
                    // It may have left the device in any state.
                    self.processes.swap_remove(idx).process.kill();
                }
                if let Some(task) = task {
                    self.take_in(task, failure)?;
                }
            }
            MessageBody::Report(Report::Timed { .. }) => {}
            MessageBody::Ended => {
                let ProcessSlot {
                    process,
                    task,
                    stops_until,
                    ..
                } = self.processes.swap_remove(idx);
                let how = process.wait(END_PATIENCE);
                if let Some(task) = task {
                    if stops_until.is_none() {
                        self.folder.mark(&Mark::Died(task, how.clone()))?;
                        let name = self.name(task);
                        (self.send)(SweepEvent::Note(format!("{name}: {how}")));
                    }
                    self.take_in(task, None)?;
                }
            }
        }
        Ok(())
    }

    /// Reads what came of a task.
    fn take_in(&mut self, task: Task, failure: Option<Failure>) -> Result<()> {
        self.queue.look_again(task, self.folder)?;
        match failure {
            // What failed before the run began is not in its folder.
            Some(Failure { message, .. }) if !self.queue.state(task).is_settled() => {
                self.fail(task, message)
            }
            Some(_) | None => {
                self.note_failure(task);
                self.tell_part(task);
                Ok(())
            }
        }
    }

    fn fail(&mut self, task: Task, message: String) -> Result<()> {
        self.folder.mark(&Mark::Failed(task, message))?;
        self.queue.look_again(task, self.folder)?;
        self.note_failure(task);
        self.tell_part(task);
        Ok(())
    }

    fn obey(&mut self, command: SweepCommand) -> Result<()> {
        match command {
            SweepCommand::Pause => {
                self.holds = true;
                self.order_all(&Order::Pause);
            }
            SweepCommand::Resume => {
                self.holds = false;
                self.order_all(&Order::Resume);
            }
            SweepCommand::Stop => {
                self.holds = false;
                self.stops = true;
                let until = Instant::now() + self.options.patience;
                for slot in self.processes.iter_mut().filter(|slot| slot.task.is_some()) {
                    slot.stops_until = Some(until);
                    slot.process.tell(&Order::Stop);
                }
            }
            SweepCommand::Skip(task) => {
                self.folder.mark(&Mark::Skipped(task))?;
                let slot = self
                    .processes
                    .iter_mut()
                    .find(|slot| slot.task == Some(task));
                match slot {
                    // It is read again when it has ended.
                    Some(slot) => {
                        slot.stops_until = Some(Instant::now() + self.options.patience);
                        slot.process.tell(&Order::Stop);
                    }
                    None => {
                        self.queue.look_again(task, self.folder)?;
                        self.tell_part(task);
                    }
                }
            }
            SweepCommand::Unskip(task) => {
                self.folder.mark(&Mark::Unskipped(task))?;
                let is_going = *self.queue.state(task) == TaskState::Going;
                if !is_going {
                    self.queue.look_again(task, self.folder)?;
                    self.tell_part(task);
                }
            }
            SweepCommand::Order(order) => {
                let place = |task: &Task| order.iter().position(|of| of == task);
                self.queue
                    .order
                    .sort_by_key(|task| place(task).unwrap_or(usize::MAX));
                self.folder.mark(&Mark::Order(self.queue.order.clone()))?;
                (self.send)(SweepEvent::Order(self.queue.order.clone()));
            }
        }
        Ok(())
    }

    fn order_all(&mut self, order: &Order) {
        for slot in self.processes.iter_mut().filter(|slot| slot.task.is_some()) {
            slot.process.tell(order);
        }
    }
}

/// Threads for each of `n_jobs` processes.
pub fn threads_for(n_jobs: usize) -> usize {
    let n_threads = available_parallelism().map_or(1, std::num::NonZero::get);
    (n_threads / n_jobs.max(1)).max(1)
}
