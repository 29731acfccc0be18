//! Standard state tuning.

use serde::{Deserialize, Serialize};

use super::{Layers, Method, StartState};

/// Standard state tuning: S_0 of chosen layers, and their token shifts if wanted.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct StandardSpec {
    /// The layers whose state is trained.
    pub layers: Layers,
    /// What the state starts from.
    pub start: StartState,
    /// Which parts of it are trained.
    pub tune: TunedParts,
    /// Peak learning rate of the token shifts, where they are trained.
    pub learning_rate_shift: f64,
}

/// The parts of a layer's state that are trained.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum TunedParts {
    /// S_0 alone: what every consumer of a state takes.
    #[default]
    S0,
    /// S_0, and what the last inputs of time mixing and of channel mixing are before a
    /// text, which few consumers take.
    S0AndShift,
}

impl Default for StandardSpec {
    fn default() -> Self {
        Self {
            layers: Layers::All,
            start: StartState::Zero,
            tune: TunedParts::S0,
            learning_rate_shift: 0.03,
        }
    }
}

impl Method {
    /// The peak learning rate of the token shifts; none where they are not trained.
    pub fn shift_rate(&self) -> Option<f64> {
        match self {
            Self::Standard(standard) if standard.tune == TunedParts::S0AndShift => {
                Some(standard.learning_rate_shift)
            }
            Self::Base
            | Self::Standard(_)
            | Self::Lifted(_)
            | Self::PaperLiteral(_)
            | Self::Lora(_) => None,
        }
    }
}
