//! The settings in which runs differ.

use crate::protocol::fields;
use crate::protocol::fields::field::Field;
use crate::protocol::run_spec::RunSpec;

/// What stands where a run has no such field.
const ABSENT: &str = "–";

/// A setting that is not the same in all of some runs.
#[derive(Debug, Clone)]
pub struct Difference {
    /// The field.
    pub field: &'static Field,
    /// Its value in each run, as the form shows it; "–" where the run has no such
    /// field.
    pub values: Vec<String>,
}

/// The settings in which `specs` differ, in the order of the fields.
pub fn spec_difference(specs: &[&RunSpec]) -> Vec<Difference> {
    let mut specs: Vec<RunSpec> = specs.iter().map(|spec| (*spec).clone()).collect();
    let mut values = |field: &Field| -> Vec<String> {
        let values = specs.iter_mut().map(|spec| field.words(spec));
        values
            .map(|value| value.unwrap_or_else(|| ABSENT.to_owned()))
            .collect()
    };
    let all = fields::all().map(|field| Difference {
        field,
        values: values(field),
    });
    all.filter(|of| of.values.windows(2).any(|pair| pair[0] != pair[1]))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tuning::spec::{Method, MethodKind};

    #[test]
    fn only_what_differs_is_told() {
        let a = RunSpec::default();
        let mut b = a.clone();
        assert!(spec_difference(&[&a, &b]).is_empty());
        b.training.learning_rate = 0.25;
        b.training.seed = 7;
        let mut c = b.clone();
        c.method = Method::Base;
        let mut d = b.clone();
        d.method = MethodKind::Decorrelated.by_default();
        let told = |specs: &[&RunSpec]| -> Vec<(String, Vec<String>)> {
            let differences = spec_difference(specs).into_iter();
            let named = differences.map(|it| (it.field.name(), it.values));
            named.collect()
        };
        let of = |values: &[&str]| values.iter().map(|it| (*it).to_owned()).collect();
        let rate = a.training.learning_rate.to_string();
        assert_eq!(
            told(&[&a, &b, &c]),
            [
                (
                    "Method".into(),
                    of(&["Standard", "Standard", "Base, untuned"])
                ),
                ("Layers".into(), of(&["All", "All", "–"])),
                ("Start state".into(), of(&["Zero", "Zero", "–"])),
                ("Trained parts".into(), of(&["S₀", "S₀", "–"])),
                ("Learning rate η".into(), of(&[&rate, "0.25", "0.25"])),
                ("Seed".into(), of(&["0", "7", "7"])),
            ]
        );
        let lifted = told(&[&a, &d]);
        let rule = ("Decorrelation rule".into(), of(&["–", "Local rule"]));
        assert!(lifted.contains(&rule), "{lifted:?}");
    }
}
