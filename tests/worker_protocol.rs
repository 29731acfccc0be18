//! The worker as its clients see it, on the CPU with the mini model: a handful
//! of steps and items, but every path from a command to the files.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crossbeam_channel::{Sender, bounded};
use gosling::data::{Benchmark, Template};
use gosling::kernels::device::DeviceChoice;
use gosling::persist::metrics::{MetricRecord, read_metrics};
use gosling::persist::run_history::past_run;
use gosling::runs::RunStore;
use gosling::runs::run::{Run, RunStatus};
use gosling::tuning::rate_finder::RateRange;
use gosling::tuning::spec::{EarlyStopping, Layers, Method, Schedule, StandardSpec, StartState};
use gosling::tuning::state_file::{Metadata, TunedState, read_state, write_safetensors};
use gosling::worker::command::Command;
use gosling::worker::event::{EvaluationPhase, Event, FailureKind, RunId, RunOutcome};
use gosling::worker::run_spec::{CheckpointSource, DataSource, RunSpec, VocabularySource};
use gosling::worker::{Worker, WorkerHandle};

/// Longer than any of these runs takes; a worker that hangs is found out.
const PATIENCE: Duration = Duration::from_secs(300);

/// Four steps of two short examples, eight items measured.
fn tiny() -> RunSpec {
    let mut spec = RunSpec {
        name: "tiny".into(),
        device: DeviceChoice::Cpu,
        ..RunSpec::default()
    };
    spec.data.source = DataSource::Mini(Benchmark::Arc);
    spec.training.steps = 4;
    spec.training.batch = 2;
    spec.training.warmup_steps = 1;
    spec.training.validate_every = 2;
    spec.training.validation_limit = Some(3);
    spec.evaluation.limit = Some(8);
    spec.evaluation.few_shot = 0;
    spec.intervals.checkpoint = 1;
    spec
}

/// A client that remembers every event. The worker waits in its wake-up until
/// the client has looked, so that what a test does at an event happens there.
struct Client {
    /// Before the worker, which waits for it while it is there.
    looked: Sender<()>,
    owes_look: bool,
    worker: WorkerHandle,
    store: RunStore,
    events: Vec<Event>,
    runs: tempfile::TempDir,
}

impl Client {
    fn new() -> Self {
        Self::waking(|| ())
    }

    fn waking(wake: impl Fn() + Send + 'static) -> Self {
        let (looked, looks) = bounded(1);
        let wake = move || {
            wake();
            let _ = looks.recv();
        };
        Self {
            looked,
            owes_look: false,
            worker: Worker::spawn(wake).unwrap(),
            store: RunStore::default(),
            events: Vec::new(),
            runs: tempfile::tempdir().unwrap(),
        }
    }

    fn send(&self, command: Command) {
        self.worker.commands.send(command).unwrap();
    }

    fn start(&self, spec: &RunSpec) {
        self.send(Command::StartRun {
            spec: Box::new(spec.clone()),
            runs: self.runs.path().join("runs"),
        });
    }

    fn resume(&mut self, folder: &Path) {
        self.events.clear();
        let folder = folder.to_path_buf();
        self.send(Command::ResumeRun { folder });
    }

    /// Lets the worker go on from the last event.
    fn look(&mut self) {
        if std::mem::take(&mut self.owes_look) {
            self.looked.send(()).unwrap();
        }
    }

    /// Takes events until one is as wanted.
    fn until(&mut self, wanted: impl Fn(&Event) -> bool) -> Event {
        loop {
            self.look();
            let event = self.worker.events.recv_timeout(PATIENCE).unwrap();
            self.owes_look = true;
            self.store.apply(event.clone());
            self.events.push(event.clone());
            if wanted(&event) {
                return event;
            }
            assert!(
                !matches!(event, Event::Failed { .. }),
                "failed while waiting, {event:?}"
            );
        }
    }

    fn until_started(&mut self) -> RunId {
        match self.until(|event| matches!(event, Event::RunStarted { .. })) {
            Event::RunStarted { run, .. } => run,
            other => panic!("{other:?}"),
        }
    }

    fn until_ended(&mut self) -> (RunOutcome, Run) {
        match self.until(|event| matches!(event, Event::RunEnded { .. })) {
            Event::RunEnded { run, outcome } => (outcome, self.store.get(&run).unwrap().clone()),
            other => panic!("{other:?}"),
        }
    }

