//! The settings of the views of a sweep's results.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::sweep::results::{Metric, SEED, SweepResults};

/// A way to look at results.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum ResultsView {
    /// The tasks in their order, with what can be done to them.
    #[default]
    Queue,
    /// A sortable table.
    Table,
    /// Parallel coordinates.
    Parallel,
    /// A metric over two fields.
    Heatmap,
    /// A metric against a field.
    Scatter,
    /// How much each field matters.
    Importance,
}

impl ResultsView {
    /// Every view and its name.
    pub const ALL: [(Self, &'static str); 6] = [
        (Self::Queue, mark!("Queue")),
        (Self::Table, mark!("Table")),
        (Self::Parallel, mark!("Parallel")),
        (Self::Heatmap, mark!("Heatmap")),
        (Self::Scatter, mark!("Scatter")),
        (Self::Importance, mark!("Importance")),
    ];
}

/// A column of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Column {
    /// The run's name.
    Name,
    /// A field, by its place among the sweep's.
    Field(usize),
    /// How it stands.
    Status,
    /// A number.
    Metric(Metric),
}

/// What is looked at.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ResultsSettings {
    /// The folder and the fields of the sweep that is looked at: places of
    /// fields and of axes are those of it.
    pub of: Option<(PathBuf, Vec<String>)>,
    /// Which way.
    pub view: ResultsView,
    /// The number that colours and heights stand for.
    pub metric: Metric,
    /// The numbers that are columns of the table.
    pub columns: Vec<Metric>,
    /// The numbers that are axes of parallel coordinates, behind the fields.
    pub axes: Vec<Metric>,
    /// The column that the table is sorted by, and whether the largest comes first.
    pub sort: (Column, bool),
    /// The fields of the heatmap, across and up, and the field of the scatter plot.
    pub across: usize,
    /// See [`Self::across`].
    pub up: usize,
    /// Ranges that are brushed on axes of parallel coordinates, as shares of
    /// their height.
    pub brushes: BTreeMap<usize, (f32, f32)>,
    /// Axes whose scale the user changed: whether it is logarithmic.
    pub log_axes: BTreeMap<usize, bool>,
}

impl Default for ResultsSettings {
    fn default() -> Self {
        Self {
            of: None,
            view: ResultsView::default(),
            metric: Metric::ValidationLoss,
            columns: vec![Metric::ValidationLoss, Metric::Accuracy, Metric::Secs],
            axes: vec![Metric::ValidationLoss, Metric::Accuracy],
            sort: (Column::Metric(Metric::ValidationLoss), false),
            across: 0,
            up: 1,
            brushes: BTreeMap::new(),
            log_axes: BTreeMap::new(),
        }
    }
}

impl ResultsSettings {
    /// Shows a number as an axis of parallel coordinates, or no more. What was
    /// brushed on the axes behind it would be on others then.
    pub fn toggle_axis(&mut self, metric: Metric) {
        toggle(&mut self.axes, metric);
        self.brushes.clear();
        self.log_axes.clear();
    }

    /// Shows a number as a column of the table, or no more.
    pub fn toggle_column(&mut self, metric: Metric) {
        toggle(&mut self.columns, metric);
        if self.sort.0 == Column::Metric(metric) && !self.columns.contains(&metric) {
            self.sort = (Column::Name, false);
        }
    }

    /// Looks at a sweep. One that was not looked at last is shown over its first
    /// two fields that are not the seed.
    pub fn fit(&mut self, path: &Path, results: &SweepResults) {
        let of = Some((path.to_path_buf(), results.fields.clone()));
        if self.of == of {
            return;
        }
        self.of = of;
        self.brushes.clear();
        self.log_axes.clear();
        if matches!(self.sort.0, Column::Field(_)) {
            self.sort = Self::default().sort;
        }
        let mut fields = (0..results.fields.len()).filter(|idx| results.fields[*idx] != SEED);
        self.across = fields.next().unwrap_or(0);
        self.up = fields.next().unwrap_or(self.across);
        let n_settled = results
            .rows
            .iter()
            .filter(|row| row.facts.state.is_settled())
            .count();
        if n_settled < results.rows.len() {
            self.view = ResultsView::Queue;
        } else if self.view == ResultsView::Queue {
            self.view = ResultsView::Table;
        }
    }
}

/// Adds a number, behind those that are there, or takes it out.
fn toggle(chosen: &mut Vec<Metric>, metric: Metric) {
    match chosen.iter().position(|of| *of == metric) {
        Some(idx) => {
            chosen.remove(idx);
        }
        None => chosen.push(metric),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_come_and_go() {
        let mut look = ResultsSettings::default();
        look.brushes.insert(3, (0.0, 0.5));
        look.toggle_axis(Metric::OffDiagonal);
        assert_eq!(look.axes.last(), Some(&Metric::OffDiagonal));
        assert!(look.brushes.is_empty());
        look.toggle_column(Metric::ValidationLoss);
        assert_eq!(look.columns, [Metric::Accuracy, Metric::Secs]);
        assert_eq!(look.sort, (Column::Name, false));
    }
}
