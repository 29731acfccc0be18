//! The questions that were scored, one by one.

pub(crate) mod detail;
pub(crate) mod index;
pub(crate) mod list;
pub(crate) mod view;