    fn until_failed(&mut self) -> (Option<RunId>, FailureKind, String) {
        match self.until(|event| matches!(event, Event::Failed { .. })) {
            Event::Failed {
                run,
                kind,
                during,
                message,
            } => (run, kind, format!("{during}: {message}")),
            other => panic!("{other:?}"),
        }
    }

    /// Starts a run, stops it at the first event that is as wanted, and gives
    /// what became of it.
    fn stop_at(&mut self, spec: &RunSpec, wanted: impl Fn(&Event) -> bool) -> (RunOutcome, Run) {
        self.start(spec);
        let run = self.until_started();
        self.until(wanted);
        self.send(Command::Stop(run));
        self.until_ended()
    }

    fn count(&self, wanted: impl Fn(&Event) -> bool) -> usize {
        self.events.iter().filter(|event| wanted(event)).count()
    }

    fn run_folders(&self) -> usize {
        fs::read_dir(self.runs.path().join("runs")).map_or(0, Iterator::count)
    }
}

fn is_step(event: &Event, wanted: usize) -> bool {
    matches!(event, Event::Step { metrics, .. } if metrics.step == wanted)
}

fn is_scoring(event: &Event, wanted: EvaluationPhase) -> bool {
    matches!(event, Event::EvaluationProgress { phase, .. } if *phase == wanted)
}

/// The bits of everything that a run's steps and validations measured.
fn bits(run: &Run) -> Vec<(usize, u64)> {
    let series = &run.series;
    let all = [
        &series.loss,
        &series.grad_norm,
        &series.state_norm,
        &series.learning_rate,
        &series.tokens,
        &series.validation_loss,
    ];
    let points = all.into_iter().flat_map(|series| series.points());
    points
        .map(|(step, value)| (*step, value.to_bits()))
        .collect()
}

fn state_of(run: &Run) -> TunedState {
    read_state(run.folder.join("state.safetensors"), None)
        .unwrap()
        .0
}

fn n_lines(path: &Path) -> usize {
    fs::read_to_string(path).unwrap().lines().count()
}

#[test]
fn a_run_goes_from_its_specification_to_its_state() {
    let mut client = Client::new();
    let mut spec = tiny();
    spec.evaluation.few_shot = 1;
    spec.intervals.snapshot = 2;
    client.start(&spec);
    let (outcome, run) = client.until_ended();
    assert_eq!(outcome, RunOutcome::Finished);
    assert_eq!(run.status, RunStatus::Finished);
    assert_eq!(run.series.loss.len(), 4);
    let validated: Vec<_> = run.series.validation_loss.points().iter().collect();
    assert_eq!(
        validated.iter().map(|(step, _)| *step).collect::<Vec<_>>(),
        [0, 2, 4]
    );
    assert_eq!(run.evaluations.len(), 3);
    for (_, summary) in &run.evaluations {
        assert_eq!(summary.benchmark, "arc-mini");
        assert_eq!(summary.scores[0].n_items, 8);
    }
    let folder = &run.folder;
    for name in ["before", "few_shot", "after"] {
        assert_eq!(n_lines(&folder.join(format!("eval/{name}.jsonl"))), 8);
    }
    // All of it is on the disk, and in the words of the log.
    let past = past_run(folder).unwrap();
    assert_eq!(past.status, RunStatus::Finished);
    let losses = |run: &Run| run.series.loss.points().to_vec();
    for ((step, written), (_, read)) in losses(&run).into_iter().zip(losses(&past)) {
        // The reader of JSON rounds the last bit its own way.
        assert!((written - read).abs() <= 1e-15 * written.abs(), "{step}");
    }
    let scores = |run: &Run| {
        run.evaluations
            .iter()
            .map(|(_, s)| s.scores.clone())
            .collect::<Vec<_>>()
    };
    assert_eq!(scores(&past), scores(&run));
    let log = fs::read_to_string(folder.join("log.txt")).unwrap();
    for words in ["device ", "started", "step 4, loss", "finished"] {
        assert!(log.contains(words), "{words} in {log}");
    }
    // The state is the best one, and says what it was made from.
    let (state, metadata) = read_state(folder.join("state.safetensors"), None).unwrap();
    assert_eq!(
        (state.n_layer, state.n_head, state.head_size),
        (6, 4, 64),
        "the mini model's"
    );
    let figures: serde_json::Value = serde_json::from_str(&metadata.metrics_json.unwrap()).unwrap();
    let best = run.best_validation().unwrap();
    assert_eq!(figures["step"], best.0);
    assert_eq!(figures["evaluations"].as_array().unwrap().len(), 3);
    assert!(metadata.spec_ron.unwrap().contains("tiny"));
    assert_eq!(metadata.base_fingerprint.unwrap().len(), 64);
    let (other, _) = read_state(folder.join("state.pth"), None).unwrap();
    assert_eq!(other, state);
    let script = fs::read_to_string(folder.join("state_rwkv_pip.py")).unwrap();
    assert!(script.contains("state.pth"));
    // Two checkpoints are kept, and the snapshots that were asked for.
    let names = |folder: PathBuf| {
        let entries = fs::read_dir(folder).unwrap();
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let mut names: Vec<_> = names.collect();
        names.sort();
        names
    };
    let files = ["step-000003.safetensors", "step-000004.safetensors"];
    assert_eq!(names(folder.join("checkpoints")), files);
    let files = ["step-000002.safetensors", "step-000004.safetensors"];
    assert_eq!(names(folder.join("snapshots")), files);
    let snapshot = client.worker.snapshots.take().unwrap();
    assert_eq!((snapshot.run, snapshot.step), (run.id.clone(), 4));
}

