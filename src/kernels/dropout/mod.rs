//! Dropout, `y = x m / (1 - p)` with m = 0 for a share p of the numbers and 1 for the
//! rest (Srivastava et al. 2014). The mask is not stored: whether a number is dropped
//! follows from a key and from where it is, so that the backward pass, a layer that is
//! computed again and a run that was resumed all have the same one, whatever order the
//! device works in and however a text is cut into windows.
//!
//! ```text
//! h = mix(mix(mix(key ^ text) ^ token) ^ channel),  dropped where h < p 2^32
//! ```
//!
//! with the 32-bit finaliser "lowbias32" (Wellons 2018) as mix. The operation is linear
//! and its own transpose, so the gradient of x is the same made of dy.

use burn::tensor::{Tensor, TensorData};

use super::device::is_cpu;
use super::op::{from_gpu, on_gpu, queue};

mod cpu;
mod gpu;

/// What decides which numbers are dropped.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Dropout {
    /// The share that is dropped, from 0 to below 1.
    rate: f32,
    key: u32,
    /// The text that the first row is.
    first_text: u32,
    /// The token that the first position is.
    first_token: u32,
}

/// Finalises 32 bits: every bit of the input changes each of the output in half of all
/// cases.
const fn mix(mut x: u32) -> u32 {
    x ^= x >> 16;
    x = x.wrapping_mul(MIX_1);
    x ^= x >> 15;
    x = x.wrapping_mul(MIX_2);
    x ^ (x >> 16)
}

const MIX_1: u32 = 0x7feb_352d;
const MIX_2: u32 = 0x846c_a68b;

impl Dropout {
    /// Of a share, from 0 to below 1, with the mask of `key`; the first row is text
    /// `first_text` of its batch.
    pub fn new(rate: f32, key: u32, first_text: usize) -> Self {
        Self {
            rate,
            key,
            first_text: first_text as u32,
            first_token: 0,
        }
    }

    /// With the mask of another use, such as another matrix of the same layer.
    #[must_use]
    pub fn of(self, which: u32) -> Self {
        Self {
            // The golden ratio keeps neighbours apart before they are mixed.
            key: mix(self.key ^ which.wrapping_add(1).wrapping_mul(0x9e37_79b9)),
            ..self
        }
    }

    /// For the tokens behind so many more.
    #[must_use]
    pub fn behind(self, n_tokens: usize) -> Self {
        Self {
            first_token: self.first_token.wrapping_add(n_tokens as u32),
            ..self
        }
    }

    /// `x` [B, T, C] with what is left of it.
    pub fn apply(&self, x: Tensor<3>) -> Tensor<3> {
        if is_cpu(&x.device()) {
            return cpu::dropped(self, &x);
        }
        let (own, shape) = (*self, x.dims());
        let [y] = queue("dropout", vec![on_gpu(x)], [shape.into()], move |x, y| {
            gpu::dropped(&own, shape, &x[0], &y[0]);
        });
        from_gpu(y)
    }

    /// The same with the mask as a tensor.
    pub fn reference(&self, x: Tensor<3>) -> Tensor<3> {
        let shape = x.dims();
        let mask = TensorData::new(self.factors(shape), shape);
        let device = x.device();
        x * Tensor::from_data(mask, &device)
    }

    /// What every number of [B, T, C] is taken times, row-major.
    fn factors(&self, [n_texts, n_tokens, width]: [usize; 3]) -> Vec<f32> {
        let mut factors = Vec::with_capacity(n_texts * n_tokens * width);
        for row in 0..n_texts * n_tokens {
            let of_row = self.of_token(row / n_tokens, row % n_tokens);
            let of_channel = |channel: u32| match mix(of_row ^ channel) < self.threshold() {
                true => 0.0,
                false => self.scale(),
            };
            factors.extend((0..width as u32).map(of_channel));
        }
        factors
    }

    /// What the channels of a token are mixed with.
    fn of_token(&self, row: usize, token: usize) -> u32 {
        let text = self.first_text.wrapping_add(row as u32);
        let token = self.first_token.wrapping_add(token as u32);
        mix(mix(self.key ^ text) ^ token)
    }

    /// Below this a number is dropped.
    fn threshold(&self) -> u32 {
        (f64::from(self.rate) * 2.0_f64.powi(32)) as u32
    }

