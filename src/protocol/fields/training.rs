//! The fields of training.

use super::field::{Field, choice, slot};
use super::range::Range;
use crate::protocol::run_spec::RunSpec;
use crate::tuning::spec::{OptimizerSpec, Schedule};

/// The most steps of a run.
pub const MAX_STEPS: usize = 100_000_000;
/// The largest learning rate.
pub const MAX_RATE: f64 = 100.0;
const MAX_BATCH: usize = 65_536;
/// The longest window: a multiple of 16 that is no longer than a text may be at once.
const MAX_WINDOW: usize = 65_520;

pub(super) const TRAINING: &[Field] = &[
    Field::new("training.steps", "Steps", |spec| {
        slot(&mut spec.training.steps)
    })
    .unit("steps")
    .range(Range::whole(1, MAX_STEPS))
    .hint("Updates of the state. The mini benchmarks were measured with 300."),
    Field::new("training.batch", "Batch size", |spec| {
        slot(&mut spec.training.batch)
    })
    .symbol("B")
    .unit("examples")
    .range(Range::whole(1, MAX_BATCH))
    .hint("Examples per step, computed together. Memory grows with it; gradients of a small batch are noisier."),
    Field::new("training.accumulate", "Accumulate", |spec| {
        slot(&mut spec.training.accumulate)
    })
    .unit("batches")
    .range(Range::whole(1, MAX_BATCH))
    .hint("Gradient accumulation: batches whose gradients are added before one update. A larger batch that costs time instead of memory."),
    Field::new("training.learning_rate", "Learning rate", |spec| {
        slot(&mut spec.training.learning_rate)
    })
    .symbol("η")
    .range(Range::above(0.0).up_to(MAX_RATE))
    .log_slider(1e-4, 2.0)
    .hint("The peak learning rate of S₀. States need far larger rates than weights: on the mini benchmarks 0.3 to 1.4 was best. If it is too large the run diverges; if it is too small nothing is learned."),
    Field::new("training.schedule", "Schedule", |spec| {
        choice(&mut spec.training.schedule)
    })
    .hint("How the learning rate falls from its peak after the warm-up."),
    Field::new("training.schedule.last", "Final rate", |spec| {
        match &mut spec.training.schedule {
            Schedule::Cosine { last } | Schedule::Linear { last } => slot(last),
            Schedule::Constant => None,
        }
    })
    .unit("of the peak")
    .range(Range::from(0.0).up_to(1.0))
    .hint("The learning rate of the last step, as a share of the peak."),
    Field::new("training.warmup_steps", "Warm-up", |spec| {
        slot(&mut spec.training.warmup_steps)
    })
    .unit("steps")
    .range(Range::whole(0, MAX_STEPS - 1))
    .hint("Steps over which the learning rate rises from 0 to its peak. Fewer than all steps."),
    Field::new("training.seed", "Seed", |spec| slot(&mut spec.training.seed))
        .range(Range::from(0.0))
        .hint("The seed of the order of the data and of everything random. The same seed on the same device gives the same run."),
];

