//! An evaluation of a run that is over, while it runs.

use std::path::PathBuf;

use super::since::Since;
use crate::protocol::event::{EvaluationSummary, RunId};

/// The current or last evaluation.
#[derive(Debug, Clone, PartialEq)]
pub struct Scoring {
    /// Its name.
    pub name: RunId,
    /// Tokens read and written.
    pub done: usize,
    /// Tokens in all; 0 before they are known.
    pub total: usize,
    /// Whether it is running.
    pub is_on: bool,
    /// When it began.
    pub since: Since,
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
            since: Since::now(),
            scored: None,
        })
    }

    /// The share that is done.
    pub fn share(&self) -> f64 {
        self.done as f64 / self.total.max(1) as f64
    }
}
