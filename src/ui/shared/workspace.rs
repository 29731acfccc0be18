//! What every feature works with: what is known of runs, which ones are looked at,
//! the configuration, and the ways to the worker, to files and to the user.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crossbeam_channel::Receiver;

use super::background::{Background, Threads, WakeUp};
use super::evaluations::EvaluationCache;
use super::notice::{Notice, Remedy};
use super::queue::Queue;
use super::run_asking::RunAsking;
use super::selection::Selection;
use crate::atomic::write_atomic;
use crate::error::{Error, Result};
use crate::protocol::command::Command;
use crate::protocol::event::RunId;
use crate::protocol::run_spec::RunSpec;
use crate::report::SavedTable;
use crate::runs::run::Run;
use crate::runs::{LogLevel, RunStore};
use crate::ui::shell::path_dialogs::{self, PathFor};
use crate::worker::WorkerHandle;

/// For how long a message stays that says no more than that all went well.
const TIME_TO_READ: Duration = Duration::from_secs(8);

/// The most messages that are shown at once; older ones go.
const MAX_NOTICES: usize = 4;

/// What every feature works with.
pub struct Workspace {
    /// Everything that is known of runs.
    pub store: RunStore,
    /// The runs that are looked at.
    pub selection: Selection,
    /// The run that Start begins. It is kept apart, as a document.
    pub draft: RunSpec,
    /// What was asked of the worker.
    pub queue: Queue,
    /// The folder in which runs begin.
    pub runs_dir: PathBuf,
    /// Messages for the user, newest last.
    pub notices: Vec<Notice>,
    /// Evaluations of the runs that are looked at, and their comparisons.
    pub(crate) evaluations: EvaluationCache,
    /// What is asked of runs that other processes work on.
    pub(crate) asking: RunAsking,
    pub(crate) worker: Option<WorkerHandle>,
    pub(crate) threads: Threads,
    /// Paths that the user chose.
    chosen: Background<(PathFor, PathBuf)>,
    /// What came of files that were written, in words.
    written: Background<Result<String>>,
    failures: Receiver<Error>,
    /// Whether a command found no worker.
    is_worker_lost: bool,
    /// When the user was told something last.
    notified: Instant,
}

impl Workspace {
    /// With a worker, or without one.
    pub(crate) fn new(
        worker: Option<WorkerHandle>,
        selection: Selection,
        draft: RunSpec,
        runs_dir: PathBuf,
        wake: WakeUp,
    ) -> Self {
        let (threads, failures) = Threads::new(wake);
        Self {
            store: RunStore::default(),
            selection,
            draft,
            queue: Queue::default(),
            runs_dir,
            notices: Vec::new(),
            evaluations: EvaluationCache::new(&threads),
            asking: RunAsking::new(&threads),
            worker,
            chosen: Background::new(&threads),
            written: Background::new(&threads),
            threads,
            failures,
            is_worker_lost: false,
            notified: Instant::now(),
        }
    }

    /// The run that buttons act on.
    pub(crate) fn focused_run(&self) -> Option<&Run> {
        self.selection.focused().and_then(|id| self.store.get(id))
    }

    /// Shows a message; the same one only once. One that says that all went well
    /// gives way to the next, unless something can be done about it.
    pub fn notify(&mut self, notice: Notice) {
        let is_same = |old: &Notice| notice.remedy.is_some() && old.remedy == notice.remedy;
        self.notices.retain(|old| {
            let stays = old.level > LogLevel::Info || old.remedy.is_some();
            is_same(old) || (*old != notice && stays)
        });
        // What comes again and again stays where it is.
        match self.notices.iter().position(is_same) {
            Some(at) => self.notices[at] = notice,
            None => self.notices.push(notice),
        }
        self.notified = Instant::now();
        let n_over = self.notices.len().saturating_sub(MAX_NOTICES);
        self.notices.drain(..n_over);
    }

