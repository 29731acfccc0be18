//! The dialog that exports a state: the format, its limits, and what was written.

use std::path::Path;

use eframe::egui::{Button, Context, DragValue, RichText, Spinner, TextEdit, Ui};

use super::{ExportDialog, FORMATS, NotExported, format_words};
use crate::language;
use crate::tuning::states::state_file::{LIFTED_FILE, LORA_FILE, NO_LLAMA_CPP};
use crate::ui::shared::action::Action;
use crate::ui::shell::path_dialogs::PathFor;
use crate::ui::shell::theme::{GAP, palette};
use crate::ui::widgets::controls::{from_right, modal, primary_button, weak_small};

/// Draws the dialog, if it is open.
pub fn export_ui(ctx: &Context, exporting: &mut Option<ExportDialog>) -> Vec<Action> {
    let Some(asked) = exporting else {
        return Vec::new();
    };
    let mut actions = Vec::new();
    let mut is_done = false;
    let shown = modal(ctx, "export").show(ctx, |ui| {
        ui.set_width(520.0);
        ui.heading(tr!("Export the state"));
        weak_small(ui, tr!("of {}", asked.run.0));
        ui.add_space(GAP);
        formats_ui(ui, asked);
        if let Some(note) = asked.stays.note() {
            let warning = palette(ui.visuals()).warning;
            ui.label(
                RichText::new(tr!("Note that {note}.", note = language::text(note))).color(warning),
            );
            let whole = match asked.stays {
                NotExported::Adapters | NotExported::AdaptersAlone => LORA_FILE,
                NotExported::Nothing | NotExported::Lift | NotExported::Everything => LIFTED_FILE,
            };
            let whole = asked.folder.join(whole);
            weak_small(ui, tr!("The complete state is in {}.", whole.display()));
        }
        weak_small(ui, language::text(NO_LLAMA_CPP));
        ui.add_space(GAP);
        where_ui(ui, asked, &mut actions);
        outcome_ui(ui, asked, &mut actions);
        ui.add_space(GAP);
        ui.horizontal(|ui| {
            from_right(ui, |ui| {
                let can_write =
                    asked.stays.has_state() && !asked.is_busy && !asked.path.trim().is_empty();
                if primary_button(ui, tr!("Export state"), can_write, 130.0).clicked() {
                    actions.push(Action::Export);
                }
                if ui.button(tr!("Close")).clicked() {
                    is_done = true;
                }
                if asked.is_busy {
                    ui.add(Spinner::new().size(16.0));
                }
            });
        });
    });
    if is_done || shown.should_close() {
        *exporting = None;
    }
    actions
}

fn formats_ui(ui: &mut Ui, asked: &mut ExportDialog) {
    for format in FORMATS {
        let [name, readers, limits] = format_words(format);
        let is_chosen = asked.format == format;
        let radio = ui.radio(is_chosen, RichText::new(name).strong());
        let radio = radio.on_hover_text(tr!("For {}. {limits}", lower_first(readers), limits));
        if radio.clicked() && !is_chosen {
            asked.choose(format);
        }
        // The others say theirs under the pointer, so that all fit a small window.
        if asked.format == format {
            ui.indent(name, |ui| {
                ui.label(tr!("For {}", lower_first(readers)));
                weak_small(ui, limits);
            });
        }
    }
}

/// As it stands within a sentence, unless it is a name.
fn lower_first(text: &str) -> String {
    match text.strip_prefix("This") {
        Some(rest) => format!("this{rest}"),
        None => text.to_owned(),
    }
}

fn where_ui(ui: &mut Ui, asked: &mut ExportDialog, actions: &mut Vec<Action>) {
    ui.horizontal(|ui| {
        let label = ui.label(tr!("File")).id;
        from_right(ui, |ui| {
            if ui.button(tr!("Choose…")).clicked() {
                actions.push(Action::Choose(PathFor::Export));
            }
            let field = TextEdit::singleline(&mut asked.path).desired_width(f32::INFINITY);
            if ui.add(field).labelled_by(label).changed() {
                asked.outcome = None;
            }
        });
    });
    ui.horizontal(|ui| {
        let label = ui.label(tr!("Scale")).id;
        let alpha = DragValue::new(&mut asked.alpha)
            .speed(0.01)
            .range(-8.0..=8.0);
        ui.add(alpha).labelled_by(label).on_hover_text(tr!(
            "Multiplies the state: 1 is the tuned state, 0 the untuned model"
        ));
        if let Some(best) = asked.best {
            let alpha = f64::from(best.alpha);
            let text = tr!("Use {alpha}", alpha);
            let hint = tr!(
                "The factor with the lowest loss on held-out examples, {}",
                format_args!("{:.4}", best.loss)
            );
            let button = ui.add_enabled(asked.alpha != alpha, Button::new(text));
            if button.on_hover_text(hint).clicked() {
                asked.alpha = alpha;
                asked.outcome = None;
            }
        }
        ui.checkbox(&mut asked.overwrites, tr!("Overwrite an existing file"));
    });
}

fn outcome_ui(ui: &mut Ui, asked: &ExportDialog, actions: &mut Vec<Action>) {
    let colours = palette(ui.visuals());
    match &asked.outcome {
        None => {}
        Some(Ok(text)) => {
            ui.add_space(4.0);
            ui.label(RichText::new(text.as_str()).color(colours.good));
            let folder = Path::new(&asked.path).parent().map(Path::to_path_buf);
            if let Some(folder) = folder
                && ui.button(tr!("Open folder")).clicked()
            {
                actions.push(Action::Reveal(folder));
            }
        }
        Some(Err(text)) => {
            ui.add_space(4.0);
            ui.label(RichText::new(format!("× {text}")).color(colours.bad));
        }
    }
}
