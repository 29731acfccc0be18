//! What people are told of the fields of the configuration.

use super::form_row::Field;

pub const fn field(
    path: &'static str,
    name: &'static str,
    symbol: &'static str,
    unit: &'static str,
    hint: &'static str,
) -> Field {
    Field {
        path,
        name,
        symbol,
        unit,
        hint,
    }
}

pub const NAME: Field = field(
    "name",
    "Name",
    "",
    "",
    "The start of the name of the run's folder: letters, digits, - _ and ., up to 64.",
);
pub const DEVICE: Field = field(
    "device",
    "Device",
    "",
    "",
    "Where the run computes. Automatic takes a real GPU if there is one, else the CPU; a software adapter only where it is asked for.",
);
pub const MODEL_CHECKPOINT: Field = field(
    "model.checkpoint",
    "Weights",
    "",
    "",
    "The frozen model, an official RWKV-7 (x070) .pth or .safetensors; or the mini model that ships with the program. No weight is ever changed.",
);
pub const MODEL_CHECKPOINT_DETAIL: Field =
    field("model.checkpoint", "", "", "", "The file of the weights.");
pub const MODEL_VOCABULARY: Field = field(
    "model.vocabulary",
    "Vocabulary",
    "",
    "",
    "How text becomes tokens. By the model takes World for 65536 rows and mini for 4096.",
);
pub const MODEL_VOCABULARY_DETAIL: Field = field(
    "model.vocabulary",
    "",
    "",
    "",
    "The file of the vocabulary.",
);
pub const MODEL_PRECISION: Field = field(
    "model.precision",
    "Stored as",
    "",
    "",
    "How the frozen matrices are stored, and with them the factors of products; sums, activations, the state and its recurrence are 32-bit floats always. 16-bit floats halve the memory of the weights and are faster, but only a GPU with matrix units takes them, in a program built with fast-gpu; the CPU has 32-bit floats only.",
);
pub const DATA_SOURCE: Field = field(
    "data.source",
    "Data set",
    "",
    "",
    "What the state is tuned on. The -mini sets ship with the program and are not the official benchmarks; official ones are read from their own files.",
);
pub const SOURCE_FOLDER: Field = field(
    "data.source.folder",
    "Folder",
    "",
    "",
    "The folder that holds the benchmark's official files.",
);
pub const SOURCE_TRAIN: Field = field(
    "data.source.train",
    "Training file",
    "",
    "",
    "One JSON object a line, with text, or with prompt and completion.",
);
pub const SOURCE_VALIDATION: Field = field(
    "data.source.validation",
    "Held-out file",
    "",
    "",
    "The same for held-out examples. Without it over-fitting is not seen and the last state is kept.",
);
pub const SOURCE_TEMPLATE: Field = field(
    "data.source.template",
    "Template",
    "",
    "",
    "What is put around a prompt and its completion; User and Assistant is the format of the G1 chat models.",
);
pub const DATA_TRAIN_LIMIT: Field = field(
    "data.train_limit",
    "Examples",
    "",
    "",
    "At most this many training examples, the first ones.",
);
pub const DATA_LOSS_ON: Field = field(
    "data.loss_on",
    "Loss on",
    "",
    "",
    "Which tokens the loss counts: those of the answer, or every token after the first.",
);
pub const DATA_CONTEXT_LENGTH: Field = field(
    "data.context_length",
    "Context length",
    "T",
    "tokens",
    "Examples of more tokens than this are left out, and counted. 2 to 1048576. Shorter examples do not cost more for it.",
);
pub const METHOD: Field = field(
    "method",
    "Method",
    "",
    "",
    "Standard trains S₀, the state that every text starts from, of each layer and head, with every weight frozen (arXiv 2504.05097, section 3). Base trains nothing and measures the model as it is.",
);
pub const METHOD_LAYERS: Field = field(
    "method.layers",
    "Layers",
    "",
    "",
    "The layers whose S₀ is trained. Leaving out the lower ones saves time and memory.",
);
pub const METHOD_LAYERS_DETAIL: Field = field(
    "method.layers",
    "",
    "",
    "",
    "Layers counted from 0, with commas between them.",
);
pub const METHOD_START: Field = field(
    "method.start",
    "Starts from",
    "S₀",
    "",
    "Zero is the untuned model. A file goes on from another run's state; a text starts from what the model remembers after reading it.",
);
pub const METHOD_START_DETAIL: Field = field("method.start", "", "", "", "The file of the state.");
pub const METHOD_START_DETAIL_2: Field =
    field("method.start", "", "", "", "The text that is read.");
