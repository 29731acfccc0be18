//! The numbers that a plot is drawn of, and what data they are of.

use super::along::{Along, XAxis};
use crate::protocol::made_from::data_names;
use crate::report::{Cell, Table};
use crate::runs::run::Run;
use crate::ui::widgets::metric::Metric;

/// Rows of a table at most.
const MAX_ROWS: usize = 1_000_000;

/// The data that runs were trained on, in words.
pub(crate) fn data_words<'a>(runs: impl IntoIterator<Item = &'a Run>) -> String {
    data_names(runs.into_iter().map(|run| &run.spec))
}

/// Every number of a metric, a row for each step of each run: not smoothed, and none
/// left out where runs are drawn as their mean.
pub(crate) fn metric_table(metric: Metric, runs: &[&Run]) -> Table {
    let has_checks = metric == Metric::Loss;
    let mut columns = vec![
        tr!("run").to_owned(),
        tr!("data").to_owned(),
        tr!("step").to_owned(),
        tr!("tokens").to_owned(),
        tr!("seconds").to_owned(),
        metric.title().to_lowercase(),
    ];
    if has_checks {
        columns.push(tr!("validation loss").into());
    }
    let mut table = Table::new(metric.title(), columns);
    let mut n_left_out = 0;
    for run in runs {
        let data = run.spec.data_name();
        let along = [XAxis::Tokens, XAxis::Seconds].map(|axis| Along::of(axis, run));
        for (step, value, check) in points(metric, run, has_checks) {
            if table.rows.len() >= MAX_ROWS {
                n_left_out += 1;
                continue;
            }
            let number = |value: Option<f64>| value.map_or(Cell::Empty, exact);
            let mut row = vec![
                Cell::text(run.title()),
                Cell::text(&data),
                Cell::Count(step as u64),
                Cell::Count(along[0].x(step) as u64),
                exact(along[1].x(step)),
                number(value),
            ];
            if has_checks {
                row.push(number(check));
            }
            table.push(row);
        }
    }
    let n_runs = runs.len();
    let of = data_words(runs.iter().copied());
    table.notes.push(tr!(
        "{}, {}; n = {n} run on {of}." | "{}, {}; n = {n} runs on {of}." % n_runs,
        metric.title(),
        metric.unit(),
        of
    ));
    if n_left_out > 0 {
        table.notes.push(tr!(
            "{n_left_out} more numbers are left out; the table of all metrics has them.",
            n_left_out
        ));
    }
    table
}

/// A number with the digits that it is told apart by.
fn exact(value: f64) -> Cell {
    Cell::Number { value, digits: 6 }
}

type Point = (usize, Option<f64>, Option<f64>);

/// Steps with their value and the held-out loss, where there is one.
fn points(metric: Metric, run: &Run, has_checks: bool) -> Vec<Point> {
    let own = metric.series(run).points();
    let mut points: Vec<Point> = own
        .iter()
        .map(|&(step, value)| (step, Some(value), None))
        .collect();
    if has_checks {
        for &(step, check) in run.series.validation_loss.points() {
            match points.binary_search_by_key(&step, |point| point.0) {
                Ok(at) => points[at].2 = Some(check),
                Err(at) => points.insert(at, (step, None, Some(check))),
            }
        }
    }
    points
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::Benchmark;
    use crate::protocol::event::RunId;
    use crate::protocol::run_spec::{DataSource, RunSpec};

    fn run(name: &str) -> Run {
        let mut run = Run::new(RunId(name.into()), RunSpec::default(), name.into());
        for step in 1..=3 {
            run.series.loss.push(step, 1.0 / step as f64);
            run.series.tokens.push(step, 100.0);
            run.series.step_secs.push(step, 0.5);
        }
        run
    }

    #[test]
    fn every_number_has_its_run_step_tokens_and_seconds() {
        let mut first = run("a");
        // Before the first step, and at one that has a loss too.
        first.series.validation_loss.push(0, 2.0);
        first.series.validation_loss.push(2, 0.75);
        let second = run("b");
        let table = metric_table(Metric::Loss, &[&first, &second]);
        let row = |idx: usize| -> Vec<String> {
            let cells = table.rows[idx].iter();
            cells.map(Cell::to_string).collect()
        };
        assert_eq!(table.rows.len(), 7);
        let data = first.spec.data_name();
        let zero = ["a", &data, "0", "0", "0.000000", "", "2.000000"];
        assert_eq!(row(0), zero);
        let second = ["a", &data, "2", "200", "1.000000", "0.500000", "0.750000"];
        assert_eq!(row(2), second);
        assert_eq!(row(4)[0], "b");
        assert!(table.notes[0].contains("n = 2 runs"), "{:?}", table.notes);
        let norms = metric_table(Metric::GradNorm, &[&first]);
        assert!(norms.rows.is_empty() && norms.columns.len() == 6);
    }

    #[test]
    fn the_data_are_named_where_they_are_the_same() {
        let (a, b) = (run("a"), run("b"));
        assert_eq!(data_words([&a, &b]), a.spec.data_name());
        let mut other = run("c");
        other.spec.data.source = DataSource::Mini(Benchmark::WinoGrande);
        assert_ne!(other.spec.data_name(), a.spec.data_name());
        assert_eq!(data_words([&a, &other]), "2 data sets");
        assert_eq!(data_words([]), "");
    }
}
