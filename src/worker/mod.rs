//! The protocol between the thread that owns the compute device and its
//! clients: a [`command::Command`] goes in, an [`event::Event`] comes out, and
//! a [`run_spec::RunSpec`] says what a run is. All of it is plain data.

pub mod command;
pub mod event;
pub mod run_spec;

mod validate;
