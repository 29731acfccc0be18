//! The mini model on the device against the mini model on the CPU.

use burn::tensor::{Device, Int, Tensor, TensorData};

use super::inputs::tensor;
use super::{Check, Named};
use crate::error::Result;
use crate::model::state::ModelState;
use crate::model::tokenizer::Tokenizer;
use crate::model::{Model, Precision, mini};

/// Six layers of rounding; measured 1e-6 on llvmpipe.
const BOUND: f64 = 5e-5;

const TEXT: &str =
    "Question: Tom has 3 apples and buys 4 more. How many has he?\nAnswer: 3 + 4 = 7\n";

/// Six layers of products with factors of 11 bits.
const BOUND_OF_HALVES: f64 = 1e-2;

/// Of a device with matrix units or without, against the CPU with the same
/// matrices.
pub(super) fn checks(has_units: bool) -> Vec<Check> {
    let bound = if has_units { BOUND_OF_HALVES } else { BOUND };
    vec![
        Check {
            name: "the mini model's logits and states",
            bound: BOUND,
            is_needed: true,
            on_device: |device| logits(device, Precision::F32),
            expected: || logits(&Device::flex(), Precision::F32),
        },
        Check {
            name: "the same with 16-bit matrices",
            bound,
            is_needed: true,
            on_device: |device| logits(device, Precision::F16),
            expected: || logits(&Device::flex(), Precision::F16),
        },
        Check {
            name: "the same with 8-bit matrices",
            bound,
            is_needed: true,
            on_device: |device| logits(device, Precision::Int8),
            expected: || logits(&Device::flex(), Precision::Int8),
        },
        Check {
            name: "the same with 4-bit matrices",
            bound,
            is_needed: true,
            on_device: |device| logits(device, Precision::NF4),
            expected: || logits(&Device::flex(), Precision::NF4),
        },
    ]
}

/// From the zero state and from another one.
fn logits(device: &Device, precision: Precision) -> Result<Vec<Named>> {
    let model = Model::load_stored(&mini::checkpoint()?, device, precision, &mut |_| Ok(()))?;
    let config = model.config();
    let ids: Vec<i32> = std::iter::once(0)
        .chain(
            Tokenizer::mini()?
                .encode(TEXT)
                .iter()
                .map(|id| id.cast_signed()),
        )
        .collect();
    let shape = [1, ids.len()];
    let ids: Tensor<2, Int> = Tensor::from_data(TensorData::new(ids, shape), device);
    let [h, n, k] = config.state_shape();
    let shape = [1, h, n, k];
    let tuned = (0..config.n_layer).map(|layer| tensor(layer as u32, 0.1, 0.0, shape, device));
    let tuned = ModelState::with_wkv(config, 1, tuned.collect(), device);
    let untuned = ModelState::zero(config, 1, device);
    let (logits, state) = model.forward(ids.clone(), untuned);
    let (tuned_logits, tuned_state) = model.forward(ids, tuned);
    let last = |state: ModelState| {
        let layers = state.layers.into_iter().map(|layer| layer.wkv);
        Tensor::cat(layers.collect(), 0)
    };
    Ok(vec![
        Named::read("logits", logits)?,
        Named::read("states", last(state))?,
        Named::read("logits from a state", tuned_logits)?,
        Named::read("states from a state", last(tuned_state))?,
    ])
}
