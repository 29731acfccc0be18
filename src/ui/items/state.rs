//! The selected comparison, filter and item.

use serde::{Deserialize, Serialize};

use super::index::ItemIndex;
use crate::bench::{Change, Rule};
use crate::ui::shared::evaluations::ItemsPair;

/// The selected comparison, filter and item.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct ItemsSettings {
    /// Of which evaluations.
    pub pair: ItemsPair,
    /// What counts as right.
    pub rule: Rule,
    /// What became of those that are listed; all if none.
    pub change: Option<Change>,
    /// A text that they have.
    pub search: String,
    /// The place of the one that is shown.
    pub chosen: usize,
}

/// The view of items.
#[derive(Default)]
pub struct Items {
    /// The selected comparison, filter and item.
    pub settings: ItemsSettings,
    /// Which of their items are listed.
    pub(crate) index: ItemIndex,
}

impl Items {
    /// Looks at the items of two evaluations: those that were fixed, first.
    pub(crate) fn look_at(&mut self, pair: ItemsPair) {
        self.settings.pair = pair;
        self.settings.change = Some(Change::Fixed);
        self.settings.search.clear();
    }
}
