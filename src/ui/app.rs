//! The window as a client of the worker: it takes events in, hands answers and
//! actions to the features, and lays their views out.

mod actions;
mod answers;
mod closing;
mod dropped;
mod drops;
mod elsewhere;
mod events;
mod layout;
pub mod saved;
mod seen;

use std::path::PathBuf;
use std::time::Instant;

use eframe::egui::{self, Context, ViewportCommand};

use self::dropped::Dropped;
use self::saved::SavedState;
use super::adapt::state::AdaptView;
use super::compare::paired_rows::Comparisons;
use super::config::history::held;
use super::config::origin::DraftOrigin;
use super::config::state::Config;
use super::dialogs::data_preview::DataPreviews;
use super::dialogs::export::Exports;
use super::dialogs::get_model::ModelDownloads;
use super::dialogs::mix::Mixes;
use super::dialogs::rate_search::RateSearches;
use super::dialogs::sampling::Samplings;
use super::dialogs::scoring::Scoring;
use super::dialogs::state_import::StateImports;
use super::items::state::Items;
use super::playground::state::Playground;
use super::playground::view::prompt_id;
use super::runs::panel::listed;
use super::runs::state::RunsPanel;
use super::runs::table::RunTable;
use super::shared::background::{Background, WakeUp};
use super::shared::folder_watch::FolderWatch;
use super::shared::notice::Notice;
use super::shared::tab::Tab;
use super::shared::workspace::Workspace;
use super::shell::areas::Area;
use super::shell::charts;
use super::shell::closing::{Closing, ClosingState};
use super::shell::letters::MissingLetters;
use super::shell::pictures::PictureOf;
use super::shell::shortcuts::{ActsOn, pressed};
use super::shell::state::Shell;
use super::shell::theme;
use super::states::state::States;
use super::sweep::state::SweepState;
use super::tune::state::Tune;
use crate::error::Result;
use crate::protocol::command::Command;
use crate::protocol::event::RunId;
use crate::runs::RunStore;
use crate::runs::run::Run;
use crate::worker::WorkerHandle;

/// The window: what its features work with, and a field for each of them.
pub struct App {
    /// What every feature works with.
    pub workspace: Workspace,
    /// The window around the features.
    pub shell: Shell,
    /// The end of the window, and what continues after it.
    pub closing: ClosingState,
    /// The list of runs.
    pub runs: RunsPanel,
    /// The configuration form.
    pub config: Config,
    /// Plots of the steps.
    pub tune: Tune,
    /// States as pictures.
    pub states: States,
    /// Sweeps: the one that is set up, the one that is looked at.
    pub sweep: SweepState,
    pub(crate) compare: Comparisons,
    /// Items of evaluations.
    pub items: Items,
    /// A prompt and its answers.
    pub playground: Playground,
    /// Adaptations.
    pub adapt: AdaptView,
    /// What leaves the window as a file.
    pub export: Exports,
    /// States of other programs that come into the window.
    pub import: StateImports,
    /// Weighted sums of states.
    pub mix: Mixes,
    /// Training data from the model itself.
    pub sampling: Samplings,
    /// Published models, and downloads of them.
    pub models: ModelDownloads,
    /// The accuracy of runs that are over.
    pub scoring: Scoring,
    /// The search for a learning rate.
    pub rate_search: RateSearches,
    pub(crate) data_preview: DataPreviews,
    /// Runs of earlier sessions.
    past_runs: Background<Result<Box<RunStore>>>,
    /// What was dropped on the window.
    drops: Background<Result<Dropped>>,
    /// What looks at the disk, once the window has begun.
    watch: Option<FolderWatch>,
    /// Whether a question stood in front of everything in the last frame.
    had_dialog: bool,
    since: Instant,
    reads_past_runs: bool,
    has_been_set_up: bool,
}

