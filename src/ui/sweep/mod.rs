//! Many runs over ranges of fields: set up, queued, compared.

pub mod action;
pub(crate) mod actions;
pub(crate) mod axis;
pub(crate) mod cost;
pub(crate) mod fields;
#[cfg(test)]
pub(crate) mod fixtures;
pub(crate) mod header;
pub(crate) mod heatmap;
pub(crate) mod importance;
pub mod opened;
pub(crate) mod parallel;
pub(crate) mod parts;
pub(crate) mod queue;
pub mod saved;
pub(crate) mod scale;
pub(crate) mod scatter;
pub mod settings;
pub(crate) mod setup;
pub mod state;
pub(crate) mod table;
mod tables;
pub(crate) mod view;
