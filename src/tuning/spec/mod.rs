//! What is trained and how, as plain data: the part of a run's specification
//! that the trainer reads.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

mod kind;
mod lifting;
mod lora;
mod of_model;
mod standard;

pub use crate::data::LossOn;
pub use kind::MethodKind;
pub use lifting::{LiftKind, LiftRates, Lifting, PaperLiteralSpec};
pub use lora::{LoraSpec, LoraTargets};
pub use standard::{StandardSpec, TunedParts};

/// What is trained.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Method {
    /// Nothing: the untuned model.
    Base,
    /// S_0 of the chosen layers, and their token shifts if wanted.
    Standard(StandardSpec),
    /// The kernel-lifted state beside the plain one, and S_0 if wanted.
    Lifted(LiftSpec),
    /// The paper's recurrence as it is printed, in place of the plain one.
    PaperLiteral(PaperLiteralSpec),
    /// Low-rank adapters beside frozen matrices, and S_0 if wanted.
    Lora(LoraSpec),
}

/// The kernel-lifted state (arXiv 2504.05097, section 3.2) as a branch beside
/// the plain recurrence, and its decorrelation (section 3.3).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LiftSpec {
    /// The layers that have a branch and whose S_0 is trained.
    pub layers: Layers,
    /// What S_0 starts from.
    pub start: StartState,
    /// Train S_0 beside the branch.
    pub tune_s0: bool,
    /// What is made of the receptance.
    pub features: FeatureSpec,
    /// How the branch changes from token to token.
    pub dynamics: Dynamics,
    /// The decorrelation of the features; none without it.
    pub decorrelation: Option<DecorrelationSpec>,
    /// Peak learning rate of the branch.
    pub learning_rate_lift: f64,
}

/// The kernel features phi.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct FeatureSpec {
    /// Number of support vectors M: from the head size to 1024, a multiple of 16.
    pub upscaled_size: usize,
    /// Where the support vectors come from.
    pub support_vectors: SupportVectors,
    /// Inverse squared width of the kernels.
    pub gamma: Gamma,
}

/// Where support vectors come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum SupportVectors {
    /// Centres of the unit-length receptance vectors that the frozen model
    /// produces on the training set (k-means).
    #[default]
    Cluster,
    /// Random directions.
    Random,
}

/// The inverse squared width of the kernels.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub enum Gamma {
    /// This number.
    Value(f64),
    /// For every head 1 / the median squared distance between receptance
    /// vectors and support vectors.
    Median,
}

/// How the branch changes from token to token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum Dynamics {
    /// Not at all: a static readout of the present receptance, and no memory.
    #[default]
    Constant,
    /// It decays as the model's own state does.
    Decayed,
    /// It decays, removes and writes as the model's own state does, in the
    /// space of the features, through a write gate a head that is trained from 0.
    Recurrent,
}

/// The decorrelation of the features (decorbp's rule; section 3.3).
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DecorrelationSpec {
    /// How R follows the features.
    pub rule: DecorrelationRule,
    /// Take the running mean of the features off first.
    pub center: bool,
    /// Steps from one update of R to the next.
    pub interval: usize,
    /// The share of a batch's positions that an update looks at.
    pub sample: f64,
    /// One R for all heads of a layer.
    pub shared: bool,
}

/// How R follows the features.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub enum DecorrelationRule {
    /// R <- R - eta G R / (1 + |G| / sqrt(M)), G = (1-kappa) C + kappa diag(v).
    LocalRule {
        /// Step size.
        eta: f64,
        /// Weight of unit variance against decorrelation, 0 to 1.
        kappa: f64,
    },
    /// A control: R stays a multiple of the identity, s I, and follows the mean
    /// of v alone, s <- s - eta v s / (1 + |v|). The root mean square of z goes
    /// to 1 as under the rule above, and no correlation changes.
    ScalarRms {
        /// Step size.
        eta: f64,
    },
    /// R is trained on the loss plus lambda times that of decorrelation, which is
    /// the mean over all matrices R.
    Joint {
        /// Weight of the decorrelation loss.
        lambda: f64,
        /// Weight of unit variance against decorrelation, 0 to 1.
        kappa: f64,
        /// Peak learning rate of R.
        learning_rate: f64,
    },
}