    fn scale(&self) -> f32 {
        1.0 / (1.0 - self.rate)
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::Device;

    use super::*;
    use crate::kernels::device::read_back::read_f32;

    fn tensor(values: Vec<f32>, shape: [usize; 3], device: &Device) -> Tensor<3> {
        Tensor::from_data(TensorData::new(values, shape), device)
    }

    fn ones(shape: [usize; 3], device: &Device) -> Tensor<3> {
        Tensor::ones(shape, device)
    }

    /// The mask by the equation of the module, number by number.
    fn by_hand(rate: f64, key: u32, [text, token, channel]: [u32; 3]) -> f32 {
        let finalise = |x: u32| {
            let x = (u64::from(x ^ (x >> 16)) * 0x7feb_352d) & 0xffff_ffff;
            let x = ((x ^ (x >> 15)) * 0x846c_a68b) & 0xffff_ffff;
            (x ^ (x >> 16)) as u32
        };
        let hash = finalise(finalise(finalise(key ^ text) ^ token) ^ channel);
        match f64::from(hash) < rate * 4_294_967_296.0 {
            true => 0.0,
            false => (1.0 / (1.0 - rate)) as f32,
        }
    }

    fn check(device: &Device) {
        // More numbers than a cube has units, and a width that is no multiple of them.
        let shape = [3, 7, 37];
        let dropout = Dropout::new(0.25, 0x1234_5678, 5).behind(11);
        let got = read_f32(dropout.apply(ones(shape, device))).unwrap();
        for (place, got) in got.iter().enumerate() {
            let [text, token, channel] = [place / (7 * 37), place / 37 % 7, place % 37];
            let at = [5 + text as u32, 11 + token as u32, channel as u32];
            let want = by_hand(0.25, 0x1234_5678, at);
            assert_eq!(*got, want, "{at:?}");
        }
        let x: Vec<f32> = (0..3 * 7 * 37).map(|i| (0.3 * i as f32).sin()).collect();
        let x = tensor(x, shape, device);
        let got = read_f32(dropout.apply(x.clone())).unwrap();
        assert_eq!(got, read_f32(dropout.reference(x.clone())).unwrap());
        // Nothing is dropped at 0, and nothing changes.
        let none = Dropout::new(0.0, 7, 0).apply(x.clone());
        assert_eq!(read_f32(none).unwrap(), read_f32(x).unwrap());
        // A text in windows has the mask of the whole, and so has a batch in parts.
        let whole = read_f32(dropout.apply(ones(shape, device))).unwrap();
        let later = read_f32(dropout.behind(4).apply(ones([3, 3, 37], device))).unwrap();
        for text in 0..3 {
            let of_whole = &whole[(text * 7 + 4) * 37..(text * 7 + 7) * 37];
            assert_eq!(of_whole, &later[text * 3 * 37..(text + 1) * 3 * 37]);
        }
        let last = Dropout::new(0.25, 0x1234_5678, 7).behind(11);
        let last = read_f32(last.apply(ones([1, 7, 37], device))).unwrap();
        assert_eq!(last, whole[2 * 7 * 37..]);
    }

    #[test]
    fn the_mask_follows_from_the_place_on_every_device() {
        check(&Device::flex());
        check(&Device::wgpu(burn::tensor::DeviceKind::Cpu));
    }

    #[test]
    fn the_share_is_kept_and_masks_of_other_keys_are_others() {
        let device = Device::flex();
        let shape = [4, 64, 256];
        let n = 4.0 * 64.0 * 256.0;
        for rate in [0.05_f32, 0.5, 0.9] {
            let dropout = Dropout::new(rate, 99, 0);
            let masks = [dropout, dropout.of(0), dropout.of(1), dropout.behind(64)];
            let dropped: Vec<Vec<bool>> = masks
                .iter()
                .map(|of| {
                    let left = read_f32(of.apply(ones(shape, &device))).unwrap();
                    left.iter().map(|x| *x == 0.0).collect()
                })
                .collect();
            let p = f64::from(rate);
            // Five standard deviations of a binomial distribution.
            let near = |count: usize, p: f64| {
                let bound = 5.0 * (n * p * (1.0 - p)).sqrt();
                assert!(
                    (count as f64 - n * p).abs() < bound,
                    "{count} of {n} at {p}"
                );
            };
            for mask in &dropped {
                near(mask.iter().filter(|of| **of).count(), p);
            }
            for (idx, a) in dropped.iter().enumerate() {
                for b in &dropped[..idx] {
                    let both = a.iter().zip(b).filter(|(a, b)| **a && **b).count();
                    near(both, p * p);
                }
            }
            // Neighbours of a token, and tokens of a channel, are independent.
            for step in [1, 256] {
                let mask = &dropped[0];
                let pairs = mask.iter().zip(&mask[step..]);
                let both = pairs.filter(|(a, b)| **a && **b).count();
                near(both, p * p);
            }
        }
    }

    #[test]
    fn it_is_its_own_transpose() {
        let device = Device::flex();
        let shape = [2, 5, 16];
        let wave =
            |phase: f32| -> Vec<f32> { (0..160).map(|i| (phase + 0.7 * i as f32).cos()).collect() };
        let (x, dy) = (wave(0.0), wave(1.0));
        let dropout = Dropout::new(0.4, 3, 0);
        let apply = |values: &[f32]| {
            let x = tensor(values.to_vec(), shape, &device);
            read_f32(dropout.apply(x)).unwrap()
        };
        let dot = |a: &[f32], b: &[f32]| -> f64 {
            a.iter()
                .zip(b)
                .map(|(a, b)| f64::from(*a) * f64::from(*b))
                .sum()
        };
        let (forward, back) = (dot(&apply(&x), &dy), dot(&x, &apply(&dy)));
        assert!((forward - back).abs() < 1e-6 * forward.abs().max(1.0));
        assert!(dot(&apply(&x), &x) > 0.0);
    }
}
