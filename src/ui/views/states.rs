//! S_0 as pictures: every head at once, one of them large, and the numbers of
//! the layers.

use eframe::egui::{
    Align2, Color32, ComboBox, FontId, Grid, Mesh, Painter, Rect, RichText, Role, Sense, Shape,
    Stroke, StrokeKind, TextureId, Ui, Vec2, pos2, vec2,
};

use super::super::state_pictures::{Picture, StatePictures};
use super::super::theme::{GAP, palette};
use super::super::ui_state::{ColourRange, StatesSettings, UiState};
use super::super::widgets::colormap::Diverging;
use super::super::widgets::controls::{
    choice, cut_label, empty_state, from_right, group_title, named, scrolled, weak_small,
};
use super::super::widgets::numbers::number;
use crate::runs::RunStore;
use crate::runs::run::Run;

const AXIS: f32 = 34.0;
const BAR_WIDTH: f32 = 12.0;
/// From which width on the two pictures stand side by side.
const SIDE_BY_SIDE_FROM: f32 = 560.0;
/// Room beside the colour bar for its numbers.
const BAR_ROOM: f32 = 64.0;

/// Draws the view.
pub fn states_ui(ui: &mut Ui, store: &RunStore, state: &mut UiState, pictures: &mut StatePictures) {
    let Some(run) = state.focused().and_then(|id| store.get(id)) else {
        empty_state(
            ui,
            "No state to look at",
            "Start a run or choose one on the left. Its S₀ appears here as it is trained.",
        );
        return;
    };
    if let Some(problem) = pictures.problem(&run.id) {
        empty_state(ui, "The state cannot be read", problem);
        return;
    }
    let settings = &mut state.states;
    match pictures.of(&run.id) {
        Some(picture) => {
            settings.layer = settings.layer.min(picture.state.n_layer.saturating_sub(1));
            settings.head = settings.head.min(picture.state.n_head.saturating_sub(1));
            picture_ui(ui, run, picture, settings);
        }
        None if run.status.is_over() && run.exported.is_empty() => {
            empty_state(
                ui,
                "This run has no state",
                "It ended before its first step was saved. Choose another one on the left.",
            );
        }
        None if run.status.is_over() => {
            empty_state(ui, "Reading the state", "It is read from the run's folder.")
        }
        None => empty_state(
            ui,
            "No state yet",
            "S₀ appears after the first step; the untuned model is measured before it.",
        ),
    }
}

fn picture_ui(ui: &mut Ui, run: &Run, picture: &mut Picture, settings: &mut StatesSettings) {
    heading_ui(ui, run, picture, settings);
    ui.add_space(4.0);
    let visuals = ui.visuals().clone();
    let texture = picture
        .texture(ui.ctx(), settings.range, &visuals)
        .map(|texture| texture.id());
    let Some(texture) = texture else {
        empty_state(
            ui,
            "Too large for one picture",
            "This state has more rows than a texture can. The numbers of its layers are in the file.",
        );
        return;
    };
    scrolled(ui, |ui| {
        let width = ui.available_width();
        if width < SIDE_BY_SIDE_FROM {
            heads_ui(ui, picture, settings, texture);
            ui.add_space(GAP);
            head_ui(ui, picture, settings, texture);
        } else {
            ui.horizontal_top(|ui| {
                ui.vertical(|ui| {
                    ui.set_width((width * 0.42).floor());
                    heads_ui(ui, picture, settings, texture);
                });
                ui.add_space(GAP);
                ui.vertical(|ui| {
                    ui.set_width(ui.available_width());
                    head_ui(ui, picture, settings, texture);
                });
            });
        }
        ui.add_space(GAP);
        layers_ui(ui, picture, settings);
    });
}

fn heading_ui(ui: &mut Ui, run: &Run, picture: &Picture, settings: &mut StatesSettings) {
    ui.horizontal(|ui| {
        from_right(ui, |ui| {
            let choices = [(ColourRange::PerHead, "Per head"), (ColourRange::Shared, "Shared")];
            // Laid out from the right.
            choice(ui, &mut settings.range, &choices);
            ui.label("Limits").on_hover_text("What the ends of the colours stand for: the largest magnitude of the whole state, or of each head by itself");
            ui.with_layout(eframe::egui::Layout::left_to_right(eframe::egui::Align::Center), |ui| {
                cut_label(ui, RichText::new(&run.id.0).heading()).on_hover_text(&run.id.0);
            });
        });
    });
    weak_small(
        ui,
        format!(
            "S₀ after step {}, norm {}",
            picture.step,
            number(picture.norm())
        ),
    );
}

