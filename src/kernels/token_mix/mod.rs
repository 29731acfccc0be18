//! LayerNorm, then token shift: every projection of a block reads its own
//! interpolation between the normalised token and its predecessor.
//!
//! ```text
//! n_t = LayerNorm(x_t)        mixed_k,t = n_t + (n_{t-1} - n_t) * mix_k
//! ```
//!
//! `n_{-1}` is given: it is what a text before this one ended with.

mod gpu;

use std::ops::Range;

use burn::tensor::{DType, Shape, Tensor};

use super::cpu::rows::{Rows, Unwritten};
use super::cpu::simd::{Task, mul_add};
use super::cpu::tensor::{Flat, for_rows, written};
use super::device::is_cpu;
use super::norm::gpu::GpuNorm;
use super::norm::{LayerNorm, Norm};
use super::op::{GpuTensor, from_gpu, on_gpu, queue, queue_and_one};

/// The frozen parameters: a LayerNorm and K vectors of how much of the
/// predecessor is seen, `[C]` each.
#[derive(Debug, Clone)]
pub struct TokenMix<const K: usize> {
    /// Applied first.
    pub norm: LayerNorm,
    /// `[C]` each.
    pub mix: [Tensor<1>; K],
}

/// What [`TokenMix::forward`] gives.
pub struct TokenMixOutput<const K: usize> {
    /// [B, T, C] each.
    pub mixed: [Tensor<3>; K],
    /// The last normalised token, [B, C].
    pub last: Tensor<2>,
}

impl<const K: usize> TokenMix<K> {
    /// `x`: [B, T, C]; `last`: [B, C], the normalised token before the first.
    pub fn forward(&self, x: Tensor<3>, last: Tensor<2>) -> TokenMixOutput<K> {
        if !is_cpu(&x.device()) {
            return self.forward_gpu(x, last, DType::F32);
        }
        let shape = x.dims();
        let [n_batch, n_tokens, n_embd] = shape;
        let (x, last) = (Flat::new(&x), Flat::new(&last));
        let (weight, bias) = (Flat::new(&self.norm.weight), Flat::new(&self.norm.bias));
        let mix = self.mix.each_ref().map(Flat::new);
        let mut mixed: [_; K] =
            std::array::from_fn(|_| Unwritten::new(n_batch * n_tokens * n_embd));
        let mut new_last = Unwritten::new(n_batch * n_embd);
        let outputs = mixed.each_mut().map(Unwritten::rows);
        let last_rows = new_last.rows();
        for_rows(n_batch * n_tokens, |tokens| Forward {
            norm: Norm::new(&weight, &bias, self.norm.epsilon),
            mix: mix.each_ref().map(Flat::slice),
            x: x.slice(),
            last: last.slice(),
            mixed: outputs.each_ref(),
            new_last: &last_rows,
            n_tokens,
            tokens,
        });
        TokenMixOutput {
            // SAFETY: the tasks above wrote every row.
            mixed: mixed.map(|values| unsafe { written(values, shape) }),
            // SAFETY: the tasks above wrote every row.
            last: unsafe { written(new_last, [n_batch, n_embd]) },
        }
    }

    /// As [`Self::forward`], on a GPU, with `mixed` in 16 bits, for products alone to read
    /// (`product::reads_halves`).
    pub fn forward_in_halves(&self, x: Tensor<3>, last: Tensor<2>) -> TokenMixOutput<K> {
        self.forward_gpu(x, last, DType::F16)
    }

    /// The gradient of x for those of the K outputs, plus `onto`: the gradient
    /// that reaches x past this operator. [B, T, C] each.
    pub fn backward(&self, x: Tensor<3>, dmixed: [Tensor<3>; K], onto: Tensor<3>) -> Tensor<3> {
        let shape = x.dims();
        let [n_batch, n_tokens, n_embd] = shape;
        if !is_cpu(&x.device()) {
            return self.backward_gpu(x, dmixed, onto);
        }
        let (x, onto) = (Flat::new(&x), Flat::new(&onto));
        let (weight, bias) = (Flat::new(&self.norm.weight), Flat::new(&self.norm.bias));
        let (mix, dmixed) = (
            self.mix.each_ref().map(Flat::new),
            dmixed.each_ref().map(Flat::new),
        );
        let mut dx = Unwritten::new(n_batch * n_tokens * n_embd);
        let rows = dx.rows();
        for_rows(n_batch * n_tokens, |tokens| Backward {
            norm: Norm::new(&weight, &bias, self.norm.epsilon),
            mix: mix.each_ref().map(Flat::slice),
            x: x.slice(),
            dmixed: dmixed.each_ref().map(Flat::slice),
            onto: onto.slice(),
            dx: &rows,
            n_tokens,
            tokens,
        });
        // SAFETY: the tasks above wrote every row.
        unsafe { written(dx, shape) }
    }

