//! One matrix, large: zoom and drag, the number under the pointer, the profiles
//! of its row and column, and what the colours stand for.

use std::sync::Arc;

use eframe::egui::{
    Align2, Color32, FontId, Id, Mesh, Painter, Pos2, Rect, Response, Role, Sense, Shape, Stroke,
    StrokeKind, Ui, Vec2, pos2, vec2,
};

use super::context::{StatesContext, caveat, is_of_choice, origin_words, symbol};
use super::controls::save_ui;
use super::images::MatrixImage;
use super::settings::{ColourRange, StatesSettings};
use crate::colormap::{ColourMap, Limits, Scale};
use crate::tuning::inspect::head_matrices::MatrixKind;
use crate::ui::shell::pictures::{PictureOf, is_taken, place};
use crate::ui::shell::theme::palette;
use crate::ui::widgets::controls::{group_title, named, weak_small};
use crate::ui::widgets::heatmap::{HeatmapLook, paint_heatmap};
use crate::ui::widgets::numbers::number;

const BAR_WIDTH: f32 = 12.0;
/// Room for the colour bar and its numbers.
const BAR_ROOM: f32 = 74.0;
/// Room for a profile.
const PROFILE: f32 = 40.0;
/// Room for the name of an axis.
const AXIS: f32 = 16.0;
/// Room for what stands above the picture.
const TITLE: f32 = 52.0;
/// In views that are lower than this the picture reaches below what is in sight.
const LOWEST: f32 = 240.0;
/// Cells that are left at a side at the closest.
const CLOSEST: f32 = 4.0;

/// Draws the picture.
pub(super) fn large_ui(ui: &mut Ui, look: &mut StatesContext<'_>) {
    let newest = look.data.shown.newest();
    let Some((key, shown)) = newest.filter(|(key, _)| is_of_choice(key, look.settings)) else {
        missing_ui(ui, look);
        return;
    };
    let shown = shown.clone();
    let corner = ui.cursor().min;
    if is_taken(ui, PictureOf::Matrix) {
        weak_small(ui, origin_words(key, look.run));
    }
    title_ui(ui, look, &shown);
    let settings = &mut *look.settings;
    let limits = match settings.range {
        ColourRange::Locked(limits) => limits,
        ColourRange::PerHead => shown.limits(settings.scale),
        ColourRange::Shared if settings.follows_text => {
            let text = look.data.text().filter(|_| settings.kind == MatrixKind::S0);
            text.map_or(shown.limits(settings.scale), |text| {
                text.limits(settings.scale)
            })
        }
        ColourRange::Shared => {
            let grid = look.data.grid.newest();
            grid.map_or(shown.limits(settings.scale), |(_, grid)| {
                grid.limits(settings.scale)
                    .with(shown.limits(settings.scale))
            })
        }
    };
    let (n_rows, n_columns) = (shown.matrix.rows(), shown.matrix.columns);
    let room = ui.available_width() - AXIS - PROFILE - BAR_ROOM;
    // All of it can be seen at once where the view is not too low for that.
    let tall = ui.clip_rect().height() - TITLE - PROFILE - AXIS;
    let side = room.min(tall.max(LOWEST)).clamp(96.0, 600.0);
    // Wide matrices keep the shape of their cells, but stay easy to point at.
    let height = (side * n_rows as f32 / n_columns.max(1) as f32).clamp(side * 0.4, side);
    let size = vec2(AXIS + side + PROFILE + BAR_ROOM, height + PROFILE + AXIS);
    let (rect, response) = ui.allocate_exact_size(size, Sense::click_and_drag());
    let origin = rect.min + vec2(AXIS, 0.0);
    let square = Rect::from_min_size(origin, vec2(side, height));
    let name = format!(
        "{} of layer {}, head {}",
        symbol(settings.kind, settings.follows_text),
        settings.layer,
        settings.head
    );
    named(&response, Role::Image, &name);
    let of_picture = Rect::from_min_max(corner, rect.max).expand(6.0);
    place(ui, PictureOf::Matrix, of_picture);
    response.context_menu(|ui| save_ui(ui, look));
    let settings = &mut *look.settings;
    zoom(ui, &response, square, settings, [n_columns, n_rows]);
    let paint = HeatmapLook {
        view: settings.zoom,
        ..HeatmapLook::new(limits, settings.scale)
    };
    paint_heatmap(ui, Id::unique("large heatmap"), square, &shown.data, &paint);
    let colours = palette(ui.visuals());
    let border = Stroke::new(1.0, colours.border);
    ui.painter()
        .rect_stroke(square, 0.0, border, StrokeKind::Outside);
    let hovered = response.hover_pos().filter(|at| square.contains(*at));
    let cell = hovered.map(|at| cell_at(at, square, settings.zoom, [n_columns, n_rows]));
    profiles(ui, square, &shown, settings.zoom, cell);
    axes(ui, square, settings.kind);
    let bar_at = square.right_top() + vec2(PROFILE + 12.0, 0.0);
    let bar = Rect::from_min_size(bar_at, vec2(BAR_WIDTH, height));
    colour_bar(ui, bar, limits, settings.scale);
    if let Some([row, column]) = cell {
        let value = shown.value(row, column).unwrap_or(f32::NAN);
        let [of_row, of_column] = settings.kind.axes();
        response
            .on_hover_text_at_pointer(format!("{of_row} {row}, {of_column} {column}\n{value:+.5}"));
    }
}

