//! The open sweep: its progress and its buttons.

use eframe::egui::{Button, ComboBox, ProgressBar, RichText, Role, Ui};

use super::action::SweepAction;
use super::opened::OpenSweep;
use super::parts::spoken;
use super::state::SweepState;
use crate::format::duration;
use crate::runs::RunStore;
use crate::sweep::results::tables::headline;
use crate::sweep::scheduler::SweepCommand;
use crate::sweep::task::TaskState;
use crate::ui::shared::action::Action;
use crate::ui::shell::header_room::header_ends;
use crate::ui::shell::theme::{GAP, palette};
use crate::ui::widgets::controls::weak_small;

/// Draws it.
pub(super) fn header_ui(
    ui: &mut Ui,
    panel: &SweepState,
    store: &RunStore,
    actions: &mut Vec<Action>,
) {
    let Some(shown) = &panel.shown else { return };
    let mut asked = Vec::new();
    ui.horizontal_wrapped(|ui| {
        let name = &shown.plan.sweep.name;
        let chosen = ComboBox::from_id_salt("sweep").selected_text(RichText::new(name).strong());
        let chosen = chosen.width(170.0).show_ui(ui, |ui| {
            for path in &panel.known {
                let other = path.file_name().unwrap_or_default().to_string_lossy();
                if ui.selectable_label(*path == shown.path, other).clicked() {
                    asked.push(SweepAction::Open(path.clone()));
                }
            }
        });
        let chosen = chosen.response.on_hover_text(tr!("Sweep to show"));
        spoken(&chosen, Role::ComboBox, tr!("Sweep"));
        if ui.button(tr!("New sweep")).clicked() {
            asked.push(SweepAction::New);
        }
        match shown.elsewhere {
            Some(_) => {
                let hint = tr!("Stop it, pause it and skip its runs in the process that runs it");
                weak_small(ui, tr!("Running in another process")).on_hover_text(hint);
            }
            None => buttons_ui(ui, shown, panel.is_on(), &mut asked),
        }
    });
    header_ends(ui);
    progress_ui(ui, shown, store);
    if shown.live.is_none() {
        behind_ui(ui, panel, &mut asked);
    }
    if let Some(reason) = &shown.failure {
        ui.colored_label(
            palette(ui.visuals()).bad,
            tr!("The sweep could not continue, {reason}", reason),
        );
    }
    for line in headline(&shown.results) {
        ui.label(line);
    }
    ui.add_space(GAP / 2.0);
    actions.extend(asked.into_iter().map(Action::Sweep));
}

fn buttons_ui(ui: &mut Ui, shown: &OpenSweep, is_on: bool, asked: &mut Vec<SweepAction>) {
    let (n_settled, n_tasks) = shown.queue.progress(&shown.plan);
    match &shown.live {
        Some(live) => {
            let stop = ui.add_enabled(!live.is_stopping, Button::new(tr!("Stop")));
            let stop = stop.on_hover_text(tr!(
                "Save the active runs and stop; the sweep can be resumed later"
            ));
            if stop.clicked() {
                asked.push(SweepAction::Tell(SweepCommand::Stop));
            }
            let (text, command) = match live.is_held {
                true => (tr!("Resume"), SweepCommand::Resume),
                false => (tr!("Pause"), SweepCommand::Pause),
            };
            let hold = ui.add_enabled(!live.is_stopping, Button::new(text));
            if hold.clicked() {
                asked.push(SweepAction::Tell(command));
            }
        }
        None => {
            let failed = shown.results.rows.iter();
            let failed = failed.filter(|row| matches!(row.facts.state, TaskState::Failed(_)));
            if n_settled < n_tasks {
                let hint = match is_on {
                    true => tr!("Available when the active sweep has ended"),
                    false => tr!("Run the remaining runs"),
                };
                // As high as the others of its row.
                let palette = palette(ui.visuals());
                let text = RichText::new(tr!("Resume"))
                    .color(palette.on_accent)
                    .strong();
                let go_on = Button::new(text).fill(palette.accent);
                let go_on = ui.add_enabled(!is_on, go_on);
                if go_on
                    .on_hover_text(hint)
                    .on_disabled_hover_text(hint)
                    .clicked()
                {
                    asked.push(SweepAction::GoOn { retry: false });
                }
            } else if failed.count() > 0 && !is_on && ui.button(tr!("Retry failed runs")).clicked()
            {
                asked.push(SweepAction::GoOn { retry: true });
            }
        }
    }
}

/// The active sweep while another one is looked at, and a way back to it.
pub(super) fn behind_ui(ui: &mut Ui, panel: &SweepState, asked: &mut Vec<SweepAction>) {
    let Some(on) = panel.on() else { return };
    let name = &on.plan.sweep.name;
    let done = on.queue.done_words(&on.plan);
    ui.horizontal_wrapped(|ui| {
        weak_small(ui, tr!("The sweep {name} is running, {done}", name, done));
        if ui.small_button(tr!("Show sweep")).clicked() {
            asked.push(SweepAction::Open(on.path.clone()));
        }
    });
}

fn progress_ui(ui: &mut Ui, shown: &OpenSweep, store: &RunStore) {
    let (n_settled, n_tasks) = shown.queue.progress(&shown.plan);
    // Runs under way count by their steps, so that the bar moves.
    let under_way: f32 = shown
        .results
        .rows
        .iter()
        .filter(|row| row.facts.state == TaskState::Going)
        .filter_map(|row| store.get(&super::parts::run_of(row)))
        .map(|run| run.step as f32 / run.spec.training.steps.max(1) as f32)
        .sum();
    let share = (n_settled as f32 + 0.95 * under_way) / n_tasks.max(1) as f32;
    let left = shown.live.as_ref().and_then(|live| {
        let done = n_settled as f32 + under_way - live.n_before as f32;
        let secs = live.since.elapsed().as_secs_f64();
        let left = n_tasks as f64 - f64::from(n_settled as f32 + under_way);
        (done > 0.3).then(|| secs / f64::from(done) * left)
    });
    let mut text = shown.queue.done_words(&shown.plan);
    let elsewhere = match shown.elsewhere {
        None => None,
        Some(0) => Some(tr!("another process").to_owned()),
        Some(pid) => Some(tr!("process {pid}", pid)),
    };
    match &shown.live {
        Some(live) if live.is_stopping => text += tr!(", saving the active runs"),
        Some(live) if live.is_held => text += tr!(", paused"),
        Some(_) => {}
        None => match elsewhere {
            Some(process) => text += &tr!(", running in {process}", process),
            None if n_settled < n_tasks => text += tr!(", stopped"),
            None => {}
        },
    }
    if let Some(secs) = left {
        text += &tr!(", about {} left", duration(secs));
    }
    // A long text goes on below the bar, so that the rows below are no wider than the view.
    ui.horizontal_wrapped(|ui| {
        let bar = ProgressBar::new(share.clamp(0.0, 1.0))
            .fill(palette(ui.visuals()).accent)
            .desired_width(180.0)
            .desired_height(8.0);
        ui.add(bar);
        weak_small(ui, text);
    });
}
