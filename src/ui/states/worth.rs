//! What each head is worth, over the grid of all heads: by how much the loss on held-out
//! examples rises when the state of the head is set to zero.

use eframe::egui::{Align2, FontId, Pos2, ProgressBar, Rect, Ui, Vec2, pos2, vec2};

use super::context::StatesContext;
use crate::format::duration;
use crate::protocol::head_requests::Ablation;
use crate::tuning::inspect::trajectory::Place;
use crate::ui::shared::action::Action;
use crate::ui::shell::theme::{blend, palette};
use crate::ui::widgets::controls::weak_small;
use crate::ui::widgets::numbers::number;

/// Height of the strip at the lower edge of a head.
const STRIP: f32 = 5.0;
/// From which side on the number stands above the strip.
const NUMBER_FROM: f32 = 46.0;

/// What is known of the state that is shown, if it is to be drawn.
fn shown<'a>(look: &StatesContext<'a>) -> Option<&'a Ablation> {
    let is_shown = look.settings.shows_worth && !look.settings.kind.is_of_adapter();
    let known = look.heads.ablation.filter(|_| is_shown)?;
    Some(&known.ablation)
}

/// Draws a strip over every head that is known, as long as its share of the largest
/// change.
pub(super) fn overlay(ui: &Ui, look: &StatesContext<'_>, origin: Pos2, side: f32, gap: f32) {
    let Some(ablation) = shown(look) else { return };
    let Some(largest) = ablation.largest().filter(|largest| *largest > 0.0) else {
        return;
    };
    let colours = palette(ui.visuals());
    let painter = ui.painter();
    for layer in 0..ablation.n_layer {
        for head in 0..ablation.n_head {
            let Some(rise) = ablation.rise(Place { layer, head }) else {
                continue;
            };
            let corner = origin + vec2(head as f32, layer as f32) * side;
            let cell = Rect::from_min_size(corner, Vec2::splat(side - gap));
            let height = STRIP.min(0.3 * cell.height());
            let strip = Rect::from_min_max(pos2(cell.left(), cell.bottom() - height), cell.max);
            painter.rect_filled(strip, 0.0, blend(colours.sunken, colours.text, 0.85));
            let share = (rise.abs() / largest) as f32;
            let colour = match rise >= 0.0 {
                true => colours.accent,
                false => colours.warning,
            };
            let filled = strip.with_max_x(strip.left() + share.clamp(0.0, 1.0) * strip.width());
            painter.rect_filled(filled, 0.0, colour);
            if side >= NUMBER_FROM {
                let at = pos2(cell.center().x, strip.top() - 2.0);
                let font = FontId::proportional(10.5);
                let text = signed(rise);
                let galley = painter.layout_no_wrap(text.clone(), font.clone(), colours.text);
                let size = galley.size() + vec2(6.0, 1.0);
                let plate = Rect::from_center_size(at - vec2(0.0, 0.5 * size.y - 1.0), size);
                painter.rect_filled(plate, 2.0, colours.sunken.gamma_multiply(0.85));
                painter.text(
                    plate.center(),
                    Align2::CENTER_CENTER,
                    text,
                    font,
                    colours.text,
                );
            }
        }
    }
}

/// A change with its sign.
fn signed(change: f64) -> String {
    match change >= 0.0 {
        true => format!("+{}", number(change)),
        false => format!("-{}", number(-change)),
    }
}

/// The button that begins the measurement, how far it is, and what it is of.
pub(super) fn worth_ui(ui: &mut Ui, look: &mut StatesContext<'_>) {
    // It is of the state.
    if look.settings.kind.is_of_adapter() {
        return;
    }
    ui.add_space(4.0);
    let known = look.heads.ablation;
    if let Some(of) = known.filter(|of| of.ablation.is_on) {
        let (done, total) = of.ablation.progress();
        ui.horizontal(|ui| {
            let share = done as f32 / total.max(1) as f32;
            ui.add(
                ProgressBar::new(share)
                    .desired_width(80.0)
                    .desired_height(6.0),
            );
            let left = of.secs_left();
            let left = left.map_or(String::new(), |left| tr!(", {} left", duration(left)));
            weak_small(ui, tr!("{done} of {total}{left}", done, total, left));
            if ui
                .small_button(tr!("Stop"))
                .on_hover_text(tr!("What is known stays"))
                .clicked()
            {
                look.asked = Some(Action::StopAblation);
            }
        });
    } else if look.heads.waits {
        ui.horizontal(|ui| {
            weak_small(ui, tr!("Waiting for the model"));
            if ui.small_button(tr!("Cancel")).clicked() {
                look.asked = Some(Action::StopAblation);
            }
        });
    } else {
        ui.horizontal_wrapped(|ui| {
            let button = eframe::egui::Button::new(tr!("Measure heads"));
            let button = ui.add_enabled(look.heads.is_stored, button);
            let hint = tr!("Which heads matter: the loss on held-out examples with the state of one head set to zero, for every head");
            let button = button.on_hover_text(hint);
            if button.on_disabled_hover_text(tr!("Once the run has ended")).clicked() {
                look.asked = Some(Action::AblateHeads);
            }
            if known.is_some() {
                ui.checkbox(&mut look.settings.shows_worth, tr!("Show"));
            }
        });
    }
    if let Some(ablation) = shown(look) {
        let Ablation {
            n_examples,
            n_tokens,
            ..
        } = ablation;
        let whole = ablation.whole.map_or(String::new(), |loss| {
            tr!("; {loss} with all", loss = format_args!("{loss:.4}"))
        });
        weak_small(
            ui,
            tr!(
                "Rise of the held-out loss without a head{whole} ({n_examples} examples, n = {n_tokens} tokens)",
                whole,
                n_examples,
                n_tokens
            ),
        );
    }
}

/// What a head is worth, in a line of its own; nothing where it is not known.
pub(super) fn words(look: &StatesContext<'_>, layer: usize, head: usize) -> String {
    let known = look.heads.ablation.map(|of| &of.ablation);
    let known = known.filter(|_| !look.settings.kind.is_of_adapter());
    let rise = known.and_then(|ablation| ablation.rise(Place { layer, head }));
    rise.map_or(String::new(), |rise| {
        tr!("\nwithout it the held-out loss changes by {}", signed(rise))
    })
}
