//! Accuracy before, with examples and after.

use eframe::egui::{FontId, Grid, RichText, ScrollArea, Ui};

use super::super::theme::run_colour;
use super::super::ui_state::UiState;
use super::super::widgets::accuracy_bars::{Bar, BarGroup, accuracy_bars_ui};
use super::super::widgets::controls::{cut_label, cut_middle, group_title, weak_small};
use crate::bench::Accuracy;
use crate::runs::run::Run;
use crate::worker::event::{EvaluationPhase, EvaluationSummary, Score};

/// Every measurement, in the order in which they are shown.
const PHASES: [EvaluationPhase; 3] = [
    EvaluationPhase::Before,
    EvaluationPhase::FewShot,
    EvaluationPhase::After,
];

/// Width of the names in a table.
const NAME_WIDTH: f32 = 150.0;

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
        })
    });
    BarGroup {
        colour: run_colour(state.colour(&run.id), ui.visuals()),
        title: has_title.then(|| run.id.0.clone()),
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

/// Bars of the runs that measured this benchmark, and a table.
pub fn benchmark_ui(ui: &mut Ui, benchmark: &str, runs: &[&Run], state: &UiState) {
    ui.horizontal(|ui| {
        group_title(ui, benchmark);
        let what = "share of right answers, with 95% intervals (Wilson) and the number of items";
        cut_label(ui, RichText::new(what).small().weak()).on_hover_text(what);
    });
    let groups: Vec<BarGroup> = runs.iter().map(|run| group(run, state, ui, true)).collect();
    accuracy_bars_ui(ui, &groups);
    ui.add_space(4.0);
    let table = ScrollArea::horizontal().id_salt(benchmark);
    table.show(ui, |ui| table_ui(ui, benchmark, runs, state));
}

/// Every figure of every run.
fn table_ui(ui: &mut Ui, benchmark: &str, runs: &[&Run], state: &UiState) {
    let grid = Grid::new(("accuracy table", benchmark))
        .striped(true)
        .spacing([18.0, 5.0]);
    grid.show(ui, |ui| {
        for title in ["Run", "Rule", "Untuned", "With examples", "Tuned", "Gain"] {
            ui.label(RichText::new(title).small().weak());
        }
        ui.end_row();
        for run in runs {
            let Some((_, first)) = run.evaluations.first() else {
                continue;
            };
            for (idx, score) in first.scores.iter().enumerate() {
                if idx == 0 {
                    let colour = run_colour(state.colour(&run.id), ui.visuals());
                    let font = FontId::proportional(13.0);
                    let name = cut_middle(ui, &run.id.0, &font, NAME_WIDTH);
                    ui.label(RichText::new(name).color(colour))
                        .on_hover_text(&run.id.0);
                } else {
                    ui.label("");
                }
                ui.label(&score.name);
                let figure = |phase| {
                    let scores = &run.evaluation(phase)?.scores;
                    scores
                        .iter()
                        .find(|other| other.name == score.name)
                        .map(accuracy)
                };
                for phase in PHASES {
                    cell_ui(ui, figure(phase));
                }
                let gain = figure(EvaluationPhase::After)
                    .zip(figure(EvaluationPhase::Before))
                    .map(|(after, before)| 100.0 * (after.value() - before.value()));
                let gain = gain.map_or("–".into(), |points| format!("{points:+.1} points"));
                ui.monospace(gain);
                ui.end_row();
            }
        }
    });
}

fn cell_ui(ui: &mut Ui, accuracy: Option<Accuracy>) {
    match accuracy {
        Some(accuracy) => {
            let text = format!("{:.3}", accuracy.value());
            ui.monospace(text).on_hover_text(accuracy.to_string());
        }
        None => {
            ui.label(RichText::new("–").weak());
        }
    }
}
