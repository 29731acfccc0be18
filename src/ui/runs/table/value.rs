//! What stands in a cell, of one run and of several that differ in their seed.

use crate::bench::{Accuracy, MeanInterval, mean_interval95, share_interval95};
use crate::format::number;
use crate::report::{Cell, Estimate};

/// What stands in a cell.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Value {
    /// As it is read.
    pub text: String,
    /// The number that it is sorted by, where it is one.
    pub number: Option<f64>,
    /// The number with its interval, where it has one.
    pub estimate: Option<Estimate>,
}

impl Value {
    /// Words.
    pub fn text(text: impl Into<String>) -> Self {
        Self {
            text: text.into(),
            ..Self::default()
        }
    }

    /// A number as it is read.
    pub fn number(number: f64, text: String) -> Self {
        Self {
            text,
            number: Some(number),
            estimate: None,
        }
    }

    /// An accuracy with its interval.
    pub fn accuracy(accuracy: Accuracy) -> Self {
        if accuracy.n_items == 0 {
            return Self::default();
        }
        let (low, high) = accuracy.interval95();
        let value = accuracy.value();
        Self {
            text: format!("{value:.3} [{low:.3}, {high:.3}]"),
            number: Some(value),
            estimate: Some(accuracy.into()),
        }
    }

    /// What runs that differ in their seed alone have: the mean of numbers with its
    /// interval, the text that all of them have.
    pub fn of_seeds(values: &[&Self]) -> Self {
        let Some(first) = values.first() else {
            return Self::default();
        };
        if values.iter().all(|of| of.text == first.text) && first.estimate.is_none() {
            return (*first).clone();
        }
        let numbers: Vec<f64> = values.iter().filter_map(|of| of.number).collect();
        // Accuracies have intervals of their own.
        let (mean, digits) = match first.estimate {
            Some(_) => (share_interval95(&numbers), Some(3)),
            None => (mean_interval95(&numbers), decimals(&first.text)),
        };
        let Some(mean) = mean.filter(|mean| mean.mean.is_finite()) else {
            return Self::text(tr!("{} values", values.len()));
        };
        Self::mean(&mean, digits)
    }

    /// What they have of a setting, which has no mean: the seed, or a batch that is put
    /// together in another way.
    pub fn of_settings(values: &[&Self]) -> Self {
        let mut texts: Vec<&str> = values.iter().map(|of| of.text.as_str()).collect();
        texts.sort_unstable();
        texts.dedup();
        match (&texts[..], values.first()) {
            ([_], Some(first)) => (*first).clone(),
            ([], _) | (_, None) => Self::default(),
            (texts, Some(_)) => Self::text(tr!("{} values", texts.len())),
        }
    }

    fn mean(of: &MeanInterval, digits: Option<usize>) -> Self {
        let MeanInterval {
            mean, low, high, n, ..
        } = *of;
        let words = |value: f64| match digits {
            Some(digits) => format!("{value:.digits$}"),
            None => number(value),
        };
        if n < 2 {
            // One value says nothing of the spread.
            return Self::number(mean, words(mean));
        }
        Self {
            text: format!("{} [{}, {}]", words(mean), words(low), words(high)),
            number: Some(mean),
            estimate: Some(Estimate {
                value: mean,
                low,
                high,
                n,
                n_total: n,
                is_difference: false,
            }),
        }
    }

    /// The same in a table that is saved.
    pub fn cell(&self) -> Cell {
        match (self.estimate, self.number) {
            (Some(estimate), _) => Cell::Estimate(estimate),
            (None, Some(value)) => Cell::Number { value, digits: 4 },
            (None, None) if self.text.is_empty() => Cell::Empty,
            (None, None) => Cell::text(self.text.clone()),
        }
    }
}

/// The digits behind the point of a plain number, as `1.3186`.
fn decimals(text: &str) -> Option<usize> {
    let (_, behind) = text.split_once('.')?;
    let is_plain = behind.chars().all(|c| c.is_ascii_digit());
    is_plain.then_some(behind.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seeds_have_a_mean_with_its_interval() {
        let right = |n_correct| {
            Value::accuracy(Accuracy {
                n_correct,
                n_items: 10,
            })
        };
        let (low, high) = (right(4), right(6));
        let mean = Value::of_seeds(&[&low, &high]);
        assert_eq!(mean.number, Some(0.5));
        let estimate = mean.estimate.unwrap();
        // 12.7062 times the standard error of 0.4 and 0.6, on the logit scale.
        let high = 1.0 / (1.0 + (-12.7062_f64 * 0.4).exp());
        assert!((estimate.high - high).abs() < 1e-9, "{estimate:?}");
        assert_eq!(estimate.n, 2, "seeds, not items");
        // A single seed has no interval over seeds.
        let alone = Value::of_seeds(&[&low]);
        assert_eq!((alone.text.as_str(), alone.estimate), ("0.400", None));
    }

    #[test]
    fn settings_have_no_mean() {
        let seeds = [0.0, 1.0, 2.0].map(|seed| Value::number(seed, seed.to_string()));
        let all: Vec<&Value> = seeds.iter().collect();
        let of_all = Value::of_settings(&all);
        assert_eq!((of_all.text.as_str(), of_all.number), ("3 values", None));
        assert_eq!(Value::of_settings(&all[..1]), seeds[0]);
        assert_eq!(Value::of_settings(&[all[1], all[1]]), seeds[1]);
        assert_eq!(Value::of_settings(&[]), Value::default());
    }

    #[test]
    fn what_all_have_stays_and_texts_have_no_mean() {
        let same = Value::text("Standard");
        assert_eq!(Value::of_seeds(&[&same, &same]), same);
        let other = Value::text("Lifted");
        assert_eq!(Value::of_seeds(&[&same, &other]).text, "2 values");
        let losses = [1.5, 1.75].map(|loss| Value::number(loss, format!("{loss:.4}")));
        let mean = Value::of_seeds(&[&losses[0], &losses[1]]);
        assert!(mean.text.starts_with("1.6250 ["), "{}", mean.text);
        let missing = Value::default();
        let known = Value::number(2.0, "2".into());
        assert_eq!(Value::of_seeds(&[&missing, &known]).number, Some(2.0));
    }
}
