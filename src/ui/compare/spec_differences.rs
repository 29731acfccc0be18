//! The settings in which the selected runs differ.

use eframe::egui::{Align, FontId, RichText, ScrollArea, Ui};

use crate::runs::run::Run;
use crate::runs::spec_difference::spec_difference;
use crate::ui::shared::selection::Selection;
use crate::ui::shell::theme::run_colour;
use crate::ui::widgets::columns::{BETWEEN, Columns};
use crate::ui::widgets::controls::{cut_label, cut_middle, group_title, weak_small};

/// The most runs whose settings stand side by side.
const MAX_RUNS: usize = 6;
/// The least width of the names of settings.
const SETTING_WIDTH: f32 = 150.0;
const ROW_HEIGHT: f32 = 22.0;

/// Draws the table; nothing for fewer than two runs.
pub fn spec_differences_ui(ui: &mut Ui, runs: &[&Run], selection: &Selection) {
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
    let room = ui.available_width();
    let share = (room - SETTING_WIDTH) / shown.len() as f32 - BETWEEN;
    let mut widths = vec![SETTING_WIDTH];
    widths.extend(shown.iter().map(|_| share.clamp(90.0, 200.0)));
    let columns = Columns::within(room, widths);
    let area = ScrollArea::horizontal().id_salt("settings that differ");
    area.show(ui, |ui| {
        ui.spacing_mut().item_spacing.y = 0.0;
        columns.row_ui(ui, ROW_HEIGHT, false, |cells| {
            cells.cell(Align::Min, |ui| {
                ui.label(RichText::new("Setting").small().weak());
            });
            for run in shown {
                cells.cell(Align::Min, |ui| {
                    let font = FontId::proportional(11.5);
                    let name = cut_middle(ui, &run.id.0, &font, ui.available_width());
                    let colour = run_colour(selection.colour(&run.id), ui.visuals());
                    ui.label(RichText::new(name).small().color(colour))
                        .on_hover_text(&run.id.0);
                });
            }
        });
        for (idx, difference) in differences.into_iter().enumerate() {
            columns.row_ui(ui, ROW_HEIGHT, idx % 2 == 0, |cells| {
                cells.cell(Align::Min, |ui| cut_label(ui, difference.field));
                for value in difference.values {
                    cells.cell(Align::Min, |ui| {
                        cut_label(ui, RichText::new(value).monospace());
                    });
                }
            });
        }
    });
}
