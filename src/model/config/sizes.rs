//! Sizes that follow from the dimensions of a model.

use serde::{Deserialize, Serialize};

use super::{Architecture, ModelConfig};
use crate::kernels::rectangular::Blocks;

/// Tokens that a convolution of Gated DeltaNet reads.
pub(super) const CONV_TAPS: usize = 4;

/// The keys of a layer, where they are other than the values.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Keys {
    /// Heads of keys. Value heads that stand beside each other share one.
    pub n_head: usize,
    /// K, the key channels of a head, the columns of its state.
    pub size: usize,
}

/// Whether an id is the usual one, which files need not say.
pub(super) fn is_zero(id: &u32) -> bool {
    *id == 0
}

impl ModelConfig {
    /// H N, the value channels of all heads together.
    pub fn head_channels(&self) -> usize {
        self.n_head * self.head_size
    }

    /// K, the key channels of a head; N in RWKV-7.
    pub fn key_size(&self) -> usize {
        self.keys.map_or(self.head_size, |keys| keys.size)
    }

    /// Heads of keys; H in RWKV-7.
    pub fn n_key_head(&self) -> usize {
        self.keys.map_or(self.n_head, |keys| keys.n_head)
    }

    /// The shape of a layer's state: heads, value channels, key channels.
    pub fn state_shape(&self) -> [usize; 3] {
        [self.n_head, self.head_size, self.key_size()]
    }

    /// Numbers of a layer's state.
    pub fn n_state(&self) -> usize {
        self.state_shape().iter().product()
    }

    /// How the recurrence cuts a head.
    pub fn blocks(&self) -> Blocks {
        let whole = Blocks {
            n: 1,
            rows: self.head_size,
            is_square: true,
        };
        Blocks::of(self.head_size, self.key_size()).unwrap_or(whole)
    }

    /// Key channels that the recurrence reads of a token: those of every head, for
    /// every block of it.
    pub fn operator_key_channels(&self) -> usize {
        self.n_head * self.key_size() * self.blocks().n
    }

    /// Channels of the convolutions in front of the recurrence, of q, k and v together;
    /// 0 in RWKV-7, which has none.
    pub fn convolved_channels(&self) -> usize {
        match self.architecture {
            Architecture::Rwkv7 => 0,
            Architecture::GatedDeltaNet => {
                2 * self.n_key_head() * self.key_size() + self.head_channels()
            }
        }
    }

    /// Numbers that a text carries beside S in a layer: of mixing over time, and of
    /// the feed-forward part.
    pub fn shift_sizes(&self) -> [usize; 2] {
        match self.architecture {
            Architecture::Rwkv7 => [self.n_embd, self.n_embd],
            Architecture::GatedDeltaNet => [(CONV_TAPS - 1) * self.convolved_channels(), 0],
        }
    }
}
