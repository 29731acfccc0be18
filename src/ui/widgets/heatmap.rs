//! A matrix, or a grid of them, as colours that the GPU paints: numbers are
//! uploaded once, and limits, colours and zoom are a few bytes a frame.

use std::f32::consts::FRAC_PI_2;
use std::sync::Arc;

use eframe::egui::epaint::TextShape;
use eframe::egui::{Align2, FontId, Id, Painter, Rect, Ui, Vec2, pos2};
use eframe::egui_wgpu::Callback;

use super::heatmap_data::HeatmapData;
use super::heatmap_gpu::{Draw, HeatmapCallback};
use crate::colormap::{Limits, Scale};
use crate::ui::shell::theme::palette;

/// How a matrix is painted.
#[derive(Debug, Clone)]
pub struct HeatmapLook {
    /// What the ends of the colours stand for: of every tile, or one for all.
    pub limits: Vec<Limits>,
    /// The colours.
    pub scale: Scale,
    /// The part that is shown, 0 to 1 both ways.
    pub view: Rect,
    /// Points between two tiles.
    pub gap: f32,
}

impl HeatmapLook {
    /// All of it between limits.
    pub fn new(limits: Limits, scale: Scale) -> Self {
        Self {
            limits: vec![limits],
            scale,
            view: Rect::from_min_max(pos2(0.0, 0.0), pos2(1.0, 1.0)),
            gap: 0.0,
        }
    }
}

/// Paints into `rect`. `id` tells this place of the window from others.
pub fn paint_heatmap(ui: &Ui, id: Id, rect: Rect, data: &Arc<HeatmapData>, look: &HeatmapLook) {
    paint_with(ui.painter(), ui.clip_rect(), id, rect, data, look);
}

fn paint_with(
    painter: &Painter,
    clip: Rect,
    id: Id,
    rect: Rect,
    data: &Arc<HeatmapData>,
    look: &HeatmapLook,
) {
    let ctx = painter.ctx();
    // The painter of callbacks squeezes what reaches over the edge of the
    // window into it, so that only what can be seen is handed to it.
    let seen = rect.intersect(clip).intersect(ctx.content_rect());
    if !seen.is_positive() || data.values.is_empty() {
        return;
    }
    let share = |at: f32, low: f32, high: f32| (at - low) / (high - low).max(f32::MIN_POSITIVE);
    let part = |x: f32, y: f32| {
        let (x, y) = (
            share(x, rect.left(), rect.right()),
            share(y, rect.top(), rect.bottom()),
        );
        let at = look.view.min + look.view.size() * eframe::egui::vec2(x, y);
        [at.x * data.width as f32, at.y * data.height as f32]
    };
    let (first, end) = (
        part(seen.left(), seen.top()),
        part(seen.right(), seen.bottom()),
    );
    let shown = [end[0] - first[0], end[1] - first[1]];
    let pixels = seen.size() * ctx.pixels_per_point();
    let [n_across, n_down] = data.n_tiles();
    let gap = |side: f32, n_tiles: usize| match n_tiles {
        0 | 1 => 0.0,
        n => (look.gap * n as f32 / side).min(0.5),
    };
    let draw = Draw {
        view: [first[0], first[1], shown[0], shown[1]],
        tile: [
            data.tile[0] as f32,
            data.tile[1] as f32,
            gap(rect.width(), n_across),
            gap(rect.height(), n_down),
        ],
        footprint: [shown[0] / pixels.x, shown[1] / pixels.y],
        scale: look.scale,
        is_dark: ctx.global_style().visuals.dark_mode,
    };
    let callback = HeatmapCallback {
        place: id.value(),
        data: data.clone(),
        limits: look.limits.clone(),
        draw,
        pass: ctx.cumulative_pass_nr(),
    };
    painter.add(Callback::new_paint_callback(seen, callback));
}

/// Writes at the left of a matrix what its rows are and below it what its columns are,
/// so far from it as `apart`.
pub fn axis_names(ui: &Ui, square: Rect, [rows, columns]: [&str; 2], size: f32, apart: Vec2) {
    let weak = palette(ui.visuals()).weak;
    let font = FontId::proportional(size);
    let painter = ui.painter();
    let below = pos2(square.center().x, square.bottom() + apart.y);
    painter.text(below, Align2::CENTER_TOP, columns, font.clone(), weak);
    let galley = painter.layout_no_wrap(rows.to_owned(), font, weak);
    let middle = square.center().y + galley.size().x / 2.0;
    let beside = pos2(square.left() - apart.x, middle);
    let text = TextShape::new(beside, galley, weak);
    painter.add(text.with_angle(-FRAC_PI_2));
}
