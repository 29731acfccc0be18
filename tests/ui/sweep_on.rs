//! An active sweep in the window: its runs, what waits for it, another one
//! beside it, and real ones by the names of the controls.

use std::path::Path;
use std::sync::Arc;

use eframe::egui::{Key, Modifiers};
use egui_kittest::kittest::Queryable as _;
use egui_kittest::{Harness, SnapshotResults};
use gosling::protocol::event::RunId;
use gosling::runs::RunStore;
use gosling::sweep::spec::{Axis, Search};
use gosling::sweep::store::SweepFolder;
use gosling::sweep::sweep_file::parse_sweep;
use gosling::sweep::values::{FieldValue, Values};
use gosling::ui::app::App;
use gosling::ui::shared::action::Action;
use gosling::ui::shared::tab::Tab;
use gosling::ui::shell::theme::Appearance;
use gosling::ui::sweep::action::SweepAction;
use gosling::ui::sweep::opened::LiveSweep;

use crate::click_through::{click, small_spec, wait, wait_until, window};
use crate::pictures::{app, harness, picture, wait_for};
use crate::sweep::{SIZE, shown, under_way};

/// A window that looks at a sweep under way, with run 8 of it on and selected.
fn window_of_run<'a>(folder: &Path) -> Harness<'a, App> {
    let mut shown = shown(folder, 8);
    let store = under_way(&mut shown, &[8, 9]);
    shown.live = Some(LiveSweep::new(None, &shown));
    let run = RunId(shown.plan.runs[8].spec.name.clone());
    let mut app = app(store, Tab::Tune, Appearance::Dark);
    app.sweep.known = vec![shown.path.clone()];
    app.sweep.show(shown);
    app.workspace.selection.select_only(&run);
    harness(app, SIZE, Appearance::Dark)
}

fn is_held(app: &App) -> bool {
    let live = app.sweep.on().and_then(|on| on.live.as_ref());
    live.is_some_and(|live| live.is_held)
}

#[test]
fn a_run_of_a_sweep_is_held_by_the_sweep() {
    let folder = tempfile::tempdir().unwrap();
    let mut harness = window_of_run(folder.path());
    wait_for(&mut harness, "Part of the sweep sizes-and-rates");
    assert!(harness.query_by_label("Pause").is_none());
    assert!(harness.query_by_label("Stop").is_none());
    assert!(harness.query_by_label("Skip").is_some());
    click(&mut harness, "Pause sweep");
    assert!(is_held(harness.state()));
    click(&mut harness, "Resume sweep");
    assert!(!is_held(harness.state()));

    // The keys do what the buttons do; the worker is not asked.
    harness.key_press_modifiers(Modifiers::COMMAND, Key::P);
    harness.run_steps(2);
    assert!(is_held(harness.state()));
    wait_for(&mut harness, "is paused");
    harness.key_press_modifiers(Modifiers::COMMAND, Key::Period);
    wait_for(
        &mut harness,
        "continues without sizes-and-rates.0008, which is saved",
    );
    let gone = harness.query_by_label_contains("The worker stopped");
    assert!(gone.is_none());

    click(&mut harness, "Show the sweep");
    assert_eq!(harness.state().shell.dock.front(), Tab::Sweep);
    wait_for(&mut harness, "8 of 24 done");
}

#[test]
fn a_run_of_a_sweep_that_continues_is_not_resumed_by_itself() {
    let folder = tempfile::tempdir().unwrap();
    let mut harness = window_of_run(folder.path());
    let run = RunId("sizes-and-rates.0008".into());
    let ctx = harness.ctx.clone();
    harness.state_mut().apply(Action::ResumeFromDisk(run), &ctx);
    wait_for(&mut harness, "stop the sweep before you resume the run");
    assert!(harness.state().workspace.queue.is_empty());
}

#[test]
fn a_run_waits_for_the_sweep_and_can_begin_beside_it() {
    let runs = tempfile::tempdir().unwrap();
    let mut harness = window(runs.path(), small_spec());
    let folder = tempfile::tempdir().unwrap();
    let mut shown = shown(folder.path(), 8);
    shown.live = Some(LiveSweep::new(None, &shown));
    harness.state_mut().sweep.show(shown);
    harness.run_steps(2);
    assert!(harness.query_by_label("Start").is_none());
    harness
        .get_by_label("Start after the current run")
        .click_accesskit();
    wait_for(&mut harness, "After the sweep sizes-and-rates");
    wait_for(&mut harness, "1. click, queued");
    harness.run_steps(10);
    assert_eq!(harness.state().workspace.queue.waiting().len(), 1);
    assert!(harness.state().workspace.queue.starting().is_none());
    click(&mut harness, "Start click now, alongside the sweep");
    wait_until(&mut harness, "tuning", |run| run.step >= 1);
    assert_eq!(harness.state().workspace.queue.waiting().len(), 0);
    click(&mut harness, "Stop");
    wait_until(&mut harness, "stopped", |run| run.status.is_over());
}

#[test]
fn a_run_of_a_sweep_says_so() {
    let mut results = SnapshotResults::new();
    let folder = tempfile::tempdir().unwrap();
    let mut harness = window_of_run(folder.path());
    wait_for(&mut harness, "2000 examples");
    wait_for(&mut harness, "Part of the sweep");
    picture(&mut harness, "sweep_run_dark");
    results.extend_harness(&mut harness);
}

