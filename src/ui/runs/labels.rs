//! The labels of a run: title, tags and note.

use eframe::egui::{Context, ScrollArea, TextEdit, Ui};

use super::state::LabelEditor;
use crate::ui::shared::action::Action;
use crate::ui::shell::theme::GAP;
use crate::ui::widgets::controls::{from_right, modal, primary_button, weak_small};
use crate::ui::widgets::markdown::markdown_ui;

/// Draws the question for a title, tags and a note.
pub fn labels_ui(ctx: &Context, editing: &mut Option<LabelEditor>) -> Vec<Action> {
    let Some(edited) = editing else {
        return Vec::new();
    };
    let mut actions = Vec::new();
    let mut is_done = false;
    let shown = modal(ctx, "labels").show(ctx, |ui| {
        ui.set_width(380.0);
        ui.heading(tr!("Name, tags and note"));
        weak_small(ui, tr!("The folder keeps its name, {}", edited.run.0));
        ui.add_space(6.0);
        let hint = edited.run.0.clone();
        field(ui, tr!("Name"), |ui| {
            TextEdit::singleline(&mut edited.labels.title)
                .hint_text(hint)
                .desired_width(f32::INFINITY)
                .show(ui)
                .response
                .response
        });
        field(ui, tr!("Tags, separated by commas"), |ui| {
            TextEdit::singleline(&mut edited.tags)
                .desired_width(f32::INFINITY)
                .show(ui)
                .response
                .response
        });
        field(ui, tr!("Note, in Markdown"), |ui| {
            TextEdit::multiline(&mut edited.labels.note)
                .desired_rows(4)
                .desired_width(f32::INFINITY)
                .show(ui)
                .response
                .response
        });
        if !edited.labels.note.trim().is_empty() {
            weak_small(ui, tr!("As it is shown"));
            ScrollArea::vertical()
                .id_salt("note as it is shown")
                .max_height(120.0)
                .auto_shrink([false, true])
                .show(ui, |ui| markdown_ui(ui, &edited.labels.note));
        }
        ui.add_space(GAP);
        ui.horizontal(|ui| {
            from_right(ui, |ui| {
                if primary_button(ui, tr!("Save"), true, 90.0).clicked() {
                    let tags = edited.tags.clone();
                    edited.labels.set_tags(&tags);
                    edited.labels.title = edited.labels.title.trim().to_owned();
                    actions.push(Action::Label(edited.run.clone(), edited.labels.clone()));
                    is_done = true;
                }
                if ui.button(tr!("Cancel")).clicked() {
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
