//! A sweep on the disk. One store, a folder of runs, holds many sweeps:
//!
//! ```text
//! runs/
//!   {sweep}.0000/        its runs, as any other run's folder
//!   {sweep}.untuned/     the untuned model, measured once
//!   {sweep}.best-0007/   the best run of a part, scored on the test split
//!   sweeps/{sweep}/
//!     sweep.ron          what the sweep is
//!     journal.txt        what the folders of the runs cannot tell
//!     results.*          what came of it
//!     process-0.txt      what a process said
//!     lock, lock.pid     held by the process that runs it
//! ```

use std::collections::BTreeMap;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use super::journal::{Journal, Mark};
use super::plan::SweepPlan;
use super::spec::BaseRun;
use super::task::Task;
use crate::atomic::write_atomic;
use crate::error::{Error, Result};
use crate::format::shown;
use crate::persist::folder_lock::FolderLock;
use crate::persist::metrics::MetricsFile;
use crate::persist::run_folder::{METRICS_FILE, RunFolder, SPEC_FILE};
use crate::persist::run_history::past_run;
use crate::protocol::run_spec::{EvaluationSplit, RunSpec};
use crate::sweep::sweep_file::{parse_sweep, print_sweep, read_sweep};

/// The folder of the sweeps in a folder of runs.
pub const SWEEPS_FOLDER: &str = "sweeps";
/// The file that makes a folder a sweep's.
pub const SWEEP_FILE: &str = "sweep.ron";
/// What the folders of its runs cannot tell.
pub(crate) const JOURNAL_FILE: &str = "journal.txt";

/// A sweep in its folder.
#[derive(Debug)]
pub struct SweepFolder {
    path: PathBuf,
    runs_dir: PathBuf,
    /// Its runs.
    pub plan: SweepPlan,
    journal: Journal,
    lock: Option<FolderLock>,
}

/// What a process that ran a sweep took.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SweepSession {
    /// Tenths of a second.
    pub tenths: u64,
    /// Runs side by side.
    pub n_jobs: usize,
    /// What computed; empty where no run began.
    pub device: String,
}

/// Whether the file of a sweep, or that of its base run, says what stands in front of
/// texts.
fn says_leading_token(file: &Path, base: &BaseRun) -> bool {
    let says =
        |path: &Path| fs::read_to_string(path).is_ok_and(|text| text.contains("leading_token"));
    let of_base = match base {
        BaseRun::File(path) => says(path),
        BaseRun::Preset(_) | BaseRun::Run(_) => false,
    };
    of_base || says(file)
}

/// What the journal says of the tasks.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Marks {
    pub skipped: Vec<Task>,
    pub failed: BTreeMap<Task, String>,
    /// How often a task's process ended without a word, and how at last.
    pub died: BTreeMap<Task, (usize, String)>,
    /// The order of the tasks, where someone changed it.
    pub order: Vec<Task>,
    /// Seconds, runs side by side and device of the processes that ran it.
    pub sessions: Vec<SweepSession>,
    /// Lines that a crash cut short.
    pub n_torn: usize,
}

impl SweepFolder {
    /// Creates the folder of a new sweep below `runs_dir`.
    ///
    /// # Errors
    /// [`Error::Input`] if there is a sweep of that name, [`Error::Io`] if it
    /// cannot be written.
    pub fn create(runs_dir: &Path, plan: SweepPlan) -> Result<Self> {
        let name = &plan.sweep.name;
        let path = runs_dir.join(SWEEPS_FOLDER).join(name);
        fs::create_dir_all(&path).map_err(|source| Error::io("create", &path, source))?;
        let lock = FolderLock::take(&path, mark!("sweep"))?;
        let file = path.join(SWEEP_FILE);
        if file.is_file() {
            let reason = tr!(
                "a sweep with this name exists already; resume it with --resume, or give the new one another name (name: {name})",
                name = format_args!("{name:?}")
            );
            return Err(Error::input(&path, tr!("name"), reason));
        }
        let text = print_sweep(&plan.sweep)?;
        // Last, for a folder with it is a sweep.
        write_atomic(&file, |writer| writer.write_all(text.as_bytes()))?;
        Self::new(&path, plan, Some(lock))
    }

    /// Opens the folder of a sweep to continue with it. No other process runs
    /// it while this value lives.
    ///
    /// # Errors
    /// [`Error::Input`] if it is no sweep's folder or another process runs
    /// it, and what [`super::spec::SweepSpec::plan`] refuses.
    pub fn open(path: &Path) -> Result<Self> {
        let mut folder = Self::read(path)?;
        folder.lock = Some(FolderLock::take(path, mark!("sweep"))?);
        Ok(folder)
    }

