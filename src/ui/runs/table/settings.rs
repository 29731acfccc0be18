//! What of the table is kept over restarts.

use serde::{Deserialize, Serialize};

use super::column::Column;
use crate::protocol::event::EvaluationPhase;

/// What runs are grouped by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub enum GroupBy {
    /// They are one list.
    #[default]
    Nothing,
    /// The sweep that they are a part of.
    Sweep,
    /// The method.
    Method,
    /// The data set.
    Data,
}

impl GroupBy {
    /// Every way to group.
    pub const ALL: [Self; 4] = [Self::Nothing, Self::Sweep, Self::Method, Self::Data];

    /// The name the user sees.
    pub fn name(self) -> &'static str {
        match self {
            Self::Nothing => tr!("No groups"),
            Self::Sweep => tr!("By sweep"),
            Self::Method => tr!("By method"),
            Self::Data => tr!("By data"),
        }
    }
}

/// What of the runs the table shows.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(default)]
pub struct TableSettings {
    /// The columns behind the name, from left to right.
    pub(super) columns: Vec<Column>,
    /// The column that rows are sorted by, and whether values fall; the newest first
    /// without.
    pub(super) sort: Option<(Column, bool)>,
    /// What runs are grouped by.
    pub group_by: GroupBy,
    /// Runs that differ in their seed alone are one row with means.
    pub folds_seeds: bool,
    /// Which runs are listed.
    pub filter: String,
}

impl Default for TableSettings {
    fn default() -> Self {
        let field = |path: &str| Column::Field(path.to_owned());
        Self {
            columns: vec![
                Column::Status,
                Column::Accuracy(EvaluationPhase::After),
                Column::HeldOutLoss,
                Column::Method,
                Column::Data,
                field("training.learning_rate"),
                field("training.seed"),
                Column::Steps,
                Column::Time,
            ],
            sort: None,
            group_by: GroupBy::default(),
            folds_seeds: false,
            filter: String::new(),
        }
    }
}

impl TableSettings {
    /// The columns that there are, the name first.
    pub(super) fn shown(&self) -> Vec<Column> {
        let first = [Column::Name].into_iter();
        let others = self.columns.iter().filter(|column| column.exists());
        first
            .chain(others.filter(|column| **column != Column::Name).cloned())
            .collect()
    }

    /// Shows a column behind the others, or hides it.
    pub(super) fn toggle(&mut self, column: &Column) {
        match self.columns.iter().position(|of| of == column) {
            Some(at) => {
                self.columns.remove(at);
            }
            None => self.columns.push(column.clone()),
        }
    }

    /// Moves a column by one place to the left or to the right.
    pub(super) fn shift(&mut self, column: &Column, by: isize) {
        let at = self.columns.iter().position(|of| of == column);
        let to = at.and_then(|at| at.checked_add_signed(by));
        if let (Some(at), Some(to)) = (at, to)
            && to < self.columns.len()
        {
            self.columns.swap(at, to);
        }
    }

    /// Sorts by a column: values rise at first, fall the next time, and the third time
    /// rows are as they were.
    pub(super) fn sort_by(&mut self, column: &Column) {
        self.sort = match self.sort.take() {
            Some((of, false)) if of == *column => Some((of, true)),
            Some((of, true)) if of == *column => None,
            _ => Some((column.clone(), false)),
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_chosen_moved_and_kept() {
        let mut settings = TableSettings::default();
        let seed = Column::Field("training.seed".into());
        settings.toggle(&seed);
        assert!(!settings.shown().contains(&seed));
        settings.toggle(&seed);
        assert_eq!(settings.columns.last(), Some(&seed));
        settings.shift(&seed, 1);
        assert_eq!(settings.columns.last(), Some(&seed), "it is the last one");
        settings.shift(&seed, -1);
        assert_eq!(settings.columns.last(), Some(&Column::Time));
        let of_another_version = Column::Field("training.gone".into());
        settings.toggle(&of_another_version);
        assert!(!settings.shown().contains(&of_another_version));
        let text = ron::to_string(&settings).unwrap();
        assert_eq!(ron::from_str::<TableSettings>(&text).unwrap(), settings);
    }

    #[test]
    fn the_third_click_ends_the_sorting() {
        let mut settings = TableSettings::default();
        let order = |settings: &TableSettings| settings.sort.as_ref().map(|sort| sort.1);
        for wanted in [Some(false), Some(true), None] {
            settings.sort_by(&Column::Steps);
            assert_eq!(order(&settings), wanted);
        }
    }
}
