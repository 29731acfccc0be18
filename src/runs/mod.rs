//! What has happened: the worker's events folded into runs. One reducer,
//! [`RunStore::apply`], serves the window and the command line.

pub mod cost;
pub mod eta;
pub mod generation;
pub mod news;
pub mod of_jobs;
pub mod run;
pub mod scoring;
pub mod series;
pub mod since;
pub mod spec_difference;
pub mod time_ahead;

mod extremes;
mod revision;
mod run_series;

use std::collections::{HashMap, VecDeque};
use std::path::PathBuf;

use self::generation::GeneratedTexts;
use self::of_jobs::HeadAblation;
use self::revision::Revision;
use self::run::{ExportedState, Run, RunLabels, RunStatus};
use self::scoring::Scoring;
use crate::model::BytesRead;
use crate::protocol::event::{
    DeviceEvent, Event, FailureKind, KernelDistances, RunEvent, RunId, RunOutcome, Score,
};
use crate::protocol::head_requests::ValueLens;
use crate::protocol::log_line::{
    diagnosis_line, evaluation_line, export_line, failure_line, outcome_line, pause_line,
    start_line,
};
use crate::protocol::run_spec::RunSpec;
use crate::tuning::train::rate_finder::RateFinding;

/// Log lines that are kept; older ones go.
const MAX_LOG_LINES: usize = 5000;

/// Every run that is known, and the state of the worker.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct RunStore {
    runs: Vec<Run>,
    /// The number of every run in `runs`.
    places: HashMap<RunId, usize>,
    revision: Revision,
    log: VecDeque<LogLine>,
    /// Folders that look like runs but cannot be read, and why.
    pub broken: Vec<BrokenFolder>,
    /// Name and reason of the compute device, once it is ready.
    pub device: Option<String>,
    /// What is read of the checkpoint, while it is being read.
    pub loading: Option<BytesRead>,
    /// The model on the device.
    pub model: Option<LoadedModel>,
    /// Steps done and in all of the current search for a learning rate.
    pub rate_search: Option<(usize, usize)>,
    /// What the last search for a learning rate found.
    pub rate: Option<RateFinding>,
    /// The answers to the last prompt.
    pub generated: Option<GeneratedTexts>,
    /// The current or last evaluation of a finished run.
    pub scoring: Option<Scoring>,
    /// How far receptance vectors and support vectors lay apart when that was
    /// measured last, and of which specification.
    pub distances: Option<(Box<RunSpec>, KernelDistances)>,
    /// The value directions of a head that were read last, in tokens.
    pub lens: Option<ValueLens>,
    /// What heads are worth, as it was measured last.
    pub ablation: Option<HeadAblation>,
    /// Events of runs that are not known; they are left out.
    pub n_unknown: usize,
}

/// The model on the device.
#[derive(Debug, Clone, PartialEq)]
pub struct LoadedModel {
    /// One line about it.
    pub model: String,
    /// Bytes of its weights on the device.
    pub bytes: u64,
    /// Seconds it took to load.
    pub secs: f64,
}

/// A folder that looks like a run's but cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BrokenFolder {
    /// The folder.
    pub folder: PathBuf,
    /// Why, in one line.
    pub reason: String,
}

/// One line of the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogLine {
    /// The run it is about, if it is about one.
    pub run: Option<RunId>,
    /// How much it matters.
    pub level: LogLevel,
    /// The line.
    pub text: String,
}

/// How much a log line matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum LogLevel {
    /// Things go their way.
    Info,
    /// Something worth knowing about how they go.
    Note,
    /// Something the user should look at.
    Warning,
    /// Something could not be done.
    Error,
}

impl RunStore {
    /// Every run, in the order in which they became known.
    pub fn runs(&self) -> &[Run] {
        &self.runs
    }

    /// A number that changes whenever a run does, comes or goes.
    pub fn revision(&self) -> u64 {
        self.revision.number()
    }

    /// A run by its name.
    pub fn get(&self, id: &RunId) -> Option<&Run> {
        self.runs.get(*self.places.get(id)?)
    }

