//! The window as a client of the worker: it takes events in, lays the views
//! out, and applies what they return.

use std::path::PathBuf;

use eframe::egui::{self, Context, ViewportCommand};

use super::background::{Answer, Background, PathFor, WakeUp};
use super::foreseen::Foreseen;
use super::layout::layout_ui;
use super::shortcuts::pressed;
use super::states_data::StatesData;
use super::sweep_panel::SweepPanel;
use super::theme;
use super::ui_state::{Tab, UiState};
use super::widgets::metric_plot::PlotCache;
use crate::kernels::device::AdapterSummary;
use crate::persist::atomic::write_atomic;
use crate::persist::spec_file::print_spec;
use crate::runs::{LogLevel, RunStore};
use crate::tuning::spec::{Method, StartState};
use crate::worker::WorkerHandle;
use crate::worker::command::Command;
use crate::worker::event::Event;
use crate::worker::log_line::failure_line;
use crate::worker::run_spec::{CheckpointSource, DataSource, VocabularySource};

/// The most messages that are shown at once; older ones go.
const MAX_NOTICES: usize = 4;

/// Where the window is on its way out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Closing {
    /// Nobody wants to close it.
    #[default]
    No,
    /// A run is on, and people are asked.
    Asking,
    /// The run is being saved.
    Saving,
}

/// A message in the window.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// What happened and what to do.
    pub text: String,
    /// How much it matters.
    pub level: LogLevel,
}

impl Notice {
    /// Something could not be done.
    pub fn error(text: String) -> Self {
        Self {
            text,
            level: LogLevel::Error,
        }
    }

    /// Something was done.
    pub fn info(text: String) -> Self {
        Self {
            text,
            level: LogLevel::Info,
        }
    }

    /// Something people should look at.
    pub fn warning(text: String) -> Self {
        Self {
            text,
            level: LogLevel::Warning,
        }
    }
}

/// What is kept so as not to be made anew in every frame.
pub(super) struct Caches {
    pub plots: PlotCache,
    pub states: StatesData,
    pub foreseen: Foreseen,
    /// The GPUs of this machine, once they are known.
    pub adapters: Option<Vec<AdapterSummary>>,
}

/// The window.
pub struct App {
    /// Everything that is known of runs.
    pub store: RunStore,
    /// What people look at.
    pub state: UiState,
    /// Where the window is on its way out.
    pub closing: Closing,
    /// Sweeps: the one that is set up, the one that is looked at.
    pub sweep: SweepPanel,
    pub(super) worker: Option<WorkerHandle>,
    pub(super) background: Background,
    pub(super) caches: Caches,
    pub(super) notices: Vec<Notice>,
    pub(super) runs_dir: PathBuf,
    /// Runs that were asked for and have not begun.
    pub(super) n_waiting: usize,
    reads_past_runs: bool,
    has_been_set_up: bool,
}

impl App {
    /// A window on a worker, or on none, which shows and does nothing. `wake`
    /// makes it look, from any thread.
    pub fn new(
        worker: Option<WorkerHandle>,
        state: UiState,
        runs_dir: PathBuf,
        wake: WakeUp,
    ) -> Self {
        Self {
            store: RunStore::default(),
            state,
            closing: Closing::default(),
            sweep: SweepPanel::new(wake.clone()),
            worker,
            background: Background::new(wake),
            caches: Caches {
                plots: PlotCache::default(),
                states: StatesData::default(),
                foreseen: Foreseen::default(),
                adapters: None,
            },
            notices: Vec::new(),
            runs_dir,
            n_waiting: 0,
            reads_past_runs: false,
            has_been_set_up: false,
        }
    }

    /// Begins what takes its time: past runs, adapters, the device and the
    /// model.
    pub fn begin(&mut self) {
        self.reads_past_runs = true;
        self.background.read_past_runs(self.runs_dir.clone());
        self.background.list_adapters();
        self.sweep.list(&self.runs_dir);
        if self.state.draft.check().is_ok() {
            self.send(Command::Load(Box::new(self.state.draft.clone())));
        }
    }

    /// Has runs begin in this folder.
    pub fn runs_in(&mut self, runs_dir: PathBuf) {
        self.runs_dir = runs_dir;
    }

    /// Whether runs of earlier sessions are still being read.
    pub fn reads_past_runs(&self) -> bool {
        self.reads_past_runs
    }

    /// Whether a run is on or about to begin.
    pub fn is_busy(&self) -> bool {
        self.n_waiting > 0
            || self.sweep.is_on()
            || self.store.runs().iter().any(|run| !run.status.is_over())
    }

    /// Takes in what has happened since the last frame.
    pub fn take_in(&mut self, ctx: &Context) {
        if !self.has_been_set_up {
            self.has_been_set_up = true;
            theme::install(ctx);
            self.state.appearance.apply(ctx);
        }
        let events: Vec<Event> = match &self.worker {
            Some(worker) => worker.events.try_iter().collect(),
            None => Vec::new(),
        };
        for event in events {
            self.take_event(event);
        }
        for answer in self.background.answers() {
            self.take_answer(answer);
        }
        self.sweep.take_in(&mut self.store);
        for notice in std::mem::take(&mut self.sweep.notices) {
            self.notify(notice);
        }
        self.state.take_in(&self.store);
        let is_done = match self.closing {
            Closing::No => false,
            Closing::Asking => !self.is_busy(),
            Closing::Saving => {
                !self.sweep.is_on() && self.store.runs().iter().all(|run| run.status.is_over())
            }
        };
        if is_done {
            ctx.send_viewport_cmd(ViewportCommand::Close);
        }
    }

