//! The tasks of a sweep in their order, with buttons for each.

use eframe::egui::{
    Align, Align2, FontId, Layout, ProgressBar, RichText, Role, ScrollArea, Sense, Ui, WidgetInfo,
    pos2, vec2,
};

use super::action::SweepAction;
use super::opened::OpenSweep;
use super::parts::select;
use crate::language;
use crate::runs::RunStore;
use crate::sweep::scheduler::SweepCommand;
use crate::sweep::task::{Task, TaskState};
use crate::ui::shared::action::Action;
use crate::ui::shared::selection::Selection;
use crate::ui::shell::theme::{blend, palette};
use crate::ui::widgets::controls::{cut_label, cut_middle, from_right, weak_small};

const ROW_HEIGHT: f32 = 28.0;
/// Width of the names, and share of a narrow row that they take.
const NAME_WIDTH: f32 = 300.0;
const NAME_SHARE: f32 = 0.42;

/// Draws it.
pub(super) fn queue_ui(
    ui: &mut Ui,
    shown: &OpenSweep,
    store: &RunStore,
    selection: &mut Selection,
    actions: &mut Vec<Action>,
) {
    let tasks = &shown.queue.order;
    ui.spacing_mut().item_spacing.y = 2.0;
    ScrollArea::vertical()
        .auto_shrink([false, false])
        .show_rows(ui, ROW_HEIGHT, tasks.len(), |ui, rows| {
            for idx in rows {
                row_ui(ui, shown, idx, store, selection, actions);
            }
        });
}

fn row_ui(
    ui: &mut Ui,
    shown: &OpenSweep,
    idx: usize,
    store: &RunStore,
    selection: &mut Selection,
    actions: &mut Vec<Action>,
) {
    let task = shown.queue.order[idx];
    let (title, run) = (title(shown, task), shown.run_of(task));
    let (rect, row) =
        ui.allocate_exact_size(vec2(ui.available_width(), ROW_HEIGHT), Sense::click());
    let colours = palette(ui.visuals());
    let is_selected = run.as_ref().is_some_and(|run| selection.is_selected(run));
    if is_selected {
        ui.painter()
            .rect_filled(rect, 4.0, ui.visuals().selection.bg_fill);
    } else if row.hovered() {
        let fill = blend(colours.text, colours.surface, 0.06);
        ui.painter().rect_filled(rect, 4.0, fill);
    }
    if row.clicked()
        && let Some(run) = &run
    {
        select(ui, selection, run);
    }
    let font = FontId::proportional(13.0);
    let name_width = NAME_WIDTH.min(NAME_SHARE * rect.width());
    let name = cut_middle(ui, &title, &font, name_width);
    let at = pos2(rect.left() + 8.0, rect.center().y);
    ui.painter()
        .text(at, Align2::LEFT_CENTER, name, font, colours.text);
    row.widget_info(|| {
        let name = tr!(
            "Task {title}, {}",
            language::text(shown.queue.state(task).word()),
            title
        );
        WidgetInfo::selected(Role::Button, true, is_selected, name)
    });
    row.on_hover_text(&title);
    let mut inner = rect.shrink2(vec2(6.0, 2.0));
    inner.min.x += name_width + 12.0;
    let mut inner = ui.new_child(eframe::egui::UiBuilder::new().max_rect(inner));
    inner.horizontal_centered(|ui| {
        // What can be done stays, and the state is cut where there is too little room.
        from_right(ui, |ui| {
            buttons_ui(ui, shown, idx, actions);
            let run = run.as_ref().and_then(|run| store.get(run));
            let layout = Layout::left_to_right(Align::Center);
            ui.with_layout(layout, |ui| status_ui(ui, shown, task, run));
        });
    });
}

/// What the task is called.
fn title(shown: &OpenSweep, task: Task) -> String {
    match task {
        Task::Untuned(idx) => tr!("{}, once for all runs", shown.plan.untuned[idx].name),
        Task::Run(idx) => {
            let row = &shown.results.rows[idx];
            let words = shown.results.settings_words(row);
            let number = row.name.rsplit('.').next().unwrap_or_default();
            let part = match shown.results.parts.len() {
                1 => String::new(),
                _ => format!("{}, ", shown.results.parts[row.part]),
            };
            format!("{number}  {part}{words}")
        }
        Task::Best(part) => tr!("best of {} on the test split", shown.results.parts[part]),
    }
}

