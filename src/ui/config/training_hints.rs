//! What the user is told of training, of measuring accuracy and of writing down.

use crate::ui::widgets::field::{Field, Range, field};
use crate::worker::validate::{
    MAX_BATCH, MAX_CONTEXT, MAX_FEW_SHOT, MAX_RATE, MAX_SNAPSHOT_MIB, MAX_STEPS,
};

pub const TRAINING_STEPS: Field = field(
    "training.steps",
    "Steps",
    "",
    "steps",
    "Updates of the state; 200 to 300 are enough for the mini benchmarks.",
)
.number(Range::whole(1, MAX_STEPS));
pub const TRAINING_BATCH: Field = field(
    "training.batch",
    "Batch",
    "B",
    "examples",
    "Examples of one step, computed together. Memory grows with it; a smaller one is noisier.",
)
.number(Range::whole(1, MAX_BATCH));
pub const TRAINING_ACCUMULATE: Field = field(
    "training.accumulate",
    "Accumulate",
    "",
    "batches",
    "Batches whose gradients are added before one update: a larger batch for time instead of memory.",
)
.number(Range::whole(1, MAX_BATCH));
pub const TRAINING_LEARNING_RATE: Field = field(
    "training.learning_rate",
    "Learning rate",
    "η",
    "",
    "The peak rate of S₀. Rates of states are far larger than those of weights: 0.05 to 1.6 on the mini model, by the task. Too large and the run diverges, too small and nothing happens.",
)
.number(Range::above(0.0).up_to(MAX_RATE));
pub const TRAINING_SCHEDULE: Field = field(
    "training.schedule",
    "Schedule",
    "",
    "",
    "How the rate falls from its peak after the warm-up.",
)
.choice();
pub const SCHEDULE_LAST: Field = field(
    "training.schedule.last",
    "Last rate",
    "",
    "of the peak",
    "The rate of the last step as a share of the peak.",
)
.number(Range::from(0.0).up_to(1.0));
pub const TRAINING_WARMUP_STEPS: Field = field(
    "training.warmup_steps",
    "Warm-up",
    "",
    "steps",
    "Steps over which the rate rises from 0 to its peak; fewer than the steps in all.",
)
.number(Range::whole(0, MAX_STEPS - 1));
pub const TRAINING_SEED: Field = field(
    "training.seed",
    "Seed",
    "",
    "",
    "Seed of the order of the data and of everything random. The same seed on the same device gives the same run.",
)
.number(Range::from(0.0));
pub const TRAINING_OPTIMIZER: Field = field(
    "training.optimizer",
    "Optimiser",
    "",
    "",
    "How a gradient becomes an update. RWKV-PEFT uses Adam; the paper does not say what it used.",
)
.choice();
pub const TRAINING_CLIP_NORM: Field = field(
    "training.clip_norm",
    "Clip gradient",
    "",
    "",
    "Largest global norm of the gradient; a larger one is scaled down to it.",
)
.optional(Range::above(0.0), "off");
pub const TRAINING_PULL_TO_START: Field = field(
    "training.pull_to_start",
    "Pull to start",
    "",
    "",
    "Strength of a pull towards the state that S₀ started from; 0 is off. It holds against over-fitting.",
)
.number(Range::from(0.0));
pub const TRAINING_VALIDATE_EVERY: Field = field(
    "training.validate_every",
    "Validate every",
    "",
    "steps",
    "Steps between losses on held-out examples; 0 never measures it. The state of the lowest one is what the run hands over.",
)
.number(Range::whole(0, MAX_STEPS));
pub const TRAINING_VALIDATION_LIMIT: Field = field(
    "training.validation_limit",
    "Held-out",
    "",
    "",
    "At most this many held-out examples a check.",
)
.optional(Range::from(1.0), "all");
pub const TRAINING_SELECT_BY: Field = field(
    "training.select_by",
    "Hand over",
    "",
    "",
    "The state that the run hands over: of the lowest held-out loss, of most held-out items right (for benchmarks whose loss and accuracy part ways), or of the last step.",
)
.choice();
pub const TRAINING_EARLY_STOPPING: Field = field(
    "training.early_stopping",
    "Stop early",
    "",
    "",
    "End when the validation loss has not improved for this many checks.",
)
.optional(Range::whole(1, MAX_STEPS), "off");
pub const TRAINING_ACTIVATION_CHECKPOINTING: Field = field(
    "training.activation_checkpointing",
    "Recompute",
    "",
    "",
    "Compute activations again on the way back instead of keeping them: less memory, about a third more time.",
)
.switch();
pub const TRAINING_L2WRAP: Field = field(
    "training.l2wrap",
    "L2Wrap",
    "",
    "",
    "RWKV's penalty on the largest logit, 1e-4 of its square. RWKV-PEFT applies it when it tunes states; the figures of Gosling's own runs are without it.",
)
.switch();
pub const EVALUATION_BEFORE: Field = field(
    "evaluation.before",
    "Before",
    "",
    "",
    "Measure the untuned model first.",
)
.switch();
pub const EVALUATION_AFTER: Field = field(
    "evaluation.after",
    "After",
    "",
    "",
    "Measure the tuned model at the end.",
)
.switch();
pub const EVALUATION_FEW_SHOT: Field = field(
    "evaluation.few_shot",
    "In front",
    "",
    "examples",
    "Also measure the untuned model with this many solved questions in front, since an untuned 0 is partly a matter of format; 0 skips it.",
)
.number(Range::whole(0, MAX_FEW_SHOT));
pub const EVALUATION_LIMIT: Field = field(
    "evaluation.limit",
    "Items",
    "n",
    "",
    "At most this many items, the first ones. Fewer are faster and give wider intervals.",
)
.optional(Range::from(1.0), "all");
pub const EVALUATION_SPLIT: Field = field(
    "evaluation.split",
    "Split",
    "",
    "",
    "Choose rates and sizes on the validation split, and report the test split once.",
)
.choice();
pub const EVALUATION_CONTEXT_LENGTH: Field = field(
    "evaluation.context_length",
    "Longest item",
    "T",
    "tokens",
    "Items of more tokens than this, token 0 and the answer included, are left out, counted and listed; without it an item has any length.",
)
.optional(Range::from(1.0), "unlimited");
pub const EVALUATION_MAX_NEW_TOKENS: Field = field(
    "evaluation.max_new_tokens",
    "Longest answer",
    "",
    "tokens",
    "Where written answers are cut off. Without it after the longest gold answer of the training split and a quarter more. Accuracies under different limits do not compare.",
)
.optional(Range::whole(1, MAX_CONTEXT), "automatic");
pub const EVALUATION_MMLU: Field = field(
    "evaluation.mmlu",
    "MMLU wording",
    "",
    "",
    "How official MMLU questions are put: as lm-evaluation-harness words them, or as RWKV-LM's own evaluation (rwkv_mmlu_eval.py). Accuracies of different wordings do not compare.",
)
.choice();
pub const INTERVALS_LOG: Field = field(
    "intervals.log",
    "Log every",
    "",
    "steps",
    "Steps between numbers that are read back; 1 shows every step and costs little.",
)
.number(Range::whole(0, MAX_STEPS));
pub const INTERVALS_CHECKPOINT: Field = field(
    "intervals.checkpoint",
    "Checkpoint every",
    "",
    "steps",
    "Steps between checkpoints, from which an interrupted run goes on; 0 is never.",
)
.number(Range::whole(0, MAX_STEPS));
pub const INTERVALS_SNAPSHOT: Field = field(
    "intervals.snapshot",
    "Snapshot every",
    "",
    "steps",
    "Steps between states that are kept on the disk to look at later; 0 is never. States is live without it.",
)
.number(Range::whole(0, MAX_STEPS));
pub const INTERVALS_SNAPSHOT_MIB: Field = field(
    "intervals.snapshot_mib",
    "Snapshots at most",
    "",
    "MiB",
    "Disk space that the snapshots of the run may take together; fewer are kept where they would take more.",
)
.number(Range::whole(1, MAX_SNAPSHOT_MIB));
pub const OPTIMIZER_BETA1: Field = field(
    "training.optimizer.beta1",
    "Mean",
    "β₁",
    "",
    "Share of the mean gradient that is kept each step.",
)
.number(Range::from(0.0).below(1.0));
pub const OPTIMIZER_BETA2: Field = field(
    "training.optimizer.beta2",
    "Mean square",
    "β₂",
    "",
    "The same for the mean square.",
)
.number(Range::from(0.0).below(1.0));
pub const OPTIMIZER_EPSILON: Field = field(
    "training.optimizer.epsilon",
    "Added",
    "ε",
    "",
    "Added to the root of the mean square.",
)
.number(Range::above(0.0).up_to(1.0));
pub const OPTIMIZER_WEIGHT_DECAY: Field = field(
    "training.optimizer.weight_decay",
    "Decay",
    "",
    "",
    "Share of the state taken off per unit of learning rate.",
)
.number(Range::from(0.0));
pub const OPTIMIZER_MOMENTUM: Field = field(
    "training.optimizer.momentum",
    "Momentum",
    "",
    "",
    "Share of the last update that is kept.",
)
.number(Range::from(0.0).below(1.0));

