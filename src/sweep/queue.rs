//! Which task of a sweep is next, from how all of them stand.

use std::collections::BTreeMap;

use super::halving::{Climber, Step, steps};
use super::plan::SweepPlan;
use super::spec::ChooseBy;
use super::store::{Marks, SweepFolder, SweepSession};
use super::task::{Facts, Task, TaskState, run_in};
use crate::error::Result;
use crate::language;
use crate::persist::folder_lock::holder_of;
use crate::protocol::run_spec::DataSource;

/// How often a task's process may end without a word.
const MAX_DEATHS: usize = 2;

/// Ends and states that are counted beside what is finished, by [`TaskState::word`].
const APART: [&str; 6] = [
    mark!("running"),
    mark!("interrupted"),
    mark!("diverged"),
    mark!("failed"),
    mark!("skipped"),
    mark!("dropped"),
];

/// The tasks of a sweep and how they stand.
#[derive(Debug, Clone, PartialEq)]
pub struct Queue {
    /// The tasks in the order in which they are to be done.
    pub order: Vec<Task>,
    /// What is known of each.
    pub facts: BTreeMap<Task, Facts>,
    /// What the processes took that ran the sweep before.
    pub sessions: Vec<SweepSession>,
}

impl Queue {
    /// Reads how the tasks stand from their folders and the journal.
    ///
    /// # Errors
    /// What is there but cannot be read, but for single runs: one whose folder
    /// cannot be read has failed.
    pub fn read(folder: &SweepFolder) -> Result<Self> {
        let plan = &folder.plan;
        let marks = folder.marks()?;
        let untuned = (0..plan.untuned.len()).map(Task::Untuned);
        let runs = (0..plan.runs.len()).map(Task::Run);
        let mut order: Vec<Task> = untuned.chain(runs).collect();
        // Tasks that the journal does not know keep their places behind.
        let place = |task: &Task| marks.order.iter().position(|of| of == task);
        order.sort_by_key(|task| place(task).unwrap_or(usize::MAX));
        let mut queue = Self {
            facts: BTreeMap::new(),
            sessions: marks.sessions.clone(),
            order,
        };
        for task in queue.order.clone() {
            queue.look(task, folder, &marks);
        }
        if plan.sweep.test {
            for part in 0..plan.sweep.parts.len() {
                queue.order.push(Task::Best(part));
                queue.look(Task::Best(part), folder, &marks);
            }
        }
        queue.settle(plan);
        Ok(queue)
    }

    /// Lets what failed in its folder be tried again.
    pub(super) fn retry(&mut self) {
        for facts in self.facts.values_mut() {
            if matches!(facts.state, TaskState::Failed(_)) {
                let step = facts.run.as_ref().map_or(0, |run| run.step);
                facts.state = TaskState::Held { step };
            }
        }
    }

    /// Reads again how a task stands.
    ///
    /// # Errors
    /// [`crate::error::Error::Io`] if the journal cannot be read.
    pub fn look_again(&mut self, task: Task, folder: &SweepFolder) -> Result<()> {
        let marks = folder.marks()?;
        self.look(task, folder, &marks);
        self.settle(&folder.plan);
        Ok(())
    }

    fn look(&mut self, task: Task, folder: &SweepFolder, marks: &Marks) {
        let path = match task {
            Task::Untuned(_) | Task::Run(_) => folder.task_path(task),
            Task::Best(part) => self
                .best_of(&folder.plan, part)
                .map(|idx| folder.best_path(idx)),
        };
        let run = path.map_or(Ok(None), |path| run_in(&path));
        let mut facts = match &run {
            Ok(run) => Facts::of(run.as_ref()),
            Err(error) => Facts {
                state: TaskState::Failed(error.to_string()),
                run: None,
            },
        };
        if !facts.state.is_settled() {
            if let Some((n, how)) = marks.died.get(&task)
                && *n >= MAX_DEATHS
            {
                facts.state = TaskState::Failed(how.clone());
            }
            if let Some(reason) = marks.failed.get(&task) {
                facts.state = TaskState::Failed(reason.clone());
            }
            if marks.skipped.contains(&task) {
                facts.state = TaskState::Skipped;
            }
        }
        self.facts.insert(task, facts);
    }