fn title_ui(ui: &mut Ui, look: &mut StatesContext<'_>, shown: &MatrixImage) {
    let caveat = caveat(look);
    let settings = &mut *look.settings;
    let (layer, head) = (settings.layer, settings.head);
    group_title(ui, &format!("Layer {layer}, head {head}"));
    let (rows, columns) = (shown.matrix.rows(), shown.matrix.columns);
    let kind = symbol(settings.kind, settings.follows_text);
    ui.horizontal(|ui| {
        weak_small(ui, format!("{kind}, {rows} x {columns}"))
            .on_hover_text("Ctrl + wheel to zoom, drag to move, double-click to see all, right-click to save a picture");
        if settings.is_zoomed() && ui.small_button("Whole").clicked() {
            settings.zoom = StatesSettings::WHOLE;
        }
    });
    if let Some(caveat) = caveat {
        weak_small(ui, caveat);
    }
}

fn missing_ui(ui: &mut Ui, look: &StatesContext<'_>) {
    let settings = &*look.settings;
    if let Some(problem) = look.data.shown.problem() {
        ui.colored_label(palette(ui.visuals()).bad, problem);
        return;
    }
    let kind = symbol(settings.kind, settings.follows_text);
    let text = match settings.kind {
        _ if settings.follows_text => "Type a text above to follow the state over it.".to_owned(),
        MatrixKind::S0 => "computing".to_owned(),
        MatrixKind::Z | MatrixKind::Lifted => {
            format!("There is no {kind} in layer {}.", settings.layer)
        }
        MatrixKind::R => "This run has no decorrelation, so there is no R.".to_owned(),
    };
    ui.label(text);
}

/// Wheel and pinch zoom at the pointer, dragging moves, a double click shows
/// the whole.
fn zoom(
    ui: &Ui,
    response: &Response,
    square: Rect,
    settings: &mut StatesSettings,
    cells: [usize; 2],
) {
    if response.double_clicked() {
        settings.zoom = StatesSettings::WHOLE;
        return;
    }
    let view = settings.zoom;
    if response.dragged() {
        let moved = response.drag_delta() / square.size() * view.size();
        settings.zoom = inside(view.translate(-moved));
    }
    let Some(at) = response.hover_pos().filter(|at| square.contains(*at)) else {
        return;
    };
    let (pinch, wheel, is_command) = ui.input(|input| {
        (
            input.zoom_delta(),
            input.smooth_scroll_delta().y,
            input.modifiers.command,
        )
    });
    // The plain wheel scrolls the page, as it does over everything else.
    let factor = if is_command && pinch == 1.0 {
        (wheel / 200.0).exp()
    } else {
        pinch
    };
    if factor == 1.0 {
        return;
    }
    let share = (at - square.min) / square.size();
    let fixed = view.min + share * view.size();
    let least = cells.map(|n| (CLOSEST / n as f32).min(1.0));
    let size = vec2(
        (view.width() / factor).clamp(least[0], 1.0),
        (view.height() / factor).clamp(least[1], 1.0),
    );
    settings.zoom = inside(Rect::from_min_size(fixed - share * size, size));
}

