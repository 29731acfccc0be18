//! A run from Start to Stop on the real worker, by the names of the controls.

use std::sync::Arc;
use std::time::{Duration, Instant};

use eframe::egui::vec2;
use egui_kittest::Harness;
use egui_kittest::kittest::Queryable as _;
use gosling::kernels::device::DeviceChoice;
use gosling::runs::run::{Run, RunStatus};
use gosling::ui::app::App;
use gosling::ui::theme::Appearance;
use gosling::ui::ui_state::{Tab, UiState};
use gosling::worker::Worker;
use gosling::worker::run_spec::RunSpec;

use crate::pictures::{harness, wait_for};

/// Long enough to be paused and stopped, of steps that take no time.
fn small_spec() -> RunSpec {
    let mut spec = RunSpec {
        name: "click".into(),
        device: DeviceChoice::Cpu,
        ..RunSpec::default()
    };
    spec.training.steps = 2000;
    spec.training.batch = 1;
    spec.training.validate_every = 0;
    spec.evaluation.limit = Some(4);
    spec.evaluation.few_shot = 0;
    spec.intervals.checkpoint = 0;
    spec
}

fn click(harness: &mut Harness<'_, App>, label: &str) {
    harness.get_by_label(label).click();
    harness.run_steps(2);
}

/// Draws until the only run is as `is_so` says.
fn wait_until(harness: &mut Harness<'_, App>, what: &str, is_so: impl Fn(&Run) -> bool) {
    let start = Instant::now();
    while !harness.state().store.runs().first().is_some_and(&is_so) {
        assert!(start.elapsed() < Duration::from_secs(180), "not {what}");
        std::thread::sleep(Duration::from_millis(20));
        harness.step();
    }
    harness.run_steps(2);
}

#[test]
fn a_run_is_started_paused_resumed_and_stopped() {
    let runs = tempfile::tempdir().unwrap();
    let worker = Worker::spawn(|| ()).unwrap();
    let state = UiState {
        draft: small_spec(),
        ..UiState::default()
    };
    let mut app = App::new(Some(worker), state, runs.path().into(), Arc::new(|| ()));
    app.begin();
    let mut harness = harness(app, vec2(1280.0, 800.0), Appearance::Dark);
    wait_for(&mut harness, "No runs yet");

    click(&mut harness, "Start");
    wait_until(&mut harness, "tuning", |run| run.step >= 2);
    click(&mut harness, "Pause");
    wait_until(&mut harness, "paused", |run| {
        matches!(run.status, RunStatus::Paused { .. })
    });
    let held_at = harness.state().store.runs()[0].step;
    wait_for(&mut harness, "Paused after step");

    click(&mut harness, "Resume");
    wait_until(&mut harness, "going on", |run| run.step > held_at);
    click(&mut harness, "States");
    assert_eq!(harness.state().state.tab, Tab::States);
    wait_for(&mut harness, "Every head");
    click(&mut harness, "Tune");

    click(&mut harness, "Stop");
    wait_until(&mut harness, "stopped", |run| {
        matches!(run.status, RunStatus::Stopped { .. })
    });
    let stopped = &harness.state().store.runs()[0];
    assert!(stopped.exported.iter().all(|state| state.path.is_file()));
    assert!(!stopped.exported.is_empty());
    let stopped_at = stopped.step;

    // What was stopped can be taken up again, and be stopped again.
    click(&mut harness, "Resume");
    wait_until(&mut harness, "taken up", |run| {
        !run.status.is_over() && run.step > stopped_at
    });
    click(&mut harness, "Stop");
    wait_until(&mut harness, "stopped again", |run| run.status.is_over());
    assert!(!harness.state().is_busy());
    assert_eq!(harness.state().store.runs().len(), 1);
}