impl Layers {
    /// The chosen layers of a model of `n_layer`, ascending.
    ///
    /// # Errors
    /// [`Error::Spec`] for a layer that the model does not have.
    pub fn chosen(&self, n_layer: usize) -> Result<Vec<usize>> {
        match self {
            Self::All => Ok((0..n_layer).collect()),
            Self::Only(layers) => {
                if let Some(layer) = layers.iter().find(|layer| **layer >= n_layer) {
                    let reason = tr!(
                        "has layer {layer}; the model has layers 0 to {}",
                        n_layer - 1,
                        layer
                    );
                    return Err(Error::spec("method.layers", reason));
                }
                let mut layers = layers.clone();
                layers.sort_unstable();
                Ok(layers)
            }
        }
    }
}

impl Default for LiftSpec {
    /// The prototype's settings, without decorrelation.
    fn default() -> Self {
        Self {
            layers: Layers::All,
            start: StartState::Zero,
            tune_s0: true,
            features: FeatureSpec::default(),
            dynamics: Dynamics::Constant,
            decorrelation: None,
            learning_rate_lift: 0.03,
        }
    }
}

impl Default for FeatureSpec {
    fn default() -> Self {
        Self {
            upscaled_size: 256,
            support_vectors: SupportVectors::Cluster,
            gamma: Gamma::Value(1.0),
        }
    }
}

impl Default for DecorrelationSpec {
    /// The prototype's settings.
    fn default() -> Self {
        Self {
            rule: DecorrelationRule::LocalRule {
                eta: 0.05,
                kappa: 0.5,
            },
            center: false,
            interval: 1,
            sample: 1.0,
            shared: false,
        }
    }
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
    /// Read texts in windows of so many tokens, a multiple of 16, and carry the state
    /// and its gradient across them: memory no longer grows with the length of a
    /// text. All of a text at once without it. The gradient is the same.
    pub window: Option<usize>,
    /// Which state the run keeps.
    pub select_by: SelectBy,
    /// Stop when the checks have not improved for some time.
    pub early_stopping: Option<EarlyStopping>,
    /// Steps between validation losses; 0 never measures it.
    pub validate_every: usize,
    /// At most this many validation examples a check, of a validation set; examples
    /// that are held out of the user's own are all measured.
    pub validation_limit: Option<usize>,
    /// Make batches of examples of like length, so that less of a step is padding.
    pub group_by_length: bool,
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

/// Which of the states that a run passes through it keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum SelectBy {
    /// The one with the lowest loss on held-out examples. Step 0 takes part: a
    /// run that never beats the state that it starts from hands that over.
    #[default]
    ValidationLoss,
    /// The one that answers most held-out items right, among equals the one
    /// with the lower loss. For benchmarks whose loss and accuracy part ways.
    ValidationAccuracy,
    /// The last one.
    LastStep,
}

/// When to stop early. The best state is kept in any case.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EarlyStopping {
    /// Checks without an improvement before the run stops.
    pub patience: usize,
}

impl Default for TrainingSpec {
    /// The prototype's settings, at the rate with the lowest loss on the validation
    /// split of gsm8k-mini (`benches/RESULTS.md`).
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
            learning_rate: 0.8,
            schedule: Schedule::Cosine { last: 0.05 },
            warmup_steps: 10,
            clip_norm: Some(1.0),
            pull_to_start: 0.0,
            l2wrap: false,
            activation_checkpointing: false,
            window: None,
            select_by: SelectBy::ValidationLoss,
            early_stopping: None,
            validate_every: 50,
            validation_limit: Some(100),
            group_by_length: false,
            seed: 0,
        }
    }
}
