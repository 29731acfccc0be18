//! The playground: a prompt, answered with and without the tuned state.

pub mod state;
pub(crate) mod view;
