//! What the window does beside drawing: files are read and dialogs wait on
//! threads of their own, so that no frame waits for them.

use std::future::Future;
use std::path::PathBuf;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Builder, Thread};

use crossbeam_channel::{Receiver, Sender, unbounded};
use rfd::AsyncFileDialog;

use super::housekeeping::move_folder;
use super::measured::{Files, Pair, Stamp};
use super::states_data::{GridKey, ShownKey, StateKey, read};
use super::states_shown::{HeadGrid, Shown};
use super::widgets::metric::Metric;
use crate::bench::{Comparison, compare};
use crate::error::{Error, Result};
use crate::kernels::device::{AdapterSummary, DeviceChoice, list_adapters, memory_of};
use crate::model::checkpoint::Checkpoint;
use crate::persist::evaluation_file::read_evaluation;
use crate::persist::run_history::past_run;
use crate::persist::spec_file::read_spec;
use crate::protocol::event::RunId;
use crate::protocol::run_spec::RunSpec;
use crate::report::Table;
use crate::report::compared::evaluations_of;
use crate::runs::RunStore;
use crate::runs::run::Run;
use crate::tuning::tuned::Tuned;
use crate::worker::foresight::Foresight;

/// What a path that is chosen in a dialog is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PathFor {
    /// The model of the draft.
    Checkpoint,
    /// Its vocabulary.
    Vocabulary,
    /// The folder of an official benchmark.
    BenchmarkFolder,
    /// Training examples.
    Train,
    /// Held-out examples.
    Validation,
    /// The state that S_0 starts from.
    StartState,
    /// A specification to open.
    OpenSpec,
    /// Where to save the draft.
    SaveSpec,
    /// Where to write a state.
    Export,
    /// Where to write the numbers of runs.
    Numbers,
    /// Where to write a plot as a picture that scales.
    Svg(Metric),
    /// Where to write a picture of what the window shows.
    Picture,
    /// The folder of official files that a run is scored on.
    ScoredFolder,
    /// Where to write what helps to find a fault.
    Diagnostics,
}

/// What came of something that was done beside the window.
#[derive(Debug)]
pub(super) enum Answer {
    PastRuns(Result<Box<RunStore>>),
    Adapters(Vec<AdapterSummary>),
    Chosen(PathFor, PathBuf),
    Spec(Result<Box<RunSpec>>),
    Foreseen(Box<RunSpec>, Result<Box<Foresight>>),
    State(StateKey, Result<Tuned>),
    Shown(ShownKey, Result<Option<Shown>>),
    Grid(GridKey, Result<Option<HeadGrid>>),
    Evaluations(RunId, Stamp, Files),
    Compared(Box<Pair>, Result<Comparison>),
    /// Something was written, and what to say of it.
    Done(Result<String>),
    /// The folder of a run was moved or not.
    Moved(Box<Moved>),
    Dropped(Result<Dropped>),
    Exported(Result<String>),
    Memory(DeviceChoice, Option<u64>),
}

/// What came of moving a run's folder.
#[derive(Debug)]
pub(super) struct Moved {
    pub run: Run,
    pub from: PathBuf,
    pub to: PathBuf,
    /// Whether it was put back.
    pub is_back: bool,
    pub problem: Option<Error>,
}

/// What was dropped on the window.
#[derive(Debug)]
pub(super) enum Dropped {
    Run(Box<Run>),
    Spec(Box<RunSpec>),
    Model(PathBuf),
    Vocabulary(PathBuf),
    State(PathBuf),
    Texts(PathBuf),
}

impl Dropped {
    /// Looks at what a path is: a folder by what is in it, a file by its ending
    /// and, where that says too little, by its tensors.
    fn of(path: PathBuf) -> Result<Self> {
        if path.is_dir() {
            return past_run(&path).map(|run| Self::Run(Box::new(run)));
        }
        let ending = path.extension().unwrap_or_default().to_string_lossy();
        match ending.to_ascii_lowercase().as_str() {
            "ron" => read_spec(path).map(|spec| Self::Spec(Box::new(spec))),
            "txt" => Ok(Self::Vocabulary(path)),
            "jsonl" => Ok(Self::Texts(path)),
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
                let reason = "is none that Gosling knows; drop a model (.pth, .safetensors), a state, a vocabulary (.txt), texts (.jsonl), a specification (.ron) or a run's folder";
                Err(Error::input(path, "kind", reason))
            }
        }
    }
}

/// Makes the window look; called from any thread.
pub(super) type WakeUp = Arc<dyn Fn() + Send + Sync>;

