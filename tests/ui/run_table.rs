//! The table of runs: rows and groups by the keyboard and the pointer, means over seeds,
//! ways to views, and pictures of it.

use std::path::Path;

use eframe::egui::accesskit::Role;
use eframe::egui::{Key, Modifiers, Vec2, vec2};
use egui_kittest::kittest::{NodeT as _, Queryable as _};
use egui_kittest::{Harness, SnapshotResults};
use gosling::protocol::event::{EvaluationPhase, RunId, RunOutcome};
use gosling::runs::RunStore;
use gosling::tuning::spec::{LiftSpec, Method};
use gosling::ui::app::App;
use gosling::ui::runs::table::settings::GroupBy;
use gosling::ui::shared::tab::Tab;
use gosling::ui::shell::theme::Appearance;

use crate::fixtures::Told;
use crate::pictures::{app, harness, picture, settle, wait_for};

/// Two methods at two rates with three seeds each, and one that diverged.
pub fn seeds() -> RunStore {
    let mut store = RunStore::default();
    let mut number = 0;
    for is_lifted in [false, true] {
        for rate in [0.1, 0.8] {
            for seed in 0..3 {
                number += 1;
                let method = if is_lifted { "lifted" } else { "standard" };
                let name = format!("{method}-{number:04}");
                let folder = format!("runs/{name}");
                let mut told = Told::begin_of(&mut store, &name, Path::new(&folder), 60);
                told.change_spec(|spec| {
                    spec.name = method.into();
                    spec.training.seed = seed;
                    spec.training.learning_rate = rate;
                    if is_lifted {
                        spec.method = Method::Lifted(LiftSpec::default());
                    }
                });
                told.steps(60);
                for step in 1..=60 {
                    let falls = (4.0 - 1.2 * rate) * (-(step as f64) / 35.0).exp();
                    let noise = 0.2 * ((step * (seed as usize + 3)) as f64).sin();
                    told.step(step, falls + 0.4 + 0.15 * seed as f64 + noise);
                }
                let n_correct = 180 + 40 * usize::from(is_lifted) + (100.0 * rate) as usize;
                told.score(EvaluationPhase::After, n_correct + 9 * seed as usize);
                told.export(60);
                told.end(RunOutcome::Finished);
            }
        }
    }
    let mut told = Told::begin_of(&mut store, "rate-2-0013", Path::new("runs/rate-2-0013"), 60);
    told.change_spec(|spec| spec.training.learning_rate = 2.0);
    told.steps(23);
    told.step(24, f64::NAN);
    told.end(RunOutcome::Diverged {
        step: 24,
        detail: "layer 3, head 1, the state is not finite".into(),
    });
    store
}

fn window<'a>(size: Vec2, look: Appearance) -> Harness<'a, App> {
    let app = app(seeds(), Tab::Table, look);
    let mut harness = harness(app, size, look);
    wait_for(&mut harness, "13 runs");
    settle(&mut harness);
    harness
}

fn press(harness: &mut Harness<'_, App>, key: Key) {
    harness.key_press_modifiers(Modifiers::NONE, key);
    harness.run_steps(3);
}

/// The names of the rows in sight, from top to bottom.
fn rows(harness: &Harness<'_, App>) -> Vec<String> {
    let nodes = harness.query_all_by_role(Role::Button);
    let mut rows: Vec<(f32, String)> = nodes
        .filter_map(|node| {
            let name = node.accesskit_node().label()?;
            let is_row = ["Row ", "Group "]
                .iter()
                .any(|start| name.starts_with(start));
            is_row.then(|| (node.rect().top(), name))
        })
        .collect();
    rows.sort_by(|a, b| a.0.total_cmp(&b.0));
    rows.into_iter().map(|(_, name)| name).collect()
}

fn focused(harness: &Harness<'_, App>) -> String {
    let mut nodes = harness.root().children_recursive();
    let node = nodes.find(|node| node.accesskit_node().is_focused());
    node.and_then(|node| node.accesskit_node().label())
        .unwrap_or_default()
}

fn selected(harness: &Harness<'_, App>) -> Vec<String> {
    let selected = &harness.state().workspace.selection.selected;
    selected.iter().map(|run| run.0.clone()).collect()
}

#[test]
fn rows_are_sorted_grouped_and_folded() {
    let mut harness = window(vec2(1280.0, 800.0), Appearance::Dark);
    assert_eq!(rows(&harness)[0], "Row of rate-2-0013", "the newest first");
    harness.get_by_label("Sort by Accuracy, tuned").click();
    harness.run_steps(2);
    harness.get_by_label("Sort by Accuracy, tuned").click();
    harness.run_steps(4);
    let sorted = rows(&harness);
    assert_eq!(sorted[0], "Row of lifted-0012");
    assert_eq!(sorted.last().unwrap(), "Row of rate-2-0013", "it has none");
    harness.get_by_label("Seed means").click();
    harness.run_steps(4);
    let folded = rows(&harness);
    assert_eq!(folded.len(), 5, "{folded:?}");
    assert_eq!(folded[0], "Row 3 seeds of lifted-0012");
    // The table that is saved has the means with their intervals.
    harness.state_mut().runs.table.settings.group_by = GroupBy::Method;
    harness.run_steps(4);
    let grouped = rows(&harness);
    assert_eq!(grouped[0], "Group Lifted, 6 runs");
    assert_eq!(grouped.len(), 2 + 4 + 1, "{grouped:?}");
}

