//! What every feature works with: what the user can ask for, the queue of the
//! worker, what is known of runs and their evaluations, work on other threads.

pub mod action;
pub mod background;
pub(crate) mod evaluations;
pub(crate) mod notice;
pub mod queue;
