//! How the frozen matrices are stored.

use serde::{Deserialize, Serialize};

use super::ModelConfig;
use super::checkpoint::{Checkpoint, TensorDType};
use crate::error::Result;
use crate::kernels::device::OpenDevice;
use crate::kernels::matrix::Storage;

/// Storage of the frozen matrices. Sums, activations and the state are 32-bit floats
/// always; a GPU with matrix units multiplies 16-bit factors, in the recurrence too,
/// where the matrices do not have 32 bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum Precision {
    /// The widest that fits into the device's memory.
    Auto,
    /// 32-bit floats.
    #[default]
    F32,
    /// 16-bit floats of IEEE 754.
    F16,
    /// The upper halves of 32-bit floats, as released models have them.
    BF16,
    /// Whole numbers of 8 bits, with a scale for every 32 of them.
    Int8,
    /// NF4, with a scale for every 32 numbers; the embedding and the head in 8 bits.
    NF4,
}

/// What a matrix is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    /// The embedding.
    Table,
    /// From the last hidden numbers to logits.
    Head,
    /// A factor of a low-rank map: small, and what it gives is sensitive.
    LowRank,
    /// Any other of a layer.
    Layer,
}

impl Role {
    /// Of a tensor with the official name; none of a vector.
    fn of(name: &str, shape: &[usize]) -> Option<Self> {
        let last = name.rsplit('.').next().unwrap_or_default();
        // Files may hold vectors with leading dimensions of one.
        let [_, _] = shape else {
            return None;
        };
        match (name, last) {
            (_, "r_k") => None,
            ("emb.weight" | "model.embeddings.weight", _) => Some(Self::Table),
            ("head.weight" | "lm_head.weight", _) => Some(Self::Head),
            _ if name.ends_with(".a_proj.weight") || name.ends_with(".b_proj.weight") => {
                Some(Self::LowRank)
            }
            (_, "weight") => Some(Self::Layer),
            _ => Some(Self::LowRank),
        }
    }
}

impl Precision {
    /// All that can be asked for by themselves, from the widest on.
    pub const ALL: [Self; 5] = [Self::F32, Self::BF16, Self::F16, Self::Int8, Self::NF4];

    /// The name in a specification and on the command line, in capitals there.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Auto => "Auto",
            Self::F32 => "F32",
            Self::F16 => "F16",
            Self::BF16 => "BF16",
            Self::Int8 => "Int8",
            Self::NF4 => "NF4",
        }
    }

    /// This one and those that take less, the widest first; of the two with 16 bits
    /// the one that a file has, `halves`.
    pub fn and_narrower(self, halves: Self) -> Vec<Self> {
        match self {
            Self::Auto | Self::F32 => vec![Self::F32, halves, Self::Int8, Self::NF4],
            Self::F16 | Self::BF16 => vec![self, Self::Int8, Self::NF4],
            Self::Int8 => vec![Self::Int8, Self::NF4],
            Self::NF4 => vec![Self::NF4],
        }
    }

    /// The widest whose weights leave a quarter of so many bytes free, or the narrowest
    /// where none does.
    pub fn widest(config: &ModelConfig, halves: Self, room: Option<u64>) -> Self {
        let most = room.map(|bytes| bytes - bytes / 4);
        let fits =
            |precision: &Self| most.is_none_or(|most| precision.weight_bytes(config) <= most);
        let all = Self::Auto.and_narrower(halves);
        all.into_iter().find(fits).unwrap_or(Self::NF4)
    }

    /// The 16-bit type that loses the least of a file's numbers.
    pub fn halves_of(checkpoint: &Checkpoint) -> Self {
        let head = ["head.weight", "lm_head.weight"];
        let head = head.iter().find_map(|name| checkpoint.tensor(name));
        match head.map(|head| head.dtype) {
            // Scales of blocks are such floats.
            Some(TensorDType::F16 | TensorDType::Blocks(_)) => Self::F16,
            Some(_) | None => Self::BF16,
        }
    }

    /// Storage of a matrix. What is not chosen yet counts as the widest.
    pub(super) const fn storage(self, role: Role) -> Storage {
        match (self, role) {
            (Self::Auto | Self::F32, _) => Storage::F32,
            (Self::F16, _) | (Self::Int8 | Self::NF4, Role::LowRank) => Storage::F16,
            (Self::BF16, _) => Storage::BF16,
            (Self::Int8, _) | (Self::NF4, Role::Table | Role::Head) => Storage::Int8,
            (Self::NF4, Role::Layer) => Storage::NF4,
        }
    }

    /// Storage of a tensor with the official name and shape; vectors have 32 bits.
    pub fn storage_of(self, name: &str, shape: &[usize]) -> Storage {
        Role::of(name, shape).map_or(Storage::F32, |role| self.storage(role))
    }

    /// Refuses a device that cannot hold the largest tensor of a model. Asked before
    /// anything is loaded.
    ///
    /// # Errors
    /// [`crate::error::Error::Device`] with the tensor, its size and the limit.
    pub fn check_device(self, config: &ModelConfig, device: &OpenDevice) -> Result<()> {
        let tensors = config.expected_tensors();
        let sized = tensors.iter().map(|(name, shape)| {
            let storage = self.storage_of(name, shape);
            (storage.n_bytes(shape.iter().product()), name)
        });
        match sized.max_by_key(|(n_bytes, _)| *n_bytes) {
            Some((n_bytes, name)) => device.check_tensor(name, n_bytes as u64),
            None => Ok(()),
        }
    }

    /// Bytes of all tensors of a model.
    pub fn weight_bytes(self, config: &ModelConfig) -> u64 {
        let tensors = config.expected_tensors();
        let of_one = |(name, shape): &(String, Vec<usize>)| {
            let n = shape.iter().product();
            self.storage_of(name, shape).n_bytes(n) as u64
        };
        tensors.iter().map(of_one).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::random::SHAPE_0_1B;

    #[test]
    fn weights_take_the_bits_that_their_storage_says() {
        let bytes = Precision::ALL.map(|precision| precision.weight_bytes(&SHAPE_0_1B) as f64);
        let n_params = SHAPE_0_1B.n_params() as f64;
        let bits = bytes.map(|bytes| 8.0 * bytes / n_params);
        assert!((bits[0] - 32.0).abs() < 0.1, "{bits:?}");
        // Vectors keep 32 bits.
        assert!((bits[1] - 16.0).abs() < 0.1, "{bits:?}");
        assert_eq!(bits[1], bits[2]);
        // Blocks of 32 numbers and 16 bits more; low-rank factors have 16.
        assert!(bits[3] > 8.5 && bits[3] < 9.1, "{bits:?}");
        // Half of this model is the embedding and the head.
        assert!(bits[4] > 4.5 && bits[4] < 7.0, "{bits:?}");
    }
}
