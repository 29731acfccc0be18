//! The training loop of a run.

use std::time::Instant;

use super::batching::{self, batches_by_length, micro_batches};
use super::best::{Check, Validations};
use super::context::{Context, JobPhase, Throttle};
use super::evaluating::held_out_score;
use super::made_from::{INPUTS, MadeFrom};
use super::run_data::RunData;
use super::session::LoadedModel;
use super::snapshot_plan::SnapshotPlan;
use crate::error::Result;
use crate::model::tokenizer::Tokenizer;
use crate::protocol::event::{Event, RunEvent, RunId, StepMetrics};
use crate::protocol::run_spec::RunSpec;
use crate::tuning::inspect::condition_number::Conditions;
use crate::tuning::inspect::diagnosis::Sign;
use crate::tuning::inspect::evidence::Evidence;
use crate::tuning::spec::SelectBy;
use crate::tuning::states::checkpoint_file::write_checkpoint;
use crate::tuning::train::batch::{Batch, DataOrder};
use crate::tuning::train::trainer::{Divergence, StepNumbers, Trainer};

mod alphas;
mod reporting;

/// Checkpoints that are kept: one to continue from, one should that be damaged.
const KEPT_CHECKPOINTS: usize = 2;
/// Steps that are read back at the latest, so that what waits stays small.
const MAX_PENDING: usize = 64;
/// Steps between two condition numbers of R, which the processor works out, one layer
/// at a time. The largest one grows 1.5-fold in so many steps at eta 0.05 and M 64
/// (`method.md`), so that a warning comes long before R is singular.
const CONDITION_INTERVAL: usize = 25;
/// Seconds between two snapshots for those who watch.
const SNAPSHOT_SECS: f64 = 0.25;

/// How the steps ended.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum TuningEnd {
    Finished,
    StoppedEarly {
        best_step: usize,
    },
    Diverged {
        step: usize,
        detail: String,
    },
    /// It is to write its state, and then goes on.
    StateWanted,
}

/// What a run reads.
#[derive(Clone, Copy)]
pub(super) struct Sources<'a> {
    pub loaded: &'a LoadedModel,
    pub tokenizer: &'a Tokenizer,
    pub data: &'a RunData,
    pub made_from: &'a MadeFrom,
}

/// A run while it takes its steps.
pub(super) struct Tuning<'a> {
    pub run: RunId,
    pub spec: &'a RunSpec,
    pub trainer: Trainer<'a>,
    pub validations: Validations,
    loaded: &'a LoadedModel,
    tokenizer: &'a Tokenizer,
    data: &'a RunData,
    made_from: &'a MadeFrom,
    order: DataOrder,
    /// The validation examples in batches.
    held_out: Vec<Batch>,
    /// Tokens of the steps that are not read back.
    pending: Vec<usize>,
    /// Seconds that those steps took.
    pending_secs: f64,
    saved_step: Option<usize>,
    snapshots: Option<SnapshotPlan>,
    stored_step: Option<usize>,
    throttle: Throttle,
    evidence: Evidence,
    conditions: Conditions,
    /// What was said already.
    told: Vec<Sign>,
}

impl<'a> Tuning<'a> {
    pub fn new(
        run: RunId,
        spec: &'a RunSpec,
        sources: Sources<'a>,
        trainer: Trainer<'a>,
        validations: Validations,
    ) -> Self {
        let Sources {
            loaded,
            tokenizer,
            data,
            made_from,
        } = sources;
        let training = &spec.training;
        let held_out = match training.validate_every {
            0 => Vec::new(),
            _ => batches_by_length(&data.validation, spec),
        };
        Self {
            evidence: Evidence::new(&spec.method, trainer.feature_activity()),
            conditions: Conditions::default(),
            told: Vec::new(),
            order: batching::order(&data.train, spec),
            saved_step: Some(trainer.steps_taken()),
            snapshots: SnapshotPlan::new(spec, trainer.model_config()),
            stored_step: None,
            run,
            spec,
            trainer,
            validations,
            loaded,
            tokenizer,
            data,
            made_from,
            held_out,
            pending: Vec::new(),
            pending_secs: 0.0,
            throttle: Throttle::new(SNAPSHOT_SECS),
        }
    }

