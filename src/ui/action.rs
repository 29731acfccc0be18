//! What people ask for. Views return it; [`App::apply`] is the only place that
//! sends a command.

use eframe::egui::{Context, ViewportCommand};

use super::app::{App, Closing, Notice};
use super::background::PathFor;
use super::sweep_panel::SweepAction;
use super::theme::Appearance;
use super::ui_state::Tab;
use crate::error::{Error, Result};
use crate::persist::command_line::command_line;
use crate::persist::presets::preset;
use crate::persist::spec_file::print_spec;
use crate::runs::run::Run;
use crate::sweep::conduct::SweepCommand;
use crate::worker::command::Command;
use crate::worker::event::RunId;

/// Something that people asked for.
#[derive(Debug, Clone, PartialEq)]
pub enum Action {
    /// Tune by the draft.
    Start,
    /// Hold a run.
    Pause(RunId),
    /// Go on with a run that is held.
    Resume(RunId),
    /// End a run and save it.
    Stop(RunId),
    /// Take up a run of which the program was interrupted.
    TakeUp(RunId),
    /// Make the configuration that of a run.
    UseSpecOf(RunId),
    /// Make the configuration that of a preset.
    UsePreset(&'static str),
    /// Ask for a path.
    Choose(PathFor),
    /// Put the draft on the clipboard, as a command line.
    CopyCommandLine,
    /// Put the draft on the clipboard, as RON.
    CopyRon,
    /// Put a text on the clipboard.
    CopyText(String),
    /// Show a view.
    Open(Tab),
    /// Light or dark.
    Look(Appearance),
    /// Show or hide the list of shortcuts.
    ToggleShortcuts,
    /// Take a message away.
    Dismiss(usize),
    /// Do something with a sweep.
    Sweep(SweepAction),
    /// Close the window, after asking where a run is on.
    Close,
    /// Stop the run, save it and close.
    StopAndClose,
    /// Do not close after all.
    KeepOpen,
}

impl App {
    /// Does what was asked for.
    pub fn apply(&mut self, action: Action, ctx: &Context) {
        match action {
            Action::Start => self.start(),
            Action::Sweep(action) => {
                self.sweep.apply(action, &self.state.draft, &self.runs_dir);
            }
            Action::Pause(run) => self.send(Command::Pause(run)),
            Action::Resume(run) => self.send(Command::Resume(run)),
            Action::Stop(run) => self.send(Command::Stop(run)),
            Action::TakeUp(run) => self.take_up(&run),
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
            Action::Choose(what) => self.background.choose(what, &self.state.draft.name),
            Action::CopyCommandLine => self.copy(command_line(&self.state.draft), ctx),
            Action::CopyRon => self.copy(print_spec(&self.state.draft), ctx),
            Action::CopyText(text) => ctx.copy_text(text),
            Action::Open(tab) => self.state.tab = tab,
            Action::Look(appearance) => {
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

    fn start(&mut self) {
        let spec = self.state.draft.clone();
        match spec.check() {
            Ok(()) => {
                self.n_waiting += 1;
                self.send(Command::StartRun {
                    spec: Box::new(spec),
                    runs: self.runs_dir.clone(),
                });
            }
            Err(error) => self.notify(Notice::error(error.to_string())),
        }
    }

    fn take_up(&mut self, run: &RunId) {
        if let Some(Run { folder, .. }) = self.store.get(run) {
            let folder = folder.clone();
            self.n_waiting += 1;
            self.send(Command::ResumeRun { folder });
        }
    }

    fn stop_and_close(&mut self) {
        self.closing = Closing::Saving;
        self.sweep.apply(
            SweepAction::Tell(SweepCommand::Stop),
            &self.state.draft,
            &self.runs_dir,
        );
        // It ends what is under way, saves it and begins nothing that waits.
        self.send(Command::Shutdown);
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

    pub(super) fn send(&mut self, command: Command) {
        let sent = match &self.worker {
            Some(worker) => worker.commands.send(command).is_ok(),
            None => false,
        };
        if !sent {
            self.n_waiting = 0;
            let error = Error::Device(
                "the worker is gone; close the window and open it again; runs can be resumed"
                    .into(),
            );
            self.notify(Notice::error(error.to_string()));
        }
    }
}
