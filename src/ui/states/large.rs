//! One matrix, large, or two beside each other: the number under the pointer, and what
//! the colours stand for.

use std::sync::Arc;

use eframe::egui::{
    Align2, Color32, FontId, Mesh, Painter, Rect, RichText, Role, Sense, Shape, Stroke, StrokeKind,
    Ui, pos2, vec2,
};

use super::context::{
    StatesContext, beside_words, caveat, is_beside, is_of_choice, module, origin_words,
    place_words, symbol,
};
use super::controls::save_ui;
use super::images::MatrixImage;
use super::pane::{AXIS, PROFILE, axes, cell_at, mark_cell, profiles, zoom};
use super::settings::{ColourRange, StatesSettings};
use super::tables::matrix_title;
use crate::colormap::{ColourMap, Limits, Scale};
use crate::language;
use crate::tuning::inspect::head_matrices::MatrixKind;
use crate::ui::shell::charts;
use crate::ui::shell::pictures::{PictureOf, is_taken};
use crate::ui::shell::theme::palette;
use crate::ui::widgets::controls::{cut_label, group_title, named, weak_small};
use crate::ui::widgets::heatmap::{HeatmapLook, paint_heatmap};
use crate::ui::widgets::numbers::number;

const BAR_WIDTH: f32 = 12.0;
/// Room for the colour bar and its numbers.
const BAR_ROOM: f32 = 74.0;
/// The same beside another matrix.
const BAR_NARROW: f32 = 60.0;
/// From which width on two matrices stand side by side.
const TWO_FROM: f32 = 520.0;
/// Room for what stands above the picture.
const TITLE: f32 = 52.0;
/// In views that are lower than this the picture reaches below what is in sight.
const LOWEST: f32 = 240.0;

/// Draws the picture, and the one beside it where there is one.
pub(super) fn large_ui(ui: &mut Ui, look: &mut StatesContext<'_>) {
    let newest = look.data.shown.newest();
    let Some((key, shown)) = newest.filter(|(key, _)| is_of_choice(key, look.settings)) else {
        missing_ui(ui, look);
        return;
    };
    let shown = shown.clone();
    let beside = look.data.beside.newest();
    let beside = beside.filter(|(key, _)| is_beside(key, look.settings));
    let beside = beside.map(|(key, image)| (beside_words(key, look.run), image.clone()));
    let corner = ui.cursor().min;
    if is_taken(ui, PictureOf::Matrix) {
        weak_small(ui, origin_words(key, look.run));
    }
    title_ui(ui, look, &shown);
    let limits = limits(look, &shown, beside.as_ref().map(|(_, image)| &**image));
    let cursor = look.cursor.take();
    let mut pointed = None;
    match &beside {
        None => pointed = pane_ui(ui, look, &shown, None, limits, cursor),
        Some((words, other)) => {
            let side_by_side = ui.available_width() >= TWO_FROM;
            let mut both = |ui: &mut Ui, width: f32| {
                let own = [(None, &shown, other), (Some(words.as_str()), other, &shown)];
                for (words, image, against) in own {
                    ui.vertical(|ui| {
                        ui.set_width(width);
                        let text = words.unwrap_or(tr!("The chosen one"));
                        cut_label(ui, RichText::new(text).small().weak());
                        let at = pane_ui(ui, look, image, Some(against), limits, cursor);
                        pointed = at.or(pointed);
                    });
                }
            };
            match side_by_side {
                true => {
                    let width = (ui.available_width() - ui.spacing().item_spacing.x) / 2.0;
                    ui.horizontal_top(|ui| both(ui, width));
                }
                false => both(ui, ui.available_width()),
            }
        }
    }
    if pointed != cursor {
        // The other one follows in the next frame.
        ui.ctx().request_repaint();
    }
    *look.cursor = pointed;
    let of_picture = Rect::from_min_max(corner, ui.min_rect().max).expand(6.0);
    let newest = look.data.shown.newest();
    charts::leaves(ui, PictureOf::Matrix, of_picture, || {
        let title = newest.map(|(key, _)| matrix_title(look.settings, look.run, key));
        let axes = look.settings.kind.axes().map(language::text);
        shown.table(&title.unwrap_or_default(), axes)
    });
}

/// The limits of the colours, the same for both pictures.
fn limits(look: &StatesContext<'_>, shown: &MatrixImage, beside: Option<&MatrixImage>) -> Limits {
    let settings = &*look.settings;
    let scale = settings.scale;
    let own = match beside {
        Some(beside) => shown.limits(scale).with(beside.limits(scale)),
        None => shown.limits(scale),
    };
    match settings.range {
        ColourRange::Locked(limits) => limits,
        ColourRange::PerHead => own,
        ColourRange::Shared if settings.follows_text => {
            let text = look.data.text().filter(|_| settings.kind == MatrixKind::S0);
            text.map_or(own, |text| text.limits(scale))
        }
        ColourRange::Shared => {
            let grid = look.data.grid.newest();
            grid.map_or(own, |(_, grid)| grid.limits(scale).with(own))
        }
    }
}

