//! State tuning: what is trained, how, and the files it is handed over in. The
//! method is that of arXiv 2504.05097; [`method`] says what is run of it and why.
//!
//! | paper | file |
//! |---|---|
//! | S_0, the tuned state (section 3.1) | `trainer.rs`, `trainer/stepping.rs` |
//! | phi, kernel features (3.2) | `kernel_projector.rs`, `receptance_sample.rs` |
//! | Q, back to N channels (3.2) | `projection_matrix.rs` |
//! | R, decorrelation (3.3) | `decorrelation_matrix.rs` |
//! | all together | `lift.rs`, `lift_start.rs`, `lift_tensors.rs`, `tuned.rs` |
//! | the lifted recurrences, on Z = Q L | `model/branch/reference.rs` |
//!
//! | file | what |
//! |---|---|
//! | `spec.rs` | every choice, as plain data |
//! | `batch.rs` | examples as batches, and their order |
//! | `optimizer.rs`, `schedule.rs`, `parameter.rs` | how a step is taken |
//! | `step_gradients.rs`, `step_record.rs` | the numbers of steps, and what is wrong with them |
//! | `feature_activity.rs`, `evidence.rs` | what a run shows of itself |
//! | `diagnosis.rs` | what is wrong with it, and which field to change |
//! | `rate_finder.rs` | which learning rate to begin with |
//! | `memory.rs`, `cost.rs` | what a step needs and costs, by arithmetic |
//! | `start.rs` | what S_0 starts from |
//! | `checkpoint_file.rs` | what a run goes on from |
//! | `lift_file.rs`, `lift_bundle.rs` | lifted states in files |
//! | `state_file.rs` | tuned states for this and other programs |
//! | `condition_number.rs` | how far R is from losing a direction |
//! | `state_import.rs`, `text_loss.rs` | which way round the states of other programs are |
//! | `snapshot_file.rs` | a run after a step, to look at |
//! | `head_matrices.rs`, `trajectory.rs` | the matrices of a head, and its state over a text |
//! | `state_statistics.rs`, `matrix_statistics.rs`, `singular_values.rs` | matrices in a few numbers |

pub mod batch;
pub mod checkpoint_file;
pub mod condition_number;
pub mod cost;
pub mod decorrelation_matrix;
pub mod diagnosis;
pub mod evidence;
pub mod feature_activity;
pub mod head_matrices;
pub mod kernel_projector;
mod lift;
pub mod lift_bundle;
mod lift_file;
pub mod lift_start;
pub mod lift_tensors;
pub mod matrix_statistics;
pub mod memory;
pub mod method;
pub mod optimizer;
mod parameter;
pub mod projection_matrix;
pub mod rate_finder;
pub mod receptance_sample;
pub mod schedule;
pub mod singular_values;
pub mod snapshot_file;
pub mod spec;
pub mod start;
pub mod state_file;
pub mod state_import;
pub mod state_statistics;
mod step_gradients;
mod step_record;
mod text_loss;
pub mod trainer;
pub mod trajectory;
pub mod tuned;

pub use parameter::MomentValues;
