//! What the views of a sweep's results are drawn of, as tables, and of what their
//! numbers are.

use std::collections::BTreeSet;

use super::heatmap::Cells;
use super::opened::OpenSweep;
use super::settings::{ResultsSettings, ResultsView};
use crate::language;
use crate::protocol::event::EvaluationPhase;
use crate::protocol::fields::field_name;
use crate::protocol::made_from::data_names;
use crate::report::{Cell, Table};
use crate::sweep::results::{Metric, SweepResults};

/// Digits behind the point of means.
const DIGITS: usize = 6;

/// What a view is drawn of.
pub(super) fn view_table(shown: &OpenSweep, look: &ResultsSettings) -> Table {
    let results = &shown.results;
    let mut table = match look.view {
        ResultsView::Heatmap => heatmap_table(results, look),
        ResultsView::Importance => results.importance_table(&shown.plan),
        ResultsView::Queue | ResultsView::Table | ResultsView::Parallel | ResultsView::Scatter => {
            results.runs_table(true)
        }
    };
    let words = of_words(shown, look.metric);
    if !words.is_empty() {
        table.notes.push(format!("{words}."));
    }
    table
}

/// The mean of every cell: a row for each value up, a column for each value across.
fn heatmap_table(results: &SweepResults, look: &ResultsSettings) -> Table {
    let Some(cells) = Cells::of(results, look) else {
        return Table::new(&results.name, [tr!("nothing")]);
    };
    let name = |field: usize| {
        let path = results.fields.get(field);
        path.map_or(String::new(), |path| field_name(path).into_owned())
    };
    let (of_row, of_column) = (name(look.up), name(look.across));
    let title = tr!(
        "{}, mean of {}",
        results.name,
        language::text(look.metric.words())
    );
    let first = format!("{of_row} \\ {of_column}");
    let columns = cells.across.iter().map(|value| value.0.clone());
    let mut table = Table::new(title, [first].into_iter().chain(columns));
    for (up, row) in cells.up.iter().zip(&cells.means) {
        let means = row.iter().map(|mean| match mean {
            Some((mean, _)) => Cell::number(*mean, DIGITS),
            None => Cell::Empty,
        });
        table.push([Cell::text(&up.0)].into_iter().chain(means));
    }
    let n_runs: usize = cells.means.iter().flatten().flatten().map(|of| of.1).sum();
    table
        .notes
        .push(tr!("Means of n = {} in all.", runs(n_runs)));
    table
}

/// Benchmark, split and items that a number of the runs was measured on, or else the
/// data; nothing where it was measured on none.
pub(super) fn of_words(shown: &OpenSweep, metric: Metric) -> String {
    let data = || data_names(shown.plan.runs.iter().map(|run| &run.spec));
    words_of(&shown.results, metric, data)
}

fn words_of(results: &SweepResults, metric: Metric, data: impl Fn() -> String) -> String {
    let split = match metric {
        Metric::Accuracy => tr!("validation split"),
        Metric::TestAccuracy => tr!("test split"),
        // Losses are of examples and not of items.
        Metric::ValidationLoss
        | Metric::Loss
        | Metric::StateNorm
        | Metric::GradNorm
        | Metric::DecorrelationLoss
        | Metric::OffDiagonal
        | Metric::TokensPerSec
        | Metric::Secs => {
            let n_runs = results.rows.iter();
            let n_runs = n_runs.filter(|row| metric.of(&row.facts).is_some()).count();
            return match n_runs {
                0 => String::new(),
                _ => format!(
                    "{}, {}, n = {}",
                    language::text(metric.words()),
                    data(),
                    runs(n_runs)
                ),
            };
        }
    };
    let measured = || {
        let rows = results.rows.iter();
        rows.filter_map(|row| Some((row, metric.accuracy(&row.facts)?)))
    };
    let n_runs = measured().count();
    let items: BTreeSet<usize> = measured().map(|(_, of)| of.n_items).collect();
    let (Some(least), Some(most)) = (items.first(), items.last()) else {
        return String::new();
    };
    let summaries = measured().filter_map(|(row, _)| row.facts.summary(EvaluationPhase::After));
    let benchmarks: BTreeSet<&str> = summaries.map(|of| of.benchmark.as_str()).collect();
    let mut words: Vec<&str> = benchmarks.into_iter().collect();
    words.push(split);
    let items = match least == most {
        true => tr!("n = {least} items", least),
        false => tr!("n = {least} to {most} items", least, most),
    };
    format!("{}, {items}, {}", words.join(", "), runs(n_runs))
}

fn runs(n_runs: usize) -> String {
    tr!("{n} run" | "{n} runs" % n_runs)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::event::{EvaluationSummary, RunId, Score};
    use crate::protocol::run_spec::RunSpec;
    use crate::runs::run::Run;
    use crate::sweep::task::Facts;
    use crate::ui::sweep::fixtures::results;

    fn measured(n_correct: usize, n_items: usize) -> Facts {
        let id = RunId("a".into());
        let mut run = Run::new(id, RunSpec::default(), "a".into());
        let summary = EvaluationSummary {
            benchmark: "gsm8k-mini".into(),
            few_shot: 0,
            scores: vec![Score {
                name: "strict".into(),
                n_correct,
                n_items,
            }],
            n_total: n_items,
            written: None,
            left_out: 0,
            secs: 1.0,
        };
        run.evaluations.push((EvaluationPhase::After, summary));
        Facts::of(Some(&run))
    }

    #[test]
    fn a_heatmap_is_saved_as_its_matrix() {
        let mut results = results();
        let look = ResultsSettings {
            view: ResultsView::Heatmap,
            metric: Metric::Accuracy,
            across: 0,
            up: 1,
            ..ResultsSettings::default()
        };
        results.rows[0].facts = measured(30, 60);
        let table = heatmap_table(&results, &look);
        assert_eq!(
            (table.columns.len(), table.columns[1].as_str()),
            (4, "0.01")
        );
        assert_eq!(table.rows.len(), 2);
        let cells = table.rows.iter().flat_map(|row| &row[1..]);
        let known: Vec<String> = cells
            .filter(|cell| **cell != Cell::Empty)
            .map(Cell::to_string)
            .collect();
        assert_eq!(known, ["0.500000"]);
        assert!(table.notes[0].contains("n = 1 run "), "{:?}", table.notes);
        // The fields of a sweep that is gone.
        let elsewhere = ResultsSettings { up: 9, ..look };
        assert!(heatmap_table(&results, &elsewhere).rows.is_empty());
    }

    #[test]
    fn numbers_say_of_what_they_are() {
        let words = |of: &SweepResults, metric| words_of(of, metric, || "a".into());
        let mut results = results();
        assert_eq!(words(&results, Metric::Accuracy), "");
        assert_eq!(words(&results, Metric::Loss), "");
        results.rows[0].facts = measured(30, 60);
        assert_eq!(
            words(&results, Metric::Accuracy),
            "gsm8k-mini, validation split, n = 60 items, 1 run"
        );
        results.rows[1].facts = measured(30, 500);
        assert_eq!(
            words(&results, Metric::Accuracy),
            "gsm8k-mini, validation split, n = 60 to 500 items, 2 runs"
        );
        assert_eq!(words(&results, Metric::Secs), "seconds, a, n = 2 runs");
    }
}
