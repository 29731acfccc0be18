//! The selected run: its status and its buttons.

use std::path::Path;

use eframe::egui::{Button, ProgressBar, RichText, Ui, Vec2, vec2};

use crate::runs::run::{Run, RunStatus};
use crate::sweep::scheduler::SweepCommand;
use crate::sweep::task::TaskState;
use crate::ui::shared::action::Action;
use crate::ui::shared::run_in_sweep::{RunInSweep, SweepTask};
use crate::ui::shared::selection::Selection;
use crate::ui::shared::tab::Tab;
use crate::ui::shell::theme::{blend, palette, run_colour};
use crate::ui::sweep::action::SweepAction;
use crate::ui::widgets::controls::{cut_label, from_right, weak_small};
use crate::ui::widgets::run_menu::run_menu_ui;
use crate::ui::widgets::status_mark::{
    paint_status_mark, status_colour, status_sentence, status_share,
};

/// Draws the header.
pub fn run_header_ui(
    ui: &mut Ui,
    run: &Run,
    selection: &Selection,
    sweep: &RunInSweep<'_>,
) -> Vec<Action> {
    let mut actions = Vec::new();
    ui.horizontal(|ui| {
        let (spot, _) = ui.allocate_exact_size(Vec2::splat(12.0), eframe::egui::Sense::hover());
        let colour = run_colour(selection.colour(&run.id), ui.visuals());
        ui.painter().circle_filled(spot.center(), 5.5, colour);
        from_right(ui, |ui| {
            actions = buttons_ui(ui, run, selection, sweep);
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
    if let Some(path) = sweep.folder {
        actions.extend(sweep_ui(ui, path));
    }
    if sweep.task.is_none() {
        way_on_ui(ui, run);
    }
    actions
}

/// Which sweep the run is a part of, and a way to it.
fn sweep_ui(ui: &mut Ui, path: &Path) -> Vec<Action> {
    let mut actions = Vec::new();
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    ui.horizontal(|ui| {
        weak_small(ui, tr!("Part of the sweep {name}", name));
        if ui.small_button(tr!("Show the sweep")).clicked() {
            let open = SweepAction::Open(path.to_path_buf());
            actions = vec![Action::Open(Tab::Sweep), Action::Sweep(open)];
        }
    });
    actions
}

/// What can be done with a run of the active sweep: the sweep does it, and
/// holds all of its runs or none.
fn in_sweep_ui(ui: &mut Ui, told: &SweepTask<'_>, actions: &mut Vec<Action>) {
    let SweepTask {
        task,
        state,
        is_held,
        is_stopping,
    } = *told;
    let mut button = |ui: &mut Ui, text: &str, hint: &str, command: SweepCommand| {
        let button = Button::new(text).min_size(vec2(68.0, 26.0));
        let button = ui.add_enabled(!is_stopping, button);
        if button.on_hover_text(hint).clicked() {
            actions.push(Action::Sweep(SweepAction::Tell(command)));
        }
    };
    match state {
        TaskState::Going => {
            let hint = tr!("Save this run and skip it; the sweep continues with the next one");
            button(ui, tr!("Skip"), hint, SweepCommand::Skip(task));
            if is_held {
                let hint = tr!("Resume all paused runs");
                button(ui, tr!("Resume sweep"), hint, SweepCommand::Resume);
            } else {
                let hint = tr!("Pause all runs of the sweep after their current step");
                button(ui, tr!("Pause sweep"), hint, SweepCommand::Pause);
            }
        }
        TaskState::Skipped => {
            let hint = tr!("Include this run in the sweep again");
            button(ui, tr!("Include again"), hint, SweepCommand::Unskip(task));
        }
        TaskState::Waiting
        | TaskState::Held { .. }
        | TaskState::Done
        | TaskState::Diverged { .. }
        | TaskState::Failed(_)
        | TaskState::Dropped { .. } => {}
    }
}

fn buttons_ui(
    ui: &mut Ui,
    run: &Run,
    selection: &Selection,
    sweep: &RunInSweep<'_>,
) -> Vec<Action> {
    let mut actions = Vec::new();
    if let Some(task) = &sweep.task {
        in_sweep_ui(ui, task, &mut actions);
        if !run.exported.is_empty() && run.status.is_over() {
            let hint = tr!("Save its state for another program");
            let export = Button::new(tr!("Export…")).min_size(vec2(68.0, 26.0));
            if ui.add(export).on_hover_text(hint).clicked() {
                actions.push(Action::OpenExport(run.id.clone()));
            }
        }
        ui.menu_button(tr!("More"), |ui| {
            actions.extend(run_menu_ui(ui, run, selection))
        });
        return actions;
    }
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
            tr!("Stop"),
            tr!("Stop after this step and save; skip the final evaluation"),
            Action::Stop(id()),
        );
    }
    if matches!(run.status, RunStatus::Evaluating { .. }) && run.elsewhere.is_none() {
        button(
            ui,
            tr!("Skip scoring"),
            tr!("Skip this accuracy; it can be measured later from the menu More"),
            Action::SkipScoring(id()),
        );
    }
    match run.status {
        RunStatus::Running { .. } | RunStatus::Evaluating { .. } => {
            button(
                ui,
                tr!("Pause"),
                tr!("Pause after this step"),
                Action::Pause(id()),
            );
        }
        RunStatus::Paused { .. } => {
            button(ui, tr!("Resume"), tr!("Resume"), Action::Resume(id()));
            if run.elsewhere.is_some() && run.step > 0 {
                let hint = tr!("Save its state for another program");
                button(ui, tr!("Export…"), hint, Action::OpenExport(id()));
            }
        }
        // Its checkpoints are on the other machine.
        RunStatus::Interrupted { .. } | RunStatus::Stopped { .. } | RunStatus::Failed(_)
            if run.is_watched =>
        {
            if !run.exported.is_empty() {
                let hint = tr!("Save its state for another program");
                button(ui, tr!("Export…"), hint, Action::OpenExport(id()));
            }
        }
        RunStatus::Interrupted { .. } | RunStatus::Stopped { .. } | RunStatus::Failed(_) => {
            button(
                ui,
                tr!("Resume"),
                tr!("Resume from the newest checkpoint"),
                Action::ResumeFromDisk(id()),
            );
        }
        RunStatus::Finished | RunStatus::StoppedEarly { .. } | RunStatus::Diverged { .. } => {
            if !run.exported.is_empty() {
                let hint = tr!("Save its state for another program");
                button(ui, tr!("Export…"), hint, Action::OpenExport(id()));
            }
        }
    }
    ui.menu_button(tr!("More"), |ui| {
        actions.extend(run_menu_ui(ui, run, selection))
    });
    actions
}

/// What to do about a run that went wrong.
fn way_on_ui(ui: &mut Ui, run: &Run) {
    match &run.status {
        RunStatus::Diverged { .. } => {
            weak_small(
                ui,
                tr!(
                    "The state of the step before it is kept. Try a smaller learning rate, a longer warm-up or a smaller clipping norm."
                ),
            );
        }
        RunStatus::Failed(_) => {
            weak_small(
                ui,
                tr!(
                    "Saved files are in the run's folder. After you fix the cause, Resume continues from the newest checkpoint."
                ),
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
