//! The dialog that exports a state or adapters: the format, its limits, and what was
//! written.

use std::path::Path;

use eframe::egui::{Button, Context, DragValue, RichText, Spinner, TextEdit, Ui};

use super::{AdapterFile, ExportDialog, Exports, FORMATS, NotExported, format_words};
use crate::language;
use crate::tuning::states::state_file::{LIFTED_FILE, LORA_FILE, NO_LLAMA_CPP};
use crate::ui::shared::action::Action;
use crate::ui::shell::path_dialogs::PathFor;
use crate::ui::shell::theme::{GAP, palette};
use crate::ui::widgets::controls::{choice, from_right, modal, primary_button, weak_small};

/// Draws the dialog, if it is open.
pub fn export_ui(ctx: &Context, exports: &mut Exports) -> Vec<Action> {
    if let Some(soon) = exports.take_in_folding() {
        ctx.request_repaint_after(soon);
    }
    let is_folding = exports.is_folding();
    let is_working = exports.is_working();
    let Some(asked) = &mut exports.open else {
        return Vec::new();
    };
    let mut actions = Vec::new();
    let mut is_done = false;
    let shown = modal(ctx, "export").show(ctx, |ui| {
        ui.set_width(520.0);
        let of_adapters = asked.exports_adapters();
        ui.heading(match of_adapters {
            true => tr!("Export the adapters"),
            false => tr!("Export the state"),
        });
        weak_small(ui, tr!("of {}", asked.run.0));
        ui.add_space(GAP);
        ui.add_enabled_ui(!is_working, |ui| {
            what_ui(ui, asked);
            match of_adapters {
                true => adapter_formats_ui(ui, asked),
                false => formats_ui(ui, asked),
            }
        });
        match of_adapters {
            true => {
                let whole = asked.folder.join(LORA_FILE);
                weak_small(ui, tr!("All that was trained is in {}.", whole.display()));
            }
            false => notes_ui(ui, asked),
        }
        ui.add_space(GAP);
        ui.add_enabled_ui(!is_working, |ui| {
            fold_ui(ui, asked);
            merged_ui(ui, asked);
            where_ui(ui, asked, &mut actions);
        });
        if let Some(told) = &asked.told {
            ui.label(told);
        }
        outcome_ui(ui, asked, &mut actions);
        ui.add_space(GAP);
        ui.horizontal(|ui| {
            from_right(ui, |ui| {
                let has_any = asked.stays.has_state() || asked.folds() || of_adapters;
                let can_write = has_any && !asked.is_busy && !asked.path.trim().is_empty();
                let name = match (of_adapters, asked.folds()) {
                    (true, _) => tr!("Export adapters"),
                    (false, true) => tr!("Fit and export"),
                    (false, false) => tr!("Export state"),
                };
                if is_working {
                    let [name, hint] = match is_folding {
                        true => [
                            tr!("Stop fitting"),
                            tr!("End the fitting; nothing is written"),
                        ],
                        false => [
                            tr!("Stop writing"),
                            tr!("End the writing; nothing is left of it"),
                        ],
                    };
                    if ui.button(name).on_hover_text(hint).clicked() {
                        actions.push(Action::StopExport);
                    }
                } else if primary_button(ui, name, can_write, 130.0).clicked() {
                    actions.push(Action::Export);
                }
                let close = ui.add_enabled(!is_working, Button::new(tr!("Close")));
                if close.clicked() {
                    is_done = true;
                }
                if asked.is_busy {
                    ui.add(Spinner::new().size(16.0));
                }
            });
        });
    });
    // What is under way is seen to its end.
    if is_done || (shown.should_close() && !is_working) {
        exports.open = None;
    }
    actions
}

/// What other programs do not get of a state.
fn notes_ui(ui: &mut Ui, asked: &ExportDialog) {
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
}

/// Whether the state or the adapters are exported, where there are both.
fn what_ui(ui: &mut Ui, asked: &mut ExportDialog) {
    if asked.adapters.is_none() || !asked.stays.has_state() {
        return;
    }
    let mut of_adapters = asked.exports_adapters();
    let both = [(false, tr!("State S₀")), (true, tr!("Adapters"))];
    if ui
        .horizontal(|ui| choice(ui, &mut of_adapters, &both))
        .inner
    {
        asked.turn_to_adapters(of_adapters);
    }
}

fn adapter_formats_ui(ui: &mut Ui, asked: &mut ExportDialog) {
    let chosen = asked.adapters.as_ref().map(|of| of.file);
    for file in AdapterFile::ALL {
        if format_ui(ui, chosen == Some(file), file.words()) {
            asked.choose_adapters(file);
        }
    }
}

/// What a merged model is made of.
fn merged_ui(ui: &mut Ui, asked: &mut ExportDialog) {
    let adapters = asked.adapters.as_mut();
    let Some(adapters) = adapters.filter(|of| of.is_on && of.file.is_merged()) else {
        return;
    };
    ui.horizontal(|ui| {
        let label = ui.label(tr!("Model")).id;
        from_right(ui, |ui| {
            let bf16 = ui.checkbox(&mut adapters.bf16, tr!("bfloat16"));
            let bf16 = bf16.on_hover_text(tr!("Write all of it in bfloat16: 8 bits of mantissa"));
            let field = TextEdit::singleline(&mut adapters.model)
                .hint_text(tr!("the one that the run was trained on"))
                .desired_width(f32::INFINITY);
            let field = ui.add(field).labelled_by(label);
            if bf16.changed() || field.changed() {
                asked.outcome = None;
            }
        });
    });
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
        if format_ui(ui, asked.format == format, format_words(format)) {
            asked.choose(format);
        }
    }
}

/// A format to choose; whether it was.
fn format_ui(ui: &mut Ui, is_chosen: bool, [name, readers, limits]: [&str; 3]) -> bool {
    let radio = ui.radio(is_chosen, RichText::new(name).strong());
    let radio = radio.on_hover_text(tr!("For {}. {limits}", lower_first(readers), limits));
    // The others say theirs under the pointer, so that all fit a small window.
    if is_chosen {
        ui.indent(name, |ui| {
            ui.label(tr!("For {}", lower_first(readers)));
            weak_small(ui, limits);
        });
    }
    radio.clicked() && !is_chosen
}

/// As it stands within a sentence, unless it is a name.
fn lower_first(text: &str) -> String {
    for (first, within) in [("This", "this"), ("The ", "the "), ("Every", "every")] {
        if let Some(rest) = text.strip_prefix(first) {
            return format!("{within}{rest}");
        }
    }
    text.to_owned()
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
    let (folds, of_adapters) = (asked.folds(), asked.exports_adapters());
    ui.horizontal(|ui| {
        let label = ui.label(tr!("Scale")).id;
        let alpha = DragValue::new(&mut asked.alpha)
            .speed(0.01)
            .range(-8.0..=8.0);
        // A state is fitted to the lifted model as it is.
        ui.add_enabled(!folds, alpha)
            .labelled_by(label)
            .on_hover_text(match of_adapters {
                true => tr!(
                    "Multiplies what the adapters add: 1 is as they were trained, 0 the untuned model"
                ),
                false => tr!("Multiplies the state: 1 is the tuned state, 0 the untuned model"),
            });
        if let Some(best) = asked.best.filter(|_| !of_adapters) {
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
