//! The numbers of the steps, live.

use eframe::egui::{Slider, Ui, Vec2};

use super::super::action::Action;
use super::super::theme::GAP;
use super::super::ui_state::{PlotSettings, UiState};
use super::super::widgets::controls::{empty_state, group_title, scrolled, weak_small};
use super::super::widgets::metric_plot::{Metric, PlotCache, metric_plot_ui};
use super::accuracy::accuracy_ui;
use super::diagnoses::diagnoses_ui;
use super::run_header::run_header_ui;
use crate::runs::RunStore;
use crate::runs::run::Run;

/// Plots below the loss, two a row.
const SMALL: [Metric; 4] = [
    Metric::GradNorm,
    Metric::StateNorm,
    Metric::LearningRate,
    Metric::TokensPerSec,
];

/// Draws the view.
pub fn tune_ui(
    ui: &mut Ui,
    store: &RunStore,
    state: &mut UiState,
    cache: &mut PlotCache,
) -> Vec<Action> {
    let runs: Vec<&Run> = state
        .selected
        .iter()
        .filter_map(|id| store.get(id))
        .collect();
    let Some(focused) = runs.last() else {
        if store.runs().is_empty() {
            empty_state(
                ui,
                "Tune the state that a model starts from",
                "The mini model and gsm8k-mini are chosen on the right. Press Start, and watch the loss fall here; accuracy is measured before and after.",
            );
        } else {
            empty_state(
                ui,
                "No run selected",
                "Choose one on the left, or press Start on the right.",
            );
        }
        return Vec::new();
    };
    let actions = run_header_ui(ui, focused, state);
    ui.add_space(4.0);
    let height = ui.available_height();
    scrolled(ui, |ui| {
        if !focused.evaluations.is_empty() {
            accuracy_ui(ui, focused, state);
            ui.add_space(GAP);
        }
        settings_ui(ui, &mut state.plots);
        let is_empty = runs.iter().all(|run| run.series.loss.is_empty());
        if is_empty {
            weak_small(
                ui,
                "The first step has not been taken yet; the untuned model is measured first.",
            );
        }
        let large = (height * 0.36).clamp(150.0, 340.0);
        metric_plot_ui(ui, Metric::Loss, &runs, state, cache, large);
        ui.add_space(GAP);
        small_plots_ui(ui, &runs, state, cache, (height * 0.2).clamp(100.0, 200.0));
        diagnoses_ui(ui, focused);
        notes_ui(ui, focused);
    });
    actions
}

fn small_plots_ui(ui: &mut Ui, runs: &[&Run], state: &UiState, cache: &mut PlotCache, height: f32) {
    for pair in SMALL.chunks(2) {
        ui.spacing_mut().item_spacing.x = 24.0;
        ui.columns(pair.len(), |columns| {
            for (ui, metric) in columns.iter_mut().zip(pair) {
                ui.spacing_mut().item_spacing.x = 8.0;
                metric_plot_ui(ui, *metric, runs, state, cache, height);
            }
        });
        ui.add_space(GAP);
    }
}

fn settings_ui(ui: &mut Ui, settings: &mut PlotSettings) {
    ui.horizontal_wrapped(|ui| {
        ui.spacing_mut().slider_width = 90.0;
        let label = ui.label("Smoothing").id;
        let slider = Slider::new(&mut settings.smoothing, 0.0..=0.99).fixed_decimals(2);
        ui.add(slider)
            .labelled_by(label)
            .on_hover_text("Share of the average before that each point keeps (exponential moving average, corrected for its start)");
        ui.checkbox(&mut settings.shows_raw, "Raw values");
        ui.checkbox(&mut settings.is_log, "Log axis")
            .on_hover_text("Losses and norms on a logarithmic axis. In a plot, drag to move, Ctrl and wheel to zoom, double-click to fit");
    });
    ui.allocate_space(Vec2::new(0.0, 2.0));
}

fn notes_ui(ui: &mut Ui, run: &Run) {
    if run.notes.is_empty() {
        return;
    }
    group_title(ui, "Notes");
    for note in &run.notes {
        ui.label(note);
    }
}
