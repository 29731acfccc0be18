//! Views as pictures.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use eframe::egui::{Style, Theme, UiBuilder, Vec2, vec2};
use egui_kittest::kittest::Queryable as _;
use egui_kittest::{Harness, SnapshotOptions, SnapshotResults};
use gosling::kernels::device::DeviceChoice;
use gosling::language::{Language, chosen};
use gosling::persist::run_labels::RunLabels;
use gosling::protocol::event::RunId;
use gosling::protocol::run_spec::RunSpec;
use gosling::runs::RunStore;
use gosling::tuning::spec::{DecorrelationSpec, LiftSpec, Method};
use gosling::ui::app::App;
use gosling::ui::app::saved::SavedState;
use gosling::ui::runs::state::LabelEditor;
use gosling::ui::shared::action::Action;
use gosling::ui::shared::notice::Notice;
use gosling::ui::shared::tab::Tab;
use gosling::ui::shell::closing::Closing;
use gosling::ui::shell::docking::Dock;
use gosling::ui::shell::palette::PaletteState;
use gosling::ui::shell::theme::Appearance;

use crate::fixtures;

const SIZE: Vec2 = vec2(1000.0, 620.0);
/// Text is anti-aliased a little differently from one driver to the next.
const MAX_FAILED_PIXELS: usize = 10;
/// What opens each dialog, of the first run that is selected where it is of a run.
pub const DIALOGS: [fn(&App) -> Action; 11] = [
    |app| Action::OpenExport(first(app)),
    |app| Action::OpenScoring(first(app)),
    |app| Action::OpenDetails(first(app)),
    |app| Action::EditLabels(first(app)),
    |_| Action::TogglePalette,
    |_| Action::OpenRateSearch,
    |_| Action::OpenImport,
    |_| Action::OpenModels,
    |app| Action::OpenMix(first(app)),
    |_| Action::ToggleShortcuts,
    |_| Action::OpenSampling,
];

fn first(app: &App) -> RunId {
    app.workspace.selection.selected[0].clone()
}

pub fn harness<'a>(app: App, size: Vec2, look: Appearance) -> Harness<'a, App> {
    scaled_harness(app, size, look, 1.0)
}

/// A window of a size in points, with so many pixels in one.
pub fn scaled_harness<'a>(app: App, size: Vec2, look: Appearance, scale: f32) -> Harness<'a, App> {
    let theme = if look == Appearance::Light {
        Theme::Light
    } else {
        Theme::Dark
    };
    let frame = |ui: &mut eframe::egui::Ui, app: &mut App| {
        let ctx = ui.ctx().clone();
        app.take_in(&ctx);
        // The whole window, as a window of the system is given.
        let whole = UiBuilder::new().max_rect(ctx.content_rect());
        let mut whole = ui.new_child(whole);
        whole.set_clip_rect(ctx.content_rect());
        app.show(&mut whole);
    };
    let builder = Harness::builder()
        .with_size(size)
        .with_pixels_per_point(scale)
        .with_theme(theme)
        .wgpu();
    // The fonts of the tests have no Chinese letters; a window in Chinese is read, not drawn.
    let builder = match chosen() {
        Language::Chinese => builder.allow_missing_glyphs(),
        Language::English => builder,
    };
    builder.build_ui_state(frame, app)
}

/// A configuration that does not change with the presets.
fn draft() -> RunSpec {
    let mut draft = RunSpec {
        device: DeviceChoice::Cpu,
        ..RunSpec::default()
    };
    draft.training.steps = 200;
    draft.training.batch = 8;
    draft
}

/// A window on `store` without a worker.
pub fn app(store: RunStore, tab: Tab, look: Appearance) -> App {
    let mut state = SavedState {
        appearance: look,
        dock: Dock::at(tab),
        draft: draft(),
        ..SavedState::default()
    };
    // As those that are at hand: the newest two.
    let newest = store.runs().iter().rev().take(2).rev();
    state.selected = newest.map(|run| run.id.clone()).collect();
    let mut app = App::new(None, state, PathBuf::from("runs"), Arc::new(|| ()));
    app.workspace.store = store;
    app
}

/// Draws until `label` can be read.
pub fn wait_for(harness: &mut Harness<'_, App>, label: &str) {
    let start = Instant::now();
    while harness.query_all_by_label_contains(label).next().is_none() {
        assert!(start.elapsed() < Duration::from_secs(120), "no {label:?}");
        std::thread::sleep(Duration::from_millis(20));
        harness.step();
    }
    // Panels take their places over a few frames.
    harness.run_steps(4);
}

