//! The mean of a metric over two chosen fields.

use eframe::egui::{
    Align2, ComboBox, FontId, Rect, Role, Sense, Stroke, StrokeKind, Ui, WidgetInfo, pos2, vec2,
};

use super::parts::{has_fields, run_of, spoken};
use super::scale::{AxisOf, colour, value};
use super::settings::ResultsSettings;
use crate::language;
use crate::protocol::fields::field_name;
use crate::sweep::results::{Row, SweepResults};
use crate::sweep::values::FieldValue;
use crate::ui::shared::selection::Selection;
use crate::ui::shell::theme::palette;
use crate::ui::widgets::controls::{cut_middle, weak_small};
use crate::ui::widgets::numbers::number;

const LEFT: f32 = 74.0;
const BOTTOM: f32 = 24.0;

/// Draws it.
pub(super) fn heatmap_ui(
    ui: &mut Ui,
    results: &SweepResults,
    look: &mut ResultsSettings,
    selection: &mut Selection,
) {
    if !has_fields(ui, results) {
        return;
    }
    ui.horizontal(|ui| {
        weak_small(ui, tr!("across"));
        field_ui(ui, tr!("across"), results, &mut look.across);
        weak_small(ui, tr!("up"));
        field_ui(ui, tr!("up"), results, &mut look.up);
        weak_small(
            ui,
            tr!("Each cell is the mean of its runs; click a cell to select its runs."),
        );
    });
    let Some(Cells {
        across,
        up,
        rows: cells,
        means: all_means,
    }) = Cells::of(results, look)
    else {
        return;
    };
    let means = || all_means.iter().flatten().flatten().map(|(mean, _)| *mean);
    let range = (
        means().fold(f64::INFINITY, f64::min),
        means().fold(f64::NEG_INFINITY, f64::max),
    );
    let size = ui.available_size().max(vec2(200.0, 120.0));
    let (rect, _) = ui.allocate_exact_size(size, Sense::hover());
    let colours = palette(ui.visuals());
    let plot = Rect::from_min_max(rect.min + vec2(LEFT, 6.0), rect.max - vec2(6.0, BOTTOM));
    let cell_size = vec2(
        plot.width() / across.len() as f32,
        plot.height() / up.len() as f32,
    );
    for (j, line) in cells.iter().enumerate() {
        for (i, rows) in line.iter().enumerate() {
            let min = pos2(
                plot.left() + cell_size.x * i as f32,
                plot.bottom() - cell_size.y * (j + 1) as f32,
            );
            let cell = Rect::from_min_size(min, cell_size).shrink(1.0);
            let response = ui.interact(cell, ui.scope_id().with(("cell", i, j)), Sense::click());
            let name = format!("{} {}", across[i].0, up[j].0);
            response
                .widget_info(|| WidgetInfo::labeled(Role::Button, true, tr!("Cell {name}", name)));
            let found = all_means[j][i];
            let fill = match found {
                Some((mean, _)) => colour(ui.visuals(), look.metric, range, mean),
                None => colours.sunken,
            };
            ui.painter().rect_filled(cell, 3.0, fill);
            let is_selected =
                !rows.is_empty() && rows.iter().all(|row| selection.is_selected(&run_of(row)));
            if is_selected || response.hovered() {
                let stroke = Stroke::new(2.0, colours.strong);
                ui.painter()
                    .rect_stroke(cell, 3.0, stroke, StrokeKind::Inside);
            }
            if let Some((mean, n)) = found {
                let ink = ink_on(fill);
                let at = cell.center();
                ui.painter().text(
                    at,
                    Align2::CENTER_CENTER,
                    number(mean),
                    FontId::proportional(13.0),
                    ink,
                );
                response.clone().on_hover_text(tr!(
                    "{} {} over {n} of {} runs",
                    language::text(look.metric.words()),
                    number(mean),
                    rows.len(),
                    n
                ));
            }
            if response.clicked() && !rows.is_empty() {
                selection.selected = rows.iter().map(|row| run_of(row)).collect();
            }
        }
    }
    let font = FontId::proportional(11.5);
    for (i, value) in across.iter().enumerate() {
        let at = pos2(
            plot.left() + cell_size.x * (i as f32 + 0.5),
            plot.bottom() + 12.0,
        );
        let text = cut_middle(ui, &value.0, &font, cell_size.x - 4.0);
        ui.painter()
            .text(at, Align2::CENTER_CENTER, text, font.clone(), colours.text);
    }
    for (j, value) in up.iter().enumerate() {
        let at = pos2(
            plot.left() - 8.0,
            plot.bottom() - cell_size.y * (j as f32 + 0.5),
        );
        let text = cut_middle(ui, &value.0, &font, LEFT - 12.0);
        ui.painter()
            .text(at, Align2::RIGHT_CENTER, text, font.clone(), colours.text);
    }
}

