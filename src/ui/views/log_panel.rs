//! What has happened, line by line.

use eframe::egui::{FontId, RichText, ScrollArea, TextStyle, Ui};

use super::super::theme::{palette, run_colour};
use super::super::ui_state::UiState;
use super::super::widgets::controls::{cut_middle, from_right, group_title, weak_small};
use crate::runs::{LogLevel, LogLine, RunStore};

/// Width of the names of runs.
const NAME_WIDTH: f32 = 150.0;

/// Draws the log; the newest line is at the bottom and in sight.
pub fn log_panel_ui(ui: &mut Ui, store: &RunStore, state: &mut UiState) {
    ui.horizontal(|ui| {
        group_title(ui, "Log");
        from_right(ui, |ui| {
            ui.checkbox(&mut state.log_of_selected, "Selected runs only");
        });
    });
    let is_shown = |line: &&LogLine| match &line.run {
        Some(run) if state.log_of_selected => state.is_selected(run),
        Some(_) | None => true,
    };
    let lines: Vec<&LogLine> = store.log().filter(is_shown).collect();
    if lines.is_empty() {
        weak_small(ui, "What happens is written here.");
        return;
    }
    let height = ui.text_style_height(&TextStyle::Body);
    ui.spacing_mut().item_spacing.y = 3.0;
    ui.spacing_mut().interact_size.y = height;
    ScrollArea::both()
        .auto_shrink([false, false])
        .stick_to_bottom(true)
        .show_rows(ui, height, lines.len(), |ui, rows| {
            for line in lines.get(rows).unwrap_or_default() {
                line_ui(ui, line, state);
            }
        });
}

fn line_ui(ui: &mut Ui, line: &LogLine, state: &UiState) {
    let palette = palette(ui.visuals());
    let (word, colour) = match line.level {
        LogLevel::Info => ("", palette.text),
        LogLevel::Note => ("note  ", palette.weak),
        LogLevel::Warning => ("warning  ", palette.warning),
        LogLevel::Error => ("error  ", palette.bad),
    };
    ui.horizontal(|ui| {
        ui.spacing_mut().item_spacing.x = 8.0;
        if let Some(run) = &line.run {
            let colour = run_colour(state.colour(run), ui.visuals());
            let name = cut_middle(ui, &run.0, &FontId::proportional(13.0), NAME_WIDTH);
            ui.label(RichText::new(name).color(colour));
        }
        ui.label(RichText::new(format!("{word}{}", line.text)).color(colour));
    });
}