/// All of them.
pub const ALL: [Field; 34] = [
    TRAINING_STEPS,
    TRAINING_BATCH,
    TRAINING_ACCUMULATE,
    TRAINING_LEARNING_RATE,
    TRAINING_SCHEDULE,
    SCHEDULE_LAST,
    TRAINING_WARMUP_STEPS,
    TRAINING_SEED,
    TRAINING_OPTIMIZER,
    TRAINING_CLIP_NORM,
    TRAINING_PULL_TO_START,
    TRAINING_VALIDATE_EVERY,
    TRAINING_VALIDATION_LIMIT,
    TRAINING_SELECT_BY,
    TRAINING_EARLY_STOPPING,
    TRAINING_ACTIVATION_CHECKPOINTING,
    TRAINING_L2WRAP,
    EVALUATION_BEFORE,
    EVALUATION_AFTER,
    EVALUATION_FEW_SHOT,
    EVALUATION_LIMIT,
    EVALUATION_SPLIT,
    EVALUATION_CONTEXT_LENGTH,
    EVALUATION_MAX_NEW_TOKENS,
    EVALUATION_MMLU,
    INTERVALS_LOG,
    INTERVALS_CHECKPOINT,
    INTERVALS_SNAPSHOT,
    INTERVALS_SNAPSHOT_MIB,
    OPTIMIZER_BETA1,
    OPTIMIZER_BETA2,
    OPTIMIZER_EPSILON,
    OPTIMIZER_WEIGHT_DECAY,
    OPTIMIZER_MOMENTUM,
];