pub(super) const OPTIMIZER: &[Field] = &[
    Field::new("training.optimizer", "Optimizer", |spec| {
        choice(&mut spec.training.optimizer)
    })
    .hint("How a gradient becomes an update. RWKV-PEFT uses Adam; the paper does not name its optimizer."),
    Field::new("training.optimizer.beta1", "Beta 1", |spec| {
        slot(moments(spec)?.0)
    })
        .symbol("β₁")
        .range(Range::from(0.0).below(1.0))
        .hint("Adam's decay of the first moment: the share of the running mean of the gradient that a step keeps."),
    Field::new("training.optimizer.beta2", "Beta 2", |spec| {
        slot(moments(spec)?.1)
    })
        .symbol("β₂")
        .range(Range::from(0.0).below(1.0))
        .hint("Adam's decay of the second moment: the same for the squared gradient."),
    Field::new("training.optimizer.epsilon", "Epsilon", |spec| {
        slot(moments(spec)?.2)
    })
        .symbol("ε")
        .range(Range::above(0.0).up_to(1.0))
        .hint("Adam's epsilon, added to the root of the second moment."),
    Field::new("training.optimizer.weight_decay", "Weight decay", |spec| {
        match &mut spec.training.optimizer {
            OptimizerSpec::AdamW { weight_decay, .. } => slot(weight_decay),
            OptimizerSpec::Adam { .. } | OptimizerSpec::Sgd { .. } => None,
        }
    })
    .range(Range::from(0.0))
    .hint("The share of the state that a step removes, per unit of learning rate."),
    Field::new("training.optimizer.momentum", "Momentum", |spec| {
        match &mut spec.training.optimizer {
            OptimizerSpec::Sgd { momentum } => slot(momentum),
            OptimizerSpec::Adam { .. } | OptimizerSpec::AdamW { .. } => None,
        }
    })
    .range(Range::from(0.0).below(1.0))
    .hint("The share of the last update that a step keeps."),
    Field::new("training.clip_norm", "Clip gradient", |spec| {
        slot(&mut spec.training.clip_norm)
    })
    .range(Range::above(0.0))
    .optional("off", 1.0)
    .hint("The largest global norm of the gradient. A larger gradient is scaled down to it."),
    Field::new("training.pull_to_start", "Pull to start", |spec| {
        slot(&mut spec.training.pull_to_start)
    })
    .range(Range::from(0.0))
    .hint("The strength of an L2 pull towards the start state. 0: off. Reduces over-fitting."),
    Field::new("training.validate_every", "Validate every", |spec| {
        slot(&mut spec.training.validate_every)
    })
    .unit("steps")
    .range(Range::whole(0, MAX_STEPS))
    .hint("Steps from one validation to the next. 0: never, and the run keeps its last state."),
    Field::new("training.validation_limit", "Validation examples", |spec| {
        slot(&mut spec.training.validation_limit)
    })
    .range(Range::from(1.0))
    .optional("all", 100.0)
    .hint("At most this many held-out examples for each validation, the first ones of the set."),
    Field::new("training.select_by", "State to keep", |spec| {
        choice(&mut spec.training.select_by)
    })
    .hint("The state that the run saves: that of the best validation loss, of the best validation accuracy (for benchmarks whose loss and accuracy disagree), or of the last step."),
    Field::new("training.early_stopping", "Early stopping", |spec| {
        slot(&mut spec.training.early_stopping)
    })
    .unit("validations")
    .range(Range::whole(1, MAX_STEPS))
    .optional("off", 3.0)
    .hint("Stops the run after this many validations without improvement."),
    Field::new("training.activation_checkpointing", "Recompute", |spec| {
        slot(&mut spec.training.activation_checkpointing)
    })
    .hint("Activation checkpointing: computes activations again in the backward pass instead of storing them. Less memory, but more time: 73 ms instead of 42 ms a step for a 0.1B model (8 x 512 tokens, f16, H100)."),
    Field::new("training.window", "Window length", |spec| {
        slot(&mut spec.training.window)
    })
    .unit("tokens")
    .range(Range::whole(16, MAX_WINDOW).multiples_of(16))
    .optional("off", 1024.0)
    .hint("Reads long texts in windows of so many tokens. The state and its gradient are carried across them, so the step is the same within rounding, and memory does not grow with the length of a text but for the states between windows. About a third more time. Texts of more than 65,535 tokens need it."),
    Field::new("training.group_by_length", "Group by length", |spec| {
        slot(&mut spec.training.group_by_length)
    })
    .hint("Makes batches of examples of like length, so that less of a step is padding. Of every 32 batches the examples are sorted by length, and the batches that this makes are read in random order."),
    Field::new("training.l2wrap", "L2Wrap", |spec| slot(&mut spec.training.l2wrap))
        .hint("RWKV's penalty on the largest logit: 1e-4 of its square. RWKV-PEFT applies it when it tunes states; the results of Gosling were measured without it."),
];

/// Adam's two betas and its epsilon.
fn moments(spec: &mut RunSpec) -> Option<(&mut f64, &mut f64, &mut f64)> {
    match &mut spec.training.optimizer {
        OptimizerSpec::Adam {
            beta1,
            beta2,
            epsilon,
        }
        | OptimizerSpec::AdamW {
            beta1,
            beta2,
            epsilon,
            ..
        } => Some((beta1, beta2, epsilon)),
        OptimizerSpec::Sgd { .. } => None,
    }
}
