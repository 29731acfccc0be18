//! Parallel coordinates: an axis for every field and metric, a line for every
//! run. Dragging along an axis keeps the runs that pass there.

use std::collections::HashSet;
use std::sync::Arc;

use eframe::egui::text::LayoutJob;
use eframe::egui::{
    Align, Button, Color32, FontId, Galley, Pos2, Rect, Response, Role, Sense, Shape, Stroke, Ui,
    WidgetInfo, pos2, vec2,
};

use super::parts::{metric_range, run_of, select};
use super::scale::{AxisOf, Scale, colour, value};
use super::settings::ResultsSettings;
use crate::sweep::results::{Metric, Row, SweepResults};
use crate::ui::shared::selection::Selection;
use crate::ui::shell::theme::{blend, palette};
use crate::ui::widgets::controls::{cut_middle, weak_small};

/// Room above the axes for their names, below for their scales.
const TOP: f32 = 26.0;
/// The same where a name takes two lines.
const TALL_TOP: f32 = 40.0;
const BOTTOM: f32 = 22.0;
const SIDE: f32 = 56.0;
/// Room below for a line of text and buttons.
const LINE: f32 = 32.0;
/// In less room than this, what is said below the axes takes two lines.
const NARROW_BELOW: f32 = 560.0;
/// The widest name of an axis.
const MAX_NAME_WIDTH: f32 = 108.0;
/// How near a line a click must be.
const REACH: f32 = 8.0;

/// Draws them.
pub(super) fn parallel_ui(
    ui: &mut Ui,
    results: &SweepResults,
    look: &mut ResultsSettings,
    selection: &mut Selection,
) {
    let axes = axes(results, look);
    let is_narrow = ui.available_width() < NARROW_BELOW;
    let below = if is_narrow { 2.0 * LINE } else { LINE };
    let size = ui.available_size() - vec2(0.0, below);
    let (rect, response) = ui.allocate_exact_size(size.max(vec2(200.0, 120.0)), Sense::click());
    response.widget_info(|| WidgetInfo::labeled(Role::Image, true, tr!("Parallel coordinates")));
    let n_spaces = axes.len().saturating_sub(1).max(1) as f32;
    let spacing = (rect.width() - 2.0 * SIDE) / n_spaces;
    let name_width = (spacing - 8.0).clamp(24.0, MAX_NAME_WIDTH);
    let names: Vec<Arc<Galley>> = axes.iter().map(|of| name_of(ui, of, name_width)).collect();
    let top = match names.iter().any(|name| name.rows.len() > 1) {
        true => TALL_TOP,
        false => TOP,
    };
    let plot = Rect::from_min_max(rect.min + vec2(SIDE, top), rect.max - vec2(SIDE, BOTTOM));
    let x = |idx: usize| plot.left() + plot.width() * idx as f32 / (axes.len() - 1).max(1) as f32;
    let y = |share: f32| plot.bottom() - plot.height() * share;
    let is_kept = |row: &Row| {
        look.brushes.iter().all(|(idx, (low, high))| {
            let share = axes.get(*idx).and_then(|axis| axis.share(row));
            share.is_some_and(|share| (*low..=*high).contains(&share))
        })
    };
    let lines: Vec<(&Row, Vec<Pos2>)> = results
        .rows
        .iter()
        .map(|row| {
            let points = axes.iter().enumerate();
            let points = points.filter_map(|(idx, axis)| Some(pos2(x(idx), y(axis.share(row)?))));
            (row, points.collect())
        })
        .collect();
    lines_ui(
        ui,
        results,
        look.metric,
        &lines,
        spacing,
        &is_kept,
        selection,
    );
    let kept = results.rows.iter().filter(|row| is_kept(row));
    let kept: HashSet<usize> = kept.map(|row| row.idx).collect();
    let n_kept = kept.len();
    for (idx, (axis, name)) in axes.iter().zip(names).enumerate() {
        axis_ui(ui, (idx, axis, name), (x(idx), name_width), plot, look);
    }
    pick(ui, &response, &lines, selection);
    ui.horizontal_wrapped(|ui| {
        weak_small(ui, tr!("{n_kept} of {} runs.", results.rows.len(), n_kept));
        if look.brushes.is_empty() {
            weak_small(
                ui,
                tr!("Drag along an axis to keep the runs in that range; click its name to change its scale."),
            );
            return;
        }
        let select = ui.add_enabled(n_kept > 0, Button::new(tr!("Select these runs")).small());
        if select.on_hover_text(tr!("Select them in all views")).clicked() {
            let kept = results.rows.iter().filter(|row| kept.contains(&row.idx));
            selection.selected = kept.map(run_of).collect();
        }
        if ui.small_button(tr!("Keep all")).clicked() {
            look.brushes.clear();
        }
    });
}

