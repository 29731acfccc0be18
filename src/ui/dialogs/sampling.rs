//! Training data from the model itself: which questions it answers, how often, and the
//! process that does it.

pub(crate) mod view;

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value;

use crate::data::{Benchmark, Template};
use crate::format::shown;
use crate::protocol::run_spec::{CheckpointSource, DataSource, VocabularySource};
use crate::ui::shared::process::{Ended, Process};
use crate::ui::shared::workspace::Workspace;

/// How often the process is looked at.
const LOOK: Duration = Duration::from_millis(400);

/// A run whose state can answer.
#[derive(Debug, Clone, PartialEq)]
pub struct AnsweringState {
    /// What the user calls it.
    pub title: String,
    /// Its folder, which holds the state.
    pub folder: PathBuf,
}

/// What is asked for.
#[derive(Debug, Clone, PartialEq)]
pub struct SamplingSetup {
    /// A benchmark's name, or the path of a file.
    pub questions: String,
    /// Answers of each question.
    pub samples: usize,
    /// Right answers that are kept of each.
    pub keep: usize,
    /// What logits are divided by.
    pub temperature: f64,
    /// Solved questions in front.
    pub shots: usize,
    /// The first so many questions; 0 is all.
    pub limit: usize,
    /// The state that may answer: that of the selected run.
    pub state: Option<AnsweringState>,
    /// Whether it does; else the untuned model answers.
    pub uses_state: bool,
    /// The training file, as it is typed.
    pub path: String,
    /// The weights, none for the mini model, the vocabulary and the device.
    model: Option<PathBuf>,
    vocabulary: Option<PathBuf>,
    device: String,
}

/// The dialog, and the process behind it.
pub struct Samplings {
    /// What is asked for, if the question is open.
    pub open: Option<SamplingSetup>,
    /// The program that answers: this one.
    pub program: PathBuf,
    /// What was said last: how far it is, or what came of it.
    pub told: Option<Result<String, String>>,
    /// The training file that was written.
    pub written: Option<DataSource>,
    running: Option<(Process, SamplingSetup)>,
}

impl SamplingSetup {
    /// Of the model of the configuration, and the state of the selected run.
    pub fn new(workspace: &Workspace) -> Self {
        let draft = &workspace.draft;
        let run = workspace.focused_run();
        let run = run.filter(|run| !run.exported.is_empty());
        Self {
            questions: Benchmark::Gsm8k.name().into(),
            samples: 8,
            keep: 1,
            temperature: 1.0,
            shots: 4,
            limit: 0,
            state: run.map(|run| AnsweringState {
                title: run.title().to_owned(),
                folder: run.folder.clone(),
            }),
            uses_state: false,
            path: shown(&workspace.runs_dir.join("own-answers.jsonl")).to_string(),
            model: match &draft.model.checkpoint {
                CheckpointSource::Mini => None,
                CheckpointSource::File(path) => Some(path.clone()),
            },
            vocabulary: match &draft.model.vocabulary {
                VocabularySource::File(path) => Some(path.clone()),
                VocabularySource::Auto | VocabularySource::Mini | VocabularySource::World => None,
            },
            device: draft.device.to_string(),
        }
    }

    /// Whether the questions are those of a benchmark, which alone has solved ones.
    pub fn is_benchmark(&self) -> bool {
        self.questions.trim().parse::<Benchmark>().is_ok()
    }

    /// As `gosling` takes it.
    fn arguments(&self) -> Vec<OsString> {
        let mut arguments: Vec<OsString> = vec![
            "sample-data".into(),
            self.questions.trim().into(),
            "--output".into(),
            self.path.trim().into(),
            "--device".into(),
            self.device.as_str().into(),
            "--ends-with-input".into(),
        ];
        let mut add = |option: &str, value: OsString| arguments.extend([option.into(), value]);
        add("--samples", self.samples.to_string().into());
        add("--keep", self.keep.to_string().into());
        add("--temperature", self.temperature.to_string().into());
        if self.is_benchmark() {
            add("--shots", self.shots.to_string().into());
        }
        if self.limit > 0 {
            add("--limit", self.limit.to_string().into());
        }
        if let (Some(state), true) = (&self.state, self.uses_state) {
            add("--state", state.folder.clone().into());
        }
        if let Some(model) = &self.model {
            add("--model", model.clone().into());
        }
        if let Some(vocabulary) = &self.vocabulary {
            add("--vocabulary", vocabulary.clone().into());
        }
        arguments
    }

    /// The training file as the data of a run.
    fn source(&self) -> DataSource {
        DataSource::Jsonl {
            train: self.path.trim().into(),
            validation: None,
            template: match self.is_benchmark() {
                true => Template::Plain,
                false => Template::UserAssistant,
            },
        }
    }
}

