//! Accuracy against what it costs: a point a run, a logarithmic axis, and the front
//! that no other run beats.

use eframe::egui::{
    Align2, ComboBox, FontId, Id, Pos2, Rect, Response, Role, Sense, Shape, Stroke, Ui, Vec2,
    WidgetInfo, pos2, vec2,
};

use crate::protocol::event::EvaluationPhase;
use crate::report::{Cell, Table};
use crate::runs::cost::{Cost, pareto_front, tuned_accuracy};
use crate::runs::run::Run;
use crate::ui::shared::selection::Selection;
use crate::ui::shell::charts;
use crate::ui::shell::pictures::{Chart, PictureOf};
use crate::ui::shell::theme::{GAP, palette, run_colour};
use crate::ui::widgets::accuracy::headline;
use crate::ui::widgets::accuracy_bars::number_of;
use crate::ui::widgets::controls::{group_title, weak_small, within};
use crate::ui::widgets::heatmap::axis_names;
use crate::ui::widgets::numbers::number;

const HEIGHT: f32 = 184.0;
const LEFT: f32 = 58.0;
const BOTTOM: f32 = 36.0;
/// How far the names of the axes lie from the plot.
const APART: Vec2 = vec2(56.0, 20.0);
/// How near a point the pointer must be.
const REACH: f32 = 12.0;

/// A run in the plot.
struct Point<'a> {
    run: &'a Run,
    cost: f64,
    accuracy: f64,
}

/// Draws the costs of the runs of a benchmark; nothing for fewer than two that have
/// an accuracy after tuning.
pub fn costs_ui(ui: &mut Ui, benchmark: &str, runs: &[&Run], selection: &Selection) {
    let tuned = runs.iter().filter(|run| tuned_accuracy(run).is_some());
    if tuned.count() < 2 {
        return;
    }
    let corner = ui.cursor().min;
    let id = Id::unique("cost axis");
    let mut cost = ui.data(|data| data.get_temp(id)).unwrap_or_default();
    ui.horizontal_wrapped(|ui| {
        group_title(ui, &tr!("{benchmark}, cost", benchmark));
        weak_small(ui, tr!("tuned accuracy against"));
        let combo = ComboBox::from_id_salt(("cost", benchmark))
            .width(170.0)
            .selected_text(Cost::name(cost));
        within(ui, 170.0, |ui| {
            let shown = combo.show_ui(ui, |ui| {
                for other in Cost::ALL {
                    ui.selectable_value(&mut cost, other, other.name());
                }
            });
            let hint = tr!("The line joins the runs that no other one beats: none is as cheap and better, or as good and cheaper.");
            shown.response.on_hover_text(hint);
        });
    });
    ui.data_mut(|data| data.insert_temp(id, cost));
    let points: Vec<Point<'_>> = runs
        .iter()
        .filter_map(|run| {
            Some(Point {
                run,
                cost: cost.of(run)?,
                accuracy: tuned_accuracy(run)?,
            })
        })
        .collect();
    let (plot, response) = plot_ui(ui, benchmark, cost, &points, selection);
    let of = PictureOf::Chart(Chart::Costs(number_of(benchmark)));
    let whole = Rect::from_min_max(corner, plot.max);
    charts::leaves(ui, of, whole, || costs_table(benchmark, cost, &points));
    charts::menu(&response, of);
    if points.len() < runs.len() {
        weak_small(ui, tr!("Runs without such a number are left out."));
    }
    ui.add_space(GAP);
}

/// The ends of an axis: the span of the values with a margin on either side.
fn ends(values: impl Iterator<Item = f64>, margin: f64) -> (f64, f64) {
    let span = values.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), x| {
        (low.min(x), high.max(x))
    });
    (span.0 - margin, span.1 + margin)
}

