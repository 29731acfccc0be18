//! The figures of an adaptation as a table.

use crate::adapt::job::Summary;
use crate::adapt::outcome::{Kind, Outcome};
use crate::adapt::spec::{AdaptSpec, GuideSpec};
use crate::bench::Accuracy;
use crate::report::{Cell, Table};

const COLUMNS: [&str; 9] = [
    "what",
    "kind",
    "accuracy",
    "tokens a question",
    "guide tokens a question",
    "with an answer",
    "fixed",
    "broken",
    "p",
];

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
    if let Some(verdict) = &summary.verdict {
        table.notes.push(verdict.sentence.clone());
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
        Cell::number(outcome.cost.guide as f64 / n, 0),
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