#[test]
fn the_keyboard_walks_through_rows_and_opens_views() {
    let mut harness = window(vec2(1024.0, 700.0), Appearance::Dark);
    harness.get_by_label("Row of rate-2-0013").focus();
    harness.run_steps(2);
    press(&mut harness, Key::ArrowDown);
    assert_eq!(focused(&harness), "Row of lifted-0012");
    press(&mut harness, Key::End);
    assert_eq!(focused(&harness), "Row of standard-0001");
    press(&mut harness, Key::ArrowUp);
    press(&mut harness, Key::Enter);
    assert_eq!(selected(&harness), ["standard-0002"]);
    // The buttons of a row are the next stops behind it.
    press(&mut harness, Key::Tab);
    assert_eq!(focused(&harness), "Curves of standard-0002");
    press(&mut harness, Key::Tab);
    assert_eq!(focused(&harness), "States of standard-0002");
    press(&mut harness, Key::Enter);
    assert_eq!(harness.state().shell.dock.front(), Tab::States);
    assert_eq!(selected(&harness), ["standard-0002"]);
}

#[test]
fn folded_rows_open_by_the_arrow_keys_and_lead_to_all_their_runs() {
    let mut harness = window(vec2(1280.0, 800.0), Appearance::Dark);
    harness.state_mut().runs.table.settings.folds_seeds = true;
    harness.run_steps(4);
    let first = "Row 3 seeds of lifted-0012";
    harness.get_by_label(first).focus();
    harness.run_steps(2);
    press(&mut harness, Key::ArrowRight);
    assert_eq!(rows(&harness).len(), 5 + 3);
    press(&mut harness, Key::ArrowLeft);
    assert_eq!(rows(&harness).len(), 5);
    press(&mut harness, Key::Tab);
    press(&mut harness, Key::Enter);
    assert_eq!(harness.state().shell.dock.front(), Tab::Tune);
    assert_eq!(selected(&harness).len(), 3);
}

#[test]
fn runs_are_filtered_by_what_their_values_are() {
    let mut harness = window(vec2(1280.0, 800.0), Appearance::Dark);
    let all = rows(&harness).len();
    harness.state_mut().runs.table.settings.filter = "method=lifted learning_rate>0.5".into();
    wait_for(&mut harness, "3 of 13 runs");
    assert!(rows(&harness).len() < all);
    harness.state_mut().runs.table.settings.filter = "nothing-has-this".into();
    wait_for(&mut harness, "No matching runs");
    // The list of runs beside it is another one.
    assert_eq!(harness.state().workspace.store.runs().len(), 13);
}

#[test]
fn columns_are_chosen_in_a_menu() {
    let mut harness = window(vec2(1920.0, 1080.0), Appearance::Dark);
    assert!(harness.query_by_label("Sort by Last state norm").is_none());
    harness.get_by_label("Columns").click();
    harness.run_steps(3);
    let search = harness.get_by_role_and_label(Role::TextInput, "Search columns");
    search.focus();
    search.type_text("state norm");
    harness.run_steps(3);
    harness
        .get_by_role_and_label(Role::CheckBox, "Last state norm")
        .click();
    harness.run_steps(3);
    assert!(harness.query_by_label("Sort by Last state norm").is_some());
}

#[test]
fn pictures_of_the_table() {
    let mut results = SnapshotResults::new();
    for (size, look, name) in [
        (vec2(1024.0, 700.0), Appearance::Dark, "small_table"),
        (vec2(1280.0, 800.0), Appearance::Light, "table_light"),
        (vec2(1920.0, 1080.0), Appearance::Dark, "table_large"),
    ] {
        let mut harness = window(size, look);
        let settings = &mut harness.state_mut().runs.table.settings;
        if name != "small_table" {
            settings.group_by = GroupBy::Method;
            settings.folds_seeds = true;
        }
        harness
            .state_mut()
            .workspace
            .selection
            .select_only(&RunId("lifted-0012".into()));
        harness.run_steps(4);
        settle(&mut harness);
        picture(&mut harness, name);
        results.extend_harness(&mut harness);
    }
}

#[test]
fn pictures_of_means_over_seeds() {
    let mut results = SnapshotResults::new();
    for (look, name) in [
        (Appearance::Dark, "seeds_dark"),
        (Appearance::Light, "seeds_light"),
    ] {
        let store = seeds();
        let all: Vec<RunId> = store
            .runs()
            .iter()
            .take(12)
            .map(|run| run.id.clone())
            .collect();
        let mut app = app(store, Tab::Tune, look);
        app.workspace.selection.selected = all;
        app.tune.settings.folds_seeds = true;
        app.shell.shows_form = false;
        app.shell.shows_log = false;
        let mut harness = harness(app, vec2(1280.0, 800.0), look);
        wait_for(&mut harness, "mean of 3 seeds of lifted-0012");
        picture(&mut harness, name);
        results.extend_harness(&mut harness);
    }
}
