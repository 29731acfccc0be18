//! Two methods of several seeds each, on the same items.

use super::comparison::{Rule, check_same};
use super::evaluation::Evaluation;
use super::statistics::{crossed_difference95, mcnemar_exact};
use crate::error::{Error, Result};

/// Two groups of evaluations of the same items.
#[derive(Debug, Clone, PartialEq)]
pub struct GroupComparison {
    /// The figure's name.
    pub figure: &'static str,
    /// Evaluations of the first group.
    pub n_before: usize,
    /// Evaluations of the second group.
    pub n_after: usize,
    /// Items of each evaluation.
    pub n_items: usize,
    /// The mean accuracy of the second group less that of the first.
    pub difference: f64,
    /// Its 95 % interval, from a bootstrap over evaluations and items.
    pub interval95: (f64, f64),
    /// Of the pairs of an evaluation of each group, the items that only the second
    /// has right.
    pub n_fixed: usize,
    /// Those that only the first has right.
    pub n_broken: usize,
    /// The p-value of McNemar's exact test on the pooled items, two-sided. It takes
    /// the items of different seeds for independent, which they are not.
    pub p_value: f64,
}

/// Compares two groups by `rule`; the evaluations of one place in both are a pair.
///
/// # Errors
/// [`Error::Spec`] with the reason where they are not all of the same items under
/// the same conditions, or where a group is empty.
pub fn compare_groups(
    before: &[&Evaluation],
    after: &[&Evaluation],
    rule: Rule,
) -> Result<GroupComparison> {
    let (Some(first), false) = (before.first(), after.is_empty()) else {
        return Err(Error::spec("comparison", tr!("a group has no evaluations")));
    };
    let mut figure = "";
    for other in before.iter().chain(after) {
        figure = check_same(first, other, rule)?;
    }
    let right = |group: &[&Evaluation]| -> Vec<Vec<bool>> {
        let of = |evaluation: &&Evaluation| {
            let records = evaluation.records.iter();
            records.map(|record| rule.is_right(record)).collect()
        };
        group.iter().map(of).collect()
    };
    let (a, b) = (right(before), right(after));
    let mean = |group: &[Vec<bool>]| {
        let n_right = group.iter().flatten().filter(|right| **right).count();
        n_right as f64 / group.iter().map(Vec::len).sum::<usize>() as f64
    };
    let pooled = a.iter().zip(&b).flat_map(|(a, b)| a.iter().zip(b));
    let n_fixed = pooled.clone().filter(|(a, b)| !**a && **b).count();
    let n_broken = pooled.filter(|(a, b)| **a && !**b).count();
    Ok(GroupComparison {
        figure,
        n_before: a.len(),
        n_after: b.len(),
        n_items: first.records.len(),
        difference: mean(&b) - mean(&a),
        interval95: crossed_difference95(&a, &b),
        n_fixed,
        n_broken,
        p_value: mcnemar_exact(n_fixed, n_broken),
    })
}

#[cfg(test)]
mod tests {
    use super::super::evaluation::{Answer, Conditions, ItemRecord};
    use super::*;
    use crate::data::{Benchmark, Protocol, Split};

    /// An evaluation from a text of ones and zeros.
    fn evaluation(right: &str) -> Evaluation {
        let record = |(idx, right): (usize, char)| ItemRecord {
            id: idx.to_string(),
            subject: None,
            prompt: String::new(),
            n_steps: None,
            answer: Answer::Chosen {
                options: vec!["a".into()],
                log_likelihoods: vec![0.0],
                gold: 0,
                chosen: Some(0),
                chosen_norm: None,
                correct_norm: None,
            },
            correct: right == '1',
        };
        Evaluation {
            conditions: Conditions {
                benchmark: Benchmark::Mmlu,
                protocol: Protocol::Mini,
                split: Split::Test,
                few_shot: 0,
                few_shot_order: None,
                leading_token: None,
                max_new_tokens: None,
                n_total: right.len(),
                left_out: Vec::new(),
            },
            records: right.chars().enumerate().map(record).collect(),
        }
    }

    fn compared(before: &[&str], after: &[&str]) -> Result<GroupComparison> {
        let made = |of: &[&str]| of.iter().map(|of| evaluation(of)).collect::<Vec<_>>();
        let (a, b) = (made(before), made(after));
        let (a, b): (Vec<_>, Vec<_>) = (a.iter().collect(), b.iter().collect());
        compare_groups(&a, &b, Rule::Headline)
    }

    #[test]
    fn pairs_are_pooled_and_means_compared() {
        let got = compared(&["1100", "1000"], &["1110", "0110", "1111"]).unwrap();
        assert_eq!((got.n_before, got.n_after, got.n_items), (2, 3, 4));
        assert!((got.difference - (9.0 / 12.0 - 3.0 / 8.0)).abs() < 1e-12);
        // 1100 to 1110: one fixed; 1000 to 0110: two fixed, one broken.
        assert_eq!((got.n_fixed, got.n_broken), (3, 1));
        assert_eq!(got.p_value, 0.625);
    }

    #[test]
    fn groups_of_other_items_and_empty_ones_are_refused() {
        let message = |of: Result<GroupComparison>| of.unwrap_err().to_string();
        let got = message(compared(&["11", "10"], &["11", "111"]));
        assert!(
            got.starts_with("comparison: different items: 2 against 3"),
            "{got}"
        );
        let got = message(compared(&["11"], &[]));
        assert_eq!(got, "comparison: a group has no evaluations");
    }
}
