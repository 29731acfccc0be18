//! The progress of a sweep: a line for every run that ends, and one for the whole.

use std::collections::BTreeMap;
use std::time::Instant;

use crate::cli::progress::{Progress, duration};
use crate::language;
use crate::protocol::event::{DeviceEvent, Event};
use crate::runs::RunStore;
use crate::runs::run::RunStatus;
use crate::sweep::plan::SweepPlan;
use crate::sweep::queue::Queue;
use crate::sweep::results::SweepResults;
use crate::sweep::scheduler::SweepEvent;
use crate::sweep::task::{Facts, Task, TaskState};

/// Tells of a sweep.
pub(super) struct SweepProgress<'a> {
    plan: &'a SweepPlan,
    progress: &'a mut Progress,
    queue: Queue,
    /// The runs under way.
    store: RunStore,
    start: Instant,
    /// Tasks that were settled before it began.
    n_before: Option<usize>,
    device: Option<String>,
}

impl<'a> SweepProgress<'a> {
    pub fn new(plan: &'a SweepPlan, progress: &'a mut Progress) -> Self {
        Self {
            plan,
            progress,
            queue: Queue {
                order: Vec::new(),
                facts: BTreeMap::new(),
                sessions: Vec::new(),
            },
            store: RunStore::default(),
            start: Instant::now(),
            n_before: None,
            device: None,
        }
    }

    /// Takes an event in and says what is worth a line.
    pub fn tell(&mut self, event: SweepEvent) {
        match event {
            SweepEvent::Order(order) => self.queue.order = order,
            SweepEvent::Note(note) => self.progress.say(&note),
            SweepEvent::Worker(event) => self.hear(*event),
            SweepEvent::Task { task, facts } => self.take(task, *facts),
        }
    }

    pub fn say(&mut self, line: &str) {
        self.progress.say(line);
    }

    fn hear(&mut self, event: Event) {
        if let Event::Device(DeviceEvent::Ready { device }) = &event
            && self.device.as_ref() != Some(device)
        {
            self.device = Some(device.clone());
            self.progress.say(&tr!("device {device}", device));
        }
        self.store.apply(event);
    }

    fn take(&mut self, task: Task, facts: Facts) {
        let is_news = self.queue.facts.len() >= self.queue.order.len();
        if is_news && self.n_before.is_none() {
            self.n_before = Some(self.queue.progress(self.plan).0);
        }
        let was = self.queue.facts.insert(task, facts);
        let state = self.queue.state(task).clone();
        let is_same = was.as_ref().is_some_and(|was| was.state == state);
        if !is_news || is_same || !state.is_settled() {
            return;
        }
        let (n_settled, n_tasks) = self.queue.progress(self.plan);
        let line = format!("[{n_settled}/{n_tasks}] {}", self.line(task, &state));
        self.progress.say(&line);
    }

    /// What is said of a task that is over.
    fn line(&self, task: Task, state: &TaskState) -> String {
        let name = match task {
            Task::Untuned(_) => tr!("the untuned model").to_owned(),
            Task::Best(part) => {
                tr!(
                    "best of {} on the test split",
                    self.plan.sweep.part_name(part)
                )
            }
            Task::Run(idx) => {
                let results = SweepResults::of_runs(self.plan, &self.queue);
                let words = results.settings_words(&results.rows[idx]);
                match words.is_empty() {
                    true => results.rows[idx].name.clone(),
                    false => format!("{} ({words})", results.rows[idx].name),
                }
            }
        };
        let how = match state {
            TaskState::Diverged { step, detail } => {
                tr!("diverged at step {step}, {detail}", step, detail)
            }
            TaskState::Failed(reason) => tr!("failed, {reason}", reason),
            TaskState::Dropped { step } => {
                tr!(
                    "dropped at step {step}, others have a lower validation loss",
                    step
                )
            }
            TaskState::Done => self.figures(task),
            TaskState::Waiting | TaskState::Going | TaskState::Held { .. } | TaskState::Skipped => {
                language::text(state.word()).to_owned()
            }
        };
        format!("{name}: {how}")
    }

    fn figures(&self, task: Task) -> String {
        let Some(facts) = self.queue.facts.get(&task) else {
            return String::new();
        };
        let mut words = Vec::new();
        match task {
            Task::Run(_) => {
                words.extend(
                    facts.validation_loss().map(|loss| {
                        tr!("validation loss {loss}", loss = format_args!("{loss:.4}"))
                    }),
                );
            }
            Task::Untuned(_) | Task::Best(_) => {}
        }
        words.extend(
            facts
                .accuracy()
                .map(|accuracy| tr!("accuracy {accuracy}", accuracy)),
        );
        if let (Some(run), true) = (&facts.run, words.is_empty()) {
            let scores = run
                .evaluations
                .iter()
                .filter_map(|(_, summary)| summary.scores.first());
            words.extend(scores.map(|score| tr!("{} of {}", score.n_correct, score.n_items)));
        }
        if let (Some(run), Task::Run(_) | Task::Untuned(_)) = (&facts.run, task) {
            words.push(duration(run.secs));
        }
        words.join(", ")
    }

    /// Shows where things stand, if it is time to.
    pub fn show(&mut self) {
        let Self {
            progress,
            queue,
            store,
            plan,
            start,
            n_before,
            ..
        } = self;
        progress.show_line(&mut || {
            let (n_settled, n_tasks) = queue.progress(plan);
            let going = store.runs().iter().filter(|run| !run.status.is_over());
            let going: Vec<String> = going
                .map(|run| {
                    let name = run.id.0.rsplit('.').next().unwrap_or_default();
                    match &run.status {
                        RunStatus::Evaluating { done, total, .. } => {
                            tr!("{name} scoring {done}/{total}", name, done, total)
                        }
                        _ => format!("{name} {}/{}", run.step, run.spec.training.steps),
                    }
                })
                .collect();
            let n_new = n_settled - n_before.unwrap_or(n_settled).min(n_settled);
            let left = match n_new {
                0 => String::new(),
                n => {
                    let secs = start.elapsed().as_secs_f64() / n as f64;
                    tr!(
                        ", about {} left",
                        duration(secs * (n_tasks - n_settled) as f64)
                    )
                }
            };
            Some(tr!(
                "{n_settled} of {n_tasks} done{left}: {}",
                going.join(", "),
                n_settled,
                n_tasks,
                left
            ))
        });
    }
}
