//! The settings in which the selected runs differ.

use eframe::egui::{FontId, Grid, RichText, ScrollArea, Ui};

use super::super::theme::run_colour;
use super::super::ui_state::UiState;
use super::super::widgets::controls::{cut_middle, group_title, weak_small};
use crate::runs::run::Run;
use crate::runs::spec_difference::spec_difference;

/// The most runs whose settings stand side by side.
const MAX_RUNS: usize = 6;
const NAME_WIDTH: f32 = 150.0;

/// Draws the table; nothing for fewer than two runs.
pub fn spec_differences_ui(ui: &mut Ui, runs: &[&Run], state: &UiState) {
    if runs.len() < 2 {
        return;
    }
    let shown = &runs[runs.len().saturating_sub(MAX_RUNS)..];
    let specs: Vec<_> = shown.iter().map(|run| &run.spec).collect();
    let differences = spec_difference(&specs);
    ui.horizontal(|ui| {
        group_title(ui, "Settings that differ");
        if shown.len() < runs.len() {
            weak_small(
                ui,
                format!("of the last {} of {} runs", shown.len(), runs.len()),
            );
        }
    });
    if differences.is_empty() {
        weak_small(ui, "None. These runs have the same specification.");
        return;
    }
    let area = ScrollArea::horizontal().id_salt("settings that differ");
    area.show(ui, |ui| {
        let grid = Grid::new("settings grid")
            .striped(true)
            .spacing([18.0, 5.0]);
        grid.show(ui, |ui| {
            ui.label(RichText::new("Setting").small().weak());
            for run in shown {
                let font = FontId::proportional(12.0);
                let name = cut_middle(ui, &run.id.0, &font, NAME_WIDTH);
                let colour = run_colour(state.colour(&run.id), ui.visuals());
                ui.label(RichText::new(name).small().color(colour))
                    .on_hover_text(&run.id.0);
            }
            ui.end_row();
            for difference in differences {
                ui.label(difference.field);
                for value in difference.values {
                    ui.monospace(value);
                }
                ui.end_row();
            }
        });
    });
}