#[test]
fn a_pause_holds_and_a_resume_goes_on() {
    let mut client = Client::new();
    client.start(&tiny());
    let run = client.until_started();
    client.until(|event| is_step(event, 1));
    client.send(Command::Pause(run.clone()));
    let paused = client.until(|event| matches!(event, Event::Paused { .. }));
    let Event::Paused { step, .. } = paused else {
        panic!("{paused:?}");
    };
    let quiet = client
        .worker
        .events
        .recv_timeout(Duration::from_millis(300));
    assert!(quiet.is_err(), "{quiet:?}");
    assert_eq!(
        client.store.get(&run).unwrap().status,
        RunStatus::Paused { step, total: 4 }
    );
    client.send(Command::Resume(run.clone()));
    // A pause holds inside an evaluation as well.
    client.until(|event| is_scoring(event, EvaluationPhase::After));
    client.send(Command::Pause(run.clone()));
    client.until(|event| matches!(event, Event::Paused { .. }));
    client.send(Command::Resume(run));
    let (outcome, run) = client.until_ended();
    assert_eq!(outcome, RunOutcome::Finished);
    assert_eq!(run.series.loss.len(), 4);
}

#[test]
fn a_stopped_run_goes_on_bit_for_bit() {
    let mut client = Client::new();
    client.start(&tiny());
    let (_, straight) = client.until_ended();
    let (outcome, run) = client.stop_at(&tiny(), |event| is_step(event, 1));
    assert_eq!(outcome, RunOutcome::Stopped { step: 1 });
    assert_eq!(run.checkpoint.unwrap().0, 1);
    assert!(run.folder.join("state.safetensors").is_file());
    client.resume(&run.folder);
    let (outcome, resumed) = client.until_ended();
    assert_eq!(outcome, RunOutcome::Finished);
    assert_eq!(bits(&resumed), bits(&straight));
    assert_eq!(state_of(&resumed), state_of(&straight));
    let scores = |run: &Run| {
        run.evaluations
            .iter()
            .map(|(phase, s)| (*phase, s.scores.clone()))
            .collect::<Vec<_>>()
    };
    assert_eq!(scores(&resumed), scores(&straight));
    let repeated = client.count(|event| is_scoring(event, EvaluationPhase::Before));
    assert_eq!(repeated, 0);
    // So do its files, which a later session reads.
    let past = |run: &Run| bits(&past_run(&run.folder).unwrap());
    assert_eq!(past(&resumed), past(&straight));
    // And then it is over.
    client.resume(&run.folder);
    let (failed, kind, message) = client.until_failed();
    assert_eq!((failed, kind), (None, FailureKind::Input));
    assert!(message.contains("is finished after 4 steps"), "{message}");
    let status = past_run(&run.folder).unwrap().status;
    assert_eq!(status, RunStatus::Finished);
}

