//! The questions that were scored, one by one.

pub(crate) mod detail;
pub(crate) mod index;
pub(crate) mod list;
pub mod state;
pub(crate) mod view;
