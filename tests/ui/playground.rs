//! Prompts on the real worker: behind a run, called off, and of a model that is
//! not there.

use eframe::egui::{Key, vec2};
use egui_kittest::kittest::Queryable as _;
use egui_kittest::{Harness, SnapshotResults};
use gosling::data::Template;
use gosling::model::sampling::{Limits, Sampling};
use gosling::persist::blind_file::BlindSetup;
use gosling::protocol::command::GenerationRequest;
use gosling::protocol::run_spec::CheckpointSource;
use gosling::ui::app::App;
use gosling::ui::playground::blind::BlindTest;
use gosling::ui::shared::tab::Tab;
use gosling::ui::shell::theme::Appearance;

use crate::click_through::{click, small_spec, start, wait, wait_until, window};
use crate::fixtures;
use crate::pictures::{app, harness, picture, settle, wait_for};

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

/// A conversation on the left, saved as training data with what answered; a file that is
/// there is replaced only when the user says so.
#[test]
fn a_chat_is_saved_and_replaces_no_file_unasked() {
    let runs = tempfile::tempdir().unwrap();
    let mut harness = window(runs.path(), small_spec());
    let app = harness.state_mut();
    app.shell.shows_form = false;
    app.shell.dock.open(Tab::Playground);
    app.playground.settings.is_chat = true;
    app.playground.settings.max_tokens = 4;
    app.playground.settings.system = "Be short.".into();
    app.playground.message = "Who are you?".into();
    harness.run_steps(2);
    click(&mut harness, "Send");
    wait(&mut harness, "answered", |app| {
        app.workspace.queue.is_idle() && app.playground.turns.iter().all(|of| of.left.is_some())
    });
    click(&mut harness, "Save the chat, Untuned");
    wait_for(&mut harness, "Save the chat");
    let path = runs.path().join("chat.jsonl");
    let asked = harness.state().playground.saving.open.clone().unwrap();
    assert_eq!(asked.path, path.display().to_string());
    std::fs::write(&path, "mine").unwrap();
    click(&mut harness, "Save chat");
    wait_for(&mut harness, "exists already. Overwrite it?");
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "mine");
    click(&mut harness, "Keep file");
    click(&mut harness, "Save chat");
    click(&mut harness, "Overwrite file");
    let beside = runs.path().join("chat.jsonl.json");
    wait(&mut harness, "saved", |_| beside.is_file());
    assert!(harness.state().playground.saving.open.is_none());
    let line = std::fs::read_to_string(&path).unwrap();
    let line: serde_json::Value = serde_json::from_str(&line).unwrap();
    let of = |idx: usize| {
        (
            &line["messages"][idx]["role"],
            &line["messages"][idx]["content"],
        )
    };
    assert_eq!(of(0), (&"system".into(), &"Be short.".into()));
    assert_eq!(of(1), (&"user".into(), &"Who are you?".into()));
    let said: serde_json::Value = serde_json::from_slice(&std::fs::read(&beside).unwrap()).unwrap();
    let answer = &said["answers"][0];
    let model = gosling::model::mini::checkpoint().unwrap().fingerprint();
    assert_eq!(answer["model"]["fingerprint"], model.as_str());
    assert_eq!(answer["state"], serde_json::Value::Null);
    assert_eq!(answer["max_tokens"], 4);
}

