//! The adapters of a LoRA run in the view of states: A, B and what they add.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use eframe::egui::vec2;
use egui_kittest::Harness;
use egui_kittest::kittest::Queryable as _;
use gosling::kernels::device::DeviceChoice;
use gosling::model::adapter::AdapterTarget;
use gosling::persist::run_folder::snapshot_file;
use gosling::protocol::event::{Event, RunEvent, RunId, RunOutcome};
use gosling::protocol::run_spec::RunSpec;
use gosling::runs::RunStore;
use gosling::tuning::inspect::head_matrices::MatrixKind;
use gosling::tuning::method::lora_values::{LoraFactors, LoraValues};
use gosling::tuning::method::tuned::Tuned;
use gosling::tuning::spec::{LoraSpec, Method};
use gosling::tuning::states::snapshot_file::{Snapshot, write_snapshot};
use gosling::tuning::states::state_file::TunedState;
use gosling::ui::app::App;
use gosling::ui::app::saved::SavedState;
use gosling::ui::shared::tab::Tab;
use gosling::ui::shell::docking::Dock;
use gosling::ui::shell::theme::Appearance;

use crate::pictures::{harness, wait_for};

const STEPS: [usize; 2] = [0, 50];
const RANK: usize = 3;

/// Adapters beside two matrices of two layers; B grows with the steps.
fn tuned(step: usize) -> Tuned {
    let factors = [
        (AdapterTarget::Key, 64, 64),
        (AdapterTarget::FfnValue, 64, 256),
    ];
    let factors = factors.into_iter().map(|(target, n_out, n_in)| {
        let wave = |n: usize, size: f32| -> Vec<f32> {
            (0..n).map(|idx| size * (0.37 * idx as f32).sin()).collect()
        };
        LoraFactors {
            target,
            n_out,
            n_in,
            a: wave(2 * RANK * n_in, 1.0),
            b: wave(2 * n_out * RANK, step as f32 / 50.0),
        }
    });
    let (n_layer, n_head, n) = (4, 2, 32);
    Tuned {
        state: TunedState {
            n_layer,
            n_head,
            head_size: n,
            key_size: n,
            layers: vec![vec![0.0; n_head * n * n]; n_layer],
            shifts: None,
        },
        lift: None,
        lora: Some(LoraValues {
            layers: vec![1, 3],
            rank: RANK,
            alpha: 6.0,
            factors: factors.collect(),
        }),
    }
}

fn store(folder: &Path) -> RunStore {
    std::fs::create_dir_all(folder.join("snapshots")).unwrap();
    let run = RunId("lora-0001".into());
    let mut spec = RunSpec {
        name: "lora".into(),
        device: DeviceChoice::Cpu,
        method: Method::Lora(LoraSpec {
            rank: RANK,
            alpha: 6.0,
            ..LoraSpec::default()
        }),
        ..RunSpec::default()
    };
    spec.training.steps = 50;
    let mut store = RunStore::default();
    store.apply(Event::Run(
        run.clone(),
        RunEvent::Started {
            spec: Box::new(spec),
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
    let outcome = RunOutcome::Stopped { step: 50 };
    store.apply(Event::Run(run, RunEvent::Ended(outcome)));
    store
}

fn app(folder: &Path) -> App {
    let mut state = SavedState {
        dock: Dock::at(Tab::States),
        selected: vec![RunId("lora-0001".into())],
        ..SavedState::default()
    };
    state.states.layer = 3;
    let mut app = App::new(None, state, PathBuf::from("runs"), Arc::new(|| ()));
    app.workspace.store = store(folder);
    app
}

fn turn_to(harness: &mut Harness<'_, App>, kind: MatrixKind) {
    harness.state_mut().states.settings.turn_to(kind);
}

#[test]
fn adapters_and_their_products_are_looked_at_by_layer_and_matrix() {
    let folder = tempfile::tempdir().unwrap();
    let app = app(folder.path());
    let mut harness = harness(app, vec2(1280.0, 800.0), Appearance::Dark);
    wait_for(&mut harness, "S₀ after step 50");
    wait_for(&mut harness, "This run trains adapters, A and B");
    assert!(harness.query_by_label("Q^T Z").is_none());
    harness.get_by_label("B A").click();
    // There is none beside the receptance, which is said and not drawn as zeros.
    wait_for(
        &mut harness,
        "There is no adapter at layer 3, att.receptance",
    );
    harness.state_mut().states.settings.target = AdapterTarget::FfnValue as usize;
    wait_for(&mut harness, "B A, 64 x 256");
    wait_for(&mut harness, "its rank is at most 3, alpha is 6");
    wait_for(&mut harness, "Layer 3, ffn.value");
    assert!(harness.query_by_label("Measure heads").is_none());
    turn_to(&mut harness, MatrixKind::A);
    wait_for(&mut harness, "A, 3 x 256");
    turn_to(&mut harness, MatrixKind::B);
    wait_for(&mut harness, "B, 64 x 3");
    // Another step is another B.
    harness.state_mut().states.settings.step = Some(0);
    wait_for(&mut harness, "B after step 0");
    // The fourth row and the second column of the grid, the key of layer 3.
    let grid = harness.get_by_label("Grid of every adapter").rect();
    let side = (grid.width() - 26.0) / 6.0;
    let at = grid.min + vec2(26.0 + 1.5 * side, 16.0 + 3.5 * side);
    harness.hover_at(at);
    harness.run_steps(2);
    harness.drag_at(at);
    harness.drop_at(at);
    harness.run_steps(2);
    wait_for(&mut harness, "Layer 3, att.key");
    wait_for(&mut harness, "B, 64 x 3");
    // The state is as it was, with its own head.
    turn_to(&mut harness, MatrixKind::S0);
    wait_for(&mut harness, "Layer 3, head 0");
    assert_eq!(harness.state().states.settings.kind, MatrixKind::S0);
    assert!(harness.query_by_label("Grid of every head").is_some());
}
