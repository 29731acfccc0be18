//! A field of the configuration: its texts and the range of its values.

use std::ops::RangeInclusive;

use super::numbers::plain;

/// What the user is told of a field.
#[derive(Debug, Clone, Copy)]
pub struct Field {
    /// Its dotted path in a specification; empty where it is of none.
    pub path: &'static str,
    /// Its name.
    pub name: &'static str,
    /// Its symbol in the literature, or nothing.
    pub symbol: &'static str,
    /// Its unit, or nothing.
    pub unit: &'static str,
    /// What it does, what can be chosen and where it comes from.
    pub hint: &'static str,
    /// What can be put into it.
    pub takes: Takes,
}

/// What can be put into a field.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Takes {
    /// What is the user's own: a file, a text. Nothing stands there by default.
    Own,
    /// A word.
    Text,
    /// On or off.
    Switch,
    /// One of several.
    Choice,
    /// A number.
    Number(Range),
    /// A number, or none, which is shown as this.
    Optional(Range, &'static str),
}

/// Numbers from one to another.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Range {
    first: f64,
    last: f64,
    has_first: bool,
    has_last: bool,
}

/// A field of a specification that holds something of the user's own.
pub const fn field(
    path: &'static str,
    name: &'static str,
    symbol: &'static str,
    unit: &'static str,
    hint: &'static str,
) -> Field {
    Field {
        path,
        name,
        symbol,
        unit,
        hint,
        takes: Takes::Own,
    }
}

impl Field {
    /// The same of a word.
    pub const fn text(self) -> Self {
        self.taking(Takes::Text)
    }

    /// The same of something that is on or off.
    pub const fn switch(self) -> Self {
        self.taking(Takes::Switch)
    }

    /// The same of one of several.
    pub const fn choice(self) -> Self {
        self.taking(Takes::Choice)
    }

    /// The same of a number.
    pub const fn number(self, range: Range) -> Self {
        self.taking(Takes::Number(range))
    }

    /// The same of a number that can be left out, which is shown as `absent`.
    pub const fn optional(self, range: Range, absent: &'static str) -> Self {
        self.taking(Takes::Optional(range, absent))
    }

    const fn taking(self, takes: Takes) -> Self {
        Self { takes, ..self }
    }

    /// The numbers that it takes; every number where it takes none.
    pub fn range(&self) -> Range {
        match self.takes {
            Takes::Number(range) | Takes::Optional(range, _) => range,
            Takes::Own | Takes::Text | Takes::Switch | Takes::Choice => {
                Range::from(f64::NEG_INFINITY)
            }
        }
    }

    /// What stands there where there is no number.
    pub fn absent(&self) -> &'static str {
        match self.takes {
            Takes::Optional(_, absent) => absent,
            Takes::Own | Takes::Text | Takes::Switch | Takes::Choice | Takes::Number(_) => "",
        }
    }

    /// The default, as the user sees it, and what else can be put there.
    pub fn told(&self, default: &str) -> String {
        match self.takes {
            Takes::Own => "No default.".to_owned(),
            Takes::Text | Takes::Switch | Takes::Choice => format!("Default {default}."),
            Takes::Number(range) => format!("Default {default}, {}.", range.words()),
            Takes::Optional(range, absent) if default == absent => {
                format!("Default {default}, else {}.", range.words())
            }
            Takes::Optional(range, absent) => {
                format!("Default {default}, {}, or {absent}.", range.words())
            }
        }
    }
}

impl Range {
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

    /// From where to where, for a control that knows no open ends.
    pub fn span(&self) -> RangeInclusive<f64> {
        self.first..=self.last
    }

    /// The same in whole numbers.
    pub fn whole_span(&self) -> RangeInclusive<usize> {
        self.first as usize..=self.last as usize
    }

    /// Whether `value` is among the numbers.
    pub fn admits(&self, value: f64) -> bool {
        let Self {
            first,
            last,
            has_first,
            has_last,
        } = *self;
        value.is_finite()
            && (value > first || has_first && value == first)
            && (value < last || has_last && value == last)
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

    /// As the user says it.
    pub fn words(&self) -> String {
        let Self {
            first,
            last,
            has_first,
            has_last,
        } = *self;
        let above = if has_first { "" } else { "above " };
        let below = if has_last { "" } else { "below " };
        match (last.is_finite(), has_first) {
            (true, _) => format!("{above}{} to {below}{}", plain(first), plain(last)),
            (false, true) => format!("{} or more", plain(first)),
            (false, false) => format!("above {}", plain(first)),
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
        ] {
            assert_eq!(range.words(), words);
            assert!(range.admits(inside) && !range.admits(outside), "{words}");
            assert_eq!(range.fit(inside, 5.0), inside, "{words}");
            assert_eq!(range.fit(outside, 5.0), kept, "{words}");
            assert_eq!(range.fit(f64::NAN, 5.0), 5.0, "{words}");
        }
    }

    #[test]
    fn the_default_is_told_with_what_else_can_be_put_there() {
        let own = field("a", "A", "", "", "");
        for (field, default, told) in [
            (own, "x", "No default."),
            (own.switch(), "on", "Default on."),
            (own.number(Range::whole(1, 8)), "3", "Default 3, 1 to 8."),
            (
                own.optional(Range::from(1.0), "all"),
                "all",
                "Default all, else 1 or more.",
            ),
            (
                own.optional(Range::above(0.0), "off"),
                "1",
                "Default 1, above 0, or off.",
            ),
        ] {
            assert_eq!(field.told(default), told);
        }
    }
}
