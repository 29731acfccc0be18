//! What a run was made from, and what becomes of one that continues with something
//! else, from another place, or from a state of other weights.

use std::fs;
use std::path::{Path, PathBuf};

use gosling::data::Template;
use gosling::protocol::command::{Command, ResumeChanges};
use gosling::protocol::event::{FailureKind, RunOutcome};
use gosling::protocol::run_spec::{CheckpointSource, DataSource, RunSpec, VocabularySource};
use gosling::runs::run::Run;
use gosling::tuning::spec::StartState;

use crate::client::*;

fn asset(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// A run whose weights, vocabulary and data are files in a folder of its own.
struct Setting {
    client: Client,
    spec: RunSpec,
}

impl Setting {
    fn new() -> Self {
        let client = Client::new();
        let setting = Self {
            spec: tiny(),
            client,
        };
        fs::copy(
            asset("assets/mini/rwkv7-mini-7m-f16.pth"),
            setting.file("model.pth"),
        )
        .unwrap();
        fs::copy(
            asset("assets/vocab/rwkv_vocab_mini.txt"),
            setting.file("words.txt"),
        )
        .unwrap();
        setting.write_rows(6);
        let mut setting = setting;
        let spec = &mut setting.spec;
        spec.model.checkpoint =
            CheckpointSource::File(setting.client.runs.path().join("model.pth"));
        spec.model.vocabulary =
            VocabularySource::File(setting.client.runs.path().join("words.txt"));
        spec.data.source = DataSource::Jsonl {
            train: setting.client.runs.path().join("train.jsonl"),
            validation: None,
            template: Template::Plain,
        };
        spec.training.validate_every = 0;
        setting
    }

    fn file(&self, name: &str) -> PathBuf {
        self.client.runs.path().join(name)
    }

    fn write_rows(&self, n: usize) {
        let rows: String = (0..n)
            .map(|n| {
                format!(
                    "{{\"prompt\": \"{n} and 1\", \"completion\": \" is {}\"}}\n",
                    n + 1
                )
            })
            .collect();
        fs::write(self.file("train.jsonl"), rows).unwrap();
    }

    /// The run, stopped with steps to go.
    fn stopped(&mut self) -> Run {
        let spec = self.spec.clone();
        let (outcome, run) = self.client.stop_at(&spec, |event| is_step(event, 2));
        assert!(matches!(outcome, RunOutcome::Stopped { .. }), "{outcome:?}");
        run
    }

    /// Why the run in `folder` does not continue.
    fn refused(&mut self, folder: &Path) -> String {
        self.refused_as(FailureKind::Changed, folder)
    }

    fn refused_as(&mut self, expected: FailureKind, folder: &Path) -> String {
        self.client.resume(folder);
        let (_, kind, message) = self.client.until_failed();
        assert_eq!(kind, expected);
        assert!(!message.contains('\n'), "{message}");
        message
    }

    /// The run in `folder`, which continues to its end.
    fn gone_on(&mut self, folder: &Path, changes: ResumeChanges) -> Run {
        self.client.resume_with(folder, changes);
        let (outcome, run) = self.client.until_ended();
        assert_eq!(outcome, RunOutcome::Finished);
        run
    }
}

fn accepted() -> ResumeChanges {
    ResumeChanges {
        accept: true,
        ..ResumeChanges::default()
    }
}

/// The last number of the weights made another one.
fn change_weights(path: &Path) {
    let mut bytes = fs::read(path).unwrap();
    // The embedding is the largest tensor; one value of its first row.
    let archive = String::from_utf8_lossy(&bytes).into_owned();
    assert!(archive.contains("emb.weight"));
    let checkpoint = gosling::model::checkpoint::Checkpoint::open(path).unwrap();
    let first = checkpoint.tensor("emb.weight").unwrap().stored_bytes()[..64].to_vec();
    drop(checkpoint);
    let at = bytes.windows(64).position(|part| part == first).unwrap();
    bytes[at] ^= 1;
    fs::write(path, bytes).unwrap();
}

#[test]
fn other_data_are_refused_with_both_named_and_go_on_where_they_are_accepted() {
    let mut setting = Setting::new();
    let run = setting.stopped();
    setting.write_rows(7);
    let message = setting.refused(&run.folder);
    for part in [
        "inputs: the data were ",
        "train.jsonl (",
        " and are ",
        "or accept the change",
    ] {
        assert!(message.contains(part), "{part} in {message}");
    }
    assert!(!message.contains("the weights were"), "{message}");
    // Refused once more, and nothing of the run is lost by it.
    assert_eq!(setting.refused(&run.folder), message);
    let run = setting.gone_on(&run.folder.clone(), accepted());
    let note = run
        .notes
        .iter()
        .find(|note| note.starts_with("continued although the data were "));
    assert!(note.is_some(), "{:?}", run.notes);
    let inputs = fs::read_to_string(run.folder.join("inputs.json")).unwrap();
    assert!(inputs.contains("\"accepted\""), "{inputs}");
}

#[test]
fn a_run_goes_on_with_the_same_data_without_a_word() {
    let mut setting = Setting::new();
    let run = setting.stopped();
    let run = setting.gone_on(&run.folder.clone(), ResumeChanges::default());
    let is_told =
        |note: &String| note.contains("continued although") || note.contains("does not record");
    assert!(!run.notes.iter().any(is_told), "{:?}", run.notes);
}

#[test]
fn other_weights_and_another_vocabulary_are_refused() {
    let mut setting = Setting::new();
    let run = setting.stopped();
    change_weights(&setting.file("model.pth"));
    let message = setting.refused(&run.folder);
    let part = "inputs: the weights were model.pth (";
    assert!(message.contains(part), "{message}");
    fs::copy(
        asset("assets/mini/rwkv7-mini-7m-f16.pth"),
        setting.file("model.pth"),
    )
    .unwrap();
    // The ids of two words exchanged.
    let words = fs::read_to_string(setting.file("words.txt")).unwrap();
    let other = words
        .replace("730 ' apples'", "0730 ' buys'")
        .replace("959 ' buys'", "959 ' apples'")
        .replace("0730 ' buys' 7", "730 ' buys' 5")
        .replace("959 ' apples' 5", "959 ' apples' 7");
    assert_ne!(other, words);
    fs::write(setting.file("words.txt"), other).unwrap();
    let message = setting.refused(&run.folder);
    let part = "inputs: the vocabulary was words.txt (";
    assert!(message.contains(part), "{message}");
    // Where its own file is gone, the run has a copy.
    fs::remove_file(setting.file("words.txt")).unwrap();
    setting.gone_on(&run.folder, ResumeChanges::default());
}

#[test]
fn a_run_that_was_moved_goes_on_where_it_is_with_a_model_that_was_moved() {
    let mut setting = Setting::new();
    let run = setting.stopped();
    let folder = setting.file("elsewhere");
    fs::rename(&run.folder, &folder).unwrap();
    fs::rename(setting.file("model.pth"), setting.file("moved.pth")).unwrap();
    let message = setting.refused_as(FailureKind::Input, &folder);
    assert!(
        message.contains("model.pth is missing; name its new path"),
        "{message}"
    );
    let changes = ResumeChanges {
        model: Some(setting.file("moved.pth")),
        accept: false,
    };
    let run = setting.gone_on(&folder, changes);
    assert_eq!(run.folder, folder);
    for exported in &run.exported {
        assert_eq!(exported.path.parent(), Some(folder.as_path()));
        assert!(exported.path.is_file());
    }
    // It is known from then on.
    let spec = fs::read_to_string(folder.join("spec.ron")).unwrap();
    assert!(spec.contains("moved.pth"), "{spec}");
    // Other weights under the name are not taken for it.
    let mut other = Setting::new();
    let run = other.stopped();
    fs::rename(other.file("model.pth"), other.file("moved.pth")).unwrap();
    change_weights(&other.file("moved.pth"));
    other.client.resume_with(
        &run.folder,
        ResumeChanges {
            model: Some(other.file("moved.pth")),
            accept: false,
        },
    );
    let (_, _, message) = other.client.until_failed();
    assert!(
        message.contains("the weights were model.pth ("),
        "{message}"
    );
    let spec = fs::read_to_string(run.folder.join("spec.ron")).unwrap();
    assert!(!spec.contains("moved.pth"), "{spec}");
}

#[test]
fn a_state_of_other_weights_does_not_start_a_run_unless_that_is_accepted() {
    let mut setting = Setting::new();
    let mut spec = setting.spec.clone();
    setting.client.start(&spec);
    let (_, first) = setting.client.until_ended();
    let state = first.folder.join("state.safetensors");
    spec.name = "second".into();
    *spec.method.start_mut().unwrap() = StartState::File(state);
    // Its own weights take it without a word.
    setting.client.start(&spec);
    let (_, run) = setting.client.until_ended();
    let is_told =
        |note: &String| note.contains("was tuned for") || note.contains("continued although");
    assert!(!run.notes.iter().any(is_told), "{:?}", run.notes);
    change_weights(&setting.file("model.pth"));
    let n_runs = setting.client.run_folders();
    setting.client.start(&spec);
    let (_, kind, message) = setting.client.until_failed();
    assert_eq!(kind, FailureKind::Changed);
    for part in [
        "state.safetensors: base model: was tuned for model.pth (",
        ", the model is model.pth (",
        "or accept the change",
    ] {
        assert!(message.contains(part), "{part} in {message}");
    }
    assert_eq!(setting.client.run_folders(), n_runs);
    let runs = setting.client.runs.path().join("runs");
    setting.client.send(Command::StartRun {
        spec: Box::new(spec.clone()),
        runs,
        accept_changes: true,
    });
    let (_, run) = setting.client.until_ended();
    let is_noted = |note: &String| note.starts_with("continued although ");
    assert!(run.notes.iter().any(is_noted), "{:?}", run.notes);
    // A state that does not say is told, and continues.
    let pth = setting.file("theirs.pth");
    fs::copy(first.folder.join("state.pth"), &pth).unwrap();
    *spec.method.start_mut().unwrap() = StartState::File(pth);
    setting.client.start(&spec);
    let (_, run) = setting.client.until_ended();
    let is_told = |note: &String| note.ends_with("does not record which weights it was tuned for");
    assert!(run.notes.iter().any(is_told), "{:?}", run.notes);
}
