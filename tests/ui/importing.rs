//! A state of another program is compared both ways round on the real worker,
//! imported the way round that the user chooses, and started from.

use std::path::Path;

use egui_kittest::kittest::Queryable as _;
use gosling::protocol::run_spec::RunSpec;
use gosling::tuning::spec::StartState;
use gosling::tuning::states::state_file::{
    ExportFormat, Metadata, Orientation, PthDType, TunedState, export, read_state,
};
use gosling::ui::shared::action::Action;

use crate::click_through::{click, small_spec, window};
use crate::pictures::wait_for;

/// A state that is another one transposed, as another program would write it.
fn theirs(folder: &Path) -> (std::path::PathBuf, TunedState) {
    let (n_layer, n_head, n) = (6, 4, 64);
    let layer = |layer: usize| -> Vec<f32> {
        let values = (0..n_head * n * n).map(|idx| {
            let (row, column) = (idx / n % n, idx % n);
            0.01 * (row as f32 - 2.0 * column as f32 + layer as f32)
        });
        values.collect()
    };
    let state = TunedState {
        n_layer,
        n_head,
        head_size: n,
        key_size: n,
        layers: (0..n_layer).map(layer).collect(),
        shifts: None,
    };
    let path = folder.join("theirs.pth");
    let metadata = Metadata::default();
    export(
        &state,
        &metadata,
        ExportFormat::Pth(PthDType::F32),
        &path,
        false,
    )
    .unwrap();
    (path, state)
}

#[test]
fn a_state_is_compared_and_imported_the_way_round_that_is_chosen() {
    let runs = tempfile::tempdir().unwrap();
    let (path, state) = theirs(runs.path());
    let mut harness = window(runs.path(), small_spec());
    let ctx = harness.ctx.clone();
    harness.state_mut().apply(Action::OpenImport, &ctx);
    wait_for(&mut harness, "Import a state");
    assert!(harness.query_by_label("Import and start from it").is_none());
    harness
        .state_mut()
        .import
        .open
        .as_mut()
        .unwrap()
        .choose(&path);
    harness.run_steps(2);
    click(&mut harness, "Compare orders");
    wait_for(&mut harness, "better than zero by");
    // The format says which way round it is.
    let open = harness.state().import.open.clone().unwrap();
    assert_eq!(open.orientation, Some(Orientation::ValueKey));
    click(&mut harness, "transposed");
    click(&mut harness, "Import and start from it");
    wait_for(&mut harness, "which the configuration starts from");
    let written = runs.path().join("theirs-imported.safetensors");
    let RunSpec { method, .. } = &harness.state().workspace.draft;
    let (_, start) = method.tuned().unwrap();
    assert_eq!(*start, StartState::File(written.clone()));
    let (read, _) = read_state(&written, None).unwrap();
    assert_eq!(read.layers, state.transposed().layers);
    assert_ne!(read.layers, state.layers);
}

#[test]
fn what_is_no_state_is_said_in_the_dialog() {
    let runs = tempfile::tempdir().unwrap();
    let path = runs.path().join("theirs.st");
    std::fs::write(&path, "no state").unwrap();
    let mut harness = window(runs.path(), small_spec());
    let ctx = harness.ctx.clone();
    harness.state_mut().apply(Action::OpenImport, &ctx);
    wait_for(&mut harness, "Import a state");
    let open = harness.state_mut().import.open.as_mut().unwrap();
    open.choose(&path);
    harness.run_steps(2);
    click(&mut harness, "Compare orders");
    wait_for(&mut harness, "theirs.st");
    let open = harness.state().import.open.clone().unwrap();
    assert!(matches!(open.found, Some((_, Err(_)))), "{:?}", open.found);
    assert!(harness.query_by_label("Import and start from it").is_none());
}
