//! Prompts on the real worker: behind a run, called off, and of a model that is
//! not there.

use egui_kittest::kittest::Queryable as _;
use gosling::protocol::run_spec::CheckpointSource;
use gosling::ui::shared::tab::Tab;

use crate::click_through::{click, small_spec, start, wait, wait_until, window};
use crate::pictures::wait_for;

#[test]
fn a_prompt_of_a_model_that_is_not_there_can_be_asked_again() {
    let runs = tempfile::tempdir().unwrap();
    let mut harness = window(runs.path(), small_spec());
    let app = harness.state_mut();
    app.shell.shows_form = false;
    let vanished = runs.path().join("vanished.pth");
    app.workspace.draft.model.checkpoint = CheckpointSource::File(vanished);
    app.shell.dock.open(Tab::Playground);
    harness.run_steps(2);
    click(&mut harness, "Answer");
    wait(&mut harness, "done", |app| {
        app.workspace.queue.is_idle() && app.playground.playing.is_some()
    });
    wait_for(&mut harness, "vanished.pth");
    // Neither a wheel that turns for ever nor a Stop that stops nothing.
    assert!(harness.query_by_label("Stop").is_none());
    harness.state_mut().workspace.draft = small_spec();
    harness.state_mut().playground.settings.max_tokens = 3;
    click(&mut harness, "Answer");
    wait(&mut harness, "answered", |app| {
        app.workspace.queue.is_idle()
    });
    let texts = harness.state().workspace.store.generated.clone().unwrap();
    assert_eq!(texts.untuned.n_tokens, 3);
}

#[test]
fn a_prompt_behind_a_run_is_called_off_at_once() {
    let runs = tempfile::tempdir().unwrap();
    let mut harness = window(runs.path(), small_spec());
    start(&mut harness);
    wait_until(&mut harness, "tuning", |run| run.step >= 2);
    harness.state_mut().shell.dock.open(Tab::Playground);
    harness.run_steps(2);
    click(&mut harness, "Answer");
    wait_for(&mut harness, "Waiting for the run to end");
    click(&mut harness, "Stop");
    assert!(harness.query_by_label("Answer").is_some());
    assert!(!harness.state().workspace.store.runs()[0].status.is_over());

    harness.state_mut().shell.dock.open(Tab::Tune);
    harness.run_steps(2);
    click(&mut harness, "Stop");
    wait_until(&mut harness, "stopped", |run| run.status.is_over());
    wait(&mut harness, "idle", |app| app.workspace.queue.is_idle());
    assert_eq!(harness.state().workspace.store.generated, None);
}
