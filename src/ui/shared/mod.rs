//! What every feature works with: what the user can ask for, the queue of the
//! worker, what is known of runs and their evaluations, work on other threads.

pub mod action;
pub mod background;
pub mod evaluations;
pub(crate) mod folder_watch;
pub mod notice;
pub(crate) mod process;
pub mod queue;
pub(crate) mod run_asking;
pub mod run_in_sweep;
pub mod selection;
pub mod tab;
pub mod workspace;
