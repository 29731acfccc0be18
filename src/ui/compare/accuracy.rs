//! Accuracy before, with examples and after.

use eframe::egui::{RichText, Ui};

use super::paired_rows::RunEvaluation;
use crate::bench::Accuracy;
use crate::persist::evaluation_file::{EvaluationFile, written_answers};
use crate::protocol::event::{EvaluationPhase, EvaluationSummary, RunId, Score, WrittenAnswers};
use crate::runs::RunStore;
use crate::runs::run::Run;
use crate::ui::shared::evaluations::name_of;
use crate::ui::shell::theme::{GAP, run_colour};
use crate::ui::ui_state::UiState;
use crate::ui::widgets::accuracy_bars::{Bar, BarGroup, accuracy_bars_ui};
use crate::ui::widgets::controls::{cut_label, group_title, weak_small};

/// Every measurement, in the order in which they are shown.
const PHASES: [EvaluationPhase; 3] = [
    EvaluationPhase::Before,
    EvaluationPhase::FewShot,
    EvaluationPhase::After,
];

/// The figure that stands for a measurement.
pub fn headline(run: &Run, phase: EvaluationPhase) -> Option<Accuracy> {
    run.evaluation(phase)?.scores.first().map(accuracy)
}

fn accuracy(score: &Score) -> Accuracy {
    Accuracy {
        n_correct: score.n_correct,
        n_items: score.n_items,
    }
}

fn phase_label(phase: EvaluationPhase, summary: &EvaluationSummary) -> String {
    match phase {
        EvaluationPhase::Before => "untuned".into(),
        EvaluationPhase::FewShot => format!("untuned, {} examples", summary.few_shot),
        EvaluationPhase::After => "tuned".into(),
    }
}

/// The bars of one run.
fn group(run: &Run, state: &UiState, ui: &Ui, has_title: bool) -> BarGroup {
    let bars = PHASES.iter().filter_map(|phase| {
        let summary = run.evaluation(*phase)?;
        Some(Bar {
            phase: *phase,
            label: phase_label(*phase, summary),
            accuracy: accuracy(summary.scores.first()?),
            n_total: Some(summary.n_total).filter(|n_total| {
                summary
                    .scores
                    .first()
                    .is_some_and(|score| *n_total > score.n_items + summary.left_out)
            }),
            note: summary.written.as_ref().map(WrittenAnswers::words),
        })
    });
    BarGroup {
        colour: run_colour(state.colour(&run.id), ui.visuals()),
        title: has_title.then(|| run.title().to_owned()),
        bars: bars.collect(),
    }
}

/// Accuracy of the run that buttons act on.
pub fn accuracy_ui(ui: &mut Ui, run: &Run, state: &UiState) {
    let Some((_, first)) = run.evaluations.first() else {
        return;
    };
    ui.horizontal(|ui| {
        group_title(ui, "Accuracy");
        let rule = first.scores.first().map_or("", |score| score.name.as_str());
        weak_small(
            ui,
            format!("{}, {rule}, with 95% intervals", first.benchmark),
        );
    });
    accuracy_bars_ui(ui, &[group(run, state, ui, false)]);
}

/// Bars of the runs that measured this benchmark.
pub fn benchmark_ui(ui: &mut Ui, benchmark: &str, runs: &[&Run], state: &UiState) {
    ui.horizontal(|ui| {
        group_title(ui, benchmark);
        let what = "share of right answers, with 95% intervals (Wilson) and the number of items";
        cut_label(ui, RichText::new(what).small().weak()).on_hover_text(what);
    });
    let groups: Vec<BarGroup> = runs.iter().map(|run| group(run, state, ui, true)).collect();
    accuracy_bars_ui(ui, &groups);
}

/// A run, and the bars of evaluations that were made after it.
pub type LaterBars = (RunId, Vec<Bar>);

/// Bars of evaluations that were made after the runs, such as of other benchmarks.
pub(crate) fn later_bars(shown: &[RunEvaluation<'_>]) -> Vec<LaterBars> {
    let mut groups: Vec<LaterBars> = Vec::new();
    for RunEvaluation { run, file } in shown {
        let stem = file.path.file_stem().unwrap_or_default();
        if ["before", "few_shot", "after"]
            .iter()
            .any(|name| stem == *name)
        {
            continue;
        }
        let (conditions, headline) = (&file.evaluation.conditions, file.evaluation.headline());
        let n_scored = headline.accuracy.n_items + conditions.left_out.len();
        let bar = Bar {
            phase: phase_of(file),
            label: name_of(file),
            accuracy: headline.accuracy,
            n_total: Some(conditions.n_total).filter(|n_total| *n_total > n_scored),
            note: written_answers(&file.evaluation).map(|of| of.words()),
        };
        match groups.iter_mut().find(|(of, _)| *of == run.id) {
            Some((_, bars)) => bars.push(bar),
            None => groups.push((run.id.clone(), vec![bar])),
        }
    }
    groups
}

/// What an evaluation measured.
pub(crate) fn phase_of(file: &EvaluationFile) -> EvaluationPhase {
    match (file.scored.is_tuned, file.evaluation.conditions.few_shot) {
        (true, _) => EvaluationPhase::After,
        (false, 0) => EvaluationPhase::Before,
        (false, _) => EvaluationPhase::FewShot,
    }
}

/// Draws bars of evaluations that were made after the runs; nothing where there
/// are none.
pub fn later_evaluations_ui(
    ui: &mut Ui,
    title: &str,
    later: &[LaterBars],
    store: &RunStore,
    state: &UiState,
) {
    if later.is_empty() {
        return;
    }
    group_title(ui, title);
    let groups: Vec<BarGroup> = later
        .iter()
        .map(|(id, bars)| BarGroup {
            colour: run_colour(state.colour(id), ui.visuals()),
            title: store.get(id).map(|run| run.title().to_owned()),
            bars: bars.clone(),
        })
        .collect();
    accuracy_bars_ui(ui, &groups);
    ui.add_space(GAP);
}
