//! Names of controls.

use eframe::egui::{RichText, Ui, vec2};

/// The width of the names.
const WIDTH: f32 = 96.0;

/// A name in front of a control.
pub(super) fn labelled(ui: &mut Ui, name: &str, hint: &str, content: impl FnOnce(&mut Ui)) {
    ui.horizontal(|ui| {
        let size = vec2(WIDTH, ui.spacing().interact_size.y);
        let label = ui.allocate_ui(size, |ui| {
            ui.set_min_width(WIDTH);
            ui.label(RichText::new(name).small())
        });
        label.response.on_hover_text(hint);
        content(ui);
    });
}