/// Whether one of these texts tells that the window waits for the background.
fn shows_any(harness: &Harness<'_, App>, texts: &[&str]) -> bool {
    let mut texts = texts.iter();
    texts.any(|text| harness.query_all_by_label_contains(text).next().is_some())
}

/// Draws until nothing in the window waits for files or the background.
pub fn settle(harness: &mut Harness<'_, App>) {
    let start = Instant::now();
    let mut n_still = 0;
    // Work beside the window is asked for by one frame and comes with a later one.
    while n_still < 5 {
        let is_waiting = shows_any(harness, &["Reading", "computing", "Counting"])
            || harness.state().reads_evaluations();
        n_still = if is_waiting { 0 } else { n_still + 1 };
        assert!(start.elapsed() < Duration::from_secs(120), "it waits");
        std::thread::sleep(Duration::from_millis(20));
        harness.step();
    }
    harness.run_steps(4);
}

/// Compares the window with its picture once nothing in it waits for the
/// background any more. A text cursor does not blink there.
pub fn picture(harness: &mut Harness<'_, App>, name: &str) {
    let start = Instant::now();
    while harness.query_all_by_label("…").next().is_some()
        || shows_any(harness, &["Counting the runs"])
    {
        assert!(
            start.elapsed() < Duration::from_secs(120),
            "{name} still waits"
        );
        std::thread::sleep(Duration::from_millis(20));
        harness.step();
    }
    let still = |style: &mut Style| style.visuals.text_cursor.blink = false;
    harness.ctx.all_styles_mut(still);
    harness.run_steps(4);
    let options = SnapshotOptions::new()
        .output_path("tests/ui/snapshots")
        .max_failed_pixels(MAX_FAILED_PIXELS);
    harness.snapshot_options(name, &options);
}

fn check(results: &mut SnapshotResults, name: &str, app: App, look: Appearance, label: &str) {
    let mut harness = harness(app, SIZE, look);
    // The configuration has read the data.
    wait_for(&mut harness, "2000 examples");
    compare_with(results, name, harness, label);
}

/// The same of a window that shows no configuration.
pub fn check_view(
    results: &mut SnapshotResults,
    name: &str,
    mut app: App,
    look: Appearance,
    label: &str,
) {
    app.shell.shows_form = false;
    app.shell.shows_log = false;
    compare_with(results, name, harness(app, SIZE, look), label);
}

/// The same in a window of another size.
pub fn check_view_in(
    results: &mut SnapshotResults,
    name: &str,
    mut app: App,
    size: Vec2,
    label: &str,
) {
    app.shell.shows_form = false;
    app.shell.shows_log = false;
    let look = Appearance::Dark;
    compare_with(results, name, harness(app, size, look), label);
}

fn compare_with(
    results: &mut SnapshotResults,
    name: &str,
    mut harness: Harness<'_, App>,
    label: &str,
) {
    wait_for(&mut harness, label);
    picture(&mut harness, name);
    // All pictures of a test are compared before it fails.
    results.extend_harness(&mut harness);
}

#[test]
fn no_runs() {
    let mut results = SnapshotResults::new();
    for (look, name) in [
        (Appearance::Dark, "empty_dark"),
        (Appearance::Light, "empty_light"),
    ] {
        let app = app(RunStore::default(), Tab::Tune, look);
        check(&mut results, name, app, look, "No runs yet");
    }
    for (tab, name, label) in [
        (Tab::States, "empty_states", "No state selected"),
        (Tab::Compare, "empty_compare", "No results yet"),
    ] {
        let app = app(RunStore::default(), tab, Appearance::Dark);
        check(&mut results, name, app, Appearance::Dark, label);
    }
}

#[test]
fn a_run_under_way() {
    let mut results = SnapshotResults::new();
    for (look, name) in [
        (Appearance::Dark, "running_dark"),
        (Appearance::Light, "running_light"),
    ] {
        let app = app(fixtures::running(), Tab::Tune, look);
        check(&mut results, name, app, look, "Tuning, step 120 of 200");
    }
}

#[test]
fn finished_runs() {
    let mut results = SnapshotResults::new();
    let folder = tempfile::tempdir().unwrap();
    fixtures::write_state(folder.path());
    let store = || fixtures::finished(folder.path());
    let (dark, light) = (Appearance::Dark, Appearance::Light);
    check(
        &mut results,
        "finished_light",
        app(store(), Tab::Tune, light),
        light,
        "Finished after 200",
    );
    check(
        &mut results,
        "compare_dark",
        app(store(), Tab::Compare, dark),
        dark,
        "gsm8k-mini",
    );
    check(
        &mut results,
        "compare_light",
        app(store(), Tab::Compare, light),
        light,
        "gsm8k-mini",
    );
    check(
        &mut results,
        "states_dark",
        app(store(), Tab::States, dark),
        dark,
        "Every head",
    );
    check(
        &mut results,
        "states_light",
        app(store(), Tab::States, light),
        light,
        "Every head",
    );
}

