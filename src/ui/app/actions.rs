//! What the user asks for is done here. [`App::apply`] is the only place that sends a
//! command.

use eframe::egui::containers::panel::PanelState;
use eframe::egui::{Context, ViewportCommand};

use super::App;
use crate::error::Result;
use crate::language::{Language, choose};
use crate::persist::command_line::command_line;
use crate::persist::presets::preset;
use crate::persist::spec_file::print_spec;
use crate::protocol::command::Command;
use crate::protocol::event::RunId;
use crate::protocol::fields::choice::Choice as _;
use crate::runs::run::Run;
use crate::sweep::scheduler::SweepCommand;
use crate::sweep::sweep_file::print_sweep;
use crate::tuning::spec::StartState;
use crate::ui::compare::paired_rows::Comparisons;
use crate::ui::config::origin::DraftOrigin;
use crate::ui::dialogs::export::ExportDialog;
use crate::ui::dialogs::mix::MixDialog;
use crate::ui::dialogs::scoring::ScoringDialog;
use crate::ui::dialogs::state_import::ImportDialog;
use crate::ui::runs::folders::reveal;
use crate::ui::runs::state::LabelEditor;
use crate::ui::shared::action::{Action, SidePanel};
use crate::ui::shared::notice::{Notice, Remedy};
use crate::ui::shared::queue::QueueRequest;
use crate::ui::shared::tab::Tab;
use crate::ui::shared::workspace::Workspace;
use crate::ui::shell::charts;
use crate::ui::shell::closing::Closing;
use crate::ui::shell::docking::Dock;
use crate::ui::shell::palette::PaletteState;
use crate::ui::shell::path_dialogs::PathFor;
use crate::ui::sweep::action::SweepAction;
use crate::worker::Worker;
use crate::worker::memory::fitting::apply;

