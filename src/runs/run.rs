//! One run as it is known so far.

use serde::{Deserialize, Serialize};
use std::path::PathBuf;

pub use super::run_series::RunSeries;
use super::series::Series;
use super::since::Since;
use crate::protocol::event::{
    EvaluationPhase, EvaluationSummary, RunCosts, RunId, RunOutcome, StepMetrics,
};
use crate::protocol::run_spec::RunSpec;
use crate::tuning::inspect::diagnosis::Diagnosis;

/// Everything known about a run.
#[derive(Debug, Clone, PartialEq)]
pub struct Run {
    /// Its name, also that of its folder.
    pub id: RunId,
    /// What it does.
    pub spec: RunSpec,
    /// Its folder.
    pub folder: PathBuf,
    /// What it does now, or how it ended.
    pub status: RunStatus,
    /// Steps done.
    pub step: usize,
    /// The numbers of its steps.
    pub series: RunSeries,
    /// What it costs, where that was written down.
    pub costs: Option<RunCosts>,
    /// What was measured, in the order of measuring; one of each phase.
    pub evaluations: Vec<(EvaluationPhase, EvaluationSummary)>,
    /// Things the user should know.
    pub notes: Vec<String>,
    /// What is wrong with it, in the order of seeing; one of each sign.
    pub diagnoses: Vec<Diagnosis>,
    /// States that were written and read back.
    pub exported: Vec<ExportedState>,
    /// Step and file of the newest checkpoint.
    pub checkpoint: Option<(usize, PathBuf)>,
    /// The step of the snapshot in the latest-wins slot.
    pub snapshot_step: Option<usize>,
    /// Steps of the snapshots on the disk, ascending.
    pub snapshots: Vec<usize>,
    /// What the user wrote on it.
    pub labels: RunLabels,
    /// The other process that works on it just now, by its number.
    pub elsewhere: Option<u32>,
    /// Whether it is a run of another machine, of which only settings and numbers are
    /// here.
    pub is_watched: bool,
    /// What of it is scored just now or was last, and since when.
    pub scoring: Option<(EvaluationPhase, Since)>,
}

/// What a run does now, or how it ended.
#[derive(Debug, Clone, PartialEq)]
pub enum RunStatus {
    /// It tunes.
    Running {
        /// Steps done.
        step: usize,
        /// Steps in all.
        total: usize,
    },
    /// It waits to be resumed.
    Paused {
        /// Steps done.
        step: usize,
        /// Steps in all.
        total: usize,
    },
    /// It is being evaluated.
    Evaluating {
        /// Which evaluation.
        phase: EvaluationPhase,
        /// Tokens read and written.
        done: usize,
        /// Tokens in all, with those that answers have room for.
        total: usize,
    },
    /// All steps were taken.
    Finished,
    /// The validation loss stopped improving.
    StoppedEarly {
        /// The step whose state is kept.
        best_step: usize,
    },
    /// Someone asked for it.
    Stopped {
        /// Steps done.
        step: usize,
    },
    /// Its numbers left the finite ones.
    Diverged {
        /// The step at which it was seen.
        step: usize,
        /// Layer, head and numbers, for the user.
        detail: String,
    },
    /// Its process ended without a word; it can be resumed.
    Interrupted {
        /// Steps that were written down.
        step: usize,
    },
    /// It could not continue, and why.
    Failed(String),
}

/// A state that was written and read back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExportedState {
    /// Steps that made it.
    pub step: usize,
    /// The file.
    pub path: PathBuf,
    /// Its size.
    pub bytes: u64,
}

impl RunStatus {
    /// Whether the run is over, resumable or not.
    pub fn is_over(&self) -> bool {
        match self {
            Self::Running { .. } | Self::Paused { .. } | Self::Evaluating { .. } => false,
            Self::Finished
            | Self::StoppedEarly { .. }
            | Self::Stopped { .. }
            | Self::Diverged { .. }
            | Self::Interrupted { .. }
            | Self::Failed(_) => true,
        }
    }
}

