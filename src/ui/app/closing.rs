//! What ends with the window while something is on, and how it continues when the
//! window opens again.

use super::App;
use crate::protocol::command::Command;
use crate::protocol::event::RunId;
use crate::runs::run::Run;
use crate::sweep::scheduler::SweepCommand;
use crate::ui::shared::notice::Notice;
use crate::ui::shared::queue::{PersistedRequest, QueueRequest};
use crate::ui::shell::closing::{Closing, Ending};
use crate::ui::sweep::action::SweepAction;

impl App {
    /// What closing the window would end.
    pub(crate) fn ending(&self) -> Ending {
        Ending {
            sweep: self.sweep.on().map(|on| on.plan.sweep.name.clone()),
            has_run: self
                .workspace
                .store
                .runs()
                .iter()
                .any(|run| self.is_own(run)),
            n_waiting: self.workspace.queue.asked().count(),
        }
    }

    /// Whether the worker of the window does a run at the moment.
    fn is_own(&self, run: &Run) -> bool {
        run.is_on_here() && self.sweep.under_way(&run.id).is_none()
    }

    pub(crate) fn stop_and_close(&mut self) {
        self.closing.stage = Closing::Saving;
        self.keep_what_is_on();
        let stop = SweepAction::Tell(SweepCommand::Stop);
        self.sweep
            .apply(stop, &self.workspace.draft, &self.workspace.runs_dir);
        self.workspace.queue.clear();
        // It ends what is under way, saves it and begins nothing that waits.
        self.workspace.send(Command::Shutdown);
    }

    /// Notes what is to continue when the window opens again: runs of a sweep with
    /// their sweep and not one by one.
    fn keep_what_is_on(&mut self) {
        if !self.closing.goes_on || self.closing.has_gone_on {
            self.closing.resumes.clear();
            self.closing.waits.clear();
        }
        // Else they are still those of last time, and wait for the runs to be read.
        self.closing.sweep_resumes = None;
        if !self.closing.goes_on {
            return;
        }
        let on = self
            .workspace
            .store
            .runs()
            .iter()
            .filter(|run| self.is_own(run));
        let resumes: Vec<RunId> = on.map(|run| run.id.clone()).collect();
        let sweep = self.sweep.on().map(|on| on.path.clone());
        self.closing.sweep_resumes = sweep.or_else(|| self.sweep.beginning.clone());
        self.closing.resumes.extend(resumes);
        // A path that is not Unicode has no text; such a run cannot be kept.
        let waits = self.workspace.queue.asked().filter_map(|of| of.kept().ok());
        self.closing.waits.extend(waits);
    }

    /// A run that was being prepared when the window was to close has a folder
    /// by now, and is resumed and not started a second time.
    pub(crate) fn began_while_closing(&mut self, run: &RunId) {
        if self.closing.goes_on
            && self.workspace.queue.starting().is_some()
            && !self.closing.waits.is_empty()
        {
            self.closing.waits.remove(0);
            self.closing.resumes.push(run.clone());
        }
    }

