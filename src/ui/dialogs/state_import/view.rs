//! The question before a state is imported: which file, which texts, and which way
//! round.

use eframe::egui::{Context, Grid, RichText, Spinner, TextEdit, Ui};

use super::{ImportDialog, data_name};
use crate::protocol::fields::choice::Choice;
use crate::protocol::run_spec::{LeadingToken, RunSpec};
use crate::protocol::state_import::ImportFinding;
use crate::tuning::states::import::Decision;
use crate::tuning::states::import::evidence::{Difference, Evidence, MIN_TEXTS};
use crate::tuning::states::state_file::Orientation;
use crate::ui::shared::action::Action;
use crate::ui::shell::path_dialogs::PathFor;
use crate::ui::shell::theme::{GAP, palette};
use crate::ui::widgets::controls::{from_right, modal, primary_button, weak_small, wrong};

/// Draws the dialog, if it is open.
pub(crate) fn import_ui(
    ctx: &Context,
    importing: &mut Option<ImportDialog>,
    draft: &RunSpec,
) -> Vec<Action> {
    let Some(open) = importing else {
        return Vec::new();
    };
    let mut actions = Vec::new();
    let mut is_done = false;
    let shown = modal(ctx, "import").show(ctx, |ui| {
        ui.set_width(560.0_f32.min(ctx.content_rect().width() - 80.0));
        ui.heading(tr!("Import a state"));
        weak_small(
            ui,
            tr!("Of another program: .pth (RWKV-PEFT, RWKV-Runner), .st or .state (Ai00, web-rwkv), .safetensors, .bin (rwkv.cpp). Its last two axes can be in either order; the loss of the model shows which."),
        );
        ui.add_space(GAP);
        file_ui(ui, open, &mut actions);
        texts_ui(ui, open, draft);
        leading_ui(ui, open);
        ui.add_space(GAP / 2.0);
        found_ui(ui, open);
        ui.add_space(GAP);
        ui.horizontal(|ui| from_right(ui, |ui| is_done = buttons_ui(ui, open, &mut actions)));
    });
    if is_done || shown.should_close() {
        *importing = None;
    }
    actions
}

/// The buttons, from the right; whether the dialog is done.
fn buttons_ui(ui: &mut Ui, open: &ImportDialog, actions: &mut Vec<Action>) -> bool {
    let is_busy = open.asked.is_some() || open.is_writing;
    let has_file = !open.file.trim().is_empty() && !is_busy;
    match &open.found {
        Some((_, Ok(_))) => {
            let can_write = open.orientation.is_some() && has_file;
            let text = tr!("Import and start from it");
            if primary_button(ui, text, can_write, 190.0).clicked() {
                actions.push(Action::WriteImport);
            }
        }
        Some((_, Err(_))) | None => {
            if primary_button(ui, tr!("Compare orders"), has_file, 130.0).clicked() {
                actions.push(Action::CompareState);
            }
        }
    }
    let is_done = ui.button(tr!("Close")).clicked();
    if is_busy {
        ui.add(Spinner::new().size(16.0));
        let text = match open.is_writing {
            true => tr!("Writing"),
            false => tr!("Comparing when the worker is free"),
        };
        weak_small(ui, text);
    }
    is_done
}

fn file_ui(ui: &mut Ui, open: &mut ImportDialog, actions: &mut Vec<Action>) {
    ui.horizontal(|ui| {
        let label = ui.label(tr!("State file")).id;
        from_right(ui, |ui| {
            if ui.button(tr!("Choose…")).clicked() {
                actions.push(Action::Choose(PathFor::ImportedState));
            }
            let mut file = open.file.clone();
            let field = TextEdit::singleline(&mut file).desired_width(f32::INFINITY);
            if ui.add(field).labelled_by(label).changed() {
                open.choose(file.as_ref());
            }
        });
    });
}

fn texts_ui(ui: &mut Ui, open: &mut ImportDialog, draft: &RunSpec) {
    let before = open.on_data;
    ui.horizontal_wrapped(|ui| {
        ui.label(tr!("Compare on"));
        ui.radio_value(&mut open.on_data, false, tr!("a built-in text"))
            .on_hover_text(tr!("One text, only a hint"));
        let name = tr!("the training data, {}", data_name(draft));
        ui.radio_value(&mut open.on_data, true, name)
            .on_hover_text(tr!("Choose this if the configuration has data like that which the state was tuned on; {MIN_TEXTS} or more texts can show the orientation", MIN_TEXTS));
    });
    if before != open.on_data {
        open.forget();
    }
}

