//! A causal convolution over a few tokens, every channel for itself, and SiLU
//! behind it, in Burn operations that run on every device.
//!
//! ```text
//! y_t = silu(sum_j weight_j x_{t - K + 1 + j}),  j = 0 .. K - 1
//! ```
//!
//! The inputs of the K - 1 tokens in front are part of the state of a text.

use burn::tensor::Tensor;

use super::silu::{silu, silu_backward};

/// The frozen weights.
#[derive(Debug, Clone)]
pub struct ShortConv {
    /// One `[D]` for every tap, the present token's last.
    pub taps: Vec<Tensor<1>>,
}

impl ShortConv {
    /// Inputs of tokens in front that it reads.
    pub fn n_before(&self) -> usize {
        self.taps.len().saturating_sub(1)
    }

    /// `x`: [B, T, D], behind `before` [B, K - 1, D]. Gives y [B, T, D], and what the
    /// token behind the last reads in place of `before`.
    pub fn forward(&self, x: Tensor<3>, before: Tensor<3>) -> (Tensor<3>, Tensor<3>) {
        let [_, n_tokens, _] = x.dims();
        let all = Tensor::cat(vec![before, x], 1);
        let last = all.clone().narrow(1, n_tokens, self.n_before());
        (silu(self.sums(&all, n_tokens)), last)
    }

    /// The gradients of x and of `before` for `dy` [B, T, D], and for `dlast`
    /// [B, K - 1, D], that of what the token behind reads, where something reads it.
    pub fn backward(
        &self,
        x: Tensor<3>,
        before: Tensor<3>,
        dy: Tensor<3>,
        dlast: Option<Tensor<3>>,
    ) -> (Tensor<3>, Tensor<3>) {
        let [n_batch, n_tokens, n_channels] = x.dims();
        let n_before = self.n_before();
        let all = Tensor::cat(vec![before, x], 1);
        let dsums = silu_backward(self.sums(&all, n_tokens), dy);
        // The gradient of `all` at s is sum_j weight_j dsums at s - j, which is
        // nothing in front of the first token and behind the last.
        let nothing = Tensor::zeros([n_batch, n_before, n_channels], &all.device());
        let padded = Tensor::cat(vec![nothing.clone(), dsums, nothing.clone()], 1);
        let n_all = n_tokens + n_before;
        let each = self.taps.iter().enumerate().map(|(tap, weight)| {
            padded.clone().narrow(1, n_before - tap, n_all) * weight.clone().unsqueeze()
        });
        let mut dall = total(each);
        if let Some(dlast) = dlast {
            let in_front = Tensor::zeros([n_batch, n_tokens, n_channels], &dall.device());
            dall = dall + Tensor::cat(vec![in_front, dlast], 1);
        }
        let dbefore = dall.clone().narrow(1, 0, n_before);
        (dall.narrow(1, n_before, n_tokens), dbefore)
    }

    /// The sums in front of SiLU, [B, T, D], of the inputs [B, K - 1 + T, D].
    fn sums(&self, all: &Tensor<3>, n_tokens: usize) -> Tensor<3> {
        let each = self.taps.iter().enumerate();
        total(
            each.map(|(tap, weight)| {
                all.clone().narrow(1, tap, n_tokens) * weight.clone().unsqueeze()
            }),
        )
    }
}

fn total(each: impl Iterator<Item = Tensor<3>>) -> Tensor<3> {
    let Some(sum) = each.reduce(|sum, next| sum + next) else {
        unreachable!("a convolution has a tap")
    };
    sum
}

#[cfg(test)]
mod tests {
    use burn::tensor::{Device, TensorData};

    use super::*;
    use crate::kernels::device::read_back::read_f32;

    const B: usize = 2;
    const T: usize = 5;
    const D: usize = 3;
    const K: usize = 4;

    fn numbers(n: usize, seed: f64) -> Vec<f64> {
        (0..n).map(|i| (0.9 * i as f64 + seed).sin()).collect()
    }

    fn tensor<const R: usize>(values: &[f64], shape: [usize; R], device: &Device) -> Tensor<R> {
        let values: Vec<f32> = values.iter().map(|x| *x as f32).collect();
        Tensor::from_data(TensorData::new(values, shape), device)
    }

