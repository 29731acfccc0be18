//! What is seen of the steps, without any label.

use eframe::egui::{
    Align2, FontId, Pos2, Rect, Role, Sense, Shape, Stroke, Ui, WidgetInfo, pos2, vec2,
};

use super::reading::ShownAdaptation;
use super::tables::{of_words, steps_table};
use crate::adapt::adaptation::Point;
use crate::language;
use crate::ui::shell::charts;
use crate::ui::shell::pictures::{Chart, PictureOf};
use crate::ui::shell::theme::{palette, run_colour};
use crate::ui::widgets::controls::weak_small;
use crate::ui::widgets::numbers::number;

const WIDTH: f32 = 148.0;
const HEIGHT: f32 = 74.0;

type PointValue = fn(&Point) -> Option<f64>;

/// What is drawn, and what it means.
const CURVES: [(&str, PointValue, &str); 9] = [
    (
        mark!("Loss"),
        |of| of.loss,
        mark!("The mean loss of what is trained, nats"),
    ),
    (
        mark!("Reward"),
        |of| of.reward,
        mark!("The mean reward. It may rise while accuracy falls"),
    ),
    (
        mark!("Agreement"),
        |of| of.agreement,
        mark!("The share of the guide's tokens that are the likeliest"),
    ),
    (
        mark!("Entropy"),
        |of| of.entropy,
        mark!("Of the tokens or the options, nats"),
    ),
    (
        mark!("Majority"),
        |of| of.majority,
        mark!("The share of the group that has its most frequent answer"),
    ),
    (
        mark!("Different answers"),
        |of| of.n_different,
        mark!("Of a group; 1 is all alike"),
    ),
    (
        mark!("Length"),
        |of| of.length,
        mark!("Tokens of an answer"),
    ),
    (
        mark!("With an answer"),
        |of| of.valid,
        mark!("The share of answers that can be read"),
    ),
    (
        mark!("Drift"),
        |of| Some(of.drift),
        mark!("How far states are from the base, relative to it; from zero their root mean square"),
    ),
];

/// Draws those that there is something to draw of.
pub(super) fn curves_ui(ui: &mut Ui, shown: &ShownAdaptation) {
    let of = PictureOf::Chart(Chart::AdaptationSteps);
    let corner = ui.cursor().min;
    charts::origin_ui(ui, of, || of_words(shown));
    ui.horizontal_wrapped(|ui| {
        for (name, of, hint) in CURVES {
            let points: Vec<[f64; 2]> = shown
                .points
                .iter()
                .filter_map(|point| Some([point.step as f64, of(point)?]))
                .collect();
            if !points.is_empty() {
                curve_ui(ui, language::text(name), language::text(hint), &points);
            }
        }
    });
    if shown.points.is_empty() {
        weak_small(ui, tr!("No step yet."));
        return;
    }
    let whole = Rect::from_min_max(corner, ui.min_rect().max);
    charts::leaves(ui, of, whole, || {
        let curves = CURVES.map(|(name, of, _)| (name, of));
        steps_table(shown, &curves)
    });
}

fn curve_ui(ui: &mut Ui, name: &str, hint: &str, points: &[[f64; 2]]) {
    let (rect, response) = ui.allocate_exact_size(vec2(WIDTH, HEIGHT), Sense::CLICK);
    charts::menu(&response, PictureOf::Chart(Chart::AdaptationSteps));
    response.widget_info(|| WidgetInfo::labeled(Role::Image, true, name));
    let colours = palette(ui.visuals());
    let painter = ui.painter();
    let plot = Rect::from_min_max(rect.min + vec2(0.0, 15.0), rect.max);
    painter.rect_filled(plot, 3.0, colours.sunken);
    let font = FontId::proportional(10.5);
    painter.text(
        rect.left_top(),
        Align2::LEFT_TOP,
        name,
        font.clone(),
        colours.text,
    );
    let last = points.last().map_or(0.0, |of| of[1]);
    painter.text(
        rect.right_top(),
        Align2::RIGHT_TOP,
        number(last),
        font,
        colours.weak,
    );
    let finite = || points.iter().filter(|of| of[1].is_finite());
    let least = finite().map(|of| of[1]).fold(f64::INFINITY, f64::min);
    let most = finite().map(|of| of[1]).fold(f64::NEG_INFINITY, f64::max);
    let (first, end) = (
        points[0][0],
        points[points.len() - 1][0].max(points[0][0] + 1.0),
    );
    let room = (most - least).max(1e-9);
    let line: Vec<Pos2> = finite()
        .map(|of| {
            let x = (of[0] - first) / (end - first);
            let y = (of[1] - least) / room;
            pos2(
                plot.left() + 4.0 + (plot.width() - 8.0) * x as f32,
                plot.bottom() - 4.0 - (plot.height() - 8.0) * y as f32,
            )
        })
        .collect();
    let colour = run_colour(0, ui.visuals());
    match line[..] {
        [one] => {
            painter.circle_filled(one, 2.0, colour);
        }
        _ => {
            painter.add(Shape::line(line, Stroke::new(1.5, colour)));
        }
    }
    let range = tr!("{hint}\n{} to {}", number(least), number(most), hint);
    response.on_hover_text(range);
}
