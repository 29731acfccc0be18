//! The numbers that a field takes.

use std::ops::RangeInclusive;

use crate::format::plain;

/// Numbers from one to another.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Range {
    first: f64,
    last: f64,
    has_first: bool,
    has_last: bool,
    /// Every number is a multiple of this; 0 where they need not be.
    multiple: f64,
}

impl Range {
    /// Every number.
    pub const ALL: Self = Self::from(f64::NEG_INFINITY);

    /// Whole numbers from `first` to `last`, both among them.
    pub const fn whole(first: usize, last: usize) -> Self {
        Self::from(first as f64).up_to(last as f64)
    }

    /// `first` and every number above it.
    pub const fn from(first: f64) -> Self {
        Self {
            first,
            last: f64::INFINITY,
            has_first: true,
            has_last: false,
            multiple: 0.0,
        }
    }

    /// Every number above `first`.
    pub const fn above(first: f64) -> Self {
        Self {
            has_first: false,
            ..Self::from(first)
        }
    }

    /// The same up to `last`, which is among them.
    pub const fn up_to(self, last: f64) -> Self {
        Self {
            last,
            has_last: true,
            ..self
        }
    }

    /// The same below `last`.
    pub const fn below(self, last: f64) -> Self {
        Self {
            last,
            has_last: false,
            ..self
        }
    }

    /// The multiples of `step` among them.
    pub const fn multiples_of(self, step: usize) -> Self {
        Self {
            multiple: step as f64,
            ..self
        }
    }

    /// From where to where, for a control that knows no open ends.
    pub fn span(&self) -> RangeInclusive<f64> {
        self.first..=self.last
    }

    /// The distance between two neighbours; none where there is a number between
    /// any two.
    pub fn step(&self) -> Option<f64> {
        (self.multiple > 0.0).then_some(self.multiple)
    }

    /// Whether `value` is among the numbers.
    pub fn admits(&self, value: f64) -> bool {
        self.rule_against(value).is_none()
    }

    /// `value` where it is among the numbers, else the end that is nearest to
    /// it; `before` where that end is none of them.
    pub fn fit(&self, value: f64, before: f64) -> f64 {
        let nearest = value.clamp(self.first, self.last);
        match self.admits(nearest) {
            true => nearest,
            false => before,
        }
    }

    /// The rule that `value` breaks, as in "must be at least 1"; none if it is among
    /// the numbers.
    pub fn rule_against(&self, value: f64) -> Option<String> {
        let condition = self.condition_against(value, true)?;
        Some(tr!("must be {condition}", condition))
    }

    /// The same as in "at least 1". Where numbers cannot be infinite, nothing is said of
    /// that.
    pub(super) fn condition_against(&self, value: f64, can_be_infinite: bool) -> Option<String> {
        let Self {
            first,
            last,
            has_first,
            has_last,
            multiple,
        } = *self;
        let is_low = value < first || value == first && !has_first;
        let is_high = value > last || value == last && !has_last;
        if value.is_finite() && !is_low && !is_high {
            let is_between = multiple > 0.0 && value % multiple != 0.0;
            return is_between.then(|| tr!("a multiple of {}", plain(multiple)));
        }
        let (first, last) = (plain(first), plain(last));
        // An end that is not among the numbers is named with the other one.
        let is_closed = has_first && has_last;
        let low = if has_first {
            tr!("at least")
        } else {
            tr!("above")
        };
        let high = if has_last {
            tr!("at most")
        } else {
            tr!("below")
        };
        Some(match self.last.is_finite() {
            true if is_closed && is_low => tr!("at least {first}", first),
            true if is_closed && is_high => tr!("at most {last}", last),
            true => tr!("{low} {first} and {high} {last}", low, first, high, last),
            false if can_be_infinite => tr!("{low} {first} and finite", low, first),
            false => format!("{low} {first}"),
        })
    }

    /// In words, as in "1 to 8".
    pub fn words(&self) -> String {
        let Self {
            first,
            last,
            has_first,
            has_last,
            multiple,
        } = *self;
        let above = if has_first { "" } else { tr!("above ") };
        let below = if has_last { "" } else { tr!("below ") };
        let numbers = match (last.is_finite(), has_first) {
            (true, _) => tr!(
                "{above}{} to {below}{}",
                plain(first),
                plain(last),
                above,
                below
            ),
            (false, true) => tr!("{} or more", plain(first)),
            (false, false) => tr!("above {}", plain(first)),
        };
        match multiple > 0.0 {
            true => tr!("{numbers}, multiples of {}", plain(multiple), numbers),
            false => numbers,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_said_and_kept() {
        let open = f64::INFINITY;
        for (range, words, inside, outside, kept) in [
            (Range::whole(1, 8), "1 to 8", 8.0, 9.0, 8.0),
            (Range::from(0.0), "0 or more", 0.0, -1.0, 0.0),
            (Range::above(0.0), "above 0", 1e-9, 0.0, 5.0),
            (Range::above(0.0), "above 0", 1e9, open, 5.0),
            (Range::above(0.0).up_to(1.0), "above 0 to 1", 1.0, 2.0, 1.0),
            (Range::from(0.0).below(1.0), "0 to below 1", 0.0, 1.0, 5.0),
            (
                Range::whole(16, 64).multiples_of(16),
                "16 to 64, multiples of 16",
                48.0,
                40.0,
                5.0,
            ),
        ] {
            assert_eq!(range.words(), words);
            assert!(range.admits(inside) && !range.admits(outside), "{words}");
            assert_eq!(range.fit(inside, 5.0), inside, "{words}");
            assert_eq!(range.fit(outside, 5.0), kept, "{words}");
            assert_eq!(range.fit(f64::NAN, 5.0), 5.0, "{words}");
        }
    }

    #[test]
    fn what_is_outside_breaks_a_rule_that_names_the_end() {
        let share = Range::from(0.0).below(1.0);
        for (range, value, rule) in [
            (Range::whole(1, 8), 0.0, "must be at least 1"),
            (Range::whole(1, 8), 9.0, "must be at most 8"),
            (Range::from(0.0), -1.0, "must be at least 0 and finite"),
            (Range::above(0.0), f64::NAN, "must be above 0 and finite"),
            (share, 1.0, "must be at least 0 and below 1"),
            (
                Range::above(0.0).up_to(100.0),
                0.0,
                "must be above 0 and at most 100",
            ),
            (
                Range::whole(16, 64).multiples_of(16),
                40.0,
                "must be a multiple of 16",
            ),
        ] {
            assert_eq!(range.rule_against(value).as_deref(), Some(rule));
        }
    }
}
