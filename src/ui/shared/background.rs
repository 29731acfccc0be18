//! What the window does beside drawing: files are read on threads of their own,
//! so that no frame waits for them.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::Builder;

use crossbeam_channel::{Receiver, Sender, unbounded};

use super::evaluations::{EvaluationFiles, EvaluationPair, Stamp};
use crate::bench::{Comparison, compare};
use crate::data::Preview;
use crate::error::{Error, Result};
use crate::kernels::device::{AdapterSummary, DeviceChoice, list_adapters, memory_of};
use crate::model::checkpoint::Checkpoint;
use crate::persist::run_history::past_run;
use crate::persist::spec_file::read_spec;
use crate::protocol::event::RunId;
use crate::protocol::run_spec::RunSpec;
use crate::runs::RunStore;
use crate::runs::run::Run;
use crate::sweep::store::SWEEP_FILE;
use crate::text_file::read_text;
use crate::tuning::tuned::Tuned;
use crate::ui::runs::folders::move_folder;
use crate::ui::shell::path_dialogs::PathFor;
use crate::ui::states::data::{GridKey, MatrixImageKey, StateKey, read};
use crate::ui::states::images::{HeadGrid, MatrixImage};
use crate::worker::foresight::Foresight;

/// What came of something that was done beside the window.
#[derive(Debug)]
pub(crate) enum Answer {
    PastRuns(Result<Box<RunStore>>),
    Adapters(Vec<AdapterSummary>),
    Chosen(PathFor, PathBuf),
    Spec(Result<Box<RunSpec>>),
    Foreseen(Box<RunSpec>, Result<Box<Foresight>>),
    State(StateKey, Result<Tuned>),
    Shown(MatrixImageKey, Result<Option<MatrixImage>>),
    Grid(GridKey, Result<Option<HeadGrid>>),
    Evaluations(RunId, Stamp, EvaluationFiles),
    Compared(Box<EvaluationPair>, Result<Comparison>),
    /// Something was written, and what to say of it.
    Done(Result<String>),
    /// The folder of a run was moved or not.
    Moved(Box<Moved>),
    Dropped(Result<Dropped>),
    Exported(Result<String>),
    Memory(DeviceChoice, Option<u64>),
    /// The training data, by the number of the look at them.
    DataPreview(usize, Result<Box<Preview>>),
}

/// What came of moving a run's folder.
#[derive(Debug)]
pub(crate) struct Moved {
    pub run: Run,
    pub from: PathBuf,
    pub to: PathBuf,
    /// Whether it was put back.
    pub is_back: bool,
    pub problem: Option<Error>,
}

/// What was dropped on the window.
#[derive(Debug)]
pub(crate) enum Dropped {
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

/// Makes the window look; called from any thread.
pub(crate) type WakeUp = Arc<dyn Fn() + Send + Sync>;

/// Work beside the window, and what came of it.
#[derive(Clone)]
pub(crate) struct Background {
    wake: WakeUp,
    sender: Sender<Answer>,
    receiver: Receiver<Answer>,
}

impl Background {
    pub fn new(wake: WakeUp) -> Self {
        let (sender, receiver) = unbounded();
        Self {
            wake,
            sender,
            receiver,
        }
    }

    /// What has come so far.
    pub fn answers(&self) -> Vec<Answer> {
        self.receiver.try_iter().collect()
    }

    /// Reads the runs of earlier sessions.
    pub fn read_past_runs(&self, runs: PathBuf) {
        self.start(move || Some(Answer::PastRuns(RunStore::from_folder(runs).map(Box::new))));
    }

    /// Looks for GPUs, which starts their drivers.
    pub fn list_adapters(&self) {
        self.start(|| Some(Answer::Adapters(list_adapters())));
    }

    /// Asks how much memory a device has.
    pub fn ask_memory(&self, device: DeviceChoice) {
        self.start(move || Some(Answer::Memory(device, memory_of(device))));
    }

    /// Reads a specification.
    pub fn read_spec(&self, path: PathBuf) {
        self.start(move || Some(Answer::Spec(read_spec(path).map(Box::new))));
    }

    /// Looks at what a run would have to do with.
    pub fn foresee(&self, spec: RunSpec) {
        self.start(move || {
            let seen = Foresight::read(&spec).map(Box::new);
            Some(Answer::Foreseen(Box::new(spec), seen))
        });
    }

    /// Reads a state of the run in `folder`.
    pub fn read_state(&self, key: StateKey, folder: PathBuf) {
        self.start(move || {
            let state = read(&key, folder);
            Some(Answer::State(key, state))
        });
    }

    /// Makes a matrix ready to be shown.
    pub fn make_shown(
        &self,
        key: MatrixImageKey,
        make: impl FnOnce() -> Result<Option<MatrixImage>> + Send + 'static,
    ) {
        self.start(move || Some(Answer::Shown(key, make())));
    }

    /// Makes the grid of all heads ready to be shown.
    pub fn make_grid(
        &self,
        key: GridKey,
        make: impl FnOnce() -> Result<Option<HeadGrid>> + Send + 'static,
    ) {
        self.start(move || Some(Answer::Grid(key, make())));
    }

    /// Moves the folder of a run.
    pub fn move_run(&self, run: Run, to: PathBuf, is_back: bool) {
        self.start(move || {
            let from = run.folder.clone();
            let problem = move_folder(&from, &to).err();
            Some(Answer::Moved(Box::new(Moved {
                run,
                from,
                to,
                is_back,
                problem,
            })))
        });
    }

    /// Looks at what was dropped on the window.
    pub fn look_at_dropped(&self, path: PathBuf) {
        self.start(move || Some(Answer::Dropped(Dropped::of(path))));
    }

    /// Writes a state.
    pub fn export(&self, work: impl FnOnce() -> Result<String> + Send + 'static) {
        self.start(move || Some(Answer::Exported(work())));
    }

    /// Does work of which people hear only what is worth it.
    pub fn start_quietly(&self, work: impl FnOnce() -> Result<Option<String>> + Send + 'static) {
        self.start(move || match work() {
            Ok(text) => text.map(|text| Answer::Done(Ok(text))),
            Err(error) => Some(Answer::Done(Err(error))),
        });
    }

    /// Reads every evaluation in a run's folder.
    pub fn read_evaluations(&self, run: RunId, stamp: Stamp, folder: PathBuf) {
        self.start(move || {
            Some(Answer::Evaluations(
                run,
                stamp,
                EvaluationFiles::read(&folder),
            ))
        });
    }

    /// Compares two evaluations.
    pub fn compare(&self, pair: EvaluationPair) {
        self.start(move || {
            let comparison = compare(&pair.first.evaluation, &pair.second.evaluation, pair.rule);
            Some(Answer::Compared(Box::new(pair), comparison))
        });
    }

    /// Does work on a thread of its own; what comes of it is an answer, if any.
    pub(crate) fn start(&self, work: impl FnOnce() -> Option<Answer> + Send + 'static) {
        let (sender, wake) = (self.sender.clone(), self.wake.clone());
        let work = move || {
            if let Some(answer) = work() {
                // A window that is gone wants no answer.
                let _ = sender.send(answer);
                wake();
            }
        };
        let thread = Builder::new().name("beside the window".into()).spawn(work);
        if let Err(error) = thread {
            let error = Error::Device(format!("no thread to read files on, {error}"));
            let _ = self.sender.send(Answer::Spec(Err(error)));
        }
    }
}
