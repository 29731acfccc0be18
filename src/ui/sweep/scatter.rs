//! A metric against a field, one point a run.

use eframe::egui::{
    Align2, FontId, Pos2, Rect, Role, Sense, Stroke, Ui, Vec2, WidgetInfo, pos2, vec2,
};

use super::heatmap::field_ui;
use super::parts::{has_fields, run_of, select};
use super::scale::{AxisOf, Scale, value};
use super::settings::ResultsSettings;
use crate::language;
use crate::sweep::results::{Row, SweepResults};
use crate::ui::shared::selection::Selection;
use crate::ui::shell::theme::{palette, run_colour};
use crate::ui::widgets::controls::{cut_middle, weak_small};
use crate::ui::widgets::heatmap::axis_names;
use crate::ui::widgets::numbers::number;

const LEFT: f32 = 58.0;
const BOTTOM: f32 = 36.0;
/// How far the names of the axes lie from the plot.
const APART: Vec2 = vec2(57.0, 21.0);
/// How near a point a click must be.
const REACH: f32 = 12.0;

/// Draws it.
pub(super) fn scatter_ui(
    ui: &mut Ui,
    results: &SweepResults,
    look: &mut ResultsSettings,
    selection: &mut Selection,
) {
    if !has_fields(ui, results) {
        return;
    }
    ui.horizontal(|ui| {
        weak_small(ui, tr!("against"));
        field_ui(ui, "scatter field", results, &mut look.across);
        let parts = results.parts.iter().enumerate();
        if results.parts.len() > 1 {
            for (idx, part) in parts {
                let colour = run_colour(idx, ui.visuals());
                let (dot, _) = ui.allocate_exact_size(vec2(8.0, 8.0), Sense::hover());
                ui.painter().circle_filled(dot.center(), 4.0, colour);
                weak_small(ui, part.as_str());
            }
        }
    });
    let across = Scale::new(results, AxisOf::Field(look.across), None);
    let up = Scale::new(results, AxisOf::Metric(look.metric), None);
    let size = ui.available_size().max(vec2(200.0, 120.0));
    let (rect, response) = ui.allocate_exact_size(size, Sense::click());
    response.widget_info(|| WidgetInfo::labeled(Role::Image, true, tr!("Scatter plot")));
    let plot = Rect::from_min_max(rect.min + vec2(LEFT, 8.0), rect.max - vec2(12.0, BOTTOM));
    let place = |row: &Row| -> Option<Pos2> {
        // Points at the ends lie inside the frame.
        let inside = |share: f32| 0.04 + 0.92 * share;
        let x = plot.left() + plot.width() * inside(across.share(row)?);
        let y = plot.bottom() - plot.height() * inside(up.share(row)?);
        Some(pos2(x, y))
    };
    let colours = palette(ui.visuals());
    let painter = ui.painter();
    painter.rect_filled(plot, 4.0, colours.sunken);
    let names = [&up, &across].map(Scale::axis_name);
    axis_names(ui, plot, names.each_ref().map(String::as_str), 10.5, APART);
    let font = FontId::proportional(10.5);
    for (share, text) in up.marks() {
        let y = plot.bottom() - plot.height() * (0.04 + 0.92 * share);
        painter.hline(plot.x_range(), y, (0.5, colours.border));
        let at = pos2(plot.left() - 6.0, y);
        painter.text(at, Align2::RIGHT_CENTER, text, font.clone(), colours.weak);
    }
    for (share, text) in across.marks() {
        let x = plot.left() + plot.width() * (0.04 + 0.92 * share);
        painter.vline(x, plot.y_range(), (0.5, colours.border));
        let text = cut_middle(ui, &text, &font, 90.0);
        painter.text(
            pos2(x, plot.bottom() + 11.0),
            Align2::CENTER_CENTER,
            text,
            font.clone(),
            colours.weak,
        );
    }
    let points: Vec<(&Row, Pos2)> = results
        .rows
        .iter()
        .filter_map(|row| Some((row, place(row)?)))
        .collect();
    if points.is_empty() {
        let at = plot.center();
        painter.text(
            at,
            Align2::CENTER_CENTER,
            tr!("No results yet"),
            FontId::proportional(13.0),
            colours.weak,
        );
    }
    for (row, at) in &points {
        let is_selected = selection.is_selected(&run_of(row));
        painter.circle_filled(
            *at,
            4.0,
            run_colour(row.part, ui.visuals()).gamma_multiply(0.85),
        );
        if is_selected {
            painter.circle_stroke(*at, 7.0, Stroke::new(2.0, colours.strong));
        }
    }
    let Some(pointer) = response.hover_pos() else {
        return;
    };
    let nearest = points
        .iter()
        .map(|(row, at)| (*row, at.distance(pointer)))
        .filter(|(_, distance)| *distance < REACH)
        .min_by(|a, b| a.1.total_cmp(&b.1));
    let Some((row, _)) = nearest else { return };
    if response.clicked() {
        select(ui, selection, &run_of(row));
    }
    let metric = value(row, AxisOf::Metric(look.metric)).map_or_else(String::new, number);
    let text = format!(
        "{}\n{}\n{} {metric}",
        row.name,
        results.settings_words(row),
        language::text(look.metric.words())
    );
    response.on_hover_text_at_pointer(text);
}
