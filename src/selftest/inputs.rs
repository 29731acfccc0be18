//! Numbers without a pattern, the same on every machine.

use burn::tensor::{Device, Tensor, TensorData};

/// `n` numbers around `offset`, at most `scale` away; another series for
/// another `seed`.
pub(super) fn numbers(seed: u32, scale: f64, offset: f64, n: usize) -> Vec<f32> {
    let q = f64::from(seed);
    (0..n)
        .map(|i| i as f64)
        .map(|i| (offset + scale * ((1.3 + 0.17 * q) * i + 0.0011 * i * i + q).sin()) as f32)
        .collect()
}

/// [`numbers`] as a tensor.
pub(super) fn tensor<const D: usize>(
    seed: u32,
    scale: f64,
    offset: f64,
    shape: [usize; D],
    device: &Device,
) -> Tensor<D> {
    let values = numbers(seed, scale, offset, shape.iter().product());
    Tensor::from_data(TensorData::new(values, shape), device)
}