    /// Takes the steps that are left, or those until the state is wanted; it can be
    /// called again then.
    ///
    /// # Errors
    /// [`crate::error::Error::Stopped`] when the run is to end; what the device
    /// or the disk reports.
    pub fn go(&mut self, context: &mut Context<'_>) -> Result<TuningEnd> {
        let total = self.spec.training.steps;
        loop {
            let step = self.trainer.steps_taken();
            let is_last = step >= total;
            if let Some(end) = self.settle(step, is_last, context)? {
                return Ok(end);
            }
            if is_last {
                return Ok(TuningEnd::Finished);
            }
            if self.listen(step, context)? {
                return Ok(TuningEnd::StateWanted);
            }
            context.during = JobPhase::Tuning;
            self.step(step)?;
        }
    }

    /// Reads back, validates, shows and saves what is due after `step` steps.
    fn settle(
        &mut self,
        step: usize,
        is_last: bool,
        context: &mut Context<'_>,
    ) -> Result<Option<TuningEnd>> {
        let intervals = self.spec.intervals;
        let validates = self.validates_at(step, is_last);
        let saves = (is_last || is_due(step, intervals.checkpoint)) && step > 0;
        let reads = is_due(step, intervals.log) || self.pending.len() >= MAX_PENDING;
        let stores = self.snapshots.is_some_and(|plan| plan.is_due(step));
        if (reads || validates || saves || stores)
            && let Some(Divergence { step, detail }) = self.read_back(context)?
        {
            self.evidence.see_divergence(step);
            self.tell(context)?;
            return Ok(Some(TuningEnd::Diverged { step, detail }));
        }
        if validates {
            self.validate(step, context)?;
        }
        if reads || validates {
            self.tell(context)?;
        }
        if stores {
            self.store(context)?;
        } else {
            self.show(step, context)?;
        }
        if saves {
            self.save(context)?;
        }
        Ok(self.early_end())
    }

    fn validates_at(&self, step: usize, is_last: bool) -> bool {
        // Step 0 is the state that all others have to beat.
        let is_due = step == 0 || is_last || is_due(step, self.spec.training.validate_every);
        is_due && !self.held_out.is_empty() && self.validations.last_step != Some(step)
    }

    fn early_end(&self) -> Option<TuningEnd> {
        let stopping = self.spec.training.early_stopping?;
        let best = self.validations.best.as_ref()?;
        let is_over = self.validations.n_worse >= stopping.patience;
        is_over.then_some(TuningEnd::StoppedEarly {
            best_step: best.step,
        })
    }

    /// Queues the step after `step` steps.
    fn step(&mut self, step: usize) -> Result<()> {
        let start = Instant::now();
        let batches = micro_batches(&self.order, &self.data.train, self.spec, step);
        self.trainer.step(&batches)?;
        self.pending
            .push(batches.iter().map(Batch::n_real_tokens).sum());
        self.pending_secs += start.elapsed().as_secs_f64();
        Ok(())
    }

    /// Reports the steps whose numbers are not known yet.
    ///
    /// # Errors
    /// What the device or the disk reports.
    pub fn read_back(&mut self, context: &mut Context<'_>) -> Result<Option<Divergence>> {
        let start = Instant::now();
        let steps = self.trainer.read_steps()?;
        let secs = self.pending_secs + start.elapsed().as_secs_f64();
        let pending = std::mem::take(&mut self.pending);
        self.pending_secs = 0.0;
        let divergence = self.trainer.divergence().cloned();
        let last = divergence.as_ref().map_or(usize::MAX, |seen| seen.step);
        let condition = self.condition(&steps)?;
        if let Some((step, condition)) = condition {
            self.evidence.see_condition(step, condition);
        }
        for (numbers, tokens) in steps.iter().zip(&pending) {
            // Steps after the divergence changed nothing.
            if numbers.step > last {
                break;
            }
            self.evidence.see_step(numbers);
            let mut metrics = StepMetrics {
                step: numbers.step,
                loss: numbers.loss,
                grad_norm: numbers.grad_norm,
                state_norm: numbers.state_norm,
                learning_rate: numbers.learning_rate,
                tokens: *tokens,
                secs: secs / pending.len() as f64,
                lift: numbers.lift.map(Into::into),
                lora: numbers.lora.map(Into::into),
            };
            if let (Some((at, condition)), Some(lift)) = (condition, &mut metrics.lift)
                && at == numbers.step
                && let Some(decorrelation) = &mut lift.decorrelation
            {
                decorrelation.condition = Some(condition);
            }
            let run = self.run.clone();
            context.report(Event::Run(run, RunEvent::Step(metrics)))?;
        }
        Ok(divergence)
    }

