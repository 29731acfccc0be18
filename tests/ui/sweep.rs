//! Sweeps in the window: pictures, and a real one by the names of the controls.

use std::path::Path;

use eframe::egui::{Key, Vec2, vec2};
use egui_kittest::SnapshotResults;
use egui_kittest::kittest::Queryable as _;
use gosling::protocol::event::{EvaluationPhase, EvaluationSummary, RunId, RunOutcome, Score};
use gosling::runs::RunStore;
use gosling::sweep::results::Metric;
use gosling::sweep::spec::{Axis, Search};
use gosling::sweep::store::SweepFolder;
use gosling::sweep::sweep_file::{parse_sweep, read_sweep};
use gosling::sweep::task::{Facts, RunFacts, Task, TaskState};
use gosling::sweep::values::{FieldValue, Values};
use gosling::ui::app::App;
use gosling::ui::shared::tab::Tab;
use gosling::ui::shell::path_dialogs::PathFor;
use gosling::ui::shell::theme::Appearance;
use gosling::ui::sweep::opened::LiveSweep;
use gosling::ui::sweep::opened::OpenSweep;
use gosling::ui::sweep::settings::ResultsView;

use crate::click_through::click;
use crate::fixtures::{Noise, Told};
use crate::pictures::{app, harness, picture, wait_for};

pub const SIZE: Vec2 = vec2(1280.0, 800.0);

const SWEEP: &str = r#"(name: "sizes-and-rates", base: Preset("lifted-decorrelation"), parts: [
    (name: "standard", set: ["method=Standard()"], search: Grid([
        (field: "training.learning_rate", values: List([0.1, 0.4, 1.6])),
    ])),
    (name: "lifted", search: Grid([
        (field: "method.features.upscaled_size", values: List([64, 256, 512])),
        (field: "method.features.gamma", values: List([0.5, 1.0, Median])),
        (field: "training.learning_rate", values: List([0.1, 0.4])),
    ])),
])"#;

/// A run that is done: the loss falls with the rate, and least with M = 256.
fn done(idx: usize, noise: &mut Noise) -> Facts {
    let loss = 0.03 + 0.01 * ((idx % 5) as f64 - 2.0).abs() / 2.0 + 0.002 * noise.next();
    let n_correct = (150.0 - 1800.0 * loss) as usize;
    let score = |name: &str, n_correct| Score {
        name: name.into(),
        n_correct,
        n_items: 200,
    };
    let summary = EvaluationSummary {
        benchmark: "gsm8k-mini".into(),
        few_shot: 0,
        scores: vec![score("strict", n_correct), score("flexible", n_correct + 4)],
        n_total: 200,
        written: None,
        left_out: 0,
        secs: 3.0,
    };
    Facts {
        state: TaskState::Done,
        run: Some(RunFacts {
            step: 300,
            loss: Some(loss * 0.8),
            validations: vec![(300, loss)],
            best: Some((300, loss)),
            evaluations: vec![(EvaluationPhase::After, summary)],
            secs: 60.0 + idx as f64,
            tokens_per_sec: Some(4000.0),
            state_norm: Some(500.0 + 10.0 * idx as f64),
            grad_norm: Some(0.02 + 0.001 * idx as f64),
            decorrelation_loss: (idx >= 3).then_some(0.4 - 0.01 * idx as f64),
            off_diagonal: (idx >= 3).then_some(0.08 - 0.002 * idx as f64),
            test: None,
        }),
    }
}

/// A sweep of which the first `n_done` runs are done.
pub fn shown(runs_dir: &Path, n_done: usize) -> OpenSweep {
    let plan = parse_sweep(SWEEP, "a.ron").unwrap().plan().unwrap();
    let n_runs = plan.runs.len();
    let folder = SweepFolder::create(runs_dir, plan).unwrap();
    let mut shown = OpenSweep::new(&folder).unwrap();
    let mut noise = Noise::new(3);
    shown
        .queue
        .facts
        .insert(Task::Untuned(0), done(0, &mut noise));
    for idx in 0..n_done.min(n_runs) {
        let mut facts = done(idx, &mut noise);
        if idx == 5 {
            facts.state = TaskState::Diverged {
                step: 7,
                detail: "layer 2, head 1".into(),
            };
        }
        shown.queue.facts.insert(Task::Run(idx), facts);
    }
    if n_done >= n_runs {
        for part in 0..2 {
            shown
                .queue
                .facts
                .insert(Task::Best(part), done(0, &mut noise));
        }
    }
    shown.refresh();
    shown
}