impl From<RunOutcome> for RunStatus {
    fn from(outcome: RunOutcome) -> Self {
        match outcome {
            RunOutcome::Finished => Self::Finished,
            RunOutcome::StoppedEarly { best_step } => Self::StoppedEarly { best_step },
            RunOutcome::Stopped { step } => Self::Stopped { step },
            RunOutcome::Diverged { step, detail } => Self::Diverged { step, detail },
        }
    }
}

impl Run {
    /// A run that begins.
    pub fn new(id: RunId, spec: RunSpec, folder: PathBuf) -> Self {
        let total = spec.training.steps;
        Self {
            id,
            spec,
            folder,
            status: RunStatus::Running { step: 0, total },
            step: 0,
            series: RunSeries::default(),
            costs: None,
            evaluations: Vec::new(),
            notes: Vec::new(),
            diagnoses: Vec::new(),
            exported: Vec::new(),
            checkpoint: None,
            snapshot_step: None,
            snapshots: Vec::new(),
            labels: RunLabels::default(),
            elsewhere: None,
            is_watched: false,
            scoring: None,
        }
    }

    /// Whether it is on and heeds this process.
    pub fn is_on_here(&self) -> bool {
        !self.status.is_over() && self.elsewhere.is_none()
    }

    /// The title that the user gave it, else its name.
    pub fn title(&self) -> &str {
        if self.labels.title.is_empty() {
            &self.id.0
        } else {
            &self.labels.title
        }
    }

    /// Whether it can be resumed from its newest checkpoint.
    pub fn can_be_resumed(&self) -> bool {
        match self.status {
            // Its checkpoints are there.
            _ if self.is_watched => false,
            RunStatus::Interrupted { .. } | RunStatus::Stopped { .. } | RunStatus::Failed(_) => {
                true
            }
            RunStatus::Running { .. }
            | RunStatus::Paused { .. }
            | RunStatus::Evaluating { .. }
            | RunStatus::Finished
            | RunStatus::StoppedEarly { .. }
            | RunStatus::Diverged { .. } => false,
        }
    }

    /// What an evaluation measured.
    pub fn evaluation(&self, phase: EvaluationPhase) -> Option<&EvaluationSummary> {
        let mut evaluations = self.evaluations.iter();
        evaluations
            .find(|(of, _)| *of == phase)
            .map(|(_, summary)| summary)
    }

    /// The first step whose loss, gradient or state is not finite.
    pub fn first_non_finite(&self) -> Option<usize> {
        let RunSeries {
            loss,
            grad_norm,
            state_norm,
            ..
        } = &self.series;
        [loss, grad_norm, state_norm]
            .into_iter()
            .filter_map(Series::first_non_finite)
            .map(|(step, _)| step)
            .min()
    }

    /// Step and loss of the best validation; the earlier of equal ones.
    pub fn best_validation(&self) -> Option<(usize, f64)> {
        let checks = self.series.validation_loss.points().iter().copied();
        checks
            .filter(|(_, loss)| loss.is_finite())
            .min_by(|a, b| a.1.total_cmp(&b.1))
    }

    /// Tokens of the steps whose numbers are known.
    pub fn n_tokens(&self) -> f64 {
        let tokens = self.series.tokens.points().iter();
        tokens.map(|&(_, n_tokens)| n_tokens).sum()
    }

    /// Goes back to `step`, from which the run is resumed.
    pub(super) fn restart_at(&mut self, step: usize) {
        self.series.truncate_after(step);
        self.evaluations
            .retain(|(phase, _)| *phase != EvaluationPhase::After);
        self.diagnoses.retain(|diagnosis| diagnosis.step <= step);
        self.checkpoint.take_if(|(saved, _)| *saved > step);
        self.snapshot_step.take_if(|taken| *taken > step);
        self.snapshots.retain(|stored| *stored <= step);
        self.step = step;
        self.status = self.running();
    }

