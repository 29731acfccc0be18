//! The selected runs side by side.

use std::collections::BTreeMap;

use eframe::egui::Ui;

use super::super::theme::GAP;
use super::super::ui_state::UiState;
use super::super::widgets::controls::{empty_state, scrolled, weak_small};
use super::accuracy::benchmark_ui;
use crate::runs::RunStore;
use crate::runs::run::Run;

/// Draws the comparison.
pub fn compare_ui(ui: &mut Ui, store: &RunStore, state: &UiState) {
    let chosen = state.selected.iter().filter_map(|id| store.get(id));
    let mut by_benchmark: BTreeMap<&str, Vec<&Run>> = BTreeMap::new();
    let mut n_without = 0;
    for run in chosen {
        match run.evaluations.first() {
            Some((_, summary)) => by_benchmark
                .entry(&summary.benchmark)
                .or_default()
                .push(run),
            None => n_without += 1,
        }
    }
    if by_benchmark.is_empty() {
        empty_state(
            ui,
            "Nothing measured yet",
            "Select runs on the left, several with Ctrl or Shift. Those whose accuracy was measured stand here side by side.",
        );
        return;
    }
    scrolled(ui, |ui| {
        if state.selected.len() == 1 {
            weak_small(
                ui,
                "Select more runs on the left with Ctrl or Shift to see them side by side.",
            );
        }
        for (benchmark, runs) in by_benchmark {
            benchmark_ui(ui, benchmark, &runs, state);
            ui.add_space(2.0 * GAP);
        }
        if n_without > 0 {
            let text = if n_without == 1 {
                "1 selected run has".into()
            } else {
                format!("{n_without} selected runs have")
            };
            weak_small(ui, format!("{text} no accuracy yet."));
        }
    });
}
