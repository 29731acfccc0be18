//! The selected runs as a report: what each is, how they differ, their accuracies and
//! their plots.

use super::plot_table::data_words;
use crate::persist::command_line::command_line;
use crate::persist::utc::utc_now;
use crate::protocol::event::EvaluationPhase;
use crate::protocol::fields;
use crate::protocol::fields::choice::Choice as _;
use crate::report::page::{Page, PagePart};
use crate::report::{Cell, Table};
use crate::runs::run::Run;
use crate::runs::spec_difference::spec_difference;
use crate::ui::widgets::accuracy::headline;
use crate::ui::widgets::metric::Metric;
use crate::ui::widgets::status_mark::status_sentence;

/// The report of runs, with the charts that are given in their order; `svg` draws a
/// number of all runs.
pub fn report(runs: &[Run], charts: &[Metric], svg: impl Fn(Metric) -> String) -> Page {
    let title = match runs {
        [run] => tr!("Run {}", run.title()),
        runs => tr!("{n} run" | "{n} runs" % runs.len()),
    };
    let mut page = Page {
        title,
        parts: vec![
            PagePart::Text(tr!(
                "Written by Gosling {}, {}.",
                env!("CARGO_PKG_VERSION"),
                utc_now()
            )),
            PagePart::Table(runs_table(runs)),
        ],
    };
    let mut add = |part| page.parts.push(part);
    if let Some(table) = accuracy_table(&runs.iter().collect::<Vec<_>>()) {
        add(PagePart::Table(table));
    }
    if let Some(table) = difference_table(runs) {
        add(PagePart::Table(table));
    }
    add(PagePart::Heading(tr!("Plots").into()));
    let data = data_words(runs);
    for &metric in charts {
        if runs.iter().any(|run| !metric.series(run).is_empty()) {
            add(PagePart::Picture {
                title: format!("{}, {}; {data}", metric.title(), metric.unit()),
                svg: svg(metric),
            });
        }
    }
    add(PagePart::Heading(tr!("Runs").into()));
    for run in runs {
        add(PagePart::Text(format!(
            "{}: {}.",
            run.title(),
            status_sentence(run)
        )));
        if !run.labels.note.is_empty() {
            add(PagePart::Text(run.labels.note.clone()));
        }
        for diagnosis in &run.diagnoses {
            add(PagePart::Text(diagnosis.to_string()));
        }
        // A path that is not Unicode has no text.
        if let Ok(line) = command_line(&run.spec) {
            add(PagePart::Code(line));
        }
    }
    page
}

fn runs_table(runs: &[Run]) -> Table {
    let columns = [
        tr!("run"),
        tr!("method"),
        tr!("data"),
        tr!("steps"),
        tr!("validation loss"),
        tr!("at step"),
    ];
    let mut table = Table::new(tr!("Runs"), columns);
    for run in runs {
        let (loss, at) = match run.best_validation() {
            Some((step, loss)) => (Cell::number(loss, 4), Cell::Count(step as u64)),
            None => (Cell::Empty, Cell::Empty),
        };
        let mut spec = run.spec.clone();
        let mut name = |path| {
            let name = fields::find(path).and_then(|field| field.words(&mut spec));
            Cell::text(name.unwrap_or_default())
        };
        table.push([
            Cell::text(run.title()),
            name("method"),
            name("data.source"),
            Cell::Count(run.step as u64),
            loss,
            at,
        ]);
    }
    table
}

/// Every accuracy with its interval; none where nothing was measured.
pub(crate) fn accuracy_table(runs: &[&Run]) -> Option<Table> {
    let columns = [
        tr!("run"),
        tr!("model"),
        tr!("benchmark"),
        tr!("split"),
        tr!("accuracy"),
    ];
    let mut table = Table::new(tr!("Accuracy"), columns);
    for run in runs {
        for (phase, summary) in &run.evaluations {
            let model = match phase {
                EvaluationPhase::Before => tr!("untuned").to_owned(),
                EvaluationPhase::FewShot => tr!("untuned, {}-shot", summary.few_shot),
                EvaluationPhase::After => tr!("tuned").to_owned(),
            };
            let accuracy = headline(run, *phase).map_or(Cell::Empty, Cell::from);
            table.push([
                Cell::text(run.title()),
                Cell::text(model),
                Cell::text(&summary.benchmark),
                Cell::text(run.spec.evaluation.split.name().to_lowercase()),
                accuracy,
            ]);
        }
    }
    table.notes.push(
        tr!("Share of correct answers with the 95% interval (Wilson) and the number of items.")
            .into(),
    );
    (!table.rows.is_empty()).then_some(table)
}

/// The settings in which the runs differ; none where there is no such one.
fn difference_table(runs: &[Run]) -> Option<Table> {
    let specs: Vec<_> = runs.iter().map(|run| &run.spec).collect();
    let differences = spec_difference(&specs);
    if differences.is_empty() {
        return None;
    }
    let titles = runs.iter().map(|run| run.title().to_owned());
    let mut table = Table::new(
        tr!("Settings that differ"),
        [tr!("field").to_owned()].into_iter().chain(titles),
    );
    for difference in differences {
        let values = difference.values.into_iter().map(Cell::Text);
        table.push(
            [Cell::Text(difference.field.name())]
                .into_iter()
                .chain(values),
        );
    }
    Some(table)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::event::{RunId, StepMetrics};
    use crate::protocol::run_spec::RunSpec;

    fn run(name: &str, rate: f64) -> Run {
        let mut spec = RunSpec::default();
        spec.training.learning_rate = rate;
        let mut run = Run::new(RunId(name.into()), spec, name.into());
        for step in 1..=3 {
            run.add_step(&StepMetrics {
                step,
                loss: 1.0 / step as f64,
                grad_norm: 1.0,
                state_norm: 1.0,
                learning_rate: rate,
                tokens: 10,
                secs: 0.5,
                lift: None,
                lora: None,
            });
        }
        run
    }

    #[test]
    fn a_report_has_the_runs_their_differences_and_their_plots() {
        let runs = [run("first", 0.1), run("second", 0.2)];
        let svg = |metric: Metric| format!("<svg id={:?}/>", metric.title());
        let charts = [Metric::StateNorm, Metric::Loss, Metric::LoraNorm];
        let html = report(&runs, &charts, svg).html();
        for text in [
            "<h1>2 runs</h1>",
            "<td>first</td>",
            "<td>Learning rate η</td><td>0.1</td><td>0.2</td>",
            "gosling tune",
            "<svg id=\"Loss\"/>",
        ] {
            assert!(html.contains(text), "no {text} in {html}");
        }
        assert!(!html.contains("Accuracy"), "nothing was measured");
        // The charts that were chosen, in their order, as far as there are numbers.
        let place = |title: &str| html.find(&format!("<svg id=\"{title}\"/>"));
        assert!(place("State norm").unwrap() < place("Loss").unwrap());
        assert!(place("Gradient norm").is_none() && place("Norm of adapters").is_none());
    }
}
