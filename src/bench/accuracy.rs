//! A share of items with its uncertainty.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The two-sided 95 % quantile of the normal distribution.
const Z_95: f64 = 1.959_963_984_540_054;

/// How many of how many items are right.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Accuracy {
    /// Items that are right.
    pub n_correct: usize,
    /// Items.
    pub n_items: usize,
}

impl Accuracy {
    /// Counts which of the items are right.
    pub fn of(items: impl IntoIterator<Item = bool>) -> Self {
        items
            .into_iter()
            .fold(Self::default(), |sum, correct| Self {
                n_correct: sum.n_correct + usize::from(correct),
                n_items: sum.n_items + 1,
            })
    }

    /// The share that is right, 0 to 1; NaN without items.
    pub fn value(self) -> f64 {
        self.n_correct as f64 / self.n_items as f64
    }

    /// The 95 % interval of the share (Wilson 1927), as (low, high). Unlike the
    /// normal approximation it has a width at 0 and at 1.
    pub fn interval95(self) -> (f64, f64) {
        if self.n_items == 0 {
            return (0.0, 1.0);
        }
        let n = self.n_items as f64;
        let p = self.value();
        let z2 = Z_95 * Z_95;
        let centre = (p + z2 / (2.0 * n)) / (1.0 + z2 / n);
        let half = Z_95 / (1.0 + z2 / n) * (p * (1.0 - p) / n + z2 / (4.0 * n * n)).sqrt();
        ((centre - half).max(0.0), (centre + half).min(1.0))
    }

    /// The standard error of the share as lm-evaluation-harness has it: the
    /// sample standard deviation over the root of n; NaN below two items.
    pub fn standard_error(self) -> f64 {
        if self.n_items < 2 {
            return f64::NAN;
        }
        let p = self.value();
        (p * (1.0 - p) / (self.n_items as f64 - 1.0)).sqrt()
    }
}

impl fmt::Display for Accuracy {
    /// `0.462 [0.419, 0.506] n = 500`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.n_items == 0 {
            return write!(f, "no items");
        }
        let (low, high) = self.interval95();
        let value = self.value();
        write!(f, "{value:.3} [{low:.3}, {high:.3}] n = {}", self.n_items)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_interval(n_correct: usize, n_items: usize, low: f64, high: f64) {
        let got = Accuracy { n_correct, n_items }.interval95();
        assert!(
            (got.0 - low).abs() < 5e-5,
            "{n_correct} of {n_items}: {got:?}"
        );
        assert!(
            (got.1 - high).abs() < 5e-5,
            "{n_correct} of {n_items}: {got:?}"
        );
    }

    /// 81 of 263, 15 of 148, 0 of 20 and 1 of 29 are the worked examples of
    /// Newcombe, Statistics in Medicine 17 (1998), table I, method 3.
    #[test]
    fn intervals_agree_with_published_ones() {
        check_interval(81, 263, 0.2553, 0.3662);
        check_interval(15, 148, 0.0624, 0.1605);
        check_interval(0, 20, 0.0, 0.1611);
        check_interval(1, 29, 0.0061, 0.1718);
        check_interval(5, 10, 0.2366, 0.7634);
        check_interval(20, 20, 0.8389, 1.0);
        check_interval(0, 0, 0.0, 1.0);
    }

    #[test]
    fn figures_read_as_people_write_them() {
        let accuracy = Accuracy::of((0..500).map(|idx| idx < 231));
        assert_eq!(accuracy.to_string(), "0.462 [0.419, 0.506] n = 500");
        assert_eq!(Accuracy::default().to_string(), "no items");
    }

    #[test]
    fn standard_errors_are_those_of_the_sample() {
        // statistics.stdev([1, 0, 0, 1, 1]) / sqrt(5) in Python.
        let accuracy = Accuracy::of([true, false, false, true, true]);
        assert!((accuracy.standard_error() - 0.244_948_974_278_317_8).abs() < 1e-12);
        assert!(Accuracy::of([true]).standard_error().is_nan());
    }
}
