//! The status bar: the device and its speed.

use eframe::egui::{ProgressBar, RichText, Ui};

use crate::format::{byte_size, duration, part_of_bytes, short};
use crate::runs::RunStore;
use crate::runs::eta::secs_left;
use crate::runs::run::Run;
use crate::runs::scoring::Scoring;
use crate::ui::widgets::controls::{cut_label, from_right};

/// Steps whose time makes the rates that are shown.
const RECENT_STEPS: usize = 16;

/// Draws the line.
pub fn status_bar_ui(ui: &mut Ui, store: &RunStore) {
    ui.horizontal(|ui| {
        from_right(ui, |ui| {
            let active = store.runs().iter().rev().find(|run| run.is_on_here());
            if let Some(run) = active {
                speed_ui(ui, run);
            }
            if let Some(scoring) = store.scoring.as_ref().filter(|scoring| scoring.is_on) {
                let Scoring { done, total, .. } = scoring;
                ui.label(RichText::new(tr!("Scored {done} of {total} items", done, total)).small());
            }
            ui.with_layout(
                eframe::egui::Layout::left_to_right(eframe::egui::Align::Center),
                |ui| device_ui(ui, store),
            );
        });
    });
}

fn device_ui(ui: &mut Ui, store: &RunStore) {
    if let Some(read) = store.loading {
        ui.label(RichText::new(tr!("Loading the model")).small());
        ui.add(
            ProgressBar::new(read.share())
                .desired_width(140.0)
                .desired_height(6.0),
        );
        let bytes = part_of_bytes(read.done, read.total);
        ui.label(RichText::new(bytes).small().weak());
    }
    let device = store
        .device
        .as_deref()
        .unwrap_or(tr!("No device opened yet"));
    cut_label(ui, RichText::new(device).small().weak()).on_hover_text(device);
    if let Some(model) = &store.model {
        ui.separator();
        let text = tr!("{}, {} on the device", model.model, byte_size(model.bytes));
        cut_label(ui, RichText::new(&text).small().weak()).on_hover_text(&text);
    }
}

/// Rates of the last steps, from the right.
fn speed_ui(ui: &mut Ui, run: &Run) {
    if let Some(secs) = secs_left(run) {
        ui.label(RichText::new(tr!("{} left", duration(secs))).small());
    }
    let recent = run.series.step_secs.recent(RECENT_STEPS);
    let (n_steps, secs) = recent.fold((0.0, 0.0), |(n, sum), secs| (n + 1.0, sum + secs));
    if secs > 0.0 {
        let tokens: f64 = run.series.tokens.recent(RECENT_STEPS).sum();
        ui.label(RichText::new(tr!("{} tokens/s", short(tokens / secs))).small());
        ui.label(RichText::new(tr!("{} steps/s", short(n_steps / secs))).small());
    }
}
