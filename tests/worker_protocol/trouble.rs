//! Bad input, faults and numbers that leave the finite ones.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use gosling::data::Template;
use gosling::persist::metrics::{MetricRecord, read_metrics};
use gosling::persist::run_history::past_run;
use gosling::protocol::event::{Event, FailureKind, RunEvent, RunOutcome};
use gosling::protocol::run_spec::{CheckpointSource, DataSource, RunSpec, VocabularySource};
use gosling::runs::run::RunStatus;
use gosling::tuning::spec::{Layers, Method, OptimizerSpec, Schedule, StandardSpec, StartState};
use gosling::tuning::states::state_file::{Metadata, TunedState, write_safetensors};

use crate::client::*;

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
    let Some(Event::Run(
        _,
        RunEvent::Started {
            first_step, notes, ..
        },
    )) = client
        .events
        .iter()
        .find(|event| matches!(event, Event::Run(_, RunEvent::Started { .. })))
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

/// A state of `n_layer` layers in the mini model's heads, all of `value`.
fn write_start(folder: &Path, n_layer: usize, value: f32) -> PathBuf {
    let state = TunedState {
        n_layer,
        n_head: 4,
        head_size: 64,
        key_size: 64,
        layers: vec![vec![value; 4 * 64 * 64]; n_layer],
        shifts: None,
    };
    let path = folder.join(format!("start-{n_layer}.safetensors"));
    write_safetensors(&state, &path, &Metadata::default()).unwrap();
    path
}

fn starting_from(path: PathBuf) -> Method {
    Method::Standard(StandardSpec {
        layers: Layers::All,
        start: StartState::File(path),
        ..StandardSpec::default()
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
                ..StandardSpec::default()
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
    assert!(
        message.contains("a resumed run would diverge again"),
        "{message}"
    );
}

/// A run whose numbers leave the finite ones keeps the state of the step
/// before, which is that of a run that ends there.
#[test]
fn a_diverged_run_keeps_the_state_of_the_step_before() {
    let mut client = Client::new();
    let mut spec = tiny();
    spec.evaluation.before = false;
    spec.evaluation.after = false;
    spec.training.validate_every = 0;
    spec.training.steps = 40;
    spec.training.warmup_steps = 0;
    spec.training.clip_norm = None;
    spec.training.schedule = Schedule::Constant;
    // Each step overshoots the start a hundredfold.
    spec.training.optimizer = OptimizerSpec::Sgd { momentum: 0.0 };
    spec.training.learning_rate = 100.0;
    spec.training.pull_to_start = 1.0;
    spec.intervals.log = 5;
    spec.intervals.checkpoint = 5;
    client.start(&spec);
    let (outcome, diverged) = client.until_ended();
    let RunOutcome::Diverged { step, .. } = outcome else {
        panic!("{outcome:?}");
    };
    assert!(step > 1, "it should take a step first");
    assert_eq!(diverged.series.loss.len(), step);
    spec.training.steps = step - 1;
    client.start(&spec);
    let (outcome, finished) = client.until_ended();
    assert_eq!(outcome, RunOutcome::Finished);
    assert_eq!(state_of(&diverged), state_of(&finished));
}
