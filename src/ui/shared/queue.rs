//! The queue of runs. They wait here and not in the worker, which gets one at a time,
//! so that they can be reordered and removed.

#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::error::Result;
use crate::persist::spec_file::{parse_spec, print_spec};
use crate::protocol::command::{Command, ResumeChanges};
use crate::protocol::event::RunId;
use crate::protocol::run_spec::RunSpec;

/// A run that was asked for.
#[derive(Debug, Clone, PartialEq)]
pub enum QueueRequest {
    /// One in a new folder.
    Start(Box<RunSpec>),
    /// One that is resumed.
    ResumeFromDisk {
        /// Its name.
        run: RunId,
        /// Its folder.
        folder: PathBuf,
    },
}

/// A run that waits as it is kept over restarts. A specification is kept as a
/// text, so that one which another version cannot read takes nothing else along.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum PersistedRequest {
    /// One in a new folder, by its specification.
    Start(String),
    /// One that is resumed.
    #[serde(alias = "TakeUp")]
    ResumeFromDisk(RunId),
}

/// A run that waits.
#[derive(Debug, Clone, PartialEq)]
pub struct QueuedRun {
    /// Tells it from others of the same name.
    pub key: u64,
    /// What was asked for.
    pub asked: QueueRequest,
    /// Whether it begins beside a sweep, and not after it.
    pub is_beside: bool,
    /// Whether other weights, data or states than it was made from are accepted.
    pub accepts_changes: bool,
    /// The run whose settings it was begun with, changed or not.
    pub made_of: Option<RunId>,
}

/// A job that the worker has.
#[derive(Debug, Clone, PartialEq)]
enum Sent {
    /// A run that has not started, and the run whose settings it was begun with.
    Starting(QueueRequest, Option<RunId>),
    /// A run that has.
    Begun,
    /// Something else, with its name if it has one.
    Other(Option<RunId>),
}

impl Sent {
    fn is_run(&self) -> bool {
        match self {
            Self::Starting(..) | Self::Begun => true,
            Self::Other(_) => false,
        }
    }
}

/// What was asked of the worker and is not done.
#[derive(Debug, Default)]
pub struct Queue {
    waiting: VecDeque<QueuedRun>,
    /// In the order in which the worker does them.
    sent: VecDeque<Sent>,
    n_asked: u64,
    is_giving_up: bool,
}

impl QueueRequest {
    /// The name of the run, or the start of it.
    pub fn name(&self) -> &str {
        match self {
            Self::Start(spec) => &spec.name,
            Self::ResumeFromDisk { run, .. } => &run.0,
        }
    }

    /// As it is kept.
    ///
    /// # Errors
    /// [`crate::error::Error::Spec`] if a path in it is not Unicode and so has no
    /// text.
    pub fn kept(&self) -> Result<PersistedRequest> {
        Ok(match self {
            Self::Start(spec) => PersistedRequest::Start(print_spec(spec)?),
            Self::ResumeFromDisk { run, .. } => PersistedRequest::ResumeFromDisk(run.clone()),
        })
    }

    /// A run in a new folder, by the text of its specification.
    ///
    /// # Errors
    /// [`crate::error::Error::Input`] if this version cannot read it.
    pub fn from_text(text: &str) -> Result<Self> {
        let spec = parse_spec(text, "queued run")?;
        Ok(Self::Start(Box::new(spec)))
    }
}

impl Queue {
    /// The runs that wait, the next one first.
    pub fn waiting(&self) -> impl ExactSizeIterator<Item = &QueuedRun> {
        self.waiting.iter()
    }

    /// The name of the run that is being prepared.
    pub fn starting(&self) -> Option<&str> {
        self.prepared().map(QueueRequest::name)
    }

    /// The run that is being prepared.
    pub fn prepared(&self) -> Option<&QueueRequest> {
        self.sent.iter().find_map(|sent| match sent {
            Sent::Starting(asked, _) => Some(asked),
            Sent::Begun | Sent::Other(_) => None,
        })
    }

    /// The run whose settings the run that is being prepared was begun with.
    pub fn prepared_of(&self) -> Option<&RunId> {
        self.sent.iter().find_map(|sent| match sent {
            Sent::Starting(_, made_of) => made_of.as_ref(),
            Sent::Begun | Sent::Other(_) => None,
        })
    }

    /// The run that is being prepared, then those that wait.
    pub fn asked(&self) -> impl Iterator<Item = &QueueRequest> {
        let waiting = self.waiting.iter().map(|waiting| &waiting.asked);
        self.prepared().into_iter().chain(waiting)
    }

