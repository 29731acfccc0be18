//! How the frozen matrices are stored.

use burn::tensor::{DType, Tensor};
use serde::{Deserialize, Serialize};

use super::Rwkv7;
use super::block::Block;
use super::linear::LowRank;

/// Storage of the frozen matrices, and with it the factors of products. Sums,
/// activations, the state and its recurrence are 32-bit floats always.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum Precision {
    /// 32-bit floats.
    #[default]
    F32,
    /// 16-bit floats, on GPUs with matrix units for them.
    F16,
}

impl Rwkv7 {
    /// With matrices stored so. What is given up going to 16 bits stays lost.
    #[must_use]
    pub fn stored_in(mut self, precision: Precision) -> Self {
        let dtype = match precision {
            Precision::F32 => DType::F32,
            Precision::F16 => DType::F16,
        };
        for block in &mut self.blocks {
            store_block(block, dtype);
        }
        store(&mut self.head, dtype);
        self
    }
}

fn store(matrix: &mut Tensor<2>, dtype: DType) {
    *matrix = matrix.clone().cast(dtype);
}

fn store_low_rank(map: &mut LowRank, dtype: DType) {
    store(&mut map.down, dtype);
    store(&mut map.up, dtype);
}

fn store_block(block: &mut Block, dtype: DType) {
    let time_mix = &mut block.time_mix;
    for matrix in [
        &mut time_mix.receptance,
        &mut time_mix.key,
        &mut time_mix.value,
        &mut time_mix.output,
        &mut block.channel_mix.key,
        &mut block.channel_mix.value,
    ] {
        store(matrix, dtype);
    }
    for map in [&mut time_mix.decay, &mut time_mix.iclr, &mut time_mix.gate] {
        store_low_rank(map, dtype);
    }
    if let Some(share) = &mut time_mix.share {
        store_low_rank(share, dtype);
    }
}
