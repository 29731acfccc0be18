//! The thread that owns the compute device. It speaks the [`crate::protocol`]
//! with its clients.
//!
//! | file | what |
//! |---|---|
//! | `control.rs` | commands, as a run sees them |
//! | `requests.rs` | what other processes ask of a run |
//! | `context.rs` | what a job reports to, and how a failure is told |
//! | `session.rs`, `run_data.rs`, `held_out.rs` | the model and the data of a run |
//! | `run_loop.rs`, `active_run.rs` | a run from its specification to its state |
//! | `memory/`, `snapshot_plan.rs` | what a run takes, told before it starts |
//! | `data_look.rs` | the training data in tokens, to look at |
//! | `tuning_loop.rs`, `best.rs` | the steps and what happens between them |
//! | `evaluating.rs`, `run_export.rs` | accuracy and the files that are written |
//! | `folding.rs` | the plain state nearest to a lifted one |
//! | `scoring.rs` | the accuracy of a run that is over, on any benchmark |
//! | `generating.rs` | a prompt, answered with and without a state |
//! | `distances.rs` | what the kernels would see |
//! | `heads.rs` | the heads of a state in tokens, and what each is worth |
//! | `resume.rs` | where a run is resumed |
//! | `tracer.rs` | the state over a text, for those who watch |

pub mod adapter_export;
pub mod data_look;
pub mod folding;
pub mod importing;
pub mod memory;
pub mod snapshot_plan;

mod active_run;
mod batching;
mod best;
mod context;
mod control;
mod cross_validation;
mod distances;
mod evaluating;
mod generating;
mod heads;
mod held_out;
mod made_from;
mod own_data;
mod requests;
mod resume;
mod run_data;
mod run_export;
mod run_loop;
mod scoring;
pub(crate) mod session;
pub use memory::permission::{ALLOW_MEMORY, allow_memory, is_memory_allowed};
mod loading;
mod tracer;
mod tuning_loop;
mod untuned_scores;
pub(crate) mod validate;

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread::{Builder, JoinHandle};

use crossbeam_channel::{Receiver, Sender, unbounded};

use self::context::{Context, JobPhase, failure_kind};
use self::control::{Control, Job};
use self::session::Session;
use crate::error::{Error, Result};
use crate::kernels::device;
use crate::protocol::command::Command;
use crate::protocol::event::{Event, FailureKind, JobEvent};
use crate::protocol::latest::{Latest, StateSnapshot};
use crate::protocol::state_import::ImportAnswer;
use crate::protocol::trace::TraceAnswer;

/// Room for the recursion of compilers inside the compute libraries.
const STACK_BYTES: usize = 16 << 20;

/// The thread that owns the compute device.
#[derive(Debug)]
pub struct Worker;

/// What a client holds of the worker. Dropping it stops what is under way,
/// saves it and waits for the thread.
#[derive(Debug)]
pub struct WorkerHandle {
    /// Requests, taken in order.
    pub commands: Sender<Command>,
    /// Reports. They are never held back, so a client that does not look never
    /// blocks the worker.
    pub events: Receiver<Event>,
    /// The newest state, announced by
    /// [`RunEvent::SnapshotReady`](crate::protocol::event::RunEvent::SnapshotReady).
    pub snapshots: Arc<Latest<StateSnapshot>>,
    /// What came of the newest [`Command::Trace`], announced by
    /// [`JobEvent::TraceReady`].
    pub traces: Arc<Latest<TraceAnswer>>,
    /// What came of the newest [`Command::CompareState`]; the end of its job tells that
    /// it is there.
    pub imports: Arc<Latest<ImportAnswer>>,
    thread: Option<JoinHandle<()>>,
}

