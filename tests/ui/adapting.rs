//! Adaptations: a folder as it is shown, and one that is begun and stopped.

use std::path::{Path, PathBuf};

use eframe::egui::vec2;
use egui_kittest::SnapshotResults;
use egui_kittest::kittest::Queryable as _;
use gosling::adapt::adaptation::Point;
use gosling::adapt::cost::Cost;
use gosling::adapt::folder::{AdaptedPart, CurveLine, Folder, ItemSeen, ScoreSeen, TABLE_FILE};
use gosling::adapt::outcome::{Kind, Outcome};
use gosling::adapt::spec::{AdaptSpec, Mode, Objective, preset};
use gosling::kernels::device::DeviceChoice;
use gosling::runs::RunStore;
use gosling::tuning::states::state_file::{Metadata, TunedState, write_safetensors};
use gosling::ui::shared::tab::Tab;
use gosling::ui::shell::theme::Appearance;

use crate::click_through::{click, small_spec, wait, window};
use crate::pictures::{app, harness, picture, wait_for};

fn outcome(name: &str, kind: Kind, n_right: usize, tokens: usize) -> Outcome {
    Outcome {
        name: name.into(),
        kind,
        right: (0..500).map(|idx| idx % 500 < n_right).collect(),
        valid: 1.0,
        cost: Cost::forward(500 * tokens),
        secs: 3.0,
        notes: Vec::new(),
        parts: Vec::new(),
        is_capped: false,
    }
}

fn point(step: usize) -> Point {
    let x = step as f64 / 60.0;
    Point {
        step,
        cost: Cost::trained(4000 * step),
        loss: Some(-0.2 - 0.9 * x),
        reward: None,
        agreement: None,
        entropy: Some(1.3 * (-3.0 * x).exp()),
        majority: None,
        n_different: None,
        length: None,
        valid: None,
        drift: 0.4 * x.sqrt(),
        n_moving: 1,
        learning_rate: 0.1,
    }
}

fn item(idx: usize) -> ItemSeen {
    ItemSeen {
        id: format!("biology/{}", idx + 1),
        prompt: "Which of these is a plant?\nA. cat\nB. oak\nC. stone\nD. river\nAnswer:".into(),
        right: idx % 5 != 3,
        answer: Some("1".into()),
        before: Some(if idx.is_multiple_of(3) { "0" } else { "1" }.into()),
        steps: 60,
        drift: 0.31,
        stop: None,
        answers: Vec::new(),
        guide: None,
        guide_wrote: None,
        guide_answer: None,
    }
}

/// The folder of an adaptation that is done.
pub fn fixture(path: &Path) -> PathBuf {
    let spec = AdaptSpec {
        objective: Objective::Information,
        ..preset("mmlu-information").unwrap()
    };
    let path = path.join("adapted");
    let folder = Folder::open(&path, &spec).unwrap();
    let outcomes = [
        outcome("the base", Kind::Base, 278, 74),
        outcome(
            "Information, one state, transductive",
            Kind::Adapted,
            400,
            1720,
        ),
        outcome("vote over 4 orders", Kind::Baseline, 383, 296),
        outcome("calibrated over the set", Kind::Baseline, 310, 74),
        outcome("3 solved questions in front", Kind::Baseline, 325, 260),
        outcome(
            "the state after 3 solved questions",
            Kind::Baseline,
            301,
            75,
        ),
    ];
    for mut outcome in outcomes {
        if outcome.kind == Kind::Adapted {
            outcome
                .notes
                .push("transductive: saw 500 of 500 test questions".into());
        }
        folder.add_outcome(&outcome).unwrap();
    }
    for step in 0..60 {
        folder
            .add_to_curve(&CurveLine {
                part: 0,
                point: Some(point(step)),
                score: None,
            })
            .unwrap();
        if step % 10 == 9 {
            folder
                .add_to_curve(&CurveLine {
                    part: 0,
                    point: None,
                    score: Some(ScoreSeen {
                        step: step + 1,
                        cost: Cost::trained(4800 * (step + 1)) + Cost::forward(37_000),
                        n_correct: 290 + 2 * step,
                        n_items: 500,
                    }),
                })
                .unwrap();
        }
    }
    folder
        .add_part(&AdaptedPart {
            first: 0,
            adapting: Cost::trained(280_000),
            answering: Cost::forward(37_000),
            secs: 3.0,
            valid: 1.0,
            items: (0..500).map(item).collect(),
            curve: Vec::new(),
            scored: Vec::new(),
        })
        .unwrap();
    // Written last, when all is measured.
    std::fs::write(path.join(TABLE_FILE), "what,kind\n").unwrap();
    path
}

