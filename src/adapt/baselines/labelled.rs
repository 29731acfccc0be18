//! State tuning on as many labelled training questions.

use std::time::Instant;

use super::{Baselines, OnBaseline};
use crate::adapt::cost::Cost;
use crate::adapt::outcome::{Kind, Outcome};
use crate::adapt::states::States;
use crate::bench::FewShot;
use crate::data::Example;
use crate::error::Result;
use crate::tuning::method::tuned::Tuned;
use crate::tuning::spec::{LossOn, Method, StandardSpec, TrainingSpec};
use crate::tuning::train::batch::{Batch, DataOrder};
use crate::tuning::train::trainer::Trainer;

/// Passes over the labelled questions.
const EPOCHS: usize = 8;
/// Examples of a step.
const BATCH: usize = 32;
/// The most steps.
const MAX_STEPS: usize = 300;

impl Baselines<'_> {
    pub(super) fn tuned_on(
        &self,
        n: usize,
        done: OnBaseline<'_>,
        progress: &mut dyn FnMut() -> Result<()>,
    ) -> Result<()> {
        let n = n.min(self.solved.len());
        let name = format!("state tuning on {n} labelled questions");
        if n == 0
            || self.tuned.lift.is_some()
            || self.tuned.lora.is_some()
            || (self.is_known)(&name)
        {
            return Ok(());
        }
        let start = Instant::now();
        let examples: Vec<Example> = self.solved[..n]
            .iter()
            .map(|item| {
                self.prompts
                    .protocol
                    .training_example(item, self.prompts.tokenizer)
            })
            .collect();
        let batch = BATCH.min(n);
        let steps = (EPOCHS * n).div_ceil(batch).clamp(1, MAX_STEPS);
        let training = TrainingSpec {
            steps,
            batch,
            // No more than a third of the steps, where there are few.
            warmup_steps: 10.min(steps / 3),
            ..TrainingSpec::default()
        };
        let method = Method::Standard(StandardSpec::default());
        let (model, device) = (self.engine.model, self.engine.device);
        let state = &self.tuned.state;
        let mut trainer = Trainer::new(model, device, &method, &training, state, &examples)?;
        let order = DataOrder::new(n, batch, self.spec.seed);
        let mut cost = Cost::default();
        for step in 0..steps {
            progress()?;
            let start = self.prompts.text_start;
            let chosen = order
                .batch(step)
                .into_iter()
                .map(|idx| (&examples[idx], start));
            let batch = Batch::of(&chosen.collect::<Vec<_>>(), LossOn::Answer);
            cost += Cost::trained(batch.n_real_tokens());
            trainer.step(&[batch])?;
            if step % 16 == 15 {
                trainer.read_steps()?;
            }
        }
        let tuned = Tuned::from(trainer.state()?);
        let states = States::new(model, device, &tuned, 1)?;
        let mut marks = self.marks(&states, FewShot::default(), progress)?;
        marks.cost += cost;
        let secs = start.elapsed().as_secs_f64();
        let mut outcome = Outcome::new(name, Kind::Baseline, &marks, secs);
        outcome.notes.push(format!("reads {n} labels"));
        done(outcome)
    }
}
