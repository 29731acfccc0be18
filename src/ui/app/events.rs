//! What the worker says.

use crossbeam_channel::TryRecvError;

use super::App;
use crate::persist::run_labels::RunLabels;
use crate::protocol::command::Command;
use crate::protocol::event::{Event, FailureKind, RunId};
use crate::runs::news::News;
use crate::ui::shared::notice::{Notice, Remedy};
use crate::ui::shell::closing::Closing;

impl App {
    /// Takes in what the worker says, and gives it the next run.
    pub(super) fn take_events(&mut self) {
        loop {
            let event = match &self.workspace.worker {
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
        if self.closing.stage == Closing::No
            && self.workspace.worker.is_some()
            && let Some(command) = self.workspace.next_run(self.sweep.is_on())
        {
            self.workspace.send(command);
        }
        self.look_for_worker();
    }

    /// Finds out whether a command found no worker.
    pub(super) fn look_for_worker(&mut self) {
        if self.workspace.take_loss() && self.closing.stage == Closing::No {
            self.worker_gone();
        }
    }

    fn take_event(&mut self, event: Event) {
        match self.workspace.store.take_in(event) {
            Some(News::Began(run)) => {
                self.workspace.selection.select_only(&run);
                if let Some(made_of) = self.workspace.queue.prepared_of().cloned() {
                    self.note_origin(&run, made_of);
                }
                if self.closing.stage == Closing::Saving {
                    self.began_while_closing(&run);
                }
                if self.workspace.queue.began() {
                    self.workspace.send(Command::Stop(run));
                }
            }
            Some(News::Failed { run, kind, message }) => {
                if !self.rate_search.take_unfound(run.as_ref(), &message) {
                    let refused = match kind {
                        FailureKind::Changed => self.workspace.queue.prepared().cloned(),
                        FailureKind::Input | FailureKind::Work => None,
                    };
                    let remedy = refused.map(Remedy::AcceptChanges);
                    let notice = Notice::error(message);
                    self.workspace.notify(Notice { remedy, ..notice });
                }
            }
            Some(News::JobDone) => {
                self.workspace.queue.job_done();
                if self.workspace.queue.is_idle() {
                    // What it found is taken before it is given up.
                    self.import.take_answers(&mut self.workspace);
                    self.import.none_is_on();
                    self.config.measures = false;
                    self.rate_search
                        .none_is_on(tr!("search cancelled"), &mut self.workspace);
                }
            }
            Some(News::Diagnosed(diagnosis)) => {
                self.workspace
                    .notify(Notice::warning(diagnosis.to_string()));
            }
            Some(News::Scored(of)) => self.workspace.evaluations.read_again(&of),
            Some(News::RateFound(run)) => self.rate_search.take_found(&run, &self.workspace.store),
            Some(News::Ended { .. }) | None => {}
        }
    }

    /// Writes into the folder of a run which run it was made of.
    fn note_origin(&mut self, run: &RunId, made_of: RunId) {
        if let Some(known) = self.workspace.store.get(run) {
            let made_of = Some(made_of);
            let labels = RunLabels {
                made_of,
                ..known.labels.clone()
            };
            self.runs.folders.label(run, labels, &mut self.workspace);
        }
    }

    /// A worker that ended by itself: its runs have failed and can be resumed.
    pub(super) fn worker_gone(&mut self) {
        self.workspace.worker = None;
        self.workspace.queue.worker_gone();
        self.import.none_is_on();
        let why = tr!("the worker stopped; restart it and resume the run");
        let sweep = &self.sweep;
        let is_elsewhere = |run: &RunId| sweep.under_way(run).is_some();
        self.workspace.store.worker_gone(why, is_elsewhere);
        self.rate_search
            .none_is_on(tr!("the worker stopped; restart it"), &mut self.workspace);
        // On the way out it ends because it was told to.
        if self.closing.stage == Closing::Saving {
            return;
        }
        let text = tr!("The worker stopped. Saved files are safe, and runs can be resumed.");
        self.workspace
            .notify(Notice::error(text.into()).with(Remedy::RestartWorker));
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::sync::Arc;
    use std::time::{Duration, Instant};

    use eframe::egui::Context;

    use super::*;
    use crate::protocol::event::RunEvent;
    use crate::ui::app::saved::SavedState;
    use crate::ui::shared::action::Action;

    fn started(app: &App, name: &str, folder: &Path) -> Event {
        let spec = Box::new(app.workspace.draft.clone());
        let started = RunEvent::Started {
            spec,
            folder: folder.to_path_buf(),
            first_step: 0,
            notes: Vec::new(),
        };
        Event::Run(RunId(name.into()), started)
    }

    #[test]
    fn a_run_knows_the_run_whose_settings_it_was_begun_with() {
        let folder = tempfile::tempdir().unwrap();
        let state = SavedState::default();
        let mut app = App::new(None, state, folder.path().into(), Arc::new(|| ()));
        let ctx = Context::default();
        let event = started(&app, "first", Path::new("first"));
        app.take_event(event);
        let first = RunId("first".into());
        app.apply(Action::UseSpecOf(first.clone()), &ctx);
        app.workspace.draft.training.seed = 9;
        assert_eq!(app.saved().draft_of, Some(first.clone()));
        app.apply(Action::Start, &ctx);
        let runs = folder.path();
        app.workspace.queue.next(runs, false).unwrap();
        let event = started(&app, "second", runs);
        app.take_event(event);
        let made_of = |app: &App, name: &str| {
            let run = app.workspace.store.get(&RunId(name.into()));
            run.and_then(|run| run.labels.made_of.clone())
        };
        assert_eq!(made_of(&app, "second"), Some(first));
        assert_eq!(made_of(&app, "first"), None);
        // It is written beside the run too.
        let start = Instant::now();
        while RunLabels::read(runs).unwrap().made_of.is_none() {
            assert!(start.elapsed() < Duration::from_secs(60), "no file");
            std::thread::sleep(Duration::from_millis(5));
        }
        // A preset is no copy of a run.
        app.apply(Action::UsePreset("cpu"), &ctx);
        assert_eq!(app.saved().draft_of, None);
    }
}
