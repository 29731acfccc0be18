//! Looking at states and runs.
//!
//! | file | what |
//! |---|---|
//! | `head_matrices.rs`, `trajectory.rs` | the matrices of a head, and its state over a text |
//! | `adapter_matrices.rs` | what adapters add, without forming it |
//! | `every_head.rs` | the states of all heads over a text |
//! | `without_head.rs` | a state with one head set to zero |
//! | `state_statistics.rs`, `matrix_statistics.rs`, `singular_values.rs` | matrices in a few numbers |
//! | `condition_number.rs` | how far R is from losing a direction |
//! | `feature_activity.rs`, `evidence.rs` | what a run shows of itself |
//! | `diagnosis.rs` | what is wrong with it, and which field to change |

pub mod adapter_matrices;
pub mod condition_number;
pub mod diagnosis;
pub mod every_head;
pub mod evidence;
pub mod feature_activity;
pub mod head_matrices;
pub mod matrix_statistics;
pub mod singular_values;
pub mod state_statistics;
pub mod trajectory;
mod without_head;