    /// The last lines of the log, oldest first.
    pub fn log(&self) -> impl DoubleEndedIterator<Item = &LogLine> + ExactSizeIterator {
        self.log.iter()
    }

    /// Adds a run that is known from elsewhere, in place of one of that name.
    pub fn add(&mut self, run: Run) {
        match self.get_mut(&run.id) {
            Some(old) => *old = run,
            None => self.append(run),
        }
    }

    fn append(&mut self, run: Run) {
        self.revision.advance();
        self.places.insert(run.id.clone(), self.runs.len());
        self.runs.push(run);
    }

    /// Takes a run out; what the log says of it stays.
    pub fn take(&mut self, id: &RunId) -> Option<Run> {
        let idx = self.places.remove(id)?;
        self.revision.advance();
        for place in self.places.values_mut() {
            *place -= usize::from(*place > idx);
        }
        Some(self.runs.remove(idx))
    }

    /// Writes on a run; whether there is one of that name.
    pub fn label(&mut self, id: &RunId, labels: RunLabels) -> bool {
        let run = self.get_mut(id);
        let is_known = run.is_some();
        if let Some(run) = run {
            run.labels = labels;
        }
        is_known
    }

    /// Says of every run that is on that it cannot continue, since the worker is
    /// gone; but for those that `is_elsewhere` says another process does.
    pub fn worker_gone(&mut self, why: &str, is_elsewhere: impl Fn(&RunId) -> bool) {
        let on: Vec<RunId> = self
            .runs
            .iter()
            .filter(|run| run.is_on_here() && !is_elsewhere(&run.id))
            .map(|run| run.id.clone())
            .collect();
        for run in on {
            let failure = RunEvent::Failed {
                kind: FailureKind::Work,
                during: mark!("tuning").into(),
                message: why.to_owned(),
            };
            self.apply_to_run(&run, failure);
        }
        if let Some(scoring) = &mut self.scoring {
            scoring.is_on = false;
        }
        if let Some(of) = &mut self.ablation {
            of.ablation.is_on = false;
        }
        (self.device, self.model, self.loading) = (None, None, None);
    }

    /// Takes in what the worker reports. Events of unknown runs are counted and
    /// left out; late and repeated ones never undo what is known.
    pub fn apply(&mut self, event: Event) {
        match event {
            Event::Device(event) => self.apply_to_device(event),
            Event::Job(event) => self.apply_to_job(event),
            Event::Run(run, event) => self.apply_to_run(&run, event),
        }
    }

    fn apply_to_device(&mut self, event: DeviceEvent) {
        match event {
            DeviceEvent::Ready { device } => {
                self.info(None, tr!("device {device}", device));
                self.device = Some(device);
            }
            DeviceEvent::Loading { read } => self.loading = Some(read),
            DeviceEvent::ModelLoaded { model, bytes, secs } => {
                self.info(
                    None,
                    tr!(
                        "{model} loaded in {secs} s",
                        model,
                        secs = format_args!("{secs:.1}")
                    ),
                );
                self.loading = None;
                self.model = Some(LoadedModel { model, bytes, secs });
            }
        }
    }

