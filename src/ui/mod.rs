//! The window: a client of the worker that reads what is known of runs, shows
//! it and asks for more. The only place that names egui.
//!
//! | file | what |
//! |---|---|
//! | `app.rs` | takes events in, applies what people ask for |
//! | `action.rs` | what they can ask for |
//! | `applying.rs` | how it is done; the only place that sends a command |
//! | `queue.rs` | runs that were asked for and wait |
//! | `closing.rs` | what the end of the window ends, and how it goes on |
//! | `data_look.rs` | a look at the training data |
//! | `draft_history.rs` | the configurations that were there before |
//! | `housekeeping.rs` | labels, deleting, files that are dropped |
//! | `exporting.rs`, `pictures.rs` | files that leave the window |
//! | `playing.rs` | prompts and their answers |
//! | `rate_search.rs` | the search for a learning rate |
//! | `scoring.rs` | the accuracy of runs that are over |
//! | `notice.rs` | messages |
//! | `frame_times.rs` | how long frames take |
//! | `answers.rs` | what came of work beside the window |
//! | `background.rs` | work beside the window, on threads of its own |
//! | `dialogs.rs` | which file or folder people mean |
//! | `layout.rs` | where the panels stand |
//! | `docking.rs` | where the views of the centre stand |
//! | `ui_state.rs`, `plot_settings.rs` | what is looked at, kept over restarts |
//! | `sweep_panel.rs`, `sweep_shown.rs`, `sweep_look.rs` | what is known of sweeps, and how it is looked at |
//! | `sweep_actions.rs`, `sweep_kept.rs` | what is done with them, what is kept of them |
//! | `views/` | one part of the window each |
//! | `widgets/` | parts of views |
//! | `states_settings.rs` | how the states are looked at |
//! | `states_data.rs`, `states_ahead.rs` | the state that is looked at, and how it comes |
//! | `states_shown.rs`, `states_text.rs` | what is drawn of it |
//! | `measured.rs`, `item_index.rs` | evaluations item by item, and which items are listed |
//! | `theme.rs` | colours and spacing |

pub mod action;
pub mod app;
pub mod background;
pub mod dialogs;
pub mod docking;
pub mod exporting;
pub mod pictures;
pub mod playing;
pub mod queue;
pub mod rate_search;
pub mod scoring;
pub mod states_settings;
pub mod sweep_kept;
pub mod sweep_look;
pub mod sweep_panel;
pub mod sweep_shown;
pub mod theme;
pub mod ui_state;
pub mod window;

mod answers;
mod applying;
mod closing;
mod data_look;
mod draft_history;
mod foreseen;
mod frame_times;
mod housekeeping;
mod item_index;
mod layout;
mod measured;
mod notice;
mod plot_settings;
mod shortcuts;
mod states_ahead;
mod states_data;
mod states_shown;
mod states_text;
mod sweep_actions;
mod views;
mod widgets;

pub use widgets::metric::Metric;
