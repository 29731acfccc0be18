//! How prompts are answered.

use eframe::egui::{Checkbox, CollapsingHeader, DragValue, Slider, TextEdit, Ui};

use super::state::PlaygroundSettings;

/// Draws the settings.
pub fn settings_ui(ui: &mut Ui, settings: &mut PlaygroundSettings, has_state: bool) {
    ui.horizontal_wrapped(|ui| {
        ui.spacing_mut().slider_width = 76.0;
        let label = ui.label(tr!("State scale")).id;
        let alpha = Slider::new(&mut settings.alpha, -1.0..=2.0).fixed_decimals(2);
        ui.add_enabled(has_state, alpha)
            .labelled_by(label)
            .on_hover_text(tr!("α multiplies the state: 1 is the tuned state, 0 the untuned model; negative values reverse the state"));
        if ui.add_enabled(has_state, eframe::egui::Button::new("1").small()).on_hover_text(tr!("Reset to the tuned state")).clicked() {
            settings.alpha = 1.0;
        }
        let label = ui.label(tr!("Max tokens")).id;
        ui.add(DragValue::new(&mut settings.max_tokens).range(1..=4096).speed(0.5))
            .labelled_by(label);
    });
    CollapsingHeader::new(tr!("Settings of the answer")).show_unindented(ui, |ui| {
        ui.horizontal_wrapped(|ui| {
            ui.add(Checkbox::new(&mut settings.is_random, tr!("Sampling")))
                .on_hover_text(
                    tr!("Off: greedy decoding, always the most likely token, so the answer is always the same"),
                );
            ui.add_enabled_ui(settings.is_random, |ui| {
                ui.spacing_mut().slider_width = 80.0;
                let label = ui.label(tr!("Temperature")).id;
                ui.add(Slider::new(&mut settings.temperature, 0.05..=2.0).fixed_decimals(2))
                    .labelled_by(label)
                    .on_hover_text(tr!("Divisor of the logits; below 1, likely tokens become more likely"));
                let label = ui.label(tr!("Top p")).id;
                ui.add(Slider::new(&mut settings.top_p, 0.05..=1.0).fixed_decimals(2))
                    .labelled_by(label)
                    .on_hover_text(tr!("Sample only from the most likely tokens that together have this probability"));
                let label = ui.label(tr!("Seed")).id;
                ui.add(DragValue::new(&mut settings.seed).speed(0.1))
                    .labelled_by(label)
                    .on_hover_text(tr!("The same seed gives the same tokens"));
                let label = ui.label(tr!("Top k")).id;
                ui.add(DragValue::new(&mut settings.top_k).speed(0.2))
                    .labelled_by(label)
                    .on_hover_text(tr!("Sample only from so many of the most likely tokens; 0 is all of them"));
            });
            let label = ui.label(tr!("Presence penalty")).id;
            ui.add(DragValue::new(&mut settings.presence).speed(0.02).range(-2.0..=2.0))
                .labelled_by(label)
                .on_hover_text(tr!("Subtracted from the logit of every token that was already written"));
            let label = ui.label(tr!("Frequency penalty")).id;
            ui.add(DragValue::new(&mut settings.frequency).speed(0.02).range(-2.0..=2.0))
                .labelled_by(label)
                .on_hover_text(tr!("Subtracted once for every time that a token was already written"));
            ui.checkbox(&mut settings.stops_at_blank, tr!("Stop at a blank line"));
            let label = ui.label(tr!("Stop at")).id;
            ui.add(TextEdit::singleline(&mut settings.stop).desired_width(90.0))
                .labelled_by(label)
                .on_hover_text(tr!("Another text at which an answer ends; \\n is a line end"));
        });
    });
}