fn axes(results: &SweepResults, look: &ResultsSettings) -> Vec<Scale> {
    let mut of: Vec<AxisOf> = (0..results.fields.len()).map(AxisOf::Field).collect();
    of.extend(look.axes.iter().copied().map(AxisOf::Metric));
    if !of.contains(&AxisOf::Metric(look.metric)) {
        of.push(AxisOf::Metric(look.metric));
    }
    let scale = |(idx, of)| Scale::new(results, of, look.log_axes.get(&idx).copied());
    of.into_iter().enumerate().map(scale).collect()
}

fn lines_ui(
    ui: &Ui,
    results: &SweepResults,
    metric: Metric,
    lines: &[(&Row, Vec<Pos2>)],
    spacing: f32,
    is_kept: &dyn Fn(&Row) -> bool,
    selection: &Selection,
) {
    let colours = palette(ui.visuals());
    let faint = blend(colours.text, colours.surface, 0.1);
    let range = metric_range(&results.rows, metric);
    let line_colour = |row: &Row| -> Color32 {
        let value = value(row, AxisOf::Metric(metric));
        match (is_kept(row), range, value) {
            (false, _, _) => faint,
            (true, Some(range), Some(value)) => colour(ui.visuals(), metric, range, value),
            (true, _, _) => blend(colours.text, colours.surface, 0.3),
        }
    };
    // Those that are looked at lie above the others, those that are not kept below.
    let layer = |row: &Row| {
        usize::from(is_kept(row)) + 2 * usize::from(selection.is_selected(&run_of(row)))
    };
    let mut order: Vec<&(&Row, Vec<Pos2>)> = lines.iter().collect();
    order.sort_by_key(|(row, _)| layer(row));
    for (row, points) in order {
        let width = if selection.is_selected(&run_of(row)) {
            3.0
        } else {
            1.3
        };
        let stroke = Stroke::new(width, line_colour(row));
        // A run without a value on an axis passes it by, dashed.
        for pair in points.windows(2) {
            let ends = [pair[0], pair[1]];
            if pair[1].x - pair[0].x > 1.5 * spacing {
                ui.painter()
                    .extend(Shape::dashed_line(&ends, stroke, 4.0, 5.0));
            } else {
                ui.painter().line_segment(ends, stroke);
            }
        }
    }
}

/// The name of an axis, on two lines where one has no room for it.
fn name_of(ui: &Ui, axis: &Scale, width: f32) -> Arc<Galley> {
    let ink = palette(ui.visuals()).strong;
    let mut job = LayoutJob::simple(axis.axis_name(), FontId::proportional(12.0), ink, width);
    job.wrap.max_rows = 2;
    job.halign = Align::Center;
    ui.painter().layout_job(job)
}

