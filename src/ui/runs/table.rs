//! Every run as a table, live: columns to choose, sorted, grouped, filtered, with means
//! over seeds.
//!
//! | file | what |
//! |---|---|
//! | `column.rs`, `value.rs` | what a column shows of a run, and of runs that differ in the seed |
//! | `filter.rs` | which runs are listed |
//! | `order.rs` | their rows, made anew only when something changed |
//! | `settings.rs` | what is kept over restarts |
//! | `view.rs`, `heading.rs`, `row.rs` | what is drawn: the rows in sight and no others |

mod column;
mod filter;
mod heading;
mod order;
mod row;
mod saved;
pub mod settings;
mod value;
pub(crate) mod view;

pub(crate) use self::order::Sweeps;
use self::order::{RowKey, Rows};
use self::settings::TableSettings;

/// The table of runs.
#[derive(Debug, Default)]
pub struct RunTable {
    /// What of the runs it shows.
    pub settings: TableSettings,
    rows: Rows,
    /// The row that the keyboard stands at.
    cursor: Option<RowKey>,
    /// What is looked for among the columns.
    column_search: String,
}

impl RunTable {
    /// With the settings of another session.
    pub(crate) fn new(settings: TableSettings) -> Self {
        Self {
            settings,
            ..Self::default()
        }
    }
}