/// The grid of every head: a click makes one large.
fn heads_ui(ui: &mut Ui, picture: &Picture, settings: &mut StatesSettings, texture: TextureId) {
    let (n_layer, n_head) = (picture.state.n_layer, picture.state.n_head);
    group_title(ui, "Every head");
    weak_small(
        ui,
        "layers downwards, heads across; click one to see it large",
    );
    let side = ((ui.available_width() - AXIS) / n_head.max(1) as f32)
        .clamp(5.0, 72.0)
        .floor();
    let gap = if side > 16.0 { 2.0 } else { 1.0 };
    let size = vec2(AXIS + side * n_head as f32, 16.0 + side * n_layer as f32);
    let (rect, response) = ui.allocate_exact_size(size, Sense::click());
    named(&response, Role::Image, "Grid of every head's state");
    let origin = rect.min + vec2(AXIS, 16.0);
    let cell = |layer: usize, head: usize| {
        let at = origin + vec2(head as f32 * side, layer as f32 * side);
        Rect::from_min_size(at, Vec2::splat(side - gap))
    };
    let mut mesh = Mesh::with_texture(texture);
    for layer in 0..n_layer {
        for head in 0..n_head {
            mesh.add_rect_with_uv(cell(layer, head), picture.uv(layer, head), Color32::WHITE);
        }
    }
    ui.painter().add(Shape::mesh(mesh));
    grid_labels(ui, origin, side, n_layer, n_head);
    let accent = palette(ui.visuals()).accent;
    let chosen = cell(settings.layer, settings.head).expand(1.0);
    ui.painter()
        .rect_stroke(chosen, 1.0, Stroke::new(2.0, accent), StrokeKind::Outside);
    let under = response.hover_pos().and_then(|at| {
        let place = (at - origin) / side;
        let (layer, head) = (place.y.floor() as usize, place.x.floor() as usize);
        (place.x >= 0.0 && place.y >= 0.0 && layer < n_layer && head < n_head)
            .then_some((layer, head))
    });
    if let Some((layer, head)) = under {
        if response.clicked() {
            (settings.layer, settings.head) = (layer, head);
        }
        let (norm, most) = picture
            .heads
            .get(layer * n_head + head)
            .copied()
            .unwrap_or_default();
        response.on_hover_text_at_pointer(format!(
            "layer {layer}, head {head}\nnorm {}, largest {}",
            number(norm.into()),
            number(most.into())
        ));
    }
}

fn grid_labels(ui: &Ui, origin: eframe::egui::Pos2, side: f32, n_layer: usize, n_head: usize) {
    let weak = palette(ui.visuals()).weak;
    let font = FontId::proportional(10.5);
    let painter = ui.painter();
    let every = |side: f32, room: f32| ((room / side).ceil() as usize).max(1);
    for layer in (0..n_layer).step_by(every(side, 14.0)) {
        let at = pos2(origin.x - 6.0, origin.y + (layer as f32 + 0.5) * side);
        painter.text(
            at,
            Align2::RIGHT_CENTER,
            layer.to_string(),
            font.clone(),
            weak,
        );
    }
    for head in (0..n_head).step_by(every(side, 20.0)) {
        let at = pos2(origin.x + (head as f32 + 0.5) * side, origin.y - 2.0);
        painter.text(
            at,
            Align2::CENTER_BOTTOM,
            head.to_string(),
            font.clone(),
            weak,
        );
    }
}