#[test]
fn a_run_stops_inside_an_evaluation() {
    let mut client = Client::new();
    let before = |event: &Event| is_scoring(event, EvaluationPhase::Before);
    let (outcome, run) = client.stop_at(&tiny(), before);
    assert_eq!(outcome, RunOutcome::Stopped { step: 0 });
    assert!(!run.folder.join("state.safetensors").exists());
    assert!(!run.folder.join("eval/before.jsonl").exists());
    client.resume(&run.folder);
    client.until(|event| is_scoring(event, EvaluationPhase::After));
    assert!(client.count(before) > 0);
    client.send(Command::Stop(run.id.clone()));
    let (outcome, run) = client.until_ended();
    assert_eq!(outcome, RunOutcome::Stopped { step: 4 });
    assert!(run.folder.join("state.safetensors").is_file());
    client.resume(&run.folder);
    let (outcome, run) = client.until_ended();
    assert_eq!(outcome, RunOutcome::Finished);
    assert_eq!(client.count(before), 0);
    assert_eq!(client.count(|event| matches!(event, Event::Step { .. })), 0);
    assert!(run.evaluation(EvaluationPhase::After).is_some());
}

#[test]
fn a_damaged_checkpoint_is_named_and_the_one_before_is_taken() {
    let mut client = Client::new();
    client.start(&tiny());
    let (_, straight) = client.until_ended();
    let (_, run) = client.stop_at(&tiny(), |event| is_step(event, 2));
    let (_, newest) = run.checkpoint.unwrap();
    let mut bytes = fs::read(&newest).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&newest, bytes).unwrap();
    client.resume(&run.folder);
    let (outcome, resumed) = client.until_ended();
    assert_eq!(outcome, RunOutcome::Finished);
    let Some(Event::RunStarted {
        first_step, notes, ..
    }) = client
        .events
        .iter()
        .find(|event| matches!(event, Event::RunStarted { .. }))
    else {
        panic!("not started");
    };
    assert_eq!(*first_step, 1);
    let name = newest.file_name().unwrap().to_str().unwrap();
    assert!(notes[0].contains(name), "{notes:?}");
    assert_eq!(bits(&resumed), bits(&straight));
}

#[test]
fn a_panic_fails_the_run_and_the_worker_lives_on() {
    static ARMED: AtomicBool = AtomicBool::new(false);
    let mut client = Client::waking(|| {
        assert!(!ARMED.swap(false, Ordering::SeqCst), "the wake-up broke");
    });
    client.start(&tiny());
    let run = client.until_started();
    client.until(|event| is_step(event, 1));
    ARMED.store(true, Ordering::SeqCst);
    let (failed, kind, message) = client.until_failed();
    assert_eq!((failed, kind), (Some(run.clone()), FailureKind::Work));
    assert!(message.contains("the wake-up broke"), "{message}");
    let folder = client.store.get(&run).unwrap().folder.clone();
    assert!(matches!(
        past_run(&folder).unwrap().status,
        RunStatus::Failed(_)
    ));
    client.resume(&folder);
    assert_eq!(client.until_ended().0, RunOutcome::Finished);
}

#[test]
fn what_cannot_be_written_fails_the_run_and_not_the_worker() {
    let mut client = Client::new();
    client.start(&tiny());
    let run = client.until_started();
    let folder = client.store.get(&run).unwrap().folder.join("checkpoints");
    fs::remove_dir(&folder).unwrap();
    fs::write(&folder, "in the way").unwrap();
    let (failed, kind, message) = client.until_failed();
    assert_eq!((failed, kind), (Some(run), FailureKind::Work));
    assert!(
        message.starts_with("saving: cannot write") && message.contains("checkpoints"),
        "{message}"
    );
    client.start(&tiny());
    assert_eq!(client.until_ended().0, RunOutcome::Finished);
}

#[test]
fn runs_wait_for_their_turn_and_share_the_model() {
    let mut client = Client::new();
    for name in ["a", "b"] {
        let mut spec = tiny();
        spec.name = name.into();
        spec.training.steps = 2;
        client.start(&spec);
    }
    for name in ["a-0001", "b-0001"] {
        assert_eq!(client.until_ended().1.id, RunId(name.into()));
    }
    let n_loaded = client.count(|event| matches!(event, Event::ModelLoaded { .. }));
    assert_eq!(n_loaded, 1);
}

