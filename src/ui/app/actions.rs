//! What people ask for is done here. [`App::apply`] is the only place that sends a
//! command.

use eframe::egui::containers::panel::PanelState;
use eframe::egui::{Context, ViewportCommand};

use super::{App, Closing, Notice, Remedy};
use crate::bench::Change;
use crate::error::Result;
use crate::persist::command_line::command_line;
use crate::persist::presets::preset;
use crate::persist::spec_file::print_spec;
use crate::protocol::command::Command;
use crate::protocol::event::RunId;
use crate::runs::run::Run;
use crate::sweep::conduct::SweepCommand;
use crate::sweep::sweep_file::print_sweep;
use crate::ui::dialogs::export::ExportDialog;
use crate::ui::dialogs::scoring::ScoringDialog;
use crate::ui::runs::folders::reveal;
use crate::ui::shared::action::{Action, SidePanel};
use crate::ui::shared::queue::QueueRequest;
use crate::ui::shell::docking::Dock;
use crate::ui::shell::path_dialogs::PathFor;
use crate::ui::sweep::state::SweepAction;
use crate::ui::ui_state::{LabelEditor, PaletteState, Tab};
use crate::worker::Worker;

impl App {
    /// Does what was asked for.
    pub fn apply(&mut self, action: Action, ctx: &Context) {
        match action {
            Action::Start => self.start(),
            Action::Sweep(action) => {
                self.sweep.apply(action, &self.state.draft, &self.runs_dir);
            }
            Action::Pause(run) => match self.sweep.under_way(&run) {
                Some(_) => self.tell_sweep(SweepCommand::Pause, "is paused with all of its runs"),
                None => self.send(Command::Pause(run)),
            },
            Action::Resume(run) => match self.sweep.under_way(&run) {
                Some(_) => self.tell_sweep(SweepCommand::Resume, "goes on"),
                None => self.send(Command::Resume(run)),
            },
            Action::Stop(run) => match self.sweep.under_way(&run) {
                Some(task) => {
                    let what = format!("goes on without {}, which is saved", run.0);
                    self.tell_sweep(SweepCommand::Skip(task), &what);
                }
                None => self.send(Command::Stop(run)),
            },
            Action::Withdraw(key) => self.queue.withdraw(key),
            Action::Advance(key) => self.queue.advance(key),
            Action::BeginBeside(key) => self.queue.begin_beside(key),
            Action::LookAtData => self.look_at_data(),
            Action::OpenRateSearch => self.open_rate_search(),
            Action::FindRate => self.find_rate(),
            Action::StopFinding => self.stop_finding(),
            Action::UseRate(rate) => self.use_rate(rate),
            Action::GiveUp => {
                self.queue.give_up();
                self.send(Command::Abandon);
            }
            Action::RunAgain(run) => {
                if let Some(run) = self.store.get(&run) {
                    let spec = Box::new(run.spec.clone());
                    self.queue.push(QueueRequest::Start(spec));
                }
            }
            Action::Pin(run) => self.state.baseline = run,
            Action::EditLabels(run) => {
                let labels = self.store.get(&run).map(|run| run.labels.clone());
                self.state.editing = labels.map(|labels| LabelEditor::new(run, labels));
            }
            Action::Label(run, labels) => self.label(&run, labels),
            Action::Delete(runs) => self.delete(&runs),
            Action::Undelete => self.undelete(),
            Action::RestartWorker => self.restart_worker(),
            Action::CopyCommandLineOf(run) => {
                if let Some(run) = self.store.get(&run) {
                    self.copy(command_line(&run.spec), ctx);
                }
            }
            Action::Reveal(folder) => {
                self.background
                    .start_quietly(move || reveal(&folder).map(|()| None));
            }
            Action::Select(run) => self.state.select_only(&run),
            Action::SelectAll(runs) => self.state.select_all(runs),
            Action::OpenExport(run) => {
                self.state.exporting = self.store.get(&run).map(ExportDialog::new);
            }
            Action::Export => self.export(),
            Action::SaveNumbers(runs) => self.ask_where(PathFor::Numbers, runs),
            Action::SaveSvg(metric) => {
                let runs = self.state.selected.clone();
                self.ask_where(PathFor::Svg(metric), runs);
            }
            Action::SavePicture(of) => self.ask_for_picture(of),
            Action::SaveDiagnostics(run) => {
                self.ask_where(PathFor::Diagnostics, run.into_iter().collect());
            }
            Action::OpenScoring(run) => {
                self.state.scoring = self.store.get(&run).map(ScoringDialog::new);
            }
            Action::Score => self.score(),
            Action::StopScoring => self.stop_scoring(),
            Action::CloseScoring => self.state.scoring = None,
            Action::Generate => self.generate(),
            Action::StopGenerating => {
                if let Some(name) = self.state.playing.clone() {
                    let texts = self.store.generated.as_ref();
                    let has_begun = texts.is_some_and(|texts| texts.run == name);
                    self.stop_job(&name, has_begun);
                }
            }
            Action::MeasureDistances => {
                let spec = Box::new(self.state.draft.clone());
                self.measures = true;
                self.send_other(Command::MeasureDistances(spec));
            }
            Action::TogglePalette => {
                self.state.palette = match self.state.palette {
                    Some(_) => None,
                    None => Some(PaletteState::default()),
                };
            }
            Action::ToggleFrameTimes => self.state.shows_frame_times ^= true,
            Action::TogglePanel(panel) => match panel {
                SidePanel::Runs => self.state.shows_runs ^= true,
                SidePanel::Form => self.state.shows_form ^= true,
                SidePanel::Log => self.state.shows_log ^= true,
            },
            Action::ResumeFromDisk(run) => self.resume_from_disk(&run),
            Action::UseSpecOf(run) => {
                if let Some(run) = self.store.get(&run) {
                    self.state.draft = run.spec.clone();
                    self.state.shows_form = true;
                }
            }
            Action::UsePreset(name) => match preset(name) {
                Ok(spec) => self.state.draft = spec,
                Err(error) => self.notify(Notice::error(error.to_string())),
            },
            Action::UndoDraft => self.undo_draft(),
            Action::RedoDraft => self.redo_draft(),
            Action::Choose(what @ PathFor::SaveSweep) => {
                self.background.choose(what, &self.sweep.draft.name);
            }
            Action::ResetField(path) => self.reset_field(path),
            Action::Choose(what) => self.background.choose(what, &self.state.draft.name),
            Action::CopySweepRon => {
                let sweep = self.sweep.spec(&self.state.draft);
                self.copy(print_sweep(&sweep), ctx);
            }
            Action::CopyCommandLine => self.copy(command_line(&self.state.draft), ctx),
            Action::CopyRon => self.copy(print_spec(&self.state.draft), ctx),
            Action::CopyText(text) => ctx.copy_text(text),
            Action::Open(tab) => self.state.dock.open(tab),
            Action::Put(tab, side) => self.state.dock.put(tab, side),
            Action::CloseView(tab) => self.state.dock.close(tab),
            Action::JoinViews => self.state.dock.join(),
            Action::ResetLayout => self.reset_layout(ctx),
            Action::LookAtItems(pair) => {
                self.state.items.pair = pair;
                self.state.items.change = Some(Change::Fixed);
                self.state.items.search.clear();
                self.state.dock.open(Tab::Items);
            }
            Action::SaveTable(table, name) => self.background.save_table(*table, name),
            Action::SetAppearance(appearance) => {
                self.state.appearance = appearance;
                appearance.apply(ctx);
            }
            Action::ToggleShortcuts => self.state.shows_shortcuts ^= true,
            Action::Dismiss(idx) => self.dismiss(idx),
            Action::Close => ctx.send_viewport_cmd(ViewportCommand::Close),
            Action::StopAndClose => self.stop_and_close(),
            Action::KeepOpen => self.closing = Closing::No,
        }
    }

