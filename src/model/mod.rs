//! The frozen RWKV-7 model (x070). Knows nothing of tuning.
//!
//! Every parameter stays as it was read: nothing here computes a gradient of a
//! weight, and nothing stores what one would need.

pub mod adapter;
mod block;
pub mod branch;
mod carried;
mod channel_mix;
pub mod checkpoint;
pub mod config;
pub mod generate;
pub mod leading_token;
mod linear;
mod loader;
mod loss;
mod matrix_storage;
pub mod mini;
pub mod official_file;
pub(crate) mod pickle;
mod precision;
pub mod random;
mod rwkv7;
pub mod sampling;
pub mod state;
mod tape;
pub mod text_stream;
mod time_mix;
pub mod tokenizer;
mod value_lens;

pub use carried::{BranchCarried, CarriedGradients};
pub use config::ModelConfig;
pub use leading_token::{LeadingToken, TextStart};
pub use loader::BytesRead;
pub(crate) use loss::positions_of_a_part;
pub use loss::{Loss, LossOptions};
pub use precision::Precision;
pub use rwkv7::Rwkv7;
pub use tape::{LayerGradients, Tape, TapeOptions};
