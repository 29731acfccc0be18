//! The runs of a sweep as a table that is sorted by any column.

use std::cmp::Ordering;

use eframe::egui::{
    Align2, Color32, FontId, Pos2, Rect, ScrollArea, Sense, Shape, Stroke, Ui, pos2, vec2,
};

use super::parts::{run_of, select};
use super::settings::{Column, ResultsSettings};
use crate::language;
use crate::protocol::fields::{field_name, short_field_name};
use crate::sweep::results::{Metric, Row, SweepResults};
use crate::sweep::task::TaskState;
use crate::ui::shared::selection::Selection;
use crate::ui::shell::theme::{blend, palette};
use crate::ui::widgets::controls::cut_middle;
use crate::ui::widgets::numbers::number;

const ROW_HEIGHT: f32 = 24.0;

/// Draws it.
pub(super) fn table_ui(
    ui: &mut Ui,
    results: &SweepResults,
    look: &mut ResultsSettings,
    selection: &mut Selection,
) {
    let columns = columns(results, &look.columns);
    let natural: f32 = columns.iter().map(|(_, _, width)| width).sum();
    let stretch = (ui.available_width() / natural).max(1.0);
    let widths: Vec<f32> = columns
        .iter()
        .map(|(_, _, width)| width * stretch)
        .collect();
    let rows = sorted(results, look.sort);
    ui.spacing_mut().item_spacing.y = 1.0;
    ScrollArea::horizontal()
        .auto_shrink([false, false])
        .show(ui, |ui| {
            ui.set_min_width(natural * stretch);
            heading_ui(ui, results, &columns, &widths, look);
            ScrollArea::vertical()
                .auto_shrink([false, false])
                .show_rows(ui, ROW_HEIGHT, rows.len(), |ui, range| {
                    for row in rows.get(range).unwrap_or_default() {
                        row_ui(ui, results, row, &columns, &widths, selection);
                    }
                });
        });
}

/// Columns with their names and widths.
fn columns(results: &SweepResults, metrics: &[Metric]) -> Vec<(Column, String, f32)> {
    let mut columns = vec![(Column::Name, tr!("run").to_owned(), 140.0)];
    let fields = results.fields.iter().enumerate();
    columns.extend(fields.map(|(idx, field)| {
        let name = short_field_name(field).into_owned();
        // A name is not cut; the triangle of the order stands behind it.
        let width = 26.0 + 6.6 * name.chars().count() as f32;
        (Column::Field(idx), name, width.max(62.0))
    }));
    columns.push((Column::Status, tr!("status").into(), 76.0));
    for &metric in metrics {
        let width = match metric {
            Metric::Accuracy | Metric::TestAccuracy => 190.0,
            Metric::DecorrelationLoss | Metric::OffDiagonal => 112.0,
            Metric::ValidationLoss
            | Metric::Loss
            | Metric::StateNorm
            | Metric::GradNorm
            | Metric::TokensPerSec
            | Metric::Secs => 96.0,
        };
        columns.push((
            Column::Metric(metric),
            language::text(metric.words()).into(),
            width,
        ));
    }
    columns
}

fn heading_ui(
    ui: &mut Ui,
    results: &SweepResults,
    columns: &[(Column, String, f32)],
    widths: &[f32],
    look: &mut ResultsSettings,
) {
    let colours = palette(ui.visuals());
    let (rect, _) = ui.allocate_exact_size(vec2(widths.iter().sum(), ROW_HEIGHT), Sense::hover());
    let mut left = rect.left();
    for ((column, name, _), width) in columns.iter().zip(widths) {
        let cell = Rect::from_min_size(pos2(left, rect.top()), vec2(*width, ROW_HEIGHT));
        left += width;
        let response = ui.interact(cell, ui.scope_id().with(("column", name)), Sense::click());
        response.widget_info(|| {
            eframe::egui::WidgetInfo::labeled(
                eframe::egui::Role::Button,
                true,
                tr!("Sort by {name}", name),
            )
        });
        let response = match column {
            Column::Field(idx) => {
                let path = &results.fields[*idx];
                response.on_hover_text(format!("{}\n{path}", field_name(path)))
            }
            Column::Name | Column::Status | Column::Metric(_) => response,
        };
        let (sorted, is_falling) = look.sort;
        if response.clicked() {
            look.sort = (*column, sorted == *column && !is_falling);
        }
        let colour = if response.hovered() {
            colours.strong
        } else {
            colours.weak
        };
        let at = pos2(cell.left() + 6.0, cell.center().y);
        let font = FontId::proportional(11.5);
        let text = cut_middle(ui, name, &font, width - 22.0);
        let drawn = ui
            .painter()
            .text(at, Align2::LEFT_CENTER, text, font, colour);
        if sorted == *column {
            triangle(
                ui,
                drawn.right_center() + vec2(8.0, 0.0),
                is_falling,
                colour,
            );
        }
    }
    let line = rect.bottom();
    ui.painter()
        .hline(rect.x_range(), line, (1.0, colours.border));
}

/// Points up where values rise, down where they fall.
fn triangle(ui: &Ui, at: Pos2, is_falling: bool, colour: Color32) {
    let height = if is_falling { 3.0 } else { -3.0 };
    let points = vec![
        at + vec2(-4.0, -height),
        at + vec2(4.0, -height),
        at + vec2(0.0, height),
    ];
    ui.painter()
        .add(Shape::convex_polygon(points, colour, Stroke::NONE));
}

