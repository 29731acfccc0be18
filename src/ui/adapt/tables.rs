//! What the charts of an adaptation are drawn of, as tables, and of what their numbers
//! are.

use super::reading::ShownAdaptation;
use crate::adapt::adaptation::Point;
use crate::adapt::outcome::Kind;
use crate::language;
use crate::report::{Cell, Table};

/// Digits behind the point of what is seen of the steps.
const DIGITS: usize = 6;

/// Benchmark, split and items.
pub(super) fn of_words(shown: &ShownAdaptation) -> String {
    let task = &shown.spec.task;
    let benchmark = match task.data {
        None => task.benchmark.mini_name(),
        Some(_) => task.benchmark.name(),
    };
    let split = task.split.name().to_lowercase();
    match shown.outcomes.first() {
        Some(of) => tr!(
            "{benchmark}, {split} split, n = {} items",
            of.right.len(),
            benchmark,
            split
        ),
        None => tr!("{benchmark}, {split} split", benchmark, split),
    }
}

/// Every figure: accuracy, cost, and what is right or wrong in place of the base.
pub(super) fn figures_table(shown: &ShownAdaptation) -> Table {
    let title = tr!("Accuracy and cost, {}", of_words(shown));
    let columns = [
        tr!("name"),
        tr!("kind"),
        tr!("accuracy"),
        tr!("tokens per question"),
        tr!("fixed"),
        tr!("broken"),
        "p",
    ];
    let mut table = Table::new(title, columns);
    let base = shown.outcomes.iter().find(|of| of.kind == Kind::Base);
    for outcome in &shown.outcomes {
        let base = base.filter(|_| outcome.kind != Kind::Base);
        let [fixed, broken, p] = match base.map(|base| outcome.against(base)) {
            Some((fixed, broken, p)) => [
                Cell::Count(fixed as u64),
                Cell::Count(broken as u64),
                Cell::Scientific(p),
            ],
            None => [Cell::Empty, Cell::Empty, Cell::Empty],
        };
        table.push([
            Cell::text(&outcome.name),
            Cell::text(kind_words(outcome.kind)),
            outcome.accuracy().into(),
            Cell::number(outcome.tokens(), 1),
            fixed,
            broken,
            p,
        ]);
    }
    table.notes.push(
        tr!("Shares of correct answers with the 95% interval (Wilson); fixed and broken against the base, with McNemar's exact p.").into(),
    );
    table
}

/// What a figure is of.
pub(super) fn kind_words(kind: Kind) -> &'static str {
    match kind {
        Kind::Base => tr!("base"),
        Kind::Adapted => tr!("adapted"),
        Kind::Baseline => tr!("without a step"),
        Kind::Guide => tr!("guide"),
        Kind::Ceiling => tr!("ceiling, no method"),
    }
}

/// A number of the steps by its name.
pub(super) type Curve<'a> = (&'a str, fn(&Point) -> Option<f64>);

/// What is seen of the steps: a row for each, a column for each number of `curves` that
/// some step has.
pub(super) fn steps_table(shown: &ShownAdaptation, curves: &[Curve<'_>]) -> Table {
    let points = &shown.points;
    let known = |of: &fn(&Point) -> Option<f64>| points.iter().any(|point| of(point).is_some());
    let curves: Vec<_> = curves.iter().filter(|(_, of)| known(of)).collect();
    let names = curves
        .iter()
        .map(|(name, _)| language::text(name).to_lowercase());
    let title = tr!("Steps of the adaptation, {}", of_words(shown));
    let step = tr!("step").to_owned();
    let mut table = Table::new(title, [step].into_iter().chain(names));
    for point in points {
        let numbers = curves.iter().map(|(_, of)| match of(point) {
            Some(value) => Cell::number(value, DIGITS),
            None => Cell::Empty,
        });
        let step = Cell::Count(point.step as u64);
        table.push([step].into_iter().chain(numbers));
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::adapt::cost::Cost;
    use crate::adapt::outcome::Outcome;
    use crate::adapt::spec::AdaptSpec;

    fn outcome(name: &str, kind: Kind, right: &[bool]) -> Outcome {
        Outcome {
            name: name.into(),
            kind,
            right: right.to_vec(),
            valid: 1.0,
            cost: Cost::forward(40),
            secs: 1.0,
            notes: Vec::new(),
            parts: Vec::new(),
            is_capped: false,
        }
    }

    fn shown() -> ShownAdaptation {
        let point = |step, loss| Point {
            step,
            cost: Cost::default(),
            loss,
            reward: None,
            agreement: None,
            entropy: None,
            majority: None,
            n_different: None,
            length: None,
            valid: None,
            drift: 0.0,
            n_moving: 0,
            learning_rate: 0.0,
        };
        ShownAdaptation {
            folder: "a".into(),
            spec: AdaptSpec::default(),
            outcomes: vec![
                outcome("base", Kind::Base, &[true, false, false, false]),
                outcome("adapted", Kind::Adapted, &[false, true, true, false]),
            ],
            verdict: None,
            points: vec![point(1, Some(2.0)), point(2, None)],
            part: 0,
            scores: Vec::new(),
            items: Vec::new(),
            n_guide_texts: 0,
            states: Default::default(),
        }
    }

    #[test]
    fn figures_are_saved_with_their_items_and_pairs() {
        let table = figures_table(&shown());
        assert!(table.title.ends_with("n = 4 items"), "{}", table.title);
        let texts = |row: usize| -> Vec<String> {
            let cells = table.rows[row].iter();
            cells.map(Cell::to_string).collect()
        };
        let base = texts(0);
        assert!(base[2].starts_with("0.250 [") && base[4].is_empty());
        let adapted = texts(1);
        assert_eq!(adapted[3..6], ["10.0", "2", "1"]);
        assert!(adapted[2].ends_with("n = 4"));
    }

    #[test]
    fn steps_have_the_numbers_that_there_are() {
        let curves: [Curve<'_>; 2] = [("Loss", |of| of.loss), ("Reward", |of| of.reward)];
        let table = steps_table(&shown(), &curves);
        assert_eq!(table.columns, ["step", "loss"]);
        assert_eq!(table.rows[0][1].to_string(), "2.000000");
        assert_eq!(table.rows[1][1], Cell::Empty);
    }
}
