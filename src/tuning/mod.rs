//! State tuning: what is trained, and the files it is handed over in.

pub mod spec;
pub mod state_file;
