//! Which way round a stored state is: what files say, and what their formats
//! hold by convention.

use std::str::FromStr;

use super::CheckpointFormat;
use super::tensors::is_stacked;
use crate::error::{Error, Result};
use crate::model::Architecture;
use crate::model::checkpoint::Checkpoint;

/// What the last two axes of a stored state are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Orientation {
    /// [head, value, key], as RWKV-PEFT saves it and [`super::TunedState`] holds it.
    ValueKey,
    /// [head, key, value], as web-rwkv and Ai00 read it.
    KeyValue,
}

impl Orientation {
    /// The name in a file's metadata.
    pub fn name(self) -> &'static str {
        match self {
            Self::ValueKey => "value,key",
            Self::KeyValue => "key,value",
        }
    }

    /// The name on the command line.
    pub fn argument(self) -> &'static str {
        match self {
            Self::ValueKey => "value-key",
            Self::KeyValue => "key-value",
        }
    }

    /// The one of a name in a file: `value,key`, `[head, value, key]` and the like.
    pub(super) fn by_name(text: &str) -> Option<Self> {
        let plain: String = text.chars().filter(|c| !" []()".contains(*c)).collect();
        let plain = plain.replace('-', ",");
        let plain = plain.strip_prefix("head,").unwrap_or(&plain);
        let mut both = [Self::ValueKey, Self::KeyValue].into_iter();
        both.find(|known| known.name() == plain)
    }

    /// The other one.
    #[must_use]
    pub fn other(self) -> Self {
        match self {
            Self::ValueKey => Self::KeyValue,
            Self::KeyValue => Self::ValueKey,
        }
    }
}

impl FromStr for Orientation {
    type Err = Error;

    /// # Errors
    /// [`Error::Spec`] with what is allowed.
    fn from_str(text: &str) -> Result<Self> {
        match text {
            "value-key" => Ok(Self::ValueKey),
            "key-value" => Ok(Self::KeyValue),
            other => {
                let reason = tr!(
                    "`{other}` is unknown; choose value-key (RWKV-PEFT order) or key-value (Ai00 \
                     and web-rwkv)",
                    other
                );
                Err(Error::spec("orientation", reason))
            }
        }
    }
}

/// A file format in which all programs hold a state the same way round.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Convention {
    /// The order.
    pub orientation: Orientation,
    /// The format, for the user.
    pub format: &'static str,
}

impl Convention {
    /// That of the raw f32 of rwkv.cpp: it goes to `state_in` as it is
    /// (`rwkv_operators_wkv_v7.inc`).
    pub const RAW: Self = Self {
        orientation: Orientation::ValueKey,
        format: ".bin (rwkv.cpp)",
    };

    /// That of the states of an architecture, in whatever format; none where formats
    /// differ. fla's papers and s0-tuning have [head, key, value], as the recurrence of
    /// Gated DeltaNet is written.
    pub fn of_architecture(architecture: Architecture) -> Option<Self> {
        match architecture {
            Architecture::Rwkv7 => None,
            Architecture::GatedDeltaNet => Some(Self {
                orientation: Orientation::KeyValue,
                format: tr!("state of Gated DeltaNet (fla, s0-tuning)"),
            }),
        }
    }

    /// That of the file. RWKV-PEFT, RWKV-Runner and the `rwkv` package hold a
    /// `.pth` value-key, the shape that their kernels read; Ai00 and web-rwkv
    /// transpose a `.st` or `.state` as they load it, so it is key-value. A
    /// `.safetensors` of another program has none, and neither has one tensor for all
    /// layers.
    pub fn of(checkpoint: &Checkpoint) -> Option<Self> {
        let ending = checkpoint.file().extension().unwrap_or_default();
        let ending = ending.to_string_lossy().to_ascii_lowercase();
        match (checkpoint.format(), ending.as_str()) {
            (CheckpointFormat::Torch, _) if is_stacked(checkpoint) => None,
            (CheckpointFormat::Torch, _) => Some(Self {
                orientation: Orientation::ValueKey,
                format: ".pth",
            }),
            (CheckpointFormat::Safetensors, "st" | "state") => Some(Self {
                orientation: Orientation::KeyValue,
                format: ".st (Ai00, web-rwkv)",
            }),
            (
                CheckpointFormat::Safetensors | CheckpointFormat::Gguf | CheckpointFormat::Ggml,
                _,
            ) => None,
        }
    }
}