    /// The last of `steps` that changed R and the condition number that R has
    /// since, where one is due among them.
    fn condition(&mut self, steps: &[StepNumbers]) -> Result<Option<(usize, f64)>> {
        let total = self.spec.training.steps;
        let is_due = |of: &StepNumbers| of.step == total || is_due(of.step, CONDITION_INTERVAL);
        let changed = |of: &&StepNumbers| of.lift.is_some_and(|of| of.decorrelation.is_some());
        let Some(last) = steps.iter().rev().find(changed) else {
            return Ok(None);
        };
        if !steps.iter().any(is_due) {
            return Ok(None);
        }
        let is_over = steps.iter().any(|of| of.step == total);
        let known = &mut self.conditions;
        let condition = self.trainer.condition_number(known, is_over)?;
        Ok(condition.map(|condition| (last.step, condition)))
    }

    /// Measures the loss on the examples that are held out.
    fn validate(&mut self, step: usize, context: &mut Context<'_>) -> Result<()> {
        context.during = JobPhase::Validating;
        let (mut nats, mut n_tokens) = (0.0, 0);
        for batch in &self.held_out {
            context.poll(step)?;
            let (nats_of, n_of) = self.trainer.loss(batch)?;
            nats += nats_of;
            n_tokens += n_of;
        }
        let loss = nats / n_tokens as f64;
        let select_by = self.spec.training.select_by;
        let held_out = self.data.held_out.as_ref();
        let accuracy = match held_out.filter(|_| select_by == SelectBy::ValidationAccuracy) {
            Some(set) => {
                let tuned = self.trainer.tuned()?;
                let start = self.spec.data.leading_token.in_use();
                held_out_score(
                    self.loaded,
                    self.tokenizer,
                    set,
                    (&tuned, start),
                    step,
                    context,
                )?
            }
            None => None,
        };
        let check = Check {
            loss,
            n_correct: accuracy.as_ref().map(|score| score.n_correct),
        };
        let best = self.validations.is_best(check, select_by);
        let tuned = if best {
            Some(self.trainer.tuned()?)
        } else {
            None
        };
        self.validations.add(step, check, tuned);
        self.evidence.see_validation(step, loss);
        context.report(Event::Run(
            self.run.clone(),
            RunEvent::Validated {
                step,
                loss,
                accuracy,
                best,
            },
        ))
    }

    /// Writes a checkpoint of the steps so far, unless there is one.
    ///
    /// # Errors
    /// What the device or the disk reports.
    pub fn save(&mut self, context: &mut Context<'_>) -> Result<()> {
        let step = self.trainer.steps_taken();
        if self.saved_step == Some(step) {
            return Ok(());
        }
        context.during = JobPhase::Saving;
        let mut checkpoint = self.trainer.checkpoint()?;
        self.validations.store(&mut checkpoint);
        let inputs = self.made_from.inputs.to_json();
        checkpoint.extra.insert(INPUTS.to_owned(), inputs);
        let path = context.folder()?.checkpoint_path(step);
        write_checkpoint(&path, &checkpoint)?;
        self.saved_step = Some(step);
        context.report(Event::Run(
            self.run.clone(),
            RunEvent::CheckpointSaved { step, path },
        ))?;
        context.folder()?.prune(KEPT_CHECKPOINTS, None)?;
        Ok(())
    }
}

/// Whether `step` steps end an interval; 0 is none.
fn is_due(step: usize, interval: usize) -> bool {
    step > 0 && interval > 0 && step.is_multiple_of(interval)
}
