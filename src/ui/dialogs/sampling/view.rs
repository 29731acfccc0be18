//! Which questions the model answers, and how far it is.

use eframe::egui::{Context, DragValue, Grid, RichText, Spinner, TextEdit, Ui};

use super::{SamplingSetup, Samplings};
use crate::ui::shared::action::Action;
use crate::ui::shell::theme::{GAP, palette};
use crate::ui::widgets::controls::{from_right, modal, primary_button, weak_small};

/// Draws the dialog, if it is open.
pub fn sampling_ui(ctx: &Context, sampling: &mut Samplings) -> Vec<Action> {
    if let Some(soon) = sampling.take_in() {
        ctx.request_repaint_after(soon);
    }
    let (is_on, is_stopping) = (sampling.is_on(), sampling.is_stopping());
    let Samplings {
        open,
        told,
        written,
        ..
    } = sampling;
    let Some(asked) = open else {
        return Vec::new();
    };
    let mut actions = Vec::new();
    let mut is_done = false;
    let shown = modal(ctx, "sampling").show(ctx, |ui| {
        ui.set_width(520.0);
        ui.heading(tr!("Training data from the model"));
        weak_small(
            ui,
            tr!("The model answers every question several times. Its right answers, checked with the given ones of the training split, become a training file."),
        );
        ui.add_space(GAP);
        ui.add_enabled_ui(!is_on, |ui| setup_ui(ui, asked));
        let colours = palette(ui.visuals());
        match told {
            None => {}
            Some(Ok(text)) => {
                ui.label(RichText::new(text.as_str()).color(colours.good));
            }
            Some(Err(text)) => {
                ui.label(RichText::new(format!("× {text}")).color(colours.bad));
            }
        }
        if let Some(source) = written {
            let hint = tr!("Make this file the training data of the configuration");
            if ui.button(tr!("Use as training data")).on_hover_text(hint).clicked() {
                actions.push(Action::UseData(source.clone()));
                is_done = true;
            }
        }
        ui.add_space(GAP);
        from_right(ui, |ui| {
            if is_on {
                let stop = ui.add_enabled(!is_stopping, eframe::egui::Button::new(tr!("Stop")));
                if stop.on_hover_text(tr!("Save the answers so far and stop")).clicked() {
                    actions.push(Action::StopSampling);
                }
            } else {
                let has_names = [&asked.questions, &asked.path]
                    .iter()
                    .all(|text| !text.trim().is_empty());
                if primary_button(ui, tr!("Start sampling"), has_names, 130.0).clicked() {
                    actions.push(Action::Sample);
                }
            }
            if ui.button(tr!("Close")).clicked() {
                is_done = true;
            }
            if is_on {
                ui.add(Spinner::new().size(16.0));
            }
        });
    });
    if is_done || shown.should_close() {
        *open = None;
    }
    actions
}

fn setup_ui(ui: &mut Ui, asked: &mut SamplingSetup) {
    Grid::new("sampling")
        .num_columns(2)
        .spacing([16.0, 6.0])
        .show(ui, |ui| {
            let width = 360.0;
            let label = ui.label(tr!("Questions")).id;
            let field = TextEdit::singleline(&mut asked.questions).desired_width(width);
            ui.add(field).labelled_by(label).on_hover_text(
                tr!("gsm8k, arc, mmlu, winogrande, or a file of prompts with `answer` or `pattern`"),
            );
            ui.end_row();
            number(ui, tr!("Answers per question"), &mut asked.samples, 1..=1024, "");
            number(
                ui,
                tr!("Kept per question"),
                &mut asked.keep,
                1..=1024,
                tr!("At most so many different right answers of one question"),
            );
            let label = ui.label(tr!("Temperature")).id;
            let field = DragValue::new(&mut asked.temperature)
                .speed(0.01)
                .range(0.05..=4.0);
            ui.add(field)
                .labelled_by(label)
                .on_hover_text(tr!("Divisor of the logits; above 1 answers differ more"));
            ui.end_row();
            let is_benchmark = asked.is_benchmark();
            let label = |ui: &mut Ui| ui.label(tr!("Solved questions in front")).id;
            let label = ui.add_enabled_ui(is_benchmark, label).inner;
            let shots = DragValue::new(&mut asked.shots).range(0..=32);
            ui.add_enabled(is_benchmark, shots).labelled_by(label).on_hover_text(
                tr!("They show the form of answers while the model writes, and are no part of the training file"),
            );
            ui.end_row();
            number(
                ui,
                tr!("Questions at most"),
                &mut asked.limit,
                0..=10_000_000,
                tr!("The first so many; 0 is all of them"),
            );
            if let Some(state) = &asked.state {
                ui.label(tr!("Who answers"));
                ui.checkbox(&mut asked.uses_state, tr!("From the state of {}", state.title));
                ui.end_row();
            }
            let label = ui.label(tr!("File")).id;
            let field = TextEdit::singleline(&mut asked.path).desired_width(width);
            ui.add(field).labelled_by(label).on_hover_text(
                tr!("All answers and a description are written beside it; the same file goes on"),
            );
            ui.end_row();
        });
}

fn number(
    ui: &mut Ui,
    name: &str,
    value: &mut usize,
    range: std::ops::RangeInclusive<usize>,
    hint: &str,
) {
    let label = ui.label(name).id;
    let field = ui
        .add(DragValue::new(value).range(range))
        .labelled_by(label);
    if !hint.is_empty() {
        field.on_hover_text(hint);
    }
    ui.end_row();
}
