//! Every file that a tuned state can be in.
//!
//! | file | what |
//! |---|---|
//! | `state_file.rs` | tuned states for this and other programs |
//! | `lift_bundle.rs`, `lift_file.rs` | lifted states |
//! | `lora_file.rs`, `lora_export.rs` | adapters, for this and other programs |
//! | `import.rs` | states of other programs, and which way round they are |
//! | `start.rs` | what S_0 starts from |
//! | `mix.rs`, `alpha_scan.rs` | weighted sums of states, and how strong a state is best |
//! | `checkpoint_file.rs` | what a run resumes from |
//! | `snapshot_file.rs` | a run after a step, to look at |

pub mod alpha_scan;
pub mod checkpoint_file;
pub mod import;
pub mod lift_bundle;
pub mod lora_export;
pub mod mix;
mod shift_file;
pub mod snapshot_file;
pub mod start;
pub mod state_file;

mod lift_file;
mod lora_file;
