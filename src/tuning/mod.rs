//! State tuning: what is trained, how, and the files it is handed over in.
//!
//! | file | what |
//! |---|---|
//! | `spec.rs` | every choice, as plain data |
//! | `batch.rs` | examples as batches, and their order |
//! | `trainer.rs` | steps on S_0 with every weight frozen |
//! | `optimizer.rs`, `schedule.rs` | how a step is taken |
//! | `step_record.rs` | the numbers of steps, and what is wrong with them |
//! | `rate_finder.rs` | which learning rate to begin with |
//! | `memory.rs` | what a step needs, by arithmetic |
//! | `start.rs` | what S_0 starts from |
//! | `checkpoint_file.rs` | what a run goes on from |
//! | `state_file.rs` | tuned states for this and other programs |
//! | `state_statistics.rs` | a tuned state in a few numbers |

pub mod batch;
pub mod checkpoint_file;
pub mod memory;
pub mod optimizer;
pub mod rate_finder;
pub mod schedule;
pub mod spec;
pub mod start;
pub mod state_file;
pub mod state_statistics;
mod step_record;
pub mod trainer;
