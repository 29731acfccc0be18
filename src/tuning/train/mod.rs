//! Training: batches in, optimizer steps on the state, and their numbers.
//!
//! | file | what |
//! |---|---|
//! | `batch.rs` | examples as batches, and their order |
//! | `optimizer.rs`, `schedule.rs`, `parameter.rs` | how a step is taken |
//! | `window.rs` | long texts in windows |
//! | `trainer.rs`, `trainer/stepping.rs` | S_0 and the branch of a run, step by step |
//! | `trainer/windows.rs` | the gradient of a batch, window by window |
//! | `step_gradients.rs`, `step_record.rs` | the numbers of steps, and where they break |
//! | `rate_finder.rs` | which learning rate to begin with |
//! | `distillation.rs` | how far predictions are from those of a teacher |
//! | `text_loss.rs` | the loss of a batch, without a gradient |

pub mod batch;
mod distillation;
pub mod optimizer;
pub(crate) mod parameter;
pub mod rate_finder;
pub mod schedule;
pub(crate) mod step_gradients;
pub(crate) mod text_loss;
pub mod trainer;
pub mod window;

mod step_record;
