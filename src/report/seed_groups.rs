//! Runs that differ in their seed alone, as one row of a comparison.

use super::contender::{Contender, p_value, shares, without_seed};
use super::{Cell, Estimate};
use crate::bench::{
    Accuracy, Evaluation, GroupComparison, MeanInterval, Rule, common_items, compare_groups,
    share_interval95,
};
use crate::error::Result;
use crate::protocol::run_spec::RunSpec;

/// Contenders whose runs differ in their seed alone, each group in the order of its
/// seeds, that of the first contender first. No groups where every run has one seed.
pub(super) fn seed_groups(contenders: &[Contender]) -> Vec<Vec<&Contender>> {
    let mut groups: Vec<(Option<RunSpec>, Vec<&Contender>)> = Vec::new();
    for contender in contenders {
        let spec = contender.spec.as_ref().map(without_seed);
        let known = groups
            .iter_mut()
            .find(|(of, _)| of.is_some() && *of == spec && is_alike(contender, contenders));
        match known {
            Some((_, members)) => members.push(contender),
            None => groups.push((spec, vec![contender])),
        }
    }
    let mut groups: Vec<Vec<&Contender>> = groups.into_iter().map(|(_, of)| of).collect();
    if groups.iter().all(|members| members.len() < 2) {
        return Vec::new();
    }
    for members in &mut groups {
        members.sort_by_key(|of| of.spec.as_ref().map(|spec| spec.training.seed));
    }
    groups
}

/// A run of which two evaluations are compared, untuned and tuned, is no group.
fn is_alike(contender: &Contender, contenders: &[Contender]) -> bool {
    contenders
        .iter()
        .all(|other| other.file.scored.is_tuned == contender.file.scored.is_tuned)
}

/// A row for each group of several seeds, and for every group that is compared with
/// a first one of several.
///
/// # Errors
/// The reason why the items of two groups do not compare.
pub(super) fn group_rows(
    groups: &[Vec<&Contender>],
    rule: Rule,
    common: bool,
) -> Result<Vec<Vec<Cell>>> {
    let Some((first, others)) = groups.split_first() else {
        return Ok(Vec::new());
    };
    let has_several = |of: &&Vec<&Contender>| of.len() > 1 || first.len() > 1;
    let mut rows = Vec::new();
    if first.len() > 1 {
        rows.extend(row(first, rule, None));
    }
    for other in others.iter().filter(has_several) {
        let compared = compared(first, other, rule, common)?;
        rows.extend(row(other, rule, Some(&compared)));
    }
    Ok(rows)
}

fn compared(
    first: &[&Contender],
    other: &[&Contender],
    rule: Rule,
    common: bool,
) -> Result<GroupComparison> {
    let of = |group: &[&Contender]| -> Vec<Evaluation> {
        let one = |of: &&Contender| match common {
            // Every run of both has all of them then.
            true => [first, other]
                .concat()
                .iter()
                .fold(of.evaluation().clone(), |kept, against| {
                    common_items(&kept, against.evaluation()).0
                }),
            false => of.evaluation().clone(),
        };
        group.iter().map(one).collect()
    };
    let (a, b) = (of(first), of(other));
    let (a, b): (Vec<_>, Vec<_>) = (a.iter().collect(), b.iter().collect());
    compare_groups(&a, &b, rule)
}

fn row(group: &[&Contender], rule: Rule, compared: Option<&GroupComparison>) -> Option<Vec<Cell>> {
    let first = group.first()?;
    let accuracies = group.iter().map(|contender| {
        let records = &contender.evaluation().records;
        Accuracy::of(records.iter().map(|record| rule.is_right(record))).value()
    });
    let MeanInterval {
        mean, low, high, n, ..
    } = share_interval95(&accuracies.collect::<Vec<_>>())?;
    let figure = rule.figure(&first.evaluation().conditions)?;
    let mean = Estimate {
        value: mean,
        low,
        high,
        n,
        n_total: n,
        is_difference: false,
    };
    let s = if n == 1 { "" } else { "s" };
    let mut cells = vec![
        Cell::text(format!("mean of {n} seed{s} of {}", first.name)),
        Cell::text(figure),
        match n {
            // One value says nothing of the spread.
            1 => Cell::number(mean.value, 3),
            _ => mean.into(),
        },
    ];
    cells.extend(mean_shares(group));
    match compared {
        None => cells.extend([Cell::Empty, Cell::Empty, Cell::Empty, Cell::Empty]),
        Some(of) => {
            let (low, high) = of.interval95;
            let difference = Estimate {
                value: of.difference,
                low,
                high,
                n: of.n_items,
                n_total: of.n_items,
                is_difference: true,
            };
            cells.extend([
                difference.into(),
                Cell::Count(of.n_fixed as u64),
                Cell::Count(of.n_broken as u64),
                p_value(of.p_value),
            ]);
        }
    }
    Some(cells)
}

