//! What the user is told of the run, the model, the data and the method.

use crate::ui::widgets::field::{Field, Range, field};
use crate::worker::validate::MAX_CONTEXT;

pub const NAME: Field = field(
    "name",
    "Name",
    "",
    "",
    "The start of the name of the run's folder: letters, digits, - _ and ., up to 64.",
)
.text();
pub const DEVICE: Field = field(
    "device",
    "Device",
    "",
    "",
    "Where the run computes. Automatic takes a real GPU if there is one, else the CPU; a software adapter only where it is asked for.",
)
.choice();
pub const MODEL_CHECKPOINT: Field = field(
    "model.checkpoint",
    "Weights",
    "",
    "",
    "The frozen model, an official RWKV-7 (x070) .pth or .safetensors; or the mini model that ships with the program. No weight is ever changed.",
)
.choice();
pub const MODEL_CHECKPOINT_DETAIL: Field = field(
    "model.checkpoint",
    "Weights file",
    "",
    "",
    "The file of the weights.",
);
pub const MODEL_VOCABULARY: Field = field(
    "model.vocabulary",
    "Vocabulary",
    "",
    "",
    "How text becomes tokens. By the model takes World for 65536 rows and mini for 4096.",
)
.choice();
pub const MODEL_VOCABULARY_DETAIL: Field = field(
    "model.vocabulary",
    "Vocabulary file",
    "",
    "",
    "The file of the vocabulary.",
);
pub const MODEL_PRECISION: Field = field(
    "model.precision",
    "Stored as",
    "",
    "",
    "How the frozen matrices are stored, and with them the factors of products; sums, activations, the state and its recurrence are 32-bit floats always. 16-bit floats halve the memory of the weights and are faster, but only a GPU with matrix units takes them; the CPU has 32-bit floats only.",
)
.choice();
pub const DATA_SOURCE: Field = field(
    "data.source",
    "Data set",
    "",
    "",
    "What the state is tuned on. The -mini sets ship with the program and are not the official benchmarks; official ones are read from their own files.",
)
.choice();
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
    "Examples with text, or with prompt and completion: JSON lines, a JSON array, or a table (CSV) with a header; packed by gzip or not.",
);
pub const SOURCE_VALIDATION: Field = field(
    "data.source.validation",
    "Held-out file",
    "",
    "",
    "The same for held-out examples. Without it over-fitting is not seen and the last state is kept.",
)
.choice();
pub const SOURCE_TEMPLATE: Field = field(
    "data.source.template",
    "Template",
    "",
    "",
    "What is put around a prompt and its completion; User and Assistant is the format of the G1 chat models.",
)
.choice();
pub const DATA_TRAIN_LIMIT: Field = field(
    "data.train_limit",
    "Examples",
    "",
    "",
    "At most this many training examples, the first ones.",
)
.optional(Range::from(1.0), "all");
pub const DATA_LOSS_ON: Field = field(
    "data.loss_on",
    "Loss on",
    "",
    "",
    "Which tokens the loss counts: those of the answer, or every token after the first.",
)
.choice();
pub const DATA_APPEND_END: Field = field(
    "data.append_end",
    "Token 0 at the end",
    "",
    "",
    "Lets every example end in token 0, which ends a document, so that the model learns where to stop. For texts that do not end in a blank line.",
)
.switch();
pub const DATA_LEADING_TOKEN: Field = field(
    "data.leading_token",
    "Leading token",
    "",
    "",
    "What stands in front of every text, in training and wherever the state is used. The untuned model always reads token 0 first. Most other programs (RWKV-Runner, Ai00, the rwkv package) feed the text straight to a tuned state, so a state trained behind token 0 does worse there. Both draws one of the two for every example; such a state is scored without token 0.",
)
.choice();
pub const DATA_CONTEXT_LENGTH: Field = field(
    "data.context_length",
    "Context length",
    "T",
    "tokens",
    "Examples of more tokens than this are left out, and counted. Shorter examples do not cost more for it.",
)
.number(Range::whole(2, MAX_CONTEXT));
pub const METHOD: Field = field(
    "method",
    "Method",
    "",
    "",
    "Standard trains S₀, the state that every text starts from, of each layer and head, with every weight frozen (arXiv 2504.05097, section 3.1). Lifted adds a branch of kernel features (section 3.2), and decorrelation takes their correlations away (section 3.3). Base trains nothing and measures the model as it is.",
)
.choice();
pub const METHOD_LAYERS: Field = field(
    "method.layers",
    "Layers",
    "",
    "",
    "The layers whose S₀ is trained. Leaving out the lower ones saves time and memory.",
)
.choice();
pub const METHOD_LAYERS_DETAIL: Field = field(
    "method.layers",
    "Chosen layers",
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
)
.choice();
pub const METHOD_START_DETAIL: Field = field(
    "method.start",
    "State file",
    "",
    "",
    "The file of the state.",
);
pub const METHOD_START_DETAIL_2: Field = field(
    "method.start",
    "Start text",
    "",
    "",
    "The text that is read.",
);

/// All of them.
#[cfg(test)]
pub const ALL: [Field; 23] = [
    NAME,
    DEVICE,
    MODEL_CHECKPOINT,
    MODEL_CHECKPOINT_DETAIL,
    MODEL_VOCABULARY,
    MODEL_VOCABULARY_DETAIL,
    MODEL_PRECISION,
    DATA_SOURCE,
    SOURCE_FOLDER,
    SOURCE_TRAIN,
    SOURCE_VALIDATION,
    SOURCE_TEMPLATE,
    DATA_TRAIN_LIMIT,
    DATA_LOSS_ON,
    DATA_APPEND_END,
    DATA_LEADING_TOKEN,
    DATA_CONTEXT_LENGTH,
    METHOD,
    METHOD_LAYERS,
    METHOD_LAYERS_DETAIL,
    METHOD_START,
    METHOD_START_DETAIL,
    METHOD_START_DETAIL_2,
];