    fn apply_to_run(&mut self, run: &RunId, event: RunEvent) {
        match event {
            RunEvent::Started {
                spec,
                folder,
                first_step,
                notes,
            } => {
                self.log_start(run, first_step, &notes);
                self.loading = None;
                let new = Run::new(run.clone(), *spec, folder);
                self.start(new, first_step, notes);
            }
            RunEvent::Step(metrics) => self.with_run(run, |run| run.add_step(&metrics)),
            RunEvent::Costed(costs) => self.with_run(run, |run| run.costs = Some(costs)),
            RunEvent::Validated {
                step,
                loss,
                accuracy,
                best: _,
            } => self.with_run(run, |run| {
                run.series.validation_loss.push(step, loss);
                if let Some(Score {
                    n_correct, n_items, ..
                }) = accuracy
                {
                    let share = n_correct as f64 / n_items as f64;
                    run.series.validation_accuracy.push(step, share);
                }
            }),
            RunEvent::Diagnosed(diagnosis) => {
                self.write(Some(run), LogLevel::Warning, diagnosis_line(&diagnosis));
                self.with_run(run, |run| run.add_diagnosis(diagnosis));
            }
            RunEvent::SnapshotReady { step, is_stored } => {
                self.with_run(run, |run| run.add_snapshot(step, is_stored));
            }
            RunEvent::CheckpointSaved { step, path } => {
                self.with_run(run, |run| run.checkpoint = Some((step, path)));
            }
            RunEvent::EvaluationProgress { phase, done, total } => self.with_run(run, |run| {
                run.note_scoring(phase);
                run.go_on(RunStatus::Evaluating { phase, done, total });
            }),
            RunEvent::EvaluationFinished { phase, summary } => {
                self.info(Some(run), evaluation_line(phase, &summary));
                self.with_run(run, |run| run.add_evaluation(phase, summary));
            }
            RunEvent::StateExported { step, path, bytes } => {
                self.info(Some(run), export_line(step, &path));
                let state = ExportedState { step, path, bytes };
                self.with_run(run, |run| run.add_export(state));
            }
            RunEvent::Paused { step } => {
                self.info(Some(run), pause_line(step));
                self.with_run(run, |run| {
                    let total = run.spec.training.steps;
                    run.go_on(RunStatus::Paused { step, total });
                });
            }
            RunEvent::Failed {
                kind: _,
                during,
                message,
            } => {
                self.log_failure(Some(run), &during, &message);
                self.with_run(run, |run| run.go_on(RunStatus::Failed(message)));
            }
            RunEvent::Ended(outcome) => {
                self.write(Some(run), outcome_level(&outcome), outcome_line(&outcome));
                self.with_run(run, |run| run.end(outcome.into()));
            }
        }
    }

    fn get_mut(&mut self, id: &RunId) -> Option<&mut Run> {
        self.revision.advance();
        self.runs.get_mut(*self.places.get(id)?)
    }

    fn with_run(&mut self, id: &RunId, change: impl FnOnce(&mut Run)) {
        match self.get_mut(id) {
            Some(run) => change(run),
            None => self.n_unknown += 1,
        }
    }

    /// Adds the run, or resumes the one of that name.
    fn start(&mut self, new: Run, first_step: usize, notes: Vec<String>) {
        let idx = match self.places.get(&new.id) {
            Some(idx) => *idx,
            None => {
                self.append(new.clone());
                self.runs.len() - 1
            }
        };
        self.revision.advance();
        let run = &mut self.runs[idx];
        run.spec = new.spec;
        run.folder = new.folder;
        run.elsewhere = None;
        run.restart_at(first_step);
        run.add_notes(notes);
    }

    fn log_failure(&mut self, name: Option<&RunId>, during: &str, message: &str) {
        self.write(name, LogLevel::Error, failure_line(during, message));
        self.loading = None;
        self.rate_search = None;
    }

    fn log_start(&mut self, run: &RunId, first_step: usize, notes: &[String]) {
        self.info(Some(run), start_line(first_step));
        for note in notes {
            self.write(Some(run), LogLevel::Note, note.clone());
        }
    }

    fn info(&mut self, run: Option<&RunId>, text: String) {
        self.write(run, LogLevel::Info, text);
    }

    fn write(&mut self, run: Option<&RunId>, level: LogLevel, text: String) {
        if self.log.len() >= MAX_LOG_LINES {
            self.log.pop_front();
        }
        let run = run.cloned();
        self.log.push_back(LogLine { run, level, text });
    }
}

fn outcome_level(outcome: &RunOutcome) -> LogLevel {
    match outcome {
        RunOutcome::Finished | RunOutcome::StoppedEarly { .. } | RunOutcome::Stopped { .. } => {
            LogLevel::Info
        }
        RunOutcome::Diverged { .. } => LogLevel::Warning,
    }
}

#[cfg(test)]
mod tests;
