//! Ways through the window on the real worker, and ways on where something is
//! gone: another measurement of a run, files that are dropped, a worker that
//! ended, a folder that vanished, a window that is closed in the middle.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use eframe::egui::{DroppedFile, ViewportEvent, ViewportId, vec2};
use egui_kittest::Harness;
use egui_kittest::kittest::Queryable as _;
use gosling::data::{Benchmark, Split};
use gosling::model::mini;
use gosling::persist::spec_file::print_spec;
use gosling::protocol::command::Command;
use gosling::protocol::event::RunId;
use gosling::protocol::run_spec::{CheckpointSource, DataSource, RunSpec, VocabularySource};
use gosling::runs::run::Run;
use gosling::tuning::spec::{Method, StartState};
use gosling::ui::app::App;
use gosling::ui::app::saved::SavedState;
use gosling::ui::dialogs::scoring::ScoringDialog;
use gosling::ui::shared::action::Action;
use gosling::ui::shared::tab::Tab;
use gosling::ui::shell::closing::Closing;
use gosling::ui::shell::path_dialogs::PathFor;
use gosling::ui::shell::theme::Appearance;
use gosling::worker::Worker;

use crate::click_through::{click, small_spec, start, wait, wait_until, window};
use crate::fixtures;
use crate::pictures::{app, harness, wait_for};

/// A file of the system's.
#[derive(Debug)]
struct File(PathBuf);

impl DroppedFile for File {
    fn path(&self) -> &Path {
        &self.0
    }

    fn bytes(&self) -> Result<Vec<u8>, String> {
        std::fs::read(&self.0).map_err(|error| error.to_string())
    }
}

fn drop_on(harness: &mut Harness<'_, App>, path: &Path) {
    let file = Arc::new(File(path.to_path_buf()));
    harness.input_mut().dropped_files.push(file);
    harness.run_steps(2);
}

/// Three steps, and nothing measured but by hand.
fn short_spec() -> RunSpec {
    let mut spec = small_spec();
    spec.training.steps = 3;
    spec.training.warmup_steps = 0;
    spec.evaluation.before = false;
    spec.evaluation.after = false;
    spec
}

#[test]
fn a_run_that_is_over_is_measured_on_another_benchmark() {
    let runs = tempfile::tempdir().unwrap();
    let mut harness = window(runs.path(), short_spec());
    start(&mut harness);
    wait_until(&mut harness, "finished", |run| run.status.is_over());
    wait(&mut harness, "idle", |app| app.workspace.queue.is_idle());
    click(&mut harness, "Compare");
    wait_for(&mut harness, "No results yet");
    click(&mut harness, "Measure accuracy…");
    wait_for(&mut harness, "every item is kept");
    let asked = harness.state_mut().scoring.open.as_mut().unwrap();
    assert!(asked.request.is_tuned && asked.request.benchmark == Benchmark::Gsm8k);
    asked.request.benchmark = Benchmark::Arc;
    asked.request.split = Split::Validation;
    asked.request.limit = Some(6);
    harness.run_steps(2);
    let close = |harness: &Harness<'_, App>| harness.get_by_label("Close").rect();
    let before = close(&harness);
    click(&mut harness, "Measure");
    assert_eq!(close(&harness), before, "the buttons move");
    wait(&mut harness, "measured", |app| {
        let scoring = app.workspace.store.scoring.as_ref();
        scoring.is_some_and(|scoring| !scoring.is_on)
    });
    let folder = harness.state().workspace.store.runs()[0].folder.clone();
    let file = folder.join("eval/arc-mini-validation-without-token-0-first-6.jsonl");
    assert!(file.is_file());
    click(&mut harness, "Show in Compare");
    wait_for(&mut harness, "arc-mini, validation");

    // One that is stopped leaves nothing behind.
    let id = harness.state().workspace.store.runs()[0].id.clone();
    let ctx = harness.ctx.clone();
    harness.state_mut().apply(Action::OpenScoring(id), &ctx);
    harness
        .state_mut()
        .scoring
        .open
        .as_mut()
        .unwrap()
        .request
        .limit = None;
    harness.run_steps(2);
    click(&mut harness, "Measure");
    wait(&mut harness, "scored", |app| {
        let scoring = app.workspace.store.scoring.as_ref();
        scoring.is_some_and(|scoring| scoring.is_on && scoring.total > 0)
    });
    click(&mut harness, "Stop");
    wait_for(&mut harness, "nothing was written");
    assert_eq!(std::fs::read_dir(folder.join("eval")).unwrap().count(), 1);
    wait(&mut harness, "idle", |app| app.workspace.queue.is_idle());
}

