//! The window: a client of the worker that reads what is known of runs, shows
//! it and asks for more. The only place that names egui.
//!
//! | file | what |
//! |---|---|
//! | `app.rs` | takes events in, applies what people ask for |
//! | `action.rs` | what they can ask for; the only place that sends a command |
//! | `background.rs` | dialogs and files, on threads of their own |
//! | `layout.rs` | where the views stand |
//! | `ui_state.rs` | what is looked at, kept over restarts |
//! | `views/` | one part of the window each |
//! | `widgets/` | parts of views |
//! | `state_pictures.rs` | states as textures |
//! | `theme.rs` | colours and spacing |

pub mod action;
pub mod app;
pub mod background;
pub mod theme;
pub mod ui_state;
pub mod window;

mod foreseen;
mod layout;
mod shortcuts;
mod state_pictures;
mod views;
mod widgets;