/// Two prompts, one judged by the keyboard and one by the mouse: no name is seen before
/// the end, and what is saved is what was chosen.
#[test]
fn a_blind_test_is_judged_ended_and_gone_on_with() {
    let runs = tempfile::tempdir().unwrap();
    let mut spec = small_spec();
    spec.training.steps = 3;
    spec.training.warmup_steps = 0;
    spec.evaluation.before = false;
    spec.evaluation.after = false;
    let mut harness = window(runs.path(), spec);
    start(&mut harness);
    wait_until(&mut harness, "over", |run| run.status.is_over());
    wait(&mut harness, "exported", |app| {
        !app.workspace.store.runs()[0].exported.is_empty() && app.workspace.queue.is_idle()
    });
    let app = harness.state_mut();
    app.shell.shows_form = false;
    app.shell.dock.open(Tab::Playground);
    app.playground.settings.max_tokens = 3;
    app.playground.settings.blind_prompts = "What is 2+3?\nWho wrote\\nEmma?\n".into();
    harness.run_steps(2);
    click(&mut harness, "Blind test");
    click(&mut harness, "Start test");
    answered(&mut harness);
    wait_for(&mut harness, "Prompt 1 of 2");
    let answers = harness.state().workspace.store.generated.clone().unwrap();
    assert_eq!(answers.tuned.n_tokens, 3);
    assert!(harness.query_by_label("Untuned").is_none());
    assert!(harness.query_by_label("Tuned").is_none());
    harness.key_press(Key::ArrowLeft);
    harness.run_steps(2);
    answered(&mut harness);
    wait_for(&mut harness, "Prompt 2 of 2");
    click(&mut harness, "End test");
    wait_for(&mut harness, "1 of 2 prompts judged");
    // The same test goes on where it was.
    click(&mut harness, "Start test");
    answered(&mut harness);
    wait_for(&mut harness, "Prompt 2 of 2");
    click(&mut harness, "Prefer right");
    wait_for(&mut harness, "2 of 2 prompts judged");
    let text = std::fs::read_to_string(runs.path().join("blind.jsonl")).unwrap();
    let lines: Vec<serde_json::Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(lines.len(), 3);
    assert_eq!(
        (&lines[0]["a"], &lines[0]["b"]),
        (&"untuned".into(), &"click-0001".into())
    );
    assert_eq!(lines[0]["prompts"][1], "Who wrote\nEmma?");
    assert_eq!(lines[1]["preferred"], lines[1]["left"]);
    assert_ne!(lines[2]["preferred"], lines[2]["left"]);
    let outcome = harness.state().playground.blind.outcome.clone().unwrap();
    assert_eq!(outcome.result.n, 2);
    let n_tuned = lines[1..]
        .iter()
        .filter(|of| of["preferred"] == "b")
        .count();
    assert_eq!(outcome.result.b, n_tuned);
}

fn answered(harness: &mut Harness<'_, App>) {
    wait(harness, "answered", |app| {
        app.workspace.queue.is_idle() && app.playground.blind.on.is_some()
    });
    assert!(harness.query_by_label("Answer again").is_none());
}

/// A test whose answers wait for a judgement, and what comes out in the end.
#[test]
fn a_blind_test_as_it_is_seen() {
    let mut results = SnapshotResults::new();
    let folder = tempfile::tempdir().unwrap();
    for (look, is_over) in [(Appearance::Dark, false), (Appearance::Light, true)] {
        let mut store = fixtures::finished(folder.path());
        let prompt = fixtures::answers(&mut store);
        let mut app = app(store, Tab::Playground, look);
        app.playground.settings.is_blind = true;
        app.playground.settings.blind_prompts = "Who are you?\nWhat is 2+3?".into();
        app.playground.settings.blind_file = "blind.jsonl".into();
        app.playground.playing = Some(prompt.clone());
        let names = ["untuned".to_owned(), "standard-0001".to_owned()];
        let prompts = vec!["Who are you?".to_owned(), "What is 2+3?".to_owned()];
        let setup = BlindSetup::new(names, serde_json::Value::Null, prompts, 1);
        let answers = || ["I am a model.".to_owned(), "A goose.".to_owned()];
        let mut test = BlindTest {
            judgements: vec![setup.judgement(0, answers(), Some(true))],
            setup,
            path: "blind.jsonl".into(),
            request: GenerationRequest {
                spec: app.workspace.draft.clone(),
                state: None,
                other: None,
                alpha: 1.0,
                prompt: String::new(),
                tuned_prompt: None,
                sampling: Sampling::Greedy,
                limits: Limits::default(),
                max_tokens: 8,
                stops: Vec::new(),
            },
            format: Template::UserAssistant.prompt_format().unwrap(),
            asked: Some(prompt),
        };
        if is_over {
            let last = test.setup.judgement(1, answers(), None);
            test.judgements.push(last);
            app.playground.blind.outcome = Some(test.outcome());
        } else {
            app.playground.blind.on = Some(test);
        }
        app.shell.shows_form = false;
        let mut harness = harness(app, vec2(880.0, 620.0), look);
        settle(&mut harness);
        if is_over {
            wait_for(&mut harness, "2 of 2 prompts judged");
            wait_for(&mut harness, "Sign test without ties, two-sided: p = 1.000");
        } else {
            picture(&mut harness, "blind_dark");
            results.extend_harness(&mut harness);
        }
    }
}