fn leading_ui(ui: &mut Ui, open: &mut ImportDialog) {
    let before = open.leading;
    ui.horizontal_wrapped(|ui| {
        ui.label(tr!("Leading token"));
        ui.radio_value(&mut open.leading, None, tr!("as the file says"))
            .on_hover_text(tr!(
                "Nothing where the file does not say it, as in most trainers"
            ));
        for leading in LeadingToken::ALL {
            let name = Choice::name(&leading);
            ui.radio_value(&mut open.leading, Some(leading), name)
                .on_hover_text(tr!("The leading token of the training texts"));
        }
    });
    if before != open.leading {
        open.forget();
    }
}

fn found_ui(ui: &mut Ui, open: &mut ImportDialog) {
    match &open.found {
        None => {
            weak_small(
                ui,
                tr!(
                    "Compare shows the loss from zero, from the state as it is and from the state transposed. Nothing is written before you choose."
                ),
            );
        }
        Some((_, Err(reason))) => {
            wrong(ui, reason);
        }
        Some((_, Ok(finding))) => {
            let finding = finding.clone();
            losses_ui(ui, &finding.evidence);
            ui.add_space(GAP / 2.0);
            decision_ui(ui, &finding);
            ui.add_space(GAP / 2.0);
            choice_ui(ui, open);
        }
    }
    if let Some(problem) = &open.problem {
        wrong(ui, problem);
    }
}

fn losses_ui(ui: &mut Ui, evidence: &Evidence) {
    let of = match evidence.is_built_in {
        true => tr!("loss on the built-in text").to_owned(),
        false => tr!("loss on {} texts", evidence.n_texts),
    };
    Grid::new("losses of a state")
        .spacing([20.0, 4.0])
        .striped(true)
        .show(ui, |ui| {
            for heading in [tr!("start"), of.as_str(), tr!("better than zero by")] {
                ui.label(RichText::new(heading).small().weak());
            }
            ui.end_row();
            let gain = |orientation| interval(evidence.gain(orientation));
            for (name, loss, gain) in [
                (tr!("zero, the untuned model"), evidence.zero, String::new()),
                (
                    tr!("the state as it is: value, key"),
                    evidence.value_key,
                    gain(Orientation::ValueKey),
                ),
                (
                    tr!("the state transposed: key, value"),
                    evidence.key_value,
                    gain(Orientation::KeyValue),
                ),
            ] {
                ui.label(name);
                ui.monospace(format!("{loss:.4}"));
                ui.monospace(gain);
                ui.end_row();
            }
        });
}

/// `+1.25 [+1.00, +1.50]`; without an interval where a single text has none.
fn interval(Difference { mean, half }: Difference) -> String {
    match half.is_finite() {
        true => format!("{mean:+.2} [{:+.2}, {:+.2}]", mean - half, mean + half),
        false => format!("{mean:+.2}"),
    }
}

fn decision_ui(ui: &mut Ui, finding: &ImportFinding) {
    let colours = palette(ui.visuals());
    let (text, colour) = match finding.decision {
        Decision::Declared(of) => (
            tr!("The file says that its axes are {}.", of.name()),
            colours.good,
        ),
        Decision::ByConvention(convention) => (
            tr!(
                "Every {} holds {}.",
                convention.format,
                convention.orientation.name()
            ),
            colours.good,
        ),
        Decision::ByTexts(of) => (
            tr!("The texts indicate that its axes are {}.", of.name()),
            colours.good,
        ),
        Decision::Contradicted { convention, found } => (
            tr!(
                "Every {} holds {}, but the texts indicate {}. Choose {} if the texts are like the data that the state was tuned on.",
                convention.format,
                convention.orientation.name(),
                found.name(),
                found.name()
            ),
            colours.warning,
        ),
        Decision::Unknown => (
            tr!(
                "Neither the file nor its format states the orientation. Compare on {MIN_TEXTS} or more texts like its training data, or choose: RWKV-PEFT and RWKV-Runner write value, key; Ai00 and web-rwkv write key, value.",
                MIN_TEXTS
            ),
            colours.warning,
        ),
    };
    ui.label(RichText::new(text).color(colour));
    for note in &finding.notes {
        weak_small(ui, note.as_str());
    }
}

fn choice_ui(ui: &mut Ui, open: &mut ImportDialog) {
    ui.horizontal_wrapped(|ui| {
        ui.label(tr!("Import it"));
        let chosen = &mut open.orientation;
        ui.radio_value(chosen, Some(Orientation::ValueKey), tr!("as it is"));
        ui.radio_value(chosen, Some(Orientation::KeyValue), tr!("transposed"));
    });
    ui.horizontal(|ui| {
        let label = ui.label(tr!("Write to")).id;
        let field = TextEdit::singleline(&mut open.output).desired_width(f32::INFINITY);
        ui.add(field).labelled_by(label);
    });
}
