//! How many steps a small set is trained for: the number with the lowest loss on
//! examples that are left out, over all examples (Stone 1974).

use super::batching::{self, batches_by_length, micro_batches};
use super::context::{Context, JobPhase};
use super::run_data::RunData;
use super::session::LoadedModel;
use crate::data::{Example, folds};
use crate::error::Result;
use crate::protocol::run_spec::RunSpec;
use crate::tuning::states::state_file::TunedState;
use crate::tuning::train::trainer::Trainer;

/// Parts that are left out in turn.
const N_FOLDS: usize = 4;
/// Checks over all steps.
const N_CHECKS: usize = 20;
/// Checks without a lower loss after which a part is given up.
const PATIENCE: usize = 5;
/// Runs of all seeds have the same parts.
const SEED: u64 = 0;

/// What the parts that were left out say.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Chosen {
    /// Steps with the lowest loss.
    pub steps: usize,
    /// That loss, in nats a counted token.
    loss: f64,
    /// The loss of the start state.
    untuned: f64,
    n_examples: usize,
}

impl Chosen {
    /// A sentence for the user.
    pub fn note(self) -> String {
        let Self {
            steps,
            loss,
            untuned,
            n_examples,
        } = self;
        let is_better = loss < untuned;
        let found = match is_better {
            true => tr!(
                "the number of steps, {steps}, is chosen by cross-validation in {N_FOLDS} parts: on examples left out the loss falls from {untuned} to {loss}",
                steps,
                N_FOLDS,
                untuned = format_args!("{untuned:.4}"),
                loss = format_args!("{loss:.4}")
            ),
            false => tr!(
                "by cross-validation in {N_FOLDS} parts no number of steps lowers the loss {untuned} on examples left out, so the run takes {steps} steps; expect over-fitting",
                N_FOLDS,
                untuned = format_args!("{untuned:.4}"),
                steps
            ),
        };
        tr!(
            "{n_examples} examples are too few to hold some out (data.held_out); {found}; the run \
             trains on all of them",
            n_examples,
            found
        )
    }
}

/// Trains on all parts but one, for each of them, and looks at the loss on that one.
///
/// # Errors
/// [`crate::error::Error::Stopped`] when the job is to end; what the device reports.
pub(super) fn choose_steps(
    spec: &RunSpec,
    loaded: &LoadedModel,
    data: &RunData,
    start: &TunedState,
    context: &mut Context<'_>,
) -> Result<Chosen> {
    context.during = JobPhase::CrossValidating;
    let fold_of = folds(&data.train, N_FOLDS, SEED);
    let total = spec.training.steps;
    let interval = total.div_ceil(N_CHECKS).max(1);
    // Nats and tokens of all parts, check by check; a part that was given up counts on
    // with its last loss.
    let mut nats = vec![0.0; total.div_ceil(interval) + 1];
    let mut n_tokens = 0;
    for fold in 0..N_FOLDS {
        let of = |is_left_out: bool| -> Vec<Example> {
            let examples = data.train.iter().zip(&fold_of);
            let chosen = examples.filter(|(_, of)| (**of == fold) == is_left_out);
            chosen.map(|(example, _)| example.clone()).collect()
        };
        let (left_out, kept) = (of(true), of(false));
        if left_out.is_empty() || kept.is_empty() {
            continue;
        }
        let losses = losses_of(spec, loaded, start, (&kept, &left_out), interval, context)?;
        n_tokens += losses.n_tokens;
        let last = losses.nats.last().copied().unwrap_or_default();
        for (check, sum) in nats.iter_mut().enumerate() {
            *sum += losses.nats.get(check).copied().unwrap_or(last);
        }
    }
    let loss_at = |check: usize| nats[check] / n_tokens.max(1) as f64;
    // Something is trained in any case: the first check is that of the start state.
    let best = (1..nats.len()).min_by(|a, b| loss_at(*a).total_cmp(&loss_at(*b)));
    let best = best.unwrap_or(1);
    Ok(Chosen {
        steps: (best * interval).min(total),
        loss: loss_at(best),
        untuned: loss_at(0),
        n_examples: data.train.len(),
    })
}

/// The losses of one part.
struct Losses {
    nats: Vec<f64>,
    n_tokens: usize,
}

fn losses_of(
    spec: &RunSpec,
    loaded: &LoadedModel,
    start: &TunedState,
    (kept, left_out): (&[Example], &[Example]),
    interval: usize,
    context: &mut Context<'_>,
) -> Result<Losses> {
    let LoadedModel { device, model, .. } = loaded;
    let (method, training) = (&spec.method, &spec.training);
    let leading = spec.data.leading_token;
    let mut trainer =
        Trainer::with_leading_token(model, device, method, training, start, kept, leading)?;
    let order = batching::order(kept, spec);
    let batches = batches_by_length(left_out, spec);
    let mut losses = Losses {
        nats: Vec::new(),
        n_tokens: 0,
    };
    let mut best = f64::INFINITY;
    let mut n_worse = 0;
    loop {
        let step = trainer.steps_taken();
        if step.is_multiple_of(interval) || step == training.steps {
            trainer.read_steps()?;
            let mut nats = 0.0;
            losses.n_tokens = 0;
            for batch in &batches {
                context.poll(step)?;
                let (of_batch, n_tokens) = trainer.loss(batch)?;
                nats += of_batch;
                losses.n_tokens += n_tokens;
            }
            // A loss that is not finite is worse than any other.
            let nats = if nats.is_finite() {
                nats
            } else {
                f64::MAX / 1e9
            };
            losses.nats.push(nats);
            n_worse = if nats < best { 0 } else { n_worse + 1 };
            best = best.min(nats);
        }
        if step >= training.steps || n_worse >= PATIENCE {
            return Ok(losses);
        }
        context.poll(step)?;
        trainer.step(&micro_batches(&order, kept, spec, step))?;
    }
}
