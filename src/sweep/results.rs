//! What came of a sweep, read from its folders.

pub mod importance;
pub mod parallel_coordinates;
pub mod tables;

mod best;

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use self::importance::{Importance, importance};
use super::plan::SweepPlan;
use super::queue::{Queue, runs_of};
use super::spec::ChooseBy;
use super::store::{SweepFolder, SweepSession};
use super::task::{Facts, RunFacts, Task, TaskState, headline};
use super::values::FieldValue;
use crate::bench::Accuracy;
use crate::protocol::event::{EvaluationPhase, EvaluationSummary};

/// The field that tells runs of one setting apart.
pub const SEED: &str = "training.seed";

/// What came of a sweep.
#[derive(Debug, Clone, PartialEq)]
pub struct SweepResults {
    /// Its name.
    pub name: String,
    /// The fields that differ between runs.
    pub fields: Vec<String>,
    /// Names of the parts.
    pub parts: Vec<String>,
    /// The runs, in the order of the plan.
    pub rows: Vec<Row>,
    /// The best run of each part that has one.
    pub best: Vec<Best>,
    /// The untuned models: name and what was measured.
    pub untuned: Vec<(String, Vec<(EvaluationPhase, EvaluationSummary)>)>,
    /// What the best runs are chosen by.
    pub choose_by: ChooseBy,
    /// What the processes took that ran the sweep.
    pub sessions: Vec<SweepSession>,
}

/// One run.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// Its number in the sweep.
    pub idx: usize,
    /// The name of its folder.
    pub name: String,
    /// Its part.
    pub part: usize,
    /// A value for each of the sweep's fields; none where the run has no such field.
    pub values: Vec<Option<FieldValue>>,
    /// What is known of it.
    pub facts: Facts,
}

/// The best run of a part.
#[derive(Debug, Clone, PartialEq)]
pub struct Best {
    /// The part.
    pub part: usize,
    /// The run.
    pub idx: usize,
    /// Where it is scored on the test split.
    pub folder: PathBuf,
    /// What was measured there; none before it is.
    pub test: Option<EvaluationSummary>,
    /// Why it is not measured, if it could not be.
    pub failure: Option<String>,
    /// Whether all runs of its part are settled, so that it stays the best.
    pub is_settled: bool,
}

/// A number that runs are compared by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Metric {
    /// Accuracy on the validation split.
    Accuracy,
    /// The best validation loss.
    ValidationLoss,
    /// The loss of the last step.
    Loss,
    /// Accuracy on the test split, of the best run of a part.
    TestAccuracy,
    /// Norm of S_0.
    StateNorm,
    /// Norm of the gradient of the last step.
    GradNorm,
    /// L_decor, of a run with decorrelation.
    DecorrelationLoss,
    /// Mean |corr| of two different features, of a run with decorrelation.
    OffDiagonal,
    /// Tokens a second.
    TokensPerSec,
    /// Seconds that the run took.
    Secs,
}

impl Metric {
    /// Every metric, those that matter most first.
    pub const ALL: [Self; 10] = [
        Self::Accuracy,
        Self::ValidationLoss,
        Self::Loss,
        Self::TestAccuracy,
        Self::StateNorm,
        Self::GradNorm,
        Self::DecorrelationLoss,
        Self::OffDiagonal,
        Self::TokensPerSec,
        Self::Secs,
    ];

    /// In words.
    pub fn words(self) -> &'static str {
        match self {
            Self::Accuracy => mark!("validation accuracy"),
            Self::ValidationLoss => mark!("validation loss"),
            Self::Loss => mark!("last loss"),
            Self::TestAccuracy => mark!("test accuracy"),
            Self::StateNorm => mark!("norm of S₀"),
            Self::GradNorm => mark!("gradient norm"),
            Self::DecorrelationLoss => mark!("decorrelation loss"),
            Self::OffDiagonal => mark!("off-diagonal mass"),
            Self::TokensPerSec => "tokens/s",
            Self::Secs => mark!("seconds"),
        }
    }

    /// Whether more is better.
    pub fn is_higher_better(self) -> bool {
        match self {
            Self::Accuracy | Self::TestAccuracy | Self::TokensPerSec => true,
            Self::ValidationLoss
            | Self::Loss
            | Self::StateNorm
            | Self::GradNorm
            | Self::DecorrelationLoss
            | Self::OffDiagonal
            | Self::Secs => false,
        }
    }

    /// Of a run, if it was measured.
    pub fn of(self, facts: &Facts) -> Option<f64> {
        let run = facts.run.as_ref();
        let value = match self {
            Self::Accuracy | Self::TestAccuracy => self.accuracy(facts).map(Accuracy::value),
            Self::ValidationLoss => facts.validation_loss(),
            Self::Loss => run.and_then(|run| run.loss),
            Self::StateNorm => run.and_then(|run| run.state_norm),
            Self::GradNorm => run.and_then(|run| run.grad_norm),
            Self::DecorrelationLoss => run.and_then(|run| run.decorrelation_loss),
            Self::OffDiagonal => run.and_then(|run| run.off_diagonal),
            Self::TokensPerSec => run.and_then(|run| run.tokens_per_sec),
            Self::Secs => run.map(|run: &RunFacts| run.secs),
        };
        value.filter(|value| value.is_finite())
    }

    /// The same as a share of items, where it is one.
    pub fn accuracy(self, facts: &Facts) -> Option<Accuracy> {
        match self {
            Self::Accuracy => facts.accuracy(),
            Self::TestAccuracy => facts.run.as_ref()?.test,
            Self::ValidationLoss
            | Self::Loss
            | Self::StateNorm
            | Self::GradNorm
            | Self::DecorrelationLoss
            | Self::OffDiagonal
            | Self::TokensPerSec
            | Self::Secs => None,
        }
    }
}