/// The view moved so that it shows nothing beside the matrix.
fn inside(view: Rect) -> Rect {
    let most = Vec2::splat(1.0) - view.size();
    let min = view.min.to_vec2().max(Vec2::ZERO).min(most.max(Vec2::ZERO));
    Rect::from_min_size(min.to_pos2(), view.size())
}

/// Row and column under a point.
fn cell_at(at: Pos2, square: Rect, view: Rect, [columns, rows]: [usize; 2]) -> [usize; 2] {
    let place = view.min + (at - square.min) / square.size() * view.size();
    let idx = |share: f32, n: usize| ((share * n as f32) as usize).min(n.saturating_sub(1));
    [idx(place.y, rows), idx(place.x, columns)]
}

/// The row and the column under the pointer as curves; without a pointer the
/// root mean square of every row and column.
fn profiles(ui: &Ui, square: Rect, shown: &MatrixImage, view: Rect, cell: Option<[usize; 2]>) {
    let n = shown.matrix.columns;
    let (row, column) = match cell {
        Some([row, column]) => {
            let values = &shown.matrix.values;
            let row = values.get(row * n..(row + 1) * n).unwrap_or_default();
            let column = values.iter().skip(column).step_by(n.max(1)).copied();
            (row.to_vec(), column.collect())
        }
        None => (shown.columns.clone(), shown.rows.clone()),
    };
    let below = Rect::from_min_size(
        square.left_bottom() + vec2(0.0, 3.0),
        vec2(square.width(), PROFILE - 6.0),
    );
    let beside = Rect::from_min_size(
        square.right_top() + vec2(3.0, 0.0),
        vec2(PROFILE - 6.0, square.height()),
    );
    let is_signed = cell.is_some();
    curve(
        ui,
        below,
        &row,
        view.x_range(),
        is_signed,
        |rect, along, across| {
            pos2(
                rect.left() + along * rect.width(),
                rect.bottom() - across * rect.height(),
            )
        },
    );
    curve(
        ui,
        beside,
        &column,
        view.y_range(),
        is_signed,
        |rect, along, across| {
            pos2(
                rect.left() + across * rect.width(),
                rect.top() + along * rect.height(),
            )
        },
    );
}

/// A curve of numbers in the part of them that is seen.
fn curve(
    ui: &Ui,
    rect: Rect,
    values: &[f32],
    seen: eframe::egui::Rangef,
    is_signed: bool,
    at: impl Fn(Rect, f32, f32) -> Pos2,
) {
    let colours = palette(ui.visuals());
    let n = values.len().max(1) as f32;
    let first = (seen.min * n).floor().max(0.0) as usize;
    let last = ((seen.max * n).ceil() as usize).min(values.len());
    let part = values.get(first..last).unwrap_or_default();
    let most = part.iter().filter(|x| x.is_finite());
    let most = most
        .fold(0.0, |most: f32, x| most.max(x.abs()))
        .max(f32::MIN_POSITIVE);
    let across = |value: f32| match is_signed {
        true => 0.5 + 0.5 * (value / most).clamp(-1.0, 1.0),
        false => (value / most).clamp(0.0, 1.0),
    };
    let painter = ui.painter().with_clip_rect(rect.expand(1.0));
    let zero = across(0.0);
    let line = [at(rect, 0.0, zero), at(rect, 1.0, zero)];
    painter.line_segment(line, Stroke::new(1.0, colours.border));
    let points = part.iter().enumerate().map(|(idx, value)| {
        let along = ((first + idx) as f32 + 0.5) / n;
        let along = (along - seen.min) / seen.span().max(f32::MIN_POSITIVE);
        at(rect, along, across(*value))
    });
    let points: Vec<Pos2> = points.collect();
    painter.add(Shape::line(points, Stroke::new(1.2, colours.accent)));
}

