//! The questions that were scored, one by one.

use eframe::egui::Ui;

use super::super::widgets::controls::empty_state;

/// Draws the view.
pub fn items_ui(ui: &mut Ui) {
    empty_state(
        ui,
        "No items to look at",
        "Questions that tuning fixed and broke will stand here, with prompts and answers. Every run already keeps them, one a line, in the folder eval of its own folder.",
    );
}