/// The means of the shares of single rows; nothing known where one does not say.
fn mean_shares(group: &[&Contender]) -> Vec<Cell> {
    let rows: Vec<Vec<Cell>> = group.iter().map(|of| shares(of)).collect();
    let n_columns = rows.first().map_or(0, Vec::len);
    let mean = |column: usize| {
        let value = |row: &Vec<Cell>| match row.get(column)? {
            Cell::Number { value, .. } => Some(*value),
            Cell::Empty
            | Cell::Text(_)
            | Cell::Count(_)
            | Cell::Scientific(_)
            | Cell::Estimate(_) => None,
        };
        let values: Option<Vec<f64>> = rows.iter().map(value).collect();
        values.map_or(Cell::Empty, |values| {
            Cell::number(values.iter().sum::<f64>() / values.len() as f64, 3)
        })
    };
    (0..n_columns).map(mean).collect()
}

#[cfg(test)]
mod tests {
    use super::super::TableFormat;
    use super::super::compared::compared;
    use super::*;
    use crate::bench::{Answer, Conditions, ItemRecord};
    use crate::data::{Benchmark, Protocol, Split};
    use crate::persist::evaluation_file::{EvaluationFile, Scored};

    /// A run of a rate and a seed whose items are right where there is a 1; those that
    /// are not were cut off.
    fn contender(rate: f64, seed: u64, right: &str) -> Contender {
        let mut spec = RunSpec::default();
        spec.training.learning_rate = rate;
        spec.training.seed = seed;
        let record = |(idx, c): (usize, char)| ItemRecord {
            id: idx.to_string(),
            subject: None,
            prompt: String::new(),
            n_steps: Some(1),
            answer: Answer::Written {
                output: String::new(),
                extracted: "[invalid]".into(),
                extracted_flexible: String::new(),
                gold: "1".into(),
                correct_flexible: false,
                ended: Some(c == '1'),
            },
            correct: c == '1',
        };
        Contender {
            name: format!("r{rate}-s{seed}"),
            spec: Some(spec),
            file: EvaluationFile {
                path: "after.jsonl".into(),
                scored: Scored {
                    model: "m".into(),
                    fingerprint: "f".into(),
                    start: "x".into(),
                    is_tuned: true,
                    secs: 1.0,
                },
                evaluation: Evaluation {
                    conditions: Conditions {
                        benchmark: Benchmark::Gsm8k,
                        protocol: Protocol::Mini,
                        split: Split::Test,
                        few_shot: 0,
                        few_shot_order: None,
                        leading_token: None,
                        max_new_tokens: Some(140),
                        n_total: right.len(),
                        left_out: Vec::new(),
                    },
                    records: right.chars().enumerate().map(record).collect(),
                },
            },
        }
    }

    /// The row of that name and the headline figure, as text.
    fn row(contenders: &[Contender], n_first: Option<usize>, name: &str) -> Option<Vec<Cell>> {
        let table = compared(contenders, false, n_first).unwrap();
        assert!(table.render(TableFormat::Markdown).contains("ended"));
        let named = |row: &&Vec<Cell>| row[0] == Cell::text(name) && row[1] == Cell::text("strict");
        table.rows.iter().find(named).cloned()
    }

    #[test]
    fn runs_of_several_seeds_are_compared_with_those_of_the_first() {
        // Out of the order of their seeds, which pair by it.
        let all = [
            contender(0.1, 0, "1100"),
            contender(0.8, 1, "1111"),
            contender(0.8, 0, "1110"),
            contender(0.1, 1, "1000"),
        ];
        assert_eq!(
            row(&all, None, "mean of 2 seeds of r0.1-s0").unwrap()[5],
            Cell::Empty
        );
        let cells = row(&all, None, "mean of 2 seeds of r0.8-s0").unwrap();
        let Cell::Estimate(difference) = &cells[5] else {
            panic!("{cells:?}");
        };
        assert_eq!((difference.value, difference.n), (0.5, 4));
        assert!(
            difference.low < 0.5 && difference.high > 0.5,
            "{difference:?}"
        );
        assert_eq!(cells[3..5], [Cell::number(0.875, 3), Cell::number(0.0, 3)]);
        // 1100 to 1110 and 1000 to 1111.
        assert_eq!(cells[6..8], [Cell::Count(4), Cell::Count(0)]);
        assert_eq!(cells[8], Cell::number(0.125, 3));
    }

    #[test]
    fn groups_can_be_named_and_single_runs_are_none() {
        let all = [
            contender(0.1, 0, "1100"),
            contender(0.2, 0, "1000"),
            contender(0.8, 0, "1111"),
        ];
        assert_eq!(row(&all, None, "mean of 2 seeds of r0.1-s0"), None);
        let cells = row(&all, Some(2), "mean of 1 seed of r0.8-s0").unwrap();
        let Cell::Estimate(difference) = &cells[5] else {
            panic!("{cells:?}");
        };
        assert_eq!(difference.value, 0.625);
    }
}
