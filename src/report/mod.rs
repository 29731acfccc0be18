//! Tables of results, for users and for programs.
//!
//! | file | what |
//! |---|---|
//! | `table.rs` | [`Table`]: columns and rows of [`Cell`]s |
//! | `compared.rs`, `seed_groups.rs` | evaluations side by side, as a table |
//! | `saved.rs` | [`SavedTable`]: a table for programs and for readers |
//! | `page.rs` | [`page::Page`]: texts, tables and pictures as HTML or Markdown |
//! | `format.rs` | [`TableFormat`]: terminal text, Markdown, LaTeX, CSV, JSON |
//!
//! In the formats for users an estimate is one cell, `0.462 [0.419, 0.506]
//! n = 500`; in those for programs it is a column for each of its numbers.

pub mod compared;
pub mod contender;
mod format;
pub mod page;
mod saved;
mod seed_groups;
mod table;

pub use format::TableFormat;
pub use saved::SavedTable;
pub use table::{Cell, Estimate, Table};
