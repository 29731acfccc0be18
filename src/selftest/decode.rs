//! Tokens that are written one by one, in few launches a layer, against the CPU's
//! operators.

use burn::tensor::{Device, Int, Tensor, TensorData};

use super::inputs::tensor;
use super::{Check, Named};
use crate::error::Result;
use crate::model::random::{SHAPE_0_1B, random_checkpoint};
use crate::model::state::{ModelState, Start};
use crate::model::{Model, ModelConfig, Precision};

/// Rounding of 32-bit numbers through three layers and four tokens: factors are not
/// narrowed, whatever the matrices have.
const BOUND: f64 = 5e-5;

/// Heads that are small, large and as released models have them; ranks and hidden channels
/// that fill no tile.
const SHAPES: [ModelConfig; 3] = [
    ModelConfig {
        n_layer: 3,
        n_embd: 96,
        n_head: 3,
        head_size: 32,
        vocab_size: 136,
        n_ffn: 104,
        decay_rank: 8,
        iclr_rank: 24,
        value_rank: 16,
        gate_rank: 40,
        ..SHAPE_0_1B
    },
    ModelConfig {
        n_layer: 2,
        n_embd: 320,
        n_head: 5,
        head_size: 64,
        vocab_size: 200,
        n_ffn: 1096,
        decay_rank: 72,
        iclr_rank: 16,
        value_rank: 8,
        gate_rank: 88,
        ..SHAPE_0_1B
    },
    ModelConfig {
        n_layer: 2,
        n_embd: 256,
        n_head: 2,
        head_size: 128,
        vocab_size: 72,
        n_ffn: 264,
        decay_rank: 16,
        iclr_rank: 8,
        value_rank: 40,
        gate_rank: 24,
        ..SHAPE_0_1B
    },
];

/// Texts of each shape: alone, an odd number, and as many as there may be.
const TEXTS: [usize; 3] = [1, 3, 8];

const N_TOKENS: usize = 4;

pub(super) fn checks() -> Vec<Check> {
    let check = |name, on_device, expected| Check {
        name,
        bound: BOUND,
        is_needed: true,
        on_device,
        expected,
    };
    vec![
        check(
            "tokens written one by one",
            |device| written(device, Precision::F32),
            || written(&Device::flex(), Precision::F32),
        ),
        check(
            "the same with matrices of 16 bits",
            |device| written(device, Precision::F16),
            || written(&Device::flex(), Precision::F16),
        ),
        check(
            "the same with bfloat16 matrices",
            |device| written(device, Precision::BF16),
            || written(&Device::flex(), Precision::BF16),
        ),
    ]
}

/// Logits and states behind a few tokens, from a state that all texts share and that has
/// token shifts.
fn written(device: &Device, precision: Precision) -> Result<Vec<Named>> {
    let mut all = Vec::new();
    for (config, n_texts) in SHAPES.into_iter().zip(TEXTS) {
        let checkpoint = random_checkpoint(&config, 7)?;
        let model = Model::load_stored(&checkpoint, device, precision, &mut |_| Ok(()))?;
        let [h, n, k] = config.state_shape();
        let layers = 0..config.n_layer as u32;
        let start = Start {
            shifts: (layers.clone())
                .map(|layer| tensor(9 + layer, 1.0, 0.0, [2, config.n_embd], device))
                .collect(),
            ..Start::from(
                layers
                    .map(|layer| tensor(layer, 0.1, 0.0, [1, h, n, k], device))
                    .collect::<Vec<_>>(),
            )
        };
        let mut state = start.state(&config, n_texts, device);
        let mut logits = Vec::new();
        for token in 0..N_TOKENS {
            let ids = (0..n_texts).map(|text| ((7 * token + 13 * text + 1) % 70) as i32);
            let ids = TensorData::new(ids.collect::<Vec<_>>(), [n_texts, 1]);
            let ids: Tensor<2, Int> = Tensor::from_data(ids, device);
            let (hidden, after) = model.hidden(ids, state);
            logits.push(model.logits(hidden.squeeze_dim(1)));
            state = after;
        }
        all.push(Named::read("logits", Tensor::cat(logits, 0))?);
        all.extend(carried(state)?);
    }
    Ok(all)
}

/// What the texts carry on.
fn carried(state: ModelState) -> Result<[Named; 3]> {
    let wkv = state.layers.iter().map(|layer| layer.wkv.clone());
    let time = state.layers.iter().map(|layer| layer.time_shift.clone());
    let channel = state.layers.iter();
    let channel = channel.filter_map(|layer| layer.channel_shift.clone());
    Ok([
        Named::read("states", Tensor::cat(wkv.collect(), 0))?,
        Named::read("shifts of time mixing", Tensor::cat(time.collect(), 0))?,
        Named::read(
            "shifts of channel mixing",
            Tensor::cat(channel.collect(), 0),
        )?,
    ])
}
