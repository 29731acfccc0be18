//! Accuracy of several runs side by side.

pub(crate) mod bars;
pub(crate) mod costs;
pub(crate) mod later;
pub(crate) mod paired_rows;
pub(crate) mod paired_table;
pub(crate) mod reported;
pub(crate) mod spec_differences;
pub(crate) mod steps;
pub(crate) mod view;
