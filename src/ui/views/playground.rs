//! A prompt, answered with and without the state.

use eframe::egui::Ui;

use super::super::widgets::controls::empty_state;

/// Draws the view.
pub fn playground_ui(ui: &mut Ui) {
    empty_state(
        ui,
        "Nothing typed yet",
        "A prompt will be answered here by the untuned and the tuned model side by side. Until then, gosling generate does it on the command line.",
    );
}
