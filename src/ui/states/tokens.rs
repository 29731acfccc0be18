//! The state over the tokens of a text: the text, its tokens, and the scrubber.

use eframe::egui::{
    Align2, Color32, FontId, Pos2, Rect, RichText, Role, Sense, Shape, Slider, Stroke, TextEdit,
    Ui, pos2, vec2,
};

use super::context::StatesContext;
use super::settings::StatesSettings;
use super::tables::norms_table;
use crate::protocol::trace::Traced;
use crate::ui::shell::charts;
use crate::ui::shell::pictures::{Chart, PictureOf};
use crate::ui::shell::theme::{blend, palette};
use crate::ui::widgets::controls::{named, weak_small};
use crate::ui::widgets::numbers::number;

/// Height of the curve of norms.
const CURVE: f32 = 44.0;
/// Tokens whose words are drawn; longer texts are scrubbed.
const MAX_WORDS: usize = 400;

/// Draws the text and where it is looked at.
pub(super) fn words_ui(ui: &mut Ui, look: &mut StatesContext<'_>) {
    ui.horizontal(|ui| {
        let label = ui.label(tr!("Text")).id;
        let hint = tr!("Type a text to see the state change over its tokens");
        let edit = TextEdit::singleline(&mut look.settings.text)
            .hint_text(hint)
            .desired_width((ui.available_width() - 210.0).max(120.0));
        ui.add(edit).labelled_by(label);
        ui.checkbox(
            &mut look.settings.from_untuned,
            tr!("From the untuned model"),
        )
        .on_hover_text(tr!("Start from S = 0 instead of the selected state"));
    });
    if look.settings.text.is_empty() {
        return;
    }
    let follows = look.data.follows_text();
    let Some(text) = look.data.text() else {
        weak_small(ui, tr!("following the text"));
        return;
    };
    match &text.traced {
        Err(problem) => {
            ui.colored_label(palette(ui.visuals()).bad, problem);
        }
        Ok(traced) => {
            let place = text.request.place;
            let is_old = follows || place != look.settings.place();
            scrubber_ui(ui, look.settings, traced, is_old);
            tokens_ui(ui, look.settings, traced);
            let run = &look.run.id.0;
            norms_ui(ui, look.settings, traced, &text.norms, run);
        }
    }
}

/// Tokens that are done where the scrubber stands.
fn n_tokens(settings: &StatesSettings, traced: &Traced) -> usize {
    let all = traced.words.len();
    settings.token.map_or(all, |token| token.min(all))
}

fn scrubber_ui(ui: &mut Ui, settings: &mut StatesSettings, traced: &Traced, is_old: bool) {
    let all = traced.words.len();
    let mut at = n_tokens(settings, traced);
    ui.horizontal(|ui| {
        settings.tokens.ui(ui, tr!("the tokens"), &mut at, all);
        let label = ui.label(tr!("Token")).id;
        ui.spacing_mut().slider_width = (ui.available_width() - 170.0).clamp(80.0, 520.0);
        let slider = Slider::new(&mut at, 0..=all).show_value(false);
        if ui.add(slider).labelled_by(label).changed() {
            settings.tokens.stop();
        }
        let state = if is_old {
            tr!(", following the text")
        } else {
            ""
        };
        weak_small(ui, tr!("{at} of {all}{state}", at, all, state));
    });
    settings.token = Some(at);
}

/// The words, of which those that are done stand out; a click goes there.
fn tokens_ui(ui: &mut Ui, settings: &mut StatesSettings, traced: &Traced) {
    let colours = palette(ui.visuals());
    let at = n_tokens(settings, traced);
    ui.horizontal_wrapped(|ui| {
        ui.spacing_mut().item_spacing = vec2(1.0, 2.0);
        for (idx, word) in traced.words.iter().enumerate().take(MAX_WORDS) {
            // Token 0 stands before every text and has no word.
            let text = match word.text.as_str() {
                "" => format!("{} ", tr!("token 0")),
                word => word.replace('\n', "\\n").replace('\t', "\\t"),
            };
            let is_last = idx + 1 == at;
            let colour = match idx < at {
                true => colours.text,
                false => colours.weak,
            };
            let ground = match is_last {
                true => blend(colours.accent, colours.surface, 0.35),
                false => Color32::TRANSPARENT,
            };
            let text = RichText::new(text).monospace().color(colour);
            let label = eframe::egui::Label::new(text.background_color(ground));
            let mut label = ui.add(label.sense(Sense::click()));
            if let Some(bytes) = &word.bytes {
                label = label.on_hover_text(tr!("A part of a character, bytes {bytes}", bytes));
            }
            if label.clicked() {
                settings.token = Some(idx + 1);
                settings.tokens.stop();
            }
        }
        if traced.words.len() > MAX_WORDS {
            weak_small(ui, tr!("… {} tokens in all", traced.words.len()));
        }
    });
}

/// The norm of S over the tokens, and how much each changed it.
fn norms_ui(ui: &mut Ui, settings: &mut StatesSettings, traced: &Traced, norms: &[f64], run: &str) {
    let of = PictureOf::Chart(Chart::TokenNorms);
    let corner = ui.cursor().min;
    let (layer, head) = (settings.layer, settings.head);
    let origin = || tr!("{run}, layer {layer}, head {head}", run, layer, head);
    charts::origin_ui(ui, of, || tr!("Norm of S over the tokens, {}", origin()));
    let width = ui.available_width().min(760.0);
    let (rect, response) = ui.allocate_exact_size(vec2(width, CURVE), Sense::click_and_drag());
    named(
        &response,
        Role::Image,
        tr!("Norm of the state over the tokens"),
    );
    let whole = Rect::from_min_max(corner, rect.max);
    charts::leaves(ui, of, whole, || norms_table(traced, norms, &origin()));
    charts::menu(&response, of);
    let most = norms
        .iter()
        .copied()
        .filter(|x| x.is_finite())
        .fold(0.0, f64::max);
    let last = norms.len().saturating_sub(1).max(1) as f32;
    let plot = Rect::from_min_max(rect.min + vec2(46.0, 4.0), rect.max - vec2(2.0, 4.0));
    let point = |(idx, norm): (usize, &f64)| {
        let share = if most > 0.0 { norm / most } else { 0.0 };
        pos2(
            plot.left() + idx as f32 / last * plot.width(),
            plot.bottom() - share as f32 * plot.height(),
        )
    };
    let points: Vec<Pos2> = norms.iter().enumerate().map(point).collect();
    let colours = palette(ui.visuals());
    let painter = ui.painter();
    let at = n_tokens(settings, traced);
    let x = plot.left() + at as f32 / last * plot.width();
    let mark = Stroke::new(1.0, colours.weak);
    painter.line_segment([pos2(x, plot.top()), pos2(x, plot.bottom())], mark);
    painter.add(Shape::line(points, Stroke::new(1.4, colours.accent)));
    let font = FontId::proportional(10.5);
    let left = plot.left() - 4.0;
    for (y, align, text) in [
        (plot.top(), Align2::RIGHT_TOP, number(most)),
        (plot.bottom(), Align2::RIGHT_BOTTOM, "|S|  0".to_owned()),
    ] {
        painter.text(pos2(left, y), align, text, font.clone(), colours.weak);
    }
    if let Some(pointer) = response.interact_pointer_pos() {
        let share = ((pointer.x - plot.left()) / plot.width()).clamp(0.0, 1.0);
        settings.token = Some((share * last).round() as usize);
        settings.tokens.stop();
    }
}
