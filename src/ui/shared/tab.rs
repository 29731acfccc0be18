//! The views of the centre, and where one can be put.

use serde::{Deserialize, Serialize};

/// A view of the centre.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub enum Tab {
    /// The numbers of the steps.
    #[default]
    Tune,
    /// S_0 as pictures.
    States,
    /// Many runs over ranges of fields.
    Sweep,
    /// Accuracy side by side.
    Compare,
    /// The questions that were scored, one by one.
    Items,
    /// The playground: a prompt, answered with and without the tuned state.
    Playground,
    /// States that move while questions are answered.
    Adapt,
    /// Every run as a row of a table.
    Table,
}

impl Tab {
    /// Every view, in order.
    pub const ALL: [Self; 8] = [
        Self::Tune,
        Self::States,
        Self::Sweep,
        Self::Compare,
        Self::Items,
        Self::Playground,
        Self::Adapt,
        Self::Table,
    ];

    /// The view of a name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|tab| tab.name() == name)
    }

    /// The name the user sees.
    pub fn name(self) -> &'static str {
        match self {
            Self::Tune => tr!("Tune"),
            Self::States => tr!("States"),
            Self::Sweep => tr!("Sweep"),
            Self::Compare => tr!("Compare"),
            Self::Items => tr!("Items"),
            Self::Playground => tr!("Playground"),
            Self::Adapt => tr!("Adapt"),
            Self::Table => tr!("Table"),
        }
    }

    /// What it shows, for a tooltip.
    pub fn purpose(self) -> &'static str {
        match self {
            Self::Tune => tr!("Training curves, live"),
            Self::States => tr!("Heatmaps of the state, by layer and head"),
            Self::Sweep => tr!("Many runs over ranges of settings, queued and compared"),
            Self::Compare => tr!("Accuracy of several runs side by side, with intervals"),
            Self::Items => tr!("Scored questions, and which ones tuning fixed or broke"),
            Self::Playground => tr!("Your own prompt, answered with and without the state"),
            Self::Adapt => tr!("Adapt the state while questions are answered, without labels"),
            Self::Table => tr!("All runs as a table: columns, groups, means over seeds"),
        }
    }
}

/// The side of the centre that a view is put at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// At the right of all others.
    Right,
    /// Below all others.
    Below,
}

impl Side {
    /// Both of them.
    pub const ALL: [Self; 2] = [Self::Right, Self::Below];

    /// What a button says that puts a view there.
    pub fn words(self) -> &'static str {
        match self {
            Self::Right => tr!("at the right"),
            Self::Below => tr!("below the others"),
        }
    }
}
