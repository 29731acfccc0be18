//! The playground: a prompt or a conversation, answered with and without the tuned state,
//! and a blind test of both.

pub mod blind;
pub mod blind_action;
mod chat;
pub mod save_dialog;
pub mod saving;
pub mod state;
pub(crate) mod view;

mod blind_play;
mod blind_view;
mod chat_view;
pub(crate) mod saving_view;
mod settings_view;
