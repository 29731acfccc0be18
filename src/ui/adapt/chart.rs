//! Accuracy against the tokens that it cost, on a logarithmic axis.

use eframe::egui::{
    Align2, Color32, FontId, Pos2, Rect, Role, Sense, Shape, Stroke, Ui, Vec2, Visuals, WidgetInfo,
    pos2, vec2,
};

use super::reading::ShownAdaptation;
use super::tables::{figures_table, kind_words, of_words};
use crate::adapt::outcome::{Kind, Outcome};
use crate::ui::shell::charts;
use crate::ui::shell::pictures::{Chart, PictureOf};
use crate::ui::shell::theme::{palette, run_colour};
use crate::ui::widgets::controls::weak_small;
use crate::ui::widgets::heatmap::axis_names;

const LEFT: f32 = 54.0;
const BOTTOM: f32 = 34.0;
/// Where the axis of shares has a line, and what stands at it.
const QUARTERS: [(f64, &str); 5] = [
    (0.0, "0"),
    (0.25, "0.25"),
    (0.5, "0.50"),
    (0.75, "0.75"),
    (1.0, "1"),
];
/// How far the names of the axes lie from the plot.
const APART: Vec2 = vec2(52.0, 19.0);
/// How near a point the pointer must be.
const REACH: f32 = 10.0;

/// Draws it.
pub(super) fn chart_ui(ui: &mut Ui, shown: &ShownAdaptation, height: f32) {
    let of = PictureOf::Chart(Chart::Adaptation);
    let corner = ui.cursor().min;
    weak_small(ui, of_words(shown));
    let size = vec2(ui.available_width(), height);
    let (rect, response) = ui.allocate_exact_size(size, Sense::CLICK);
    let whole = Rect::from_min_max(corner, rect.max);
    charts::leaves(ui, of, whole, || figures_table(shown));
    charts::menu(&response, of);
    response.widget_info(|| {
        WidgetInfo::labeled(
            Role::Image,
            true,
            tr!("Accuracy against tokens per question"),
        )
    });
    let plot = Rect::from_min_max(rect.min + vec2(LEFT, 6.0), rect.max - vec2(10.0, BOTTOM));
    let colours = palette(ui.visuals());
    let painter = ui.painter();
    painter.rect_filled(plot, 4.0, colours.sunken);
    let tokens: Vec<f64> = shown
        .outcomes
        .iter()
        .map(Outcome::tokens)
        .chain(shown.scores.iter().map(|of| of[0]))
        .filter(|tokens| *tokens >= 1.0)
        .collect();
    if tokens.is_empty() {
        let font = FontId::proportional(13.0);
        painter.text(
            plot.center(),
            Align2::CENTER_CENTER,
            tr!("Nothing scored yet"),
            font,
            colours.weak,
        );
        return;
    }
    let least = tokens
        .iter()
        .copied()
        .fold(f64::INFINITY, f64::min)
        .log10()
        .floor();
    let most = tokens
        .iter()
        .copied()
        .fold(1.0, f64::max)
        .log10()
        .ceil()
        .max(least + 1.0);
    let place = |tokens: f64, share: f64| -> Pos2 {
        let x = (tokens.max(1.0).log10() - least) / (most - least);
        pos2(
            plot.left() + plot.width() * x as f32,
            plot.bottom() - plot.height() * share as f32,
        )
    };
    let font = FontId::proportional(10.5);
    for (share, text) in QUARTERS {
        let y = place(1.0, share).y;
        painter.hline(plot.x_range(), y, (0.5, colours.border));
        let at = pos2(plot.left() - 6.0, y);
        painter.text(at, Align2::RIGHT_CENTER, text, font.clone(), colours.weak);
    }
    for power in least as i32..=most as i32 {
        let x = place(10_f64.powi(power), 0.0).x;
        painter.vline(x, plot.y_range(), (0.5, colours.border));
        let at = pos2(x, plot.bottom() + 10.0);
        let text = power_of_ten(power);
        painter.text(at, Align2::CENTER_CENTER, text, font.clone(), colours.weak);
    }
    let names = [
        tr!("accuracy"),
        tr!("forward-equivalent tokens per question"),
    ];
    axis_names(ui, plot, names, 10.5, APART);
    let own = run_colour(0, ui.visuals());
    let line: Vec<Pos2> = shown.scores.iter().map(|of| place(of[0], of[1])).collect();
    painter.add(Shape::line(line, Stroke::new(1.5, own)));
    let mut nearest: Option<(f32, &Outcome)> = None;
    let pointer = response.hover_pos();
    for outcome in &shown.outcomes {
        let share = outcome.accuracy().value();
        let at = place(outcome.tokens(), share);
        let colour = colour_of(outcome.kind, ui.visuals());
        let (low, high) = outcome.accuracy().interval95();
        let whisker = [place(outcome.tokens(), low), place(outcome.tokens(), high)];
        painter.line_segment(whisker, (1.0, colour.gamma_multiply(0.5)));
        match outcome.kind {
            Kind::Adapted => {
                painter.rect_filled(Rect::from_center_size(at, vec2(9.0, 9.0)), 1.0, colour);
            }
            Kind::Ceiling | Kind::Guide => {
                painter.circle_stroke(at, 4.0, Stroke::new(1.5, colour));
            }
            Kind::Base | Kind::Baseline => {
                painter.circle_filled(at, 4.0, colour);
            }
        }
        if let Some(pointer) = pointer {
            let distance = at.distance(pointer);
            if distance < REACH && nearest.is_none_or(|(least, _)| distance < least) {
                nearest = Some((distance, outcome));
            }
        }
    }
    if let Some((_, outcome)) = nearest {
        let text = tr!(
            "{}\n{}\n{} tokens per question",
            outcome.name,
            outcome.accuracy(),
            format_args!("{:.0}", outcome.tokens())
        );
        response.on_hover_text_at_pointer(text);
    }
}

fn colour_of(kind: Kind, visuals: &Visuals) -> Color32 {
    match kind {
        Kind::Adapted => run_colour(0, visuals),
        Kind::Base => palette(visuals).strong,
        Kind::Baseline => run_colour(1, visuals),
        Kind::Guide => run_colour(4, visuals),
        Kind::Ceiling => palette(visuals).weak,
    }
}

/// What the marks mean that are there.
pub(super) fn legend_ui(ui: &mut Ui, shown: &ShownAdaptation) {
    let kinds = [
        Kind::Adapted,
        Kind::Base,
        Kind::Baseline,
        Kind::Guide,
        Kind::Ceiling,
    ];
    let is_there = |kind: &Kind| shown.outcomes.iter().any(|of| of.kind == *kind);
    ui.horizontal_wrapped(|ui| {
        for kind in kinds.into_iter().filter(is_there) {
            let colour = colour_of(kind, ui.visuals());
            let (dot, _) = ui.allocate_exact_size(vec2(8.0, 8.0), Sense::hover());
            ui.painter().circle_filled(dot.center(), 4.0, colour);
            weak_small(ui, kind_words(kind));
        }
    });
}

fn power_of_ten(power: i32) -> String {
    match power {
        0..=2 => 10_i32.pow(power as u32).to_string(),
        3..=5 => format!("{}k", 10_i32.pow(power as u32 - 3)),
        _ => format!("1e{power}"),
    }
}