fn axes(ui: &Ui, square: Rect, kind: MatrixKind) {
    let weak = palette(ui.visuals()).weak;
    let font = FontId::proportional(11.0);
    let [of_row, of_column] = kind.axes();
    let painter = ui.painter();
    let below = pos2(square.center().x, square.bottom() + PROFILE);
    painter.text(below, Align2::CENTER_TOP, of_column, font.clone(), weak);
    let galley = painter.layout_no_wrap(of_row.into(), font, weak);
    let beside = pos2(
        square.left() - AXIS,
        square.center().y + galley.size().x / 2.0,
    );
    let text = eframe::egui::epaint::TextShape::new(beside, galley, weak);
    painter.add(text.with_angle(-std::f32::consts::FRAC_PI_2));
}

/// The colours and what their ends stand for.
fn colour_bar(ui: &Ui, bar: Rect, limits: Limits, scale: Scale) {
    const N_BANDS: usize = 64;
    let map = ColourMap::new(scale, ui.visuals().dark_mode);
    let mut mesh = Mesh::default();
    for band in 0..=N_BANDS {
        let share = band as f32 / N_BANDS as f32;
        let [r, g, b] = map.colour(
            share,
            Limits {
                low: 0.0,
                high: 1.0,
            },
        );
        let colour = Color32::from_rgb(r, g, b);
        let y = bar.bottom() - share * bar.height();
        mesh.colored_vertex(pos2(bar.left(), y), colour);
        mesh.colored_vertex(pos2(bar.right(), y), colour);
        if band > 0 {
            let first = 2 * (band as u32 - 1);
            mesh.add_triangle(first, first + 1, first + 2);
            mesh.add_triangle(first + 1, first + 2, first + 3);
        }
    }
    let painter = ui.painter();
    painter.add(Shape::mesh(Arc::new(mesh)));
    bar_numbers(painter, bar, limits, palette(ui.visuals()).text);
}

fn bar_numbers(painter: &Painter, bar: Rect, limits: Limits, colour: Color32) {
    let font = FontId::monospace(10.5);
    let x = bar.right() + 5.0;
    let middle = f64::from(limits.low + limits.high) / 2.0;
    for (y, align, value) in [
        (bar.top(), Align2::LEFT_TOP, f64::from(limits.high)),
        (bar.center().y, Align2::LEFT_CENTER, middle),
        (bar.bottom(), Align2::LEFT_BOTTOM, f64::from(limits.low)),
    ] {
        painter.text(pos2(x, y), align, number(value), font.clone(), colour);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rect(min: [f32; 2], max: [f32; 2]) -> Rect {
        Rect::from_min_max(min.into(), max.into())
    }

    #[test]
    fn the_cell_under_a_point_follows_the_zoom() {
        let square = rect([10.0, 20.0], [110.0, 120.0]);
        let whole = StatesSettings::WHOLE;
        assert_eq!(cell_at(pos2(10.0, 20.0), square, whole, [8, 4]), [0, 0]);
        assert_eq!(cell_at(pos2(109.9, 119.9), square, whole, [8, 4]), [3, 7]);
        let quarter = rect([0.5, 0.0], [1.0, 0.5]);
        assert_eq!(cell_at(pos2(10.0, 20.0), square, quarter, [8, 4]), [0, 4]);
        assert_eq!(cell_at(pos2(60.0, 119.0), square, quarter, [8, 4]), [1, 6]);
    }

    #[test]
    fn a_view_stays_inside() {
        let view = inside(rect([-0.5, 0.8], [0.0, 1.3]));
        assert!((view.min - pos2(0.0, 0.5)).length() < 1e-6, "{view:?}");
    }
}