/// A store with the runs of the sweep that are under way.
pub fn under_way(shown: &mut OpenSweep, running: &[usize]) -> RunStore {
    let mut store = RunStore::default();
    for &idx in running {
        let name = shown.plan.runs[idx].spec.name.clone();
        let mut told = Told::begin(&mut store, &name, Path::new("runs"));
        told.steps(20);
        let mut facts = Facts::of(None);
        facts.state = TaskState::Going;
        shown.queue.facts.insert(Task::Run(idx), facts);
    }
    shown.refresh();
    store
}

pub fn check(results: &mut SnapshotResults, name: &str, app: App, look: Appearance, label: &str) {
    let mut harness = harness(app, SIZE, look);
    wait_for(&mut harness, "2000 examples");
    wait_for(&mut harness, label);
    picture(&mut harness, name);
    results.extend_harness(&mut harness);
}

#[test]
fn sweeps_are_set_up() {
    let mut results = SnapshotResults::new();
    let first = app(RunStore::default(), Tab::Sweep, Appearance::Dark);
    let label = "No fields to vary";
    check(&mut results, "sweep_first", first, Appearance::Dark, label);
    for (look, name) in [
        (Appearance::Dark, "sweep_setup_dark"),
        (Appearance::Light, "sweep_setup_light"),
    ] {
        let mut app = app(RunStore::default(), Tab::Sweep, look);
        let axis = |field: &str, values| Axis {
            field: field.into(),
            values,
        };
        app.sweep.draft.parts[0].search = Search::Grid(vec![
            axis(
                "training.learning_rate",
                Values::Log {
                    from: 0.1,
                    to: 1.6,
                    count: 5,
                },
            ),
            axis(
                "training.seed",
                Values::List(["0", "1", "2"].map(|seed| FieldValue(seed.into())).to_vec()),
            ),
        ]);
        check(&mut results, name, app, look, "15 runs");
    }
}

/// Whole copies of the sweep leave the window and come back.
#[test]
fn a_first_sweep_is_set_up_by_its_fields_and_saved() {
    let folder = tempfile::tempdir().unwrap();
    let app = app(RunStore::default(), Tab::Sweep, Appearance::Dark);
    let mut harness = harness(app, SIZE, Appearance::Dark);
    wait_for(&mut harness, "No fields to vary yet");
    assert!(harness.query_by_label("Add Features M").is_none());
    click(&mut harness, "Add Learning rate η");
    click(&mut harness, "Add Seed");
    wait_for(&mut harness, "15 runs");
    assert!(harness.query_by_label("Add Learning rate η").is_none());
    assert!(
        harness
            .query_by_label_contains("No fields to vary")
            .is_none()
    );

    let path = folder.path().join("mine.ron");
    let chosen = harness.state_mut();
    chosen.use_path(PathFor::SaveSweep, path.clone());
    let saved = read_sweep(&path).unwrap();
    assert_eq!(saved, chosen.sweep.spec(&chosen.workspace.draft));
    let draft = chosen.sweep.draft.parts.clone();
    chosen.sweep.draft.parts.clear();
    chosen.workspace.draft.training.steps += 1;
    let base = saved.base_run().unwrap();
    chosen.use_path(PathFor::OpenSweep, path);
    wait_for(&mut harness, "The sweep is loaded");
    assert_eq!(harness.state().sweep.draft.parts, draft);
    assert_eq!(harness.state().workspace.draft, base);
}

#[test]
fn a_sweep_that_ships_brings_its_base_run() {
    let app = app(RunStore::default(), Tab::Sweep, Appearance::Dark);
    let mut harness = harness(app, SIZE, Appearance::Dark);
    wait_for(&mut harness, "No fields to vary yet");
    click(&mut harness, "Start from the sweep gsm8k-mini");
    wait_for(&mut harness, "51 runs");
    let base = &harness.state().workspace.draft;
    assert_eq!(
        (base.name.as_str(), base.training.learning_rate),
        ("lifted-decorrelation", 0.8)
    );
}