pub const TRAINING_STEPS: Field = field(
    "training.steps",
    "Steps",
    "",
    "steps",
    "Updates of the state. 1 or more; 200 to 300 are enough for the mini benchmarks.",
);
pub const TRAINING_BATCH: Field = field(
    "training.batch",
    "Batch",
    "B",
    "examples",
    "Examples of one step, computed together. Memory grows with it; a smaller one is noisier.",
);
pub const TRAINING_ACCUMULATE: Field = field(
    "training.accumulate",
    "Accumulate",
    "",
    "batches",
    "Batches whose gradients are added before one update: a larger batch for time instead of memory.",
);
pub const TRAINING_LEARNING_RATE: Field = field(
    "training.learning_rate",
    "Learning rate",
    "η",
    "",
    "The peak rate of S₀, above 0. Rates of states are far larger than those of weights: 0.01 to 0.4 on the mini model. Too large and the run diverges, too small and nothing happens.",
);
pub const TRAINING_SCHEDULE: Field = field(
    "training.schedule",
    "Schedule",
    "",
    "",
    "How the rate falls from its peak after the warm-up.",
);
pub const SCHEDULE_LAST: Field = field(
    "training.schedule.last",
    "Last rate",
    "",
    "of the peak",
    "The rate of the last step as a share of the peak, 0 to 1.",
);
pub const TRAINING_WARMUP_STEPS: Field = field(
    "training.warmup_steps",
    "Warm-up",
    "",
    "steps",
    "Steps over which the rate rises from 0 to its peak; fewer than the steps in all.",
);
pub const TRAINING_SEED: Field = field(
    "training.seed",
    "Seed",
    "",
    "",
    "Seed of the order of the data and of everything random. The same seed on the same device gives the same run.",
);
pub const TRAINING_OPTIMIZER: Field = field(
    "training.optimizer",
    "Optimiser",
    "",
    "",
    "How a gradient becomes an update. Adam is what the paper and RWKV-PEFT use.",
);
pub const TRAINING_CLIP_NORM: Field = field(
    "training.clip_norm",
    "Clip gradient",
    "",
    "",
    "Largest global norm of the gradient; a larger one is scaled down to it.",
);
pub const TRAINING_PULL_TO_START: Field = field(
    "training.pull_to_start",
    "Pull to start",
    "",
    "",
    "Strength of a pull towards the state that S₀ started from; 0 is off. It holds against over-fitting.",
);
pub const TRAINING_VALIDATE_EVERY: Field = field(
    "training.validate_every",
    "Validate every",
    "",
    "steps",
    "Steps between losses on held-out examples; 0 never measures it. The state of the lowest one is what the run hands over.",
);
pub const TRAINING_VALIDATION_LIMIT: Field = field(
    "training.validation_limit",
    "Held-out",
    "",
    "",
    "At most this many held-out examples a check.",
);
pub const TRAINING_SELECT_BY: Field = field(
    "training.select_by",
    "Hand over",
    "",
    "",
    "The state that the run hands over: of the lowest held-out loss, of most held-out items right (for benchmarks whose loss and accuracy part ways), or of the last step.",
);
pub const TRAINING_EARLY_STOPPING: Field = field(
    "training.early_stopping",
    "Stop early",
    "",
    "",
    "End when the validation loss has not improved for this many checks.",
);
pub const TRAINING_ACTIVATION_CHECKPOINTING: Field = field(
    "training.activation_checkpointing",
    "Recompute",
    "",
    "",
    "Compute activations again on the way back instead of keeping them: less memory, about a third more time.",
);
pub const TRAINING_L2WRAP: Field = field(
    "training.l2wrap",
    "L2Wrap",
    "",
    "",
    "RWKV's penalty on the largest logit, 1e-4 of its square. Off in state tuning, as a rule.",
);
pub const EVALUATION_BEFORE: Field = field(
    "evaluation.before",
    "Before",
    "",
    "",
    "Measure the untuned model first.",
);
pub const EVALUATION_AFTER: Field = field(
    "evaluation.after",
    "After",
    "",
    "",
    "Measure the tuned model at the end.",
);
pub const EVALUATION_FEW_SHOT: Field = field(
    "evaluation.few_shot",
    "In front",
    "",
    "examples",
    "Also measure the untuned model with this many solved questions in front, since an untuned 0 is partly a matter of format; 0 skips it.",
);
pub const EVALUATION_LIMIT: Field = field(
    "evaluation.limit",
    "Items",
    "n",
    "",
    "At most this many items, the first ones. Fewer are faster and give wider intervals.",
);
pub const EVALUATION_SPLIT: Field = field(
    "evaluation.split",
    "Split",
    "",
    "",
    "Choose rates and sizes on the validation split, and report the test split once.",
);
pub const EVALUATION_CONTEXT_LENGTH: Field = field(
    "evaluation.context_length",
    "Longest item",
    "T",
    "tokens",
    "Items of more tokens than this, token 0 and the answer included, are left out, counted and listed. 1 or more; without it, as by default, an item has any length.",
);
pub const EVALUATION_MMLU: Field = field(
    "evaluation.mmlu",
    "MMLU wording",
    "",
    "",
    "How official MMLU questions are put: as lm-evaluation-harness words them, which is the default, or as RWKV-LM's own evaluation (rwkv_mmlu_eval.py). Accuracies of different wordings do not compare.",
);
pub const INTERVALS_LOG: Field = field(
    "intervals.log",
    "Log every",
    "",
    "steps",
    "Steps between numbers that are read back; 1 shows every step and costs little.",
);
pub const INTERVALS_CHECKPOINT: Field = field(
    "intervals.checkpoint",
    "Checkpoint every",
    "",
    "steps",
    "Steps between checkpoints, from which an interrupted run goes on; 0 is never.",
);
pub const INTERVALS_SNAPSHOT: Field = field(
    "intervals.snapshot",
    "Snapshot every",
    "",
    "steps",
    "Steps between states that are kept on the disk to look at later; 0 is never. States is live without it.",
);
pub const INTERVALS_SNAPSHOT_MIB: Field = field(
    "intervals.snapshot_mib",
    "Snapshots at most",
    "",
    "MiB",
    "Disk space that the snapshots of the run may take together; fewer are kept where they would take more.",
);
pub const OPTIMIZER_BETA1: Field = field(
    "training.optimizer.beta1",
    "",
    "β₁",
    "",
    "Share of the mean gradient that is kept each step, at least 0 and below 1.",
);
pub const OPTIMIZER_BETA2: Field = field(
    "training.optimizer.beta2",
    "",
    "β₂",
    "",
    "The same for the mean square.",
);
pub const OPTIMIZER_EPSILON: Field = field(
    "training.optimizer.epsilon",
    "",
    "ε",
    "",
    "Added to the root of the mean square, above 0.",
);
pub const OPTIMIZER_WEIGHT_DECAY: Field = field(
    "training.optimizer.weight_decay",
    "Decay",
    "",
    "",
    "Share of the state taken off per unit of learning rate.",
);
pub const OPTIMIZER_MOMENTUM: Field = field(
    "training.optimizer.momentum",
    "Momentum",
    "",
    "",
    "Share of the last update that is kept, at least 0 and below 1.",
);
