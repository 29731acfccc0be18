//! A run's folder: what the run is, its numbers, checkpoints, snapshots,
//! evaluations and result. Nothing of a run is only in memory.
//!
//! ```text
//! {name}-{n:04}/
//!   spec.ron            what the run is
//!   inputs.json         hashes of the weights, the vocabulary and the data
//!   vocabulary.txt      the vocabulary, unless it is World's
//!   metrics.jsonl       its numbers, one record a line
//!   checkpoints/        step-000050.safetensors, to continue from
//!   snapshots/          step-000050.safetensors, to look at
//!   eval/               before.jsonl, few_shot.jsonl, after.jsonl, and one of each later
//!                       evaluation of its state, one item a line
//!   state.safetensors   the tuned state; of a lifted run lifted.safetensors too, of
//!                       a LoRA run lora.safetensors
//!   log.txt             for the user
//!   lock, lock.pid      held by the process that writes here
//!   session.json, request.json
//!                       what others ask of that process; see `run_requests`
//! ```

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};

use self::create::{create_folders, create_numbered};
use self::step_files::{step_file, step_files};
use super::evaluation_file::{Scored, write_evaluation};
use super::event_file::RunEvents;
use super::folder_lock::FolderLock;
use super::metrics::{MetricRecord, MetricsFile};
use super::run_requests::desk;
use super::spec_file::{parse_spec, print_spec, read_text};
use super::utc::utc_now;
use crate::atomic::write_atomic;
use crate::bench::Evaluation;
use crate::error::{Error, Result};
use crate::protocol::event::{EvaluationPhase, RunId};
use crate::protocol::run_spec::{LeadingToken, RunSpec, VocabularySource};
use crate::tuning::states::state_file::{LIFTED_FILE, LORA_FILE, STATE_FILE, VOCABULARY_FILE};

mod create;
mod step_files;

/// The specification's file name.
pub const SPEC_FILE: &str = "spec.ron";
/// The metrics' file name.
pub const METRICS_FILE: &str = "metrics.jsonl";

const SNAPSHOTS: &str = "snapshots";
/// The folder of the evaluations.
pub(crate) const EVALUATIONS: &str = "eval";

/// A run's folder, which no other process writes to while this value lives.
#[derive(Debug)]
pub struct RunFolder {
    path: PathBuf,
    id: RunId,
    metrics: MetricsFile,
    events: RunEvents,
    _lock: FolderLock,
}

impl RunFolder {
    /// Creates the folder of a new run below `runs_dir`, which is created too:
    /// `{name}-{n:04}` with the number after the highest there.
    ///
    /// # Errors
    /// [`Error::Spec`] if the specification cannot be run, [`Error::Io`] if
    /// something cannot be written; no folder is left then.
    pub fn create(runs_dir: impl AsRef<Path>, spec: &RunSpec) -> Result<Self> {
        spec.check()?;
        let text = print_spec(spec)?;
        let path = create_numbered(runs_dir.as_ref(), &spec.name)?;
        let mut folder = fill(&path, &text).inspect_err(|_| {
            // Ours, and empty but for what could not be finished.
            let _ = fs::remove_dir_all(&path);
        })?;
        folder.events.is_wanted = spec.intervals.tensorboard;
        Ok(folder)
    }

    /// Makes `path` the folder of a new run, so that a second attempt after a
    /// crash meets what the first one left; the run begins when it is opened.
    /// A folder that is a run's already stays as it is.
    ///
    /// # Errors
    /// [`Error::Spec`] if the specification cannot be run, [`Error::Input`] if
    /// another process holds the folder, [`Error::Io`] if it cannot be written.
    pub fn create_at(path: impl AsRef<Path>, spec: &RunSpec) -> Result<()> {
        let path = path.as_ref();
        if path.join(SPEC_FILE).is_file() {
            return Ok(());
        }
        spec.check()?;
        let text = print_spec(spec)?;
        fs::create_dir_all(path).map_err(|source| Error::io("create", path, source))?;
        fill(path, &text).map(|_| ())
    }

    /// Opens the folder of a run to continue with it.
    ///
    /// # Errors
    /// [`Error::Input`] if it is no run's folder, if another process holds it
    /// or if its specification cannot be run; [`Error::Io`] if it cannot be
    /// read or written.
    pub fn open(path: impl AsRef<Path>) -> Result<(Self, RunSpec)> {
        let path = path.as_ref();
        let spec_file = path.join(SPEC_FILE);
        // Before the lock, which must not litter folders of other kinds.
        if !spec_file.is_file() {
            let reason = tr!("is not there; a run's folder has one");
            return Err(Error::input(path, SPEC_FILE, reason));
        }
        let lock = FolderLock::take(path, mark!("run"))?;
        // Of a process that was killed: nobody is to ask it.
        desk::clear(path);
        let spec = read_run_spec(path)?;
        spec.check().map_err(|error| error.at_file(&spec_file))?;
        create_folders(path)?;
        let mut folder = Self::new(path, lock)?;
        folder.events.is_wanted = spec.intervals.tensorboard;
        Ok((folder, spec))
    }

