//! Norms without a mean, and with frozen weights, in Burn operations that run on
//! every device. Statistics are over the last dimension.
//!
//! ```text
//! RMSNorm:  y = x / sqrt(mean x^2 + epsilon) * weight
//! L2 norm:  y = x / sqrt(sum x^2 + epsilon)
//! ```

use burn::tensor::Tensor;

/// Weight `[C]`, and what keeps the root away from zero.
#[derive(Debug, Clone)]
pub struct RmsNorm {
    /// `[C]`.
    pub weight: Tensor<1>,
    /// Added to the mean of the squares.
    pub epsilon: f64,
}

impl RmsNorm {
    /// `x`: [.., C] → [.., C].
    pub fn forward<const D: usize>(&self, x: Tensor<D>) -> Tensor<D> {
        let scale = self.scale(&x);
        x * scale * self.weight.clone().unsqueeze()
    }

    /// The gradient of x for `dy`, [.., C] each.
    pub fn backward<const D: usize>(&self, x: Tensor<D>, dy: Tensor<D>) -> Tensor<D> {
        let n = x.dims()[D - 1] as f32;
        let scale = self.scale(&x);
        through(x, dy * self.weight.clone().unsqueeze(), scale, n)
    }

    /// One over the root mean square, [.., 1].
    fn scale<const D: usize>(&self, x: &Tensor<D>) -> Tensor<D> {
        one_over_root(x.clone().powi_scalar(2).mean_dim(D - 1), self.epsilon)
    }
}

/// Rows of Euclidean length one: [.., N] → [.., N].
pub fn l2_norm<const D: usize>(x: Tensor<D>, epsilon: f64) -> Tensor<D> {
    let scale = l2_scale(&x, epsilon);
    x * scale
}

/// The gradient of x for that of [`l2_norm`], `dy` [.., N].
pub fn l2_norm_backward<const D: usize>(x: Tensor<D>, dy: Tensor<D>, epsilon: f64) -> Tensor<D> {
    let scale = l2_scale(&x, epsilon);
    through(x, dy, scale, 1.0)
}

fn l2_scale<const D: usize>(x: &Tensor<D>, epsilon: f64) -> Tensor<D> {
    one_over_root(x.clone().powi_scalar(2).sum_dim(D - 1), epsilon)
}

fn one_over_root<const D: usize>(squares: Tensor<D>, epsilon: f64) -> Tensor<D> {
    (squares + epsilon).sqrt().recip()
}

/// The gradient of x for that of `x * scale`, where `scale` [.., 1] is one over the
/// root of the sum of the squares over `n`.
fn through<const D: usize>(x: Tensor<D>, dy: Tensor<D>, scale: Tensor<D>, n: f32) -> Tensor<D> {
    let along = (x.clone() * dy.clone()).sum_dim(D - 1) * scale.clone().powi_scalar(3) / n;
    dy * scale - x * along
}

#[cfg(test)]
mod tests {
    use burn::tensor::{Device, TensorData};

    use super::*;
    use crate::kernels::device::read_back::read_f32;

    const N: usize = 6;

    fn row(seed: f64) -> Vec<f64> {
        let value = |i: usize| (1.3 * i as f64 + seed).sin() + 0.2 * seed;
        (0..2 * N).map(value).collect()
    }

    fn tensor(values: &[f64], device: &Device) -> Tensor<2> {
        let values: Vec<f32> = values.iter().map(|x| *x as f32).collect();
        Tensor::from_data(TensorData::new(values, [2, N]), device)
    }

    /// By the definition, in 64 bits; `mean` divides by N.
    fn normed(x: &[f64], weight: &[f64], mean: bool, epsilon: f64) -> Vec<f64> {
        let n = if mean { N as f64 } else { 1.0 };
        let of_row = |x: &[f64]| {
            let squares = x.iter().map(|x| x * x).sum::<f64>() / n;
            let root = (squares + epsilon).sqrt();
            let each = x.iter().zip(weight);
            each.map(|(x, w)| x / root * w).collect::<Vec<f64>>()
        };
        x.chunks(N).flat_map(of_row).collect()
    }

    /// The gradient of `sum(y dy)` by x, by central differences in 64 bits.
    fn gradient(x: &[f64], dy: &[f64], f: impl Fn(&[f64]) -> Vec<f64>) -> Vec<f64> {
        const STEP: f64 = 1e-5;
        let loss = |x: &[f64]| -> f64 { f(x).iter().zip(dy).map(|(y, dy)| y * dy).sum() };
        (0..x.len())
            .map(|i| {
                let (mut up, mut down) = (x.to_vec(), x.to_vec());
                up[i] += STEP;
                down[i] -= STEP;
                (loss(&up) - loss(&down)) / (2.0 * STEP)
            })
            .collect()
    }

    fn assert_near(got: Tensor<2>, want: &[f64], what: &str) {
        let got = read_f32(got).unwrap();
        assert_eq!(got.len(), want.len());
        for (got, want) in got.iter().zip(want) {
            let off = (f64::from(*got) - want).abs();
            assert!(off < 1e-5, "{what}: {got}, not {want}");
        }
    }

    #[test]
    fn norms_and_their_gradients_are_those_of_the_definition() {
        let (x, dy) = (row(0.4), row(1.7));
        let weight: Vec<f64> = (0..N).map(|i| 0.5 + 0.2 * i as f64).collect();
        let ones = vec![1.0; N];
        for device in [Device::flex(), Device::wgpu(burn::tensor::DeviceKind::Cpu)] {
            let of_weight: Vec<f32> = weight.iter().map(|x| *x as f32).collect();
            let norm = RmsNorm {
                weight: Tensor::from_data(of_weight.as_slice(), &device),
                epsilon: 0.01,
            };
            let (tx, tdy) = (tensor(&x, &device), tensor(&dy, &device));
            let rms = |x: &[f64]| normed(x, &weight, true, 0.01);
            assert_near(norm.forward(tx.clone()), &rms(&x), "RMSNorm");
            let want = gradient(&x, &dy, rms);
            assert_near(
                norm.backward(tx.clone(), tdy.clone()),
                &want,
                "its gradient",
            );
            let l2 = |x: &[f64]| normed(x, &ones, false, 0.02);
            assert_near(l2_norm(tx.clone(), 0.02), &l2(&x), "L2 norm");
            let want = gradient(&x, &dy, l2);
            assert_near(l2_norm_backward(tx, tdy, 0.02), &want, "its gradient");
        }
    }
}