/// The runs of every cell and their mean.
pub(super) struct Cells<'a> {
    /// The values from left to right.
    pub across: Vec<FieldValue>,
    /// The values from the bottom to the top.
    pub up: Vec<FieldValue>,
    /// The runs of each cell, [up, across].
    pub rows: Vec<Vec<Vec<&'a Row>>>,
    /// Their mean and how many have a number; none where none has.
    pub means: Vec<Vec<Option<(f64, usize)>>>,
}

impl<'a> Cells<'a> {
    /// Of the chosen fields and metric; none where the sweep has no such fields.
    pub fn of(results: &'a SweepResults, look: &ResultsSettings) -> Option<Self> {
        if results.fields.len() <= look.across.max(look.up) {
            return None;
        }
        let (across, up) = (values(results, look.across), values(results, look.up));
        let of_row = |up: &FieldValue| -> Vec<Vec<&'a Row>> {
            let cells = across.iter();
            cells
                .map(|across| rows(results, look, across, up))
                .collect()
        };
        let rows: Vec<Vec<Vec<&Row>>> = up.iter().map(of_row).collect();
        let mean = |rows: &Vec<&Row>| {
            let values: Vec<f64> = rows
                .iter()
                .filter_map(|row| value(row, AxisOf::Metric(look.metric)))
                .collect();
            let n = values.len();
            (n > 0).then(|| (values.iter().sum::<f64>() / n as f64, n))
        };
        let means = rows.iter().map(|row| row.iter().map(mean).collect());
        Some(Self {
            means: means.collect(),
            across,
            up,
            rows,
        })
    }
}

/// Black or white, whichever stands out more.
fn ink_on(fill: eframe::egui::Color32) -> eframe::egui::Color32 {
    let [r, g, b, _] = fill.to_array().map(f32::from);
    let is_bright = 0.3 * r + 0.59 * g + 0.11 * b > 128.0;
    if is_bright {
        eframe::egui::Color32::BLACK
    } else {
        eframe::egui::Color32::WHITE
    }
}

/// One of the sweep's fields.
pub(super) fn field_ui(ui: &mut Ui, id: &str, results: &SweepResults, chosen: &mut usize) {
    *chosen = (*chosen).min(results.fields.len().saturating_sub(1));
    let shown = ComboBox::from_id_salt(id)
        .width(150.0)
        .truncate()
        .selected_text(field_name(&results.fields[*chosen]));
    let shown = shown.show_ui(ui, |ui| {
        for (idx, field) in results.fields.iter().enumerate() {
            ui.selectable_value(chosen, idx, field_name(field).into_owned())
                .on_hover_text(field);
        }
    });
    spoken(&shown.response, Role::ComboBox, &tr!("Field {id}", id));
}

/// The values of a field, by number where they have one.
fn values(results: &SweepResults, field: usize) -> Vec<FieldValue> {
    let mut values: Vec<FieldValue> = results
        .rows
        .iter()
        .filter_map(|row| row.values[field].clone())
        .collect();
    values.sort_by(|a, b| match (a.number(), b.number()) {
        (Some(a), Some(b)) => a.total_cmp(&b),
        (a, b) => a.is_none().cmp(&b.is_none()),
    });
    values.dedup();
    values
}

fn rows<'a>(
    results: &'a SweepResults,
    look: &ResultsSettings,
    across: &FieldValue,
    up: &FieldValue,
) -> Vec<&'a Row> {
    let is_in = |row: &&Row| {
        row.values[look.across].as_ref() == Some(across) && row.values[look.up].as_ref() == Some(up)
    };
    results.rows.iter().filter(is_in).collect()
}
