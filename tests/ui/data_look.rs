//! A look at the training data before anything is trained on them.

use eframe::egui::vec2;
use egui_kittest::kittest::Queryable as _;
use egui_kittest::{Harness, SnapshotResults};
use gosling::data::Template;
use gosling::protocol::run_spec::DataSource;
use gosling::runs::RunStore;
use gosling::ui::app::App;
use gosling::ui::shared::tab::Tab;
use gosling::ui::shell::theme::Appearance;

use crate::click_through::click;
use crate::pictures::{app, harness, picture, wait_for};

/// A window that looks at its training data.
fn looking<'a>(look: Appearance, change: impl FnOnce(&mut App)) -> Harness<'a, App> {
    let mut app = app(RunStore::default(), Tab::Tune, look);
    change(&mut app);
    let mut harness = harness(app, vec2(1000.0, 700.0), look);
    wait_for(&mut harness, "held out");
    harness.get_by_label("Preview data…").click_accesskit();
    harness.run_steps(2);
    harness
}

#[test]
fn the_first_examples_are_shown_in_tokens() {
    let mut results = SnapshotResults::new();
    for (look, name) in [
        (Appearance::Dark, "data_dark"),
        (Appearance::Light, "data_light"),
    ] {
        let mut harness = looking(look, |_| ());
        wait_for(&mut harness, "2000 examples of");
        wait_for(&mut harness, "Example 1 of the first 20");
        picture(&mut harness, name);
        click(&mut harness, "Next");
        wait_for(&mut harness, "Example 2 of the first 20");
        click(&mut harness, "Back");
        wait_for(&mut harness, "Example 1 of the first 20");
        click(&mut harness, "Close");
        assert!(harness.query_by_label("Training data").is_none());
        results.extend_harness(&mut harness);
    }
}

#[test]
fn what_is_left_out_is_said_with_its_reason() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("texts.jsonl");
    let long = "1".repeat(90);
    let lines = format!(
        "{{\"prompt\":\"1+1 =\",\"completion\":\" 2\"}}\n{{\"prompt\":\"{long}\",\"completion\":\" 2\"}}\nno json\n{{\"text\":\"\"}}\n"
    );
    std::fs::write(&path, lines).unwrap();
    let mut harness = looking(Appearance::Dark, |app| {
        app.workspace.draft.data.source = DataSource::Jsonl {
            train: path,
            validation: None,
            template: Template::Plain,
        };
        app.workspace.draft.data.context_length = 64;
    });
    wait_for(&mut harness, "2 examples of");
    wait_for(&mut harness, "! 1 examples are longer than the context of");
    wait_for(&mut harness, "! 2 of 2 examples end in neither");
    wait_for(&mut harness, "! 2 lines cannot be used");
    wait_for(&mut harness, "texts.jsonl, line 3");
    wait_for(&mut harness, "texts.jsonl, line 4");
}

#[test]
fn files_that_are_gone_are_said() {
    let mut harness = looking(Appearance::Dark, |_| ());
    wait_for(&mut harness, "2000 examples of");
    click(&mut harness, "Close");
    harness.state_mut().workspace.draft.data.source = DataSource::Jsonl {
        train: "nowhere/texts.jsonl".into(),
        validation: None,
        template: Template::Plain,
    };
    harness.run_steps(2);
    harness.get_by_label("Preview data…").click_accesskit();
    harness.run_steps(2);
    wait_for(&mut harness, "texts.jsonl");
    wait_for(&mut harness, "× cannot open");
}
