//! Bars of the accuracy of several runs: what was measured with them, and later.

use eframe::egui::Ui;

use super::later::LaterBars;
use crate::language::Bilingual;
use crate::runs::RunStore;
use crate::runs::run::Run;
use crate::ui::shared::selection::Selection;
use crate::ui::shell::theme::{GAP, run_colour};
use crate::ui::widgets::accuracy::group;
use crate::ui::widgets::accuracy_bars::{BarGroup, accuracy_bars_ui};
use crate::ui::widgets::controls::{group_title, weak_small};

/// Bars of the runs that measured this benchmark.
pub fn benchmark_ui(ui: &mut Ui, benchmark: &str, runs: &[&Run], selection: &Selection) {
    ui.horizontal_wrapped(|ui| {
        group_title(ui, benchmark);
        let what =
            tr!("share of correct answers, with 95% intervals (Wilson) and the number of items");
        weak_small(ui, what);
    });
    let groups: Vec<BarGroup> = runs
        .iter()
        .map(|run| group(run, selection, ui, true))
        .collect();
    accuracy_bars_ui(ui, benchmark, &groups);
}

/// Draws bars of evaluations that were made after the runs; nothing where there
/// are none.
pub fn later_evaluations_ui(
    ui: &mut Ui,
    title: &str,
    later: &[LaterBars],
    store: &RunStore,
    selection: &Selection,
) {
    if later.is_empty() {
        return;
    }
    group_title(ui, title);
    let groups: Vec<BarGroup> = later
        .iter()
        .map(|(id, bars)| BarGroup {
            colour: run_colour(selection.colour(id), ui.visuals()),
            title: store.get(id).map(|run| Bilingual::name(run.title())),
            bars: bars.clone(),
        })
        .collect();
    accuracy_bars_ui(ui, &tr!("{title}, measured later", title), &groups);
    ui.add_space(GAP);
}
