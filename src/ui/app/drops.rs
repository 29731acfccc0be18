//! Files and folders that are dropped on the window.

use std::path::{Path, PathBuf};

use eframe::egui::Context;

use super::App;
use crate::error::{Error, Result};
use crate::model::checkpoint::Checkpoint;
use crate::persist::run_history::past_run;
use crate::persist::spec_file::read_spec;
use crate::protocol::run_spec::{CheckpointSource, DataSource, RunSpec, VocabularySource};
use crate::runs::run::Run;
use crate::sweep::store::SWEEP_FILE;
use crate::text_file::read_text;
use crate::tuning::spec::{Method, StandardSpec, StartState};
use crate::ui::shared::notice::Notice;
use crate::ui::shared::tab::Tab;

/// What was dropped on the window.
#[derive(Debug)]
pub(super) enum Dropped {
    Run(Box<Run>),
    Spec(Box<RunSpec>),
    /// The file of a sweep.
    Sweep(PathBuf),
    /// The folder of a sweep.
    SweepFolder(PathBuf),
    Model(PathBuf),
    Vocabulary(PathBuf),
    State(PathBuf),
    Texts(PathBuf),
}

impl Dropped {
    /// Looks at what a path is: a folder by what is in it, a file by its ending
    /// and, where that says too little, by its tensors.
    fn of(path: PathBuf) -> Result<Self> {
        if path.join(SWEEP_FILE).is_file() {
            return Ok(Self::SweepFolder(path));
        }
        if path.is_dir() {
            return past_run(&path).map(|run| Self::Run(Box::new(run)));
        }
        let ending = path.extension().unwrap_or_default().to_string_lossy();
        match ending.to_ascii_lowercase().as_str() {
            "ron" => match read_spec(&path) {
                Ok(spec) => Ok(Self::Spec(Box::new(spec))),
                // No file is both: each refuses fields that it does not know.
                Err(_) if looks_like_sweep(&path) => Ok(Self::Sweep(path)),
                Err(error) => Err(error),
            },
            "txt" => Ok(Self::Vocabulary(path)),
            "jsonl" | "json" | "csv" | "tsv" | "gz" => Ok(Self::Texts(path)),
            "st" | "state" => Ok(Self::State(path)),
            "pth" | "pt" | "safetensors" => {
                let checkpoint = Checkpoint::open(&path)?;
                // A model has an embedding; a state has none.
                let is_model = checkpoint.tensor("emb.weight").is_some();
                Ok(if is_model {
                    Self::Model(path)
                } else {
                    Self::State(path)
                })
            }
            _ => {
                let reason = "is none that Gosling knows; drop a model (.pth, .safetensors), a state, a vocabulary (.txt), texts (.jsonl, .json, .csv), a specification (.ron) or a run's folder";
                Err(Error::input(path, "kind", reason))
            }
        }
    }
}

/// Whether a file is meant as a sweep, be it right or not.
fn looks_like_sweep(path: &Path) -> bool {
    let text = read_text(path, 1 << 20, "a sweep is a short RON file").unwrap_or_default();
    let mut words = text.split(|c: char| !c.is_alphanumeric() && c != '_' && c != ':');
    words.any(|word| word == "parts:" || word.starts_with("parts:"))
}

impl App {
    /// Looks at what was dropped on the window, beside it.
    pub(super) fn look_at_dropped(&self, path: PathBuf) {
        self.drops.start(move || Some(Dropped::of(path)));
    }

    /// Begins to look at files that were dropped on the window.
    pub(super) fn take_drops(&mut self, ctx: &Context) {
        let paths: Vec<PathBuf> = ctx.input(|input| {
            let files = input.raw.dropped_files.iter();
            files.map(|file| file.path().to_path_buf()).collect()
        });
        for path in paths {
            self.look_at_dropped(path);
        }
    }

    pub(super) fn take_dropped(&mut self, dropped: Dropped) {
        let draft = &mut self.workspace.draft;
        let what = match dropped {
            Dropped::Run(run) => {
                let id = run.id.clone();
                self.workspace.store.add(*run);
                self.workspace.selection.select_only(&id);
                return;
            }
            Dropped::Sweep(path) => {
                self.sweep.read(path);
                self.shell.dock.open(Tab::Sweep);
                return;
            }
            Dropped::SweepFolder(path) => {
                self.sweep.open(path);
                self.shell.dock.open(Tab::Sweep);
                return;
            }
            Dropped::Spec(spec) => {
                *draft = *spec;
                "The configuration is that of the file"
            }
            Dropped::Model(path) => {
                draft.model.checkpoint = CheckpointSource::File(path);
                "The model of the configuration is that file"
            }
            Dropped::Vocabulary(path) => {
                draft.model.vocabulary = VocabularySource::File(path);
                "The vocabulary of the configuration is that file"
            }
            Dropped::State(path) => {
                start_from(&mut draft.method, path);
                "The configuration starts from that state"
            }
            Dropped::Texts(path) => {
                let (validation, template) = match &draft.data.source {
                    DataSource::Jsonl {
                        validation,
                        template,
                        ..
                    } => (validation.clone(), *template),
                    DataSource::Mini(_) | DataSource::Official { .. } => Default::default(),
                };
                draft.data.source = DataSource::Jsonl {
                    train: path,
                    validation,
                    template,
                };
                "The configuration trains on that file"
            }
        };
        self.shell.shows_form = true;
        self.workspace.notify(Notice::info(what.into()));
    }
}

fn start_from(method: &mut Method, path: PathBuf) {
    let file = StartState::File(path);
    match method {
        Method::Standard(standard) => standard.start = file,
        Method::Lifted(lift) => lift.start = file,
        Method::Base | Method::PaperLiteral(_) => {
            *method = Method::Standard(StandardSpec {
                start: file,
                ..StandardSpec::default()
            });
        }
    }
}
