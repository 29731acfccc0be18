//! Values of a field or a metric on an axis.

use std::sync::OnceLock;

use eframe::egui::{Color32, Visuals};

use crate::colormap::{self, ColourMap, Limits};
use crate::language;
use crate::protocol::fields::{field_name, short_field_name};
use crate::sweep::results::parallel_coordinates::is_log;
use crate::sweep::results::{Metric, Row, SweepResults};
use crate::ui::widgets::numbers::number;

/// Values of a field that are still marked one by one.
const MAX_FEW: usize = 7;

/// What an axis stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AxisOf {
    /// A field, by its place among the sweep's.
    Field(usize),
    /// A metric.
    Metric(Metric),
}

/// Values along an axis, from 0 at its start to 1 at its end.
#[derive(Debug, Clone, PartialEq)]
pub struct Scale {
    /// What it is called: the symbol of a field, if it has one.
    pub name: String,
    /// The name in full.
    pub title: String,
    of: AxisOf,
    kind: Kind,
}

#[derive(Debug, Clone, PartialEq)]
enum Kind {
    Numbers {
        low: f64,
        high: f64,
        is_log: bool,
        /// The values, where they are few.
        few: Vec<f64>,
    },
    Choices(Vec<String>),
}

impl Scale {
    /// Over all runs; `wants_log` overrides what the values suggest.
    pub fn new(results: &SweepResults, of: AxisOf, wants_log: Option<bool>) -> Self {
        let (name, title) = match of {
            AxisOf::Field(idx) => {
                let path = &results.fields[idx];
                let title = format!("{}\n{path}", field_name(path));
                (short_field_name(path).into_owned(), title)
            }
            AxisOf::Metric(metric) => {
                let words = language::text(metric.words()).to_owned();
                (words.clone(), words)
            }
        };
        let numbers: Vec<Option<f64>> = results
            .rows
            .iter()
            .filter(|row| text(row, of).is_some())
            .map(|row| value(row, of))
            .collect();
        let kind = if numbers.iter().all(Option::is_some) && !numbers.is_empty() {
            let numbers = || numbers.iter().flatten().copied();
            let low = numbers().fold(f64::INFINITY, f64::min);
            let high = numbers().fold(f64::NEG_INFINITY, f64::max);
            let is_log = low > 0.0 && wants_log.unwrap_or_else(|| is_log(numbers()));
            let mut few: Vec<f64> = match of {
                AxisOf::Field(_) => numbers().collect(),
                AxisOf::Metric(_) => Vec::new(),
            };
            few.sort_by(f64::total_cmp);
            few.dedup();
            if few.len() > MAX_FEW {
                few.clear();
            }
            Kind::Numbers {
                low,
                high,
                is_log,
                few,
            }
        } else {
            let mut choices: Vec<String> = results
                .rows
                .iter()
                .filter_map(|row| text(row, of))
                .collect();
            choices.sort();
            choices.dedup();
            Kind::Choices(choices)
        };
        Self {
            name,
            title,
            of,
            kind,
        }
    }

    /// What stands at its axis: its name, and that it is logarithmic where it is.
    pub fn axis_name(&self) -> String {
        let scale = match self.is_log() {
            Some(true) => tr!(" (log)"),
            Some(false) | None => "",
        };
        format!("{}{scale}", self.name)
    }

    /// Whether it is logarithmic; none where it has no numbers.
    pub fn is_log(&self) -> Option<bool> {
        match &self.kind {
            Kind::Numbers { is_log, low, .. } if *low > 0.0 => Some(*is_log),
            Kind::Numbers { .. } | Kind::Choices(_) => None,
        }
    }

    /// Where a run lies; none if it has no such value.
    pub fn share(&self, row: &Row) -> Option<f32> {
        match &self.kind {
            Kind::Numbers { .. } => self.share_of(value(row, self.of)?),
            Kind::Choices(choices) => {
                let text = text(row, self.of)?;
                let idx = choices.iter().position(|choice| *choice == text)?;
                Some(middle(idx, choices.len()))
            }
        }
    }

