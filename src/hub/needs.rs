//! The memory that a published model needs, by the storage of its matrices.

use crate::kernels::device::Room;
use crate::model::{ModelConfig, Precision};
use crate::tuning::plan::fit::holds;
use crate::tuning::plan::memory::{MemoryEstimate, StepShape};

/// Tokens of the example that it is told for.
const TOKENS: usize = 1024;

/// What a tuning step takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Need {
    /// Storage of the frozen matrices.
    pub precision: Precision,
    /// Bytes of a step with one example of 1024 tokens, all layers tuned, activations
    /// recomputed.
    pub bytes: u64,
    /// Whether the device holds it.
    pub fits: bool,
}

/// What a step takes in every storage, the widest first, against what a device holds.
/// Official files have bfloat16, so that the other 16-bit type is left out.
pub fn needs(config: &ModelConfig, room: Room) -> [Need; 4] {
    [
        Precision::F32,
        Precision::BF16,
        Precision::Int8,
        Precision::NF4,
    ]
    .map(|precision| {
        let shape = StepShape {
            batch: 1,
            tokens: TOKENS,
            counted: TOKENS,
            first_layer: 0,
            tuned_layers: config.n_layer,
            // As `--fit` does where the memory is short.
            recompute: true,
            precision,
            branch: None,
            adapters: None,
            window: None,
            token_shifts: false,
        };
        let estimate = MemoryEstimate::new(config, &shape);
        Need {
            precision,
            bytes: estimate.total(),
            fits: holds(room, &estimate),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::super::PUBLISHED;
    use super::*;

    #[test]
    fn narrower_storage_needs_less_and_larger_models_more() {
        let room = Room {
            memory: Some(8_000_000_000),
            ..Room::default()
        };
        let mut before = [0; 4];
        for of in &PUBLISHED {
            let needs = needs(&of.shape, room);
            assert!(needs.is_sorted_by(|a, b| a.bytes > b.bytes), "{}", of.name);
            for (need, before) in needs.iter().zip(&mut before) {
                assert!(need.bytes > *before, "{}", of.name);
                assert_eq!(need.fits, need.bytes <= 8_000_000_000);
                *before = need.bytes;
            }
        }
        // Megabytes in use that were measured of such steps (benches/sizes).
        let measured = [(3, 1, 6687.4), (4, 2, 9122.0), (4, 3, 5900.8)];
        for (model, storage, megabytes) in measured {
            let need = needs(&PUBLISHED[model].shape, room)[storage];
            let ratio = need.bytes as f64 / 1e6 / megabytes;
            assert!((0.95..1.1).contains(&ratio), "{need:?}, {ratio}");
        }
    }
}
