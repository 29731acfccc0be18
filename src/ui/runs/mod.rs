//! The list of runs and their table: their state, their menu, the queue, their folders.

pub(crate) mod details;
pub(crate) mod folders;
pub(crate) mod labels;
pub(crate) mod panel;
pub(crate) mod queued;
pub mod state;
pub mod table;
