//! Accuracy untuned, few-shot and tuned.

use eframe::egui::{RichText, Ui};

use crate::bench::Accuracy;
use crate::language::Bilingual;
use crate::persist::evaluation_file::EvaluationFile;
use crate::protocol::event::{EvaluationPhase, EvaluationSummary, Score};
use crate::protocol::fields::choice::Choice as _;
use crate::runs::run::Run;
use crate::ui::shared::selection::Selection;
use crate::ui::shell::theme::run_colour;
use crate::ui::widgets::accuracy_bars::{Bar, BarGroup, accuracy_bars_ui};
use crate::ui::widgets::controls::{cut_label, group_title};

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

/// What a measurement is of, as in "untuned, 5-shot".
pub(crate) fn phase_label(phase: EvaluationPhase, summary: &EvaluationSummary) -> String {
    match phase {
        EvaluationPhase::Before => tr!("untuned").into(),
        EvaluationPhase::FewShot => tr!("untuned, {}-shot", summary.few_shot),
        EvaluationPhase::After => tr!("tuned").into(),
    }
}

/// What an evaluation measured.
pub(crate) fn phase_of(file: &EvaluationFile) -> EvaluationPhase {
    match (file.scored.is_tuned, file.evaluation.conditions.few_shot) {
        (true, _) => EvaluationPhase::After,
        (false, 0) => EvaluationPhase::Before,
        (false, _) => EvaluationPhase::FewShot,
    }
}

/// The bars of one run.
pub(crate) fn group(run: &Run, selection: &Selection, ui: &Ui, has_title: bool) -> BarGroup {
    let bars = PHASES.iter().filter_map(|phase| {
        let summary = run.evaluation(*phase)?;
        Some(Bar {
            phase: *phase,
            label: Bilingual::of(|| phase_label(*phase, summary)),
            accuracy: accuracy(summary.scores.first()?),
            n_total: Some(summary.n_total).filter(|n_total| {
                summary
                    .scores
                    .first()
                    .is_some_and(|score| *n_total > score.n_items + summary.left_out)
            }),
            note: summary
                .written
                .as_ref()
                .map(|of| Bilingual::of(|| of.words())),
        })
    });
    BarGroup {
        colour: run_colour(selection.colour(&run.id), ui.visuals()),
        title: has_title.then(|| Bilingual::name(run.title())),
        bars: bars.collect(),
    }
}

/// Accuracy of the run that buttons act on.
pub fn accuracy_ui(ui: &mut Ui, run: &Run, selection: &Selection) {
    let Some((_, first)) = run.evaluations.first() else {
        return;
    };
    let split = run.spec.evaluation.split.name().to_lowercase();
    ui.horizontal(|ui| {
        group_title(ui, tr!("Accuracy"));
        let rule = first.scores.first().map_or("", |score| score.name.as_str());
        let n_items = first.scores.first().map_or(0, |score| score.n_items);
        let text = tr!(
            "{}, {split} split, {rule}, n = {n_items}, with 95% intervals",
            first.benchmark,
            split,
            rule,
            n_items
        );
        cut_label(ui, RichText::new(&text).small().weak()).on_hover_text(&text);
    });
    let title = format!("{}, {split}, {}", first.benchmark, run.title());
    accuracy_bars_ui(ui, &title, &[group(run, selection, ui, false)]);
}