/// One head, large, with the number under the pointer.
fn head_ui(ui: &mut Ui, picture: &Picture, settings: &mut StatesSettings, texture: TextureId) {
    ui.horizontal(|ui| {
        picker(ui, "Layer", &mut settings.layer, picture.state.n_layer);
        picker(ui, "Head", &mut settings.head, picture.state.n_head);
        let (layer, head) = (settings.layer, settings.head);
        let norm = picture
            .heads
            .get(layer * picture.state.n_head + head)
            .map_or(0.0, |(norm, _)| *norm);
        weak_small(ui, format!("norm {}", number(norm.into())));
    });
    let (layer, head) = (settings.layer, settings.head);
    let limit = picture.limit(layer, head, settings.range);
    let side = (ui.available_width() - BAR_ROOM - 20.0).clamp(96.0, 460.0);
    let (rect, response) =
        ui.allocate_exact_size(vec2(side + 20.0 + BAR_ROOM, side + 16.0), Sense::hover());
    let square = Rect::from_min_size(rect.min + vec2(16.0, 0.0), Vec2::splat(side));
    named(
        &response,
        Role::Image,
        &format!("State of layer {layer}, head {head}"),
    );
    let mut mesh = Mesh::with_texture(texture);
    mesh.add_rect_with_uv(square, picture.uv(layer, head), Color32::WHITE);
    let painter = ui.painter();
    painter.add(Shape::mesh(mesh));
    let colours = palette(ui.visuals());
    painter.rect_stroke(
        square,
        0.0,
        Stroke::new(1.0, colours.border),
        StrokeKind::Outside,
    );
    let font = FontId::proportional(11.0);
    let below = pos2(square.center().x, square.bottom() + 3.0);
    painter.text(
        below,
        Align2::CENTER_TOP,
        "key channel",
        font.clone(),
        colours.weak,
    );
    let galley = painter.layout_no_wrap("value channel".into(), font, colours.weak);
    let beside = pos2(
        square.left() - 16.0,
        square.center().y + galley.size().x / 2.0,
    );
    let text = eframe::egui::epaint::TextShape::new(beside, galley, colours.weak);
    painter.add(text.with_angle(-std::f32::consts::FRAC_PI_2));
    let bar = Rect::from_min_size(square.right_top() + vec2(10.0, 0.0), vec2(BAR_WIDTH, side));
    paint_colour_bar(painter, bar, limit, ui.visuals().dark_mode, colours.text);
    let n = picture.state.head_size;
    if let Some(at) = response.hover_pos().filter(|at| square.contains(*at)) {
        let place = (at - square.min) / side * n as f32;
        let (row, column) = ((place.y as usize).min(n - 1), (place.x as usize).min(n - 1));
        let value = picture.value(layer, head, row, column).unwrap_or(f32::NAN);
        response.on_hover_text_at_pointer(format!(
            "value channel {row}, key channel {column}\n{value:+.5}"
        ));
    }
}

fn picker(ui: &mut Ui, name: &str, value: &mut usize, n: usize) {
    let label = ui.label(name).id;
    ComboBox::from_id_salt(name)
        .width(52.0)
        .selected_text(value.to_string())
        .show_ui(ui, |ui| {
            for idx in 0..n {
                ui.selectable_value(value, idx, idx.to_string());
            }
        })
        .response
        .labelled_by(label);
}

fn paint_colour_bar(painter: &Painter, bar: Rect, limit: f32, is_dark: bool, text: Color32) {
    const N_BANDS: usize = 64;
    let map = Diverging::new(is_dark);
    let height = bar.height() / N_BANDS as f32;
    for band in 0..N_BANDS {
        let share = 1.0 - 2.0 * (band as f32 + 0.5) / N_BANDS as f32;
        let top = bar.top() + band as f32 * height;
        let stripe = Rect::from_x_y_ranges(bar.x_range(), top..=top + height + 0.5);
        painter.rect_filled(stripe, 0.0, map.colour(share, 1.0));
    }
    let font = FontId::monospace(10.5);
    let x = bar.right() + 5.0;
    let limit = f64::from(limit);
    for (y, align, value) in [
        (bar.top(), Align2::LEFT_TOP, format!("+{}", number(limit))),
        (bar.center().y, Align2::LEFT_CENTER, "0".to_owned()),
        (
            bar.bottom(),
            Align2::LEFT_BOTTOM,
            format!("-{}", number(limit)),
        ),
    ] {
        painter.text(pos2(x, y), align, value, font.clone(), text);
    }
}

/// The numbers of every layer.
fn layers_ui(ui: &mut Ui, picture: &Picture, settings: &mut StatesSettings) {
    group_title(ui, "Layers");
    Grid::new("layers").striped(true).spacing([22.0, 4.0]).show(ui, |ui| {
        for (title, hint) in [
            ("Layer", "Counted from 0"),
            ("Norm", "Root of the sum of squares"),
            ("Largest", "Largest magnitude"),
            ("Mean", "Mean magnitude"),
            ("Effective rank", "How many directions a head's matrix uses, averaged over the heads: |S|⁴ / |SᵀS|², from 1 to N"),
        ] {
            ui.label(RichText::new(title).small().weak()).on_hover_text(hint);
        }
        ui.end_row();
        for (layer, of) in picture.statistics.iter().enumerate() {
            let is_chosen = settings.layer == layer;
            if ui.selectable_label(is_chosen, format!("layer {layer}")).clicked() {
                settings.layer = layer;
            }
            for value in [of.norm, of.max_abs.into(), of.mean_abs, of.effective_rank] {
                ui.monospace(number(value));
            }
            ui.end_row();
        }
    });
}
