//! What changed on the disk: runs and sweeps of other processes, and the files of
//! the configuration.

use std::path::PathBuf;

use eframe::egui::{Context, Event};

use super::App;
use crate::protocol::event::RunId;
use crate::protocol::run_spec::{CheckpointSource, DataSource, RunSpec, VocabularySource};
use crate::runs::BrokenFolder;
use crate::runs::run::Run;
use crate::tuning::spec::StartState;
use crate::ui::shared::folder_watch::{FolderChanges, FolderWatch};

impl App {
    /// Begins to look at the folder of runs.
    pub(super) fn begin_to_watch(&mut self) {
        let workspace = &self.workspace;
        let watch = FolderWatch::new(workspace.runs_dir.clone(), &workspace.threads);
        self.watch = Some(watch);
    }

    /// Takes in what changed on the disk.
    pub(super) fn take_seen(&mut self) {
        let Some(watch) = &self.watch else {
            return;
        };
        let mut own: Vec<String> = Vec::new();
        own.extend(self.sweep.on().map(|on| format!("{}.", on.plan.sweep.name)));
        let beginning = self.sweep.beginning.as_ref();
        let name = beginning.and_then(|path| path.file_name());
        own.extend(name.map(|name| format!("{}.", name.to_string_lossy())));
        watch.tell(own, files_of(&self.workspace.draft));
        for seen in watch.answers() {
            self.take_in_seen(seen);
        }
    }

    /// Has the disk looked at when the user comes back to the window.
    pub(super) fn look_when_focused(&self, ctx: &Context) {
        let is_back = |event: &Event| matches!(event, Event::WindowFocused(true));
        if let Some(watch) = &self.watch
            && ctx.input(|input| input.events.iter().any(is_back))
        {
            watch.look_now();
        }
    }

    fn take_in_seen(&mut self, seen: FolderChanges) {
        let FolderChanges {
            runs,
            gone,
            sweeps,
            files,
        } = seen;
        let of_shown = self.sweep.shown.as_ref().map(|shown| {
            let prefix = format!("{}.", shown.plan.sweep.name);
            runs.iter().any(|(id, _)| id.0.starts_with(&prefix))
        });
        if sweeps {
            self.sweep.list(&self.workspace.runs_dir);
        }
        if sweeps || of_shown == Some(true) {
            self.sweep.read_again();
        }
        for (id, run) in runs {
            self.take_run(id, run);
        }
        for id in gone {
            self.forget_run(&id);
        }
        if files {
            self.files_changed();
        }
    }

    /// Has what the configuration names read again.
    pub(super) fn files_changed(&mut self) {
        self.config.forecast.forget();
        self.sweep.plan_again();
    }

    /// Whether its events come to this window by themselves.
    fn is_told(&self, run: &Run) -> bool {
        run.is_on_here() || self.sweep.under_way(&run.id).is_some()
    }

    fn take_run(&mut self, id: RunId, run: Result<Box<Run>, String>) {
        let folder = self.workspace.runs_dir.join(&id.0);
        let store = &mut self.workspace.store;
        store.broken.retain(|broken| broken.folder != folder);
        let run = match run {
            Ok(run) => run,
            Err(reason) => return store.broken.push(BrokenFolder { folder, reason }),
        };
        let Some(known) = self.workspace.store.get(&id) else {
            return self.workspace.store.add(*run);
        };
        if self.is_told(known) {
            return;
        }
        // What is known of the state at hand would be lost for nothing.
        let is_same = known.status == run.status
            && known.elsewhere == run.elsewhere
            && known.step == run.step
            && known.spec == run.spec
            && known.evaluations == run.evaluations
            && known.exported.len() == run.exported.len();
        match is_same {
            true => drop(self.workspace.store.label(&id, run.labels)),
            false => self.workspace.store.add(*run),
        }
    }

    fn forget_run(&mut self, id: &RunId) {
        let run = self.workspace.store.get(id);
        if run.is_some_and(|run| !self.is_told(run)) {
            self.workspace.store.take(id);
        }
    }
}

/// The files and folders that a run reads.
fn files_of(spec: &RunSpec) -> Vec<PathBuf> {
    let mut files = Vec::new();
    if let CheckpointSource::File(path) = &spec.model.checkpoint {
        files.push(path.clone());
    }
    if let VocabularySource::File(path) = &spec.model.vocabulary {
        files.push(path.clone());
    }
    match &spec.data.source {
        DataSource::Mini(_) => {}
        DataSource::Official { folder, .. } => files.push(folder.clone()),
        DataSource::Jsonl {
            train, validation, ..
        } => files.extend([train].into_iter().chain(validation).cloned()),
    }
    if let Some((_, StartState::File(path))) = spec.method.tuned() {
        files.push(path.clone());
    }
    files
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::runs::run::RunStatus;
    use crate::ui::app::saved::SavedState;

    fn run(status: RunStatus, elsewhere: Option<u32>) -> Box<Run> {
        let mut run = Run::new(RunId("a-0001".into()), RunSpec::default(), "a-0001".into());
        run.status = status;
        run.elsewhere = elsewhere;
        Box::new(run)
    }

    fn status(app: &App) -> Option<(RunStatus, Option<u32>)> {
        let run = app.workspace.store.get(&RunId("a-0001".into()))?;
        Some((run.status.clone(), run.elsewhere))
    }

    fn see(app: &mut App, run: Box<Run>) {
        app.take_in_seen(FolderChanges {
            runs: vec![(RunId("a-0001".into()), Ok(run))],
            ..FolderChanges::default()
        });
    }

    #[test]
    fn runs_of_others_come_go_on_and_go() {
        let state = SavedState::default();
        let mut app = App::new(None, state, "runs".into(), Arc::new(|| ()));
        let tuning = |step| RunStatus::Running { step, total: 300 };
        see(&mut app, run(tuning(1), Some(7)));
        assert_eq!(status(&app), Some((tuning(1), Some(7))));
        assert!(!app.is_busy(), "another process does it");
        see(&mut app, run(tuning(2), Some(7)));
        assert_eq!(status(&app), Some((tuning(2), Some(7))));
        see(&mut app, run(RunStatus::Finished, None));
        assert_eq!(status(&app), Some((RunStatus::Finished, None)));
        app.take_in_seen(FolderChanges {
            gone: vec![RunId("a-0001".into())],
            ..FolderChanges::default()
        });
        assert_eq!(status(&app), None);
    }

    #[test]
    fn a_run_of_this_window_stays_as_its_worker_tells() {
        let state = SavedState::default();
        let mut app = App::new(None, state, "runs".into(), Arc::new(|| ()));
        let tuning = RunStatus::Running {
            step: 5,
            total: 300,
        };
        app.workspace.store.add(*run(tuning.clone(), None));
        see(&mut app, run(RunStatus::Interrupted { step: 3 }, None));
        app.take_in_seen(FolderChanges {
            gone: vec![RunId("a-0001".into())],
            ..FolderChanges::default()
        });
        assert_eq!(status(&app), Some((tuning, None)));
        assert!(app.is_busy());
    }

    #[test]
    fn a_folder_that_cannot_be_read_is_told_once_and_until_it_can() {
        let state = SavedState::default();
        let mut app = App::new(None, state, "runs".into(), Arc::new(|| ()));
        for _ in 0..2 {
            app.take_in_seen(FolderChanges {
                runs: vec![(RunId("a-0001".into()), Err("why".into()))],
                ..FolderChanges::default()
            });
        }
        assert_eq!(app.workspace.store.broken.len(), 1);
        see(&mut app, run(RunStatus::Finished, None));
        assert!(app.workspace.store.broken.is_empty());
    }
}