impl App {
    /// Does what was asked for.
    pub fn apply(&mut self, action: Action, ctx: &Context) {
        let Some(action) = self.ask_elsewhere(action) else {
            return;
        };
        let workspace = &mut self.workspace;
        match action {
            Action::Start => self.start(),
            Action::Sweep(action) => {
                self.sweep
                    .apply(action, &workspace.draft, &workspace.runs_dir);
            }
            Action::Pause(run) => match self.sweep.under_way(&run) {
                Some(_) => self.tell_sweep(SweepCommand::Pause, tr!("is paused")),
                None => workspace.send(Command::Pause(run)),
            },
            Action::Resume(run) => match self.sweep.under_way(&run) {
                Some(_) => self.tell_sweep(SweepCommand::Resume, tr!("is resumed")),
                None => workspace.send(Command::Resume(run)),
            },
            Action::Stop(run) => match self.sweep.under_way(&run) {
                Some(task) => {
                    let what = tr!("continues without {}, which is saved", run.0);
                    self.tell_sweep(SweepCommand::Skip(task), &what);
                }
                None => workspace.send(Command::Stop(run)),
            },
            Action::SkipScoring(run) => workspace.send(Command::SkipScoring(run)),
            Action::Withdraw(key) => workspace.queue.withdraw(key),
            Action::Advance(key) => workspace.queue.advance(key),
            Action::BeginBeside(key) => workspace.queue.begin_beside(key),
            Action::LookAtData => {
                let source = workspace.draft.data.source.name();
                self.data_preview.open(&workspace.draft, source);
                // The user looks because of what is said of the data, or changed them.
                self.files_changed();
            }
            Action::OpenSampling => self.sampling.open(workspace),
            Action::Sample => self.sampling.start(),
            Action::StopSampling => self.sampling.stop(),
            Action::UseData(source) => {
                workspace.draft.data.source = source;
                self.shell.shows_form = true;
            }
            Action::OpenRateSearch => self.rate_search.open(&workspace.draft),
            Action::FindRate => self.rate_search.find(workspace),
            Action::StopFinding => self.rate_search.stop(workspace),
            Action::UseRate(rate) => self.rate_search.use_rate(rate, &mut workspace.draft),
            Action::GiveUp => {
                workspace.queue.give_up();
                workspace.send(Command::Abandon);
            }
            Action::RunAgain(run) => {
                if let Some(run) = workspace.store.get(&run) {
                    let spec = Box::new(run.spec.clone());
                    let made_of = Some(run.id.clone());
                    let asked = QueueRequest::Start(spec);
                    workspace.queue.push_made_of(asked, made_of);
                }
            }
            Action::Pin(run) => workspace.selection.baseline = run,
            Action::OpenDetails(run) => {
                if let Some(run) = workspace.store.get(&run) {
                    self.runs.details.open(run);
                }
            }
            Action::EditLabels(run) => {
                let labels = workspace.store.get(&run).map(|run| run.labels.clone());
                self.runs.editing = labels.map(|labels| LabelEditor::new(run, labels));
            }
            Action::Label(run, labels) => self.runs.folders.label(&run, labels, workspace),
            Action::Delete(runs) => self.runs.folders.delete(&runs, workspace),
            Action::Undelete => self.runs.folders.undelete(),
            Action::RestartWorker => self.restart_worker(),
            Action::CopyCommandLineOf(run) => {
                if let Some(run) = workspace.store.get(&run) {
                    copy(command_line(&run.spec), workspace, ctx);
                }
            }
            Action::Reveal(folder) => {
                workspace.start_quietly(move || reveal(&folder).map(|()| None));
            }
            Action::Select(run) => workspace.selection.select_only(&run),
            Action::SelectAll(runs) => workspace.selection.select_all(runs),
            Action::OpenExport(run) => {
                // What is under way stays in sight.
                if !self.export.is_working() {
                    self.export.open = workspace.store.get(&run).map(ExportDialog::new);
                }
            }
            Action::Export => self.export.export(),
            Action::StopExport => self.export.stop(),
            Action::OpenMix(run) => {
                let mut chosen = workspace.selection.selected.clone();
                if !chosen.contains(&run) {
                    chosen = vec![run];
                }
                self.mix.open = Some(MixDialog::new(&workspace.store, &chosen));
            }
            Action::Mix => self.mix.write(),
            Action::SaveNumbers(runs) => self.export.ask_where(PathFor::Numbers, runs, workspace),
            Action::SaveReport(runs) => self.export.ask_where(PathFor::Report, runs, workspace),
            Action::SaveSvg(metric) => {
                let runs = workspace.selection.selected.clone();
                self.export.ask_where(PathFor::Svg(metric), runs, workspace);
            }
            Action::SavePicture(of) => self.shell.pictures.ask_where(of, workspace),
            Action::SaveChartNumbers(of) => charts::want_numbers(ctx, of),
            Action::Arrange(change) => self.tune.layouts.apply(change),
            Action::SaveDiagnostics(run) => {
                let runs = run.into_iter().collect();
                self.export.ask_where(PathFor::Diagnostics, runs, workspace);
            }
            Action::OpenImport => self.import.open = Some(ImportDialog::new(None)),
            Action::CompareState => self.import.compare(workspace),
            Action::WriteImport => self.import.write(),
            Action::OpenScoring(run) => {
                self.scoring.open = workspace.store.get(&run).map(ScoringDialog::new);
            }
            Action::Score => self.scoring.score(workspace),
            Action::StopScoring => self.scoring.stop(workspace),
            Action::CloseScoring => self.scoring.open = None,
            Action::ReadLens => self.states.read_lens(workspace),
            Action::AblateHeads => self.states.ablate_heads(workspace),
            Action::StopAblation => self.states.stop_ablation(workspace),
            Action::Generate => self.playground.generate(workspace),
            Action::Blind(action) => self.playground.blind(action, workspace),
            Action::StopGenerating => self.playground.stop(workspace),
            Action::SaveChat(side) => self.playground.open_saving(side, workspace),
            Action::WriteChat { overwrite } => self.playground.save_chat(overwrite, workspace),
            Action::MeasureDistances => self.config.measure_distances(workspace),
            Action::TogglePalette => {
                self.shell.palette = match self.shell.palette {
                    Some(_) => None,
                    None => Some(PaletteState::default()),
                };
            }
            Action::ToggleFrameTimes => self.shell.shows_frame_times ^= true,
            Action::TogglePanel(panel) => match panel {
                SidePanel::Runs => self.shell.shows_runs ^= true,
                SidePanel::Form => self.shell.shows_form ^= true,
                SidePanel::Log => self.shell.shows_log ^= true,
            },
            Action::CallOff(run) => workspace.asking.call_off(&run),
            Action::ResumeFromDisk(run) => self.resume_from_disk(&run),
            Action::AcceptChanges(asked) => workspace.queue.push_accepting(asked),
            Action::UseSpecOf(run) => {
                if let Some(run) = workspace.store.get(&run) {
                    let origin = DraftOrigin::copied(run.id.clone(), &workspace.draft);
                    self.config.origin = Some(origin);
                    workspace.draft = run.spec.clone();
                    self.shell.shows_form = true;
                }
            }
            Action::StartFrom(run) => {
                let run = workspace.store.get(&run);
                if let Some((run, state)) = run.and_then(|run| Some((run, run.exported.last()?))) {
                    let mut spec = run.spec.clone();
                    if let Some(start) = spec.method.start_mut() {
                        *start = StartState::File(state.path.clone());
                    }
                    let origin = DraftOrigin::copied(run.id.clone(), &workspace.draft);
                    self.config.origin = Some(origin);
                    workspace.draft = spec;
                    self.shell.shows_form = true;
                }
            }
            Action::UsePreset(name) => match preset(name) {
                Ok(spec) => {
                    self.config.origin = None;
                    workspace.draft = spec;
                }
                Err(error) => workspace.complain(&error),
            },
            Action::TakeFit(fit) => apply(&fit, &mut workspace.draft),
            Action::UndoDraft => self.shell.shows_form |= self.config.undo(&mut workspace.draft),
            Action::RedoDraft => self.shell.shows_form |= self.config.redo(&mut workspace.draft),
            Action::Choose(what @ PathFor::SaveSweep) => {
                workspace.choose(what, &self.sweep.draft.name);
            }
            Action::OpenModels => self.models.open(),
            Action::GetModel(name) => self.models.begin(name),
            Action::CancelModel => self.models.cancel(),
            Action::UseModel(path) => {
                self.use_path(PathFor::Checkpoint, path);
                self.models.is_open = false;
                self.shell.shows_form = true;
            }
            Action::GoToField(path) => {
                self.shell.shows_form = true;
                self.config.goes_to = Some(path);
            }
            Action::ResetField(path) => self.config.reset_field(path, workspace),
            Action::Choose(what @ PathFor::Chat) => workspace.choose(what, "chat"),
            Action::Choose(what) => workspace.choose(what, &workspace.draft.name),
            Action::CopySweepRon => {
                let sweep = self.sweep.spec(&workspace.draft);
                copy(print_sweep(&sweep), workspace, ctx);
            }
            Action::CopyCommandLine => copy(command_line(&workspace.draft), workspace, ctx),
            Action::CopyRon => copy(print_spec(&workspace.draft), workspace, ctx),
            Action::CopyText(text) => ctx.copy_text(text),
            Action::Open(tab) => self.shell.dock.open(tab),
            Action::Put(tab, side) => self.shell.dock.put(tab, side),
            Action::CloseView(tab) => self.shell.dock.close(tab),
            Action::JoinViews => self.shell.dock.join(),
            Action::ResetLayout => self.reset_layout(ctx),
            Action::LookAtItems(pair) => {
                self.items.look_at(pair);
                self.shell.dock.open(Tab::Items);
            }
            Action::SaveTable(table, name) => workspace.save_table(*table, &name),
            Action::SetLanguage(language) => {
                self.shell.language = language;
                choose(language.unwrap_or_else(Language::of_system));
                // Its rows are made of texts.
                self.compare = Comparisons::default();
            }
            Action::SetAppearance(appearance) => {
                self.shell.appearance = appearance;
                appearance.apply(ctx);
            }
            Action::ToggleShortcuts => self.shell.shows_shortcuts ^= true,
            Action::Dismiss(idx) => workspace.dismiss(idx),
            Action::Close => ctx.send_viewport_cmd(ViewportCommand::Close),
            Action::StopAndClose => self.stop_and_close(),
            Action::KeepOpen => self.closing.stage = Closing::No,
        }
        self.look_for_worker();
    }

