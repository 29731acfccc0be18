//! Documents of the program: specifications, runs and their numbers, as files
//! that are either whole or not there.

pub mod atomic;
pub mod command_line;
pub mod metrics;
pub mod presets;
pub mod run_folder;
pub mod run_history;
pub mod spec_file;
pub mod utc;