    /// Opens it to look at it, or to do one of its tasks.
    ///
    /// # Errors
    /// As [`Self::open`], but for the lock.
    pub fn read(path: &Path) -> Result<Self> {
        let file = path.join(SWEEP_FILE);
        if !file.is_file() {
            let reason = tr!("is not there; a sweep's folder has one");
            return Err(Error::input(path, SWEEP_FILE, reason));
        }
        let mut sweep = read_sweep(&file)?;
        if !says_leading_token(&file, &sweep.base) {
            // Begun by a version whose runs had token 0 in front of every text.
            sweep.set.insert(0, "data.leading_token=Zero".into());
        }
        Self::new(path, sweep.plan()?, None)
    }

    fn new(path: &Path, plan: SweepPlan, lock: Option<FolderLock>) -> Result<Self> {
        let path = std::path::absolute(path).map_err(|source| Error::io("open", path, source))?;
        let runs_dir = path.parent().and_then(Path::parent);
        let Some(runs_dir) = runs_dir else {
            let reason = tr!("is not runs/sweeps/NAME, so its runs cannot be found");
            return Err(Error::input(path, tr!("folder"), reason));
        };
        Ok(Self {
            runs_dir: runs_dir.to_path_buf(),
            journal: Journal::new(path.join(JOURNAL_FILE)),
            path,
            plan,
            lock,
        })
    }

    /// Whether a sweep of the same plan lies in `runs_dir`; refuses another one
    /// of that name.
    ///
    /// # Errors
    /// [`Error::Input`] if there is no such sweep, or a different one.
    pub fn find(runs_dir: &Path, plan: &SweepPlan) -> Result<PathBuf> {
        let path = runs_dir.join(SWEEPS_FOLDER).join(&plan.sweep.name);
        let file = path.join(SWEEP_FILE);
        let text = match fs::read_to_string(&file) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                let reason = tr!("there is no such sweep to resume; start it without --resume");
                return Err(Error::input(&path, tr!("name"), reason));
            }
            Err(source) => return Err(Error::io("read", file, source)),
        };
        if parse_sweep(&text, &file)? != plan.sweep {
            let reason = tr!(
                "belongs to another sweep; resume {} itself, or give the new one another name",
                shown(&path)
            );
            return Err(Error::input(&file, tr!("sweep"), reason));
        }
        Ok(path)
    }

    /// Where the sweep's own files are.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The folder that holds the runs of this sweep and others.
    pub fn runs_dir(&self) -> &Path {
        &self.runs_dir
    }

    /// The folder of a run by its name.
    pub fn run_path(&self, name: &str) -> PathBuf {
        self.runs_dir.join(name)
    }

    /// The folder of a task; none for the best of a part that is not chosen yet.
    pub fn task_path(&self, task: Task) -> Option<PathBuf> {
        let name = match task {
            Task::Untuned(idx) => self.plan.untuned.get(idx)?.name.clone(),
            Task::Run(idx) => self.plan.runs.get(idx)?.spec.name.clone(),
            Task::Best(_) => return None,
        };
        Some(self.run_path(&name))
    }

    /// What a task does; none for the best of a part that is not chosen yet.
    pub fn spec_of(&self, task: Task) -> Option<&RunSpec> {
        match task {
            Task::Untuned(idx) => self.plan.untuned.get(idx),
            Task::Run(idx) => self.plan.runs.get(idx).map(|run| &run.spec),
            Task::Best(_) => None,
        }
    }

    /// Notes that a task could not be done.
    ///
    /// # Errors
    /// [`Error::Io`] if the journal cannot be written.
    pub fn note_failure(&self, task: Task, reason: String) -> Result<()> {
        self.mark(&Mark::Failed(task, reason))
    }

    /// Where the best run of a part is scored, which is run `idx`.
    pub fn best_path(&self, idx: usize) -> PathBuf {
        self.run_path(&format!("{}.best-{idx:04}", self.plan.sweep.name))
    }

    pub(super) fn mark(&self, mark: &Mark) -> Result<()> {
        self.journal.append(mark)
    }

    pub(super) fn marks(&self) -> Result<Marks> {
        let (lines, n_torn) = Journal::read(&self.path.join(JOURNAL_FILE))?;
        let mut marks = Marks {
            n_torn,
            ..Marks::default()
        };
        for line in lines {
            match line {
                Mark::Skipped(task) if marks.skipped.contains(&task) => {}
                Mark::Skipped(task) => marks.skipped.push(task),
                Mark::Unskipped(task) => marks.skipped.retain(|of| *of != task),
                Mark::Failed(task, reason) => {
                    marks.failed.insert(task, reason);
                }
                Mark::Died(task, how) => {
                    let n_before = marks.died.get(&task).map_or(0, |(n, _)| *n);
                    marks.died.insert(task, (n_before + 1, how));
                }
                Mark::Retried => {
                    marks.failed.clear();
                    marks.died.clear();
                }
                Mark::Session {
                    tenths,
                    n_jobs,
                    device,
                } => marks.sessions.push(SweepSession {
                    tenths,
                    n_jobs,
                    device,
                }),
                Mark::Order(order) => marks.order = order,
            }
        }
        Ok(marks)
    }

    /// Copies what a finished run is into a new run's folder, from which it is
    /// resumed after its last step: its state is scored on the test split.
    ///
    /// # Errors
    /// [`Error::Io`] if something cannot be copied, [`Error::Input`] if the run
    /// left no checkpoint.
    pub(super) fn copy_run(&self, idx: usize) -> Result<PathBuf> {
        let to = self.best_path(idx);
        if to.join(SPEC_FILE).is_file() {
            return Ok(to);
        }
        let from = self.run_path(&self.plan.runs[idx].spec.name);
        let (step, checkpoint) = RunFolder::newest_checkpoint(&from)?;
        let name = checkpoint.file_name().unwrap_or_default();
        copy(&checkpoint, &to.join("checkpoints").join(name))?;
        let metrics = to.join(METRICS_FILE);
        copy(&from.join(METRICS_FILE), &metrics)?;
        // Without its end, and without its accuracy on the validation split.
        MetricsFile::new(metrics).truncate_after(step)?;
        let mut spec = past_run(&from)?.spec;
        spec.evaluation.split = EvaluationSplit::Test;
        spec.evaluation.after = true;
        // Last, for a folder with a specification is a run.
        RunFolder::create_at(&to, &spec)?;
        Ok(to)
    }
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    if let Some(folder) = to.parent() {
        fs::create_dir_all(folder).map_err(|source| Error::io("create", folder, source))?;
    }
    let bytes = fs::read(from).map_err(|source| Error::io("read", from, source))?;
    write_atomic(to, |writer| writer.write_all(&bytes))
}

