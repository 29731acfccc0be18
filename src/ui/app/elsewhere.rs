//! Runs that another process works on, here or on another machine: what the user asks of
//! them is asked of their process.

use super::App;
use crate::format::{duration, part_of_bytes};
use crate::persist::run_requests::{RequestOutcome, RunRequest};
use crate::protocol::event::RunId;
use crate::tuning::states::state_file::locate_state;
use crate::ui::dialogs::export::ExportDialog;
use crate::ui::shared::action::Action;
use crate::ui::shared::notice::{Notice, Remedy};
use crate::ui::shared::run_asking::RunNews;

impl App {
    /// Asks the process of a run for what is meant for it; gives back what is not.
    pub(super) fn ask_elsewhere(&mut self, action: Action) -> Option<Action> {
        let (run, request) = match &action {
            Action::Pause(run) => (run, RunRequest::Pause),
            Action::Resume(run) => (run, RunRequest::Resume),
            Action::Stop(run) => (run, RunRequest::Stop),
            Action::OpenExport(run) => (run, RunRequest::SaveState),
            _ => return Some(action),
        };
        let is_own = self.sweep.under_way(run).is_some();
        let Some(run) = self.workspace.store.get(run).filter(|_| !is_own) else {
            return Some(action);
        };
        let is_meant = match request {
            RunRequest::Pause | RunRequest::Resume | RunRequest::Stop => run.elsewhere.is_some(),
            // The state of a run that is on is not the one that was written before.
            RunRequest::SaveState => {
                let is_here = locate_state(&run.folder).is_ok();
                run.elsewhere.is_some() || (run.is_watched && !is_here)
            }
        };
        if !is_meant {
            return Some(action);
        }
        let text = match (request, run.is_watched) {
            (RunRequest::SaveState, true) => {
                tr!("The state of {} is being brought here", run.title())
            }
            (RunRequest::SaveState, false) => {
                tr!("{} saves its state after its current step", run.title())
            }
            (RunRequest::Pause, _) => tr!("{} pauses after its current step", run.title()),
            (RunRequest::Resume, _) => tr!("{} resumes", run.title()),
            (RunRequest::Stop, _) => {
                tr!("{} saves and stops after its current step", run.title())
            }
        };
        let notice = Notice::info(text);
        let notice = match (request, run.is_watched) {
            (RunRequest::SaveState, true) => notice.with(Remedy::CallOff(run.id.clone())),
            _ => notice,
        };
        self.workspace.asking.ask(run, request);
        self.workspace.notify(notice);
        None
    }

    /// Takes in what came of what was asked.
    pub(super) fn take_in_asked(&mut self) {
        for news in self.workspace.asking.take_answers() {
            match news {
                RunNews::Coming {
                    run,
                    done,
                    total,
                    secs_left,
                } => {
                    let far = part_of_bytes(done, total);
                    let left = secs_left.map(duration);
                    let left = left.map_or(String::new(), |left| tr!(", {} left", left));
                    let text = tr!(
                        "The state of {} comes: {far}{left}",
                        self.title(&run),
                        far,
                        left
                    );
                    let share = done as f32 / total.max(1) as f32;
                    let mut notice = Notice::info(text).with(Remedy::CallOff(run));
                    notice.share = Some(share.min(1.0));
                    self.workspace.notify(notice);
                }
                RunNews::Answered {
                    run,
                    request,
                    outcome,
                } => {
                    if request == RunRequest::SaveState {
                        self.workspace.settle(&Remedy::CallOff(run.clone()));
                    }
                    match outcome {
                        Ok(outcome) => self.take_outcome(&run, request, &outcome),
                        Err(reason) => self.workspace.notify(Notice::error(reason)),
                    }
                }
            }
        }
    }

