//! Runs that go their way, with pauses and stops.

use std::fs;
use std::path::Path;
use std::time::Duration;

use gosling::data::Template;
use gosling::model::LeadingToken;
use gosling::persist::evaluation_file::read_evaluation;
use gosling::persist::run_folder::snapshot_file;
use gosling::persist::run_history::past_run;
use gosling::protocol::command::Command;
use gosling::protocol::event::{
    DeviceEvent, EvaluationPhase, Event, FailureKind, JobEvent, RunEvent, RunId, RunOutcome, Score,
};
use gosling::protocol::run_spec::DataSource;
use gosling::runs::run::{Run, RunStatus};
use gosling::tuning::spec::{EarlyStopping, Method, SelectBy};
use gosling::tuning::states::snapshot_file::read_snapshot;
use gosling::tuning::states::state_file::read_state;
use gosling::tuning::train::rate_finder::RateRange;

use crate::client::*;

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
    let validated = run.series.validation_loss.points().iter();
    let validated: Vec<_> = validated.map(|(step, _)| *step).collect();
    assert_eq!(validated, [0, 2, 4]);
    assert_eq!(run.evaluations.len(), 3);
    for (_, summary) in &run.evaluations {
        assert_eq!(summary.benchmark, "arc-mini");
        assert_eq!(summary.scores[0].n_items, 8);
    }
    assert!(run.notes[0].starts_with("the largest step takes about "));
    check_history(&run);
    check_handover(&run);
    // Two checkpoints are kept, and the snapshots that were asked for.
    let files = ["step-000003.safetensors", "step-000004.safetensors"];
    assert_eq!(names(&run.folder.join("checkpoints")), files);
    let files = [0, 2, 4].map(|step| format!("step-{step:06}.safetensors"));
    assert_eq!(names(&run.folder.join("snapshots")), files);
    assert_eq!(run.snapshots, [0, 2, 4]);
    check_snapshots(&run);
    let snapshot = client.worker.snapshots.take().unwrap();
    assert_eq!((snapshot.run, snapshot.step), (run.id, 4));
}

/// The last snapshot is the state, but for the rounding of 16 bits.
fn check_snapshots(run: &Run) {
    assert_eq!(past_run(&run.folder).unwrap().snapshots, run.snapshots);
    let first = read_snapshot(snapshot_file(&run.folder, 0)).unwrap();
    assert!(first.tuned.state.layers.iter().flatten().all(|x| *x == 0.0));
    let last = read_snapshot(snapshot_file(&run.folder, 4)).unwrap();
    assert_eq!(last.step, 4);
    let best = run.best_validation().unwrap().0;
    if best == 4 {
        let state = state_of(run);
        let pairs = state
            .layers
            .iter()
            .flatten()
            .zip(last.tuned.state.layers.iter().flatten());
        for (whole, rounded) in pairs {
            assert!((whole - rounded).abs() <= 1e-3 * whole.abs() + 1e-7);
        }
    }
    let log = fs::read_to_string(run.folder.join("log.txt")).unwrap();
    let note = "3 snapshots of the state, one every 2 steps, take 600 KiB on the disk";
    assert!(log.contains(note), "{log}");
}

/// All of a run is on the disk, and in the words of the log.
fn check_history(run: &Run) {
    for name in ["before", "few_shot", "after"] {
        let file = read_evaluation(&run.folder.join(format!("eval/{name}.jsonl"))).unwrap();
        assert_eq!(file.evaluation.records.len(), 8);
        assert_eq!(file.scored.is_tuned, name == "after");
    }
    let past = past_run(&run.folder).unwrap();
    assert_eq!(past.status, RunStatus::Finished);
    assert_eq!(past.exported, run.exported);
    assert_eq!(scores(&past), scores(run));
    let losses = |run: &Run| run.series.loss.points().to_vec();
    for ((step, written), (_, read)) in losses(run).into_iter().zip(losses(&past)) {
        // The reader of JSON rounds the last bit its own way.
        assert!((written - read).abs() <= 1e-15 * written.abs(), "{step}");
    }
    let log = fs::read_to_string(run.folder.join("log.txt")).unwrap();
    for words in ["device ", "started", "step 4, loss", "finished"] {
        assert!(log.contains(words), "{words} in {log}");
    }
}

/// The state is the best one, and says what it was made from.
fn check_handover(run: &Run) {
    let (state, metadata) = read_state(run.folder.join("state.safetensors"), None).unwrap();
    let dimensions = (state.n_layer, state.n_head, state.head_size);
    assert_eq!(dimensions, (6, 4, 64), "the mini model's");
    let figures = metadata.metrics_json.unwrap();
    let figures: serde_json::Value = serde_json::from_str(&figures).unwrap();
    assert_eq!(figures["step"], run.best_validation().unwrap().0);
    assert_eq!(figures["evaluations"].as_array().unwrap().len(), 3);
    assert!(metadata.spec_ron.unwrap().contains("tiny"));
    assert_eq!(metadata.base_fingerprint.unwrap().len(), 64 + 1 + 64);
    let (other, _) = read_state(run.folder.join("state.pth"), None).unwrap();
    assert_eq!(other, state);
    let script = fs::read_to_string(run.folder.join("state_rwkv_pip.py")).unwrap();
    assert!(script.contains("state.pth"));
}

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<_> = names.collect();
    names.sort();
    names
}

