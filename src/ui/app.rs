//! The window as a client of the worker: it takes events in, lays the views
//! out, and applies what they return.

pub(crate) mod actions;
pub(crate) mod answers;
pub(crate) mod layout;

use std::path::PathBuf;
use std::time::Instant;

use crossbeam_channel::TryRecvError;
use eframe::egui::{self, Context, ViewportCommand};

use super::compare::paired_rows::Comparisons;
use super::config::defaults::Defaults;
use super::config::forecast::DraftForecast;
use super::config::history::{DraftHistory, held};
use super::dialogs::data_preview::DataPreview;
use super::items::index::ItemIndex;
use super::shared::background::{Background, WakeUp};
use super::shared::evaluations::EvaluationCache;
pub use super::shared::notice::{Notice, Remedy};
use super::shared::queue::Queue;
use super::shell::frame_times::FrameTimes;
use super::shell::pictures::{PendingPicture, PictureOf};
use super::shell::shortcuts::pressed;
use super::shell::theme;
use super::states::data::StatesData;
use super::sweep::state::SweepState;
use super::tune::plot_cache::PlotCache;
use super::ui_state::{Tab, UiState};
use crate::kernels::device::AdapterSummary;
use crate::protocol::command::Command;
use crate::protocol::event::{Event, RunId};
use crate::runs::news::News;
use crate::runs::run::Run;
use crate::runs::{LogLevel, RunStore};
use crate::worker::WorkerHandle;
use layout::layout_ui;

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