/// Work beside the window, and what came of it.
#[derive(Clone)]
pub(super) struct Background {
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
        key: ShownKey,
        make: impl FnOnce() -> Result<Option<Shown>> + Send + 'static,
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
            let files = evaluations_of(&folder).and_then(|paths| {
                let files = paths.iter().map(|path| read_evaluation(path).map(Arc::new));
                files.collect()
            });
            Some(Answer::Evaluations(run, stamp, files))
        });
    }

    /// Compares two evaluations.
    pub fn compare(&self, pair: Pair) {
        self.start(move || {
            let comparison = compare(&pair.first.evaluation, &pair.second.evaluation, pair.rule);
            Some(Answer::Compared(Box::new(pair), comparison))
        });
    }

    /// Asks where to save a table, and saves it in the format of the name.
    pub fn save_table(&self, table: Table) {
        let dialog = AsyncFileDialog::new()
            .set_title("Save the table")
            .set_file_name("accuracy.csv");
        let formats = [
            ("CSV", "csv"),
            ("Markdown", "md"),
            ("LaTeX", "tex"),
            ("JSON", "json"),
            ("Text", "txt"),
        ];
        let with = |dialog: AsyncFileDialog, (name, ending): (&str, &str)| {
            dialog.add_filter(name, &[ending])
        };
        let dialog = formats.into_iter().fold(dialog, with).save_file();
        self.start(move || {
            let chosen = block_on(dialog)?;
            let path = chosen.path();
            let saved = table.write(path);
            Some(Answer::Done(
                saved.map(|()| format!("Saved {}", path.display())),
            ))
        });
    }

    /// Asks for a path. Dialogs of the system are made on the window's thread,
    /// as macOS wants it, and waited for on another.
    pub fn choose(&self, what: PathFor, name: &str) {
        let dialog = AsyncFileDialog::new();
        let file = |title: &str, kind: &str, extensions: &[&str]| {
            let dialog = AsyncFileDialog::new().set_title(title);
            dialog.add_filter(kind, extensions).pick_file()
        };
        match what {
            PathFor::Checkpoint => {
                self.wait_for(
                    what,
                    file("Choose a model", "RWKV-7 model", &["pth", "safetensors"]),
                );
            }
            PathFor::Vocabulary => {
                self.wait_for(what, file("Choose a vocabulary", "Vocabulary", &["txt"]))
            }
            PathFor::Train => self.wait_for(
                what,
                file("Choose training examples", "JSON lines", &["jsonl"]),
            ),
            PathFor::Validation => self.wait_for(
                what,
                file("Choose held-out examples", "JSON lines", &["jsonl"]),
            ),
            PathFor::StartState => self.wait_for(
                what,
                file(
                    "Choose a state",
                    "Tuned state",
                    &["safetensors", "pth", "st", "state"],
                ),
            ),
            PathFor::OpenSpec => self.wait_for(
                what,
                file("Open a run specification", "Run specification", &["ron"]),
            ),
            PathFor::BenchmarkFolder | PathFor::ScoredFolder => {
                let dialog = dialog.set_title("Choose the folder of the benchmark's files");
                self.wait_for(what, dialog.pick_folder());
            }
            PathFor::Export => {
                let dialog = dialog
                    .set_title("Where to write the state")
                    .set_file_name(name);
                self.wait_for(what, dialog.save_file());
            }
            PathFor::Numbers => self.wait_for(
                what,
                save("Where to write the numbers", name, "Table", "csv"),
            ),
            PathFor::Svg(_) => self.wait_for(
                what,
                save("Where to write the picture", name, "Picture", "svg"),
            ),
            PathFor::Picture => self.wait_for(
                what,
                save("Where to write the picture", name, "Picture", "png"),
            ),
            PathFor::Diagnostics => self.wait_for(
                what,
                save("Where to write the diagnostics", name, "Archive", "zip"),
            ),
            PathFor::SaveSpec => {
                let dialog = dialog
                    .set_title("Save the run specification")
                    .set_file_name(format!("{name}.ron"));
                self.wait_for(
                    what,
                    dialog.add_filter("Run specification", &["ron"]).save_file(),
                );
            }
        }
    }

    fn wait_for(
        &self,
        what: PathFor,
        dialog: impl Future<Output = Option<rfd::FileHandle>> + Send + 'static,
    ) {
        self.start(move || {
            let chosen = block_on(dialog)?;
            Some(Answer::Chosen(what, chosen.path().to_path_buf()))
        });
    }

    fn start(&self, work: impl FnOnce() -> Option<Answer> + Send + 'static) {
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

/// Asks where to write a file of one kind.
fn save(
    title: &str,
    name: &str,
    kind: &str,
    ending: &str,
) -> impl Future<Output = Option<rfd::FileHandle>> + Send + use<> {
    AsyncFileDialog::new()
        .set_title(title)
        .set_file_name(format!("{name}.{ending}"))
        .add_filter(kind, &[ending])
        .save_file()
}

/// Waits on this thread for a future.
fn block_on<T>(future: impl Future<Output = T>) -> T {
    struct Unpark(Thread);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut future = pin!(future);
    loop {
        match future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(value) => return value,
            Poll::Pending => thread::park(),
        }
    }
}
