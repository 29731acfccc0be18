//! Products of activations with frozen matrices.

use burn::tensor::Tensor;

use crate::kernels::matmul::{Stored, matmul};

/// `x` [rows, in] by a weight stored as [out, in] → [rows, out].
pub(super) fn linear(x: Tensor<2>, weight: &Tensor<2>) -> Tensor<2> {
    matmul(x, weight, Stored::Transposed)
}

/// The gradient of x for that of [`linear`]: [rows, out] → [rows, in].
pub(super) fn linear_backward(dy: Tensor<2>, weight: &Tensor<2>) -> Tensor<2> {
    matmul(dy, weight, Stored::Plain)
}

/// [B, T, C] → [B * T, C].
pub(super) fn rows(x: Tensor<3>) -> Tensor<2> {
    let [n_batch, n_tokens, n_embd] = x.dims();
    x.reshape([n_batch * n_tokens, n_embd])
}

/// [B * T, C] → [B, T, C].
pub(super) fn tokens(x: Tensor<2>, n_batch: usize) -> Tensor<3> {
    let [n_rows, n_embd] = x.dims();
    x.reshape([n_batch, n_rows / n_batch, n_embd])
}

/// Numbers in a tensor.
pub(super) fn n_values<const D: usize>(x: &Tensor<D>) -> usize {
    x.dims().iter().product()
}

/// A low-rank map, `x down up`.
#[derive(Debug, Clone)]
pub(super) struct LowRank {
    /// [C, rank].
    pub down: Tensor<2>,
    /// [rank, C].
    pub up: Tensor<2>,
}

impl LowRank {
    /// Between the two factors: [rows, C] → [rows, rank].
    pub fn lower(&self, x: Tensor<2>) -> Tensor<2> {
        matmul(x, &self.down, Stored::Plain)
    }

    /// [rows, rank] → [rows, C].
    pub fn raise(&self, low: Tensor<2>) -> Tensor<2> {
        matmul(low, &self.up, Stored::Plain)
    }

    /// The gradient between the factors: [rows, C] → [rows, rank].
    pub fn raise_backward(&self, dy: Tensor<2>) -> Tensor<2> {
        matmul(dy, &self.up, Stored::Transposed)
    }

    /// The gradient of x: [rows, rank] → [rows, C].
    pub fn lower_backward(&self, dlow: Tensor<2>) -> Tensor<2> {
        matmul(dlow, &self.down, Stored::Transposed)
    }
}
