//! A real sweep in the window, by the names of the controls.

use eframe::egui::{Vec2, vec2};
use egui_kittest::kittest::Queryable as _;
use gosling::runs::RunStore;
use gosling::sweep::spec::{Axis, Search};
use gosling::sweep::values::{FieldValue, Values};
use gosling::ui::theme::Appearance;
use gosling::ui::ui_state::Tab;
use gosling::worker::event::RunId;

use crate::pictures::{app, harness, wait_for};

const SIZE: Vec2 = vec2(1280.0, 800.0);

/// Two runs of the mini model, begun, followed and looked at by labels alone.
#[test]
fn a_sweep_from_start_to_table() {
    let folder = tempfile::tempdir().unwrap();
    let mut app = app(RunStore::default(), Tab::Sweep, Appearance::Dark);
    app.runs_in(folder.path().join("runs"));
    app.sweep.program = env!("CARGO_BIN_EXE_gosling").into();
    let draft = &mut app.state.draft;
    draft.training.steps = 3;
    draft.training.batch = 1;
    draft.training.warmup_steps = 1;
    draft.training.validate_every = 3;
    draft.training.validation_limit = Some(2);
    draft.evaluation.before = false;
    draft.evaluation.few_shot = 0;
    draft.evaluation.limit = Some(2);
    app.sweep.draft.parts[0].search = Search::Grid(vec![Axis {
        field: "training.learning_rate".into(),
        values: Values::List(["0.1", "0.2"].map(|rate| FieldValue(rate.into())).to_vec()),
    }]);
    let mut harness = harness(app, SIZE, Appearance::Dark);
    wait_for(&mut harness, "2 runs");
    harness.get_by_label("Start sweep").click();
    wait_for(&mut harness, "3 of 3 done");
    harness.get_by_label("Table").click();
    wait_for(&mut harness, "Run sweep-1.0001");
    harness.get_by_label("Run sweep-1.0001").click();
    harness.run_steps(2);
    let selected = RunId("sweep-1.0001".into());
    assert_eq!(harness.state().state.selected, [selected]);
    assert!(!harness.state().sweep.is_on());
    let table = folder.path().join("runs/sweeps/sweep-1/runs.csv");
    assert!(table.is_file());
}
