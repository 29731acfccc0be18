//! The view of states: pictures that the GPU paints, of a run under way, of one
//! that is over, of differences, and over the tokens of a text.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use eframe::egui::{Vec2, vec2};
use egui_kittest::SnapshotResults;
use egui_kittest::kittest::Queryable as _;
use gosling::colormap::Scale;
use gosling::kernels::device::DeviceChoice;
use gosling::persist::run_folder::snapshot_file;
use gosling::protocol::event::{Event, RunEvent, RunId, RunOutcome};
use gosling::protocol::run_spec::RunSpec;
use gosling::runs::RunStore;
use gosling::tuning::inspect::head_matrices::MatrixKind;
use gosling::tuning::method::tuned::{LiftValues, Tuned};
use gosling::tuning::spec::{DecorrelationSpec, FeatureSpec, LiftKind, LiftSpec, Method};
use gosling::tuning::states::snapshot_file::{Snapshot, write_snapshot};
use gosling::tuning::states::state_file::TunedState;
use gosling::ui::app::App;
use gosling::ui::app::saved::SavedState;
use gosling::ui::shared::tab::Tab;
use gosling::ui::shell::docking::Dock;
use gosling::ui::shell::theme::Appearance;
use gosling::ui::states::settings::{ColourRange, CompareWith};
use gosling::worker::Worker;

use crate::fixtures::Noise;
use crate::pictures::{harness, picture, wait_for};

const SIZE: Vec2 = vec2(1280.0, 800.0);
const STEPS: [usize; 4] = [0, 50, 100, 150];

/// A lifted run with some structure, that grows with the steps.
fn tuned(step: usize) -> Tuned {
    let (n_layer, h, n, m) = (6, 4, 64, 64);
    let size = step as f64 / 100.0;
    let mut noise = Noise::new(7);
    let mut wave = |head: usize, row: usize, column: usize, scale: f64| {
        let wave = (row as f64 / 5.0 + head as f64).sin() * (column as f64 / 7.0).cos();
        (size * scale * (wave + 0.4 * noise.next())) as f32
    };
    let mut matrices = |rows: usize, columns: usize, scale: f64| -> Vec<f32> {
        let cells = (0..h).flat_map(|head| (0..rows * columns).map(move |at| (head, at)));
        let cell = |(head, at): (usize, usize)| wave(head, at / columns, at % columns, scale);
        cells.map(cell).collect()
    };
    let layers = (0..n_layer).map(|layer| matrices(n, n, 1.0 + layer as f64));
    let layers: Vec<Vec<f32>> = layers.collect();
    let weights = (0..n_layer).flat_map(|_| matrices(n, m, 0.5)).collect();
    let mut r: Vec<f32> = (0..n_layer).flat_map(|_| matrices(m, m, 0.05)).collect();
    for (idx, value) in r.iter_mut().enumerate() {
        let (row, column) = (idx / m % m, idx % m);
        *value += f32::from(row == column);
    }
    Tuned {
        state: TunedState {
            n_layer,
            n_head: h,
            head_size: n,
            key_size: n,
            layers,
            shifts: None,
        },
        lora: None,
        lift: Some(LiftValues {
            layers: (0..n_layer).collect(),
            n_head: h,
            head_size: n,
            upscaled_size: m,
            kind: LiftKind::Constant,
            gate: None,
            projection_seed: 3,
            weights,
            support_vectors: vec![0.125; n_layer * h * m * n],
            gamma: vec![1.0; n_layer * h],
            decorrelation: Some(r),
            mean: None,
        }),
    }
}

fn spec() -> RunSpec {
    let mut spec = RunSpec {
        name: "lifted".into(),
        device: DeviceChoice::Cpu,
        method: Method::Lifted(LiftSpec {
            features: FeatureSpec {
                upscaled_size: 64,
                ..FeatureSpec::default()
            },
            decorrelation: Some(DecorrelationSpec::default()),
            ..LiftSpec::default()
        }),
        ..RunSpec::default()
    };
    spec.training.steps = 200;
    spec
}

/// A lifted run with snapshots in `folder`.
fn store(folder: &Path, is_over: bool) -> RunStore {
    std::fs::create_dir_all(folder.join("snapshots")).unwrap();
    let run = RunId("lifted-0001".into());
    let mut store = RunStore::default();
    store.apply(Event::Run(
        run.clone(),
        RunEvent::Started {
            spec: Box::new(spec()),
            folder: folder.to_path_buf(),
            first_step: 0,
            notes: Vec::new(),
        },
    ));
    for step in STEPS {
        let snapshot = Snapshot {
            step,
            tuned: tuned(step),
        };
        write_snapshot(snapshot_file(folder, step), &snapshot).unwrap();
        store.apply(Event::Run(
            run.clone(),
            RunEvent::SnapshotReady {
                step,
                is_stored: true,
            },
        ));
    }
    if is_over {
        let outcome = RunOutcome::Stopped { step: 150 };
        store.apply(Event::Run(run, RunEvent::Ended(outcome)));
    }
    store
}