impl App {
    /// A window on a worker, or on none, which shows and does nothing. `wake`
    /// makes it look, from any thread.
    pub fn new(
        worker: Option<WorkerHandle>,
        saved: SavedState,
        runs_dir: PathBuf,
        wake: WakeUp,
    ) -> Self {
        let mut sweep = SweepState::new(wake.clone());
        sweep.restore(&saved.sweep);
        let (selection, draft) = (saved.selection(), saved.draft.clone());
        let workspace = Workspace::new(worker, selection, draft, runs_dir, wake);
        let threads = &workspace.threads;
        let mut config = Config::new(&workspace.draft, threads);
        config.origin = saved.draft_of.clone().map(DraftOrigin::kept);
        Self {
            shell: saved.shell(),
            closing: saved.closing(),
            runs: RunsPanel {
                filter: saved.filter,
                sort: saved.sort,
                table: RunTable::new(saved.table),
                ..RunsPanel::new(threads)
            },
            config,
            tune: Tune {
                settings: saved.plots,
                layouts: saved.charts,
                ..Tune::default()
            },
            states: States::new(saved.states, threads),
            sweep,
            compare: Comparisons::default(),
            items: Items {
                settings: saved.items,
                ..Items::default()
            },
            playground: Playground {
                settings: saved.playground,
                ..Playground::default()
            },
            adapt: AdaptView::new(saved.adapt, threads),
            export: Exports::new(threads),
            import: StateImports::new(threads),
            mix: Mixes::new(threads),
            sampling: Samplings::new(),
            models: ModelDownloads::new(threads),
            scoring: Scoring::default(),
            rate_search: RateSearches::default(),
            data_preview: DataPreviews::new(threads),
            past_runs: Background::new(threads),
            drops: Background::new(threads),
            watch: None,
            had_dialog: false,
            since: Instant::now(),
            reads_past_runs: false,
            has_been_set_up: false,
            workspace,
        }
    }

    /// What is kept of the window for the next one.
    pub fn saved(&self) -> SavedState {
        let (selection, shell) = (&self.workspace.selection, &self.shell);
        let closing = &self.closing;
        SavedState {
            appearance: shell.appearance,
            language: shell.language,
            dock: shell.dock.clone(),
            selected: selection.selected.clone(),
            colours: selection.colours.clone(),
            baseline: selection.baseline.clone(),
            shows_runs: shell.shows_runs,
            shows_form: shell.shows_form,
            shows_log: shell.shows_log,
            log_of_selected: shell.log.of_selected,
            log_of_trouble: shell.log.of_trouble,
            filter: self.runs.filter.clone(),
            sort: self.runs.sort,
            table: self.runs.table.settings.clone(),
            goes_on: closing.goes_on,
            resumes: closing.resumes.clone(),
            waits: closing.waits.clone(),
            sweep_resumes: closing.sweep_resumes.clone(),
            shows_frame_times: shell.shows_frame_times,
            plots: self.tune.settings,
            charts: self.tune.layouts.clone(),
            states: self.states.settings.clone(),
            items: self.items.settings.clone(),
            sweep: self.sweep.keep(),
            playground: self.playground.settings.clone(),
            adapt: self.adapt.kept(),
            draft_of: self.config.origin.as_ref().map(|of| of.run.clone()),
            draft: self.workspace.draft.clone(),
        }
    }

    /// Begins what takes its time: past runs, adapters, the device and the
    /// model.
    pub fn begin(&mut self) {
        self.reads_past_runs = true;
        let runs_dir = self.workspace.runs_dir.clone();
        self.past_runs
            .start(move || Some(RunStore::from_folder(runs_dir).map(Box::new)));
        self.begin_to_watch();
        self.config.list_adapters();
        if let Some(sweep) = self.closing.sweep_resumes.take() {
            self.sweep.go_on(sweep, false);
        }
        self.sweep.list(&self.workspace.runs_dir);
        if self.workspace.draft.check().is_ok() {
            let draft = Box::new(self.workspace.draft.clone());
            self.workspace.send_other(Command::Load(draft));
            self.look_for_worker();
        }
    }

    /// Has runs begin in this folder.
    pub fn runs_in(&mut self, runs_dir: PathBuf) {
        self.workspace.runs_dir = runs_dir;
    }

    /// Shows a message.
    pub fn notify(&mut self, notice: Notice) {
        self.workspace.notify(notice);
    }

    /// Takes a picture of what is on the screen in a few frames from now, and
    /// writes it to `path`, as SVG where its ending says so, else as PNG.
    pub fn save_picture(&mut self, of: PictureOf, path: PathBuf) {
        self.shell.pictures.save(of, path, &self.workspace);
    }

    /// Whether runs of earlier sessions are still being read.
    pub fn reads_past_runs(&self) -> bool {
        self.reads_past_runs
    }

    /// Whether evaluations are being read or compared.
    pub fn reads_evaluations(&self) -> bool {
        self.workspace.evaluations.is_waiting()
    }

    /// Whether a run is on or about to begin.
    pub fn is_busy(&self) -> bool {
        self.workspace.queue.has_run()
            || self.sweep.is_on()
            || self.workspace.store.runs().iter().any(Run::is_on_here)
    }