impl SweepResults {
    /// Of a sweep whose tasks stand as `queue` says.
    pub fn new(folder: &SweepFolder, queue: &Queue) -> Self {
        let plan = &folder.plan;
        let best = |part| Self::best_of(plan, queue, part, &|idx| folder.best_path(idx));
        let best = (0..plan.sweep.parts.len()).filter_map(best).collect();
        Self::of_runs(plan, queue).with_best(best)
    }

    /// The same with the best runs, which have an accuracy on the test split.
    pub fn with_best(mut self, best: Vec<Best>) -> Self {
        for of in &best {
            let run = self
                .rows
                .get_mut(of.idx)
                .and_then(|row| row.facts.run.as_mut());
            if let (Some(run), Some(test)) = (run, &of.test) {
                run.test = headline(test);
            }
        }
        self.best = best;
        self
    }

    /// The best run of a part, if there is one; `folder` is where run `idx` is
    /// scored on the test split.
    pub fn best_of(
        plan: &SweepPlan,
        queue: &Queue,
        part: usize,
        folder: &dyn Fn(usize) -> PathBuf,
    ) -> Option<Best> {
        let idx = queue.best_of(plan, part)?;
        let facts = queue.facts.get(&Task::Best(part));
        let failure = match facts.map(|facts| &facts.state) {
            Some(TaskState::Failed(reason)) => Some(reason.clone()),
            Some(_) | None => None,
        };
        Some(Best {
            part,
            idx,
            folder: folder(idx),
            test: facts.and_then(|facts| facts.summary(EvaluationPhase::After).cloned()),
            failure,
            is_settled: queue.is_part_settled(plan, part),
        })
    }

    /// As [`Self::new`], without the best runs.
    pub fn of_runs(plan: &SweepPlan, queue: &Queue) -> Self {
        let fields = plan.fields();
        let rows = plan.runs.iter().enumerate().map(|(idx, run)| Row {
            idx,
            name: run.spec.name.clone(),
            part: run.part,
            values: fields.iter().map(|field| run.value(field)).collect(),
            facts: match queue.facts.get(&Task::Run(idx)) {
                Some(facts) => facts.clone(),
                None => Facts::of(None),
            },
        });
        let untuned = plan.untuned.iter().enumerate().filter_map(|(idx, spec)| {
            let run = queue.facts.get(&Task::Untuned(idx))?.run.as_ref()?;
            Some((spec.name.clone(), run.evaluations.clone()))
        });
        Self {
            name: plan.sweep.name.clone(),
            parts: (0..plan.sweep.parts.len())
                .map(|part| plan.sweep.part_name(part))
                .collect(),
            rows: rows.collect(),
            best: Vec::new(),
            untuned: untuned.collect(),
            choose_by: plan.sweep.choose_by,
            sessions: queue.sessions.clone(),
            fields,
        }
    }

    /// How a metric goes with each field that a part searches, strongest first.
    pub fn importance(
        &self,
        plan: &SweepPlan,
        part: usize,
        metric: Metric,
    ) -> Vec<(String, Importance)> {
        let searched = |field: &&String| {
            runs_of(plan, part)
                .any(|idx| plan.runs[idx].settings.iter().any(|(of, _)| of == *field))
        };
        let mut found: Vec<(String, Importance)> = self
            .fields
            .iter()
            .filter(searched)
            .filter_map(|field| Some((field.clone(), self.importance_of(field, part, metric)?)))
            .collect();
        found.sort_by(|a, b| b.1.strength().total_cmp(&a.1.strength()));
        found
    }

    fn importance_of(&self, field: &str, part: usize, metric: Metric) -> Option<Importance> {
        let column = self.fields.iter().position(|of| of == field)?;
        let runs: Vec<(String, Option<f64>, f64)> = self
            .rows
            .iter()
            .filter(|row| row.part == part)
            .filter_map(|row| {
                let value = row.values[column].as_ref()?;
                Some((value.0.clone(), value.number(), metric.of(&row.facts)?))
            })
            .collect();
        importance(&runs)
    }

    /// Rows of the same part and the same values apart from the seed, in the
    /// order of their first.
    pub fn settings(&self) -> Vec<Vec<&Row>> {
        let mut settings: Vec<Vec<&Row>> = Vec::new();
        for row in &self.rows {
            let is_same = |group: &&mut Vec<&Row>| self.is_same_setting(group[0], row);
            match settings.iter_mut().find(is_same) {
                Some(group) => group.push(row),
                None => settings.push(vec![row]),
            }
        }
        settings
    }

    fn is_same_setting(&self, a: &Row, b: &Row) -> bool {
        let values = self.fields.iter().zip(a.values.iter().zip(&b.values));
        a.part == b.part
            && values
                .filter(|(field, _)| *field != SEED)
                .all(|(_, (a, b))| a == b)
    }
}
