//! The window around the features: docking, theme, shortcuts, palette, messages,
//! the log, closing.

pub(crate) mod areas;
pub(crate) mod charts;
pub mod closing;
pub mod docking;
pub(crate) mod frame_times;
pub(crate) mod header_room;
pub mod letters;
pub mod log_panel;
pub mod look;
pub(crate) mod messages;
pub mod palette;
pub mod path_dialogs;
pub mod pictures;
pub(crate) mod shortcuts;
pub mod state;
pub(crate) mod status_bar;
pub mod theme;
pub(crate) mod vector;
