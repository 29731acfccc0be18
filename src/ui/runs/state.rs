//! The list of runs: its order and filter, and the labels that are being edited.

use serde::{Deserialize, Serialize};

use super::details::Details;
use super::folders::RunFolders;
use super::table::RunTable;
use crate::persist::run_labels::RunLabels;
use crate::protocol::event::RunId;
use crate::ui::shared::background::Threads;

/// The order in which runs are listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum RunSort {
    /// Those that began last first.
    #[default]
    Newest,
    /// By their titles.
    Title,
    /// The highest accuracy of the tuned model first.
    Accuracy,
    /// The lowest validation loss first.
    Loss,
}

impl RunSort {
    /// Every order.
    pub const ALL: [Self; 4] = [Self::Newest, Self::Title, Self::Accuracy, Self::Loss];

    /// The name the user sees.
    pub fn name(self) -> &'static str {
        match self {
            Self::Newest => tr!("Newest"),
            Self::Title => tr!("Name"),
            Self::Accuracy => tr!("Accuracy"),
            Self::Loss => tr!("Validation loss"),
        }
    }
}

/// What the user is writing on a run.
#[derive(Debug, Clone, PartialEq)]
pub struct LabelEditor {
    /// The run.
    pub run: RunId,
    /// What it will have.
    pub labels: RunLabels,
    /// Its tags as they are typed.
    pub tags: String,
}

impl LabelEditor {
    /// Of what a run has.
    pub fn new(run: RunId, labels: RunLabels) -> Self {
        let tags = labels.tags_text();
        Self { run, labels, tags }
    }
}

/// The list of runs.
pub struct RunsPanel {
    /// Part of the name, the tags or the status of the runs that are listed.
    pub filter: String,
    /// The order in which they are listed.
    pub sort: RunSort,
    /// The run that the list last came to stand at.
    pub(crate) stands_at: Option<RunId>,
    /// What is written on a run at the moment.
    pub editing: Option<LabelEditor>,
    /// Every run as a table.
    pub table: RunTable,
    pub(crate) folders: RunFolders,
    /// A run that is looked at by itself.
    pub(crate) details: Details,
}

impl RunsPanel {
    /// As it is at first.
    pub(crate) fn new(threads: &Threads) -> Self {
        Self {
            filter: String::new(),
            sort: RunSort::default(),
            stands_at: None,
            editing: None,
            table: RunTable::default(),
            folders: RunFolders::new(threads),
            details: Details::new(threads),
        }
    }
}