#[test]
fn dropping_the_client_stops_and_saves() {
    let mut client = Client::new();
    let mut spec = tiny();
    spec.training.steps = 100_000;
    client.start(&spec);
    let run = client.until_started();
    client.until(|event| is_step(event, 1));
    let folder = client.store.get(&run).unwrap().folder.clone();
    let Client {
        looked,
        worker,
        runs,
        ..
    } = client;
    drop(looked);
    drop(worker);
    let past = past_run(&folder).unwrap();
    assert!(
        matches!(past.status, RunStatus::Stopped { step } if step > 0),
        "{:?}",
        past.status
    );
    drop(runs);
}

#[test]
fn a_run_without_improvement_stops_early_with_the_best_state() {
    let mut client = Client::new();
    let mut spec = tiny();
    // Too small to change an f32 that is added to 1.
    spec.training.learning_rate = 1e-30;
    spec.training.validate_every = 1;
    spec.training.early_stopping = Some(EarlyStopping { patience: 2 });
    client.start(&spec);
    let (outcome, run) = client.until_ended();
    assert_eq!(outcome, RunOutcome::StoppedEarly { best_step: 0 });
    assert_eq!(run.series.loss.len(), 2);
    let state = state_of(&run);
    assert!(state.layers.iter().flatten().all(|value| *value == 0.0));
}

#[test]
fn texts_are_tuned_on_without_a_benchmark() {
    let mut client = Client::new();
    let file = client.runs.path().join("set.jsonl");
    let line = "{\"prompt\": \"What is 2 + 3?\", \"completion\": \" 5\\n\\n\"}\n";
    fs::write(&file, line.repeat(3) + "nonsense\n").unwrap();
    let mut spec = tiny();
    spec.data.source = DataSource::Jsonl {
        train: file.clone(),
        validation: Some(file),
        template: Template::Plain,
    };
    client.start(&spec);
    let (outcome, run) = client.until_ended();
    assert_eq!(outcome, RunOutcome::Finished);
    assert!(run.evaluations.is_empty());
    assert!(run.notes.iter().any(|note| note.contains("line 4")));
    let losses = run.series.validation_loss.points();
    assert!(losses[2].1 < losses[0].1, "{losses:?}");
}

#[test]
fn the_untuned_model_alone_is_measured() {
    let mut client = Client::new();
    let mut spec = tiny();
    spec.method = Method::Base;
    client.start(&spec);
    let (outcome, run) = client.until_ended();
    assert_eq!(outcome, RunOutcome::Finished);
    assert_eq!(run.evaluations.len(), 1);
    assert!(!run.folder.join("state.safetensors").exists());
}

/// A state of `n_layer` layers in the mini model's heads, all of `value`.
fn write_start(folder: &Path, n_layer: usize, value: f32) -> PathBuf {
    let state = TunedState {
        n_layer,
        n_head: 4,
        head_size: 64,
        layers: vec![vec![value; 4 * 64 * 64]; n_layer],
    };
    let path = folder.join(format!("start-{n_layer}.safetensors"));
    write_safetensors(&state, &path, &Metadata::default()).unwrap();
    path
}

fn starting_from(path: PathBuf) -> Method {
    Method::Standard(StandardSpec {
        layers: Layers::All,
        start: StartState::File(path),
    })
}