/// The folders of the sweeps in a folder of runs, by name.
///
/// # Errors
/// [`Error::Io`] if they cannot be listed.
pub fn sweeps_in(runs_dir: &Path) -> Result<Vec<PathBuf>> {
    let folder = runs_dir.join(SWEEPS_FOLDER);
    let fail = |source| Error::io("read", &folder, source);
    let entries = match fs::read_dir(&folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(fail(error)),
    };
    let mut found = Vec::new();
    for entry in entries {
        let path = entry.map_err(fail)?.path();
        if path.join(SWEEP_FILE).is_file() {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::LeadingToken;

    #[test]
    fn runs_keep_what_stood_in_front_of_texts_when_their_sweep_began() {
        let runs = tempfile::tempdir().unwrap();
        let plan = read_sweep("four-runs").unwrap().plan().unwrap();
        let folder = SweepFolder::create(runs.path(), plan.clone()).unwrap();
        let path = folder.path().to_path_buf();
        drop(folder);
        let leading = || {
            let plan = SweepFolder::read(&path).unwrap().plan;
            let of_runs = plan.runs.iter().map(|run| run.spec.data.leading_token);
            of_runs.collect::<Vec<_>>()
        };
        assert_eq!(leading(), [LeadingToken::default(); 4]);
        let file = path.join(SWEEP_FILE);
        let text = fs::read_to_string(&file).unwrap();
        assert!(text.contains("leading_token: Nothing,"), "{text}");
        // As versions wrote it that had no such field.
        let old = text.replace("leading_token: Nothing,", "");
        assert!(!old.contains("leading_token"), "{old}");
        fs::write(&file, old).unwrap();
        assert_eq!(leading(), [LeadingToken::Zero; 4]);
        // It is the sweep of the same name all the same.
        assert_eq!(SweepFolder::find(runs.path(), &plan).unwrap(), path);
        // A base run in a file that says it is followed.
        let base = runs.path().join("base.ron");
        let mut sweep = plan.sweep;
        sweep.base = BaseRun::File(base.clone());
        let of_file = |text: &str| {
            fs::write(&base, text).unwrap();
            fs::write(&file, print_sweep(&sweep).unwrap()).unwrap();
            leading()[0]
        };
        assert_eq!(of_file("()"), LeadingToken::Zero);
        assert_eq!(
            of_file("(data: (leading_token: Nothing))"),
            LeadingToken::None
        );
    }
}