/// What is kept so as not to be made anew in every frame.
pub(crate) struct Caches {
    pub plots: PlotCache,
    pub states: StatesData,
    pub foreseen: DraftForecast,
    /// What the fields of the draft are by default.
    pub defaults: Defaults,
    pub frames: FrameTimes,
    /// Evaluations of the runs that are looked at, and their comparisons.
    pub measured: EvaluationCache,
    /// What views show of the comparisons.
    pub comparisons: Comparisons,
    /// Which of their items are listed.
    pub items: ItemIndex,
    /// The GPUs of this machine, once they are known.
    pub adapters: Option<Vec<AdapterSummary>>,
    /// What a picture is to be of, while people choose its file.
    pub picture_of: Option<PictureOf>,
    /// The picture that is to be taken.
    pub wanted: Option<PendingPicture>,
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
    pub sweep: SweepState,
    pub(crate) worker: Option<WorkerHandle>,
    pub(crate) background: Background,
    pub(crate) caches: Caches,
    /// What the draft was before.
    pub(crate) history: DraftHistory,
    pub(crate) notices: Vec<Notice>,
    pub(crate) runs_dir: PathBuf,
    /// What was asked of the worker.
    pub queue: Queue,
    /// Whether distances are being measured.
    pub(crate) measures: bool,
    /// Runs that were deleted last, with the folder that each had.
    pub(crate) deleted: Vec<(Run, PathBuf)>,
    /// Runs of which something is to be written where people choose.
    pub(crate) to_write: Vec<RunId>,
    /// Evaluations that were asked for.
    pub(crate) n_scored: usize,
    /// Searches for a learning rate that were asked for.
    pub(crate) n_searched: usize,
    /// What is looked at of the training data.
    pub(crate) data_look: Option<DataPreview>,
    /// Looks at training data that were asked for.
    pub(crate) n_looked: usize,
    pub(crate) wake: WakeUp,
    since: Instant,
    pub(crate) reads_past_runs: bool,
    /// Whether what was on when the window closed last time was taken up.
    pub(crate) has_gone_on: bool,
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
        let mut sweep = SweepState::new(wake.clone());
        sweep.restore(&state.sweep);
        Self {
            store: RunStore::default(),
            history: DraftHistory::new(state.draft.clone()),
            state,
            closing: Closing::default(),
            sweep,
            worker,
            background: Background::new(wake.clone()),
            caches: Caches {
                plots: PlotCache::default(),
                states: StatesData::default(),
                foreseen: DraftForecast::default(),
                defaults: Defaults::default(),
                frames: FrameTimes::default(),
                measured: EvaluationCache::default(),
                comparisons: Comparisons::default(),
                items: ItemIndex::default(),
                adapters: None,
                picture_of: None,
                wanted: None,
            },
            notices: Vec::new(),
            runs_dir,
            queue: Queue::default(),
            measures: false,
            deleted: Vec::new(),
            to_write: Vec::new(),
            n_scored: 0,
            n_searched: 0,
            data_look: None,
            n_looked: 0,
            wake,
            since: Instant::now(),
            reads_past_runs: false,
            has_gone_on: false,
            has_been_set_up: false,
        }
    }

    /// Begins what takes its time: past runs, adapters, the device and the
    /// model.
    pub fn begin(&mut self) {
        self.reads_past_runs = true;
        self.background.read_past_runs(self.runs_dir.clone());
        self.background.list_adapters();
        if let Some(sweep) = self.state.sweep_resumes.take() {
            self.sweep.go_on(sweep, false);
        }
        self.sweep.list(&self.runs_dir);
        if self.state.draft.check().is_ok() {
            self.send_other(Command::Load(Box::new(self.state.draft.clone())));
        }
    }

    /// Has runs begin in this folder.
    pub fn runs_in(&mut self, runs_dir: PathBuf) {
        self.runs_dir = runs_dir;
    }

    /// Puts into the state what is kept of the rest of the window.
    pub fn keep(&mut self) {
        self.state.sweep = self.sweep.keep();
    }

    /// Whether runs of earlier sessions are still being read.
    pub fn reads_past_runs(&self) -> bool {
        self.reads_past_runs
    }

    /// Whether evaluations are being read or compared.
    pub fn reads_evaluations(&self) -> bool {
        self.caches.measured.is_waiting()
    }

    /// Whether a run is on or about to begin.
    pub fn is_busy(&self) -> bool {
        self.queue.has_run()
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
        self.take_events();
        for answer in self.background.answers() {
            self.take_answer(answer);
        }
        self.take_in_sweep();
        self.history.note_whole(&self.state.draft);
        self.state.take_in(&self.store);
        let is_done = match self.closing {
            Closing::No => false,
            Closing::Asking => !self.is_busy(),
            Closing::Saving => {
                !self.sweep.is_on()
                    && self.queue.starting().is_none()
                    && self.store.runs().iter().all(|run| run.status.is_over())
            }
        };
        if is_done {
            ctx.send_viewport_cmd(ViewportCommand::Close);
        }
    }

    fn take_events(&mut self) {
        loop {
            let event = match &self.worker {
                None => break,
                Some(worker) => worker.events.try_recv(),
            };
            match event {
                Ok(event) => self.take_event(event),
                Err(TryRecvError::Empty) => break,
                Err(TryRecvError::Disconnected) => {
                    self.worker_gone();
                    break;
                }
            }
        }
        if self.closing == Closing::No
            && self.worker.is_some()
            && let Some(command) = self.queue.next(&self.runs_dir, self.sweep.is_on())
        {
            self.send(command);
        }
    }

    fn take_event(&mut self, event: Event) {
        match self.store.take_in(event) {
            Some(News::Began(run)) => {
                self.state.select_only(&run);
                if self.closing == Closing::Saving {
                    self.began_while_closing(&run);
                }
                if self.queue.began() {
                    self.send(Command::Stop(run));
                }
            }
            Some(News::Failed { run, message, .. }) => {
                if !self.take_unfound(run.as_ref(), &message) {
                    self.notify(Notice::error(message));
                }
            }
            Some(News::JobDone) => {
                self.queue.job_done();
                if self.queue.is_idle() {
                    self.measures = false;
                    self.no_search_is_on("the search was given up");
                }
            }
            Some(News::Diagnosed(diagnosis)) => {
                self.notify(Notice::warning(diagnosis.to_string()));
            }
            Some(News::Scored(of)) => self.caches.measured.read_again(&of),
            Some(News::RateFound(run)) => self.take_found(&run),
            Some(News::Ended { .. }) | None => {}
        }
    }

    /// A worker that ended by itself: its runs have failed and can be resumed.
    pub(crate) fn worker_gone(&mut self) {
        self.worker = None;
        self.queue.worker_gone();
        let why = "the worker ended; start it again and resume the run";
        let sweep = &self.sweep;
        let is_elsewhere = |run: &RunId| sweep.under_way(run).is_some();
        self.store.worker_gone(why, is_elsewhere);
        self.no_search_is_on("the worker ended; start it again");
        // On the way out it ends because it was told to.
        if self.closing == Closing::Saving {
            return;
        }
        let text = "The worker is gone. What was written is safe, and runs can be resumed.";
        self.notify(Notice::error(text.into()).with(Remedy::RestartWorker));
    }

    /// Shows a message; the same one only once. One that says that all went well
    /// gives way to the next, unless something can be done about it.
    pub fn notify(&mut self, notice: Notice) {
        self.notices.retain(|old| {
            let is_replaced = notice.remedy.is_some() && old.remedy == notice.remedy;
            let stays = old.level > LogLevel::Info || old.remedy.is_some();
            *old != notice && stays && !is_replaced
        });
        self.notices.push(notice);
        let n_over = self.notices.len().saturating_sub(MAX_NOTICES);
        self.notices.drain(..n_over);
    }

    pub(crate) fn dismiss(&mut self, idx: usize) {
        if idx < self.notices.len() {
            self.notices.remove(idx);
        }
    }

    /// Draws the window and does what people asked for.
    pub fn show(&mut self, ui: &mut egui::Ui) {
        let start = Instant::now();
        let ctx = ui.ctx().clone();
        self.ask_before_closing(&ctx);
        self.look_ahead(&ctx);
        self.take_drops(&ctx);
        self.take_picture(&ctx);
        let has_dialog =
            self.state.has_dialog() || self.data_look.is_some() || self.closing != Closing::No;
        let mut actions = pressed(&ctx, &self.store, &self.state, has_dialog);
        layout_ui(ui, self, &mut actions);
        self.history.note(&self.state.draft, held(&ctx));
        if !actions.is_empty() {
            // What they change is seen at once.
            ctx.request_repaint();
        }
        for action in actions {
            self.apply(action, &ctx);
        }
        self.history.note_whole(&self.state.draft);
        self.caches.frames.add(start, self.since);
        if self.state.shows_frame_times {
            self.caches.frames.show(&ctx);
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
        self.caches.defaults.look_at(&self.state.draft);
        if let Some(spec) = self.caches.foreseen.wants(&self.state.draft) {
            self.background.foresee(spec);
        }
        // A window without a worker knows no machine.
        if self.worker.is_some()
            && let Some(device) = self.caches.foreseen.wants_memory_of(&self.state.draft)
        {
            self.background.ask_memory(device);
        }
        if self.state.shows(Tab::Compare) || self.state.shows(Tab::Items) {
            self.read_evaluations();
        }
        if self.state.shows(Tab::Sweep) {
            let wants_memory = self.worker.is_some();
            self.sweep
                .look_ahead(&self.state.draft, &self.store, wants_memory);
        }
        if self.state.shows(Tab::States) {
            self.look_at_states(ctx);
        }
    }
}
