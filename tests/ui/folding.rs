//! A plain state for other programs in place of a lifted one, from the dialog that
//! exports.

use egui_kittest::Harness;
use egui_kittest::kittest::Queryable as _;
use gosling::data::Benchmark;
use gosling::protocol::run_spec::DataSource;
use gosling::tuning::spec::{FeatureSpec, LiftSpec, Method, SupportVectors};
use gosling::tuning::states::state_file::read_state;
use gosling::ui::app::App;
use gosling::ui::shared::action::Action;

use crate::click_through::{click, small_spec, start, wait, wait_until, window};
use crate::pictures::wait_for;

fn outcome(app: &App) -> Option<Result<String, String>> {
    app.export
        .open
        .as_ref()
        .and_then(|asked| asked.outcome.clone())
}

/// Begins to fit with so many steps.
fn begin(harness: &mut Harness<'_, App>, steps: usize) {
    let asked = harness.state_mut().export.open.as_mut().unwrap();
    asked.fold.as_mut().unwrap().steps = steps;
    harness.run_steps(2);
    click(harness, "Fit and export");
    assert!(harness.state().export.is_folding());
}

#[test]
fn a_lifted_run_is_exported_as_the_plain_state_that_comes_nearest() {
    let runs = tempfile::tempdir().unwrap();
    let mut spec = small_spec();
    spec.data.source = DataSource::Mini(Benchmark::Arc);
    spec.data.train_limit = Some(24);
    spec.method = Method::Lifted(LiftSpec {
        features: FeatureSpec {
            upscaled_size: 64,
            support_vectors: SupportVectors::Random,
            ..FeatureSpec::default()
        },
        ..LiftSpec::default()
    });
    (spec.training.steps, spec.training.warmup_steps) = (3, 0);
    (spec.evaluation.before, spec.evaluation.after) = (false, false);
    let mut harness = window(runs.path(), spec);
    start(&mut harness);
    wait_until(&mut harness, "over", |run| run.status.is_over());
    wait(&mut harness, "exported", |app| {
        !app.workspace.store.runs()[0].exported.is_empty() && app.workspace.queue.is_idle()
    });
    let run = harness.state().workspace.store.runs()[0].id.clone();
    let ctx = harness.ctx.clone();
    harness.state_mut().apply(Action::OpenExport(run), &ctx);
    harness.state_mut().export.program = env!("CARGO_BIN_EXE_gosling").into();
    wait_for(&mut harness, "Export the state");
    let path = runs.path().join("folded.pth");
    let asked = harness.state_mut().export.open.as_mut().unwrap();
    asked.path = path.display().to_string();
    assert!(!asked.folds());
    click(&mut harness, "Fit a plain state to the lifted model");
    // It is stopped, and then nothing is there.
    begin(&mut harness, 100_000);
    wait(&mut harness, "stepping", |app| {
        let asked = app.export.open.as_ref().unwrap();
        asked
            .told
            .as_ref()
            .is_some_and(|told| told.starts_with("step "))
    });
    click(&mut harness, "Stop fitting");
    wait(&mut harness, "stopped", |app| !app.export.is_folding());
    let said = outcome(harness.state()).unwrap().unwrap_err();
    assert!(
        said.contains("nothing was written") && !path.exists(),
        "{said}"
    );
    begin(&mut harness, 2);
    wait(&mut harness, "fitted", |app| !app.export.is_folding());
    let said = outcome(harness.state()).unwrap().unwrap();
    // Of the lifted model, of S_0 alone and of what was written.
    for part in [
        "lifted ",
        "S_0 alone",
        "folded ",
        "arc-mini acc",
        "folded.pth",
    ] {
        assert!(said.contains(part), "{part} in {said}");
    }
    assert_eq!(read_state(&path, None).unwrap().0.n_layer, 6);
    assert!(harness.query_by_label("Stop fitting").is_none());
    click(&mut harness, "Close");
    assert!(harness.state().export.open.is_none());
}
