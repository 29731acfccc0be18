//! The numbers of one step that a worker reports.

use serde::{Deserialize, Serialize};

use super::any_float;
use crate::tuning::train::trainer::{LiftNumbers, LoraNumbers};

/// Numbers of one step.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct StepMetrics {
    /// Steps done, from 1.
    pub step: usize,
    /// Mean nats a counted token, before the step's update.
    pub loss: f64,
    /// Global norm of the gradient before clipping.
    pub grad_norm: f64,
    /// Norm of S_0 over all layers after the update.
    pub state_norm: f64,
    /// The learning rate used.
    pub learning_rate: f64,
    /// Tokens the step computed, padding left out.
    pub tokens: usize,
    /// Wall time of the step.
    pub secs: f64,
    /// Numbers of the branch, of a lifted run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lift: Option<LiftMetrics>,
    /// Numbers of the adapters, of a LoRA run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lora: Option<LoraMetrics>,
}

/// Numbers of the adapters of a LoRA run.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct LoraMetrics {
    /// Norm of all A and B after the update.
    #[serde(with = "any_float")]
    pub norm: f64,
}

impl From<LoraNumbers> for LoraMetrics {
    fn from(numbers: LoraNumbers) -> Self {
        Self { norm: numbers.norm }
    }
}

/// Numbers of the branch of a lifted run.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct LiftMetrics {
    /// Norm of Z over all layers after the update.
    #[serde(with = "any_float")]
    pub norm: f64,
    /// The mean magnitude of the write gates, of a recurrent one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gate: Option<f64>,
    /// Of the paper's recurrence as it is printed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub literal: Option<LiteralMetrics>,
    /// Where R was looked at in this step.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decorrelation: Option<DecorrelationMetrics>,
}

/// What the guard of the paper's recurrence saw in a step.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct LiteralMetrics {
    /// Share of the decays that were outside 0 to 1 and clamped.
    #[serde(with = "any_float")]
    pub clamped: f64,
    /// The largest magnitude in the states.
    #[serde(with = "any_float")]
    pub largest: f64,
}

/// What R makes of the features of a step; means over layers and heads.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct DecorrelationMetrics {
    /// L_decor.
    #[serde(with = "any_float")]
    pub loss: f64,
    /// Mean |corr| of two different features.
    #[serde(with = "any_float")]
    pub off_diagonal: f64,
    /// Root mean square of z = R phi.
    #[serde(with = "any_float")]
    pub rms: f64,
    /// |R|, after the update.
    #[serde(with = "any_float")]
    pub norm: f64,
    /// The largest condition number of an R over layers and heads, at the steps
    /// for which it is worked out. Layers take turns: that of one is measured after
    /// the update, those of the others were before; after the last step all are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub condition: Option<f64>,
}

impl From<LiftNumbers> for LiftMetrics {
    fn from(numbers: LiftNumbers) -> Self {
        Self {
            norm: numbers.norm,
            gate: numbers.gate,
            literal: numbers.literal.map(|of| LiteralMetrics {
                clamped: of.clamped,
                largest: of.largest,
            }),
            decorrelation: numbers.decorrelation.map(|of| DecorrelationMetrics {
                loss: of.loss,
                off_diagonal: of.off_diagonal,
                rms: of.rms,
                norm: of.norm,
                condition: None,
            }),
        }
    }
}
