//! The values that a field takes in a sweep.

use ron::value::RawValue;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::error::{Error, Result};
use crate::protocol::fields;
use crate::random::SplitMix64;

/// Values of one axis at most.
const MAX_VALUES: usize = 10_000;

/// The values of an axis.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub enum Values {
    /// These.
    List(Vec<FieldValue>),
    /// Evenly spaced, both ends included.
    Linear {
        /// The first.
        from: f64,
        /// The last.
        to: f64,
        /// How many; not used by a random search.
        #[serde(default)]
        count: usize,
    },
    /// Evenly spaced in the logarithm, both ends included.
    Log {
        /// The first, above 0.
        from: f64,
        /// The last.
        to: f64,
        /// How many; not used by a random search.
        #[serde(default)]
        count: usize,
    },
}

/// A value as it stands in a specification: a number, a choice, anything that
/// `--set` takes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FieldValue(pub String);

impl FieldValue {
    /// The number it is, also inside a choice such as `Value(0.5)`.
    pub fn number(&self) -> Option<f64> {
        let inside = self
            .0
            .split_once('(')
            .and_then(|(_, rest)| rest.strip_suffix(')'));
        let number: f64 = inside.unwrap_or(&self.0).trim().parse().ok()?;
        number.is_finite().then_some(number)
    }

    /// A number as the user writes it.
    pub fn of(number: f64, is_whole: bool) -> Self {
        if is_whole {
            return Self(format!("{:.0}", number.round()));
        }
        // Four digits tell values apart and keep names readable.
        let rounded: f64 = format!("{number:.3e}").parse().unwrap_or(number);
        let text = rounded.to_string();
        let is_float = text.contains(['.', 'e']);
        Self(if is_float { text } else { format!("{text}.0") })
    }
}

impl Serialize for FieldValue {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let raw = RawValue::from_ron(&self.0).map_err(serde::ser::Error::custom)?;
        raw.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for FieldValue {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = Box::<RawValue>::deserialize(deserializer)?;
        Ok(Self(raw.get_ron().trim().to_owned()))
    }
}

impl Values {
    /// The values, in order and each once. Those of a field of whole numbers
    /// are rounded to multiples of `step`.
    ///
    /// # Errors
    /// [`Error::Spec`] on `field` for a range without values.
    pub fn all(&self, field: &str, rounding: Rounding) -> Result<Vec<FieldValue>> {
        let (from, to, count, is_log) = match self {
            Self::List(values) if values.is_empty() => {
                return Err(Error::spec(field, tr!("has no values; list at least 1")));
            }
            Self::List(values) => {
                let mut seen = Vec::new();
                for value in values {
                    if !seen.contains(value) {
                        seen.push(value.clone());
                    }
                }
                return Ok(seen);
            }
            Self::Linear { from, to, count } => (*from, *to, *count, false),
            Self::Log { from, to, count } => (*from, *to, *count, true),
        };
        self.check(field)?;
        if !(1..=MAX_VALUES).contains(&count) {
            let reason = tr!(
                "count must be 1 to {MAX_VALUES}, is {count}",
                MAX_VALUES,
                count
            );
            return Err(Error::spec(field, reason));
        }
        let share = |idx: usize| idx as f64 / (count.max(2) - 1) as f64;
        let mut values: Vec<FieldValue> = Vec::new();
        for idx in 0..count {
            let value = rounding.round(between(from, to, share(idx), is_log));
            if values.last() != Some(&value) {
                values.push(value);
            }
        }
        Ok(values)
    }

    /// One value drawn at random.
    ///
    /// # Errors
    /// [`Error::Spec`] on `field` for a range without values.
    pub(super) fn draw(
        &self,
        field: &str,
        rounding: Rounding,
        random: &mut SplitMix64,
    ) -> Result<FieldValue> {
        self.check(field)?;
        Ok(match self {
            Self::List(values) => values[random.below(values.len())].clone(),
            Self::Linear { from, to, .. } => {
                rounding.round(between(*from, *to, random.share(), false))
            }
            Self::Log { from, to, .. } => rounding.round(between(*from, *to, random.share(), true)),
        })
    }

    fn check(&self, field: &str) -> Result<()> {
        let refuse = |reason: String| Err(Error::spec(field, reason));
        match self {
            Self::List(values) if values.is_empty() => {
                refuse(tr!("has no values; list at least 1").into())
            }
            Self::List(_) => Ok(()),
            Self::Linear { from, to, .. } | Self::Log { from, to, .. }
                if !(from.is_finite() && to.is_finite()) =>
            {
                refuse(tr!(
                    "must range over finite numbers, is {from} to {to}",
                    from,
                    to
                ))
            }
            Self::Log { from, to, .. } if *from <= 0.0 || *to <= 0.0 => refuse(tr!(
                "must range over numbers above 0 to be logarithmic, is {from} to {to}",
                from,
                to
            )),
            Self::Linear { .. } | Self::Log { .. } => Ok(()),
        }
    }
}

