//! Which states are added up, how much of each, and where the sum goes.

use eframe::egui::{Context, DragValue, Grid, RichText, ScrollArea, Spinner, TextEdit, Ui};

use super::{MixDialog, MixTerm};
use crate::ui::shared::action::Action;
use crate::ui::shell::theme::{GAP, palette};
use crate::ui::widgets::controls::{from_right, modal, primary_button, weak_small};

/// Draws the dialog, if it is open.
pub fn mix_ui(ctx: &Context, mixing: &mut Option<MixDialog>) -> Vec<Action> {
    let Some(asked) = mixing else {
        return Vec::new();
    };
    let mut actions = Vec::new();
    let mut is_done = false;
    let shown = modal(ctx, "mix").show(ctx, |ui| {
        ui.set_width(560.0);
        ui.heading(tr!("Mix states"));
        weak_small(ui, tr!("A weighted sum of the states of runs of one model"));
        ui.add_space(GAP);
        ScrollArea::vertical().max_height(220.0).show(ui, |ui| {
            terms_ui(ui, &mut asked.terms);
        });
        ui.add_space(GAP);
        ui.horizontal(|ui| {
            let label = ui.label(tr!("File")).id;
            let field = TextEdit::singleline(&mut asked.path).desired_width(f32::INFINITY);
            let field = ui.add(field).labelled_by(label);
            field.on_hover_text(tr!(
                "Its ending says the format: .safetensors, .pth, .st, .bin or .rmpack"
            ));
        });
        ui.checkbox(&mut asked.overwrites, tr!("Overwrite an existing file"));
        let colours = palette(ui.visuals());
        match &asked.outcome {
            None => {}
            Some(Ok(text)) => {
                ui.label(RichText::new(text.as_str()).color(colours.good));
            }
            Some(Err(text)) => {
                ui.label(RichText::new(format!("× {text}")).color(colours.bad));
            }
        }
        ui.add_space(GAP);
        from_right(ui, |ui| {
            let has_terms = asked.terms.iter().any(|term| term.is_in);
            let can_write = has_terms && !asked.is_busy && !asked.path.trim().is_empty();
            if primary_button(ui, tr!("Write the mix"), can_write, 130.0).clicked() {
                actions.push(Action::Mix);
            }
            if ui.button(tr!("Close")).clicked() {
                is_done = true;
            }
            if asked.is_busy {
                ui.add(Spinner::new().size(16.0));
            }
        });
    });
    if is_done || shown.should_close() {
        *mixing = None;
    }
    actions
}

fn terms_ui(ui: &mut Ui, terms: &mut [MixTerm]) {
    if terms.is_empty() {
        ui.label(tr!("No run has a state yet."));
        return;
    }
    Grid::new("terms")
        .num_columns(3)
        .spacing([16.0, 6.0])
        .show(ui, |ui| {
            let headings = [tr!("State"), tr!("Weight"), tr!("Layers")];
            let [_, of_weight, of_layers] = headings.map(|text| weak_small(ui, text).id);
            ui.end_row();
            for term in terms {
                ui.checkbox(&mut term.is_in, term.title.as_str());
                let weight = DragValue::new(&mut term.weight)
                    .speed(0.01)
                    .range(-8.0..=8.0);
                ui.add_enabled(term.is_in, weight).labelled_by(of_weight);
                let layers = TextEdit::singleline(&mut term.layers)
                    .hint_text(tr!("all, or as 0-5,8"))
                    .desired_width(110.0);
                ui.add_enabled(term.is_in, layers).labelled_by(of_layers);
                ui.end_row();
            }
        });
}
