//! The playground: a prompt or a conversation, answered with and without the tuned state.

mod chat;
pub mod state;
pub(crate) mod view;

mod chat_view;
mod settings_view;
