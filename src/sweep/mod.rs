//! Sweeps: many runs over chosen fields of one specification, done by processes
//! beside this one, so that a run that takes its process down takes no other
//! with it. A process is kept and handed run after run: device, kernels and model are
//! made ready once.
//!
//! | file | what |
//! |---|---|
//! | `spec.rs`, `values.rs` | what a sweep is, as plain data |
//! | `plan.rs`, `combinations.rs` | from a sweep to its runs |
//! | `estimate.rs` | memory and time, told before the start |
//! | `store.rs`, `journal.rs` | a sweep on the disk |
//! | `task.rs` | how a task stands, read from its folder |
//! | `queue.rs`, `halving.rs` | which run is next |
//! | `protocol.rs`, `process.rs`, `serve.rs` | a process that does runs, from both ends |
//! | `scheduler.rs`, `messages.rs`, `handle.rs` | a sweep from its first run to its last |
//! | `results.rs`, `results/` | what came of it |
//! | `emit.rs` | the same runs as jobs of a cluster |
//!
//! The folders of the runs are the truth. What they cannot tell (a run that was
//! skipped, one that could not begin) is in the sweep's journal.

pub mod emit;
pub mod estimate;
pub mod handle;
pub mod plan;
pub mod queue;
pub mod results;
pub mod scheduler;
pub mod serve;
pub mod spec;
pub mod store;
pub mod sweep_file;
pub mod task;
pub mod values;

mod combinations;
mod halving;
mod journal;
mod messages;
mod process;
mod protocol;