    fn reset_layout(&mut self, ctx: &Context) {
        self.shell.dock = Dock::default();
        self.shell.shows_runs = true;
        self.shell.shows_form = true;
        self.shell.shows_log = true;
        ctx.data_mut(|data| data.remove_by_type::<PanelState>());
    }

    fn start(&mut self) {
        let spec = self.workspace.draft.clone();
        // As the button has it, which keys pass by.
        let unusable = self.config.forecast.problem(&spec);
        let check = spec.check();
        let checked = match (check, unusable) {
            (Err(error), _) => Err(error.to_string()),
            (Ok(()), Some(problem)) => Err(format!("{} {}", problem.field, problem.reason)),
            (Ok(()), None) => Ok(()),
        };
        match checked {
            Ok(()) => {
                let made_of = self.config.origin.as_ref().map(|of| of.run.clone());
                let asked = QueueRequest::Start(Box::new(spec));
                self.workspace.queue.push_made_of(asked, made_of);
            }
            Err(reason) => self.workspace.notify(Notice::error(reason)),
        }
    }

    /// Sends the active sweep a command about a run, and tells the user what it does.
    fn tell_sweep(&mut self, command: SweepCommand, what: &str) {
        if let Some(sweep) = self.sweep.on() {
            let text = tr!("The sweep {} {what}", sweep.plan.sweep.name, what);
            self.workspace.notify(Notice::info(text));
        }
        let tell = SweepAction::Tell(command);
        self.sweep
            .apply(tell, &self.workspace.draft, &self.workspace.runs_dir);
    }

