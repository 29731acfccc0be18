//! Products of activations with frozen matrices.

use burn::tensor::Tensor;

use crate::kernels::matrix::Matrix;
use crate::kernels::product::{
    Finish, Start, Stored, Wanted, product, product_in_halves, products,
};

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

/// [`linear`] of each, with as few launches as the matrices allow.
pub(super) fn linear_each<const N: usize>(each: [(Tensor<3>, &Matrix); N]) -> [Tensor<3>; N] {
    plain_each(each, Stored::Transposed, Start::Plain)
}

/// [`linear_backward`] of each, as [`linear_each`].
pub(super) fn linear_backward_each<const N: usize>(
    each: [(Tensor<3>, &Matrix); N],
) -> [Tensor<3>; N] {
    plain_each(each, Stored::Plain, Start::Gradient)
}

fn plain_each<const N: usize>(
    each: [(Tensor<3>, &Matrix); N],
    stored: Stored,
    start: Start,
) -> [Tensor<3>; N] {
    let wanted = each.map(|(a, b)| Wanted {
        a,
        b,
        finish: Finish::Plain,
        other: None,
    });
    let Ok(made) = products(wanted.into(), stored, start).try_into() else {
        unreachable!("one product for each that is wanted")
    };
    made
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