#[test]
fn a_sweep_under_way() {
    let mut results = SnapshotResults::new();
    for (look, name) in [
        (Appearance::Dark, "sweep_running"),
        (Appearance::Light, "sweep_running_light"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let mut shown = shown(folder.path(), 8);
        let store = under_way(&mut shown, &[8, 9]);
        shown.live = Some(LiveSweep::new(None, &shown));
        let mut app = app(store, Tab::Sweep, look);
        app.sweep.show(shown);
        check(&mut results, name, app, look, "8 of 24 done");
    }
}

/// Two runs failed, and then the sweep itself.
#[test]
fn a_sweep_that_failed() {
    let mut results = SnapshotResults::new();
    for (look, name) in [
        (Appearance::Dark, "sweep_failed_dark"),
        (Appearance::Light, "sweep_failed_light"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let mut shown = shown(folder.path(), 8);
        for idx in [2, 3] {
            let mut facts = Facts::of(None);
            facts.state = TaskState::Failed("the disk is full; free some space".into());
            shown.queue.facts.insert(Task::Run(idx), facts);
        }
        shown.refresh();
        shown.failure = Some("cannot write sweep.ron: the disk is full".into());
        let mut app = app(RunStore::default(), Tab::Sweep, look);
        app.sweep.show(shown);
        check(
            &mut results,
            name,
            app,
            look,
            "The sweep could not continue",
        );
    }
}

#[test]
fn a_finished_sweep_in_every_view() {
    let mut results = SnapshotResults::new();
    for (idx, (view, name, look)) in [
        (ResultsView::Table, "sweep_table", Appearance::Dark),
        (ResultsView::Parallel, "sweep_parallel", Appearance::Dark),
        (
            ResultsView::Parallel,
            "sweep_parallel_light",
            Appearance::Light,
        ),
        (ResultsView::Heatmap, "sweep_heatmap", Appearance::Dark),
        (ResultsView::Scatter, "sweep_scatter", Appearance::Light),
        (
            ResultsView::Importance,
            "sweep_importance",
            Appearance::Dark,
        ),
    ]
    .into_iter()
    .enumerate()
    {
        let folder = tempfile::tempdir().unwrap();
        let mut app = app(RunStore::default(), Tab::Sweep, look);
        app.sweep.show(shown(folder.path(), 21));
        app.sweep.look.view = view;
        if idx == 1 {
            // The lower half of the losses is kept.
            app.sweep.look.brushes.insert(3, (-0.02, 0.4));
        }
        check(&mut results, name, app, look, "23 of 24 done");
    }
}

#[test]
fn numbers_are_columns_and_brushed_runs_are_selected() {
    let folder = tempfile::tempdir().unwrap();
    let shown = shown(folder.path(), 21);
    let mut store = RunStore::default();
    for run in &shown.plan.runs {
        let mut told = Told::begin(&mut store, &run.spec.name, Path::new("runs"));
        told.steps(2);
        told.end(RunOutcome::Finished);
    }
    let names: Vec<RunId> = shown.results.rows[..3]
        .iter()
        .map(|row| RunId(row.name.clone()))
        .collect();
    let mut app = app(store, Tab::Sweep, Appearance::Dark);
    app.sweep.show(shown);
    let mut harness = harness(app, SIZE, Appearance::Dark);
    wait_for(&mut harness, "23 of 24 done");
    // The other one of that name leads to the table of all runs.
    let of_sweep = harness.query_all_by_label("Table").last();
    of_sweep.unwrap().click();
    harness.run_steps(2);
    let heading = "Sort by off-diagonal mass";
    assert!(harness.query_by_label(heading).is_none());
    click(&mut harness, "Columns");
    click(&mut harness, "off-diagonal mass");
    click(&mut harness, "test accuracy");
    harness.key_press(Key::Escape);
    harness.run_steps(2);
    assert!(harness.query_by_label(heading).is_some());
    assert!(harness.query_by_label("Sort by test accuracy").is_some());

    // The first part has three runs and no M: every other run passes M = 64 or more.
    click(&mut harness, "Parallel");
    let look = &mut harness.state_mut().sweep.look;
    let rate = Metric::DecorrelationLoss;
    look.toggle_axis(rate);
    assert!(look.axes.contains(&rate));
    harness.run_steps(2);
    let results = &harness.state().sweep.shown.as_ref().unwrap().results;
    let at = results
        .fields
        .iter()
        .position(|of| of == "training.learning_rate");
    // The largest rate is that of one run of the first part.
    let brush = (at.unwrap(), (0.9, 1.02));
    harness
        .state_mut()
        .sweep
        .look
        .brushes
        .insert(brush.0, brush.1);
    harness.run_steps(2);
    click(&mut harness, "Select these runs");
    assert_eq!(harness.state().workspace.selection.selected, names[2..]);
    // The list of runs, newest first, came to where it stands.
    wait_for(&mut harness, "Run sizes-and-rates.0002");
    click(&mut harness, "Keep all");
    assert!(harness.query_by_label("Select these runs").is_none());
}