#[test]
fn official_files_are_wanted_only_where_they_are_read() {
    let run = Run::new(RunId("a".into()), RunSpec::default(), "runs/a".into());
    let mut asked = ScoringDialog::new(&run);
    assert!(!asked.request.is_tuned, "a run without a state has none");
    assert_eq!(asked.problem(), None);
    asked.is_official = true;
    assert!(asked.problem().is_some());
    asked.request.official = Some("arc".into());
    assert_eq!(asked.problem(), None);
    assert_eq!(asked.folder(), Some(Path::new("arc")));
    asked.request.limit = Some(0);
    assert!(asked.problem().is_some());
}

#[test]
fn what_is_dropped_on_the_window_is_used() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let spec = RunSpec {
        name: "dropped".into(),
        ..RunSpec::default()
    };
    std::fs::write(at("run.ron"), print_spec(&spec).unwrap()).unwrap();
    std::fs::write(at("texts.jsonl"), "{\"text\":\"a\"}\n").unwrap();
    std::fs::write(at("vocab.txt"), "1 'a' 1\n").unwrap();
    std::fs::write(at("notes.docx"), "x").unwrap();
    let assets = Path::new(env!("CARGO_MANIFEST_DIR")).join("assets/mini");
    let model = assets.join(mini::FILE_NAME);
    let run = at("runs/standard-0001");
    std::fs::create_dir_all(&run).unwrap();
    std::fs::write(run.join("spec.ron"), print_spec(&spec).unwrap()).unwrap();
    fixtures::write_state(&run);

    let app = app(fixtures::running(), Tab::Tune, Appearance::Dark);
    let mut harness = harness(app, vec2(1000.0, 620.0), Appearance::Dark);
    drop_on(&mut harness, &at("run.ron"));
    wait_for(&mut harness, "is loaded from the file");
    assert_eq!(harness.state().workspace.draft.name, "dropped");
    let sweep = r#"(name: "night", base: Preset("standard"), set: ["training.steps=90"], parts: [(
        search: Grid([(field: "training.seed", values: List([0, 1]))]))])"#;
    std::fs::write(at("sweep.ron"), sweep).unwrap();
    drop_on(&mut harness, &at("sweep.ron"));
    wait_for(&mut harness, "The sweep is loaded");
    wait_for(&mut harness, "2 runs");
    assert_eq!(harness.state().sweep.draft.name, "night");
    let draft = &harness.state().workspace.draft;
    assert_eq!(
        (draft.name.as_str(), draft.training.steps),
        ("standard", 90)
    );
    // One that is wrong is told as a sweep.
    std::fs::write(at("wrong.ron"), sweep.replace("Grid", "Gird")).unwrap();
    drop_on(&mut harness, &at("wrong.ron"));
    wait_for(&mut harness, "did you mean `Grid`");
    click(&mut harness, "Tune");
    drop_on(&mut harness, &model);
    wait_for(&mut harness, "The configuration uses this model file");
    let draft = |harness: &Harness<'_, App>| harness.state().workspace.draft.clone();
    assert_eq!(
        draft(&harness).model.checkpoint,
        CheckpointSource::File(model)
    );
    drop_on(&mut harness, &at("vocab.txt"));
    wait_for(&mut harness, "The configuration uses this vocabulary");
    let vocabulary = VocabularySource::File(at("vocab.txt"));
    assert_eq!(draft(&harness).model.vocabulary, vocabulary);
    drop_on(&mut harness, &at("texts.jsonl"));
    wait_for(&mut harness, "trains on this file");
    let DataSource::Jsonl { train, .. } = draft(&harness).data.source else {
        panic!("texts are the data");
    };
    assert_eq!(train, at("texts.jsonl"));
    let state = run.join("state.safetensors");
    drop_on(&mut harness, &state);
    wait_for(&mut harness, "starts from this state");
    let Method::Standard(standard) = draft(&harness).method else {
        panic!("the method is standard");
    };
    assert_eq!(standard.start, StartState::File(state));
    drop_on(&mut harness, &at("notes.docx"));
    wait_for(&mut harness, "is not a supported file");
    drop_on(&mut harness, &run);
    wait(&mut harness, "the run of the folder", |app| {
        let focused = app
            .workspace
            .selection
            .focused()
            .and_then(|id| app.workspace.store.get(id));
        focused.is_some_and(|of| of.folder == run)
    });
}

