//! Frozen recurrent models: RWKV-7 (x070) and Gated DeltaNet. Knows nothing of tuning.
//!
//! Every parameter stays as it was read: nothing here computes a gradient of a
//! weight, and nothing stores what one would need.
//!
//! [`Model`] is what all above knows. What differs between architectures is behind
//! `layer.rs`, which says what a third one needs, and in [`ModelConfig`]: RWKV-7 is
//! `block.rs`, `time_mix.rs` and `channel_mix.rs`, Gated DeltaNet `delta_net`.

pub mod adapter;
mod block;
pub mod branch;
mod carried;
mod channel_mix;
pub mod checkpoint;
pub mod config;
mod decode;
mod delta_net;
pub mod generate;
mod layer;
pub mod leading_token;
mod linear;
mod loader;
mod loss;
mod low_rank;
mod matrix_storage;
pub mod mini;
mod norm;
pub mod official_file;
mod pass;
pub(crate) mod pickle;
mod precision;
pub mod random;
pub mod sampling;
pub mod state;
mod tape;
pub mod text_stream;
mod time_mix;
pub mod tokenizer;
mod value_lens;
mod whole;

pub use carried::{BranchCarried, CarriedGradients};
pub use config::{Architecture, ModelConfig};
pub use leading_token::{LeadingToken, TextStart};
pub use loader::BytesRead;
pub(crate) use loss::positions_of_a_part;
pub use loss::{Loss, LossOptions};
pub use precision::Precision;
pub use tape::{LayerGradients, Tape, TapeOptions};
pub use whole::Model;
