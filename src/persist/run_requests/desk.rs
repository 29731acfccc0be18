//! The side of the process that works on a run.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use super::{
    AnswerRecord, MAX_ANSWERS, MAX_REQUEST_BYTES, REQUEST_FILE, RequestOutcome, RequestRecord,
    RunRequest, SESSION_FILE, SessionRecord, VERSION, is_request_name, new_name, read,
};
use crate::atomic::write_atomic;
use crate::error::Result;

/// A request while it is read.
const TAKEN_FILE: &str = ".request.taken";

/// Where a run is asked and answers. What it wrote goes when it is dropped.
#[derive(Debug)]
pub struct Desk {
    folder: PathBuf,
    record: SessionRecord,
    /// What was taken and is not answered.
    open: Vec<(String, RunRequest)>,
}

/// What lay on a desk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Taken {
    /// Nothing new.
    Nothing,
    /// A request, by its name.
    Asked(String, RunRequest),
    /// The request of this name, which was taken and is not answered, is not wanted any
    /// more.
    CalledOff(String),
    /// Something that is not done, and why.
    Ignored(String),
}

impl Desk {
    /// Begins a session of the run in `folder`, whose lock this process holds. What an
    /// earlier one left is removed.
    ///
    /// # Errors
    /// [`crate::error::Error::Io`] if the session cannot be written.
    pub fn open(folder: &Path) -> Result<Self> {
        clear(folder);
        let desk = Self {
            folder: folder.to_path_buf(),
            record: SessionRecord {
                version: VERSION,
                session: new_name(),
                is_paused: false,
                step: 0,
                progress: None,
                answers: Vec::new(),
            },
            open: Vec::new(),
        };
        desk.write()?;
        Ok(desk)
    }

    /// Takes the request that lies here. One call of the system where there is none.
    pub fn take(&mut self) -> Taken {
        let taken = self.folder.join(TAKEN_FILE);
        // Under a name of its own nobody replaces it between reading and removing.
        if fs::rename(self.folder.join(REQUEST_FILE), &taken).is_err() {
            return Taken::Nothing;
        }
        let request = read::<RequestRecord>(&taken, MAX_REQUEST_BYTES);
        if fs::remove_file(&taken).is_err() {
            let _ = fs::remove_dir(&taken);
        }
        let request = match request {
            Ok(request) if request.version == VERSION && is_request_name(&request.id) => request,
            Ok(_) => {
                return Taken::Ignored(tr!("{REQUEST_FILE} is of another version", REQUEST_FILE));
            }
            Err(error) => {
                return Taken::Ignored(tr!(
                    "{REQUEST_FILE} is no request, {error}",
                    REQUEST_FILE,
                    error
                ));
            }
        };
        if request.session != self.record.session {
            let reason = tr!("{REQUEST_FILE} was for an earlier process", REQUEST_FILE);
            return Taken::Ignored(reason);
        }
        if request.is_called_off {
            return self.called_off(request.id);
        }
        self.open.push((request.id.clone(), request.request));
        Taken::Asked(request.id, request.request)
    }

    fn called_off(&mut self, id: String) -> Taken {
        let n_before = self.open.len();
        self.open.retain(|(of, _)| *of != id);
        if self.open.len() == n_before {
            return Taken::Nothing;
        }
        if self.record.progress.take().is_some() {
            // It is told again with the next answer.
            let _ = self.write();
        }
        Taken::CalledOff(id)
    }

    /// Whether something was taken and is not answered.
    pub fn has_open(&self) -> bool {
        !self.open.is_empty()
    }

    /// Whether the run is said to be paused, and nothing that was taken ends that.
    pub fn stays_paused(&self) -> bool {
        self.record.is_paused
            && !self
                .open
                .iter()
                .any(|(_, of)| matches!(of, RunRequest::Resume | RunRequest::Stop))
    }

    /// Says whether the run is paused after `step` steps, and answers those who asked
    /// for that.
    ///
    /// # Errors
    /// [`crate::error::Error::Io`] if it cannot be written.
    pub fn stand(&mut self, is_paused: bool, step: usize) -> Result<()> {
        let is_news = self.record.is_paused != is_paused;
        self.record.is_paused = is_paused;
        self.record.step = step;
        let fits = |of: RunRequest| match of {
            RunRequest::Pause => is_paused,
            RunRequest::Resume => !is_paused,
            RunRequest::Stop | RunRequest::SaveState => false,
        };
        match self.answer_all(&fits, &RequestOutcome::Done { step }) || is_news {
            true => self.write(),
            false => Ok(()),
        }
    }

    /// Answers everyone who asked for the state.
    ///
    /// # Errors
    /// [`crate::error::Error::Io`] if it cannot be written.
    pub fn state_saved(&mut self, outcome: &RequestOutcome) -> Result<()> {
        match self.answer_all(&|of| of == RunRequest::SaveState, outcome) {
            true => self.write(),
            false => Ok(()),
        }
    }

    /// Answers one request.
    ///
    /// # Errors
    /// [`crate::error::Error::Io`] if it cannot be written.
    pub fn answer(&mut self, id: &str, outcome: RequestOutcome) -> Result<()> {
        let Some(at) = self.open.iter().position(|(of, _)| of == id) else {
            return Ok(());
        };
        let (id, _) = self.open.remove(at);
        self.record.progress = None;
        self.keep(id, outcome);
        self.write()
    }

    /// Answers one request that asked for what is so already.
    ///
    /// # Errors
    /// [`crate::error::Error::Io`] if it cannot be written.
    pub fn answer_as_it_stands(&mut self, id: &str) -> Result<()> {
        let step = self.record.step;
        self.answer(id, RequestOutcome::Done { step })
    }

    /// Says how many bytes have come of what is brought here, and how many all of it has.
    ///
    /// # Errors
    /// [`crate::error::Error::Io`] if it cannot be written.
    pub fn bring(&mut self, n_bytes: u64, of: u64) -> Result<()> {
        self.record.progress = Some([n_bytes, of]);
        self.write()
    }

    /// Whether there were any.
    fn answer_all(&mut self, fits: &dyn Fn(RunRequest) -> bool, outcome: &RequestOutcome) -> bool {
        let answered: Vec<_> = self.open.extract_if(.., |(_, of)| fits(*of)).collect();
        let has_any = !answered.is_empty();
        for (id, _) in answered {
            self.keep(id, outcome.clone());
        }
        has_any
    }

    fn keep(&mut self, id: String, outcome: RequestOutcome) {
        let answers = &mut self.record.answers;
        answers.push(AnswerRecord { id, outcome });
        let n_over = answers.len().saturating_sub(MAX_ANSWERS);
        answers.drain(..n_over);
    }

    fn write(&self) -> Result<()> {
        write_atomic(self.folder.join(SESSION_FILE), |file| {
            serde_json::to_writer(&mut *file, &self.record)?;
            file.write_all(b"\n")
        })
    }
}

impl Drop for Desk {
    fn drop(&mut self) {
        clear(&self.folder);
    }
}

/// Removes what a session left that ended without a word.
pub(crate) fn clear(folder: &Path) {
    for file in [SESSION_FILE, REQUEST_FILE, TAKEN_FILE] {
        // As a rule there is none.
        let _ = fs::remove_file(folder.join(file));
    }
}
