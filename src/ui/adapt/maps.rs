//! A state beside its base as heatmaps: every head of the difference, and one head of
//! all three.

use std::path::PathBuf;

use eframe::egui::{
    Align2, DragValue, FontId, Id, Rect, Role, Sense, Spinner, Stroke, StrokeKind, Ui, Vec2, pos2,
    vec2,
};

use super::kept::{KeptState, Shown, StatePair};
use super::labels::labelled;
use super::reading::ShownAdaptation;
use crate::adapt::spec::Mode;
use crate::colormap::{Limits, Scale};
use crate::tuning::states::state_file::{LIFTED_FILE, LORA_FILE};
use crate::ui::shell::theme::palette;
use crate::ui::widgets::controls::{named, weak_small, wrong};
use crate::ui::widgets::heatmap::{HeatmapLook, axis_names, paint_heatmap};
use crate::ui::widgets::numbers::number;

/// Points of a side of a head that is large.
const LARGE: f32 = 150.0;
/// The most points of a side of a head in the grid.
const SMALL: f32 = 26.0;
/// The widest grid.
const GRID_WIDTH: f32 = 220.0;
/// Room for the names of axes.
const AXIS: f32 = 14.0;
/// How large they are, and how far from a matrix.
const AXIS_SIZE: f32 = 10.5;
const APART: Vec2 = vec2(AXIS, 1.0);

/// The file of the state that answered a question: its own, or that of all of them.
fn file_of(shown: &ShownAdaptation, item: usize) -> Option<PathBuf> {
    let file = match shown.spec.mode {
        Mode::Item => shown
            .folder
            .join("states")
            .join(format!("question-{:05}.safetensors", item + 1)),
        Mode::Shared | Mode::Pool => {
            let names = [LIFTED_FILE, LORA_FILE, "state.safetensors"];
            let files = names.map(|name| shown.folder.join(name));
            let [lifted, lora, plain] = files;
            match (shown.states.contains(&lifted), shown.states.contains(&lora)) {
                (true, _) => lifted,
                (false, true) => lora,
                (false, false) => plain,
            }
        }
    };
    shown.states.contains(&file).then_some(file)
}

/// Draws the state that answered question `item`.
pub(super) fn maps_ui(ui: &mut Ui, shown: &ShownAdaptation, item: usize, kept: &mut KeptState) {
    let Some(file) = file_of(shown, item) else {
        weak_small(
            ui,
            match shown.spec.mode {
                Mode::Item => {
                    tr!(
                        "The state of this question was not kept. \"States to keep\" says of how many questions they are."
                    )
                }
                Mode::Shared | Mode::Pool => tr!("The state is here when its last step is done."),
            },
        );
        return;
    };
    kept.ask(file, &shown.spec.base);
    let (mut layer, mut head) = (kept.layer, kept.head);
    match kept.found() {
        None => {
            ui.add(Spinner::new().size(14.0));
        }
        Some(Err(reason)) => {
            wrong(ui, reason);
        }
        Some(Ok(pair)) => {
            // Another model may have fewer.
            let [n_layer, n_head, ..] = pair.sizes();
            layer = layer.min(n_layer.saturating_sub(1));
            head = head.min(n_head.saturating_sub(1));
            pair_ui(ui, pair, &mut layer, &mut head);
            (kept.layer, kept.head) = (layer, head);
        }
    }
}

fn pair_ui(ui: &mut Ui, pair: &StatePair, layer: &mut usize, head: &mut usize) {
    let [n_layer, n_head, ..] = pair.sizes();
    let of_states = range(pair.limits(Shown::Base));
    let of_difference = range(pair.limits(Shown::Difference));
    weak_small(
        ui,
        tr!(
            "Colours of both states {of_states}, of the difference {of_difference}; zero is the ground.",
            of_states,
            of_difference
        ),
    );
    labelled(
        ui,
        tr!("Layer"),
        tr!("From 0, at the bottom of the model"),
        |ui| ui.add(DragValue::new(layer).range(0..=n_layer.saturating_sub(1))),
    );
    labelled(ui, tr!("Head"), tr!("From 0"), |ui| {
        ui.add(DragValue::new(head).range(0..=n_head.saturating_sub(1)))
    });
    let place = [*layer, *head];
    ui.horizontal_wrapped(|ui| {
        grid_ui(ui, pair, layer, head);
        for (what, name) in [
            (Shown::Base, tr!("Base")),
            (Shown::Adapted, tr!("Adapted")),
            (Shown::Difference, tr!("Difference")),
        ] {
            head_ui(ui, pair, what, name, place);
        }
    });
}

fn range(Limits { low, high }: Limits) -> String {
    tr!("{} to {}", number(low.into()), number(high.into()))
}