    /// Takes up what was on when the window closed, and queues what waited.
    pub(crate) fn go_on_from_last_time(&mut self) {
        if self.closing.stage == Closing::Saving {
            // They are kept for the next time.
            return;
        }
        self.closing.has_gone_on = true;
        for run in std::mem::take(&mut self.closing.resumes) {
            let known = self.workspace.store.get(&run);
            if known.is_some_and(Run::can_be_resumed) {
                let n_before = self.workspace.queue.waiting().len();
                self.resume_from_disk(&run);
                // It was on beside the sweep, if there was one.
                if self.workspace.queue.waiting().len() > n_before {
                    self.workspace.queue.begin_last_beside();
                }
            }
        }
        for kept in std::mem::take(&mut self.closing.waits) {
            match kept {
                PersistedRequest::Start(text) => match QueueRequest::from_text(&text) {
                    Ok(asked) => self.workspace.queue.push(asked),
                    Err(error) => self.workspace.notify(Notice::error(tr!(
                        "this version cannot read a queued run, {error}",
                        error
                    ))),
                },
                PersistedRequest::ResumeFromDisk(run) => self.resume_from_disk(&run),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;
    use std::sync::Arc;

    use super::*;
    use crate::protocol::event::{Event, RunEvent};
    use crate::protocol::run_spec::RunSpec;
    use crate::runs::RunStore;
    use crate::sweep::store::SweepFolder;
    use crate::sweep::sweep_file::parse_sweep;
    use crate::sweep::task::{Facts, Task, TaskState};
    use crate::ui::app::saved::SavedState;
    use crate::ui::sweep::opened::{LiveSweep, OpenSweep};

    fn start(name: &str) -> Event {
        Event::Run(
            RunId(name.into()),
            RunEvent::Started {
                spec: Box::default(),
                folder: PathBuf::from(name),
                first_step: 0,
                notes: Vec::new(),
            },
        )
    }

    fn spec(name: &str) -> RunSpec {
        RunSpec {
            name: name.into(),
            ..RunSpec::default()
        }
    }

    /// A window with a run of its own, a sweep with one under way, and a run
    /// that waits.
    fn busy(runs_dir: PathBuf, goes_on: bool) -> App {
        let text = r#"(name: "s", base: Preset("cpu"), parts: [(search: Grid([
            (field: "training.learning_rate", values: List([0.1, 0.2])),
        ]))])"#;
        let plan = parse_sweep(text, "a.ron").unwrap().plan().unwrap();
        let folder = SweepFolder::create(&runs_dir, plan).unwrap();
        let mut shown = OpenSweep::new(&folder).unwrap();
        let mut facts = Facts::of(None);
        facts.state = TaskState::Going;
        shown.queue.facts.insert(Task::Run(1), facts);
        shown.live = Some(LiveSweep::new(None, &shown));
        let state = SavedState {
            goes_on,
            ..SavedState::default()
        };
        let mut app = App::new(None, state, runs_dir, Arc::new(|| ()));
        app.sweep.show(shown);
        app.workspace.store = RunStore::default();
        for name in ["own-0001", "s.0001"] {
            app.workspace.store.apply(start(name));
        }
        app.workspace
            .queue
            .push(QueueRequest::Start(Box::new(spec("waits"))));
        app
    }

    #[test]
    fn a_sweep_goes_on_as_a_sweep_and_runs_that_wait_are_kept() {
        let folder = tempfile::tempdir().unwrap();
        let mut app = busy(folder.path().into(), true);
        let ending = app.ending();
        assert_eq!(ending.sweep.as_deref(), Some("s"));
        assert!(ending.has_run && ending.n_waiting == 1);
        app.stop_and_close();
        assert_eq!(app.closing.resumes, [RunId("own-0001".into())]);
        let path = app.sweep.on().unwrap().path.clone();
        assert_eq!(app.closing.sweep_resumes, Some(path));
        assert_eq!(app.workspace.queue.waiting().len(), 0);

        let kept = ron::to_string(&app.saved()).unwrap();
        let kept: SavedState = ron::from_str(&kept).unwrap();
        let mut next = App::new(None, kept, folder.path().into(), Arc::new(|| ()));
        next.go_on_from_last_time();
        let waiting: Vec<&QueueRequest> =
            next.workspace.queue.waiting().map(|of| &of.asked).collect();
        // The run of its own was never written here, so only the other waits.
        assert_eq!(waiting, [&QueueRequest::Start(Box::new(spec("waits")))]);
        assert!(next.closing.waits.is_empty());
    }

    /// The window is closed before the runs of last time were read.
    #[test]
    fn what_was_not_taken_up_yet_is_kept_once_more() {
        let folder = tempfile::tempdir().unwrap();
        let mut app = busy(folder.path().into(), true);
        app.stop_and_close();
        let kept = app.saved();
        let mut next = App::new(None, kept.clone(), folder.path().into(), Arc::new(|| ()));
        next.sweep.beginning = kept.sweep_resumes.clone();
        next.stop_and_close();
        // They come when it is too late to begin them.
        next.go_on_from_last_time();
        assert_eq!(next.closing.resumes, kept.resumes);
        assert_eq!(next.closing.waits, kept.waits);
        assert_eq!(next.closing.sweep_resumes, kept.sweep_resumes);
    }

    #[test]
    fn nothing_goes_on_where_people_do_not_want_it() {
        let folder = tempfile::tempdir().unwrap();
        let mut app = busy(folder.path().into(), false);
        app.stop_and_close();
        assert!(app.closing.resumes.is_empty() && app.closing.waits.is_empty());
        assert_eq!(app.closing.sweep_resumes, None);
    }

    #[test]
    fn a_run_that_began_while_the_window_closed_is_resumed() {
        let folder = tempfile::tempdir().unwrap();
        let mut app = busy(folder.path().into(), true);
        app.workspace
            .queue
            .push(QueueRequest::Start(Box::new(spec("second"))));
        assert!(app.workspace.queue.next(folder.path(), false).is_some());
        app.stop_and_close();
        assert_eq!(app.closing.waits.len(), 2);
        let run = RunId("waits-0001".into());
        app.began_while_closing(&run);
        assert_eq!(app.closing.resumes.last(), Some(&run));
        assert_eq!(app.closing.waits.len(), 1);
    }

    #[test]
    fn the_end_of_the_worker_is_not_that_of_the_runs_of_a_sweep() {
        let folder = tempfile::tempdir().unwrap();
        let mut app = busy(folder.path().into(), true);
        app.worker_gone();
        let is_over = |name: &str| {
            let run = app.workspace.store.get(&RunId(name.into())).unwrap();
            run.status.is_over()
        };
        assert!(is_over("own-0001") && !is_over("s.0001"));
    }
}
