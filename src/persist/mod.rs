//! Documents of the program: specifications, runs and their numbers, as files
//! that are either whole or not there.

pub mod blind_file;
pub mod chat_file;
pub mod command_line;
pub mod diagnostics;
pub mod evaluation_file;
pub mod event_export;
mod event_file;
pub(crate) mod folder_lock;
pub mod heatmap_png;
pub mod json_lines;
pub mod kernel_files;
pub mod known_weights;
pub mod metrics;
pub mod presets;
mod printed_fields;
pub mod privacy;
mod protobuf;
pub mod run_folder;
pub mod run_history;
pub mod run_inputs;
pub mod run_labels;
pub mod run_numbers;
pub mod run_requests;
pub mod spec_file;
pub mod utc;
pub mod wandb;
