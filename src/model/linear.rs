//! Products of activations with frozen matrices.

use burn::tensor::Tensor;

use crate::kernels::matrix::Matrix;
use crate::kernels::product::{Finish, Start, Stored, product, product_in_halves};

/// `x` [.., in] by a weight stored as [out, in] → [.., out].
pub(super) fn linear<const D: usize>(x: Tensor<D>, weight: &Matrix) -> Tensor<D> {
    plain(x, weight, Stored::Transposed)
}

/// [`linear`] for products alone to read, which may be in 16 bits.
pub(super) fn linear_in_halves(x: Tensor<3>, weight: &Matrix) -> Tensor<3> {
    let (stored, start, finish) = (Stored::Transposed, Start::Plain, Finish::Plain);
    product_in_halves(x, weight, stored, start, finish, None)
}

/// [`linear`] of what `start` makes of x, added to `onto` [.., out].
pub(super) fn linear_onto(
    x: Tensor<3>,
    weight: &Matrix,
    start: Start,
    onto: Tensor<3>,
) -> Tensor<3> {
    product(
        x,
        weight,
        Stored::Transposed,
        start,
        Finish::Add,
        Some(onto),
    )
}

/// The gradient of x for that of [`linear`]: [.., out] → [.., in].
pub(super) fn linear_backward<const D: usize>(dy: Tensor<D>, weight: &Matrix) -> Tensor<D> {
    gradient(dy, weight, Stored::Plain)
}

/// The gradient of `key` for that of [`linear`] of its squared ReLU; for products alone to
/// read where it may be `in_halves`.
pub(super) fn linear_backward_through_squared_relu(
    dy: Tensor<3>,
    weight: &Matrix,
    key: Tensor<3>,
    in_halves: bool,
) -> Tensor<3> {
    let (start, finish) = (Start::Gradient, Finish::ThroughSquaredRelu);
    let take = if in_halves {
        product_in_halves
    } else {
        product
    };
    take(dy, weight, Stored::Plain, start, finish, Some(key))
}

fn plain<const D: usize>(x: Tensor<D>, weight: &Matrix, stored: Stored) -> Tensor<D> {
    product(x, weight, stored, Start::Plain, Finish::Plain, None)
}

fn gradient<const D: usize>(dy: Tensor<D>, weight: &Matrix, stored: Stored) -> Tensor<D> {
    product(dy, weight, stored, Start::Gradient, Finish::Plain, None)
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

/// A low-rank map, `f(x down) up`.
#[derive(Debug, Clone)]
pub(super) struct LowRank {
    /// [C, rank].
    pub down: Matrix,
    /// [rank, C].
    pub up: Matrix,
    /// What stands between the factors.
    pub between: Between,
}

/// A function between the factors of a low-rank map.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Between {
    /// None.
    Nothing,
    /// tanh.
    Tanh,
    /// The logistic function.
    Sigmoid,
}

impl LowRank {
    /// Behind the function between the two factors: [B, T, C] → [B, T, rank].
    pub fn lower(&self, x: Tensor<3>) -> Tensor<3> {
        let finish = match self.between {
            Between::Nothing => Finish::Plain,
            Between::Tanh => Finish::Tanh,
            Between::Sigmoid => Finish::Sigmoid,
        };
        product(x, &self.down, Stored::Plain, Start::Plain, finish, None)
    }

    /// [B, T, rank] → [B, T, C].
    pub fn raise(&self, low: Tensor<3>) -> Tensor<3> {
        plain(low, &self.up, Stored::Plain)
    }

    /// The gradient in front of the function, for that of [`Self::raise`]:
    /// [B, T, C] → [B, T, rank]. `low` is what [`Self::lower`] gave; where no
    /// function stands between, it may be left out.
    pub fn raise_backward(&self, dy: Tensor<3>, low: Option<Tensor<3>>) -> Tensor<3> {
        let finish = match self.between {
            Between::Nothing => Finish::Plain,
            Between::Tanh => Finish::ThroughTanh,
            Between::Sigmoid => Finish::ThroughSigmoid,
        };
        product(
            dy,
            &self.up,
            Stored::Transposed,
            Start::Gradient,
            finish,
            low,
        )
    }

    /// The gradient of x: [B, T, rank] → [B, T, C].
    pub fn lower_backward(&self, dlow: Tensor<3>) -> Tensor<3> {
        gradient(dlow, &self.down, Stored::Transposed)
    }

    /// As [`Self::lower_backward`], added to another gradient.
    pub fn lower_backward_onto(&self, dlow: Tensor<3>, onto: Tensor<3>) -> Tensor<3> {
        let down = &self.down;
        product(
            dlow,
            down,
            Stored::Transposed,
            Start::Gradient,
            Finish::Add,
            Some(onto),
        )
    }
}
