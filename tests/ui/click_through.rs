//! A run from Start to Stop on the real worker, by the names of the controls.

use std::sync::Arc;
use std::time::{Duration, Instant};

use eframe::egui::vec2;
use egui_kittest::Harness;
use egui_kittest::kittest::Queryable as _;
use gosling::kernels::device::DeviceChoice;
use gosling::protocol::run_spec::RunSpec;
use gosling::runs::run::{Run, RunStatus};
use gosling::ui::app::App;
use gosling::ui::app::saved::SavedState;
use gosling::ui::shared::action::Action;
use gosling::ui::shared::tab::Tab;
use gosling::ui::shell::theme::Appearance;
use gosling::worker::Worker;

use crate::pictures::{harness, wait_for};

/// Long enough to be paused and stopped, of steps that take no time.
pub fn small_spec() -> RunSpec {
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

pub fn click(harness: &mut Harness<'_, App>, label: &str) {
    harness.get_by_label(label).click();
    harness.run_steps(2);
}

/// Starts the run, without the mouse.
pub fn start(harness: &mut Harness<'_, App>) {
    harness.get_by_label("Start").click_accesskit();
    harness.run_steps(2);
}

/// Draws until the only run is as `is_so` says.
pub fn wait_until(harness: &mut Harness<'_, App>, what: &str, is_so: impl Fn(&Run) -> bool) {
    let start = Instant::now();
    while !harness
        .state()
        .workspace
        .store
        .runs()
        .first()
        .is_some_and(&is_so)
    {
        assert!(start.elapsed() < Duration::from_secs(180), "not {what}");
        std::thread::sleep(Duration::from_millis(20));
        harness.step();
    }
    harness.run_steps(2);
}

/// A window on a worker of its own.
pub fn window<'a>(runs: &std::path::Path, draft: RunSpec) -> Harness<'a, App> {
    let worker = Worker::spawn(|| ()).unwrap();
    let state = SavedState {
        draft,
        ..SavedState::default()
    };
    let mut app = App::new(Some(worker), state, runs.into(), Arc::new(|| ()));
    app.begin();
    let mut harness = harness(app, vec2(1280.0, 800.0), Appearance::Dark);
    wait_for(&mut harness, "No runs yet");
    harness
}

/// Draws until the window is as `is_so` says.
pub fn wait(harness: &mut Harness<'_, App>, what: &str, is_so: impl Fn(&App) -> bool) {
    let start = Instant::now();
    while !is_so(harness.state()) {
        assert!(start.elapsed() < Duration::from_secs(180), "not {what}");
        std::thread::sleep(Duration::from_millis(20));
        harness.step();
    }
    harness.run_steps(2);
}

#[test]
fn runs_wait_are_taken_back_and_a_state_is_exported_and_tried() {
    let runs = tempfile::tempdir().unwrap();
    let mut harness = window(runs.path(), small_spec());
    start(&mut harness);
    wait_until(&mut harness, "tuning", |run| run.step >= 2);
    click(&mut harness, "Start after the current run");
    wait(&mut harness, "waiting", |app| {
        app.workspace.queue.waiting().len() == 1
    });
    wait_for(&mut harness, "1. click, queued");
    click(&mut harness, "Remove click (position 1) from the queue");
    assert_eq!(harness.state().workspace.queue.waiting().len(), 0);

    click(&mut harness, "Stop");
    wait_until(&mut harness, "stopped", |run| run.status.is_over());
    wait(&mut harness, "exported", |app| {
        !app.workspace.store.runs()[0].exported.is_empty() && app.workspace.queue.is_idle()
    });
    let id = harness.state().workspace.store.runs()[0].id.clone();
    let ctx = harness.ctx.clone();
    harness.state_mut().apply(Action::OpenExport(id), &ctx);
    wait_for(&mut harness, "Export the state");
    click(&mut harness, "Export state");
    wait_for(&mut harness, "read back and compared");
    let folder = harness.state().workspace.store.runs()[0].folder.clone();
    assert!(folder.join("click-0001-export.pth").is_file());
    click(&mut harness, "Close");

    click(&mut harness, "Playground");
    harness.state_mut().playground.settings.max_tokens = 6;
    harness.run_steps(2);
    click(&mut harness, "Answer");
    wait(&mut harness, "answered", |app| {
        app.workspace
            .store
            .generated
            .as_ref()
            .is_some_and(|texts| texts.untuned.end.is_some() && texts.tuned.end.is_some())
    });
    let texts = harness.state().workspace.store.generated.clone().unwrap();
    assert!(!texts.untuned.text.is_empty());
    assert!(
        harness.state().workspace.queue.is_idle() || harness.state().workspace.queue.is_empty()
    );

    // A run that is over is moved away and put back.
    let id = harness.state().workspace.store.runs()[0].id.clone();
    harness.state_mut().apply(Action::Delete(vec![id]), &ctx);
    wait_for(&mut harness, "was moved to .deleted");
    assert!(harness.state().workspace.store.runs().is_empty() && !folder.exists());
    click(&mut harness, "Undo");
    wait(&mut harness, "put back", |app| {
        app.workspace.store.runs().len() == 1
    });
    assert!(folder.join("spec.ron").is_file());
}

#[test]
fn a_run_is_started_paused_resumed_and_stopped() {
    let runs = tempfile::tempdir().unwrap();
    let mut harness = window(runs.path(), small_spec());

    start(&mut harness);
    wait_until(&mut harness, "tuning", |run| run.step >= 2);
    click(&mut harness, "Pause");
    wait_until(&mut harness, "paused", |run| {
        matches!(run.status, RunStatus::Paused { .. })
    });
    let held_at = harness.state().workspace.store.runs()[0].step;
    wait_for(&mut harness, "Paused after step");

    click(&mut harness, "Resume");
    wait_until(&mut harness, "going on", |run| run.step > held_at);
    click(&mut harness, "States");
    assert_eq!(harness.state().shell.dock.front(), Tab::States);
    wait_for(&mut harness, "Every head");
    click(&mut harness, "Tune");

    click(&mut harness, "Stop");
    wait_until(&mut harness, "stopped", |run| {
        matches!(run.status, RunStatus::Stopped { .. })
    });
    let stopped = &harness.state().workspace.store.runs()[0];
    assert!(stopped.exported.iter().all(|state| state.path.is_file()));
    assert!(!stopped.exported.is_empty());
    let stopped_at = stopped.step;

    // What was stopped can be resumed, and be stopped again.
    click(&mut harness, "Resume");
    wait_until(&mut harness, "taken up", |run| {
        !run.status.is_over() && run.step > stopped_at
    });
    click(&mut harness, "Stop");
    wait_until(&mut harness, "stopped again", |run| run.status.is_over());
    assert!(!harness.state().is_busy());
    assert_eq!(harness.state().workspace.store.runs().len(), 1);
}