    /// Takes in what has happened since the last frame.
    pub fn take_in(&mut self, ctx: &Context) {
        if !self.has_been_set_up {
            self.has_been_set_up = true;
            theme::install(ctx);
            self.shell.appearance.apply(ctx);
        }
        self.take_events();
        self.take_answers();
        self.take_seen();
        self.tell_missing_letters(ctx);
        if let Some(left) = self.workspace.drop_old_notices() {
            ctx.request_repaint_after(left);
        }
        self.take_in_sweep();
        self.config.history.note_whole(&self.workspace.draft);
        self.workspace.take_in_runs();
        let is_done = match self.closing.stage {
            Closing::No => false,
            Closing::Asking => !self.is_busy(),
            Closing::Saving => {
                !self.sweep.is_on()
                    && self.workspace.queue.starting().is_none()
                    && self
                        .workspace
                        .store
                        .runs()
                        .iter()
                        .all(|run| !run.is_on_here())
            }
        };
        if is_done {
            ctx.send_viewport_cmd(ViewportCommand::Close);
        }
    }

    fn tell_missing_letters(&mut self, ctx: &Context) {
        let letters = ctx.plugin_or_default::<MissingLetters>();
        let sentences = letters.lock().take_sentences();
        for sentence in sentences {
            self.workspace.notify(Notice::warning(sentence));
        }
    }

    /// Draws the window and does what the user asked for.
    pub fn show(&mut self, ui: &mut egui::Ui) {
        let start = Instant::now();
        let ctx = ui.ctx().clone();
        self.ask_before_closing(&ctx);
        self.look_when_focused(&ctx);
        self.look_ahead(&ctx);
        self.take_drops(&ctx);
        let Self {
            shell, workspace, ..
        } = self;
        shell.pictures.take(&ctx, &shell.dock, workspace);
        let has_dialog = self.has_dialog();
        if has_dialog && !std::mem::replace(&mut self.had_dialog, has_dialog) {
            // Else the tooltip of what lies below would stay above the dialog.
            ctx.input_mut(|input| input.pointer = Default::default());
        }
        self.had_dialog = has_dialog;
        self.shell.areas.take_in(&ctx);
        let area = self.shell.areas.now(&ctx, &self.shell.dock);
        let mut actions = pressed(&ctx, &self.acts_on(area, &|| self.listed()), has_dialog);
        self.draw(ui, &mut actions);
        actions.extend(charts::take_asked(&ctx));
        let Self {
            shell, workspace, ..
        } = self;
        shell.pictures.take_drawn(&ctx, ui.layer_id(), workspace);
        self.config.history.note(&self.workspace.draft, held(&ctx));
        if !actions.is_empty() {
            // What they change is seen at once.
            ctx.request_repaint();
        }
        for action in actions {
            self.apply(action, &ctx);
        }
        self.config.history.note_whole(&self.workspace.draft);
        self.shell.frames.add(start, self.since);
        if self.shell.shows_frame_times {
            self.shell.frames.show(&ctx);
        }
    }

    fn ask_before_closing(&mut self, ctx: &Context) {
        let wants_to_close = ctx.input(|input| input.viewport().close_requested());
        // Dropping the worker saves too, so that no second word is needed.
        if wants_to_close && self.is_busy() && self.closing.stage != Closing::Saving {
            ctx.send_viewport_cmd(ViewportCommand::CancelClose);
            self.closing.stage = Closing::Asking;
        }
    }

    /// The runs that are listed, in their order.
    fn listed(&self) -> Vec<RunId> {
        let listed = listed(&self.workspace.store, &self.runs);
        listed.into_iter().map(|run| run.id.clone()).collect()
    }

    /// What shortcuts act on.
    fn acts_on<'a>(&'a self, area: Area, listed: &'a dyn Fn() -> Vec<RunId>) -> ActsOn<'a> {
        let is_front = self.shell.dock.front() == Tab::Sweep || area == Area::Sweep;
        ActsOn {
            area,
            sweep: is_front.then(|| self.sweep.can_begin()),
            store: &self.workspace.store,
            selection: &self.workspace.selection,
            appearance: self.shell.appearance,
            has_prompt: self.playground.has_prompt(),
            prompt: prompt_id(),
            listed,
        }
    }

    /// Has read what the views will want.
    fn look_ahead(&mut self, ctx: &Context) {
        let Self {
            workspace, shell, ..
        } = self;
        self.config.look_ahead(workspace);
        if shell.dock.shows(Tab::Compare) || shell.dock.shows(Tab::Items) {
            workspace.read_evaluations();
        }
        if shell.dock.shows(Tab::Sweep) {
            let wants_memory = workspace.worker.is_some();
            self.sweep
                .look_ahead(&workspace.draft, &workspace.store, wants_memory);
        }
        if shell.dock.shows(Tab::States) {
            self.states.look_ahead(workspace, ctx);
        }
        self.look_for_worker();
    }
}