#[test]
fn a_run_of_another_folder_is_opened() {
    let folder = tempfile::tempdir().unwrap();
    let run = folder.path().join("elsewhere-0007");
    std::fs::create_dir_all(&run).unwrap();
    let spec = print_spec(&RunSpec::default()).unwrap();
    std::fs::write(run.join("spec.ron"), spec).unwrap();
    let app = app(fixtures::running(), Tab::Tune, Appearance::Dark);
    let mut harness = harness(app, vec2(1000.0, 620.0), Appearance::Dark);
    harness.state_mut().use_path(PathFor::OpenFolder, run);
    wait(&mut harness, "opened", |app| {
        app.workspace.store.runs().len() == 2
    });
    let opened = RunId("elsewhere-0007".into());
    assert_eq!(harness.state().workspace.selection.selected, [opened]);
    // A folder of something else is told.
    let other = folder.path().to_path_buf();
    harness.state_mut().use_path(PathFor::OpenFolder, other);
    wait_for(&mut harness, "spec.ron");
}

#[test]
fn a_worker_that_ended_is_started_again() {
    let runs = tempfile::tempdir().unwrap();
    let worker = Worker::spawn(|| ()).unwrap();
    let commands = worker.commands.clone();
    let state = SavedState {
        draft: short_spec(),
        ..SavedState::default()
    };
    let app = App::new(Some(worker), state, runs.path().into(), Arc::new(|| ()));
    let mut harness = harness(app, vec2(1280.0, 800.0), Appearance::Dark);
    commands.send(Command::Shutdown).unwrap();
    wait_for(&mut harness, "The worker stopped");
    click(&mut harness, "Restart worker");
    assert!(
        harness
            .query_by_label_contains("The worker stopped")
            .is_none()
    );
    start(&mut harness);
    wait_until(&mut harness, "finished", |run| run.status.is_over());
}

#[test]
fn a_folder_that_vanished_is_said_where_it_is_needed() {
    let folder = tempfile::tempdir().unwrap();
    fixtures::write_state(folder.path());
    let store = fixtures::finished(folder.path());
    let app = app(store, Tab::States, Appearance::Dark);
    std::fs::remove_dir_all(folder.path()).unwrap();
    let mut harness = harness(app, vec2(1000.0, 620.0), Appearance::Dark);
    wait_for(&mut harness, "The state cannot be read");
    let id = harness
        .state()
        .workspace
        .selection
        .focused()
        .unwrap()
        .clone();
    let ctx = harness.ctx.clone();
    harness.state_mut().apply(Action::OpenExport(id), &ctx);
    wait_for(&mut harness, "Export the state");
    click(&mut harness, "Export state");
    wait(&mut harness, "refused", |app| {
        let exporting = app.export.open.as_ref();
        exporting.is_some_and(|asked| matches!(&asked.outcome, Some(Err(_))))
    });
    click(&mut harness, "Close");
    // The rest of the window continues.
    click(&mut harness, "Tune");
    wait_for(&mut harness, "Loss");
}

#[test]
fn a_full_disk_is_said_with_a_way_on() {
    let app = app(fixtures::failed(), Tab::Tune, Appearance::Dark);
    let harness = harness(app, vec2(1280.0, 800.0), Appearance::Dark);
    assert!(
        harness
            .query_all_by_label_contains("the disk is full")
            .next()
            .is_some()
    );
    assert!(harness.query_by_label("Resume").is_some());
}

#[test]
fn a_run_goes_on_when_the_window_opens_again() {
    let runs = tempfile::tempdir().unwrap();
    let mut harness = window(runs.path(), small_spec());
    start(&mut harness);
    wait_until(&mut harness, "tuning", |run| run.step >= 2);
    let close = |harness: &mut Harness<'_, App>| {
        let viewports = &mut harness.input_mut().viewports;
        let root = viewports.entry(ViewportId::ROOT).or_default();
        root.events.push(ViewportEvent::Close);
        harness.step();
        let viewports = &mut harness.input_mut().viewports;
        viewports
            .entry(ViewportId::ROOT)
            .or_default()
            .events
            .clear();
        harness.run_steps(2);
    };
    close(&mut harness);
    assert_eq!(harness.state().closing.stage, Closing::Asking);
    click(&mut harness, "Keep it running");
    assert_eq!(harness.state().closing.stage, Closing::No);
    close(&mut harness);
    click(&mut harness, "Stop, save and close");
    wait(&mut harness, "saved", |app| {
        app.workspace
            .store
            .runs()
            .iter()
            .all(|run| run.status.is_over())
    });
    let kept = harness.state().saved();
    let run = harness.state().workspace.store.runs()[0].clone();
    assert_eq!(kept.resumes, [run.id]);
    drop(harness);

    let worker = Worker::spawn(|| ()).unwrap();
    let mut app = App::new(Some(worker), kept, runs.path().into(), Arc::new(|| ()));
    app.begin();
    let mut harness = crate::pictures::harness(app, vec2(1280.0, 800.0), Appearance::Dark);
    wait_until(&mut harness, "going on", |again| {
        !again.status.is_over() && again.step > run.step
    });
    click(&mut harness, "Stop");
    wait_until(&mut harness, "stopped", |run| run.status.is_over());
}
