//! A prompt, answered with and without the state.

pub mod state;
pub(crate) mod view;
