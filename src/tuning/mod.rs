//! State tuning: what is trained, how, and the files it is handed over in. The
//! method is that of arXiv 2504.05097.
//!
//! | paper | file |
//! |---|---|
//! | S_0, the tuned state (section 3.1) | `trainer.rs`, `trainer/stepping.rs` |
//! | phi, kernel features (3.2) | `kernel_projector.rs`, `receptance_sample.rs` |
//! | Q, back to N channels (3.2) | `projection_matrix.rs` |
//! | R, decorrelation (3.3) | `decorrelation_matrix.rs` |
//! | all together | `lift.rs`, `lift_start.rs`, `lift_tensors.rs`, `tuned.rs` |
//! | the lifted recurrences, on Z = Q L | `lifted_recurrence.rs` |
//!
//! | file | what |
//! |---|---|
//! | `spec.rs` | every choice, as plain data |
//! | `batch.rs` | examples as batches, and their order |
//! | `optimizer.rs`, `schedule.rs`, `parameter.rs` | how a step is taken |
//! | `step_gradients.rs`, `step_record.rs` | the numbers of steps, and what is wrong with them |
//! | `diagnosis.rs` | what is wrong with a run, and which field to change |
//! | `rate_finder.rs` | which learning rate to begin with |
//! | `memory.rs` | what a step needs, by arithmetic |
//! | `start.rs` | what S_0 starts from |
//! | `checkpoint_file.rs` | what a run goes on from |
//! | `lift_file.rs`, `lift_bundle.rs` | lifted states in files |
//! | `state_file.rs` | tuned states for this and other programs |
//! | `state_import.rs`, `text_loss.rs` | which way round the states of other programs are |
//! | `state_statistics.rs` | a tuned state in a few numbers |

pub mod batch;
pub mod checkpoint_file;
pub mod decorrelation_matrix;
pub mod diagnosis;
pub mod kernel_projector;
mod lift;
pub mod lift_bundle;
mod lift_file;
pub mod lift_start;
pub mod lift_tensors;
pub mod lifted_recurrence;
pub mod memory;
pub mod optimizer;
mod parameter;
pub mod projection_matrix;
pub mod rate_finder;
pub mod receptance_sample;
pub mod schedule;
pub mod spec;
pub mod start;
pub mod state_file;
pub mod state_import;
pub mod state_statistics;
mod step_gradients;
mod step_record;
mod text_loss;
pub mod trainer;
pub mod tuned;

pub use parameter::MomentValues;
