//! Runs that differ in their seed alone, as one row of a comparison.

use super::compared::{Contender, p_value, shares, without_seed};
use super::{Cell, Estimate};
use crate::bench::{
    Accuracy, Evaluation, GroupComparison, MeanInterval, Rule, common_items, compare_groups,
    mean_interval95,
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
    } = mean_interval95(&accuracies.collect::<Vec<_>>())?;
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
