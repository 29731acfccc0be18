//! What a run is: every choice that changes its result, as plain data. The
//! same RON file runs on the command line and in the window.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::data::{Benchmark, Template};

/// A whole run. Fields that are left out of a RON file take their defaults.
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

/// Where to compute.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum DeviceChoice {
    /// A real GPU if there is one, else the CPU.
    #[default]
    Auto,
    /// Burn's Flex with the native operators.
    Cpu,
    /// The first GPU, software adapters included.
    Gpu,
    /// The n-th adapter as `gosling devices` lists them.
    GpuIndex(usize),
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
    /// An official x070 `.pth` or `.safetensors`.
    File(PathBuf),
}

/// Where the vocabulary comes from.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum VocabularySource {
    /// The mini one for vocabularies of 4096, the World one for 65536.
    #[default]
    Auto,
    /// The vocabulary of the mini model.
    Mini,
    /// `rwkv_vocab_v20230424`.
    World,
    /// A file in the official text format.
    File(PathBuf),
}

/// Storage of weights and activations; the state is always f32.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum Precision {
    /// 32-bit floats.
    #[default]
    F32,
    /// 16-bit floats where the device has them.
    F16,
}

/// The training, validation and test sets.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DataSpec {
    /// The set.
    pub source: DataSource,
    /// At most this many training examples, the first ones; all by default.
    pub train_limit: Option<usize>,
    /// Which tokens the loss counts.
    pub loss_on: LossOn,
    /// Examples of more tokens than this (token 0 included) are left out, and counted.
    pub context_length: usize,
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
    /// One JSON object a line, `text` or `prompt` and `completion`.
    Jsonl {
        /// The training examples.
        train: PathBuf,
        /// Held-out examples; without them early stopping is off.
        validation: Option<PathBuf>,
        /// How prompt and completion are joined.
        template: Template,
    },
}

/// Which tokens the loss counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum LossOn {
    /// The answer only.
    #[default]
    Answer,
    /// Every token after the first.
    Everything,
}

/// What is trained.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Method {
    /// Nothing: the untuned model.
    Base,
    /// S_0 of the chosen layers.
    Standard(StandardSpec),
}

/// Standard state tuning.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct StandardSpec {
    /// The layers whose S_0 is trained.
    pub layers: Layers,
    /// What S_0 starts from.
    pub start: StartState,
}

/// A choice of layers.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum Layers {
    /// Every layer.
    #[default]
    All,
    /// These, counted from 0.
    Only(Vec<usize>),
}

/// What a state starts from.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum StartState {
    /// Zero: the untuned model.
    #[default]
    Zero,
    /// A state file.
    File(PathBuf),
    /// The state after this text.
    Text(String),
}

/// How the state is trained.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TrainingSpec {
    /// Optimiser steps.
    pub steps: usize,
    /// Examples a step.
    pub batch: usize,
    /// Batches whose gradients are added before one optimiser step.
    pub accumulate: usize,
    /// The optimiser.
    pub optimizer: OptimizerSpec,
    /// Peak learning rate of S_0.
    pub learning_rate: f64,
    /// How the rate falls after the warm-up.
    pub schedule: Schedule,
    /// Steps over which the rate rises from 0 to its peak.
    pub warmup_steps: usize,
    /// Largest global norm of the gradient; larger ones are scaled down.
    pub clip_norm: Option<f64>,
    /// Strength of the L2 pull towards the start state; 0 is off.
    pub pull_to_start: f64,
    /// RWKV's L2Wrap: 1e-4 of the squared largest logit of every counted position.
    pub l2wrap: bool,
    /// Recompute activations in the backward pass: less memory, more time.
    pub activation_checkpointing: bool,
    /// Stop when the validation loss has not improved for some checks.
    pub early_stopping: Option<EarlyStopping>,
    /// Steps between validation losses; 0 never measures it.
    pub validate_every: usize,
    /// At most this many validation examples a check.
    pub validation_limit: Option<usize>,
    /// Seed of the data order and of everything random.
    pub seed: u64,
}

/// The optimiser and its constants.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub enum OptimizerSpec {
    /// Adam.
    Adam {
        /// Decay of the first moment.
        beta1: f64,
        /// Decay of the second moment.
        beta2: f64,
        /// Added to the root of the second moment.
        epsilon: f64,
    },
    /// Adam with decoupled weight decay.
    AdamW {
        /// Decay of the first moment.
        beta1: f64,
        /// Decay of the second moment.
        beta2: f64,
        /// Added to the root of the second moment.
        epsilon: f64,
        /// Share of the state taken off per unit of learning rate.
        weight_decay: f64,
    },
    /// Stochastic gradient descent.
    Sgd {
        /// Share of the last update kept.
        momentum: f64,
    },
}

/// How the learning rate falls from its peak to `last` times its peak.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub enum Schedule {
    /// Half a cosine.
    Cosine {
        /// The last rate as a share of the peak.
        last: f64,
    },
    /// A straight line.
    Linear {
        /// The last rate as a share of the peak.
        last: f64,
    },
    /// No fall.
    Constant,
}

/// When to stop early. The best state is kept in any case.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EarlyStopping {
    /// Checks without an improvement before the run stops.
    pub patience: usize,
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
    /// A snapshot of the state is stored.
    pub snapshot: usize,
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
            loss_on: LossOn::default(),
            context_length: 512,
        }
    }
}

impl Default for TrainingSpec {
    /// The prototype's settings.
    fn default() -> Self {
        Self {
            steps: 300,
            batch: 32,
            accumulate: 1,
            optimizer: OptimizerSpec::Adam {
                beta1: 0.9,
                beta2: 0.99,
                epsilon: 1e-8,
            },
            learning_rate: 0.1,
            schedule: Schedule::Cosine { last: 0.05 },
            warmup_steps: 10,
            clip_norm: Some(1.0),
            pull_to_start: 0.0,
            l2wrap: false,
            activation_checkpointing: false,
            early_stopping: None,
            validate_every: 50,
            validation_limit: Some(100),
            seed: 0,
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
        }
    }
}

impl Default for Intervals {
    fn default() -> Self {
        Self {
            log: 1,
            checkpoint: 50,
            snapshot: 0,
        }
    }
}
