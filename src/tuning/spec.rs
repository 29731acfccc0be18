//! What is trained and how, as plain data: the part of a run's specification
//! that the trainer reads.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

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
