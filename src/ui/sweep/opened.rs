//! An open sweep, and the plan of a new one.

use std::path::{Path, PathBuf};
use std::time::Instant;

use crate::error::{Error, Result};
use crate::kernels::device::{DeviceChoice, memory_of};
use crate::persist::folder_lock::holder_of;
use crate::persist::run_history::past_run;
use crate::protocol::event::RunId;
use crate::runs::RunStore;
use crate::runs::run::Run;
use crate::sweep::estimate::{Estimator, SweepEstimate};
use crate::sweep::handle::SweepHandle;
use crate::sweep::plan::SweepPlan;
use crate::sweep::queue::Queue;
use crate::sweep::results::SweepResults;
use crate::sweep::spec::SweepSpec;
use crate::sweep::store::SweepFolder;
use crate::sweep::task::{Task, TaskState};
use crate::ui::shared::notice::Notice;
use crate::ui::shared::run_in_sweep::SweepTask;

/// The plan of the sweep that is set up.
#[derive(Debug, Clone, PartialEq)]
pub struct Planned {
    /// Its runs.
    pub plan: SweepPlan,
    /// What they take, where the model and the data can be read.
    pub estimate: std::result::Result<SweepEstimate, String>,
    /// Memory of the device, where it is told.
    pub memory: Option<u64>,
}

/// A sweep that is looked at.
pub struct OpenSweep {
    /// Its folder.
    pub path: PathBuf,
    /// Its runs.
    pub plan: SweepPlan,
    /// How they stand.
    pub queue: Queue,
    /// What came of them so far.
    pub results: SweepResults,
    /// What happens in it, if it is active.
    pub live: Option<LiveSweep>,
    /// Why it ended, if it could not continue.
    pub failure: Option<String>,
    /// The other process that runs it just now, by its number.
    pub elsewhere: Option<u32>,
}

/// An active sweep.
pub struct LiveSweep {
    /// None in a picture of one.
    pub(crate) handle: Option<SweepHandle>,
    /// Whether it is held.
    pub is_held: bool,
    /// Whether it is ending.
    pub is_stopping: bool,
    /// When it began or continued.
    pub since: Instant,
    /// Tasks that were settled then.
    pub n_before: usize,
}

impl LiveSweep {
    /// Begins now; without a handle it only looks so.
    pub fn new(handle: Option<SweepHandle>, shown: &OpenSweep) -> Self {
        Self {
            handle,
            is_held: false,
            is_stopping: false,
            since: Instant::now(),
            n_before: shown.queue.progress(&shown.plan).0,
        }
    }
}

impl OpenSweep {
    pub(crate) fn read(path: &Path) -> Result<Self> {
        let folder = SweepFolder::read(path)?;
        let mut opened = Self::new(&folder)?;
        opened.elsewhere = holder_of(path).filter(|pid| *pid != std::process::id());
        if opened.elsewhere.is_some() {
            opened.queue.see_going(&folder);
            opened.results = SweepResults::new(&folder, &opened.queue);
        }
        Ok(opened)
    }

    /// Of a sweep in its folder.
    ///
    /// # Errors
    /// What is there but cannot be read.
    pub fn new(folder: &SweepFolder) -> Result<Self> {
        let queue = Queue::read(folder)?;
        Ok(Self {
            results: SweepResults::new(folder, &queue),
            path: folder.path().to_path_buf(),
            plan: folder.plan.clone(),
            queue,
            live: None,
            failure: None,
            elsewhere: None,
        })
    }

    /// The run of a task; none for the best of a part that is not chosen yet.
    pub fn run_of(&self, task: Task) -> Option<RunId> {
        let name = match task {
            Task::Untuned(idx) => self.plan.untuned.get(idx)?.name.clone(),
            Task::Run(idx) => self.plan.runs.get(idx)?.spec.name.clone(),
            Task::Best(part) => {
                let best = self.results.best.iter().find(|best| best.part == part)?;
                best.folder.file_name()?.to_string_lossy().into_owned()
            }
        };
        Some(RunId(name))
    }

    /// The task whose run it is; none for a run of another sweep, or of none.
    pub fn task_of(&self, run: &RunId) -> Option<Task> {
        let name = run.0.strip_prefix(&self.plan.sweep.name)?;
        let number = name.strip_prefix('.')?;
        // Runs are many and are found by their numbers.
        let numbered = number.parse().ok().map(Task::Run);
        let untuned = (0..self.plan.untuned.len()).map(Task::Untuned);
        let best = (0..self.plan.sweep.parts.len()).map(Task::Best);
        let mut tasks = numbered.into_iter().chain(untuned).chain(best);
        tasks.find(|task| self.run_of(*task).as_ref() == Some(run))
    }

    /// The state of the task of a run, while the sweep is active.
    pub fn tell_of(&self, run: &RunId) -> Option<SweepTask<'_>> {
        let (live, task) = (self.live.as_ref()?, self.task_of(run)?);
        Some(SweepTask {
            task,
            state: self.queue.state(task),
            is_held: live.is_held,
            is_stopping: live.is_stopping,
        })
    }

    /// The task whose run it is, if a process of this sweep works on it.
    pub fn under_way(&self, run: &RunId) -> Option<Task> {
        let task = self.task_of(run)?;
        let is_going = self.live.is_some() && *self.queue.state(task) == TaskState::Going;
        is_going.then_some(task)
    }

    /// Makes the results anew from how the runs stand.
    pub fn refresh(&mut self) {
        let runs_dir = self
            .path
            .parent()
            .and_then(Path::parent)
            .map(Path::to_path_buf);
        let folder = |idx: usize| {
            let name = format!("{}.best-{idx:04}", self.plan.sweep.name);
            runs_dir.clone().unwrap_or_default().join(name)
        };
        let best = |part| SweepResults::best_of(&self.plan, &self.queue, part, &folder);
        let parts = 0..self.plan.sweep.parts.len();
        let best = parts.filter_map(best).collect();
        self.results = SweepResults::of_runs(&self.plan, &self.queue).with_best(best);
    }

    /// Writes the tables, and reads again the runs whose process told of no end.
    pub(crate) fn close(&self, store: &mut RunStore, notices: &mut Vec<Notice>) {
        if let Err(error) = self.results.write(&self.plan, &self.path) {
            notices.push(Notice::error(error.to_string()));
        }
        let prefix = format!("{}.", self.plan.sweep.name);
        let open: Vec<PathBuf> = store
            .runs()
            .iter()
            .filter(|run| run.id.0.starts_with(&prefix) && !run.status.is_over())
            .map(|run| run.folder.clone())
            .collect();
        for folder in open {
            match past_run(&folder) {
                Ok(run) => store.add(run),
                Err(error) => notices.push(Notice::error(error.to_string())),
            }
        }
    }
}

/// Plans a sweep, with what runs of the past say of its time and, where that is
/// wanted, with the memory of its device.
pub(crate) fn plan(spec: &SweepSpec, past: &[Run], wants_memory: bool) -> Result<Planned> {
    let plan = spec.plan()?;
    let estimate = Estimator::new(&plan).map(|mut estimator| {
        estimator.learn(past);
        estimator.estimate(&plan)
    });
    // Looking for GPUs starts their drivers, once.
    let device: DeviceChoice = plan.runs[0].spec.device;
    Ok(Planned {
        memory: wants_memory.then(|| memory_of(device)).flatten(),
        estimate: estimate.map_err(|error: Error| error.to_string()),
        plan,
    })
}
