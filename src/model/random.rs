//! Models of any size with random weights, to measure what a size costs.

use std::collections::HashMap;

use half::f16;
use safetensors::{Dtype, tensor::TensorView};

use super::checkpoint::Checkpoint;
use super::{Architecture, ModelConfig};
use crate::error::{Error, Result};
use crate::random::SplitMix64;

/// The dimensions of the official 0.1B model.
pub const SHAPE_0_1B: ModelConfig = ModelConfig {
    architecture: Architecture::Rwkv7,
    n_layer: 12,
    n_embd: 768,
    n_head: 12,
    head_size: 64,
    keys: None,
    end_of_document: 0,
    vocab_size: 65_536,
    n_ffn: 3072,
    decay_rank: 64,
    iclr_rank: 64,
    value_rank: 32,
    gate_rank: 128,
};

/// The dimensions of the official 0.4B model.
pub const SHAPE_0_4B: ModelConfig = ModelConfig {
    n_layer: 24,
    n_embd: 1024,
    n_head: 16,
    n_ffn: 4096,
    ..SHAPE_0_1B
};

/// A checkpoint of these dimensions, f16, with weights of the size of a trained
/// model's. Nothing in it is zero, so that no work is saved.
///
/// # Errors
/// None in practice.
pub fn random_checkpoint(config: &ModelConfig, seed: u64) -> Result<Checkpoint> {
    let name = "random weights";
    let refuse =
        |error: safetensors::SafeTensorError| Error::input(name, tr!("tensors"), error.to_string());
    let mut random = SplitMix64::new(seed);
    let tensors: Vec<(String, Vec<usize>, Vec<u8>)> = config
        .expected_tensors()
        .into_iter()
        .map(|(name, shape)| {
            let (mean, spread) = scale(&name, &shape);
            let n_values = shape.iter().product();
            let mut bytes = Vec::with_capacity(2 * n_values);
            for _ in 0..n_values {
                let value = f16::from_f32(mean + spread * random.uniform());
                bytes.extend(value.to_le_bytes());
            }
            (name, shape, bytes)
        })
        .collect();
    let views = tensors
        .iter()
        .map(|(name, shape, bytes)| Ok((name, TensorView::new(Dtype::F16, shape.clone(), bytes)?)))
        .collect::<Result<HashMap<_, _>, _>>()
        .map_err(refuse)?;
    let bytes = safetensors::serialize(views, None).map_err(refuse)?;
    Checkpoint::from_bytes(name, bytes)
}

/// Mean of a tensor, and how far its uniform values lie from it.
fn scale(name: &str, shape: &[usize]) -> (f32, f32) {
    let last = name.rsplit('.').next().unwrap_or(name);
    let is_norm = [".ln", "ln_out", "ln0"]
        .iter()
        .any(|part| name.contains(part));
    match (shape, last) {
        ([_], "weight") if is_norm => (1.0, 0.1),
        ([_], "bias") => (0.0, 0.1),
        ([_], "w0") => (-3.0, 2.0),
        ([_], "k_k" | "k_a") => (0.9, 0.1),
        ([_], _) => (0.5, 0.4),
        // Variance one over the inputs: products of uniform values keep the size of theirs.
        (_, "weight") => (0.0, (3.0 / shape[shape.len() - 1] as f32).sqrt()),
        (_, _) => (0.0, (1.0 / shape[0] as f32).sqrt()),
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::{Device, Tensor, TensorData};

    use super::*;
    use crate::model::Model;
    use crate::model::state::ModelState;

    #[test]
    fn a_random_model_runs() {
        let config = ModelConfig {
            n_layer: 2,
            n_embd: 64,
            n_head: 2,
            head_size: 32,
            vocab_size: 128,
            n_ffn: 256,
            ..SHAPE_0_1B
        };
        let checkpoint = random_checkpoint(&config, 1).unwrap();
        assert_eq!(ModelConfig::from_checkpoint(&checkpoint).unwrap(), config);
        let device = Device::flex();
        let model = Model::load(&checkpoint, &device, &mut |_| Ok(())).unwrap();
        let ids = Tensor::from_data(
            TensorData::new((0..40).collect::<Vec<i32>>(), [1, 40]),
            &device,
        );
        let (logits, _) = model.forward(ids, ModelState::zero(&config, 1, &device));
        let logits = logits.into_data().try_to_vec::<f32>().unwrap();
        assert!(
            logits
                .iter()
                .all(|logit| logit.is_finite() && logit.abs() < 100.0)
        );
    }
}
