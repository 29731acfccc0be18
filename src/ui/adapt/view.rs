//! The view of adaptations.

use eframe::egui::{RichText, ScrollArea, Spinner, Ui};

use super::progress::progress_ui;
use super::results::results_ui;
use super::setup::setup_ui;
use super::state::AdaptView;
use crate::ui::shared::workspace::Workspace;
use crate::ui::shell::theme::{GAP, palette};
use crate::ui::widgets::controls::{
    choice, cut_label, empty_state, group_title, primary_button, weak_small,
};

/// The width of what is set up.
const SETUP_WIDTH: f32 = 286.0;
/// From which width on results stand beside it.
const BOTH_FROM: f32 = 600.0;

/// Draws it.
pub fn adapt_ui(ui: &mut Ui, workspace: &Workspace, view: &mut AdaptView) {
    if let Some(soon) = view.take_in() {
        ui.ctx().request_repaint_after(soon);
    }
    if ui.available_width() < BOTH_FROM {
        return one_of_both_ui(ui, workspace, view);
    }
    let height = ui.available_height();
    ui.horizontal_top(|ui| {
        ui.allocate_ui(eframe::egui::vec2(SETUP_WIDTH, height), |ui| {
            ui.vertical(|ui| {
                ui.set_width(SETUP_WIDTH);
                ui.set_height(height);
                left_ui(ui, workspace, view);
            });
        });
        ui.add_space(GAP);
        ui.vertical(|ui| {
            ui.set_height(height);
            right_ui(ui, view);
        });
    });
}

/// What is set up, or what came of it, where there is no room for both.
fn one_of_both_ui(ui: &mut Ui, workspace: &Workspace, view: &mut AdaptView) {
    let choices = [(false, tr!("Set up")), (true, tr!("Results"))];
    choice(ui, &mut view.shows_results, &choices);
    ui.add_space(4.0);
    match view.shows_results {
        true => right_ui(ui, view),
        false => left_ui(ui, workspace, view),
    }
}

fn left_ui(ui: &mut Ui, workspace: &Workspace, view: &mut AdaptView) {
    group_title(ui, tr!("Adapt while answering"));
    weak_small(
        ui,
        tr!(
            "The state moves while questions are answered. No label is read until the answers are scored."
        ),
    );
    ui.add_space(4.0);
    let below = if view.is_on() { 96.0 } else { 64.0 };
    let height = ui.available_height() - below;
    ScrollArea::vertical()
        .id_salt("set up an adaptation")
        .max_height(height.max(80.0))
        .auto_shrink([false, false])
        .show(ui, |ui| {
            ui.set_max_width(SETUP_WIDTH - 14.0);
            let is_on = view.is_on();
            ui.add_enabled_ui(!is_on, |ui| setup_ui(ui, workspace, view));
        });
    ui.add_space(6.0);
    ui.horizontal(|ui| {
        if view.is_on() {
            let is_stopping = view.is_stopping();
            let stop = ui.add_enabled(
                !is_stopping,
                eframe::egui::Button::new(tr!("Stop and save")),
            );
            if stop
                .on_hover_text(tr!(
                    "What is done is kept; adapting again goes on from there"
                ))
                .clicked()
            {
                view.stop();
            }
            ui.add(Spinner::new().size(16.0));
            if is_stopping {
                weak_small(ui, tr!("saving"));
            }
        } else {
            let problem = view.draft.check().err();
            let adapt = primary_button(ui, tr!("Adapt the state"), problem.is_none(), 130.0);
            let adapt = adapt.on_hover_text(tr!(
                "Adapts, answers, and measures everything that the same tokens buy without it"
            ));
            if adapt.clicked() {
                view.start(&workspace.runs_dir);
            }
        }
    });
    if view.is_on() {
        progress_ui(ui, view.shown.as_ref(), &view.pace);
        return;
    }
    let bad = palette(ui.visuals()).bad;
    if let Some(problem) = view.draft.check().err() {
        cut_label(ui, RichText::new(problem.to_string()).small().color(bad));
    } else if let Some(message) = &view.message {
        cut_label(ui, RichText::new(message).small().weak());
    }
}

fn right_ui(ui: &mut Ui, view: &mut AdaptView) {
    let AdaptView {
        shown,
        settings,
        kept,
        ..
    } = view;
    match shown {
        Some(shown) => results_ui(ui, shown, settings, kept),
        None => empty_state(
            ui,
            tr!("No adaptation yet"),
            tr!(
                "Choose questions and an objective at the left, then press Adapt the state. Accuracy is drawn \
             against the tokens that it cost, with voting and other baselines beside it."
            ),
        ),
    }
}