    /// Whether no run waits or is being prepared.
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty() && self.starting().is_none()
    }

    /// Whether the worker has nothing to do that is known of here.
    pub fn is_idle(&self) -> bool {
        self.sent.is_empty()
    }

    /// Whether a run waits, is being prepared or is on.
    pub fn has_run(&self) -> bool {
        !self.waiting.is_empty() || self.sent.iter().any(Sent::is_run)
    }

    /// Adds a run behind the others.
    pub fn push(&mut self, asked: QueueRequest) {
        self.add(asked, false, None);
    }

    /// Adds a run behind the others that has the settings of another, changed or not.
    pub fn push_made_of(&mut self, asked: QueueRequest, run: Option<RunId>) {
        self.add(asked, false, run);
    }

    /// Adds a run behind the others that was refused since something is not what it
    /// was made from, which is accepted now.
    pub fn push_accepting(&mut self, asked: QueueRequest) {
        self.add(asked, true, None);
    }

    fn add(&mut self, asked: QueueRequest, accepts_changes: bool, made_of: Option<RunId>) {
        self.n_asked += 1;
        self.waiting.push_back(QueuedRun {
            key: self.n_asked,
            asked,
            is_beside: false,
            accepts_changes,
            made_of,
        });
    }

    /// Lets a run that waits be the next one, beside an active sweep.
    pub fn begin_beside(&mut self, key: u64) {
        let idx = self.waiting.iter().position(|waiting| waiting.key == key);
        if let Some(mut waiting) = idx.and_then(|idx| self.waiting.remove(idx)) {
            waiting.is_beside = true;
            self.waiting.push_front(waiting);
        }
    }

    /// Takes a run back that waits.
    pub fn withdraw(&mut self, key: u64) {
        self.waiting.retain(|waiting| waiting.key != key);
    }

    /// Puts a run that waits before the one before it.
    pub fn advance(&mut self, key: u64) {
        let idx = self.waiting.iter().position(|waiting| waiting.key == key);
        if let Some(idx) = idx.filter(|idx| *idx > 0) {
            self.waiting.swap(idx - 1, idx);
        }
    }

    /// Lets the run that was added last begin beside a sweep, where it stands.
    pub(crate) fn begin_last_beside(&mut self) {
        if let Some(last) = self.waiting.back_mut() {
            last.is_beside = true;
        }
    }

    /// The next run for the worker, if it has none. While a sweep is on, on the
    /// same device as a rule, only a run that is to begin beside it.
    pub fn next(&mut self, runs: &std::path::Path, is_sweep_on: bool) -> Option<Command> {
        let is_busy = self.sent.iter().any(Sent::is_run);
        if is_busy {
            return None;
        }
        let may_begin = |waiting: &QueuedRun| waiting.is_beside || !is_sweep_on;
        let idx = self.waiting.iter().position(may_begin)?;
        let QueuedRun {
            asked,
            accepts_changes,
            made_of,
            ..
        } = self.waiting.remove(idx)?;
        self.sent.push_back(Sent::Starting(asked.clone(), made_of));
        Some(match asked {
            QueueRequest::Start(spec) => Command::StartRun {
                spec,
                runs: runs.to_path_buf(),
                accept_changes: accepts_changes,
            },
            QueueRequest::ResumeFromDisk { folder, .. } => Command::ResumeRun {
                folder,
                changes: ResumeChanges {
                    model: None,
                    accept: accepts_changes,
                },
            },
        })
    }

    /// Notes a job that is not a run, with its name if it has one.
    pub fn sent_other(&mut self, name: Option<RunId>) {
        self.sent.push_back(Sent::Other(name));
    }

    /// Whether the worker has a job of this name and is not done with it, however
    /// that will end.
    pub fn has_job(&self, name: &RunId) -> bool {
        let is_it = |sent: &Sent| match sent {
            Sent::Other(of) => of.as_ref() == Some(name),
            Sent::Starting(..) | Sent::Begun => false,
        };
        self.sent.iter().any(is_it)
    }

    /// Notes that a job was called off before the worker began with it. The worker
    /// is done with it when it is done with the one under way.
    pub fn called_off(&mut self, name: &RunId) {
        let is_it = |sent: &Sent| matches!(sent, Sent::Other(of) if of.as_ref() == Some(name));
        if let Some(at) = self.sent.iter().position(is_it) {
            self.sent.remove(at);
            self.sent.insert(at.min(1), Sent::Other(None));
        }
    }

    /// Notes that the run being prepared is to be cancelled.
    pub fn give_up(&mut self) {
        self.is_giving_up = true;
    }

    /// Notes that a run has started; whether it was cancelled and has to be
    /// stopped, since that came too late.
    pub fn began(&mut self) -> bool {
        if let Some(sent) = self.sent.iter_mut().find(|sent| sent.is_run()) {
            *sent = Sent::Begun;
        }
        std::mem::take(&mut self.is_giving_up)
    }

    /// Notes that the worker is done with its oldest job.
    pub fn job_done(&mut self) {
        if self.sent.pop_front().is_none_or(|sent| sent.is_run()) {
            self.is_giving_up = false;
        }
    }

    /// Forgets what the worker had, since it is gone; runs keep waiting.
    pub fn worker_gone(&mut self) {
        self.sent.clear();
        self.is_giving_up = false;
    }

    /// Takes every run back that waits.
    pub fn clear(&mut self) {
        self.waiting.clear();
    }
}
