//! The figures of an adaptation as a table.

use std::io::Write as _;
use std::path::Path;

use crate::adapt::job::Summary;
use crate::adapt::outcome::{Kind, Outcome, verdict};
use crate::adapt::spec::{AdaptSpec, GuideSpec};
use crate::atomic::write_atomic;
use crate::bench::Accuracy;
use crate::error::Result;
use crate::language::in_english;
use crate::report::{Cell, Table, TableFormat};

const COLUMNS: [&str; 12] = [
    "what",
    "kind",
    "accuracy",
    "tokens a question",
    "forward tokens a question",
    "trained tokens a question",
    "guide tokens a question",
    "seconds",
    "with an answer",
    "fixed",
    "broken",
    "p",
];

/// Writes a table in every format beside each other; the `.csv`, whose name is
/// `stem.csv`, last.
///
/// # Errors
/// [`crate::Error::Io`].
pub(super) fn write_all(table: &Table, folder: &Path, stem: &str) -> Result<()> {
    let write = |of: TableFormat| table.write(folder.join(format!("{stem}.{}", of.extension())));
    let others = TableFormat::ALL.into_iter();
    others
        .filter(|of| *of != TableFormat::Csv)
        .try_for_each(write)?;
    write(TableFormat::Csv)
}

/// Writes a table as JSON lines, an object a row.
///
/// # Errors
/// [`crate::Error::Io`].
pub(super) fn write_lines(table: &Table, file: &Path) -> Result<()> {
    write_atomic(file, |writer| writer.write_all(lines(table).as_bytes()))
}

/// A row a line.
fn lines(table: &Table) -> String {
    let text = table.render(TableFormat::Json);
    let rows: Vec<serde_json::Value> = serde_json::from_str(&text).unwrap_or_default();
    rows.iter().map(|row| format!("{row}\n")).collect()
}

/// One row a figure; what each fixes and breaks is counted against the base.
pub(super) fn table(spec: &AdaptSpec, summary: &Summary) -> Table {
    let task = match spec.task.data {
        None => spec.task.benchmark.mini_name(),
        Some(_) => spec.task.benchmark.name(),
    };
    let mut title = format!("{task}, {}", spec.task.split);
    if let Some(guide) = &spec.guide {
        title += &format!(", {}", guide.name());
    }
    let mut table = Table::new(title, COLUMNS);
    let base = summary.outcomes.iter().find(|of| of.kind == Kind::Base);
    for outcome in &summary.outcomes {
        table.push(row(outcome, base));
        for (name, accuracy) in &outcome.parts {
            table.push(part(name, *accuracy));
        }
    }
    for outcome in &summary.outcomes {
        for note in &outcome.notes {
            table.notes.push(format!("{}: {note}", outcome.name));
        }
    }
    // A table is the same in every language.
    if summary.verdict.is_some() {
        let verdict = in_english(|| verdict(&summary.outcomes));
        table.notes.extend(verdict.map(|of| of.sentence));
    }
    if !spec.baselines.measure {
        let note = "no baseline was measured, so that nothing is said of a gain";
        table.notes.push(note.into());
    }
    if let Some(GuideSpec::Simulated { .. }) = spec.guide {
        let note = "the guide is simulated from the labels, so these results are not evidence";
        table.notes.push(note.into());
    }
    table
}

fn row(outcome: &Outcome, base: Option<&Outcome>) -> [Cell; COLUMNS.len()] {
    let n = outcome.right.len().max(1) as f64;
    let against = base.filter(|_| outcome.kind != Kind::Base);
    let against = against.map(|base| outcome.against(base));
    let [fixed, broken, p] = match against {
        Some((fixed, broken, p)) => [
            Cell::Count(fixed as u64),
            Cell::Count(broken as u64),
            Cell::Scientific(p),
        ],
        None => [Cell::Empty, Cell::Empty, Cell::Empty],
    };
    let kind = match outcome.kind {
        Kind::Base => "base",
        Kind::Adapted => "adapted",
        Kind::Baseline => "baseline",
        Kind::Guide => "guide",
        Kind::Ceiling => "ceiling",
    };
    [
        Cell::text(&outcome.name),
        Cell::text(kind),
        Cell::Estimate(outcome.accuracy().into()),
        Cell::number(outcome.tokens(), 0),
        Cell::number(outcome.cost.forward as f64 / n, 0),
        Cell::number(outcome.cost.trained as f64 / n, 0),
        Cell::number(outcome.cost.guide as f64 / n, 0),
        Cell::number(outcome.secs, 1),
        Cell::number(outcome.valid, 3),
        fixed,
        broken,
        p,
    ]
}

/// A figure of a part of the questions of the row above.
fn part(name: &str, accuracy: Accuracy) -> [Cell; COLUMNS.len()] {
    let mut cells = [const { Cell::Empty }; COLUMNS.len()];
    cells[0] = Cell::text(format!("  {name}"));
    cells[2] = Cell::Estimate(accuracy.into());
    cells
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_is_written_in_every_format_and_as_lines() {
        let mut table = Table::new("title", ["rate", "adapted"]);
        for rate in ["0.1", "0.2"] {
            let accuracy = Accuracy::of([true, false]);
            table.push([Cell::text(rate), Cell::Estimate(accuracy.into())]);
        }
        let folder = tempfile::tempdir().unwrap();
        write_all(&table, folder.path(), "over").unwrap();
        for extension in ["csv", "md", "tex", "json", "txt"] {
            let file = folder.path().join(format!("over.{extension}"));
            let text = std::fs::read_to_string(&file).unwrap();
            assert!(text.contains("0.1") && text.contains("0.2"), "{extension}");
        }
        let file = folder.path().join("over.jsonl");
        write_lines(&table, &file).unwrap();
        let text = std::fs::read_to_string(&file).unwrap();
        let rows: Vec<serde_json::Value> = text
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        assert_eq!(rows.len(), 2);
        assert_eq!(rows[1]["rate"], "0.2");
        assert_eq!(rows[0]["adapted"], 0.5);
    }
}