fn between(from: f64, to: f64, share: f64, is_log: bool) -> f64 {
    if is_log {
        (from.ln() + share * (to.ln() - from.ln())).exp()
    } else {
        from + share * (to - from)
    }
}

/// What the numbers of a range become.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rounding {
    /// Multiples of this; 0 for a field of floats.
    step: usize,
}

impl Rounding {
    /// That of a field whose present value is `present`.
    pub fn of(field: &str, present: &str) -> Self {
        let is_whole = present.parse::<u64>().is_ok();
        let step = fields::find(field).and_then(|field| field.range.step());
        Self {
            step: if is_whole {
                step.map_or(1, |step| step as usize)
            } else {
                0
            },
        }
    }

    fn round(self, number: f64) -> FieldValue {
        match self.step {
            0 => FieldValue::of(number, false),
            step => {
                let step = step as f64;
                FieldValue::of((number / step).round() * step, true)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(values: Values, present: &str, expected: &[&str]) {
        let rounding = Rounding::of("training.x", present);
        let got = values.all("training.x", rounding).unwrap();
        let got: Vec<&str> = got.iter().map(|value| value.0.as_str()).collect();
        assert_eq!(got, expected, "{values:?}");
    }

    #[test]
    fn ranges_include_both_ends() {
        let linear = |from, to, count| Values::Linear { from, to, count };
        let log = |from, to, count| Values::Log { from, to, count };
        check(linear(0.0, 1.0, 3), "0.5", &["0.0", "0.5", "1.0"]);
        check(linear(0.0, 1.0, 1), "0.5", &["0.0"]);
        check(linear(0.0, 4.0, 5), "7", &["0", "1", "2", "3", "4"]);
        // Rounded values come once.
        check(linear(0.0, 2.0, 5), "7", &["0", "1", "2"]);
        check(
            log(0.1, 1.6, 5),
            "0.5",
            &["0.1", "0.2", "0.4", "0.8", "1.6"],
        );
        check(
            log(1.0, 1e-4, 5),
            "0.5",
            &["1.0", "0.1", "0.01", "0.001", "0.0001"],
        );
        let size = "method.features.upscaled_size";
        let sizes = log(64.0, 512.0, 6)
            .all(size, Rounding::of(size, "256"))
            .unwrap();
        let sizes: Vec<usize> = sizes.iter().map(|size| size.0.parse().unwrap()).collect();
        assert_eq!((sizes[0], sizes[5]), (64, 512));
        assert!(
            sizes.iter().all(|size| size.is_multiple_of(16)),
            "{sizes:?}"
        );
    }

    #[test]
    fn numbers_are_found_inside_choices() {
        for (text, number) in [
            ("0.5", Some(0.5)),
            ("Value(2.0)", Some(2.0)),
            ("Median", None),
            ("64", Some(64.0)),
        ] {
            assert_eq!(FieldValue(text.into()).number(), number, "{text}");
        }
    }

    #[test]
    fn draws_stay_in_their_range_and_follow_the_seed() {
        let values = Values::Log {
            from: 0.01,
            to: 1.0,
            count: 0,
        };
        let rounding = Rounding::of("x", "0.5");
        let draws = |seed| {
            let mut random = SplitMix64::new(seed);
            let draw = |_| values.draw("x", rounding, &mut random).unwrap();
            let drawn: Vec<f64> = (0..200).map(draw).filter_map(|it| it.number()).collect();
            drawn
        };
        assert_eq!(draws(3), draws(3));
        assert_ne!(draws(3), draws(4));
        assert!(draws(3).iter().all(|it| (0.01..=1.0).contains(it)));
        // Half of them lie below the middle of the logarithm.
        let low = draws(3).iter().filter(|it| **it < 0.1).count();
        assert!((70..130).contains(&low), "{low}");
    }

    #[test]
    fn ranges_without_values_are_refused() {
        let message = |values: Values| {
            let rounding = Rounding::of("x", "0.5");
            values.all("x", rounding).unwrap_err().to_string()
        };
        let log = Values::Log {
            from: 0.0,
            to: 1.0,
            count: 3,
        };
        assert!(message(log).contains("above 0 to be logarithmic"));
        assert!(message(Values::List(Vec::new())).contains("at least 1"));
        let none = Values::Linear {
            from: 0.0,
            to: 1.0,
            count: 0,
        };
        assert!(message(none).contains("count must be 1 to"));
    }
}