    fn take_outcome(&mut self, id: &RunId, request: RunRequest, outcome: &RequestOutcome) {
        let title = self.title(id);
        let sentence = outcome.sentence(&title, request);
        let run = self.workspace.store.get(id);
        if let (RunRequest::SaveState, Some(run)) = (request, run)
            && matches!(outcome, RequestOutcome::Done { .. } | RequestOutcome::Ended)
            && locate_state(&run.folder).is_ok()
        {
            // What is being fitted stays in sight.
            if !self.export.is_folding() {
                self.export.open = Some(ExportDialog::new(run));
            }
            return self.workspace.notify(Notice::info(sentence));
        }
        // Whoever called it off is told no error.
        let is_right = outcome.is_done(request) || *outcome == RequestOutcome::CalledOff;
        let notice = match is_right {
            true => Notice::info(sentence),
            false => Notice::error(sentence),
        };
        self.workspace.notify(notice);
        if let Some(watch) = &self.watch {
            watch.look_now();
        }
    }

    fn title(&self, run: &RunId) -> String {
        let known = self.workspace.store.get(run);
        known.map_or_else(|| run.0.clone(), |known| known.title().to_owned())
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::{Path, PathBuf};
    use std::sync::Arc;
    use std::time::{Duration, Instant};

    use super::*;
    use crate::persist::folder_lock::FolderLock;
    use crate::persist::run_requests::asking::WATCHED_FILE;
    use crate::persist::run_requests::desk::{Desk, Taken};
    use crate::protocol::run_spec::RunSpec;
    use crate::runs::LogLevel;
    use crate::runs::run::{Run, RunStatus};
    use crate::tuning::states::state_file::STATE_FILE;
    use crate::ui::app::saved::SavedState;

    const PATIENCE: Duration = Duration::from_secs(60);

    /// A window that sees the run `a-0001` in this folder.
    fn app(folder: &Path, status: RunStatus, elsewhere: Option<u32>, is_watched: bool) -> App {
        let state = SavedState::default();
        let mut app = App::new(None, state, "runs".into(), Arc::new(|| ()));
        let mut run = Run::new(id(), RunSpec::default(), folder.into());
        (run.status, run.elsewhere, run.is_watched) = (status, elsewhere, is_watched);
        app.workspace.store.add(run);
        app
    }

    fn id() -> RunId {
        RunId("a-0001".into())
    }

    /// What lies on the desk, once something does.
    fn taken(desk: &mut Desk) -> (String, RunRequest) {
        let start = Instant::now();
        loop {
            match desk.take() {
                Taken::Asked(id, request) => return (id, request),
                Taken::Nothing => std::thread::sleep(Duration::from_millis(20)),
                other @ (Taken::CalledOff(_) | Taken::Ignored(_)) => panic!("{other:?}"),
            }
            assert!(start.elapsed() < PATIENCE, "nothing was asked");
        }
    }

    /// Takes answers until a message says this.
    fn until_told(app: &mut App, part: &str, level: LogLevel) {
        let start = Instant::now();
        loop {
            app.take_in_asked();
            let mut notices = app.workspace.notices.iter();
            if notices.any(|told| told.text.contains(part) && told.level == level) {
                return;
            }
            assert!(start.elapsed() < PATIENCE, "{:?}", app.workspace.notices);
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    #[test]
    fn a_run_of_another_process_is_paused_by_asking_it() {
        let folder = tempfile::tempdir().unwrap();
        let _lock = FolderLock::take(folder.path(), "run").unwrap();
        let mut desk = Desk::open(folder.path()).unwrap();
        let running = RunStatus::Running { step: 3, total: 9 };
        let mut app = app(folder.path(), running, Some(7), false);
        assert!(app.ask_elsewhere(Action::Pause(id())).is_none());
        // Twice is once.
        assert!(app.ask_elsewhere(Action::Pause(id())).is_none());
        let (_, request) = taken(&mut desk);
        assert_eq!(request, RunRequest::Pause);
        desk.stand(true, 4).unwrap();
        until_told(&mut app, "a-0001 is paused after step 4", LogLevel::Info);
        assert_eq!(desk.take(), Taken::Nothing);
    }

    #[test]
    fn a_run_of_this_window_is_not_asked_through_its_folder() {
        let folder = tempfile::tempdir().unwrap();
        let running = RunStatus::Running { step: 3, total: 9 };
        let mut app = app(folder.path(), running, None, false);
        for action in [
            Action::Pause(id()),
            Action::Stop(id()),
            Action::OpenExport(id()),
        ] {
            assert!(app.ask_elsewhere(action).is_some());
        }
        assert!(app.workspace.notices.is_empty());
    }

    /// The folder of a run of another machine below `root`, which is watched while the
    /// lock is held.
    fn watched(root: &Path) -> (PathBuf, FolderLock, Desk) {
        let folder = root.join("a-0001");
        fs::create_dir(&folder).unwrap();
        fs::write(folder.join(WATCHED_FILE), "").unwrap();
        let lock = FolderLock::take(root, "folder").unwrap();
        let desk = Desk::open(&folder).unwrap();
        (folder, lock, desk)
    }

    #[test]
    fn a_state_on_its_way_tells_how_far_it_is_and_is_cancelled() {
        let root = tempfile::tempdir().unwrap();
        let (folder, _lock, mut desk) = watched(root.path());
        let mut app = app(&folder, RunStatus::Finished, None, true);
        let ctx = eframe::egui::Context::default();
        app.apply(Action::OpenExport(id()), &ctx);
        let call_off = Remedy::CallOff(id());
        let told = |app: &App| {
            let mut all = app.workspace.notices.iter();
            all.find(|of| of.remedy == Some(call_off.clone())).cloned()
        };
        // It can be cancelled before the first byte.
        assert_eq!(told(&app).map(|of| of.share), Some(None));
        let (name, _) = taken(&mut desk);
        let start = Instant::now();
        let (mut done, mut last) = (0, None);
        while last.is_none_or(|of: Notice| !of.text.contains("left")) {
            assert!(start.elapsed() < PATIENCE, "{:?}", app.workspace.notices);
            done = (done + (1 << 20)).min(900 << 20);
            desk.bring(done, 1000 << 20).unwrap();
            std::thread::sleep(Duration::from_millis(200));
            app.take_in_asked();
            last = told(&app);
            assert_eq!(app.workspace.notices.len(), 1, "one, which changes");
        }
        let last = told(&app).unwrap();
        assert!(last.text.contains(" of 1000 MiB, "), "{}", last.text);
        assert!(last.share.is_some_and(|share| share > 0.0 && share < 0.9));
        app.apply(Action::CallOff(id()), &ctx);
        until_told(&mut app, "was cancelled", LogLevel::Info);
        assert_eq!(told(&app), None);
        assert!(app.export.open.is_none());
        // Whoever brings it hears of that.
        let start = Instant::now();
        while desk.take() != Taken::CalledOff(name.clone()) {
            assert!(start.elapsed() < PATIENCE, "nobody was told");
            std::thread::sleep(Duration::from_millis(20));
        }
        // It can be asked for again.
        assert!(app.ask_elsewhere(Action::OpenExport(id())).is_none());
        assert_eq!(taken(&mut desk).1, RunRequest::SaveState);
    }

    #[test]
    fn the_state_of_another_machine_is_brought_before_it_is_exported() {
        let root = tempfile::tempdir().unwrap();
        let (folder, lock, mut desk) = watched(root.path());
        let mut app = app(&folder, RunStatus::Finished, None, true);
        assert!(app.ask_elsewhere(Action::OpenExport(id())).is_none());
        assert!(app.export.open.is_none());
        let (name, request) = taken(&mut desk);
        assert_eq!(request, RunRequest::SaveState);
        fs::write(folder.join(STATE_FILE), "a state").unwrap();
        desk.answer(&name, RequestOutcome::Done { step: 9 })
            .unwrap();
        until_told(&mut app, "saved its state of step 9", LogLevel::Info);
        let open = app.export.open.take().map(|open| open.run);
        assert_eq!(open, Some(id()));
        // It is here now, and is exported as any other.
        assert!(app.ask_elsewhere(Action::OpenExport(id())).is_some());
        // And nobody can be asked once it is not watched.
        fs::remove_file(folder.join(STATE_FILE)).unwrap();
        drop(lock);
        assert!(app.ask_elsewhere(Action::OpenExport(id())).is_none());
        until_told(&mut app, "brought it here has ended", LogLevel::Error);
    }
}
