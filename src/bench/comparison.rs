//! Two evaluations item by item: what the second got right that the first had
//! not, what it lost, and whether that is more than chance.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use super::accuracy::Accuracy;
use super::evaluation::{Answer, Conditions, Evaluation, ItemRecord};
use super::statistics::{bootstrap_difference95, mcnemar_exact};
use crate::error::{Error, Result};

/// By which figure an item counts as right.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub enum Rule {
    /// The one that stands for the evaluation.
    #[default]
    Headline,
    /// The second one.
    Secondary,
}

/// What became of an item from the first evaluation to the second.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Change {
    /// Wrong, then right.
    Fixed,
    /// Right, then wrong.
    Broken,
    /// Right in both.
    BothRight,
    /// Wrong in both.
    BothWrong,
}

/// Two evaluations of the same items.
#[derive(Debug, Clone, PartialEq)]
pub struct Comparison {
    /// The figure's name.
    pub figure: &'static str,
    /// The figure of the first evaluation.
    pub before: Accuracy,
    /// The figure of the second.
    pub after: Accuracy,
    /// What became of each item, in their order.
    pub changes: Vec<Change>,
    /// The 95 % bootstrap interval of the difference.
    pub interval95: (f64, f64),
    /// The p-value of McNemar's exact test, two-sided.
    pub p_value: f64,
}

impl Rule {
    /// The rules that the evaluation of `conditions` has.
    pub fn of(conditions: &Conditions) -> Vec<Self> {
        match conditions.secondary() {
            Some(_) => vec![Self::Headline, Self::Secondary],
            None => vec![Self::Headline],
        }
    }

    /// The figure's name; none where the benchmark has no second one.
    pub fn figure(self, conditions: &Conditions) -> Option<&'static str> {
        match self {
            Self::Headline => Some(conditions.headline()),
            Self::Secondary => conditions.secondary(),
        }
    }

    /// Whether the item is right by it.
    pub fn is_right(self, record: &ItemRecord) -> bool {
        match self {
            Self::Headline => record.correct,
            Self::Secondary => record.correct_secondary() == Some(true),
        }
    }
}

impl Change {
    /// Every change, the telling ones first.
    pub const ALL: [Self; 4] = [Self::Fixed, Self::Broken, Self::BothRight, Self::BothWrong];

    fn of(before: bool, after: bool) -> Self {
        match (before, after) {
            (false, true) => Self::Fixed,
            (true, false) => Self::Broken,
            (true, true) => Self::BothRight,
            (false, false) => Self::BothWrong,
        }
    }

    /// In words.
    pub fn name(self) -> &'static str {
        match self {
            Self::Fixed => mark!("fixed"),
            Self::Broken => mark!("broken"),
            Self::BothRight => mark!("correct in both"),
            Self::BothWrong => mark!("wrong in both"),
        }
    }
}

impl Comparison {
    /// How many items became what.
    pub fn count(&self, change: Change) -> usize {
        self.changes.iter().filter(|of| **of == change).count()
    }

    /// The second figure less the first.
    pub fn difference(&self) -> f64 {
        self.after.value() - self.before.value()
    }
}

/// Compares two evaluations by `rule`.
///
/// # Errors
/// [`Error::Spec`] with the reason where they are not of the same items under
/// the same conditions, or where the benchmark has no such figure.
pub fn compare(before: &Evaluation, after: &Evaluation, rule: Rule) -> Result<Comparison> {
    let figure = check_same(before, after, rule)?;
    let right = |records: &[ItemRecord]| Accuracy::of(records.iter().map(|r| rule.is_right(r)));
    let pairs = before.records.iter().zip(&after.records);
    let changes: Vec<Change> = pairs
        .map(|(a, b)| Change::of(rule.is_right(a), rule.is_right(b)))
        .collect();
    let count = |change| changes.iter().filter(|of| **of == change).count();
    let (n_fixed, n_broken) = (count(Change::Fixed), count(Change::Broken));
    Ok(Comparison {
        figure,
        before: right(&before.records),
        after: right(&after.records),
        interval95: bootstrap_difference95(n_fixed, n_broken, changes.len()),
        p_value: mcnemar_exact(n_fixed, n_broken),
        changes,
    })
}

