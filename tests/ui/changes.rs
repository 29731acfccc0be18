//! A run that goes on with other data than it was made from, on the real worker, by
//! the names of the controls.

use egui_kittest::kittest::Queryable as _;
use gosling::data::Template;
use gosling::protocol::run_spec::{DataSource, RunSpec};
use gosling::runs::run::RunStatus;

use crate::click_through::{click, small_spec, start, wait, wait_until, window};
use crate::pictures::wait_for;

/// Writes a training set of `n` sums.
fn write_rows(path: &std::path::Path, n: usize) {
    let row = |n: usize| {
        let line = serde_json::json!({
            "prompt": format!("{n} and 1"),
            "completion": format!(" is {}\n\n", n + 1),
        });
        format!("{line}\n")
    };
    std::fs::write(path, (0..n).map(row).collect::<String>()).unwrap();
}

#[test]
fn a_run_whose_data_changed_is_resumed_when_that_is_accepted() {
    let runs = tempfile::tempdir().unwrap();
    let data = runs.path().join("train.jsonl");
    write_rows(&data, 6);
    let mut spec: RunSpec = small_spec();
    spec.data.source = DataSource::Jsonl {
        train: data.clone(),
        validation: None,
        template: Template::Plain,
    };
    spec.evaluation.before = false;
    spec.evaluation.after = false;
    let mut harness = window(&runs.path().join("runs"), spec);
    start(&mut harness);
    wait_until(&mut harness, "tuning", |run| run.step >= 2);
    click(&mut harness, "Stop");
    wait_until(&mut harness, "stopped", |run| {
        matches!(run.status, RunStatus::Stopped { .. })
    });
    let stopped_at = harness.state().workspace.store.runs()[0].step;
    write_rows(&data, 7);

    click(&mut harness, "Resume");
    wait(&mut harness, "refused", |app| {
        !app.workspace.notices.is_empty() && app.workspace.queue.is_idle()
    });
    wait_for(&mut harness, "the data were ");
    let run = &harness.state().workspace.store.runs()[0];
    assert_eq!((run.step, run.status.is_over()), (stopped_at, true));

    click(&mut harness, "Resume with the changes");
    wait_until(&mut harness, "going on", |run| {
        !run.status.is_over() && run.step > stopped_at
    });
    assert!(harness.query_by_label("Resume with the changes").is_none());
    let run = &harness.state().workspace.store.runs()[0];
    let is_told = |note: &String| note.starts_with("continued although the data were ");
    assert!(run.notes.iter().any(is_told), "{:?}", run.notes);
    let inputs = std::fs::read_to_string(run.folder.join("inputs.json")).unwrap();
    assert!(inputs.contains("accepted"), "{inputs}");
    click(&mut harness, "Stop");
    wait_until(&mut harness, "stopped again", |run| run.status.is_over());
    wait(&mut harness, "idle", |app| app.workspace.queue.is_idle());

    // It is accepted for good: what the run was made from is what it is now.
    click(&mut harness, "Resume");
    wait_until(&mut harness, "going on", |run| !run.status.is_over());
    click(&mut harness, "Stop");
    wait_until(&mut harness, "stopped again", |run| run.status.is_over());
}