    /// How a task stands.
    pub fn state(&self, task: Task) -> &TaskState {
        self.facts
            .get(&task)
            .map_or(&TaskState::Waiting, |facts| &facts.state)
    }

    /// Says that a process works on a task.
    pub fn set_going(&mut self, task: Task) {
        let facts = self.facts.entry(task).or_insert_with(|| Facts::of(None));
        facts.state = TaskState::Going;
    }

    /// Says of every task whose folder a process holds that it is worked on, for one
    /// who only looks at a sweep that another process runs.
    pub fn see_going(&mut self, folder: &SweepFolder) {
        for task in self.order.clone() {
            let path = match task {
                Task::Untuned(_) | Task::Run(_) => folder.task_path(task),
                Task::Best(part) => self
                    .best_of(&folder.plan, part)
                    .map(|idx| folder.best_path(idx)),
            };
            let is_open = !self.state(task).is_settled();
            if is_open && path.is_some_and(|path| holder_of(&path).is_some()) {
                self.set_going(task);
            }
        }
    }

    /// Marks runs that halving drops.
    fn settle(&mut self, plan: &SweepPlan) {
        for part in 0..plan.sweep.parts.len() {
            for (idx, step) in self.halving(plan, part) {
                let Some(facts) = self.facts.get_mut(&Task::Run(idx)) else {
                    continue;
                };
                let done = facts.run.as_ref().map_or(0, |run| run.step);
                match (step, &facts.state) {
                    (Step::Drop, TaskState::Held { .. }) => {
                        facts.state = TaskState::Dropped { step: done };
                    }
                    (Step::Climb(_) | Step::Wait, TaskState::Dropped { .. }) => {
                        facts.state = TaskState::Held { step: done };
                    }
                    (Step::Drop | Step::Climb(_) | Step::Wait | Step::Done, _) => {}
                }
            }
        }
    }

    /// What halving lets each run of a part do; nothing for a part without it.
    fn halving(&self, plan: &SweepPlan, part: usize) -> Vec<(usize, Step)> {
        let Some(halving) = plan.sweep.parts[part].halving else {
            return Vec::new();
        };
        let runs: Vec<usize> = runs_of(plan, part).collect();
        let rungs = |idx: usize| plan.runs[idx].rungs.as_slice();
        let n_rungs = runs.iter().map(|idx| rungs(*idx).len()).max().unwrap_or(0);
        let climbers: Vec<Climber> = runs
            .iter()
            .map(|idx| self.climber(*idx, rungs(*idx)))
            .collect();
        let steps = steps(&climbers, n_rungs, halving.factor);
        runs.into_iter().zip(steps).collect()
    }

    fn climber(&self, idx: usize, rungs: &[usize]) -> Climber {
        let facts = self.facts.get(&Task::Run(idx));
        let run = facts.and_then(|facts| facts.run.as_ref());
        let mut losses = Vec::new();
        for &rung in rungs {
            let Some(run) = run.filter(|run| run.step >= rung) else {
                break;
            };
            let until = run.validations.partition_point(|(step, _)| *step <= rung);
            let loss = run.validations[..until].last();
            losses.push(loss.map_or(f64::NAN, |(_, loss)| *loss));
        }
        let (losses, is_settled) = match facts.map(|facts| &facts.state) {
            Some(TaskState::Done) => (losses, true),
            Some(TaskState::Diverged { .. } | TaskState::Failed(_) | TaskState::Skipped) => {
                (Vec::new(), true)
            }
            Some(
                TaskState::Waiting
                | TaskState::Going
                | TaskState::Held { .. }
                | TaskState::Dropped { .. },
            )
            | None => (losses, false),
        };
        Climber { losses, is_settled }
    }