/// Draws one matrix; the cell under the pointer. `against` is the one that it is looked
/// at beside, `cursor` the cell that was pointed at in either.
fn pane_ui(
    ui: &mut Ui,
    look: &mut StatesContext<'_>,
    shown: &MatrixImage,
    against: Option<&Arc<MatrixImage>>,
    limits: Limits,
    cursor: Option<[usize; 2]>,
) -> Option<[usize; 2]> {
    let (n_rows, n_columns) = (shown.matrix.rows(), shown.matrix.columns);
    let bar_room = if against.is_some() {
        BAR_NARROW
    } else {
        BAR_ROOM
    };
    let room = ui.available_width() - AXIS - PROFILE - bar_room;
    // All of it can be seen at once where the view is not too low for that.
    let tall = ui.clip_rect().height() - TITLE - PROFILE - AXIS;
    let side = room.min(tall.max(LOWEST)).clamp(96.0, 600.0);
    // Wide matrices keep the shape of their cells, but stay easy to point at.
    let height = (side * n_rows as f32 / n_columns.max(1) as f32).clamp(side * 0.4, side);
    let size = vec2(AXIS + side + PROFILE + bar_room, height + PROFILE + AXIS);
    let (rect, response) = ui.allocate_exact_size(size, Sense::click_and_drag());
    let origin = rect.min + vec2(AXIS, 0.0);
    let square = Rect::from_min_size(origin, vec2(side, height));
    let kind = symbol(look.settings.kind, look.settings.follows_text);
    let place = place_words(look.settings.kind, look.settings.place());
    let name = tr!("{kind} of {place}", kind, place);
    named(&response, Role::Image, &name);
    response.context_menu(|ui| save_ui(ui, look));
    let settings = &mut *look.settings;
    zoom(ui, &response, square, settings, [n_columns, n_rows]);
    let paint = HeatmapLook {
        view: settings.zoom,
        ..HeatmapLook::new(limits, settings.scale)
    };
    paint_heatmap(ui, response.id.with("heatmap"), square, &shown.data, &paint);
    let colours = palette(ui.visuals());
    let border = Stroke::new(1.0, colours.border);
    ui.painter()
        .rect_stroke(square, 0.0, border, StrokeKind::Outside);
    let hovered = response.hover_pos().filter(|at| square.contains(*at));
    let own = hovered.map(|at| cell_at(at, square, settings.zoom, [n_columns, n_rows]));
    // The one under the pointer, else the one that is pointed at in the other matrix.
    let there = |[row, column]: &[usize; 2]| *row < n_rows && *column < n_columns;
    let cell = own.or(cursor.filter(there).filter(|_| against.is_some()));
    profiles(ui, square, shown, settings.zoom, cell);
    axes(ui, square, settings.kind);
    if let (Some(cell), true) = (cell, against.is_some()) {
        mark_cell(ui, square, settings.zoom, [n_columns, n_rows], cell);
    }
    let bar_at = square.right_top() + vec2(PROFILE + 12.0, 0.0);
    let bar = Rect::from_min_size(bar_at, vec2(BAR_WIDTH, height));
    colour_bar(ui, bar, limits, settings.scale);
    if let Some([row, column]) = own {
        let value = shown.value(row, column).unwrap_or(f32::NAN);
        let [of_row, of_column] = settings.kind.axes().map(language::text);
        let other = against.and_then(|against| against.value(row, column));
        let other = other.map_or(String::new(), |other| {
            tr!("\nbeside it {other}", other = format_args!("{other:+.5}"))
        });
        response.on_hover_text_at_pointer(format!(
            "{of_row} {row}, {of_column} {column}\n{value:+.5}{other}"
        ));
    }
    own
}

fn title_ui(ui: &mut Ui, look: &mut StatesContext<'_>, shown: &MatrixImage) {
    let caveat = caveat(look);
    let settings = &mut *look.settings;
    let (layer, head) = (settings.layer, settings.head);
    let title = match settings.kind.is_of_adapter() {
        true => tr!("Layer {layer}, {}", module(settings.place()), layer),
        false => tr!("Layer {layer}, head {head}", layer, head),
    };
    group_title(ui, &title);
    let (rows, columns) = (shown.matrix.rows(), shown.matrix.columns);
    let kind = symbol(settings.kind, settings.follows_text);
    ui.horizontal(|ui| {
        weak_small(ui, format!("{kind}, {rows} x {columns}"))
            .on_hover_text(tr!("Ctrl + wheel to zoom, drag to move, double-click to see all, right-click to save a picture"));
        if settings.is_zoomed() && ui.small_button(tr!("Whole")).clicked() {
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
        _ if settings.follows_text => {
            tr!("Type a text above to follow the state over it.").to_owned()
        }
        MatrixKind::S0 => tr!("computing").to_owned(),
        MatrixKind::Z | MatrixKind::Lifted => {
            tr!("There is no {kind} in layer {}.", settings.layer, kind)
        }
        MatrixKind::R => tr!("This run has no decorrelation, so there is no R.").to_owned(),
        MatrixKind::A | MatrixKind::B | MatrixKind::Product => {
            let absent = look.data.shown.absent();
            match absent.is_some_and(|key| is_of_choice(key, settings)) {
                true => {
                    let place = place_words(settings.kind, settings.place());
                    tr!("There is no adapter at {place}.", place)
                }
                false => tr!("computing").to_owned(),
            }
        }
    };
    ui.label(text);
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