/// The figure's name, where both are of the same items under the same conditions.
///
/// # Errors
/// As [`compare`].
pub(super) fn check_same(
    before: &Evaluation,
    after: &Evaluation,
    rule: Rule,
) -> Result<&'static str> {
    check_conditions(&before.conditions, &after.conditions)?;
    let refuse = |reason: String| Error::spec("comparison", reason);
    let figure = rule.figure(&before.conditions).ok_or_else(|| {
        let name = before.name();
        refuse(tr!("{name} has only one accuracy", name))
    })?;
    let (n_before, n_after) = (before.records.len(), after.records.len());
    let pairs = before.records.iter().zip(&after.records);
    for (idx, (a, b)) in pairs.enumerate() {
        if a.id != b.id {
            let reason = tr!(
                "different items: number {} is {} in one and {} in the other",
                idx + 1,
                a.id,
                b.id
            );
            return Err(refuse(reason));
        }
        if let Some(what) = difference_of_item(a, b) {
            return Err(refuse(tr!(
                "item {} has {what} in one and in the other",
                a.id,
                what
            )));
        }
    }
    if n_before != n_after {
        let reason = tr!(
            "different items: {n_before} against {n_after}; score both on the same items, or \
             compare the items that both have with --common",
            n_before,
            n_after
        );
        return Err(refuse(reason));
    }
    if n_before == 0 {
        return Err(refuse(tr!("there are no items").into()));
    }
    Ok(figure)
}

/// The items that both evaluations have, in the order of the first.
pub fn common_items(a: &Evaluation, b: &Evaluation) -> (Evaluation, Evaluation) {
    let of_b: HashMap<&str, &ItemRecord> = b.records.iter().map(|r| (r.id.as_str(), r)).collect();
    let pairs = a.records.iter().filter_map(|record| {
        let other = of_b.get(record.id.as_str())?;
        Some((record.clone(), (*other).clone()))
    });
    let (of_a, of_b): (Vec<_>, Vec<_>) = pairs.unzip();
    let with = |evaluation: &Evaluation, records| Evaluation {
        conditions: evaluation.conditions.clone(),
        records,
    };
    (with(a, of_a), with(b, of_b))
}

/// The first of the conditions that differs, as an error.
fn check_conditions(a: &Conditions, b: &Conditions) -> Result<()> {
    let what = if a.benchmark != b.benchmark {
        tr!("benchmarks")
    } else if a.protocol != b.protocol {
        tr!("rules and prompts")
    } else if a.split != b.split {
        tr!("splits")
    } else if a.has_other_examples(b) {
        tr!("prompts")
    } else if a.max_new_tokens != b.max_new_tokens {
        tr!("lengths of answers")
    } else if a.has_other_leading_token(b) {
        let reason = tr!(
            "different leading tokens: {a} against {b}; score both in one form with gosling eval \
             --leading-token",
            a,
            b
        );
        return Err(Error::spec("comparison", reason));
    } else {
        return Ok(());
    };
    let reason = tr!("different {what}: {a} against {b}", what, a, b);
    Err(Error::spec("comparison", reason))
}

/// What two records of one id do not share though they should.
fn difference_of_item(a: &ItemRecord, b: &ItemRecord) -> Option<&'static str> {
    if a.prompt != b.prompt {
        return Some(tr!("different prompts"));
    }
    let is_same = match (&a.answer, &b.answer) {
        (Answer::Written { gold: a, .. }, Answer::Written { gold: b, .. }) => a == b,
        (
            Answer::Chosen {
                options: options_a,
                gold: gold_a,
                ..
            },
            Answer::Chosen {
                options: options_b,
                gold: gold_b,
                ..
            },
        ) => options_a == options_b && gold_a == gold_b,
        (Answer::Written { .. }, Answer::Chosen { .. })
        | (Answer::Chosen { .. }, Answer::Written { .. }) => false,
    };
    (!is_same).then_some(tr!("different answer options"))
}

#[cfg(test)]
mod tests;
