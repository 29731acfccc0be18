//! Names of controls.

use eframe::egui::{Response, RichText, Ui, vec2};

/// The width of the names.
const WIDTH: f32 = 96.0;

/// A name in front of a control, which is also its name for a screen reader.
pub(super) fn labelled(
    ui: &mut Ui,
    name: &str,
    hint: &str,
    content: impl FnOnce(&mut Ui) -> Response,
) {
    ui.horizontal(|ui| {
        let size = vec2(WIDTH, ui.spacing().interact_size.y);
        let label = ui.allocate_ui(size, |ui| {
            ui.set_min_width(WIDTH);
            ui.label(RichText::new(name).small())
        });
        label.response.on_hover_text(hint);
        content(ui).labelled_by(label.inner.id);
    });
}
