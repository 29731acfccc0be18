//! Receptance vectors of the frozen model on the training set: what support
//! vectors, gamma and the mean of the features start from.

use burn::tensor::{Device, Int, Tensor, TensorData};

use super::batch::{Batch, DataOrder};
use super::spec::LossOn;
use super::trainer::read_f32;
use crate::data::Example;
use crate::error::Result;
use crate::model::state::ModelState;
use crate::model::{LeadingToken, Rwkv7};

/// Positions that are looked at, if the examples have so many.
const MAX_POSITIONS: usize = 8192;
/// Numbers that are held, 1 GiB: fewer positions of a large model.
const MAX_NUMBERS: usize = 1 << 28;
/// Examples that the model reads at once.
const BATCH: usize = 16;
/// Smallest norm that a vector is divided by.
const MIN_NORM: f32 = 1e-12;

/// Receptance vectors of unit length, padding left out.
#[derive(Debug, Clone)]
pub struct ReceptanceSample {
    /// n, at least 1.
    pub n_positions: usize,
    /// For each chosen layer the vectors, [n, H, N] row-major.
    pub layers: Vec<Vec<f32>>,
}

impl ReceptanceSample {
    /// The vectors that `model` produces on examples in the order that `seed`
    /// gives them, from the zero state, each behind what it is trained behind.
    ///
    /// # Errors
    /// [`crate::error::Error::Device`] if they cannot be read back.
    ///
    /// # Panics
    /// Without examples.
    pub fn take(
        model: &Rwkv7,
        device: &Device,
        layers: &[usize],
        examples: &[Example],
        leading: LeadingToken,
        seed: u64,
    ) -> Result<Self> {
        let n_embd = model.config().n_embd;
        let wanted = MAX_POSITIONS.min(MAX_NUMBERS / (layers.len() * n_embd).max(1));
        let order = DataOrder::new(examples.len(), examples.len(), seed).batch(0);
        let mut sample = Self {
            n_positions: 0,
            layers: vec![Vec::new(); layers.len()],
        };
        let mut position = 0..;
        for chosen in order.chunks(BATCH) {
            let chosen = chosen.iter().zip(&mut position);
            let chosen: Vec<_> = chosen
                .map(|(idx, position)| (&examples[*idx], leading.of_example(seed, position)))
                .collect();
            let batch = Batch::of(&chosen, LossOn::Everything);
            let mut at = batch.real_positions();
            at.truncate(wanted - sample.n_positions);
            let ids = TensorData::new(batch.tokens.clone(), batch.shape());
            let ids: Tensor<2, Int> = Tensor::from_data(ids, device);
            let state = ModelState::zero(model.config(), batch.n_batch, device);
            let receptances = model.receptances(ids, state);
            for (layer, values) in layers.iter().zip(&mut sample.layers) {
                let all = read_f32(receptances[*layer].clone())?;
                for at in &at {
                    values.extend_from_slice(&all[*at as usize * n_embd..][..n_embd]);
                }
            }
            sample.n_positions += at.len();
            if sample.n_positions == wanted {
                break;
            }
        }
        let head_size = model.config().head_size;
        let vectors = sample.layers.iter_mut();
        vectors
            .flat_map(|values| values.chunks_exact_mut(head_size))
            .for_each(normalize);
        Ok(sample)
    }

    /// The vectors of a layer, by index into the chosen ones, as [H, n, N].
    pub fn heads(&self, layer_idx: usize, n_head: usize, device: &Device) -> Tensor<3> {
        let values = self.layers[layer_idx].clone();
        let head_size = values.len() / (self.n_positions * n_head);
        let shape = [self.n_positions, n_head, head_size];
        Tensor::<3>::from_data(TensorData::new(values, shape), device).swap_dims(0, 1)
    }
}

/// The vector as one of length 1; zeros stay.
pub(super) fn normalize(vector: &mut [f32]) {
    let norm = vector.iter().map(|x| x * x).sum::<f32>().sqrt();
    let scale = 1.0 / norm.max(MIN_NORM);
    vector.iter_mut().for_each(|x| *x *= scale);
}