#[test]
fn bad_input_is_refused_before_anything_is_written() {
    let mut client = Client::new();
    let folder = client.runs.path().to_path_buf();
    let empty = folder.join("empty.jsonl");
    fs::write(&empty, "").unwrap();
    let other = write_start(&folder, 2, 0.0);
    let mut check = |change: &dyn Fn(&mut RunSpec), expected: &str| {
        let mut spec = tiny();
        change(&mut spec);
        client.start(&spec);
        let (run, kind, message) = client.until_failed();
        assert_eq!((run, kind), (None, FailureKind::Input), "{message}");
        assert!(message.contains(expected), "{message}, not {expected}");
        assert!(!message.contains('\n'), "{message}");
        assert_eq!(client.run_folders(), 0, "{message}");
    };
    let missing = folder.join("missing.pth");
    check(
        &|spec| spec.model.checkpoint = CheckpointSource::File(missing.clone()),
        "loading the model: cannot open",
    );
    check(
        &|spec| spec.model.checkpoint = CheckpointSource::File(empty.clone()),
        "empty.jsonl",
    );
    check(
        &|spec| spec.model.vocabulary = VocabularySource::World,
        "the World vocabulary has 65530 tokens",
    );
    let jsonl = |train: &Path| DataSource::Jsonl {
        train: train.into(),
        validation: None,
        template: Template::Plain,
    };
    check(
        &|spec| spec.data.source = jsonl(&empty),
        "line 1: there is nothing in it",
    );
    check(&|spec| spec.data.source = jsonl(&missing), "missing.pth");
    check(
        &|spec| spec.data.context_length = 3,
        "all 2000 training examples have more than 3 tokens",
    );
    check(
        &|spec| {
            spec.method = Method::Standard(StandardSpec {
                layers: Layers::Only(vec![0, 6]),
                start: StartState::Zero,
            });
        },
        "method.layers",
    );
    check(
        &|spec| spec.method = starting_from(other.clone()),
        "it was tuned for another model",
    );
    check(
        &|spec| spec.method = starting_from(missing.clone()),
        "missing.pth",
    );
    check(&|spec| spec.training.batch = 0, "training.batch");
    // The worker is none the worse for it.
    client.start(&tiny());
    assert_eq!(client.until_ended().0, RunOutcome::Finished);
}

#[test]
fn folders_that_are_no_runs_are_refused() {
    let mut client = Client::new();
    let folder = client.runs.path().to_path_buf();
    client.resume(&folder);
    let (run, kind, message) = client.until_failed();
    assert_eq!((run, kind), (None, FailureKind::Input));
    assert!(message.contains("a run's folder has one"), "{message}");
    assert_eq!(fs::read_dir(folder).unwrap().count(), 0);
}

#[test]
fn a_run_that_diverges_keeps_the_last_good_state_and_says_where() {
    let mut client = Client::new();
    let mut spec = tiny();
    // Finite, but its products are not.
    let start = write_start(client.runs.path(), 6, 3e38);
    spec.method = starting_from(start);
    spec.training.validate_every = 0;
    spec.training.schedule = Schedule::Constant;
    spec.evaluation.before = false;
    client.start(&spec);
    let (outcome, run) = client.until_ended();
    let RunOutcome::Diverged { step, detail } = &outcome else {
        panic!("{outcome:?}");
    };
    assert_eq!(*step, 1);
    assert!(
        detail.contains("layer") && detail.contains("head"),
        "{detail}"
    );
    assert_eq!(run.first_non_finite(), Some(1));
    // The record survives the numbers that JSON cannot say.
    let (records, n_torn) = read_metrics(run.folder.join("metrics.jsonl")).unwrap();
    assert_eq!(n_torn, 0);
    assert!(matches!(
        records.last(),
        Some(MetricRecord::End {
            outcome: RunOutcome::Diverged { .. }
        })
    ));
    client.resume(&run.folder);
    let (_, kind, message) = client.until_failed();
    assert_eq!(kind, FailureKind::Input);
    assert!(message.contains("it would again"), "{message}");
}

#[test]
fn a_rate_is_found_and_nothing_is_written() {
    let mut client = Client::new();
    let find = |client: &Client, steps| {
        client.send(Command::FindRate {
            run: RunId("search".into()),
            spec: Box::new(tiny()),
            range: RateRange {
                first: 1e-3,
                last: 1.0,
                steps,
            },
        });
    };
    find(&client, 12);
    client.until(|event| matches!(event, Event::RateFound { .. }));
    let finding = client.store.rate.take().unwrap();
    assert_eq!(finding.points.len(), 12, "{:?}", finding.broke);
    assert!((finding.points[11].learning_rate - 1.0).abs() < 1e-9);
    assert!(finding.tenth_of_lowest.is_some());
    // It ends early by its name, and keeps what it has.
    find(&client, 100_000);
    client.until(|event| matches!(event, Event::RateProgress { done: 10, .. }));
    client.send(Command::Stop(RunId("search".into())));
    client.until(|event| matches!(event, Event::RateFound { .. }));
    let finding = client.store.rate.take().unwrap();
    assert!(finding.points.len() >= 10);
    assert_eq!(finding.broke.as_deref(), Some("stopped"));
    assert_eq!(client.run_folders(), 0);
}