fn status_ui(ui: &mut Ui, shown: &OpenSweep, task: Task, run: Option<&crate::runs::run::Run>) {
    let colours = palette(ui.visuals());
    let facts = shown.queue.facts.get(&task);
    match shown.queue.state(task) {
        TaskState::Going => {
            let (done, total) = run.map_or((0, 1), |run| (run.step, run.spec.training.steps));
            let share = done as f32 / total.max(1) as f32;
            ui.add(
                ProgressBar::new(share)
                    .fill(colours.accent)
                    .desired_width(90.0)
                    .desired_height(6.0),
            );
            weak_small(ui, tr!("{done} of {total}", done, total));
        }
        TaskState::Done => {
            let loss = facts.and_then(|facts| facts.validation_loss());
            let accuracy = facts.and_then(|facts| facts.accuracy());
            let mut words = vec![tr!("finished").to_owned()];
            words.extend(loss.map(|loss| tr!("loss {loss}", loss = format_args!("{loss:.4}"))));
            words.extend(accuracy.map(|accuracy| tr!("accuracy {accuracy}", accuracy)));
            cut_label(
                ui,
                RichText::new(words.join(", ")).small().color(colours.good),
            );
        }
        TaskState::Diverged { step, detail } => {
            let text = tr!("diverged at step {step}, {detail}", step, detail);
            cut_label(ui, RichText::new(text).small().color(colours.warning));
        }
        TaskState::Failed(reason) => {
            let text = tr!("failed, {reason}", reason);
            cut_label(ui, RichText::new(text).small().color(colours.bad));
        }
        TaskState::Dropped { step } => {
            let text = weak_small(ui, tr!("dropped at step {step}", step));
            text.on_hover_text(tr!(
                "Other runs of its part had a lower validation loss at that step."
            ));
        }
        TaskState::Held { step } => {
            weak_small(ui, tr!("interrupted at step {step}", step));
        }
        state @ (TaskState::Waiting | TaskState::Skipped) => {
            weak_small(ui, language::text(state.word()));
        }
    }
}

fn buttons_ui(ui: &mut Ui, shown: &OpenSweep, idx: usize, actions: &mut Vec<Action>) {
    if shown.live.is_none() {
        return;
    }
    let task = shown.queue.order[idx];
    let mut tell = |command| actions.push(Action::Sweep(SweepAction::Tell(command)));
    match shown.queue.state(task) {
        TaskState::Waiting | TaskState::Held { .. } => {
            if ui.small_button(tr!("Skip")).clicked() {
                tell(SweepCommand::Skip(task));
            }
            let is_open = |task: &Task| {
                matches!(
                    shown.queue.state(*task),
                    TaskState::Waiting | TaskState::Held { .. }
                )
            };
            let before = shown.queue.order[..idx].iter().rposition(is_open);
            let after = shown.queue.order[idx + 1..]
                .iter()
                .position(is_open)
                .map(|at| idx + 1 + at);
            // Short words, since a narrow row needs room for its state.
            for (other, arrow, name) in [
                (after, tr!("Down"), tr!("Move down")),
                (before, tr!("Up"), tr!("Move up")),
            ] {
                let button =
                    ui.add_enabled(other.is_some(), eframe::egui::Button::new(arrow).small());
                button.widget_info(|| WidgetInfo::labeled(Role::Button, other.is_some(), name));
                if button.on_hover_text(name).clicked()
                    && let Some(other) = other
                {
                    let mut order = shown.queue.order.clone();
                    order.swap(idx, other);
                    tell(SweepCommand::Order(order));
                }
            }
        }
        TaskState::Going => {
            let skip = ui.small_button(tr!("Skip"));
            if skip
                .on_hover_text(tr!("Save the run and skip it"))
                .clicked()
            {
                tell(SweepCommand::Skip(task));
            }
        }
        TaskState::Skipped => {
            if ui.small_button(tr!("Include again")).clicked() {
                tell(SweepCommand::Unskip(task));
            }
        }
        TaskState::Done
        | TaskState::Diverged { .. }
        | TaskState::Failed(_)
        | TaskState::Dropped { .. } => {}
    }
}
