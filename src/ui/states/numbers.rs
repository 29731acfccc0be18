//! The matrix in numbers: statistics, histogram, singular values.

use eframe::egui::{
    Align2, Color32, FontId, Grid, Mesh, Pos2, Rect, Response, RichText, Role, Sense, Shape,
    Stroke, Ui, pos2, vec2,
};

use super::context::{StatesContext, is_of_choice};
use super::tables::{histogram_table, matrix_title, singular_values_table};
use crate::tuning::inspect::head_matrices::MatrixKind;
use crate::tuning::inspect::matrix_statistics::{Histogram, MatrixStatistics};
use crate::ui::shell::charts;
use crate::ui::shell::pictures::{Chart, PictureOf};
use crate::ui::shell::theme::{GAP, palette};
use crate::ui::widgets::controls::{cut_label, group_title, named};
use crate::ui::widgets::numbers::number;

const HEIGHT: f32 = 96.0;
/// Room for numbers at the left of a plot.
const LEFT: f32 = 40.0;
/// Decades below the largest singular value that are drawn.
const DECADES: f64 = 6.0;

/// Draws the numbers of the matrix that is shown, in so many columns.
pub(super) fn numbers_ui(ui: &mut Ui, look: &StatesContext<'_>, n_columns: usize) {
    let newest = look.data.shown.newest();
    let Some((key, shown)) = newest.filter(|(key, _)| is_of_choice(key, look.settings)) else {
        return;
    };
    let origin = || matrix_title(look.settings, look.run, key);
    let statistics = &shown.statistics;
    ui.columns(n_columns, |columns| {
        let last = columns.len().saturating_sub(1);
        statistics_ui(&mut columns[0], statistics, look.settings.kind);
        let histogram = &statistics.histogram;
        let of = PictureOf::Chart(Chart::Histogram);
        let plot = histogram_ui(&mut columns[1.min(last)], histogram, &origin);
        let table = || histogram_table(histogram, &origin());
        charts::leaves(&columns[1.min(last)], of, plot, table);
        let values = &statistics.singular_values;
        let of = PictureOf::Chart(Chart::SingularValues);
        let plot = singular_values_ui(&mut columns[2.min(last)], values, &origin);
        let table = || singular_values_table(values, &origin());
        charts::leaves(&columns[2.min(last)], of, plot, table);
    });
}

fn statistics_ui(ui: &mut Ui, of: &MatrixStatistics, kind: MatrixKind) {
    titled(ui, tr!("Statistics"), "");
    Grid::new("statistics").spacing([18.0, 3.0]).show(ui, |ui| {
        let condition = of.condition();
        let condition = match condition.is_finite() {
            true => number(condition),
            false => tr!("singular").into(),
        };
        let rows = [
            (
                tr!("Norm"),
                number(of.norm),
                tr!("Root of the sum of squares"),
            ),
            (
                tr!("Largest"),
                number(of.max_abs.into()),
                tr!("Largest magnitude"),
            ),
            (tr!("Mean"), number(of.mean), tr!("Mean of all numbers")),
            (
                tr!("Standard deviation"),
                number(of.deviation),
                tr!("Root of the mean square distance from the mean"),
            ),
            (
                tr!("Effective rank"),
                number(of.effective_rank),
                tr!("Number of directions in use: |A|^4 / |A^T A|^2, from 1 to its smaller side"),
            ),
            (
                tr!("Condition number"),
                condition,
                match kind {
                    // All behind the rank are zero.
                    MatrixKind::Product => {
                        tr!("Largest over smallest of the singular values that the rank allows")
                    }
                    MatrixKind::S0
                    | MatrixKind::Z
                    | MatrixKind::Lifted
                    | MatrixKind::R
                    | MatrixKind::A
                    | MatrixKind::B => tr!("Largest over smallest singular value"),
                },
            ),
        ];
        for (name, value, hint) in rows {
            ui.label(RichText::new(name).small().weak())
                .on_hover_text(hint);
            ui.monospace(value);
            ui.end_row();
        }
        if of.n_not_finite > 0 {
            let bad = palette(ui.visuals()).bad;
            ui.label(RichText::new(tr!("Not finite")).small().color(bad));
            ui.monospace(of.n_not_finite.to_string());
            ui.end_row();
        }
    });
}