    pub(crate) fn resume_from_disk(&mut self, run: &RunId) {
        if let Some(sweep) = self.sweep.on()
            && sweep.task_of(run).is_some()
        {
            let text = tr!(
                "{} belongs to the sweep {}, which is running; stop the sweep before you resume the run alone",
                run.0,
                sweep.plan.sweep.name
            );
            return self.workspace.notify(Notice::error(text));
        }
        if let Some(Run { folder, .. }) = self.workspace.store.get(run) {
            let (run, folder) = (run.clone(), folder.clone());
            self.workspace
                .queue
                .push(QueueRequest::ResumeFromDisk { run, folder });
        }
    }

    fn restart_worker(&mut self) {
        let wake = self.workspace.threads.waker();
        match Worker::spawn(move || wake()) {
            Ok(worker) => {
                self.workspace.worker = Some(worker);
                self.workspace
                    .notices
                    .retain(|notice| notice.remedy != Some(Remedy::RestartWorker));
            }
            Err(error) => self.workspace.notify(Notice::error(error.to_string())),
        }
    }
}

fn copy(text: Result<String>, workspace: &mut Workspace, ctx: &Context) {
    match text {
        Ok(text) => {
            ctx.copy_text(text);
            workspace.notify(Notice::info(tr!("Copied to the clipboard").into()));
        }
        Err(error) => workspace.complain(&error),
    }
}
