//! Columns and rows.

use std::fmt;

use crate::bench::Accuracy;

/// Named columns and rows of cells.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Table {
    /// What stands above it.
    pub title: String,
    /// The columns' names, unique.
    pub columns: Vec<String>,
    /// One cell a column each.
    pub rows: Vec<Vec<Cell>>,
    /// Sentences that belong below it.
    pub notes: Vec<String>,
}

/// What stands in one place.
#[derive(Debug, Clone, PartialEq)]
pub enum Cell {
    /// Nothing is known.
    Empty,
    /// Words.
    Text(String),
    /// A count.
    Count(u64),
    /// A number, and the digits behind its point that the user sees.
    Number {
        /// The number.
        value: f64,
        /// Digits behind the point.
        digits: usize,
    },
    /// A number that the user sees as `1.2e-9`.
    Scientific(f64),
    /// A number with its uncertainty.
    Estimate(Estimate),
}

/// A number with its 95 % interval.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Estimate {
    /// The number.
    pub value: f64,
    /// The interval's lower end.
    pub low: f64,
    /// The interval's upper end.
    pub high: f64,
    /// What it was measured on: items or seeds.
    pub n: usize,
    /// Of how many; above `n` where a part was measured.
    pub n_total: usize,
    /// A plus sign stands in front of what is above zero.
    pub is_difference: bool,
}

impl Table {
    /// A table without rows.
    pub fn new(title: impl Into<String>, columns: impl IntoIterator<Item: Into<String>>) -> Self {
        Self {
            title: title.into(),
            columns: columns.into_iter().map(Into::into).collect(),
            ..Self::default()
        }
    }

    /// Adds a row.
    ///
    /// # Panics
    /// Where it has not one cell a column.
    pub fn push(&mut self, row: impl IntoIterator<Item = Cell>) {
        let row: Vec<Cell> = row.into_iter().collect();
        assert_eq!(row.len(), self.columns.len(), "cells of a row");
        self.rows.push(row);
    }
}

impl Cell {
    /// Words.
    pub fn text(text: impl Into<String>) -> Self {
        Self::Text(text.into())
    }

    /// A number of which the user sees `digits` behind the point.
    pub fn number(value: f64, digits: usize) -> Self {
        Self::Number { value, digits }
    }

    /// Whether it ends at the right edge of its column.
    pub(super) fn is_numeric(&self) -> bool {
        matches!(
            self,
            Self::Count(_) | Self::Number { .. } | Self::Scientific(_)
        )
    }
}

impl From<Accuracy> for Estimate {
    fn from(accuracy: Accuracy) -> Self {
        let (low, high) = accuracy.interval95();
        Self {
            value: accuracy.value(),
            low,
            high,
            n: accuracy.n_items,
            n_total: accuracy.n_items,
            is_difference: false,
        }
    }
}

impl From<Estimate> for Cell {
    fn from(estimate: Estimate) -> Self {
        Self::Estimate(estimate)
    }
}

impl From<Accuracy> for Cell {
    fn from(accuracy: Accuracy) -> Self {
        match accuracy.n_items {
            0 => Self::Empty,
            _ => Self::Estimate(accuracy.into()),
        }
    }
}

impl fmt::Display for Cell {
    /// As the user reads it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => Ok(()),
            Self::Text(text) => f.write_str(text),
            Self::Count(count) => write!(f, "{count}"),
            Self::Number { value, digits } => write!(f, "{value:.digits$}"),
            Self::Scientific(value) => write!(f, "{value:.1e}"),
            Self::Estimate(estimate) => write!(f, "{estimate}"),
        }
    }
}

impl fmt::Display for Estimate {
    /// `0.462 [0.419, 0.506] n = 500`, or `n = 200 of 500` for a part.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            value,
            low,
            high,
            n,
            n_total,
            is_difference,
        } = self;
        if *is_difference {
            write!(f, "{value:+.3} [{low:+.3}, {high:+.3}] n = {n}")?;
        } else {
            write!(f, "{value:.3} [{low:.3}, {high:.3}] n = {n}")?;
        }
        if n_total > n {
            write!(f, " of {n_total}")?;
        }
        Ok(())
    }
}