    /// As [`Self::backward`] for a text in windows: `dlast` [B, C] is the gradient of
    /// the last normalised token, which the next window was given; gives also that
    /// of the normalised token before the first, [B, C].
    pub fn backward_of_window(
        &self,
        x: Tensor<3>,
        dmixed: [Tensor<3>; K],
        onto: Tensor<3>,
        dlast: Option<Tensor<2>>,
    ) -> (Tensor<3>, Tensor<2>) {
        let [n_batch, n_tokens, n_embd] = x.dims();
        let of_token = |x: &Tensor<3>, t| -> Tensor<2> { x.clone().narrow(1, t, 1).squeeze_dim(1) };
        let mut dbefore = Tensor::zeros([n_batch, n_embd], &x.device());
        for (dmixed, mix) in dmixed.iter().zip(&self.mix) {
            dbefore = dbefore + of_token(dmixed, 0) * mix.clone().unsqueeze();
        }
        let onto = match dlast {
            Some(dlast) => {
                let t = n_tokens - 1;
                let through = self.norm.backward(of_token(&x, t), dlast);
                let both = of_token(&onto, t) + through;
                let at = [0..n_batch, t..n_tokens, 0..n_embd];
                onto.slice_assign(at, both.unsqueeze_dim(1))
            }
            None => onto,
        };
        (self.backward(x, dmixed, onto), dbefore)
    }

    /// x, and the parameters behind it.
    fn inputs(&self, x: Tensor<3>) -> Vec<GpuTensor> {
        let mut inputs = vec![on_gpu(x)];
        let LayerNorm { weight, bias, .. } = &self.norm;
        let parameters = [weight, bias].into_iter().chain(&self.mix);
        inputs.extend(parameters.map(|parameter| on_gpu(parameter.clone())));
        inputs
    }

    fn forward_gpu(&self, x: Tensor<3>, last: Tensor<2>, dtype: DType) -> TokenMixOutput<K> {
        let dims = x.dims();
        let mut inputs = self.inputs(x);
        inputs.push(on_gpu(last));
        let epsilon = self.norm.epsilon as f32;
        let shapes = std::array::from_fn(|_| Shape::from(dims));
        let made = queue_and_one(
            "token_mix",
            inputs,
            shapes,
            dtype,
            Shape::from([dims[0], dims[2]]),
            move |x, out, last| {
                let norm = GpuNorm::new(&x[1..], epsilon);
                gpu::token_mix(&x[0], &x[3 + K], norm, &x[3..3 + K], out, last);
            },
        );
        let (mixed, last): ([GpuTensor; K], _) = made;
        TokenMixOutput {
            mixed: mixed.map(from_gpu),
            last: from_gpu(last),
        }
    }

    fn backward_gpu(&self, x: Tensor<3>, dmixed: [Tensor<3>; K], onto: Tensor<3>) -> Tensor<3> {
        let shape = Shape::from(x.dims());
        let mut inputs = self.inputs(x);
        inputs.extend(dmixed.map(on_gpu));
        inputs.push(on_gpu(onto));
        let epsilon = self.norm.epsilon as f32;
        let [dx] = queue("token_mix_backward", inputs, [shape], move |x, out| {
            let norm = GpuNorm::new(&x[1..], epsilon);
            let (mix, dmixed) = (&x[3..3 + K], &x[3 + K..3 + 2 * K]);
            gpu::token_mix_backward(&x[0], norm, mix, dmixed, &x[3 + 2 * K], &out[0]);
        });
        from_gpu(dx)
    }