fn app(store: RunStore, worker: bool, change: impl FnOnce(&mut SavedState)) -> App {
    let mut state = SavedState {
        dock: Dock::at(Tab::States),
        draft: spec(),
        selected: vec![RunId("lifted-0001".into())],
        ..SavedState::default()
    };
    state.states.layer = 3;
    state.states.head = 1;
    change(&mut state);
    let worker = worker.then(|| Worker::spawn(|| ()).unwrap());
    let mut app = App::new(worker, state, PathBuf::from("runs"), Arc::new(|| ()));
    app.workspace.store = store;
    app
}

fn check(results: &mut SnapshotResults, name: &str, app: App, look: Appearance, labels: &[&str]) {
    let mut app = app;
    app.shell.appearance = look;
    let mut harness = harness(app, SIZE, look);
    wait_for(&mut harness, "2000 examples");
    for label in labels {
        wait_for(&mut harness, label);
    }
    picture(&mut harness, name);
    results.extend_harness(&mut harness);
}

#[test]
fn a_run_under_way_and_one_that_is_over() {
    let folder = tempfile::tempdir().unwrap();
    let mut results = SnapshotResults::new();
    let running = app(store(folder.path(), false), false, |_| ());
    let labels = ["Live", "S₀, 64 x 64"];
    check(
        &mut results,
        "states_running_dark",
        running,
        Appearance::Dark,
        &labels,
    );
    let over = app(store(folder.path(), true), false, |state| {
        state.states.kind = MatrixKind::Lifted;
        state.states.range = ColourRange::PerHead;
    });
    let labels = ["Its rank is at most N", "Constant dynamics"];
    check(
        &mut results,
        "states_lifted_light",
        over,
        Appearance::Light,
        &labels,
    );
}

#[test]
fn a_difference_of_two_steps_in_sequential_colours() {
    let folder = tempfile::tempdir().unwrap();
    let mut results = SnapshotResults::new();
    let differing = app(store(folder.path(), true), false, |state| {
        state.states.kind = MatrixKind::R;
        state.states.compare = CompareWith::Step(0);
        state.states.scale = Scale::Sequential;
        state.states.zoom.max = (0.5, 0.5).into();
    });
    let labels = ["minus that after step 0", "R, 64 x 64", "Whole"];
    check(
        &mut results,
        "states_difference_dark",
        differing,
        Appearance::Dark,
        &labels,
    );
}

#[test]
fn the_state_takes_up_the_words_of_a_text() {
    let folder = tempfile::tempdir().unwrap();
    let mut results = SnapshotResults::new();
    let following = app(store(folder.path(), true), true, |state| {
        state.states.follows_text = true;
        state.states.text = "What is the sum of two and three?".into();
        // It says how long the model took to load.
        state.shows_log = false;
    });
    let labels = ["S, 64 x 64", "What", "Norm of the state over the tokens"];
    check(
        &mut results,
        "states_text_dark",
        following,
        Appearance::Dark,
        &labels,
    );
}

#[test]
fn steps_and_heads_are_chosen_by_their_controls() {
    let folder = tempfile::tempdir().unwrap();
    let app = app(store(folder.path(), true), false, |_| ());
    let mut harness = harness(app, SIZE, Appearance::Dark);
    wait_for(&mut harness, "S₀ after step 150");
    harness.state_mut().states.settings.step = Some(50);
    wait_for(&mut harness, "S₀ after step 50");
    harness.get_by_label("Kept").click();
    wait_for(&mut harness, "S₀ after step 150");
    harness.get_by_label("L₀").click();
    wait_for(&mut harness, "L₀, 64 x 64");
    // The upper left of the grid is layer 0, head 0.
    let grid = harness.get_by_label("Grid of every head").rect();
    let at = grid.min + vec2(36.0, 26.0);
    harness.hover_at(at);
    harness.run_steps(2);
    harness.drag_at(at);
    harness.drop_at(at);
    harness.run_steps(2);
    wait_for(&mut harness, "Layer 0, head 0");
}

#[test]
fn the_steps_of_a_run_play() {
    let folder = tempfile::tempdir().unwrap();
    let app = app(store(folder.path(), true), false, |_| ());
    let mut harness = harness(app, SIZE, Appearance::Dark);
    wait_for(&mut harness, "S₀ after step 150");
    // From the end it begins anew.
    harness.get_by_label("Play the steps").click();
    let mut seen = Vec::new();
    for _ in 0..400 {
        harness.step();
        let step = harness.state().states.settings.step;
        if seen.last() != Some(&step) {
            seen.push(step);
        }
    }
    assert_eq!(
        seen[seen.len() - 5..],
        [Some(0), Some(50), Some(100), Some(150), None]
    );
    assert!(harness.query_by_label("Play the steps").is_some());
}
