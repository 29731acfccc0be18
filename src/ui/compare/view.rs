//! The selected runs side by side: bars, differences to the baseline, settings,
//! and what the paper reports, apart.

use std::collections::BTreeMap;

use eframe::egui::{ComboBox, Ui};

use super::bars::{benchmark_ui, later_evaluations_ui};
use super::costs::costs_ui;
use super::paired_rows::{Comparisons, PairedRow, all_rows, table};
use super::paired_table::paired_table_ui;
use super::reported::reported_ui;
use super::spec_differences::spec_differences_ui;
use super::steps::compared_steps_ui;
use crate::protocol::fields::choice::Choice as _;
use crate::report::SavedTable;
use crate::runs::run::Run;
use crate::ui::shared::action::Action;
use crate::ui::shared::selection::Selection;
use crate::ui::shared::workspace::Workspace;
use crate::ui::shell::header_room::header_ends;
use crate::ui::shell::theme::GAP;
use crate::ui::widgets::controls::{
    empty_state, from_right, group_title, primary_button, scrolled, weak_small, within, wrong,
};

/// Draws the comparison.
pub fn compare_ui(
    ui: &mut Ui,
    workspace: &mut Workspace,
    comparisons: &mut Comparisons,
) -> Vec<Action> {
    let Workspace {
        store,
        selection,
        evaluations: measured,
        ..
    } = workspace;
    let mut actions = Vec::new();
    let runs: Vec<&Run> = selection
        .selected
        .iter()
        .filter_map(|id| store.get(id))
        .collect();
    let n_without = runs.iter().filter(|run| run.evaluations.is_empty()).count();
    let has_files = |run: &&Run| {
        measured
            .files(&run.id)
            .is_some_and(|files| !files.is_empty())
    };
    if n_without == runs.len() && !runs.iter().any(has_files) {
        empty_state(
            ui,
            tr!("No results yet"),
            tr!(
                "Select runs on the left, several with Ctrl or Shift. Runs with a measured accuracy are compared here."
            ),
        );
        if let Some(run) = runs.last().filter(|run| run.status.is_over()) {
            let measure = |ui: &mut Ui| primary_button(ui, tr!("Measure accuracy…"), true, 170.0);
            let pressed = ui.vertical_centered(measure).inner;
            if pressed.on_hover_text(run.title()).clicked() {
                actions.push(Action::OpenScoring(run.id.clone()));
            }
        }
        return actions;
    }
    let baseline = selection.baseline.as_ref().and_then(|id| store.get(id));
    comparisons.update(&runs, baseline, measured);
    let Comparisons {
        later, steps, rows, ..
    } = &*comparisons;
    if heading_ui(ui, &runs, selection, rows) {
        let make = || {
            table(
                &all_rows(&runs, baseline, measured),
                &baseline_words(selection),
            )
        };
        let saved = Box::new(SavedTable::of(make));
        actions.push(Action::SaveTable(saved, "accuracy".into()));
    }
    header_ends(ui);
    let mut bars: BTreeMap<String, Vec<&Run>> = BTreeMap::new();
    for run in &runs {
        if let Some((_, summary)) = run.evaluations.first() {
            let split = run.spec.evaluation.split.name().to_lowercase();
            let title = format!("{}, {split}", summary.benchmark);
            bars.entry(title).or_default().push(run);
        }
    }
    scrolled(ui, |ui| {
        if selection.selected.len() == 1 {
            weak_small(
                ui,
                tr!("Select more runs on the left with Ctrl or Shift to compare them."),
            );
        }
        for (benchmark, runs) in &bars {
            benchmark_ui(ui, benchmark, runs, selection);
            ui.add_space(GAP);
            costs_ui(ui, benchmark, runs, selection);
        }
        for (title, later) in later {
            later_evaluations_ui(ui, title, later, store, selection);
        }
        for (title, rows) in rows {
            group_title(ui, title);
            actions.extend(paired_table_ui(ui, title, rows, selection));
            ui.add_space(GAP);
        }
        for (title, steps) in steps {
            compared_steps_ui(ui, title, steps, store, selection);
        }
        for run in &runs {
            if let Some(problem) = measured.problem(&run.id) {
                wrong(ui, &format!("{}: {problem}", run.title()));
            }
        }
        let n_waiting = runs
            .iter()
            .filter(|run| measured.files(&run.id).is_none())
            .count();
        if n_waiting > 0 {
            weak_small(ui, tr!("Reading the items of the evaluations…"));
        }
        if n_without > 0 {
            let text = if n_without == 1 {
                tr!("1 selected run has").into()
            } else {
                tr!("{n_without} selected runs have", n_without)
            };
            weak_small(ui, tr!("{text} no accuracy yet.", text));
        }
        spec_differences_ui(ui, &runs, selection);
        ui.add_space(GAP);
        reported_ui(ui);
    });
    actions
}

/// What differences are from.
fn baseline_words(selection: &Selection) -> String {
    match &selection.baseline {
        None => tr!("each run's own untuned model").to_owned(),
        Some(id) => id.0.clone(),
    }
}

/// The baseline, and the way out; whether the table is to be saved.
fn heading_ui(
    ui: &mut Ui,
    runs: &[&Run],
    selection: &mut Selection,
    groups: &[(String, Vec<PairedRow>)],
) -> bool {
    let mut saves = false;
    ui.horizontal(|ui| {
        let label = ui.label(tr!("Baseline"));
        let own = tr!("each run's own untuned model");
        let shown = baseline_words(selection);
        // Beside it stands the button of the table.
        let width = (ui.available_width() - 120.0).clamp(100.0, 220.0);
        let combo = ComboBox::from_id_salt("baseline").width(width).selected_text(&shown).truncate();
        let combo = within(ui, width, |ui| combo.show_ui(ui, |ui| {
            ui.selectable_value(&mut selection.baseline, None, own);
            let mut offered: Vec<_> = runs.iter().map(|run| run.id.clone()).collect();
            if let Some(id) = &selection.baseline
                && !offered.contains(id)
            {
                offered.push(id.clone());
            }
            for id in offered {
                let name = id.0.clone();
                ui.selectable_value(&mut selection.baseline, Some(id), name);
            }
        }));
        combo.response.labelled_by(label.id).on_hover_text(
            tr!("Baseline for differences. A run chosen here stays the baseline when the selection changes."),
        );
        from_right(ui, |ui| {
            let has_rows = groups.iter().any(|(_, rows)| !rows.is_empty());
            let button = ui.add_enabled(has_rows, eframe::egui::Button::new(tr!("Export table…")));
            let button = button.on_hover_text(tr!("As .csv, .json, .tex, .md or .txt"));
            saves = button.clicked();
        });
    });
    ui.add_space(4.0);
    saves
}