    fn take_event(&mut self, event: Event) {
        match &event {
            Event::RunStarted { run, .. } => {
                self.n_waiting = self.n_waiting.saturating_sub(1);
                self.state.select_only(run);
            }
            Event::Failed {
                run,
                during,
                message,
                ..
            } => {
                if run.is_none() {
                    self.n_waiting = self.n_waiting.saturating_sub(1);
                }
                self.notify(Notice::error(failure_line(during, message)));
            }
            Event::Diagnosed { diagnosis, .. } => {
                self.notify(Notice::warning(diagnosis.to_string()));
            }
            Event::DeviceReady { .. }
            | Event::Loading { .. }
            | Event::ModelLoaded { .. }
            | Event::Step { .. }
            | Event::Validated { .. }
            | Event::SnapshotReady { .. }
            | Event::CheckpointSaved { .. }
            | Event::EvaluationProgress { .. }
            | Event::EvaluationFinished { .. }
            | Event::StateExported { .. }
            | Event::Paused { .. }
            | Event::RunEnded { .. }
            | Event::RateProgress { .. }
            | Event::RateFound { .. }
            | Event::TraceReady => {}
        }
        self.store.apply(event);
    }

    fn take_answer(&mut self, answer: Answer) {
        match answer {
            Answer::PastRuns(past) => {
                self.reads_past_runs = false;
                match past {
                    Ok(past) => self.add_past(past),
                    Err(error) => self.notify(Notice::error(error.to_string())),
                }
            }
            Answer::Adapters(adapters) => self.caches.adapters = Some(adapters),
            Answer::Chosen(what, path) => self.use_path(what, path),
            Answer::Spec(Ok(spec)) => self.state.draft = *spec,
            Answer::Spec(Err(error)) => self.notify(Notice::error(error.to_string())),
            Answer::Foreseen(spec, seen) => self.caches.foreseen.take(*spec, seen),
            Answer::State(key, state) => self.caches.states.take_state(key, state),
            Answer::Shown(key, shown) => self.caches.states.shown.take(key, shown),
            Answer::Grid(key, grid) => self.caches.states.grid.take(key, grid),
        }
    }

    /// Runs that began while the others were read stay as they are.
    fn add_past(&mut self, past: RunStore) {
        for run in past.runs() {
            if self.store.get(&run.id).is_none() {
                self.store.add(run.clone());
            }
        }
        self.store.broken = past.broken;
        if let (None, Some(run)) = (self.state.focused(), self.store.runs().last()) {
            let newest = run.id.clone();
            self.state.select_only(&newest);
        }
    }

    fn use_path(&mut self, what: PathFor, path: PathBuf) {
        let draft = &mut self.state.draft;
        match what {
            PathFor::Checkpoint => draft.model.checkpoint = CheckpointSource::File(path),
            PathFor::Vocabulary => draft.model.vocabulary = VocabularySource::File(path),
            PathFor::BenchmarkFolder => {
                if let DataSource::Official { folder, .. } = &mut draft.data.source {
                    *folder = path;
                }
            }
            PathFor::Train => {
                if let DataSource::Jsonl { train, .. } = &mut draft.data.source {
                    *train = path;
                }
            }
            PathFor::Validation => {
                if let DataSource::Jsonl { validation, .. } = &mut draft.data.source {
                    *validation = Some(path);
                }
            }
            PathFor::StartState => {
                if let Method::Standard(standard) = &mut draft.method {
                    standard.start = StartState::File(path);
                }
            }
            PathFor::OpenSpec => self.background.read_spec(path),
            PathFor::SaveSpec => self.save_spec(&path),
        }
    }

    fn save_spec(&mut self, path: &std::path::Path) {
        let saved = print_spec(&self.state.draft).and_then(|text| {
            write_atomic(path, |file| {
                std::io::Write::write_all(file, text.as_bytes())
            })
        });
        match saved {
            Ok(()) => self.notify(Notice::info(format!("Saved {}", path.display()))),
            Err(error) => self.notify(Notice::error(error.to_string())),
        }
    }

    /// Shows a message; the same one only once.
    pub fn notify(&mut self, notice: Notice) {
        self.notices
            .retain(|old| *old != notice && old.level > LogLevel::Info);
        self.notices.push(notice);
        let n_over = self.notices.len().saturating_sub(MAX_NOTICES);
        self.notices.drain(..n_over);
    }

    pub(super) fn dismiss(&mut self, idx: usize) {
        if idx < self.notices.len() {
            self.notices.remove(idx);
        }
    }

    /// Draws the window and does what people asked for.
    pub fn show(&mut self, ui: &mut egui::Ui) {
        let ctx = ui.ctx().clone();
        self.ask_before_closing(&ctx);
        self.look_ahead(&ctx);
        let mut actions = pressed(&ctx, &self.store, &self.state);
        layout_ui(ui, self, &mut actions);
        for action in actions {
            self.apply(action, &ctx);
        }
    }

    fn ask_before_closing(&mut self, ctx: &Context) {
        let wants_to_close = ctx.input(|input| input.viewport().close_requested());
        // Dropping the worker saves too, so that no second word is needed.
        if wants_to_close && self.is_busy() && self.closing != Closing::Saving {
            ctx.send_viewport_cmd(ViewportCommand::CancelClose);
            self.closing = Closing::Asking;
        }
    }

    /// Has read what the views will want.
    fn look_ahead(&mut self, ctx: &Context) {
        if let Some(spec) = self.caches.foreseen.wants(&self.state.draft) {
            self.background.foresee(spec);
        }
        if self.state.tab == Tab::Sweep {
            self.sweep.look_ahead(&self.state.draft, &self.store);
        }
        if self.state.tab == Tab::States {
            self.look_at_states(ctx);
        }
    }
}
