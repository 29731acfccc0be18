//! The run that buttons act on: what it does, and what can be done with it.

use eframe::egui::{Button, ProgressBar, RichText, Ui, Vec2, vec2};

use super::super::action::Action;
use super::super::theme::{blend, palette, run_colour};
use super::super::ui_state::UiState;
use super::super::widgets::controls::{cut_label, from_right, weak_small};
use super::super::widgets::status_mark::{
    paint_status_mark, status_colour, status_share, status_word,
};
use super::run_menu::run_menu_ui;
use crate::runs::eta::secs_left;
use crate::runs::run::{Run, RunStatus};
use crate::words::duration;

/// What a run does, in a sentence.
pub fn status_sentence(run: &Run) -> String {
    let left = secs_left(run).map_or(String::new(), |secs| format!(", {} left", duration(secs)));
    let word = status_word(&run.status);
    match &run.status {
        RunStatus::Running { step: 0, .. } => word.into(),
        RunStatus::Running { step, total } => format!("{word}, step {step} of {total}{left}"),
        RunStatus::Paused { step, total } => format!("{word} after step {step} of {total}{left}"),
        RunStatus::Evaluating { done, total, .. } => {
            format!("{word}, {done} of {total} items{left}")
        }
        RunStatus::Finished => format!("{word} after {} steps", run.step),
        RunStatus::StoppedEarly { best_step } => {
            format!(
                "{word} after step {}, the state of step {best_step} is kept",
                run.step
            )
        }
        RunStatus::Stopped { step } => format!("{word} after step {step}"),
        RunStatus::Diverged { step, detail } => format!("{word} at step {step}, {detail}"),
        RunStatus::Interrupted { step } => format!("{word} after step {step}, and can be resumed"),
        RunStatus::Failed(reason) => format!("{word}, {reason}"),
    }
}

/// Draws the header.
pub fn run_header_ui(ui: &mut Ui, run: &Run, state: &UiState) -> Vec<Action> {
    let mut actions = Vec::new();
    ui.horizontal(|ui| {
        let (spot, _) = ui.allocate_exact_size(Vec2::splat(12.0), eframe::egui::Sense::hover());
        let colour = run_colour(state.colour(&run.id), ui.visuals());
        ui.painter().circle_filled(spot.center(), 5.5, colour);
        from_right(ui, |ui| {
            actions = buttons_ui(ui, run, state);
            ui.with_layout(
                eframe::egui::Layout::left_to_right(eframe::egui::Align::Center),
                |ui| {
                    cut_label(ui, RichText::new(run.title()).heading()).on_hover_text(&run.id.0);
                },
            );
        });
    });
    ui.horizontal(|ui| {
        let (spot, _) = ui.allocate_exact_size(Vec2::splat(12.0), eframe::egui::Sense::hover());
        let colour = status_colour(&run.status, ui.visuals());
        paint_status_mark(ui.painter(), spot.center(), &run.status, colour);
        let sentence = status_sentence(run);
        cut_label(ui, RichText::new(&sentence).color(colour)).on_hover_text(sentence);
    });
    if let Some(share) = status_share(&run.status) {
        let colours = palette(ui.visuals());
        let fill = blend(colours.accent, colours.surface, 0.85);
        ui.add(ProgressBar::new(share).desired_height(4.0).fill(fill));
    }
    way_on_ui(ui, run);
    actions
}

fn buttons_ui(ui: &mut Ui, run: &Run, state: &UiState) -> Vec<Action> {
    let mut actions = Vec::new();
    let mut button = |ui: &mut Ui, text: &str, hint: &str, action: Action| {
        let button = Button::new(text).min_size(vec2(68.0, 26.0));
        if ui.add(button).on_hover_text(hint).clicked() {
            actions.push(action);
        }
    };
    let id = || run.id.clone();
    // From the right.
    if !run.status.is_over() {
        button(
            ui,
            "Stop",
            "End after this step, save and measure nothing more",
            Action::Stop(id()),
        );
    }
    match run.status {
        RunStatus::Running { .. } | RunStatus::Evaluating { .. } => {
            button(ui, "Pause", "Hold after this step", Action::Pause(id()));
        }
        RunStatus::Paused { .. } => {
            button(
                ui,
                "Resume",
                "Go on where it was held",
                Action::Resume(id()),
            );
        }
        RunStatus::Interrupted { .. } | RunStatus::Stopped { .. } | RunStatus::Failed(_) => {
            button(
                ui,
                "Resume",
                "Go on from the newest checkpoint",
                Action::TakeUp(id()),
            );
        }
        RunStatus::Finished | RunStatus::StoppedEarly { .. } | RunStatus::Diverged { .. } => {
            if !run.exported.is_empty() {
                let hint = "Write its state for another program";
                button(ui, "Export…", hint, Action::OpenExport(id()));
            }
        }
    }
    ui.menu_button("More", |ui| actions.extend(run_menu_ui(ui, run, state)));
    actions
}

/// What to do about a run that went wrong.
fn way_on_ui(ui: &mut Ui, run: &Run) {
    match &run.status {
        RunStatus::Diverged { .. } => {
            weak_small(
                ui,
                "The state of the step before it is kept. Try a smaller learning rate, a longer warm-up or a smaller clipping norm.",
            );
        }
        RunStatus::Failed(_) => {
            weak_small(
                ui,
                "What was saved is in the run's folder. When the cause is gone, Resume goes on from the newest checkpoint.",
            );
        }
        RunStatus::Running { .. }
        | RunStatus::Paused { .. }
        | RunStatus::Evaluating { .. }
        | RunStatus::Finished
        | RunStatus::StoppedEarly { .. }
        | RunStatus::Stopped { .. }
        | RunStatus::Interrupted { .. } => {}
    }
}
