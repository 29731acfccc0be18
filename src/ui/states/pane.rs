//! A matrix as it is handled: zoom and drag, the cell under the pointer, the profiles
//! of its row and column, the names of its axes.

use eframe::egui::{Pos2, Rect, Response, Shape, Stroke, StrokeKind, Ui, Vec2, pos2, vec2};

use super::images::MatrixImage;
use super::settings::StatesSettings;
use crate::language;
use crate::tuning::inspect::head_matrices::MatrixKind;
use crate::ui::shell::theme::palette;
use crate::ui::widgets::heatmap::axis_names;

/// Room for a profile.
pub(super) const PROFILE: f32 = 40.0;
/// Room for the name of an axis.
pub(super) const AXIS: f32 = 16.0;
/// Cells that are left at a side at the closest.
const CLOSEST: f32 = 4.0;

/// Frames a cell, which is pointed at in this matrix or in the one beside it.
pub(super) fn mark_cell(
    ui: &Ui,
    square: Rect,
    view: Rect,
    [columns, rows]: [usize; 2],
    [row, column]: [usize; 2],
) {
    let place = |idx: usize, n: usize| idx as f32 / n.max(1) as f32;
    let corner = |row: usize, column: usize| {
        let at = pos2(place(column, columns), place(row, rows));
        square.min + (at - view.min) / view.size() * square.size()
    };
    let cell = Rect::from_min_max(corner(row, column), corner(row + 1, column + 1));
    // Small cells are framed by what can be seen.
    let cell = cell.expand((4.0 - cell.width().min(cell.height())).max(0.0) / 2.0 + 1.0);
    let colours = palette(ui.visuals());
    let painter = ui.painter().with_clip_rect(square.expand(2.0));
    painter.rect_stroke(
        cell,
        1.0,
        Stroke::new(3.0, colours.surface),
        StrokeKind::Middle,
    );
    painter.rect_stroke(
        cell,
        1.0,
        Stroke::new(1.5, colours.strong),
        StrokeKind::Middle,
    );
}

/// Wheel and pinch zoom at the pointer, dragging moves, a double click shows
/// the whole.
pub(super) fn zoom(
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
pub(super) fn cell_at(
    at: Pos2,
    square: Rect,
    view: Rect,
    [columns, rows]: [usize; 2],
) -> [usize; 2] {
    let place = view.min + (at - square.min) / square.size() * view.size();
    let idx = |share: f32, n: usize| ((share * n as f32) as usize).min(n.saturating_sub(1));
    [idx(place.y, rows), idx(place.x, columns)]
}

/// The row and the column under the pointer as curves; without a pointer the
/// root mean square of every row and column.
pub(super) fn profiles(
    ui: &Ui,
    square: Rect,
    shown: &MatrixImage,
    view: Rect,
    cell: Option<[usize; 2]>,
) {
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

pub(super) fn axes(ui: &Ui, square: Rect, kind: MatrixKind) {
    let names = kind.axes().map(language::text);
    axis_names(ui, square, names, 11.0, vec2(AXIS, PROFILE));
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
