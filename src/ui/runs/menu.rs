//! What can be done with a run besides starting and stopping it, and what people
//! write on it.

use eframe::egui::{Context, TextEdit, Ui};

use crate::runs::run::Run;
use crate::ui::shared::action::Action;
use crate::ui::shell::theme::GAP;
use crate::ui::ui_state::{LabelEditor, UiState};
use crate::ui::widgets::controls::{from_right, modal, primary_button, weak_small};

/// Draws the entries of a run's menu.
pub fn run_menu_ui(ui: &mut Ui, run: &Run, state: &UiState) -> Vec<Action> {
    let mut actions = Vec::new();
    let id = || run.id.clone();
    let is_baseline = state.baseline.as_ref() == Some(&run.id);
    let (pin, pinned) = if is_baseline {
        ("Unpin the baseline", None)
    } else {
        ("Pin as the baseline", Some(id()))
    };
    let mut entry = |ui: &mut Ui, text: &str, hint: &str, is_enabled: bool, action: Action| {
        let button = ui.add_enabled(is_enabled, eframe::egui::Button::new(text).frame(false));
        if button.on_hover_text(hint).clicked() {
            actions.push(action);
            ui.close();
        }
    };
    let has_state = !run.exported.is_empty();
    entry(
        ui,
        "Name, tags and note…",
        "Write on the run; its folder keeps its name",
        true,
        Action::EditLabels(id()),
    );
    entry(
        ui,
        "Use its settings",
        "Make the configuration that of this run",
        true,
        Action::UseSpecOf(id()),
    );
    entry(
        ui,
        "Run again",
        "Begin a run with the same settings in a new folder",
        true,
        Action::RunAgain(id()),
    );
    entry(
        ui,
        pin,
        "The others are compared with the baseline, which plots show dashed",
        true,
        Action::Pin(pinned),
    );
    ui.separator();
    entry(
        ui,
        "Export the state…",
        "Write its state for another program",
        has_state,
        Action::OpenExport(id()),
    );
    entry(
        ui,
        "Measure accuracy…",
        "On any benchmark, from its state or untuned",
        run.status.is_over(),
        Action::OpenScoring(id()),
    );
    entry(
        ui,
        "Numbers as CSV…",
        "Every number of every step as a table",
        true,
        Action::SaveNumbers(vec![id()]),
    );
    entry(
        ui,
        "Diagnostics…",
        "Its log, settings and labels, and what this machine computes on, in one file",
        true,
        Action::SaveDiagnostics(Some(id())),
    );
    ui.separator();
    entry(
        ui,
        "Copy as command line",
        "The same run with gosling tune",
        true,
        Action::CopyCommandLineOf(id()),
    );
    entry(
        ui,
        "Open its folder",
        &run.folder.display().to_string(),
        true,
        Action::Reveal(run.folder.clone()),
    );
    entry(
        ui,
        "Copy the folder's path",
        &run.folder.display().to_string(),
        true,
        Action::CopyText(run.folder.display().to_string()),
    );
    ui.separator();
    let chosen = match state.is_selected(&run.id) {
        true => state.selected.clone(),
        false => vec![id()],
    };
    let text = match chosen.len() {
        0 | 1 => "Delete".to_owned(),
        n => format!("Delete {n} runs"),
    };
    entry(
        ui,
        &text,
        "Move it out of the way; it can be put back",
        run.status.is_over(),
        Action::Delete(chosen),
    );
    actions
}

/// Draws the question for a title, tags and a note.
pub fn labels_ui(ctx: &Context, editing: &mut Option<LabelEditor>) -> Vec<Action> {
    let Some(edited) = editing else {
        return Vec::new();
    };
    let mut actions = Vec::new();
    let mut is_done = false;
    let shown = modal(ctx, "labels").show(ctx, |ui| {
        ui.set_width(380.0);
        ui.heading("Name, tags and note");
        weak_small(ui, format!("Its folder stays {}", edited.run.0));
        ui.add_space(6.0);
        let hint = edited.run.0.clone();
        field(ui, "Name", |ui| {
            TextEdit::singleline(&mut edited.labels.title)
                .hint_text(hint)
                .desired_width(f32::INFINITY)
                .show(ui)
                .response
                .response
        });
        field(ui, "Tags, with commas between them", |ui| {
            TextEdit::singleline(&mut edited.tags)
                .desired_width(f32::INFINITY)
                .show(ui)
                .response
                .response
        });
        field(ui, "Note", |ui| {
            TextEdit::multiline(&mut edited.labels.note)
                .desired_rows(4)
                .desired_width(f32::INFINITY)
                .show(ui)
                .response
                .response
        });
        ui.add_space(GAP);
        ui.horizontal(|ui| {
            from_right(ui, |ui| {
                if primary_button(ui, "Save", true, 90.0).clicked() {
                    let tags = edited.tags.clone();
                    edited.labels.set_tags(&tags);
                    edited.labels.title = edited.labels.title.trim().to_owned();
                    actions.push(Action::Label(edited.run.clone(), edited.labels.clone()));
                    is_done = true;
                }
                if ui.button("Cancel").clicked() {
                    is_done = true;
                }
            });
        });
    });
    if is_done || shown.should_close() {
        *editing = None;
    }
    actions
}

fn field(ui: &mut Ui, name: &str, control: impl FnOnce(&mut Ui) -> eframe::egui::Response) {
    let label = ui.label(name).id;
    control(ui).labelled_by(label);
    ui.add_space(4.0);
}
