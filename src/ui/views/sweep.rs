//! Many runs over ranges of fields.

use eframe::egui::Ui;

use super::super::widgets::controls::empty_state;

/// Draws the view.
pub fn sweep_ui(ui: &mut Ui) {
    empty_state(
        ui,
        "No sweep yet",
        "Runs over ranges of M, gamma, rates and seeds will be set up, queued and compared here. Until then, change a field on the right and press Start again; runs wait for each other.",
    );
}
