//! State tuning: what is trained, and the files it is handed over in.

pub mod state_file;
