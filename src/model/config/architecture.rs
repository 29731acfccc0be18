//! The architectures that can be run.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// What kind of recurrent model it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Architecture {
    /// RWKV-7 (x070).
    #[default]
    Rwkv7,
    /// Gated DeltaNet, as fla's `GatedDeltaNetForCausalLM` has it.
    GatedDeltaNet,
}

impl Architecture {
    /// The name for the user.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Rwkv7 => "RWKV-7",
            Self::GatedDeltaNet => "Gated DeltaNet",
        }
    }

    /// The name in files: `model_type` of a `config.json`, `arch` of s0-tuning.
    pub const fn key(self) -> &'static str {
        match self {
            Self::Rwkv7 => "rwkv7",
            Self::GatedDeltaNet => "gated_deltanet",
        }
    }

    /// The one with this name in files.
    pub fn by_key(key: &str) -> Option<Self> {
        [Self::Rwkv7, Self::GatedDeltaNet]
            .into_iter()
            .find(|one| one.key() == key)
    }

    /// Whether `config`, what a `config.json` says, is of this architecture.
    pub(in crate::model) fn is_named_in(self, config: &Value) -> bool {
        config.get("model_type").is_some_and(|it| it == self.key())
    }

    /// That of a checkpoint: by its `config.json`, or by the `names` of tensors that
    /// no other has. All else is read as RWKV-7, whose reader says what it is instead.
    pub(in crate::model) fn of<'name>(
        config: Option<&Value>,
        names: impl Iterator<Item = &'name str> + Clone,
    ) -> Self {
        let says_so = config.is_some_and(|config| Self::GatedDeltaNet.is_named_in(config));
        let has = |part: &str| names.clone().any(|name| name.ends_with(part));
        if says_so || has(".attn.A_log") && has(".attn.q_conv1d.weight") {
            Self::GatedDeltaNet
        } else {
            Self::Rwkv7
        }
    }
}
