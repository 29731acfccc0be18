//! Receptance vectors of the frozen model on the training set: what support
//! vectors, gamma and the mean of the features start from.

use burn::tensor::{Device, Int, Tensor, TensorData};

use crate::data::Example;
use crate::error::Result;
use crate::kernels::device::read_back::read_f32;
use crate::model::state::ModelState;
use crate::model::{LeadingToken, Model};
use crate::tuning::spec::{LossOn, TrainingSpec};
use crate::tuning::train::batch::{Batch, DataOrder};
use crate::tuning::train::window::windows;

/// Positions that are looked at, if the examples have so many.
const MAX_POSITIONS: usize = 8192;
/// Numbers that are held, 1 GiB: fewer positions of a large model.
const MAX_NUMBERS: usize = 1 << 28;
/// Examples that the model reads at once, if the run's batch is no smaller.
const MAX_BATCH: usize = 16;
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
    /// gives them, from the zero state. It reads no more of them at once than a
    /// step of `batch`, and of each no more than a window of `training`; neither
    /// changes a vector. Each is read behind what it is trained behind.
    ///
    /// # Errors
    /// [`crate::error::Error::Device`] if they cannot be read back.
    ///
    /// # Panics
    /// Without examples.
    pub fn take(
        model: &Model,
        device: &Device,
        layers: &[usize],
        examples: &[Example],
        leading: LeadingToken,
        training: &TrainingSpec,
    ) -> Result<Self> {
        let &TrainingSpec {
            seed,
            batch,
            window,
            ..
        } = training;
        let n_embd = model.config().n_embd;
        let wanted = MAX_POSITIONS.min(MAX_NUMBERS / (layers.len() * n_embd).max(1));
        let order = DataOrder::new(examples.len(), examples.len(), seed).batch(0);
        let mut sample = Self {
            n_positions: 0,
            layers: vec![Vec::new(); layers.len()],
        };
        let mut position = 0..;
        for chosen in order.chunks(batch.clamp(1, MAX_BATCH)) {
            let chosen = chosen.iter().zip(&mut position);
            let chosen: Vec<_> = chosen
                .map(|(idx, position)| (&examples[*idx], leading.of_example(seed, position)))
                .collect();
            let batch = Batch::of(&chosen, LossOn::Everything);
            let mut at = batch.real_positions();
            at.truncate(wanted - sample.n_positions);
            let before = sample.n_positions;
            sample.n_positions += at.len();
            for values in &mut sample.layers {
                values.resize(sample.n_positions * n_embd, 0.0);
            }
            let mut n_left = at.len();
            let mut state = ModelState::zero(model.config(), batch.n_batch, device);
            for window in windows(&batch, window) {
                if n_left == 0 {
                    break;
                }
                let (places, rows) = window.positions(&at);
                n_left -= places.len();
                let shape = window.part.shape();
                let ids = TensorData::new(window.part.tokens, shape);
                let ids: Tensor<2, Int> = Tensor::from_data(ids, device);
                let rows: Vec<i32> = rows.iter().map(|at| at.cast_signed()).collect();
                let rows: Tensor<1, Int> = Tensor::from_data(rows.as_slice(), device);
                state = model.each_receptance(ids, state, |layer, receptance| {
                    let Some(idx) = layers.iter().position(|chosen| *chosen == layer) else {
                        return Ok(());
                    };
                    if places.is_empty() {
                        return Ok(());
                    }
                    let all = receptance.reshape([shape[0] * shape[1], n_embd]);
                    let vectors = read_f32(all.select(0, rows.clone()))?;
                    for (place, vector) in places.iter().zip(vectors.chunks_exact(n_embd)) {
                        let first = (before + place) * n_embd;
                        sample.layers[idx][first..first + n_embd].copy_from_slice(vector);
                    }
                    Ok(())
                })?;
            }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::mini;

    /// Long ones and short ones, so that batches differ in their padding.
    fn examples() -> Vec<Example> {
        let context = |idx: u32| (0..3 + idx * 7 % 40).map(move |t| 1 + (t * 13 + idx) % 200);
        let example = |idx: u32| Example::new(context(idx).collect(), vec![5, 6]);
        (0..9).map(example).collect()
    }

    #[test]
    fn batch_and_window_change_no_vector_and_a_choice_of_layers_no_other() {
        let device = Device::flex();
        let model =
            crate::model::Model::load(&mini::checkpoint().unwrap(), &device, &mut |_| Ok(()));
        let (model, examples) = (model.unwrap(), examples());
        let take = |layers: &[usize], batch, window| {
            let training = TrainingSpec {
                seed: 3,
                batch,
                window,
                ..TrainingSpec::default()
            };
            ReceptanceSample::take(
                &model,
                &device,
                layers,
                &examples,
                LeadingToken::Zero,
                &training,
            )
            .unwrap()
        };
        let one = take(&[0, 2, 5], 1, None);
        let many = take(&[0, 2, 5], 64, None);
        let windows = take(&[0, 2, 5], 4, Some(16));
        let n_tokens: usize = examples.iter().map(Example::n_tokens).sum();
        assert_eq!((one.n_positions, many.n_positions), (n_tokens, n_tokens));
        let alone = take(&[5], 4, None);
        let close = |a: &[f32], b: &[f32]| {
            assert_eq!(a.len(), n_tokens * model.config().n_embd);
            let off = a
                .iter()
                .zip(b)
                .fold(0.0_f32, |most, (a, b)| most.max((a - b).abs()));
            assert!(off < 1e-5, "{off}");
        };
        for other in [&many, &windows] {
            for (one, other) in one.layers.iter().zip(&other.layers) {
                close(one, other);
            }
        }
        close(&one.layers[2], &alone.layers[0]);
        assert_ne!(one.layers[0], one.layers[1]);
    }
}
