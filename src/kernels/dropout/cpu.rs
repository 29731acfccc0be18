//! [`super::Dropout`] on the CPU, rows of tokens on all threads.

use std::ops::Range;

use burn::tensor::Tensor;

use super::{Dropout, mix};
use crate::kernels::cpu::rows::{Rows, Unwritten};
use crate::kernels::cpu::simd::Task;
use crate::kernels::cpu::tensor::{Flat, for_rows, written};

/// `x` [B, T, C] with what is left of it.
pub(super) fn dropped(dropout: &Dropout, x: &Tensor<3>) -> Tensor<3> {
    let shape = x.dims();
    let [n_texts, n_tokens, width] = shape;
    let x = Flat::new(x);
    let mut out = Unwritten::new(n_texts * n_tokens * width);
    let rows = out.rows();
    for_rows(n_texts * n_tokens, |range| Thinned {
        dropout,
        x: x.slice(),
        out: &rows,
        n_tokens,
        width,
        range,
    });
    // SAFETY: the tasks above wrote every row.
    unsafe { written(out, shape) }
}

struct Thinned<'a> {
    dropout: &'a Dropout,
    x: &'a [f32],
    out: &'a Rows<'a>,
    n_tokens: usize,
    width: usize,
    range: Range<usize>,
}

impl Task for Thinned<'_> {
    #[inline(always)]
    fn run<const FMA: bool>(&self) {
        let (threshold, scale) = (self.dropout.threshold(), self.dropout.scale());
        for row in self.range.clone() {
            let start = row * self.width;
            // SAFETY: every task writes the rows of its own range.
            let out = unsafe { self.out.slice(start, self.width) };
            let of_row = self
                .dropout
                .of_token(row / self.n_tokens, row % self.n_tokens);
            let x = &self.x[start..][..self.width];
            for (channel, (out, x)) in out.iter_mut().zip(x).enumerate() {
                let is_left = mix(of_row ^ channel as u32) >= threshold;
                *out = if is_left { x * scale } else { 0.0 };
            }
        }
    }
}