    fn share_of(&self, value: f64) -> Option<f32> {
        let Kind::Numbers {
            low, high, is_log, ..
        } = self.kind
        else {
            return None;
        };
        let at = |value: f64| if is_log { value.ln() } else { value };
        let width = at(high) - at(low);
        let share = if width > 0.0 {
            (at(value) - at(low)) / width
        } else {
            0.5
        };
        share.is_finite().then_some(share as f32)
    }

    /// Marks along it: where, and what stands there.
    pub fn marks(&self) -> Vec<(f32, String)> {
        match &self.kind {
            Kind::Choices(choices) => {
                let marks = choices.iter().enumerate();
                marks
                    .map(|(idx, choice)| (middle(idx, choices.len()), choice.clone()))
                    .collect()
            }
            Kind::Numbers { few, .. } if !few.is_empty() => {
                let marks = few.iter().copied();
                marks
                    .filter_map(|value| Some((self.share_of(value)?, value.to_string())))
                    .collect()
            }
            Kind::Numbers { low, high, .. } if low == high => vec![(0.5, number(*low))],
            Kind::Numbers {
                low, high, is_log, ..
            } => {
                let at = |share: f64| match is_log {
                    true => (low.ln() + share * (high.ln() - low.ln())).exp(),
                    false => low + share * (high - low),
                };
                [0.0, 0.25, 0.5, 0.75, 1.0]
                    .map(|share| (share as f32, number(at(share))))
                    .to_vec()
            }
        }
    }
}

fn middle(idx: usize, n: usize) -> f32 {
    (idx as f32 + 0.5) / n.max(1) as f32
}

/// The number that a run has there.
pub fn value(row: &Row, of: AxisOf) -> Option<f64> {
    match of {
        AxisOf::Field(idx) => row.values[idx].as_ref()?.number(),
        AxisOf::Metric(metric) => metric.of(&row.facts),
    }
}

/// What stands for it in words.
fn text(row: &Row, of: AxisOf) -> Option<String> {
    match of {
        AxisOf::Field(idx) => row.values[idx].as_ref().map(|value| value.0.clone()),
        AxisOf::Metric(metric) => metric.of(&row.facts).map(number),
    }
}

/// The colour of a metric, best at the end that stands out.
pub fn colour(visuals: &Visuals, metric: Metric, (low, high): (f64, f64), value: f64) -> Color32 {
    /// Share of the map that is too near the ground to be seen.
    const HIDDEN: f32 = 0.25;
    static MAPS: [OnceLock<ColourMap>; 2] = [OnceLock::new(), OnceLock::new()];
    let is_dark = visuals.dark_mode;
    let map = MAPS[usize::from(is_dark)]
        .get_or_init(|| ColourMap::new(colormap::Scale::Sequential, is_dark));
    let share = if high > low {
        (value - low) / (high - low)
    } else {
        1.0
    };
    let share = if metric.is_higher_better() {
        share
    } else {
        1.0 - share
    };
    let limits = Limits {
        low: 0.0,
        high: 1.0,
    };
    let [r, g, b] = map.colour(HIDDEN + (1.0 - HIDDEN) * share as f32, limits);
    Color32::from_rgb(r, g, b)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ui::sweep::fixtures::results;

    #[test]
    fn numbers_lie_between_the_ends_and_choices_side_by_side() {
        let results = results();
        let rates = Scale::new(&results, AxisOf::Field(0), None);
        assert_eq!(rates.is_log(), Some(true));
        let shares: Vec<f32> = results
            .rows
            .iter()
            .filter_map(|row| rates.share(row))
            .collect();
        assert_eq!((shares[0], shares[2]), (0.0, 1.0));
        assert!((shares[1] - 0.5).abs() < 1e-6, "{shares:?}");
        let linear = Scale::new(&results, AxisOf::Field(0), Some(false));
        assert!(linear.share(&results.rows[1]).unwrap() < 0.2);
        let gamma = Scale::new(&results, AxisOf::Field(1), None);
        assert_eq!(gamma.is_log(), None);
        let marks: Vec<String> = gamma.marks().into_iter().map(|(_, text)| text).collect();
        assert_eq!(marks, ["0.5", "Median"]);
    }
}