/// An axis with its name and its marks; dragging along it brushes.
fn axis_ui(
    ui: &Ui,
    (idx, axis, text): (usize, &Scale, Arc<Galley>),
    (x, name_width): (f32, f32),
    plot: Rect,
    look: &mut ResultsSettings,
) {
    let colours = palette(ui.visuals());
    let painter = ui.painter();
    painter.vline(x, plot.y_range(), (1.0, colours.weak));
    let strip = Rect::from_center_size(pos2(x, plot.center().y), vec2(26.0, plot.height() + 8.0));
    let drag = ui.interact(strip, ui.scope_id().with(("brush", idx)), Sense::drag());
    drag.widget_info(|| WidgetInfo::labeled(Role::Slider, true, tr!("Range of {}", axis.name)));
    let share = |y: f32| ((plot.bottom() - y) / plot.height()).clamp(0.0, 1.0);
    if let (true, Some(at)) = (drag.dragged(), drag.interact_pointer_pos()) {
        let start = ui.input(|input| input.pointer.press_origin()).unwrap_or(at);
        let (a, b) = (share(start.y), share(at.y));
        // A little room, so that an end of the axis is caught.
        look.brushes.insert(idx, (a.min(b) - 0.02, a.max(b) + 0.02));
    }
    if let Some((low, high)) = look.brushes.get(&idx) {
        let y = |share: &f32| plot.bottom() - plot.height() * share.clamp(0.0, 1.0);
        let brushed = Rect::from_min_max(pos2(x - 6.0, y(high)), pos2(x + 6.0, y(low)));
        painter.rect_filled(brushed, 2.0, colours.accent.gamma_multiply(0.35));
    }
    for (share, text) in axis.marks() {
        let at = pos2(x + 5.0, plot.bottom() - plot.height() * share);
        painter.hline(x - 3.0..=x + 3.0, at.y, (1.0, colours.weak));
        let font = FontId::proportional(10.5);
        let text = cut_middle(ui, &text, &font, 70.0);
        let galley = painter.layout_no_wrap(text, font, colours.text);
        let place = Rect::from_min_size(pos2(at.x, at.y - galley.size().y / 2.0), galley.size());
        painter.rect_filled(place.expand(1.0), 2.0, colours.surface.gamma_multiply(0.75));
        painter.galley(place.min, galley, colours.text);
    }
    let height = text.size().y.max(18.0);
    let bottom = plot.top() - 6.0;
    let name = Rect::from_center_size(pos2(x, bottom - height / 2.0), vec2(name_width, height));
    let click = ui.interact(name, ui.scope_id().with(("axis", idx)), Sense::click());
    click.widget_info(|| WidgetInfo::labeled(Role::Button, true, tr!("Scale of {}", axis.name)));
    // It is laid out about its middle.
    let at = pos2(x, bottom - text.size().y);
    match click.hovered() {
        true => painter.galley_with_override_text_color(at, text, colours.accent),
        false => painter.galley(at, text, colours.strong),
    };
    let click = click.on_hover_text(&axis.title);
    if click.clicked()
        && let Some(is_log) = axis.is_log()
    {
        look.log_axes.insert(idx, !is_log);
        look.brushes.remove(&idx);
    }
}

/// Selects the line that was clicked, and names the one under the pointer.
fn pick(ui: &Ui, response: &Response, lines: &[(&Row, Vec<Pos2>)], selection: &mut Selection) {
    let Some(at) = response.hover_pos() else {
        return;
    };
    let nearest = lines
        .iter()
        .map(|(row, points)| (*row, distance(at, points)))
        .filter(|(_, distance)| *distance < REACH)
        .min_by(|a, b| a.1.total_cmp(&b.1));
    let Some((row, _)) = nearest else { return };
    if response.clicked() {
        select(ui, selection, &run_of(row));
    }
    response.clone().on_hover_text_at_pointer(&row.name);
}

fn distance(at: Pos2, points: &[Pos2]) -> f32 {
    let of_segment = |pair: &[Pos2]| {
        let (a, along) = (pair[0], pair[1] - pair[0]);
        let share = ((at - a).dot(along) / along.length_sq().max(1e-6)).clamp(0.0, 1.0);
        at.distance(a + share * along)
    };
    points
        .windows(2)
        .map(of_segment)
        .fold(f32::INFINITY, f32::min)
}