#[test]
fn runs_that_went_wrong() {
    let mut results = SnapshotResults::new();
    let look = Appearance::Dark;
    check(
        &mut results,
        "diverged_dark",
        app(fixtures::diverged(), Tab::Tune, look),
        look,
        "Diverged at step 74",
    );
    let mut app = app(fixtures::failed(), Tab::Tune, Appearance::Light);
    app.notify(Notice::error("saving failed: cannot write runs/standard-0001/checkpoints: the disk is full; free some space and resume".into()));
    check(
        &mut results,
        "failed_light",
        app,
        Appearance::Light,
        "Dismiss",
    );
}

#[test]
fn crowds_and_long_names() {
    let mut results = SnapshotResults::new();
    let look = Appearance::Dark;
    check(
        &mut results,
        "crowded_dark",
        app(fixtures::crowded(), Tab::Compare, look),
        look,
        "2 of 200 shown",
    );
}

#[test]
fn questions_and_lists() {
    let mut results = SnapshotResults::new();
    let look = Appearance::Dark;
    let mut closing = app(fixtures::running(), Tab::Tune, look);
    closing.closing.stage = Closing::Asking;
    check(
        &mut results,
        "closing_dark",
        closing,
        look,
        "Stop, save and close",
    );
    let mut shortcuts = app(RunStore::default(), Tab::Tune, look);
    shortcuts.shell.shows_shortcuts = true;
    check(
        &mut results,
        "shortcuts_dark",
        shortcuts,
        look,
        "Keyboard shortcuts",
    );
}

#[test]
fn the_playground() {
    let mut results = SnapshotResults::new();
    let look = Appearance::Dark;
    let empty = app(RunStore::default(), Tab::Playground, look);
    check(
        &mut results,
        "empty_playground",
        empty,
        look,
        "untuned only",
    );
    let folder = tempfile::tempdir().unwrap();
    for (look, name) in [
        (Appearance::Dark, "playground_dark"),
        (Appearance::Light, "playground_light"),
    ] {
        let mut store = fixtures::finished(folder.path());
        let prompt = fixtures::answers(&mut store);
        let mut app = app(store, Tab::Playground, look);
        app.playground.playing = Some(prompt);
        app.playground.plays_tuned = true;
        check(&mut results, name, app, look, "the model ended it");
    }
}

#[test]
fn a_lifted_run_is_configured() {
    let mut results = SnapshotResults::new();
    for (look, name) in [
        (Appearance::Dark, "lifted_dark"),
        (Appearance::Light, "lifted_light"),
    ] {
        let mut app = app(RunStore::default(), Tab::Tune, look);
        app.workspace.draft.method = Method::Lifted(LiftSpec {
            decorrelation: Some(DecorrelationSpec::default()),
            ..LiftSpec::default()
        });
        fixtures::distances(&mut app.workspace.store, &app.workspace.draft);
        // As the user sees it after scrolling to it.
        let mut harness = harness(app, vec2(1000.0, 1100.0), look);
        wait_for(&mut harness, "2000 examples");
        wait_for(&mut harness, "at a typical support vector");
        picture(&mut harness, name);
        results.extend_harness(&mut harness);
    }
}

#[test]
fn dialogs() {
    let mut results = SnapshotResults::new();
    let folder = tempfile::tempdir().unwrap();
    let finished = |look| app(fixtures::finished(folder.path()), Tab::Tune, look);
    let (dark, light) = (Appearance::Dark, Appearance::Light);
    let mut palette = finished(dark);
    palette.shell.palette = Some(PaletteState {
        typed: "the".into(),
        chosen: 1,
    });
    check(
        &mut results,
        "palette_dark",
        palette,
        dark,
        "Search commands",
    );
    let mut labels = finished(light);
    let run = RunId("standard-0001".into());
    let mut written = RunLabels {
        title: "The first one".into(),
        note: "Rate of the preset.".into(),
        ..RunLabels::default()
    };
    written.set_tags("baseline, gsm8k");
    labels.workspace.store.label(&run, written.clone());
    labels.runs.editing = Some(LabelEditor::new(run.clone(), written));
    check(
        &mut results,
        "labels_light",
        labels,
        light,
        "Tags, separated by commas",
    );
}
