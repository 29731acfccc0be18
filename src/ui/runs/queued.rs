//! The queued runs, below the list of runs.

use eframe::egui::{Align, Layout, RichText, Role, Ui};

use crate::ui::shared::action::Action;
use crate::ui::shared::queue::Queue;
use crate::ui::widgets::controls::{cut_label, from_right, named, weak_small};

/// Runs that wait of which each has a line.
const MAX_QUEUE_ROWS: usize = 5;

/// Runs that were asked for, and what they wait for.
pub struct Queued<'a> {
    /// The runs.
    pub queue: &'a Queue,
    /// The active sweep, which they wait for.
    pub sweep: Option<&'a str>,
}

/// Draws the run that is being prepared and those that wait.
pub fn run_queue_ui(ui: &mut Ui, queued: &Queued<'_>) -> Vec<Action> {
    let Queued { queue, sweep } = *queued;
    let mut actions = Vec::new();
    if queue.is_empty() {
        return actions;
    }
    ui.add_space(4.0);
    if let Some(name) = queue.starting() {
        ui.horizontal(|ui| {
            from_right(ui, |ui| {
                let give_up = ui.small_button(tr!("Cancel"));
                if give_up
                    .on_hover_text(tr!("Cancel before it starts; nothing is written"))
                    .clicked()
                {
                    actions.push(Action::GiveUp);
                }
                left(ui, |ui| {
                    cut_label(ui, tr!("{name} is being prepared", name))
                });
            });
        });
    }
    let n_waiting = queue.waiting().len();
    if let Some(sweep) = sweep.filter(|_| n_waiting > 0) {
        cut_label(
            ui,
            RichText::new(tr!("After the sweep {sweep}", sweep))
                .small()
                .weak(),
        );
    }
    for (idx, waiting) in queue.waiting().enumerate().take(MAX_QUEUE_ROWS) {
        let name = waiting.asked.name();
        ui.horizontal(|ui| {
            from_right(ui, |ui| {
                let remove = ui.small_button("×");
                let label = tr!("Remove {name} (position {}) from the queue", idx + 1, name);
                named(&remove, Role::Button, &label);
                if remove.on_hover_text(tr!("Remove from the queue")).clicked() {
                    actions.push(Action::Withdraw(waiting.key));
                }
                if idx == 0 && sweep.is_some() && !waiting.is_beside {
                    let beside = ui.small_button(tr!("Start now"));
                    let label = tr!("Start {name} now, alongside the sweep", name);
                    named(&beside, Role::Button, &label);
                    let hint = tr!("Start now, alongside the sweep (both use the device)");
                    if beside.on_hover_text(hint).clicked() {
                        actions.push(Action::BeginBeside(waiting.key));
                    }
                }
                if idx > 0 {
                    let earlier = ui.small_button(tr!("Move up"));
                    let label = tr!("Move {name} (position {}) up", idx + 1, name);
                    named(&earlier, Role::Button, &label);
                    if earlier.on_hover_text(tr!("Move up in the queue")).clicked() {
                        actions.push(Action::Advance(waiting.key));
                    }
                }
                left(ui, |ui| {
                    let text = RichText::new(tr!("{}. {name}, queued", idx + 1, name));
                    cut_label(ui, text.weak())
                });
            });
        });
    }
    if n_waiting > MAX_QUEUE_ROWS {
        weak_small(ui, tr!("and {} more", n_waiting - MAX_QUEUE_ROWS));
    }
    actions
}

fn left<R>(ui: &mut Ui, content: impl FnOnce(&mut Ui) -> R) -> R {
    ui.with_layout(Layout::left_to_right(Align::Center), content)
        .inner
}