    fn new(path: &Path, lock: FolderLock) -> Result<Self> {
        Ok(Self {
            id: run_id(path)?,
            metrics: MetricsFile::new(path.join(METRICS_FILE)),
            path: path.to_path_buf(),
            events: RunEvents::default(),
            _lock: lock,
        })
    }

    /// Writes what the run is anew, as old as it was: runs stand in the order of
    /// their specifications' age.
    ///
    /// # Errors
    /// [`Error::Spec`] if it cannot be written as text, [`Error::Io`].
    pub fn replace_spec(&mut self, spec: &RunSpec) -> Result<()> {
        self.events.is_wanted = spec.intervals.tensorboard;
        let path = self.path.join(SPEC_FILE);
        let written = fs::metadata(&path).and_then(|of| of.modified());
        let text = print_spec(spec)?;
        write_atomic(&path, |writer| writer.write_all(text.as_bytes()))?;
        let fail = |source| Error::io("write", &path, source);
        let file = OpenOptions::new().write(true).open(&path).map_err(fail)?;
        written
            .and_then(|written| file.set_modified(written))
            .map_err(fail)
    }

    /// Where the folder is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The run's name, which is the folder's.
    pub fn id(&self) -> &RunId {
        &self.id
    }

    /// The file of the run's numbers.
    pub fn metrics_path(&self) -> PathBuf {
        self.path.join(METRICS_FILE)
    }

    /// The file of the tuned state.
    pub fn state_path(&self) -> PathBuf {
        self.path.join(STATE_FILE)
    }

    /// The file of a whole lifted run.
    pub fn lifted_path(&self) -> PathBuf {
        self.state_path().with_file_name(LIFTED_FILE)
    }

    /// The file of a whole LoRA run.
    pub fn lora_path(&self) -> PathBuf {
        self.state_path().with_file_name(LORA_FILE)
    }

    /// The file of the log.
    pub fn log_path(&self) -> PathBuf {
        log_file(&self.path)
    }

    /// The file of the checkpoint after `step`.
    pub fn checkpoint_path(&self, step: usize) -> PathBuf {
        self.path.join("checkpoints").join(step_file(step))
    }

    /// The file of the snapshot after `step`.
    pub fn snapshot_path(&self, step: usize) -> PathBuf {
        snapshot_file(&self.path, step)
    }

    /// The file of the items of an evaluation.
    pub fn evaluation_path(&self, phase: EvaluationPhase) -> PathBuf {
        evaluation_file(&self.path, phase)
    }

    /// Adds a record to the run's numbers and hands it to the system at once.
    ///
    /// # Errors
    /// [`Error::Io`] if it cannot be written; the next record is then not glued
    /// to what was.
    pub fn append_metric(&mut self, record: &MetricRecord) -> Result<()> {
        self.metrics.append(record)?;
        self.events.add(&self.path, record)
    }

    /// Adds a text to the log, with the time in front of each of its lines.
    ///
    /// # Errors
    /// [`Error::Io`] if it cannot be written.
    pub fn append_log(&self, text: &str) -> Result<()> {
        append_log(&self.path, text)
    }

    /// Drops the records that no longer hold when the run continues from `step`.
    ///
    /// # Errors
    /// [`Error::Io`] if the file cannot be read or replaced.
    pub fn truncate_after(&mut self, step: usize) -> Result<()> {
        self.events.continue_from(step);
        self.metrics.truncate_after(step)
    }

    /// Steps and files of the checkpoints, newest first.
    ///
    /// # Errors
    /// [`Error::Io`] if their folder cannot be read.
    pub fn checkpoints(&self) -> Result<Vec<(usize, PathBuf)>> {
        step_files(&self.path.join("checkpoints"))
    }

    /// Step and file of the newest checkpoint of the run in `path`, which
    /// another process may be working on.
    ///
    /// # Errors
    /// [`Error::Io`] if the folder cannot be read, [`Error::Input`] if there is
    /// none.
    pub fn newest_checkpoint(path: &Path) -> Result<(usize, PathBuf)> {
        let newest = step_files(&path.join("checkpoints"))?.into_iter().next();
        newest.ok_or_else(|| Error::input(path, tr!("checkpoints"), tr!("holds none")))
    }

    /// Steps and files of the snapshots, newest first.
    ///
    /// # Errors
    /// [`Error::Io`] if their folder cannot be read.
    pub fn snapshots(&self) -> Result<Vec<(usize, PathBuf)>> {
        step_files(&self.path.join(SNAPSHOTS))
    }

    /// Removes the snapshots after `step`, which the run that continues from there
    /// takes anew.
    ///
    /// # Errors
    /// [`Error::Io`] if a file cannot be removed.
    pub fn drop_snapshots_after(&self, step: usize) -> Result<()> {
        for (at, path) in self.snapshots()? {
            if at > step {
                fs::remove_file(&path).map_err(|source| Error::io("remove", &path, source))?;
            }
        }
        Ok(())
    }

