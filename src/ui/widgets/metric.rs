//! The numbers of a run that are plotted.

use serde::{Deserialize, Serialize};

use crate::runs::run::Run;
use crate::runs::series::Series;

/// A number that is plotted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Metric {
    /// Training and validation loss.
    Loss,
    /// Gradient norm before clipping.
    GradNorm,
    /// Norm of S_0.
    StateNorm,
    /// L_decor.
    DecorrelationLoss,
    /// Mean |corr| of two different features.
    OffDiagonal,
    /// Root mean square of z = R phi.
    FeatureRms,
    /// |R|.
    DecorrelationNorm,
    /// Norm of Z.
    LiftNorm,
    /// Norm of the adapters.
    LoraNorm,
    /// Learning rate of S_0.
    LearningRate,
    /// Learning rate of Z.
    LiftRate,
    /// Learning rate of the adapters.
    LoraRate,
    /// Learning rate of R.
    DecorrelationRate,
    /// Share of held-out questions that are answered right.
    HeldOutAccuracy,
    /// Tokens a second.
    TokensPerSec,
}

impl Metric {
    /// Every metric, in the order in which they stand below each other.
    pub const ALL: [Self; 15] = {
        let mut all = [Self::Loss; 15];
        let mut idx = 1;
        while idx < all.len() {
            all[idx] = Self::SMALL[idx - 1];
            idx += 1;
        }
        all
    };

    /// Every metric but the loss, in the order in which they stand below it.
    pub const SMALL: [Self; 14] = [
        Self::HeldOutAccuracy,
        Self::DecorrelationLoss,
        Self::OffDiagonal,
        Self::GradNorm,
        Self::StateNorm,
        Self::LiftNorm,
        Self::LoraNorm,
        Self::FeatureRms,
        Self::DecorrelationNorm,
        Self::LearningRate,
        Self::LiftRate,
        Self::LoraRate,
        Self::DecorrelationRate,
        Self::TokensPerSec,
    ];

    /// What the user sees above the plot.
    pub fn title(self) -> &'static str {
        match self {
            Self::Loss => tr!("Loss"),
            Self::GradNorm => tr!("Gradient norm"),
            Self::StateNorm => tr!("State norm"),
            Self::DecorrelationLoss => tr!("Decorrelation loss"),
            Self::OffDiagonal => tr!("Off-diagonal mass"),
            Self::FeatureRms => tr!("Feature size"),
            Self::DecorrelationNorm => tr!("Norm of R"),
            Self::LiftNorm => tr!("Norm of Z"),
            Self::LoraNorm => tr!("Norm of adapters"),
            Self::LearningRate => tr!("Learning rate"),
            Self::LiftRate => tr!("Learning rate of Z"),
            Self::LoraRate => tr!("Learning rate of LoRA"),
            Self::DecorrelationRate => tr!("Learning rate of R"),
            Self::HeldOutAccuracy => tr!("Held-out accuracy"),
            Self::TokensPerSec => tr!("Speed"),
        }
    }

    /// Its symbol or unit, or what it is.
    pub fn unit(self) -> &'static str {
        match self {
            Self::Loss => tr!("nats per token; dots are held-out examples"),
            Self::GradNorm => tr!("before clipping"),
            Self::StateNorm => tr!("|S₀| over all layers"),
            Self::DecorrelationLoss => "L_decor",
            Self::OffDiagonal => tr!("mean |corr| of two features"),
            Self::FeatureRms => tr!("rms of z = R φ"),
            Self::DecorrelationNorm => "|R|",
            Self::LiftNorm => tr!("|Z| over all layers"),
            Self::LoraNorm => tr!("of all A and B"),
            Self::LearningRate => tr!("η of S₀"),
            Self::LiftRate => tr!("η of the lifted state"),
            Self::LoraRate => tr!("η of A and B"),
            Self::DecorrelationRate => tr!("η of its schedule or rule"),
            Self::HeldOutAccuracy => tr!("share of correct answers, from 0 to 1"),
            Self::TokensPerSec => tr!("tokens per second"),
        }
    }

    /// The numbers of a run.
    pub fn series(self, run: &Run) -> &Series {
        let series = &run.series;
        match self {
            Self::Loss => &series.loss,
            Self::GradNorm => &series.grad_norm,
            Self::StateNorm => &series.state_norm,
            Self::DecorrelationLoss => &series.decorrelation_loss,
            Self::OffDiagonal => &series.off_diagonal,
            Self::FeatureRms => &series.feature_rms,
            Self::DecorrelationNorm => &series.decorrelation_norm,
            Self::LiftNorm => &series.lift_norm,
            Self::LoraNorm => &series.lora_norm,
            Self::LearningRate => &series.learning_rate,
            Self::LiftRate => &series.lift_rate,
            Self::LoraRate => &series.lora_rate,
            Self::DecorrelationRate => &series.decorrelation_rate,
            Self::HeldOutAccuracy => &series.validation_accuracy,
            Self::TokensPerSec => &series.tokens_per_sec,
        }
    }

    /// Whether every run has it; the others are left out where no run does.
    pub fn is_of_every_run(self) -> bool {
        match self {
            Self::Loss
            | Self::GradNorm
            | Self::StateNorm
            | Self::LearningRate
            | Self::TokensPerSec => true,
            Self::DecorrelationLoss
            | Self::OffDiagonal
            | Self::FeatureRms
            | Self::DecorrelationNorm
            | Self::LiftNorm
            | Self::LoraNorm
            | Self::LiftRate
            | Self::LoraRate
            | Self::DecorrelationRate
            | Self::HeldOutAccuracy => false,
        }
    }

    /// Whether it is measured on examples of a data set, and says nothing without it.
    pub fn is_of_data(self) -> bool {
        matches!(self, Self::Loss | Self::HeldOutAccuracy)
    }

    /// Whether a logarithmic axis is for it: numbers that span powers of ten.
    pub fn can_be_log(self) -> bool {
        match self {
            Self::Loss
            | Self::GradNorm
            | Self::StateNorm
            | Self::DecorrelationLoss
            | Self::OffDiagonal
            | Self::FeatureRms
            | Self::DecorrelationNorm
            | Self::LiftNorm
            | Self::LoraNorm
            | Self::LearningRate
            | Self::LiftRate
            | Self::LoraRate
            | Self::DecorrelationRate => true,
            Self::HeldOutAccuracy | Self::TokensPerSec => false,
        }
    }

    /// Whether it jumps from step to step, so that an average says more.
    pub fn is_noisy(self) -> bool {
        match self {
            Self::Loss
            | Self::GradNorm
            | Self::TokensPerSec
            | Self::DecorrelationLoss
            | Self::OffDiagonal => true,
            Self::StateNorm
            | Self::LearningRate
            | Self::LiftRate
            | Self::LoraRate
            | Self::DecorrelationRate
            | Self::FeatureRms
            | Self::DecorrelationNorm
            | Self::LiftNorm
            | Self::LoraNorm
            | Self::HeldOutAccuracy => false,
        }
    }
}
