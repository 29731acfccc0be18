//! An evaluation of a run that is over, while it runs.

use std::path::PathBuf;

use crate::protocol::event::{EvaluationSummary, RunId};

/// The current or last evaluation.
#[derive(Debug, Clone, PartialEq)]
pub struct Scoring {
    /// Its name.
    pub name: RunId,
    /// Items done.
    pub done: usize,
    /// Items in all; 0 before they are known.
    pub total: usize,
    /// Whether it is running.
    pub is_on: bool,
    /// What was measured, and the file of the items.
    pub scored: Option<(EvaluationSummary, PathBuf)>,
}

impl Scoring {
    /// The evaluation of this name, in place of another.
    pub(super) fn of(known: &mut Option<Self>, name: RunId) -> &mut Self {
        known.take_if(|known| known.name != name);
        known.get_or_insert_with(|| Self {
            name,
            done: 0,
            total: 0,
            is_on: true,
            scored: None,
        })
    }
}