/// A state of two layers of three heads of 8x8, with one number that is not 0.
fn state(layer: usize, head: usize, value: f32) -> TunedState {
    let mut layers = vec![vec![0.0; 3 * 64]; 2];
    layers[layer][head * 64 + 9] = value;
    TunedState {
        n_layer: 2,
        n_head: 3,
        head_size: 8,
        key_size: 8,
        layers,
        shifts: None,
    }
}

/// The folder of a state for each of three questions, from zero. The states of two were
/// kept, and one of the files is damaged.
fn fixture_of_items(path: &Path) -> PathBuf {
    let mut spec = preset("mmlu-information").unwrap();
    spec.mode = Mode::Item;
    spec.objective = Objective::OptionEntropy;
    spec.keep_states = 2;
    let path = path.join("items");
    let folder = Folder::open(&path, &spec).unwrap();
    folder
        .add_outcome(&outcome("the base", Kind::Base, 278, 74))
        .unwrap();
    let mut items: Vec<ItemSeen> = (0..3).map(item).collect();
    items[0].guide = Some("B".into());
    items[0].guide_answer = Some("1".into());
    items[0].guide_wrote = Some("B, for an oak grows.".into());
    folder
        .add_part(&AdaptedPart {
            first: 0,
            adapting: Cost::trained(900),
            answering: Cost::forward(300),
            secs: 1.0,
            valid: 1.0,
            items,
            curve: Vec::new(),
            scored: Vec::new(),
        })
        .unwrap();
    let states = path.join("states");
    std::fs::create_dir_all(&states).unwrap();
    let file = states.join("question-00001.safetensors");
    write_safetensors(&state(1, 2, 0.5), file, &Metadata::default()).unwrap();
    std::fs::write(states.join("question-00002.safetensors"), [7; 100]).unwrap();
    path
}

/// The head that moved most is large, beside the base; a state that was not kept and one
/// that cannot be read are told apart.
#[test]
fn the_state_of_a_question_is_looked_at_beside_the_base() {
    let folder = tempfile::tempdir().unwrap();
    let path = fixture_of_items(folder.path());
    let mut app = app(RunStore::default(), Tab::Adapt, Appearance::Dark);
    app.shell.shows_form = false;
    app.shell.shows_log = false;
    app.adapt.settings.item = 0;
    app.adapt.look_at(path);
    let mut harness = harness(app, vec2(1280.0, 1600.0), Appearance::Dark);
    wait_for(&mut harness, "Difference, layer 1, head 2");
    for label in [
        "The difference in every head",
        "Base, layer 1, head 2",
        "Adapted, layer 1, head 2",
        "What the guide wrote",
        "B, for an oak grows.",
        "Taken from the guide, answer B",
    ] {
        let mut found = harness.query_all_by_label_contains(label);
        assert!(found.next().is_some(), "{label}");
    }
    harness.state_mut().adapt.settings.item = 1;
    wait_for(&mut harness, "question-00002.safetensors");
    harness.state_mut().adapt.settings.item = 2;
    wait_for(&mut harness, "The state of this question was not kept");
    harness.state_mut().adapt.settings.item = 0;
    wait_for(&mut harness, "Difference, layer 1, head 2");
}