fn row_ui(
    ui: &mut Ui,
    results: &SweepResults,
    row: &Row,
    columns: &[(Column, String, f32)],
    widths: &[f32],
    selection: &mut Selection,
) {
    let colours = palette(ui.visuals());
    let run = run_of(row);
    let (rect, response) =
        ui.allocate_exact_size(vec2(widths.iter().sum(), ROW_HEIGHT), Sense::click());
    let is_best = results.best.iter().any(|best| best.idx == row.idx);
    response.widget_info(|| {
        eframe::egui::WidgetInfo::labeled(eframe::egui::Role::Button, true, tr!("Run {}", row.name))
    });
    if selection.is_selected(&run) {
        ui.painter()
            .rect_filled(rect, 3.0, ui.visuals().selection.bg_fill);
    } else if response.hovered() {
        let fill = blend(colours.text, colours.surface, 0.06);
        ui.painter().rect_filled(rect, 3.0, fill);
    }
    if response.clicked() {
        select(ui, selection, &run);
    }
    let mut left = rect.left();
    for ((column, _, _), width) in columns.iter().zip(widths) {
        let mut text = cell(row, *column);
        if *column == Column::Name && is_best {
            text += tr!(", best");
        }
        let font = FontId::proportional(12.5);
        let text = cut_middle(ui, &text, &font, width - 10.0);
        let colour = if is_best {
            colours.strong
        } else {
            colours.text
        };
        let at = pos2(left + 6.0, rect.center().y);
        ui.painter()
            .text(at, Align2::LEFT_CENTER, text, font, colour);
        left += width;
    }
    match &row.facts.state {
        _ if is_best => {
            response.on_hover_text(tr!("The best of its part on validation data"));
        }
        TaskState::Failed(reason) => {
            response.on_hover_text(tr!("Failed, {reason}", reason));
        }
        TaskState::Diverged { step, detail } => {
            response.on_hover_text(tr!("Diverged at step {step}, {detail}", step, detail));
        }
        TaskState::Waiting
        | TaskState::Going
        | TaskState::Held { .. }
        | TaskState::Done
        | TaskState::Skipped
        | TaskState::Dropped { .. } => {}
    }
}

fn cell(row: &Row, column: Column) -> String {
    match column {
        Column::Name => row.name.clone(),
        Column::Field(idx) => {
            let value = row.values[idx].as_ref();
            value.map_or_else(|| "–".into(), |value| value.0.clone())
        }
        Column::Status => match &row.facts.state {
            TaskState::Failed(reason) => tr!("failed, {reason}", reason),
            state => language::text(state.word()).into(),
        },
        Column::Metric(metric @ (Metric::Accuracy | Metric::TestAccuracy)) => metric
            .accuracy(&row.facts)
            .map_or_else(String::new, |accuracy| accuracy.to_string()),
        Column::Metric(Metric::ValidationLoss) => row
            .facts
            .validation_loss()
            .map_or_else(String::new, |loss| format!("{loss:.4}")),
        Column::Metric(metric) => metric.of(&row.facts).map_or_else(String::new, number),
    }
}

/// The rows by a column; those without a value come last.
fn sorted(results: &SweepResults, (column, is_falling): (Column, bool)) -> Vec<&Row> {
    let mut rows: Vec<&Row> = results.rows.iter().collect();
    rows.sort_by(|a, b| {
        let order = compare(a, b, column);
        match order {
            Order::Known(order) if is_falling => order.reverse(),
            Order::Known(order) | Order::Missing(order) => order,
        }
    });
    rows
}

enum Order {
    Known(Ordering),
    /// One of them has no value, whichever way the table is sorted.
    Missing(Ordering),
}

fn compare(a: &Row, b: &Row, column: Column) -> Order {
    let numbers = |a: Option<f64>, b: Option<f64>| match (a, b) {
        (Some(a), Some(b)) => Order::Known(a.total_cmp(&b)),
        (a, b) => Order::Missing(a.is_none().cmp(&b.is_none())),
    };
    match column {
        Column::Name => Order::Known(a.idx.cmp(&b.idx)),
        Column::Status => Order::Known(a.facts.state.word().cmp(b.facts.state.word())),
        Column::Metric(metric) => numbers(metric.of(&a.facts), metric.of(&b.facts)),
        Column::Field(idx) => match (&a.values[idx], &b.values[idx]) {
            (Some(a), Some(b)) => match (a.number(), b.number()) {
                (Some(a), Some(b)) => Order::Known(a.total_cmp(&b)),
                _ => Order::Known(a.cmp(b)),
            },
            (a, b) => Order::Missing(a.is_none().cmp(&b.is_none())),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sweep::task::{Facts, RunFacts};
    use crate::ui::sweep::fixtures::results;

    #[test]
    fn rows_without_a_value_come_last_either_way() {
        let mut results = results();
        for (idx, loss) in [(1, 0.5), (4, 0.2)] {
            results.rows[idx].facts = Facts {
                run: Some(RunFacts {
                    step: 1,
                    loss: None,
                    validations: Vec::new(),
                    best: Some((1, loss)),
                    evaluations: Vec::new(),
                    secs: 1.0,
                    tokens_per_sec: None,
                    state_norm: None,
                    grad_norm: None,
                    decorrelation_loss: None,
                    off_diagonal: None,
                    test: None,
                }),
                ..Facts::of(None)
            };
        }
        let order = |column, is_falling| -> Vec<usize> {
            sorted(&results, (column, is_falling))
                .iter()
                .map(|row| row.idx)
                .collect()
        };
        let loss = Column::Metric(Metric::ValidationLoss);
        assert_eq!(order(loss, false), [4, 1, 0, 2, 3, 5]);
        assert_eq!(order(loss, true), [1, 4, 0, 2, 3, 5]);
        // By number and not by text.
        assert_eq!(order(Column::Field(0), true), [2, 5, 1, 4, 0, 3]);
    }
}