    /// The same in plain, differentiable Burn operations.
    pub fn reference(&self, x: Tensor<3>, last: Tensor<2>) -> TokenMixOutput<K> {
        let [_, n_tokens, _] = x.dims();
        let normed = self.norm.reference(x);
        let first = last.unsqueeze_dim(1);
        let before = if n_tokens == 1 {
            first
        } else {
            Tensor::cat(vec![first, normed.clone().narrow(1, 0, n_tokens - 1)], 1)
        };
        let shift = before - normed.clone();
        TokenMixOutput {
            mixed: self
                .mix
                .each_ref()
                .map(|mix| normed.clone() + shift.clone() * mix.clone().unsqueeze()),
            last: normed.narrow(1, n_tokens - 1, 1).squeeze_dim(1),
        }
    }
}

struct Forward<'a, const K: usize> {
    norm: Norm<'a>,
    mix: [&'a [f32]; K],
    x: &'a [f32],
    last: &'a [f32],
    mixed: [&'a Rows<'a>; K],
    new_last: &'a Rows<'a>,
    n_tokens: usize,
    tokens: Range<usize>,
}

impl<const K: usize> Task for Forward<'_, K> {
    #[inline(always)]
    fn run<const FMA: bool>(&self) {
        let c = self.norm.n_channels();
        let (mut normed, mut before) = (vec![0.0; c], vec![0.0; c]);
        for token in self.tokens.clone() {
            let (batch_idx, t) = (token / self.n_tokens, token % self.n_tokens);
            if t == 0 {
                before.copy_from_slice(&self.last[batch_idx * c..][..c]);
            } else if token == self.tokens.start {
                let x = &self.x[(token - 1) * c..][..c];
                self.norm.row::<FMA>(x, &mut before);
            }
            let x = &self.x[token * c..][..c];
            self.norm.row::<FMA>(x, &mut normed);
            for (mix, mixed) in self.mix.iter().zip(self.mixed) {
                // SAFETY: every task writes the rows of its own tokens.
                let mixed = unsafe { mixed.slice(token * c, c) };
                for (((out, n), p), mix) in mixed.iter_mut().zip(&normed).zip(&before).zip(*mix) {
                    *out = mul_add::<FMA>(p - n, *mix, *n);
                }
            }
            if t + 1 == self.n_tokens {
                // SAFETY: one task has the last token of a text.
                unsafe { self.new_last.slice(batch_idx * c, c) }.copy_from_slice(&normed);
            }
            std::mem::swap(&mut normed, &mut before);
        }
    }
}

struct Backward<'a, const K: usize> {
    norm: Norm<'a>,
    mix: [&'a [f32]; K],
    x: &'a [f32],
    dmixed: [&'a [f32]; K],
    onto: &'a [f32],
    dx: &'a Rows<'a>,
    n_tokens: usize,
    tokens: Range<usize>,
}

impl<const K: usize> Task for Backward<'_, K> {
    #[inline(always)]
    fn run<const FMA: bool>(&self) {
        let c = self.norm.n_channels();
        let mut dnormed = vec![0.0; c];
        for token in self.tokens.clone() {
            dnormed.fill(0.0);
            for (mix, dmixed) in self.mix.iter().zip(self.dmixed) {
                let own = &dmixed[token * c..][..c];
                for ((sum, d), mix) in dnormed.iter_mut().zip(own).zip(*mix) {
                    *sum += d * (1.0 - mix);
                }
                if token % self.n_tokens + 1 < self.n_tokens {
                    let next = &dmixed[(token + 1) * c..][..c];
                    for ((sum, d), mix) in dnormed.iter_mut().zip(next).zip(*mix) {
                        *sum = mul_add::<FMA>(*d, *mix, *sum);
                    }
                }
            }
            // SAFETY: every task writes the rows of its own tokens.
            let dx = unsafe { self.dx.slice(token * c, c) };
            let x = &self.x[token * c..][..c];
            self.norm.row_backward::<FMA>(x, &dnormed, dx);
            for (dx, onto) in dx.iter_mut().zip(&self.onto[token * c..][..c]) {
                *dx += onto;
            }
        }
    }
}
