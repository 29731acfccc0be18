//! Every head at once: a click makes one large.

use eframe::egui::{
    Align2, EventFilter, FontId, Id, Key, Modifiers, Pos2, Rect, Response, Role, Sense, Stroke,
    StrokeKind, Ui, Vec2, pos2, vec2,
};

use super::context::{StatesContext, place_words, symbol};
use super::controls::every_words;
use super::head_grid::HeadGrid;
use super::settings::{ColourRange, StatesSettings};
use super::tables::heads_table;
use crate::colormap::Limits;
use crate::model::adapter::AdapterTarget;
use crate::tuning::inspect::trajectory::Place;
use crate::ui::shared::action::Action;
use crate::ui::shell::charts;
use crate::ui::shell::pictures::{PictureOf, is_taken};
use crate::ui::shell::theme::{FOCUS_RING, palette};
use crate::ui::widgets::controls::{group_title, named, weak_small};
use crate::ui::widgets::heatmap::{HeatmapLook, paint_heatmap};
use crate::ui::widgets::numbers::number;

const AXIS: f32 = 26.0;
const TOP: f32 = 16.0;

/// Draws the grid.
pub(super) fn grid_ui(ui: &mut Ui, look: &mut StatesContext<'_>) {
    let corner = ui.cursor().min;
    let of_adapters = look.settings.kind.is_of_adapter();
    group_title(ui, title(of_adapters));
    let newest = look.data.grid.newest();
    // That of heads is not that of adapters, which has other columns.
    let alike = newest.filter(|(key, _)| key.kind.is_of_adapter() == of_adapters);
    let Some((key, grid)) = alike else {
        weak_small(ui, tr!("computing"));
        return;
    };
    let (n_layer, n_head) = (grid.n_layer, grid.n_head);
    if is_taken(ui, PictureOf::Heads) {
        let kind = symbol(key.kind, false);
        weak_small(
            ui,
            tr!(
                "{kind} of {}, after step {}",
                key.of.run.0,
                key.of.step,
                kind
            ),
        );
    }
    let when = match key.token {
        Some((_, n_tokens)) => tr!(", after token {n_tokens}", n_tokens),
        None if look.settings.follows_text => tr!(", before the text").to_owned(),
        None => String::new(),
    };
    weak_small(
        ui,
        match (of_adapters, grid.is_sample) {
            (false, _) => tr!("layers down, heads across{when}", when),
            (true, false) => tr!("layers down, frozen matrices across").to_owned(),
            (true, true) => {
                tr!("layers down, frozen matrices across; a sample of the numbers").to_owned()
            }
        },
    );
    let side = ((ui.available_width() - AXIS) / n_head.max(1) as f32)
        .clamp(4.0, 72.0)
        .floor();
    let size = vec2(AXIS + side * n_head as f32, TOP + side * n_layer as f32);
    let (rect, response) = ui.allocate_exact_size(size, Sense::click());
    named(
        &response,
        Role::Image,
        match of_adapters {
            true => tr!("Grid of every adapter"),
            false => tr!("Grid of every head"),
        },
    );
    let of_picture = Rect::from_min_max(corner, rect.max).expand(6.0);
    charts::leaves(ui, PictureOf::Heads, of_picture, || {
        let worth = look.heads.ablation.map(|of| &of.ablation);
        heads_table(key, grid, worth)
    });
    response.context_menu(|ui| {
        let [every, norms] = every_words(look.settings.kind);
        let entries = [
            (every, Action::SavePicture(PictureOf::Heads)),
            (norms, Action::SaveChartNumbers(PictureOf::Heads)),
        ];
        for (text, action) in entries {
            if ui.button(text).clicked() {
                look.asked = Some(action);
                ui.close();
            }
        }
    });
    let cells = Rect::from_min_max(rect.min + vec2(AXIS, TOP), rect.max);
    let gap = if side > 16.0 { 2.0 } else { 1.0 };
    let paint = HeatmapLook {
        limits: limits(grid, look.settings),
        scale: look.settings.scale,
        gap,
        ..HeatmapLook::new(Limits::symmetric(1.0), look.settings.scale)
    };
    paint_heatmap(ui, Id::unique("grid of heads"), cells, &grid.data, &paint);
    labels(ui, cells.min, side, [n_layer, n_head], of_adapters);
    keys_ui(ui, &response, look.settings, [n_layer, n_head]);
    super::worth::overlay(ui, look, cells.min, side, gap);
    let Place { layer, head } = look.settings.place();
    let chosen = Rect::from_min_size(
        cells.min + vec2(head as f32, layer as f32) * side,
        Vec2::splat(side - gap),
    );
    let stroke = Stroke::new(2.0, palette(ui.visuals()).accent);
    ui.painter()
        .rect_stroke(chosen.expand(1.0), 1.0, stroke, StrokeKind::Outside);
    super::worth::worth_ui(ui, look);
    let settings = &mut *look.settings;
    let under = response.hover_pos().filter(|at| cells.contains(*at));
    let Some(at) = under.map(|at| (at - cells.min) / side) else {
        return;
    };
    let (layer, head) = (
        (at.y as usize).min(n_layer.saturating_sub(1)),
        (at.x as usize).min(n_head.saturating_sub(1)),
    );
    if response.clicked() {
        (settings.layer, *settings.across()) = (layer, head);
    }
    let kind = symbol(settings.kind, false);
    let place = place_words(settings.kind, Place { layer, head });
    let text = match grid.head(layer, head) {
        Some(of) if grid.is_sample => tr!("{place}\nnorm {}", number(of.norm), place),
        Some(of) => {
            let Limits { low, high } = of.sequential;
            tr!(
                "{place}\nnorm {}, from {} to {}",
                number(of.norm),
                number(low.into()),
                number(high.into()),
                place
            )
        }
        None => tr!("{place}\nhas no {kind}", place, kind),
    };
    let worth = super::worth::words(look, layer, head);
    response.on_hover_text_at_pointer(format!("{text}{worth}"));
}

