//! Evaluations of several runs side by side: each against the first, and runs
//! that differ in their seed alone as one.

use std::path::{Path, PathBuf};

use super::contender::{Contender, p_value, shares};
use super::seed_groups::{group_rows, seed_groups};
use crate::bench::{Accuracy, Change, Comparison, Reported, Rule, common_items, compare};
use crate::data::Protocol;
use crate::error::{Error, Result};
use crate::model::checkpoint::is_same_content;
use crate::report::{Cell, Estimate, Table};

/// The files of the evaluations in a run's folder, sorted by name; none where it
/// has none yet.
///
/// # Errors
/// [`Error::Io`] where the folder cannot be listed.
pub fn evaluations_of(folder: &Path) -> Result<Vec<PathBuf>> {
    let folder = folder.join("eval");
    let entries = match std::fs::read_dir(&folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(Error::io("list", &folder, error)),
    };
    let paths = entries.filter_map(|entry| Some(entry.ok()?.path()));
    let mut files: Vec<PathBuf> = paths
        .filter(|path| {
            path.extension()
                .is_some_and(|extension| extension == "jsonl")
        })
        .collect();
    files.sort();
    Ok(files)
}

/// Compares every contender with the first, by every figure that there is.
///
/// # Errors
/// The reason why one does not compare, with its name. With `common`, items that
/// are not in both are left aside instead. Contenders whose runs differ in their
/// seed alone are a group; where `n_first` is given, so many are one and the others
/// the other.
pub fn compared(contenders: &[Contender], common: bool, n_first: Option<usize>) -> Result<Table> {
    let Some((first, others)) = contenders.split_first() else {
        return Err(Error::spec(
            "comparison",
            tr!("there is nothing to compare"),
        ));
    };
    let conditions = &first.evaluation().conditions;
    let mut columns = vec!["name", "figure", "accuracy"];
    if conditions.has_written_answers() {
        columns.extend(["ended", "extracted"]);
    }
    columns.extend(["difference", "fixed", "broken", "p"]);
    let mut table = Table::new(format!("{conditions}, against {}", first.name), columns);
    let n_total = conditions.n_total;
    let groups = match n_first.and_then(|n| contenders.split_at_checked(n)) {
        Some((one, other)) => vec![one.iter().collect(), other.iter().collect()],
        None => seed_groups(contenders),
    };
    for rule in Rule::of(conditions) {
        let figure = rule.figure(conditions).unwrap_or_default();
        let baseline = Accuracy::of(first.evaluation().records.iter().map(|r| rule.is_right(r)));
        let baseline = of_part(baseline.into(), n_total);
        let mut cells = vec![Cell::text(&first.name), Cell::text(figure), baseline.into()];
        cells.extend(shares(first));
        cells.extend([Cell::Empty, Cell::Empty, Cell::Empty, Cell::Empty]);
        table.push(cells);
        for other in others {
            let comparison = against(first, other, rule, common)?;
            table.push(row(other, &comparison, n_total));
        }
        for row in group_rows(&groups, rule, common)? {
            table.push(row);
        }
    }
    table.notes = notes(contenders, first, !groups.is_empty());
    Ok(table)
}

/// Compares two contenders.
///
/// # Errors
/// As [`compare`], with both names.
pub fn against(
    first: &Contender,
    other: &Contender,
    rule: Rule,
    common: bool,
) -> Result<Comparison> {
    let (a, b) = (first.evaluation(), other.evaluation());
    let compared = if common {
        let (a, b) = common_items(a, b);
        compare(&a, &b, rule)
    } else {
        compare(a, b, rule)
    };
    compared.map_err(|error| match error {
        Error::Spec { field, reason } => Error::spec(
            field,
            tr!("{} and {}: {reason}", first.name, other.name, reason),
        ),
        other @ (Error::Input { .. }
        | Error::Changed { .. }
        | Error::Io { .. }
        | Error::Device(_)
        | Error::Stopped) => other,
    })
}

fn of_part(estimate: Estimate, n_total: usize) -> Estimate {
    Estimate {
        n_total: n_total.max(estimate.n),
        ..estimate
    }
}

fn row(of: &Contender, comparison: &Comparison, n_total: usize) -> Vec<Cell> {
    let (low, high) = comparison.interval95;
    let difference = Estimate {
        value: comparison.difference(),
        low,
        high,
        n: comparison.after.n_items,
        n_total,
        is_difference: true,
    };
    let mut cells = vec![
        Cell::text(&of.name),
        Cell::text(comparison.figure),
        of_part(comparison.after.into(), n_total).into(),
    ];
    cells.extend(shares(of));
    cells.extend([
        of_part(difference, n_total).into(),
        Cell::Count(comparison.count(Change::Fixed) as u64),
        Cell::Count(comparison.count(Change::Broken) as u64),
        p_value(comparison.p_value),
    ]);
    cells
}

fn notes(contenders: &[Contender], first: &Contender, has_groups: bool) -> Vec<String> {
    let mut notes = vec![
        "accuracy with its 95% interval (Wilson); difference to the first with its 95% bootstrap \
         interval over items; p of McNemar's exact test, two-sided"
            .to_owned(),
    ];
    if has_groups {
        notes.push(
            "a mean of seeds has the 95% interval of Student's t over seeds, on the logit scale, \
             and their number as n; its difference is to the mean of the first's seeds, with the 95% interval of \
             a bootstrap over seeds and items; fixed, broken and p are of the items of all pairs \
             of seeds, which p takes for independent, so that the interval is what to go by"
                .into(),
        );
    }
    if first.evaluation().conditions.has_written_answers() {
        notes.push(
            "ended: the share of answers that the model ended, the others were cut off; \
             extracted: the share from which an answer could be read"
                .into(),
        );
    }
    let conditions = &first.evaluation().conditions;
    let n_scored = first.evaluation().records.len();
    if n_scored < conditions.n_total {
        notes.push(format!(
            "a part of the split: {n_scored} of {} items",
            conditions.n_total
        ));
    }
    for contender in contenders {
        let n_left_out = contender.evaluation().conditions.left_out.len();
        if n_left_out > 0 {
            notes.push(format!(
                "{}: {n_left_out} items exceed the context",
                contender.name
            ));
        }
        let (own, of_first) = (&contender.file.scored, &first.file.scored);
        if !is_same_content(&own.fingerprint, &of_first.fingerprint) {
            let (a, b) = (&of_first.model, &own.model);
            notes.push(format!(
                "{}: another model, {b} and not {a}",
                contender.name
            ));
        }
    }
    notes
}

/// What the paper reports for the benchmark, in a table of its own; none for the
/// mini benchmarks and where its figures are not known.
pub fn reported(contender: &Contender) -> Option<Table> {
    let conditions = &contender.evaluation().conditions;
    if conditions.protocol == Protocol::Mini {
        return None;
    }
    let Reported {
        benchmark,
        untuned,
        best,
    } = Reported::of(conditions.benchmark)?;
    let (untuned, best) = ((*untuned)?, (*best)?);
    let title = "reported by arXiv 2504.05097, not measured here";
    let mut table = Table::new(title, ["benchmark", "untuned, %", "best, %"]);
    table.push([
        Cell::text(benchmark.title()),
        Cell::number(untuned, 1),
        Cell::number(best, 1),
    ]);
    table.notes = vec!["for a model that is not public, without prompts, n or intervals".into()];
    Some(table)
}