    fn reset_layout(&mut self, ctx: &Context) {
        self.state.dock = Dock::default();
        self.state.shows_runs = true;
        self.state.shows_form = true;
        self.state.shows_log = true;
        ctx.data_mut(|data| data.remove_by_type::<PanelState>());
    }

    fn start(&mut self) {
        let spec = self.state.draft.clone();
        match spec.check() {
            Ok(()) => self.queue.push(QueueRequest::Start(Box::new(spec))),
            Err(error) => self.notify(Notice::error(error.to_string())),
        }
    }

    /// Tells the sweep that goes on something about a run, and people what it does.
    fn tell_sweep(&mut self, command: SweepCommand, what: &str) {
        if let Some(sweep) = self.sweep.on() {
            let text = format!("The sweep {} {what}", sweep.plan.sweep.name);
            self.notify(Notice::info(text));
        }
        let tell = SweepAction::Tell(command);
        self.sweep.apply(tell, &self.state.draft, &self.runs_dir);
    }

    pub(crate) fn resume_from_disk(&mut self, run: &RunId) {
        if let Some(sweep) = self.sweep.on()
            && sweep.task_of(run).is_some()
        {
            let text = format!(
                "{} is a run of the sweep {}, which goes on; stop the sweep before the run is taken up by itself",
                run.0, sweep.plan.sweep.name
            );
            return self.notify(Notice::error(text));
        }
        if let Some(Run { folder, .. }) = self.store.get(run) {
            let (run, folder) = (run.clone(), folder.clone());
            self.queue
                .push(QueueRequest::ResumeFromDisk { run, folder });
        }
    }

    fn restart_worker(&mut self) {
        let wake = self.wake.clone();
        match Worker::spawn(move || wake()) {
            Ok(worker) => {
                self.worker = Some(worker);
                self.notices
                    .retain(|notice| notice.remedy != Some(Remedy::RestartWorker));
            }
            Err(error) => self.notify(Notice::error(error.to_string())),
        }
    }

    fn copy(&mut self, text: Result<String>, ctx: &Context) {
        match text {
            Ok(text) => {
                ctx.copy_text(text);
                self.notify(Notice::info("Copied to the clipboard".into()));
            }
            Err(error) => self.notify(Notice::error(error.to_string())),
        }
    }

    /// Sends a job that is not a run.
    pub(crate) fn send_other(&mut self, command: Command) {
        self.queue.sent_other(command.job_name().cloned());
        self.send(command);
    }

    /// Ends a job that is not a run; one that waits is called off at once.
    pub(crate) fn stop_job(&mut self, name: &RunId, has_begun: bool) {
        if !has_begun {
            self.queue.called_off(name);
        }
        self.send(Command::Stop(name.clone()));
    }

    pub(crate) fn send(&mut self, command: Command) {
        let sent = match &self.worker {
            Some(worker) => worker.commands.send(command).is_ok(),
            None => false,
        };
        if !sent && self.closing == Closing::No {
            self.worker_gone();
        }
    }
}