    /// Takes messages away that say no more than that all went well, once there was
    /// time to read them; how long that still is, where there are some.
    pub(crate) fn drop_old_notices(&mut self) -> Option<Duration> {
        let goes = |notice: &Notice| notice.level <= LogLevel::Info && notice.remedy.is_none();
        if !self.notices.iter().any(goes) {
            return None;
        }
        let left = TIME_TO_READ.saturating_sub(self.notified.elapsed());
        if left.is_zero() {
            self.notices.retain(|notice| !goes(notice));
            return None;
        }
        Some(left)
    }

    /// Says that something could not be done.
    pub(crate) fn complain(&mut self, error: &Error) {
        self.notify(Notice::error(error.to_string()));
    }

    /// Takes the message away about which this can be done no more.
    pub(crate) fn settle(&mut self, remedy: &Remedy) {
        self.notices
            .retain(|notice| notice.remedy.as_ref() != Some(remedy));
    }

    /// Takes a message away.
    pub(crate) fn dismiss(&mut self, idx: usize) {
        if idx < self.notices.len() {
            self.notices.remove(idx);
        }
    }

    /// Sends a command. That no worker took it is found by [`Self::take_loss`].
    pub(crate) fn send(&mut self, command: Command) {
        let sent = match &self.worker {
            Some(worker) => worker.commands.send(command).is_ok(),
            None => false,
        };
        self.is_worker_lost |= !sent;
    }

    /// Whether a command found no worker since this was asked last.
    pub(crate) fn take_loss(&mut self) -> bool {
        std::mem::take(&mut self.is_worker_lost)
    }

    /// The next run for the worker, if it has none; see [`Queue::next`].
    pub(crate) fn next_run(&mut self, is_sweep_on: bool) -> Option<Command> {
        self.queue.next(&self.runs_dir, is_sweep_on)
    }

    /// Selects no run that is gone, and gives new ones a colour.
    pub(crate) fn take_in_runs(&mut self) {
        self.selection.take_in(&self.store);
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

    /// Asks for a path; `name` is what a new file is called at first.
    pub(crate) fn choose(&self, what: PathFor, name: &str) {
        path_dialogs::choose(&self.chosen, what, name);
    }

    /// Asks where to save a table, `name` at first, and saves it in the format of
    /// the ending that was chosen.
    pub(crate) fn save_table(&self, table: SavedTable, name: &str) {
        path_dialogs::save_table(&self.written, table, name);
    }

    /// Does work of which the user hears only what is worth it.
    pub(crate) fn start_quietly(
        &self,
        work: impl FnOnce() -> Result<Option<String>> + Send + 'static,
    ) {
        start_quietly(&self.written, work);
    }

    /// The same from somewhere else, later.
    pub(crate) fn writer(&self) -> Background<Result<String>> {
        self.written.clone()
    }

    /// Takes in what was written, and the paths that were chosen.
    pub(crate) fn take_answers(&mut self) -> Vec<(PathFor, PathBuf)> {
        for error in self.failures.try_iter().collect::<Vec<_>>() {
            self.complain(&error);
        }
        for written in self.written.answers() {
            match written {
                Ok(text) => self.notify(Notice::info(text)),
                Err(error) => self.complain(&error),
            }
        }
        self.chosen.answers()
    }

    /// Has read the evaluations of the runs that are looked at and of the
    /// baseline, and has compared what the views asked for.
    pub(crate) fn read_evaluations(&mut self) {
        let Selection {
            selected, baseline, ..
        } = &self.selection;
        for id in selected.iter().chain(baseline) {
            if let Some(run) = self.store.get(id) {
                self.evaluations.read(run);
            }
        }
        self.evaluations.compare_asked();
    }
}

/// Does work of which the user hears only what is worth it.
pub(crate) fn start_quietly(
    written: &Background<Result<String>>,
    work: impl FnOnce() -> Result<Option<String>> + Send + 'static,
) {
    written.start(move || match work() {
        Ok(text) => text.map(Ok),
        Err(error) => Some(Err(error)),
    });
}

/// Writes a text, whole or not at all.
pub(crate) fn write_text(path: &Path, text: &str) -> Result<()> {
    write_atomic(path, |file| {
        std::io::Write::write_all(file, text.as_bytes())
    })
}