    pub(crate) fn add_step(&mut self, metrics: &StepMetrics) {
        let share = metrics.learning_rate / self.spec.training.learning_rate;
        let lifting = self.spec.method.lifting();
        let lora = self.spec.method.lora();
        let of_lora = lora.map(|lora| share * lora.learning_rate_lora);
        self.series.push(
            metrics,
            lifting.map(|lifting| lifting.rates(share)),
            of_lora,
        );
        self.step = self.step.max(metrics.step);
        match self.status {
            RunStatus::Running { .. }
            | RunStatus::Evaluating {
                phase: EvaluationPhase::Before | EvaluationPhase::FewShot,
                ..
            } => self.status = self.running(),
            // Numbers of steps before the pause may come after it.
            RunStatus::Paused { step, .. } if metrics.step > step => self.status = self.running(),
            RunStatus::Paused { .. }
            | RunStatus::Evaluating {
                phase: EvaluationPhase::After,
                ..
            }
            | RunStatus::Finished
            | RunStatus::StoppedEarly { .. }
            | RunStatus::Stopped { .. }
            | RunStatus::Diverged { .. }
            | RunStatus::Interrupted { .. }
            | RunStatus::Failed(_) => {}
        }
    }

    pub(super) fn add_evaluation(&mut self, phase: EvaluationPhase, summary: EvaluationSummary) {
        match self.evaluations.iter_mut().find(|(of, _)| *of == phase) {
            Some((_, old)) => *old = summary,
            None => self.evaluations.push((phase, summary)),
        }
        let under_way =
            matches!(self.status, RunStatus::Evaluating { phase: now, .. } if now == phase);
        if under_way {
            self.status = self.running();
        }
    }

    pub(super) fn add_notes(&mut self, notes: Vec<String>) {
        for note in notes {
            if !self.notes.contains(&note) {
                self.notes.push(note);
            }
        }
    }

    pub(super) fn add_snapshot(&mut self, step: usize, is_stored: bool) {
        self.snapshot_step = Some(step);
        if is_stored && let Err(idx) = self.snapshots.binary_search(&step) {
            self.snapshots.insert(idx, step);
        }
    }

    /// A sign that was seen before is told anew in its place.
    pub(super) fn add_diagnosis(&mut self, new: Diagnosis) {
        let mut known = self.diagnoses.iter_mut();
        match known.find(|old| old.sign.is_like(&new.sign)) {
            Some(old) => *old = new,
            None => self.diagnoses.push(new),
        }
    }

    pub(super) fn add_export(&mut self, state: ExportedState) {
        self.exported.retain(|old| old.path != state.path);
        self.exported.push(state);
    }

    /// Notes that something of it is scored.
    pub(super) fn note_scoring(&mut self, phase: EvaluationPhase) {
        if self.scoring.is_none_or(|(of, _)| of != phase) {
            self.scoring = Some((phase, Since::now()));
        }
    }

    /// What the run does from now on, unless it is over.
    pub(super) fn go_on(&mut self, status: RunStatus) {
        if !self.status.is_over() {
            self.status = status;
        }
    }

    /// How the run ended; the reason of a failure is never overwritten.
    pub(super) fn end(&mut self, status: RunStatus) {
        match self.status {
            RunStatus::Failed(_) => {}
            RunStatus::Running { .. }
            | RunStatus::Paused { .. }
            | RunStatus::Evaluating { .. }
            | RunStatus::Finished
            | RunStatus::StoppedEarly { .. }
            | RunStatus::Stopped { .. }
            | RunStatus::Diverged { .. }
            | RunStatus::Interrupted { .. } => self.status = status,
        }
    }

    fn running(&self) -> RunStatus {
        RunStatus::Running {
            step: self.step,
            total: self.spec.training.steps,
        }
    }
}

/// The labels of a run: title, tags and note, and the run that it was made of.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RunLabels {
    /// A name instead of that of the folder; nothing takes that one.
    pub title: String,
    /// Words to find it by.
    pub tags: Vec<String>,
    /// Anything else.
    pub note: String,
    /// The run whose settings it was begun with, changed or not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub made_of: Option<RunId>,
}

impl RunLabels {
    /// Tags as they are typed, with commas between them.
    pub fn tags_text(&self) -> String {
        self.tags.join(", ")
    }

    /// Takes tags as they are typed.
    pub fn set_tags(&mut self, text: &str) {
        let mut tags: Vec<String> = Vec::new();
        for tag in text.split(',').map(str::trim).filter(|tag| !tag.is_empty()) {
            if !tags.iter().any(|known| known == tag) {
                tags.push(tag.to_owned());
            }
        }
        self.tags = tags;
    }
}