    /// y and the last inputs by the definition, in 64 bits.
    fn by_hand(x: &[f64], before: &[f64], weights: &[f64]) -> (Vec<f64>, Vec<f64>) {
        let at = |b: usize, t: usize, d: usize| match t.checked_sub(K - 1) {
            Some(t) => x[(b * T + t) * D + d],
            None => before[(b * (K - 1) + t) * D + d],
        };
        let (mut y, mut last) = (Vec::new(), Vec::new());
        for b in 0..B {
            for t in 0..T {
                for d in 0..D {
                    let sum: f64 = (0..K).map(|j| weights[j * D + d] * at(b, t + j, d)).sum();
                    y.push(sum / (1.0 + (-sum).exp()));
                }
            }
        }
        for b in 0..B {
            for t in T..T + K - 1 {
                last.extend((0..D).map(|d| at(b, t, d)));
            }
        }
        (y, last)
    }

    fn assert_near(got: Tensor<3>, want: &[f64], what: &str) {
        let got = read_f32(got).unwrap();
        assert_eq!(got.len(), want.len(), "{what}");
        for (got, want) in got.iter().zip(want) {
            let off = (f64::from(*got) - want).abs();
            assert!(off < 1e-5, "{what}: {got}, not {want}");
        }
    }

    fn check(device: &Device) {
        const STEP: f64 = 1e-5;
        let (x, before) = (numbers(B * T * D, 0.1), numbers(B * (K - 1) * D, 2.0));
        let weights = numbers(K * D, 4.0);
        let (dy, dlast) = (numbers(B * T * D, 3.0), numbers(B * (K - 1) * D, 5.0));
        let conv = ShortConv {
            taps: weights
                .chunks(D)
                .map(|tap| tensor(tap, [D], device))
                .collect(),
        };
        let shapes = ([B, T, D], [B, K - 1, D]);
        let (tx, tbefore) = (
            tensor(&x, shapes.0, device),
            tensor(&before, shapes.1, device),
        );
        let (y, last) = conv.forward(tx.clone(), tbefore.clone());
        let (want_y, want_last) = by_hand(&x, &before, &weights);
        assert_near(y, &want_y, "y");
        assert_near(last, &want_last, "last");
        let loss = |x: &[f64], before: &[f64], reads_last: bool| -> f64 {
            let (y, last) = by_hand(x, before, &weights);
            let of_y: f64 = y.iter().zip(&dy).map(|(y, dy)| y * dy).sum();
            let of_last: f64 = last.iter().zip(&dlast).map(|(x, d)| x * d).sum();
            of_y + if reads_last { of_last } else { 0.0 }
        };
        for reads_last in [false, true] {
            let (tdy, tdlast) = (
                tensor(&dy, shapes.0, device),
                tensor(&dlast, shapes.1, device),
            );
            let dlast = reads_last.then_some(tdlast);
            let (dx, dbefore) = conv.backward(tx.clone(), tbefore.clone(), tdy, dlast);
            let slope = |values: &[f64], loss: &dyn Fn(&[f64]) -> f64| -> Vec<f64> {
                let one = |i: usize| {
                    let (mut up, mut down) = (values.to_vec(), values.to_vec());
                    up[i] += STEP;
                    down[i] -= STEP;
                    (loss(&up) - loss(&down)) / (2.0 * STEP)
                };
                (0..values.len()).map(one).collect()
            };
            let want = slope(&x, &|x| loss(x, &before, reads_last));
            assert_near(dx, &want, "dx");
            let want = slope(&before, &|before| loss(&x, before, reads_last));
            assert_near(dbefore, &want, "dbefore");
        }
    }

    #[test]
    fn it_and_its_gradients_are_those_of_the_definition() {
        check(&Device::flex());
        check(&Device::wgpu(burn::tensor::DeviceKind::Cpu));
    }

    /// Token by token is the same as all at once.
    #[test]
    fn tokens_one_by_one_give_the_same() {
        let device = Device::flex();
        let weights = numbers(K * D, 4.0);
        let conv = ShortConv {
            taps: weights
                .chunks(D)
                .map(|tap| tensor(tap, [D], &device))
                .collect(),
        };
        let x: Tensor<3> = tensor(&numbers(B * T * D, 0.1), [B, T, D], &device);
        let before: Tensor<3> = tensor(&numbers(B * (K - 1) * D, 2.0), [B, K - 1, D], &device);
        let (whole, _) = conv.forward(x.clone(), before.clone());
        let mut state = before;
        let mut each = Vec::new();
        for t in 0..T {
            let (y, after) = conv.forward(x.clone().narrow(1, t, 1), state);
            each.push(y);
            state = after;
        }
        let want: Vec<f64> = read_f32(whole)
            .unwrap()
            .into_iter()
            .map(f64::from)
            .collect();
        assert_near(Tensor::cat(each, 1), &want, "token by token");
    }
}