    /// The next task that can be started, and the step at which it is to stop.
    pub fn next(&self, plan: &SweepPlan) -> Option<(Task, Option<usize>)> {
        let climbs: BTreeMap<usize, Step> = (0..plan.sweep.parts.len())
            .flat_map(|part| self.halving(plan, part))
            .collect();
        self.order.iter().find_map(|&task| {
            let is_open = matches!(
                self.state(task),
                TaskState::Waiting | TaskState::Held { .. }
            );
            if !is_open {
                return None;
            }
            match task {
                Task::Untuned(_) => Some((task, None)),
                Task::Run(idx) => match climbs.get(&idx) {
                    None | Some(Step::Climb(None)) => Some((task, None)),
                    Some(Step::Climb(Some(rung))) => {
                        Some((task, plan.runs[idx].rungs.get(*rung).copied()))
                    }
                    Some(Step::Wait | Step::Drop | Step::Done) => None,
                },
                Task::Best(part) => {
                    let is_chosen = self.is_part_settled(plan, part)
                        && self.best_of(plan, part).is_some()
                        && has_test_split(plan, part);
                    is_chosen.then_some((task, None))
                }
            }
        })
    }

    /// Whether nothing more is to be done for the runs of a part.
    pub fn is_part_settled(&self, plan: &SweepPlan, part: usize) -> bool {
        runs_of(plan, part).all(|idx| self.state(Task::Run(idx)).is_settled())
    }

    /// The best of a part's finished runs, by validation data; the earlier of
    /// equal ones.
    pub fn best_of(&self, plan: &SweepPlan, part: usize) -> Option<usize> {
        let measure = |idx: usize| {
            let facts = self.facts.get(&Task::Run(idx))?;
            let is_done = facts.state == TaskState::Done;
            let measure = match plan.sweep.choose_by {
                ChooseBy::ValidationLoss => facts.validation_loss()?,
                ChooseBy::ValidationAccuracy => -facts.accuracy()?.value(),
            };
            (is_done && measure.is_finite()).then_some((idx, measure))
        };
        let measured = runs_of(plan, part).filter_map(measure);
        measured
            .min_by(|a, b| a.1.total_cmp(&b.1))
            .map(|(idx, _)| idx)
    }

    /// Tasks that are settled, and tasks in all.
    pub fn progress(&self, plan: &SweepPlan) -> (usize, usize) {
        let counts = |task: &&Task| match task {
            Task::Untuned(_) | Task::Run(_) => true,
            Task::Best(part) => {
                has_test_split(plan, *part)
                    && !(self.is_part_settled(plan, *part) && self.best_of(plan, *part).is_none())
            }
        };
        let tasks: Vec<&Task> = self.order.iter().filter(counts).collect();
        let settled = tasks.iter().filter(|task| self.state(***task).is_settled());
        (settled.count(), tasks.len())
    }
}

impl Queue {
    /// How many tasks of all are finished, and how many ended in another way or are
    /// not at their end, each kind apart: `7 of 12 done, 2 failed, 1 diverged`.
    pub fn done_words(&self, plan: &SweepPlan) -> String {
        let (_, n_tasks) = self.progress(plan);
        let counts = |word: &str| {
            let states = self.facts.values().map(|facts| &facts.state);
            states.filter(|state| state.word() == word).count()
        };
        let mut words = vec![tr!(
            "{} of {n_tasks} done",
            counts(TaskState::Done.word()),
            n_tasks
        )];
        for word in APART {
            let n = counts(word);
            if n > 0 {
                words.push(tr!("{n} {word}", n, word = language::text(word)));
            }
        }
        words.join(", ")
    }
}

/// The runs of a part.
pub fn runs_of(plan: &SweepPlan, part: usize) -> impl Iterator<Item = usize> {
    let runs = plan.runs.iter().enumerate();
    runs.filter(move |(_, run)| run.part == part)
        .map(|(idx, _)| idx)
}

/// Texts have no right answers, and so no accuracy.
fn has_test_split(plan: &SweepPlan, part: usize) -> bool {
    runs_of(plan, part).any(|idx| match plan.runs[idx].spec.data.source {
        DataSource::Mini(_) | DataSource::Official { .. } => true,
        DataSource::Jsonl { .. } => false,
    })
}