impl Samplings {
    /// Nothing is asked for yet.
    pub(crate) fn new() -> Self {
        Self {
            open: None,
            program: std::env::current_exe().unwrap_or_default(),
            told: None,
            written: None,
            running: None,
        }
    }

    /// Asks, or shows what is on.
    pub(crate) fn open(&mut self, workspace: &Workspace) {
        self.open = Some(match &self.running {
            Some((_, setup)) => setup.clone(),
            None => SamplingSetup::new(workspace),
        });
    }

    /// Whether a process answers.
    pub fn is_on(&self) -> bool {
        self.running.is_some()
    }

    /// Whether it was asked to stop.
    pub fn is_stopping(&self) -> bool {
        let running = self.running.as_ref();
        running.is_some_and(|(process, _)| process.is_stopping())
    }

    /// Starts what was asked for, or goes on with it.
    pub(crate) fn start(&mut self) {
        let (Some(setup), None) = (&self.open, &self.running) else {
            return;
        };
        (self.told, self.written) = (None, None);
        let log = format!("gosling-sample-data-{}.log", std::process::id());
        let log = std::env::temp_dir().join(log);
        match Process::start(&self.program, setup.arguments(), log) {
            Ok(process) => {
                self.running = Some((process, setup.clone()));
                self.told = Some(Ok(tr!("Reading the model").into()));
            }
            Err(error) => self.told = Some(Err(error.to_string())),
        }
    }

    /// Asks the process to save and stop.
    pub(crate) fn stop(&mut self) {
        if let Some((process, _)) = &mut self.running {
            process.stop();
        }
    }

    /// Takes in what has happened; how soon to look again, where something is on.
    pub(crate) fn take_in(&mut self) -> Option<Duration> {
        let (process, setup) = self.running.as_mut()?;
        let Some(ended) = process.ended() else {
            if let Some(said) = process.said() {
                self.told = Some(Ok(said));
            }
            return Some(LOOK);
        };
        self.told = Some(match ended {
            Ended::Done => {
                self.written = Some(setup.source());
                Ok(summary(Path::new(setup.path.trim())))
            }
            Ended::Stopped => Ok(tr!("Stopped and saved; Start goes on from here").into()),
            Ended::Failed(reason) => Err(reason),
        });
        self.running = None;
        None
    }
}

/// What the description beside a training file says.
fn summary(path: &Path) -> String {
    let mut beside = path.as_os_str().to_owned();
    beside.push(".json");
    let said = std::fs::read(PathBuf::from(beside)).unwrap_or_default();
    let said: Value = serde_json::from_slice(&said).unwrap_or_default();
    let counts = &said["counts"];
    let count = |name: &str| counts[name].as_u64().unwrap_or_default();
    tr!(
        "Saved {}: {} examples; {} of {} answers are right, {} of {} questions have none",
        shown(path),
        count("kept"),
        count("right"),
        count("sampled"),
        count("questions_with_none"),
        count("questions")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn setup() -> SamplingSetup {
        SamplingSetup {
            questions: " arc ".into(),
            samples: 4,
            keep: 2,
            temperature: 0.5,
            shots: 3,
            limit: 0,
            state: None,
            uses_state: true,
            path: "own.jsonl".into(),
            model: None,
            vocabulary: None,
            device: "cpu".into(),
        }
    }

    fn words(setup: &SamplingSetup) -> String {
        let arguments = setup.arguments().into_iter();
        let words: Vec<String> = arguments.map(|of| of.into_string().unwrap()).collect();
        words.join(" ")
    }

    #[test]
    fn what_is_asked_for_is_what_the_command_takes() {
        let arc = setup();
        assert_eq!(
            words(&arc),
            "sample-data arc --output own.jsonl --device cpu --ends-with-input --samples 4 \
             --keep 2 --temperature 0.5 --shots 3"
        );
        let own = SamplingSetup {
            questions: "a.jsonl".into(),
            limit: 9,
            state: Some(AnsweringState {
                title: "a".into(),
                folder: "runs/a".into(),
            }),
            model: Some("m.pth".into()),
            ..setup()
        };
        let said = words(&own);
        assert!(!said.contains("--shots"), "{said}");
        assert!(
            said.ends_with("--limit 9 --state runs/a --model m.pth"),
            "{said}"
        );
    }

    /// The words that the command writes into the description.
    #[test]
    fn the_result_is_told_from_the_description() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("own.jsonl");
        let counts =
            r#"{"counts":{"questions":9,"sampled":18,"right":7,"kept":4,"questions_with_none":5}}"#;
        std::fs::write(folder.path().join("own.jsonl.json"), counts).unwrap();
        let said = summary(&path);
        let end = ": 4 examples; 7 of 18 answers are right, 5 of 9 questions have none";
        assert!(said.ends_with(end), "{said}");
    }
}