/// What is drawn, a row for each run.
fn costs_table(benchmark: &str, cost: Cost, points: &[Point<'_>]) -> Table {
    let title = tr!("{benchmark}, accuracy against cost", benchmark);
    let name = cost.name().to_lowercase();
    let columns = [
        tr!("run"),
        name.as_str(),
        tr!("tuned accuracy"),
        tr!("no run beats it"),
    ];
    let mut table = Table::new(title, columns);
    let flat: Vec<(f64, f64)> = points.iter().map(|of| (of.cost, of.accuracy)).collect();
    let front = pareto_front(&flat);
    for (idx, of) in points.iter().enumerate() {
        let accuracy = headline(of.run, EvaluationPhase::After);
        table.push([
            Cell::text(of.run.title()),
            Cell::number(of.cost, 3),
            accuracy.map_or(Cell::Empty, Cell::from),
            Cell::text(if front.contains(&idx) {
                tr!("yes")
            } else {
                tr!("no")
            }),
        ]);
    }
    table
}

/// Draws the plot; where it is.
fn plot_ui(
    ui: &mut Ui,
    benchmark: &str,
    cost: Cost,
    points: &[Point<'_>],
    selection: &Selection,
) -> (Rect, Response) {
    let size = vec2(ui.available_width().clamp(200.0, 620.0), HEIGHT);
    let (rect, response) = ui.allocate_exact_size(size, Sense::CLICK);
    let name = tr!("Accuracy on {benchmark} against {}", cost.name(), benchmark);
    response.widget_info(|| WidgetInfo::labeled(Role::Image, true, &name));
    let plot = Rect::from_min_max(rect.min + vec2(LEFT, 6.0), rect.max - vec2(12.0, BOTTOM));
    let colours = palette(ui.visuals());
    let painter = ui.painter();
    painter.rect_filled(plot, 4.0, colours.sunken);
    if points.is_empty() {
        let font = FontId::proportional(13.0);
        let text = tr!("No run has this number");
        painter.text(
            plot.center(),
            Align2::CENTER_CENTER,
            text,
            font,
            colours.weak,
        );
        return (rect, response);
    }
    let (left, right) = ends(points.iter().map(|of| of.cost.log10()), 0.15);
    let (low, high) = ends(points.iter().map(|of| of.accuracy), 0.03);
    let place = |cost: f64, accuracy: f64| -> Pos2 {
        let across = (cost.log10() - left) / (right - left);
        let up = (accuracy - low) / (high - low);
        pos2(
            plot.left() + plot.width() * across as f32,
            plot.bottom() - plot.height() * up as f32,
        )
    };
    axis_names(ui, plot, [tr!("tuned accuracy"), cost.name()], 10.5, APART);
    let font = FontId::proportional(10.5);
    for accuracy in [low + 0.03, high - 0.03] {
        let y = place(1.0, accuracy).y;
        painter.hline(plot.x_range(), y, (0.5, colours.border));
        let at = pos2(plot.left() - 6.0, y);
        let text = format!("{accuracy:.3}");
        painter.text(at, Align2::RIGHT_CENTER, text, font.clone(), colours.weak);
    }
    let mut costs: Vec<f64> = points.iter().map(|of| of.cost).collect();
    costs.sort_by(f64::total_cmp);
    let mut free_from = f32::NEG_INFINITY;
    for cost in costs {
        let x = place(cost, low).x;
        painter.vline(x, plot.y_range(), (0.5, colours.border));
        // Marks that would touch are left out.
        if x >= free_from {
            let at = pos2(x, plot.bottom() + 11.0);
            let text = number(cost);
            let drawn = painter.text(at, Align2::CENTER_CENTER, text, font.clone(), colours.weak);
            free_from = x + drawn.width() + 8.0;
        }
    }
    let flat: Vec<(f64, f64)> = points.iter().map(|of| (of.cost, of.accuracy)).collect();
    let front = pareto_front(&flat);
    let line = front.iter().map(|at| place(flat[*at].0, flat[*at].1));
    painter.add(Shape::line(line.collect(), Stroke::new(1.0, colours.weak)));
    let placed: Vec<(&Point<'_>, Pos2)> = points
        .iter()
        .map(|of| (of, place(of.cost, of.accuracy)))
        .collect();
    for (idx, (of, at)) in placed.iter().enumerate() {
        let colour = run_colour(selection.colour(&of.run.id), ui.visuals());
        painter.circle_filled(*at, 4.5, colour);
        if front.contains(&idx) {
            painter.circle_stroke(*at, 7.0, Stroke::new(1.5, colours.strong));
        }
    }
    let Some(pointer) = response.hover_pos() else {
        return (rect, response);
    };
    let near = placed.iter().map(|(of, at)| (*of, at.distance(pointer)));
    let near = near.filter(|(_, distance)| *distance < REACH);
    if let Some((of, _)) = near.min_by(|a, b| a.1.total_cmp(&b.1)) {
        let text = tr!(
            "{}\naccuracy {}\n{} {}",
            of.run.title(),
            format_args!("{:.3}", of.accuracy),
            cost.name(),
            number(of.cost)
        );
        let response = response.on_hover_text_at_pointer(text);
        return (rect, response);
    }
    (rect, response)
}
