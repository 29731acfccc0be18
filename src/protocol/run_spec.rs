//! What a run is: every choice that changes its result, as plain data. The
//! same RON file runs on the command line and in the window.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

pub use crate::data::LongTexts;
use crate::data::{Benchmark, MmluTemplate, Template};
use crate::kernels::device::DeviceChoice;
pub use crate::model::{LeadingToken, Precision};
use crate::tuning::spec::{LossOn, Method, StandardSpec, TrainingSpec};

/// A whole run. Fields that are left out of a RON file take their defaults. What each
/// is called, does and takes stands in the table of [`super::fields`].
///
/// A state is worth what its use shares with its training. What each field decides
/// beyond its run, where that is written down and what follows it:
///
/// | field | stands in | is followed by |
/// |---|---|---|
/// | `model.checkpoint` | the state's name and hash of the weights, `inputs.json`, checkpoints | `--model` of later commands by default; other weights are told, at a resumption and at `--start` refused |
/// | `model.vocabulary` | the state's name and hash, `inputs.json`; the run's `vocabulary.txt`, an export's `_vocab.txt` | later commands, the window, the exported script; another one is told, at a resumption refused |
/// | `model.precision` | the state's specification | `eval` and `generate`, where the device has it |
/// | `data.source` | the state's hash of the examples, `inputs.json` | other data are refused at a resumption |
/// | `data.source.template`, a benchmark's wording | the state's template | the exported script, `generate --template`; a prompt that reads otherwise is told |
/// | `data.leading_token` | the state | everything that feeds a text to the state |
/// | `data.context_length`, `data.long_texts`, `data.train_limit`, `data.held_out`, `data.loss_on` | the state's specification | nothing: a state has no length of its own |
/// | `method` | the state, and the format of its file | everything, since the file holds what was trained |
/// | `training` | the state's specification | nothing but a resumption |
/// | `evaluation.context_length`, `.max_new_tokens`, `.mmlu` | the state's specification, the evaluation's conditions | `eval` and the scoring of a run, unless they are told otherwise |
/// | `evaluation.few_shot`, `.limit`, `.split` | the evaluation's conditions | nothing: an evaluation is asked for with its own; others do not compare |
/// | `name`, `device`, `intervals` | the run's specification | nothing |
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RunSpec {
    /// A short name, the start of the run's folder name.
    pub name: String,
    /// Where the run computes.
    pub device: DeviceChoice,
    /// The frozen model.
    pub model: ModelSpec,
    /// What it is tuned on.
    pub data: DataSpec,
    /// What is trained.
    pub method: Method,
    /// How it is trained.
    pub training: TrainingSpec,
    /// How accuracy is measured before and after.
    pub evaluation: EvaluationSpec,
    /// How often things are written down.
    pub intervals: Intervals,
}

/// The frozen model and its vocabulary.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ModelSpec {
    /// The checkpoint.
    pub checkpoint: CheckpointSource,
    /// The vocabulary.
    pub vocabulary: VocabularySource,
    /// How weights and activations are stored on the device.
    pub precision: Precision,
}

/// Where the weights come from.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum CheckpointSource {
    /// The 7 M parameter model that ships with the program.
    #[default]
    Mini,
    /// An RWKV-7 (x070) file or folder in any dialect, or the folder of a Gated DeltaNet.
    File(PathBuf),
}

/// Where the vocabulary comes from.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum VocabularySource {
    /// The `tokenizer.json` that a Gated DeltaNet brings, else the mini one for
    /// vocabularies of 4096, the World one for 65536.
    #[default]
    Auto,
    /// The vocabulary of the mini model.
    Mini,
    /// `rwkv_vocab_v20230424`.
    World,
    /// A file in the official text format, or a `tokenizer.json`.
    File(PathBuf),
}

/// The training, validation and test sets.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DataSpec {
    /// The set.
    pub source: DataSource,
    /// At most this many training examples, the first ones; all by default.
    pub train_limit: Option<usize>,
    /// Which of the user's own examples are held out where no validation file is named.
    pub held_out: HeldOut,
    /// Which tokens the loss counts.
    pub loss_on: LossOn,
    /// Let every example end in token 0, so that the model learns to stop there.
    pub append_end: bool,
    /// What stands in front of a text: in training, and wherever the state is used.
    pub leading_token: LeadingToken,
    /// The most tokens of an example, room for token 0 included.
    pub context_length: usize,
    /// What becomes of examples with more tokens; they are counted.
    pub long_texts: LongTexts,
}

