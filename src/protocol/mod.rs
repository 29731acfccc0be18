//! What the worker and its clients say to each other, as plain data: a
//! [`command::Command`] goes in, an [`event::Event`] comes out, and a
//! [`run_spec::RunSpec`] says what a run is.

pub mod command;
pub mod event;
pub mod fields;
pub mod head_requests;
pub mod latest;
pub mod log_line;
pub mod run_spec;
pub mod state_import;
pub mod trace;

mod absolute;
pub(crate) mod any_float;
mod evaluation_summary;
pub(crate) mod made_from;
mod run_id;
mod step_metrics;
