//! What a sweep tells of its tasks while it is conducted.

use std::path::Path;

use super::Scheduler;
use crate::persist::metrics::MetricRecord;
use crate::persist::run_folder::RunFolder;
use crate::runs::run::RunStatus;
use crate::sweep::messages::SweepEvent;
use crate::sweep::queue::runs_of;
use crate::sweep::task::{Task, TaskState, run_in};

impl Scheduler<'_> {
    /// The name of a task's run.
    pub(super) fn name(&self, task: Task) -> String {
        let path = self.folder.task_path(task);
        let name = path.as_deref().and_then(Path::file_name);
        name.map_or_else(
            || task.to_string(),
            |name| name.to_string_lossy().into_owned(),
        )
    }

    /// Writes why a task failed into the folder of its run, where whoever looks at the
    /// run finds it, unless its process has.
    pub(super) fn note_failure(&mut self, task: Task) {
        let TaskState::Failed(reason) = self.queue.state(task).clone() else {
            return;
        };
        let path = match task {
            Task::Untuned(_) | Task::Run(_) => self.folder.task_path(task),
            Task::Best(part) => {
                let best = self.queue.best_of(&self.folder.plan, part);
                best.map(|idx| self.folder.best_path(idx))
            }
        };
        let Some(path) = path else { return };
        let is_open = matches!(run_in(&path), Ok(Some(run))
            if matches!(run.status, RunStatus::Interrupted { .. }));
        if !is_open {
            return;
        }
        let record = MetricRecord::Failure {
            during: mark!("the sweep").into(),
            message: reason,
        };
        let written = RunFolder::open(&path).and_then(|(mut run, _)| run.append_metric(&record));
        if let Err(error) = written {
            // The journal of the sweep has the reason too.
            (self.send)(SweepEvent::Note(error.to_string()));
        }
    }

    /// Tells how a task stands.
    pub(super) fn tell(&mut self, task: Task) {
        if let Some(facts) = self.queue.facts.get(&task) {
            let facts = Box::new(facts.clone());
            (self.send)(SweepEvent::Task { task, facts });
        }
    }

    /// Tells of a task, and of those that stand otherwise because of it.
    pub(super) fn tell_part(&mut self, task: Task) {
        self.tell(task);
        if let Task::Run(idx) = task {
            let part = self.folder.plan.runs[idx].part;
            if self.folder.plan.sweep.parts[part].halving.is_some() {
                let others: Vec<Task> = runs_of(&self.folder.plan, part)
                    .map(Task::Run)
                    .filter(|other| *other != task)
                    .collect();
                others.into_iter().for_each(|other| self.tell(other));
            }
        }
    }

    /// Tells how every task stands.
    pub(super) fn tell_all(&mut self) {
        (self.send)(SweepEvent::Order(self.queue.order.clone()));
        for task in self.queue.order.clone() {
            self.tell(task);
        }
    }
}