/// Which of the user's own examples are held out, drawn by a seed of their own, so that
/// runs of any seed compare. Examples with nearly the same prompt stay together.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub enum HeldOut {
    /// A twentieth of them, at least 20 and at most 500. Of 10 to 50 examples none
    /// is given away: the number of steps is chosen by cross-validation, and the run
    /// trains on all of them for so long.
    #[default]
    Auto,
    /// None; the last state is kept.
    None,
    /// This share of them.
    Share(f64),
    /// So many of them.
    Count(usize),
}

/// A set in one of the formats the program reads.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub enum DataSource {
    /// A benchmark that ships with the program.
    Mini(Benchmark),
    /// A benchmark in its official files.
    Official {
        /// Which one.
        benchmark: Benchmark,
        /// The folder that holds the files.
        folder: PathBuf,
    },
    /// Data of the user's own, chats, instructions, prompts or texts: JSON lines, a JSON
    /// array, a table with a header, tokens, or a folder of text files.
    Jsonl {
        /// The training examples.
        train: PathBuf,
        /// Held-out examples; without them some of the others are, by `data.held_out`.
        validation: Option<PathBuf>,
        /// What stands around prompts, answers and turns.
        template: Template,
    },
}

/// How accuracy is measured.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct EvaluationSpec {
    /// Measure the untuned model too.
    pub before: bool,
    /// Measure the tuned model.
    pub after: bool,
    /// Also the untuned model with this many examples in front; 0 skips it.
    pub few_shot: usize,
    /// At most this many test items, the first ones; all by default.
    pub limit: Option<usize>,
    /// The split that is scored.
    pub split: EvaluationSplit,
    /// Items of more tokens than this, token 0 and the answer included, are
    /// left out and listed; by default an item has any length.
    pub context_length: Option<usize>,
    /// Where written answers are cut off, in tokens; by default after the longest
    /// gold answer of the training split and a quarter more.
    pub max_new_tokens: Option<usize>,
    /// The wording of official MMLU questions.
    pub mmlu: MmluTemplate,
}

/// The split that is scored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum EvaluationSplit {
    /// For choosing rates.
    Validation,
    /// For reporting.
    #[default]
    Test,
}

/// How often things are written down, in steps; 0 is never.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Intervals {
    /// Loss and rates are read back and logged.
    pub log: usize,
    /// A checkpoint is written.
    pub checkpoint: usize,
    /// A snapshot of the state is stored, as at the start and at the end.
    pub snapshot: usize,
    /// Mebibytes that all snapshots of the run may take; fewer are stored where
    /// they would take more.
    pub snapshot_mib: usize,
    /// Whether the numbers are written for TensorBoard too.
    pub tensorboard: bool,
}

impl Default for RunSpec {
    fn default() -> Self {
        Self {
            name: "standard".into(),
            device: DeviceChoice::default(),
            model: ModelSpec::default(),
            data: DataSpec::default(),
            method: Method::Standard(StandardSpec::default()),
            training: TrainingSpec::default(),
            evaluation: EvaluationSpec::default(),
            intervals: Intervals::default(),
        }
    }
}

impl Default for DataSpec {
    fn default() -> Self {
        Self {
            source: DataSource::Mini(Benchmark::Gsm8k),
            train_limit: None,
            held_out: HeldOut::default(),
            loss_on: LossOn::default(),
            append_end: false,
            leading_token: LeadingToken::default(),
            context_length: 512,
            long_texts: LongTexts::default(),
        }
    }
}

impl Default for EvaluationSpec {
    fn default() -> Self {
        Self {
            before: true,
            after: true,
            few_shot: 5,
            limit: None,
            split: EvaluationSplit::default(),
            context_length: None,
            max_new_tokens: None,
            mmlu: MmluTemplate::default(),
        }
    }
}

impl Default for Intervals {
    fn default() -> Self {
        Self {
            log: 1,
            checkpoint: 50,
            snapshot: 50,
            snapshot_mib: 1024,
            tensorboard: false,
        }
    }
}

impl RunSpec {
    /// The same run for so many steps, on all of the data; a warm-up that is as long
    /// becomes a tenth of them.
    pub(crate) fn take_steps(&mut self, steps: usize) {
        self.training.steps = steps;
        if self.training.warmup_steps >= steps {
            self.training.warmup_steps = steps / 10;
        }
        self.data.held_out = HeldOut::None;
    }
}