/// What was measured, without the time it took.
fn scores(run: &Run) -> Vec<(EvaluationPhase, Vec<Score>)> {
    let evaluations = run.evaluations.iter();
    evaluations
        .map(|(phase, summary)| (*phase, summary.scores.clone()))
        .collect()
}

#[test]
fn a_pause_holds_and_a_resume_goes_on() {
    let mut client = Client::new();
    client.start(&tiny());
    let run = client.until_started();
    client.until(|event| is_step(event, 1));
    client.send(Command::Pause(run.clone()));
    let paused = client.until(|event| matches!(event, Event::Run(_, RunEvent::Paused { .. })));
    let Event::Run(_, RunEvent::Paused { step, .. }) = paused else {
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
    client.until(|event| matches!(event, Event::Run(_, RunEvent::Paused { .. })));
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
    assert_eq!(run.checkpoint.as_ref().unwrap().0, 1);
    // Nothing but the start was validated, so it is the last state.
    assert_eq!(run.exported[0].step, 1);
    assert!(state_of(&run).layers[0].iter().any(|value| *value != 0.0));
    client.resume(&run.folder);
    let (outcome, resumed) = client.until_ended();
    assert_eq!(outcome, RunOutcome::Finished);
    assert_eq!(bits(&resumed), bits(&straight));
    assert_eq!(state_of(&resumed), state_of(&straight));
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
    assert_eq!(
        client.count(|event| matches!(event, Event::Run(_, RunEvent::Step(_)))),
        0
    );
    assert!(run.evaluation(EvaluationPhase::After).is_some());
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
    let n_loaded =
        client.count(|event| matches!(event, Event::Device(DeviceEvent::ModelLoaded { .. })));
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
    // Too small to change an f32 that is added to 1. Behind token 0, as the untuned
    // model is measured at step 0.
    spec.data.leading_token = LeadingToken::Zero;
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

/// The rate is far too high, so that the states differ in what they get right.
#[test]
fn the_state_that_answers_most_right_is_handed_over() {
    let mut client = Client::new();
    let mut spec = tiny();
    spec.training.learning_rate = 1.0;
    spec.training.validate_every = 1;
    spec.training.validation_limit = Some(16);
    spec.training.select_by = SelectBy::ValidationAccuracy;
    spec.evaluation.after = false;
    client.start(&spec);
    let (outcome, run) = client.until_ended();
    assert_eq!(outcome, RunOutcome::Finished);
    let right = run.series.validation_accuracy.points().to_vec();
    let losses = run.series.validation_loss.points().to_vec();
    assert_eq!((right.len(), losses.len()), (5, 5));
    let checks = right.iter().zip(&losses);
    let best = checks.reduce(|best, check| {
        let (right, loss) = (check.0.1, check.1.1);
        let (most, lowest) = (best.0.1, best.1.1);
        let beats = right > most || (right == most && loss < lowest);
        if beats { check } else { best }
    });
    assert_eq!(run.exported[0].step, best.unwrap().0.0);
    // What is on the disk says the same, and the last step is what it was asked for.
    let past = past_run(&run.folder).unwrap();
    assert_eq!(past.series.validation_accuracy.points(), right);
    spec.training.select_by = SelectBy::LastStep;
    client.start(&spec);
    let (_, run) = client.until_ended();
    assert_eq!(run.exported[0].step, 4);
    assert_eq!(run.series.validation_accuracy.len(), 0);
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
    client.until(|event| matches!(event, Event::Job(JobEvent::RateFound { .. })));
    let finding = client.store.rate.take().unwrap();
    assert_eq!(finding.points.len(), 12, "{:?}", finding.broke);
    assert!((finding.points[11].learning_rate - 1.0).abs() < 1e-9);
    assert!(finding.tenth_of_lowest.is_some());
    // It ends early by its name, and keeps what it has.
    find(&client, 100_000);
    client.until(|event| matches!(event, Event::Job(JobEvent::RateProgress { done: 10, .. })));
    client.send(Command::Stop(RunId("search".into())));
    client.until(|event| matches!(event, Event::Job(JobEvent::RateFound { .. })));
    let finding = client.store.rate.take().unwrap();
    assert!(finding.points.len() >= 10);
    assert_eq!(finding.broke.as_deref(), Some("stopped"));
    assert_eq!(client.run_folders(), 0);
}
