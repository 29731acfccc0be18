//! Helpers of several parts of the sweep view.

use eframe::egui::{Modifiers, Response, Role, Ui, WidgetInfo};

use crate::protocol::event::RunId;
use crate::sweep::results::{Metric, Row, SweepResults};
use crate::ui::shared::selection::Selection;
use crate::ui::widgets::controls::empty_state;

/// Gives a control that shows its value a name for those who do not see it.
pub(super) fn spoken(response: &Response, role: Role, name: &str) {
    response.widget_info(|| WidgetInfo::labeled(role, true, name));
}

/// Whether there is a field to draw a metric against; says so where there is none.
pub(super) fn has_fields(ui: &mut Ui, results: &SweepResults) -> bool {
    let has_some = !results.fields.is_empty();
    if !has_some {
        let what = tr!("No field differs between the runs of this sweep.");
        empty_state(ui, tr!("No fields"), what);
    }
    has_some
}

/// The run of a row.
pub(super) fn run_of(row: &Row) -> RunId {
    RunId(row.name.clone())
}

/// Selects a run everywhere; with Ctrl or Shift beside those that are.
pub(super) fn select(ui: &Ui, selection: &mut Selection, run: &RunId) {
    let modifiers: Modifiers = ui.input(|input| input.modifiers);
    if modifiers.command || modifiers.shift {
        selection.toggle(run);
    } else {
        selection.select_only(run);
    }
}

/// The lowest and the highest of a metric over the runs that have it.
pub(super) fn metric_range(rows: &[Row], metric: Metric) -> Option<(f64, f64)> {
    let values = rows.iter().filter_map(|row| metric.of(&row.facts));
    values.fold(None, |range, value| match range {
        None => Some((value, value)),
        Some((low, high)) => Some((f64::min(low, value), f64::max(high, value))),
    })
}