    /// Removes all checkpoints but the newest `keep` and that of the step
    /// `best`; the number removed. The newest is never removed.
    ///
    /// # Errors
    /// [`Error::Io`] if a file cannot be removed.
    pub fn prune(&self, keep: usize, best: Option<usize>) -> Result<usize> {
        let checkpoints = self.checkpoints()?.into_iter().skip(keep.max(1));
        let old = checkpoints.filter(|(step, _)| Some(*step) != best);
        let mut n_removed = 0;
        for (_, path) in old {
            fs::remove_file(&path).map_err(|source| Error::io("remove", &path, source))?;
            n_removed += 1;
        }
        Ok(n_removed)
    }

    /// Writes an evaluation, one item a line; its file.
    ///
    /// # Errors
    /// [`Error::Io`] if the file cannot be written; an older one is then as it was.
    pub fn write_evaluation(
        &self,
        phase: EvaluationPhase,
        evaluation: &Evaluation,
        scored: &Scored,
    ) -> Result<PathBuf> {
        let path = self.evaluation_path(phase);
        write_evaluation(&path, evaluation, scored)?;
        Ok(path)
    }
}

fn log_file(folder: &Path) -> PathBuf {
    folder.join("log.txt")
}

/// Adds a text to the log of the run in `folder`, with the time in front of each of its
/// lines.
///
/// # Errors
/// [`Error::Io`] if it cannot be written.
pub(crate) fn append_log(folder: &Path, text: &str) -> Result<()> {
    let path = log_file(folder);
    let now = utc_now();
    let lines: String = text.lines().map(|line| format!("{now} {line}\n")).collect();
    let mut options = OpenOptions::new();
    let file = options.create(true).append(true).open(&path);
    file.and_then(|mut file| file.write_all(lines.as_bytes()))
        .map_err(|source| Error::io("write", path, source))
}

/// The file of the items of an evaluation of the run in `folder`.
pub fn evaluation_file(folder: &Path, phase: EvaluationPhase) -> PathBuf {
    let name = match phase {
        EvaluationPhase::Before => "before.jsonl",
        EvaluationPhase::FewShot => "few_shot.jsonl",
        EvaluationPhase::After => "after.jsonl",
    };
    folder.join(EVALUATIONS).join(name)
}

/// What the run in `folder` is, wherever the folder lies now.
///
/// # Errors
/// [`Error::Io`] and [`Error::Input`], as [`super::spec_file::read_spec`].
pub fn read_run_spec(folder: &Path) -> Result<RunSpec> {
    let path = folder.join(SPEC_FILE);
    let text = read_text(&path)?;
    let mut spec = parse_spec(&text, &path)?;
    // Written by versions that put token 0 in front of every text.
    if !text.contains("leading_token:") {
        spec.data.leading_token = LeadingToken::Zero;
    }
    let own = folder.join(VOCABULARY_FILE);
    if let VocabularySource::File(path) = &mut spec.model.vocabulary
        && !path.exists()
        && own.is_file()
    {
        *path = own;
    }
    Ok(spec)
}

/// The snapshot that the run in `folder` stored after `step` steps.
pub fn snapshot_file(folder: &Path, step: usize) -> PathBuf {
    folder.join(SNAPSHOTS).join(step_file(step))
}

/// Steps of the snapshots in a run's folder, ascending; none where it has no
/// folder for them.
///
/// # Errors
/// [`Error::Io`] if they cannot be listed.
pub fn snapshot_steps(folder: &Path) -> Result<Vec<usize>> {
    let snapshots = folder.join(SNAPSHOTS);
    if !snapshots.is_dir() {
        return Ok(Vec::new());
    }
    let files = step_files(&snapshots)?.into_iter();
    Ok(files.rev().map(|(step, _)| step).collect())
}

/// The name of the run whose folder is at `path`.
///
/// # Errors
/// [`Error::Io`] if there is nothing at `path`.
pub fn run_id(path: &Path) -> Result<RunId> {
    let name = |path: &Path| Some(path.file_name()?.to_string_lossy().into_owned());
    if let Some(name) = name(path) {
        return Ok(RunId(name));
    }
    let whole = fs::canonicalize(path).map_err(|source| Error::io("open", path, source))?;
    Ok(RunId(name(&whole).unwrap_or_else(|| "run".into())))
}

fn fill(path: &Path, spec: &str) -> Result<RunFolder> {
    let lock = FolderLock::take(path, mark!("run"))?;
    create_folders(path)?;
    // Last, for a folder with a specification is a run.
    write_atomic(path.join(SPEC_FILE), |writer| {
        writer.write_all(spec.as_bytes())
    })?;
    RunFolder::new(path, lock)
}

#[cfg(test)]
mod tests;