fn title(of_adapters: bool) -> &'static str {
    match of_adapters {
        true => tr!("Every adapter"),
        false => tr!("Every head"),
    }
}

/// The arrow keys go from head to head while the grid has the focus.
fn keys_ui(ui: &Ui, grid: &Response, settings: &mut StatesSettings, sizes: [usize; 2]) {
    if !grid.has_focus() {
        return;
    }
    let filter = EventFilter {
        horizontal_arrows: true,
        vertical_arrows: true,
        ..EventFilter::default()
    };
    ui.memory_mut(|memory| memory.set_focus_lock_filter(grid.id, filter));
    let pressed = |key| ui.input_mut(|input| input.consume_key(Modifiers::NONE, key));
    let moved = |at: usize, less: Key, more: Key, n: usize| match (pressed(less), pressed(more)) {
        (true, false) => at.saturating_sub(1),
        (false, true) => (at + 1).min(n.saturating_sub(1)),
        _ => at,
    };
    let [n_layer, n_head] = sizes;
    settings.layer = moved(settings.layer, Key::ArrowUp, Key::ArrowDown, n_layer);
    let across = settings.across();
    *across = moved(*across, Key::ArrowLeft, Key::ArrowRight, n_head);
    let ring = Stroke::new(FOCUS_RING, palette(ui.visuals()).accent);
    let around = grid.rect.expand(2.0);
    ui.painter()
        .rect_stroke(around, 4.0, ring, StrokeKind::Outside);
}

/// Of every tile, or one for all.
fn limits(grid: &HeadGrid, settings: &StatesSettings) -> Vec<Limits> {
    match settings.range {
        ColourRange::Shared => vec![grid.limits(settings.scale)],
        ColourRange::Locked(limits) => vec![limits],
        ColourRange::PerHead => {
            let none = Limits::symmetric(0.0);
            let heads = grid.heads.iter();
            heads
                .map(|head| {
                    head.as_ref()
                        .map_or(none, |head| head.limits(settings.scale))
                })
                .collect()
        }
    }
}

/// The frozen matrices as they fit above a column, in the order of
/// [`AdapterTarget::ALL`].
const SHORT: [&str; AdapterTarget::ALL.len()] = ["r", "k", "v", "o", "ffn k", "ffn v"];

fn labels(ui: &Ui, origin: Pos2, side: f32, [n_layer, n_head]: [usize; 2], of_adapters: bool) {
    let weak = palette(ui.visuals()).weak;
    let font = FontId::proportional(10.5);
    let painter = ui.painter();
    let every = |room: f32| ((room / side).ceil() as usize).max(1);
    for layer in (0..n_layer).step_by(every(14.0)) {
        let at = pos2(origin.x - 6.0, origin.y + (layer as f32 + 0.5) * side);
        let text = layer.to_string();
        painter.text(at, Align2::RIGHT_CENTER, text, font.clone(), weak);
    }
    for head in (0..n_head).step_by(every(20.0)) {
        let at = pos2(origin.x + (head as f32 + 0.5) * side, origin.y - 2.0);
        let text = match of_adapters {
            true => SHORT.get(head).copied().unwrap_or_default().to_owned(),
            false => head.to_string(),
        };
        painter.text(at, Align2::CENTER_BOTTOM, text, font.clone(), weak);
    }
}