#[test]
fn another_sweep_is_looked_at_while_one_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let mut on = shown(folder.path(), 8);
    on.live = Some(LiveSweep::new(None, &on));
    let path = on.path.clone();
    let text = r#"(name: "other", base: Preset("cpu"), parts: [(search: Grid([
        (field: "training.seed", values: List([0, 1])),
    ]))])"#;
    let plan = parse_sweep(text, "a.ron").unwrap().plan().unwrap();
    let other = SweepFolder::create(folder.path(), plan)
        .unwrap()
        .path()
        .to_path_buf();
    let mut app = app(RunStore::default(), Tab::Sweep, Appearance::Dark);
    app.sweep.known = vec![path.clone(), other.clone()];
    app.sweep.show(on);
    let mut harness = harness(app, SIZE, Appearance::Dark);
    wait_for(&mut harness, "8 of 24 done");
    let ctx = harness.ctx.clone();
    let open = Action::Sweep(SweepAction::Open(other.clone()));
    harness.state_mut().apply(open, &ctx);
    wait_for(&mut harness, "0 of 4 done");
    wait_for(
        &mut harness,
        "The sweep sizes-and-rates is running, 8 of 24 done, 1 diverged",
    );
    let sweep = &harness.state().sweep;
    assert_eq!(sweep.shown.as_ref().unwrap().path, other);
    assert_eq!(sweep.on().unwrap().path, path);
    // One at a time, whichever is looked at.
    click(&mut harness, "Resume");
    assert_eq!(harness.state().sweep.on().unwrap().path, path);
    click(&mut harness, "New sweep");
    wait_for(&mut harness, "The sweep sizes-and-rates is running");
    click(&mut harness, "Back");

    click(&mut harness, "Show sweep");
    let sweep = &harness.state().sweep;
    assert_eq!(sweep.shown.as_ref().unwrap().path, path);
    assert!(sweep.on().unwrap().live.is_some());
    click(&mut harness, "Pause");
    assert!(is_held(harness.state()));
}

/// A window in which a sweep of two short runs of the mini model is set up.
fn short_sweep(folder: &Path, n_steps: usize) -> App {
    let mut app = app(RunStore::default(), Tab::Sweep, Appearance::Dark);
    app.runs_in(folder.join("runs"));
    app.sweep.program = env!("CARGO_BIN_EXE_gosling").into();
    let draft = &mut app.workspace.draft;
    draft.training.steps = n_steps;
    draft.training.batch = 1;
    draft.training.warmup_steps = 1;
    draft.training.validate_every = n_steps;
    draft.training.validation_limit = Some(2);
    draft.evaluation.before = false;
    draft.evaluation.few_shot = 0;
    draft.evaluation.limit = Some(2);
    app.sweep.draft.parts[0].search = Search::Grid(vec![Axis {
        field: "training.learning_rate".into(),
        values: Values::List(["0.1", "0.2"].map(|rate| FieldValue(rate.into())).to_vec()),
    }]);
    app
}

#[test]
fn a_sweep_goes_on_when_the_window_opens_again() {
    let folder = tempfile::tempdir().unwrap();
    let app = short_sweep(folder.path(), 40);
    let mut window = harness(app, SIZE, Appearance::Dark);
    wait_for(&mut window, "2 runs");
    window.get_by_label("Start sweep").click();
    wait(&mut window, "under way", |app| {
        app.workspace.store.runs().iter().any(|run| run.step >= 2)
    });
    let ctx = window.ctx.clone();
    window.state_mut().apply(Action::StopAndClose, &ctx);
    let is_kept = window.state().closing.sweep_resumes.is_some();
    assert!(is_kept && window.state().closing.resumes.is_empty());
    wait(&mut window, "saved", |app| !app.sweep.is_on());
    let kept = window.state().saved();
    drop(window);

    let runs = folder.path().join("runs");
    let mut app = App::new(None, kept, runs, Arc::new(|| ()));
    app.sweep.program = env!("CARGO_BIN_EXE_gosling").into();
    app.begin();
    let mut window = harness(app, SIZE, Appearance::Dark);
    wait(&mut window, "going on", |app| app.sweep.is_on());
    wait_for(&mut window, "3 of 3 done");
    assert!(window.state().workspace.queue.is_empty());
}

/// Two runs of the mini model, begun, followed and looked at by labels alone.
#[test]
fn a_sweep_from_start_to_table() {
    let folder = tempfile::tempdir().unwrap();
    let app = short_sweep(folder.path(), 3);
    let mut harness = harness(app, SIZE, Appearance::Dark);
    wait_for(&mut harness, "2 runs");
    harness.get_by_label("Start sweep").click();
    wait_for(&mut harness, "3 of 3 done");
    let of_sweep = harness.query_all_by_label("Table").last();
    of_sweep.unwrap().click();
    wait_for(&mut harness, "Run sweep-1.0001");
    harness.get_by_label("Run sweep-1.0001").click();
    harness.run_steps(2);
    let selected = RunId("sweep-1.0001".into());
    assert_eq!(harness.state().workspace.selection.selected, [selected]);
    assert!(!harness.state().sweep.is_on());
    let table = folder.path().join("runs/sweeps/sweep-1/runs.csv");
    assert!(table.is_file());
}
