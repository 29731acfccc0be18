//! What is wrong with a run, and which field to change.

use eframe::egui::{RichText, Ui};

use crate::runs::run::Run;
use crate::ui::shell::theme::palette;
use crate::ui::widgets::controls::{group_title, weak_small};

/// Draws one line for each thing that is wrong; nothing where all is well.
pub fn diagnoses_ui(ui: &mut Ui, run: &Run) {
    if run.diagnoses.is_empty() {
        return;
    }
    group_title(ui, "Diagnosis");
    let warning = palette(ui.visuals()).warning;
    for diagnosis in &run.diagnoses {
        ui.horizontal_wrapped(|ui| {
            let when = match diagnosis.step {
                0 => "before step 1".to_owned(),
                step => format!("step {step}"),
            };
            ui.label(RichText::new(when).strong().color(warning));
            ui.label(&diagnosis.advice);
            weak_small(ui, format!("change {}", diagnosis.field));
        });
    }
}
