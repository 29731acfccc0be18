//! Directions of a head's value channels in tokens: a logit lens.

use burn::tensor::Tensor;

use super::Model;
use super::layer::Layer;
use super::linear::linear;
use super::norm::Norm;

/// Keeps a root away from zero.
const EPSILON: f32 = 1e-12;

impl Model {
    /// The logits of directions among the value channels of a head, [K, N] → [K, V]:
    /// through the weight of the norm of the head, the output matrix of the layer, the
    /// weight of the last norm and the head of the model. Both norms scale, and in
    /// RWKV-7 take the mean off; their biases, the gate and all layers behind are left
    /// out, so that a direction and its opposite have opposite logits.
    ///
    /// # Panics
    /// Where the model has no such layer or head, or N is not its own.
    pub fn value_logits(&self, layer: usize, head: usize, directions: Tensor<2>) -> Tensor<2> {
        let [n_directions, n] = directions.dims();
        let config = self.config();
        assert!(
            head < config.n_head && n == config.head_size,
            "head {head} of {n}"
        );
        let channels = head * n..(head + 1) * n;
        let (read, output) = match &self.layers[layer] {
            Layer::Rwkv7(block) => {
                let norm = &block.time_mix.readout.norm;
                let weight = norm.weight.clone().slice([channels.clone()]);
                let read = normalised(directions) * weight.unsqueeze::<2>();
                (read, &block.time_mix.output)
            }
            Layer::DeltaNet(block) => {
                let weight = block.mixing.out_norm.weight.clone();
                let read = scaled(directions) * weight.unsqueeze::<2>();
                (read, &block.mixing.output)
            }
        };
        let whole = Tensor::zeros([n_directions, config.head_channels()], &read.device());
        let whole = whole.slice_assign([0..n_directions, channels], read);
        let added = linear(whole, output);
        let (added, weight) = match &self.ln_out {
            Norm::Layer(norm) => (normalised(added), &norm.weight),
            Norm::Rms(norm) => (scaled(added), &norm.weight),
        };
        linear(added * weight.clone().unsqueeze::<2>(), &self.head)
    }
}

/// Rows with a mean square of 1.
fn scaled(rows: Tensor<2>) -> Tensor<2> {
    let squares = rows.clone().powi_scalar(2).mean_dim(1);
    rows / (squares + EPSILON).sqrt()
}

/// Rows with mean 0 and variance 1.
fn normalised(rows: Tensor<2>) -> Tensor<2> {
    let centred = rows.clone() - rows.mean_dim(1);
    let variance = centred.clone().powi_scalar(2).mean_dim(1);
    centred / (variance + EPSILON).sqrt()
}

#[cfg(test)]
mod tests {
    use burn::tensor::TensorData;

    use super::*;
    use crate::kernels::device::read_back::read_f32;
    use crate::model::mini;

    /// Rows with mean 0 and variance 1, one after the other.
    fn normalised(row: &[f64]) -> Vec<f64> {
        let n = row.len() as f64;
        let mean = row.iter().sum::<f64>() / n;
        let variance = row.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / n;
        row.iter().map(|x| (x - mean) / variance.sqrt()).collect()
    }

    #[test]
    fn logits_are_those_of_the_weights_in_the_file() {
        let checkpoint = mini::checkpoint().unwrap();
        let device = crate::kernels::device::open(crate::kernels::device::DeviceChoice::Cpu);
        let device = device.unwrap().device;
        let model = Model::load(&checkpoint, &device, &mut |_| Ok(())).unwrap();
        let config = model.config();
        let (n_embd, n) = (config.n_embd, config.head_size);
        let (layer, head) = (2, 1);
        let weights = |name: &str| -> Vec<f64> {
            let tensor = checkpoint.tensor(name).unwrap().to_f32();
            tensor.into_iter().map(f64::from).collect()
        };
        let norm = weights("blocks.2.att.ln_x.weight");
        let output = weights("blocks.2.att.output.weight");
        let (last, table) = (weights("ln_out.weight"), weights("head.weight"));
        let direction: Vec<f64> = (0..n)
            .map(|idx| ((idx * idx + 3) % 17) as f64 - 6.0)
            .collect();

        let read = normalised(&direction);
        let mut whole = vec![0.0; n_embd];
        for (idx, value) in read.iter().enumerate() {
            let channel = head * n + idx;
            whole[channel] = value * norm[channel];
        }
        let product = |matrix: &[f64], x: &[f64]| -> Vec<f64> {
            let rows = matrix.chunks_exact(x.len());
            rows.map(|row| row.iter().zip(x).map(|(a, b)| a * b).sum())
                .collect()
        };
        let added = normalised(&product(&output, &whole));
        let scaled: Vec<f64> = added
            .iter()
            .zip(&last)
            .map(|(x, weight)| x * weight)
            .collect();
        let want = product(&table, &scaled);

        let rows: Vec<f32> = direction.iter().map(|x| *x as f32).collect();
        let opposite = rows.iter().map(|x| -x);
        let rows: Vec<f32> = rows.iter().copied().chain(opposite).collect();
        let rows = Tensor::<2>::from_data(TensorData::new(rows, [2, n]), &device);
        let got = read_f32(model.value_logits(layer, head, rows)).unwrap();
        assert_eq!(got.len(), 2 * want.len());
        let half = want.len();
        let largest = want.iter().fold(0.0_f64, |most, x| most.max(x.abs()));
        for (idx, want) in want.iter().enumerate() {
            assert!((f64::from(got[idx]) - want).abs() < 1e-4 * largest, "{idx}");
            assert!((got[idx] + got[half + idx]).abs() < 1e-4 * largest as f32);
        }
    }
}
