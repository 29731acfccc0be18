//! The dialog that exports a state: the format, its limits, and what was written.

use std::path::Path;

use eframe::egui::{Button, Context, DragValue, RichText, Spinner, TextEdit, Ui};

use super::{ExportDialog, Exports, FORMATS, NotExported, format_words};
use crate::language;
use crate::tuning::states::state_file::{LIFTED_FILE, LORA_FILE, NO_LLAMA_CPP};
use crate::ui::shared::action::Action;
use crate::ui::shell::path_dialogs::PathFor;
use crate::ui::shell::theme::{GAP, palette};
use crate::ui::widgets::controls::{from_right, modal, primary_button, weak_small};

/// Draws the dialog, if it is open.
pub fn export_ui(ctx: &Context, exports: &mut Exports) -> Vec<Action> {
    if let Some(soon) = exports.take_in_folding() {
        ctx.request_repaint_after(soon);
    }
    let is_folding = exports.is_folding();
    let Some(asked) = &mut exports.open else {
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
        ui.add_enabled_ui(!is_folding, |ui| {
            fold_ui(ui, asked);
            where_ui(ui, asked, &mut actions);
        });
        if let Some(told) = &asked.told {
            ui.label(told);
        }
        outcome_ui(ui, asked, &mut actions);
        ui.add_space(GAP);
        ui.horizontal(|ui| {
            from_right(ui, |ui| {
                let has_state = asked.stays.has_state() || asked.folds();
                let can_write = has_state && !asked.is_busy && !asked.path.trim().is_empty();
                let name = match asked.folds() {
                    true => tr!("Fit and export"),
                    false => tr!("Export state"),
                };
                if is_folding {
                    let stop = ui.button(tr!("Stop fitting"));
                    if stop
                        .on_hover_text(tr!("End the fitting; nothing is written"))
                        .clicked()
                    {
                        actions.push(Action::StopFolding);
                    }
                } else if primary_button(ui, name, can_write, 130.0).clicked() {
                    actions.push(Action::Export);
                }
                let close = ui.add_enabled(!is_folding, Button::new(tr!("Close")));
                if close.clicked() {
                    is_done = true;
                }
                if asked.is_busy {
                    ui.add(Spinner::new().size(16.0));
                }
            });
        });
    });
    // What is being fitted is seen to its end.
    if is_done || (shown.should_close() && !is_folding) {
        exports.open = None;
    }
    actions
}

/// Whether a plain state is fitted to all of a lifted run.
fn fold_ui(ui: &mut Ui, asked: &mut ExportDialog) {
    let Some(fold) = &mut asked.fold else {
        return;
    };
    let hint = tr!(
        "Trains a plain S₀ to predict what the lifted model predicts on the training texts of the run, which takes about as long as the run, and exports that. The accuracy of both is measured where the run has a benchmark."
    );
    let name = tr!("Fit a plain state to the lifted model");
    if ui
        .checkbox(&mut fold.is_on, name)
        .on_hover_text(hint)
        .changed()
    {
        asked.outcome = None;
    }
    if fold.is_on {
        ui.horizontal(|ui| {
            let label = ui.label(tr!("Steps")).id;
            let steps = DragValue::new(&mut fold.steps).range(1..=1_000_000);
            ui.add(steps).labelled_by(label);
            let label = ui.label(tr!("Learning rate")).id;
            let rate = DragValue::new(&mut fold.rate)
                .speed(0.01)
                .range(1e-6..=100.0);
            ui.add(rate).labelled_by(label);
        });
    }
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
    let folds = asked.folds();
    ui.horizontal(|ui| {
        let label = ui.label(tr!("Scale")).id;
        let alpha = DragValue::new(&mut asked.alpha)
            .speed(0.01)
            .range(-8.0..=8.0);
        // A state is fitted to the lifted model as it is.
        ui.add_enabled(!folds, alpha)
            .labelled_by(label)
            .on_hover_text(tr!(
                "Multiplies the state: 1 is the tuned state, 0 the untuned model"
            ));
        if let Some(best) = asked.best {
            let alpha = f64::from(best.alpha);
            let text = tr!("Use {alpha}", alpha);
            let hint = tr!(
                "The factor with the lowest loss on held-out examples, {}",
                format_args!("{:.4}", best.loss)
            );
            let button = ui.add_enabled(asked.alpha != alpha && !folds, Button::new(text));
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