impl Worker {
    /// Starts the thread. `wake` is called there after every event, to make a
    /// window look.
    ///
    /// # Errors
    /// [`Error::Device`] if the system has no thread left.
    pub fn spawn(wake: impl Fn() + Send + 'static) -> Result<WorkerHandle> {
        let (commands, commands_end) = unbounded();
        let (events_end, events) = unbounded();
        let snapshots = Arc::new(Latest::default());
        let traces = Arc::new(Latest::default());
        let imports = Arc::new(Latest::default());
        let slots = (snapshots.clone(), traces.clone(), imports.clone());
        let send = move |event| {
            // A client that is gone has asked for nothing any more.
            let _ = events_end.send(event);
            wake();
        };
        let thread = Builder::new()
            .name("worker".into())
            .stack_size(STACK_BYTES)
            .spawn(move || {
                let (snapshots, traces, imports) = &slots;
                work(
                    Control::new(commands_end),
                    &send,
                    snapshots,
                    traces,
                    imports,
                );
            })
            .map_err(|error| {
                Error::Device(tr!("cannot start the worker thread, {error}", error))
            })?;
        Ok(WorkerHandle {
            commands,
            events,
            snapshots,
            traces,
            imports,
            thread: Some(thread),
        })
    }
}

impl Drop for WorkerHandle {
    fn drop(&mut self) {
        // A worker that ended already takes no more commands.
        let _ = self.commands.send(Command::Shutdown);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Does jobs until the worker is to end. A panic ends a job and not the worker.
fn work(
    mut control: Control,
    send: &dyn Fn(Event),
    snapshots: &Latest<StateSnapshot>,
    traces: &Latest<TraceAnswer>,
    imports: &Latest<ImportAnswer>,
) {
    let mut session = Session::default();
    while let Some(job) = control.next_job() {
        let mut context = Context {
            control: &mut control,
            send,
            snapshots,
            traces,
            imports,
            requests: None,
            folder: None,
            unwritten: None,
            during: JobPhase::CheckingSpec,
            held_secs: 0.0,
        };
        // The trouble of an earlier job is not that of this one.
        device::take_refusal();
        // Texts are followed beside the jobs and are not jobs.
        let is_counted = !matches!(job, Job::Trace(_));
        let job = || run_loop::run_job(job, &mut session, &mut context);
        match catch_unwind(AssertUnwindSafe(job)) {
            Ok(Ok(()) | Err(Error::Stopped)) => {}
            Ok(Err(error)) => {
                let kind = failure_kind(&error, context.folder.is_some());
                let message = error.to_string();
                let message = match error {
                    Error::Device(_) => with(one_line(&message), session.lose(&message)),
                    Error::Input { .. }
                    | Error::Changed { .. }
                    | Error::Io { .. }
                    | Error::Spec { .. }
                    | Error::Stopped => message,
                };
                context.report_failure(kind, message);
            }
            Err(panic) => {
                let message = panic_message(&*panic);
                // It may have left the device in any state.
                let message = match session.lose(message) {
                    Some(trouble) => with(one_line(message), Some(trouble)),
                    None => tr!("internal error (please report), {}", one_line(message)),
                };
                context.report_failure(FailureKind::Work, message);
            }
        }
        // A client that hears of the end may have another process take the run up.
        drop(context);
        for _ in 0..usize::from(is_counted) + control.take_abandoned() {
            send(Event::Job(JobEvent::Done));
        }
    }
}

/// What the user should know first, then what was reported.
fn with(message: String, trouble: Option<&str>) -> String {
    match trouble {
        Some(trouble) => format!("{trouble} ({message})"),
        None => message,
    }
}

/// The message of a panic.
pub(crate) fn panic_message(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
    text.unwrap_or(tr!("without an error message"))
}

/// The beginning of a text that may hold a whole backtrace, on one line.
fn one_line(text: &str) -> String {
    const MAX_CHARS: usize = 300;
    let mut line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    if let Some((end, _)) = line.char_indices().nth(MAX_CHARS) {
        line.truncate(end);
        line.push('…');
    }
    line
}
