//! Test-time adaptation: set up, followed and looked at. A process of its own does
//! it, and all that is shown is read from its folder.
//!
//! | file | what |
//! |---|---|
//! | `state.rs` | what is set up, what is on, what is shown |
//! | `process.rs`, `progress.rs`, `reading.rs` | the process, how far it is, and what is in its folder |
//! | `view.rs`, `setup.rs`, `guide.rs`, `labels.rs` | the view, and what is asked for |
//! | `results.rs`, `chart.rs`, `curves.rs`, `items.rs` | figures, curves and questions |
//! | `tables.rs` | what they are drawn of, and of what it is |
//! | `kept.rs`, `maps.rs` | a state that was kept, and it beside its base as heatmaps |

pub mod state;
pub mod view;

mod chart;
mod curves;
mod guide;
mod items;
mod kept;
mod labels;
mod maps;
mod process;
mod progress;
mod reading;
mod results;
mod setup;
mod tables;
