//! The window: a client of the worker that shows runs and sends commands. The only
//! place that names egui.
//!
//! | where | what |
//! |---|---|
//! | `app.rs`, `app/` | routes events, answers and actions to the features, and lays them out |
//! | `window.rs` | the window of the system, and what is kept between two of them |
//! | `shared/` | what every feature works with |
//! | `shell/` | docking, theme, shortcuts, palette, messages, pictures, closing |
//! | `runs/` | the list of runs, the table of runs, their menu, the queue |
//! | `config/` | the configuration form |
//! | `tune/` | plots of the steps |
//! | `states/` | states as pictures |
//! | `sweep/` | sweeps: set-up, queue, results |
//! | `compare/` | accuracy side by side |
//! | `items/` | scored questions, one by one |
//! | `adapt/` | adaptations: set up, followed and looked at |
//! | `playground/` | a prompt and its answers |
//! | `dialogs/` | exporting, scoring, the rate search, a preview of the data |
//! | `widgets/` | parts of views |
//!
//! Features name `shell`, `widgets` and `shared`, never each other's insides and
//! never `app`. In a feature `state.rs` is what it keeps and asks for beside the
//! window, and `view.rs` what it shows.

pub mod adapt;
pub mod app;
pub mod dialogs;
pub mod playground;
pub mod shared;
pub mod shell;
pub mod states;
pub mod sweep;
pub mod window;

pub(crate) mod compare;
pub mod config;
pub mod items;
pub mod runs;
pub mod tune;

mod widgets;

pub use widgets::metric::Metric;