/// Every head of the difference; a click makes one large.
fn grid_ui(ui: &mut Ui, pair: &StatePair, layer: &mut usize, head: &mut usize) {
    let [n_layer, n_head, ..] = pair.sizes();
    let side = (GRID_WIDTH / n_head.max(1) as f32)
        .clamp(3.0, SMALL)
        .floor();
    let size = vec2(
        AXIS + side * n_head as f32,
        2.0 * AXIS + side * n_layer as f32,
    );
    let (rect, response) = ui.allocate_exact_size(size, Sense::CLICK);
    named(&response, Role::Image, tr!("The difference in every head"));
    let cells = Rect::from_min_max(rect.min + vec2(AXIS, AXIS), rect.max - vec2(0.0, AXIS));
    let weak = palette(ui.visuals()).weak;
    title(ui, rect, tr!("Every head"));
    axis_names(ui, cells, [tr!("layer"), tr!("head")], AXIS_SIZE, APART);
    let what = Shown::Difference;
    let look = HeatmapLook {
        gap: 1.0,
        ..HeatmapLook::new(pair.limits(what), Scale::Symmetric)
    };
    let id = Id::unique("difference of every head");
    paint_heatmap(ui, id, cells, pair.image(what), &look);
    let corner = cells.min + vec2(*head as f32, *layer as f32) * side;
    let chosen = Rect::from_min_size(corner, Vec2::splat(side));
    let stroke = Stroke::new(1.5, palette(ui.visuals()).accent);
    ui.painter()
        .rect_stroke(chosen, 1.0, stroke, StrokeKind::Outside);
    ui.painter()
        .rect_stroke(cells, 0.0, Stroke::new(0.5, weak), StrokeKind::Outside);
    let under = response.hover_pos().filter(|at| cells.contains(*at));
    let Some(at) = under.map(|at| (at - cells.min) / side) else {
        return;
    };
    let row = (at.y as usize).min(n_layer.saturating_sub(1));
    let column = (at.x as usize).min(n_head.saturating_sub(1));
    if response.clicked() {
        (*layer, *head) = (row, column);
    }
    let norms = norms(pair, row, column);
    response.on_hover_text_at_pointer(tr!(
        "layer {row}, head {column}\n{norms}",
        row,
        column,
        norms
    ));
}

fn norms(pair: &StatePair, layer: usize, head: usize) -> String {
    let norm = |what| number(pair.norm(what, layer, head));
    tr!(
        "norm {} from {}, moved by {}",
        norm(Shown::Adapted),
        norm(Shown::Base),
        norm(Shown::Difference)
    )
}

/// One head, with the number under the pointer.
fn head_ui(ui: &mut Ui, pair: &StatePair, what: Shown, name: &str, [layer, head]: [usize; 2]) {
    let [n_layer, n_head, n_values, n_keys] = pair.sizes();
    let size = vec2(AXIS + LARGE, 2.0 * AXIS + LARGE);
    let (rect, response) = ui.allocate_exact_size(size, Sense::hover());
    let of = tr!("{name}, layer {layer}, head {head}", name, layer, head);
    named(&response, Role::Image, &of);
    let square = Rect::from_min_size(rect.min + vec2(AXIS, AXIS), Vec2::splat(LARGE));
    title(ui, rect, name);
    let names = [tr!("value channel"), tr!("key channel")];
    axis_names(ui, square, names, AXIS_SIZE, APART);
    // A head is a part of the image of all of them.
    let share = |idx: usize, of: usize| idx as f32 / of.max(1) as f32;
    let corner = |row: usize, column: usize| pos2(share(column, n_head), share(row, n_layer));
    let look = HeatmapLook {
        view: Rect::from_min_max(corner(layer, head), corner(layer + 1, head + 1)),
        ..HeatmapLook::new(pair.limits(what), Scale::Symmetric)
    };
    let id = Id::unique("a head of a state").with(name);
    paint_heatmap(ui, id, square, pair.image(what), &look);
    let under = response.hover_pos().filter(|at| square.contains(*at));
    let Some(at) = under.map(|at| (at - square.min) / LARGE) else {
        return;
    };
    let cell = |share: f32, n: usize| ((share * n as f32) as usize).min(n.saturating_sub(1));
    let (row, column) = (cell(at.y, n_values), cell(at.x, n_keys));
    let values = pair.head(what, layer, head);
    let value = values
        .get(row * n_keys + column)
        .copied()
        .unwrap_or_default();
    response.on_hover_text_at_pointer(tr!(
        "value channel {row}, key channel {column}: {}\n{}",
        number(value.into()),
        norms(pair, layer, head),
        row,
        column
    ));
}

fn title(ui: &Ui, rect: Rect, name: &str) {
    let colour = palette(ui.visuals()).text;
    let at = rect.left_top() + vec2(AXIS, 0.0);
    let font = FontId::proportional(11.0);
    ui.painter().text(at, Align2::LEFT_TOP, name, font, colour);
}
