//! The frozen RWKV-7 model (x070). Knows nothing of tuning.
//!
//! Every parameter stays as it was read: nothing here computes a gradient of a
//! weight, and nothing stores what one would need.

mod block;
mod channel_mix;
pub mod checkpoint;
pub mod config;
mod loader;
pub mod mini;
mod normalization;
mod pickle;
mod rwkv7;
pub mod state;
mod time_mix;
pub mod tokenizer;

pub use config::ModelConfig;
pub use rwkv7::Rwkv7;
