//! Where a conversation is saved, and whether what is there is replaced.

use eframe::egui::{Context, RichText, TextEdit};

use super::save_dialog::SaveDialog;
use crate::format::shown;
use crate::protocol::event::Answer;
use crate::ui::shared::action::Action;
use crate::ui::shell::path_dialogs::PathFor;
use crate::ui::shell::theme::{GAP, palette};
use crate::ui::widgets::controls::{from_right, modal, primary_button, weak_small};

/// Draws the dialog, if it is open.
pub fn saving_ui(ctx: &Context, saving: &mut Option<SaveDialog>) -> Vec<Action> {
    let Some(asked) = saving else {
        return Vec::new();
    };
    let mut actions = Vec::new();
    let mut is_done = false;
    let drawn = modal(ctx, "save chat").show(ctx, |ui| {
        ui.set_width(480.0);
        ui.heading(tr!("Save the chat"));
        let side = match asked.side {
            Answer::Untuned => tr!("The conversation on the left"),
            Answer::Tuned => tr!("The conversation on the right"),
        };
        weak_small(
            ui,
            tr!("{side}, as a line of training data. A description beside it names the model and the state by their hashes.", side),
        );
        ui.add_space(GAP);
        ui.horizontal(|ui| {
            let label = ui.label(tr!("File")).id;
            from_right(ui, |ui| {
                if ui.button(tr!("Choose…")).clicked() {
                    actions.push(Action::Choose(PathFor::Chat));
                }
                let field = TextEdit::singleline(&mut asked.path).desired_width(f32::INFINITY);
                if ui.add(field).labelled_by(label).changed() {
                    asked.there = None;
                }
            });
        });
        if let Some(there) = &asked.there {
            let warning = palette(ui.visuals()).warning;
            let text = tr!("{} exists already. Overwrite it?", shown(there));
            ui.label(RichText::new(text).color(warning));
        }
        ui.add_space(GAP);
        from_right(ui, |ui| {
            let can_write = !asked.path.trim().is_empty();
            let (name, overwrite) = match asked.there {
                Some(_) => (tr!("Overwrite file"), true),
                None => (tr!("Save chat"), false),
            };
            if primary_button(ui, name, can_write, 130.0).clicked() {
                actions.push(Action::WriteChat { overwrite });
            }
            if asked.there.is_some() && ui.button(tr!("Keep file")).clicked() {
                asked.there = None;
            }
            if ui.button(tr!("Close")).clicked() {
                is_done = true;
            }
        });
    });
    if is_done || drawn.should_close() {
        *saving = None;
    }
    actions
}
