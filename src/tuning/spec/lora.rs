//! Low-rank adapters as a method of tuning, and what it is compared with a state by.

use serde::{Deserialize, Serialize};

use super::{Layers, Method, StartState};
use crate::model::ModelConfig;
use crate::model::adapter::AdapterTarget;

/// LoRA (arXiv 2106.09685): beside chosen frozen matrices a product of two thin ones,
/// `W x + (alpha / rank) B A dropout(x)`, alone or together with S_0. A starts as Kaiming's
/// uniform distribution with the slope sqrt 5, B as zero, so that step 0 is the
/// untuned model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LoraSpec {
    /// The layers that have adapters, and whose S_0 is trained if it is.
    pub layers: Layers,
    /// What S_0 starts from; it stays there unless it is trained.
    pub start: StartState,
    /// Train S_0 beside the adapters.
    pub tune_s0: bool,
    /// Rows of A and columns of B.
    pub rank: usize,
    /// The product is taken times this over the rank.
    pub alpha: f64,
    /// The share of what an adapter multiplies that is dropped in training, from 0 to
    /// below 1.
    pub dropout: f64,
    /// The matrices that have an adapter.
    pub targets: LoraTargets,
    /// Peak learning rate of A and B.
    pub learning_rate_lora: f64,
}

/// Which matrices of a layer have an adapter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LoraTargets {
    /// Receptance of time mixing.
    pub receptance: bool,
    /// Key of time mixing.
    pub key: bool,
    /// Value of time mixing.
    pub value: bool,
    /// Output of time mixing.
    pub output: bool,
    /// Key of channel mixing.
    pub ffn_key: bool,
    /// Value of channel mixing.
    pub ffn_value: bool,
}

impl Default for LoraTargets {
    fn default() -> Self {
        Self {
            receptance: true,
            key: true,
            value: true,
            output: true,
            ffn_key: true,
            ffn_value: true,
        }
    }
}

impl LoraTargets {
    /// Whether a matrix has an adapter.
    pub fn has(&self, target: AdapterTarget) -> bool {
        match target {
            AdapterTarget::Receptance => self.receptance,
            AdapterTarget::Key => self.key,
            AdapterTarget::Value => self.value,
            AdapterTarget::Output => self.output,
            AdapterTarget::FfnKey => self.ffn_key,
            AdapterTarget::FfnValue => self.ffn_value,
        }
    }

    /// The matrices that have one.
    pub fn chosen(&self) -> Vec<AdapterTarget> {
        let all = AdapterTarget::ALL.into_iter();
        all.filter(|target| self.has(*target)).collect()
    }
}

impl Default for LoraSpec {
    fn default() -> Self {
        Self {
            layers: Layers::All,
            start: StartState::Zero,
            tune_s0: false,
            rank: 16,
            alpha: 32.0,
            dropout: 0.0,
            targets: LoraTargets::default(),
            learning_rate_lora: 0.003,
        }
    }
}

impl LoraSpec {
    /// Numbers of A and B of all adapters beside a model; layers that it does not have
    /// are not counted.
    pub fn n_parameters(&self, model: &ModelConfig) -> usize {
        let n_layer = match &self.layers {
            Layers::All => model.n_layer,
            Layers::Only(layers) => layers.iter().filter(|of| **of < model.n_layer).count(),
        };
        let targets = self.targets.chosen().into_iter();
        let of_layer: usize = targets.map(|of| of.dims(model).iter().sum::<usize>()).sum();
        n_layer * self.rank * of_layer
    }
}

impl Method {
    /// The adapters of a method that has some.
    pub fn lora(&self) -> Option<&LoraSpec> {
        match self {
            Self::Base | Self::Standard(_) | Self::Lifted(_) | Self::PaperLiteral(_) => None,
            Self::Lora(lora) => Some(lora),
        }
    }
}
