//! Training data from the model, by the dialog and the program behind it.

use std::path::Path;

use egui_kittest::Harness;
use egui_kittest::kittest::Queryable as _;
use gosling::data::Template;
use gosling::protocol::run_spec::DataSource;
use gosling::ui::app::App;
use gosling::ui::shared::action::Action;

use crate::click_through::{click, small_spec, wait, window};
use crate::pictures::wait_for;

/// The window with the dialog open, and the program that draws the answers.
fn opened(runs: &Path) -> Harness<'static, App> {
    let mut harness = window(runs, small_spec());
    let ctx = harness.ctx.clone();
    harness.state_mut().apply(Action::OpenSampling, &ctx);
    wait_for(&mut harness, "Training data from the model");
    harness.state_mut().sampling.program = env!("CARGO_BIN_EXE_gosling").into();
    harness
}

#[test]
fn answers_of_the_model_become_the_data_of_the_configuration() {
    let runs = tempfile::tempdir().unwrap();
    let mut harness = opened(runs.path());
    let asked = harness.state_mut().sampling.open.as_mut().unwrap();
    assert!(asked.is_benchmark() && asked.state.is_none());
    asked.questions = "arc".into();
    asked.limit = 12;
    asked.samples = 16;
    asked.shots = 0;
    let path = runs.path().join("own.jsonl");
    asked.path = path.display().to_string();
    harness.run_steps(2);
    click(&mut harness, "Start sampling");
    wait(&mut harness, "answered", |app| !app.sampling.is_on());
    let told = harness.state().sampling.told.clone().unwrap().unwrap();
    assert!(told.contains("of 192 answers are right"), "{told}");
    // Of 16 draws of 3 or 4 options some are right for nearly every question.
    let text = std::fs::read_to_string(&path).unwrap();
    assert!((3..=12).contains(&text.lines().count()), "{text}");
    click(&mut harness, "Use as training data");
    assert!(harness.query_by_label("Start sampling").is_none());
    let want = DataSource::Jsonl {
        train: path,
        validation: None,
        template: Template::Plain,
    };
    assert_eq!(harness.state().workspace.draft.data.source, want);
}

#[test]
fn what_cannot_be_asked_is_said_in_the_dialog() {
    let runs = tempfile::tempdir().unwrap();
    let mut harness = opened(runs.path());
    let asked = harness.state_mut().sampling.open.as_mut().unwrap();
    asked.questions = "nowhere.jsonl".into();
    asked.path = runs.path().join("own.jsonl").display().to_string();
    harness.run_steps(2);
    click(&mut harness, "Start sampling");
    wait(&mut harness, "refused", |app| !app.sampling.is_on());
    let told = harness.state().sampling.told.clone().unwrap().unwrap_err();
    assert!(told.contains("no benchmark of that name"), "{told}");
    assert!(harness.query_by_label("Use as training data").is_none());
}