/// Draws it; where, with its title.
fn histogram_ui(ui: &mut Ui, histogram: &Histogram, origin: &dyn Fn() -> String) -> Rect {
    ui.add_space(if ui.min_rect().height() > 1.0 {
        GAP
    } else {
        0.0
    });
    let corner = ui.cursor().min;
    let of = PictureOf::Chart(Chart::Histogram);
    titled(ui, tr!("Histogram"), tr!("counts, square-root scale"));
    charts::origin_ui(ui, of, origin);
    let (plot, rect, response) = plot_area(ui, tr!("Histogram of the numbers"));
    charts::menu(&response, of);
    let most = histogram.counts.iter().copied().max().unwrap_or(0).max(1);
    let width = plot.width() / histogram.counts.len().max(1) as f32;
    let colour = palette(ui.visuals()).accent;
    let mut bars = Mesh::default();
    for (idx, count) in histogram.counts.iter().enumerate() {
        // The root, so that a few numbers beside many zeros can be seen.
        let share = (*count as f32 / most as f32).sqrt();
        let left = plot.left() + idx as f32 * width;
        let bar = Rect::from_min_max(
            pos2(left + 0.5, plot.bottom() - share * plot.height()),
            pos2(left + width - 0.5, plot.bottom()),
        );
        bars.add_colored_rect(bar, colour);
    }
    ui.painter().add(Shape::mesh(bars));
    frame(ui, plot);
    let limit = f64::from(histogram.limit);
    let below = rect.bottom();
    label(
        ui,
        pos2(plot.left(), below),
        Align2::LEFT_BOTTOM,
        &number(-limit),
    );
    label(ui, pos2(plot.center().x, below), Align2::CENTER_BOTTOM, "0");
    label(
        ui,
        pos2(plot.right(), below),
        Align2::RIGHT_BOTTOM,
        &number(limit),
    );
    let left = plot.left() - 4.0;
    label(
        ui,
        pos2(left, plot.top()),
        Align2::RIGHT_TOP,
        &most.to_string(),
    );
    label(ui, pos2(left, plot.bottom()), Align2::RIGHT_BOTTOM, "0");
    Rect::from_min_max(corner, rect.max)
}

/// A title, and beside it what its axis is.
fn titled(ui: &mut Ui, title: &str, what: &str) {
    ui.horizontal(|ui| {
        group_title(ui, title);
        cut_label(ui, RichText::new(what).small().weak());
    });
}

/// Draws them; where, with their title.
fn singular_values_ui(ui: &mut Ui, values: &[f64], origin: &dyn Fn() -> String) -> Rect {
    ui.add_space(if ui.min_rect().height() > 1.0 {
        GAP
    } else {
        0.0
    });
    let corner = ui.cursor().min;
    let of = PictureOf::Chart(Chart::SingularValues);
    titled(ui, tr!("Singular values"), tr!("log scale"));
    charts::origin_ui(ui, of, origin);
    let name = tr!("Singular values, largest first, on a logarithmic axis");
    let (plot, rect, response) = plot_area(ui, name);
    charts::menu(&response, of);
    frame(ui, plot);
    let whole = Rect::from_min_max(corner, rect.max);
    let largest = values.first().copied().unwrap_or(0.0);
    if largest <= 0.0 {
        label(
            ui,
            plot.center(),
            Align2::CENTER_CENTER,
            tr!("none above 0"),
        );
        return whole;
    }
    let last = values.len().saturating_sub(1).max(1) as f32;
    let point = |(idx, value): (usize, &f64)| {
        let decades = (value / largest).log10().max(-DECADES) / -DECADES;
        pos2(
            plot.left() + idx as f32 / last * plot.width(),
            plot.top() + decades as f32 * plot.height(),
        )
    };
    let points: Vec<Pos2> = values.iter().enumerate().map(point).collect();
    let stroke = Stroke::new(1.5, palette(ui.visuals()).accent);
    ui.painter().add(Shape::line(points, stroke));
    let left = plot.left() - 4.0;
    label(
        ui,
        pos2(left, plot.top()),
        Align2::RIGHT_TOP,
        &number(largest),
    );
    let least = largest * 10.0_f64.powf(-DECADES);
    label(
        ui,
        pos2(left, plot.bottom()),
        Align2::RIGHT_BOTTOM,
        &number(least),
    );
    label(
        ui,
        pos2(plot.left(), rect.bottom()),
        Align2::LEFT_BOTTOM,
        "1",
    );
    let n = values.len().to_string();
    label(
        ui,
        pos2(plot.right(), rect.bottom()),
        Align2::RIGHT_BOTTOM,
        &n,
    );
    whole
}

/// Room for a plot, and within it that of the curve.
fn plot_area(ui: &mut Ui, name: &str) -> (Rect, Rect, Response) {
    let width = ui.available_width().min(380.0);
    // The pointer has a menu there; the Tab key does not stop at it.
    let (rect, response) = ui.allocate_exact_size(vec2(width, HEIGHT + 16.0), Sense::CLICK);
    named(&response, Role::Image, name);
    let plot = Rect::from_min_max(rect.min + vec2(LEFT, 2.0), rect.max - vec2(2.0, 16.0));
    (plot, rect, response)
}

fn frame(ui: &Ui, plot: Rect) {
    let stroke = Stroke::new(1.0, palette(ui.visuals()).border);
    ui.painter()
        .line_segment([plot.left_top(), plot.left_bottom()], stroke);
    ui.painter()
        .line_segment([plot.left_bottom(), plot.right_bottom()], stroke);
}

fn label(ui: &Ui, at: Pos2, align: Align2, text: &str) {
    let colour: Color32 = palette(ui.visuals()).weak;
    let font = FontId::proportional(10.5);
    ui.painter().text(at, align, text, font, colour);
}