#[test]
fn an_adaptation_is_shown_beside_what_moves_no_state() {
    let folder = tempfile::tempdir().unwrap();
    let path = fixture(folder.path());
    let mut results = SnapshotResults::new();
    for (look, size, name) in [
        (Appearance::Dark, vec2(1280.0, 800.0), "adapt_dark"),
        (Appearance::Light, vec2(1280.0, 800.0), "adapt_light"),
        (Appearance::Dark, vec2(1024.0, 700.0), "adapt_narrow_dark"),
        (Appearance::Light, vec2(1024.0, 700.0), "adapt_narrow_light"),
    ] {
        let mut app = app(RunStore::default(), Tab::Adapt, look);
        app.shell.shows_form = false;
        app.shell.shows_log = false;
        app.adapt.look_at(path.clone());
        let mut harness = harness(app, size, look);
        wait_for(
            &mut harness,
            "Adaptation gains: 0.800 against 0.766 of vote over 4 orders",
        );
        picture(&mut harness, name);
        results.extend_harness(&mut harness);
    }
}

#[test]
fn nothing_adapted_yet() {
    let mut app = app(RunStore::default(), Tab::Adapt, Appearance::Dark);
    app.shell.shows_form = false;
    let mut harness = harness(app, vec2(1000.0, 620.0), Appearance::Dark);
    wait_for(&mut harness, "No adaptation yet");
    picture(&mut harness, "empty_adapt");
}

/// A process of the program adapts, is stopped, and goes on.
#[test]
fn an_adaptation_is_begun_stopped_and_gone_on_with() {
    let folder = tempfile::tempdir().unwrap();
    let mut harness = window(&folder.path().join("runs"), small_spec());
    let app = harness.state_mut();
    app.shell.shows_form = false;
    app.shell.dock.open(Tab::Adapt);
    app.adapt.program = env!("CARGO_BIN_EXE_gosling").into();
    let draft = &mut app.adapt.draft;
    draft.task.limit = Some(8);
    draft.update.batch = 4;
    draft.update.steps = 100_000;
    draft.baselines.measure = false;
    harness.run_steps(2);
    click(&mut harness, "Adapt the state");
    wait(&mut harness, "moving", |app| {
        app.adapt
            .shown
            .as_ref()
            .is_some_and(|shown| shown.points.len() >= 2)
    });
    assert_eq!(
        harness.state().adapt.shown.as_ref().unwrap().spec.device,
        DeviceChoice::Cpu
    );
    click(&mut harness, "Stop and save");
    wait(&mut harness, "stopped", |app| !app.adapt.is_on());
    wait_for(&mut harness, "goes on from here");
    let path = harness.state().adapt.settings.folder.clone().unwrap();
    assert!(path.starts_with(folder.path()) && path.join("midway.safetensors").is_file());
    let points = |path: &Path| Folder::at(path).curve().unwrap();
    let before = points(&path);
    click(&mut harness, "Adapt the state");
    wait(&mut harness, "moving again", |app| {
        let shown = app.adapt.shown.as_ref();
        shown.is_some_and(|shown| shown.points.len() > before.len() + 1)
    });
    click(&mut harness, "Stop and save");
    wait(&mut harness, "stopped again", |app| !app.adapt.is_on());
    // No step was taken twice.
    let steps: Vec<usize> = points(&path)
        .iter()
        .map(|line| line.point.as_ref().unwrap().step)
        .collect();
    assert_eq!(steps, (0..steps.len()).collect::<Vec<_>>());
}

/// What cannot be run is said before it is tried.
#[test]
fn an_objective_that_does_not_fit_is_said() {
    let mut app = app(RunStore::default(), Tab::Adapt, Appearance::Dark);
    app.shell.shows_form = false;
    app.adapt.draft.objective = Objective::Majority;
    let mut harness = harness(app, vec2(1000.0, 620.0), Appearance::Dark);
    wait_for(&mut harness, "needs written answers, but mmlu has options");
    assert!(harness.query_by_label("Adapt the state").is_some());
}
