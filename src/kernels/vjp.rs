//! Gradients by automatic differentiation of a reference: what the fused
//! operators do where they have no form of their own, and what their tests
//! compare with.

use burn::tensor::Tensor;

/// Gradients of `inputs` for the gradients `upstream` of what `reference`
/// makes of them. The parameters that `reference` closes over must be wrapped
/// by it with [`Tensor::from_inner`].
pub(super) fn vjp<const D: usize, const IN: usize, const OUT: usize>(
    inputs: [Tensor<D>; IN],
    reference: impl FnOnce([Tensor<D>; IN]) -> [Tensor<D>; OUT],
    upstream: [Tensor<D>; OUT],
) -> [Tensor<D>; IN] {
    let leaves = inputs.map(|x| Tensor::<D>::from_inner(x).require_grad());
    let outputs = reference(leaves.clone());
    let product = outputs
        .into_iter()
        .zip(upstream)
        .map(|(output, gradient)| (output * Tensor::from_inner(gradient)).sum())
        .reduce(|a, b| a + b);
    let gradients = product.map(|product| product.backward());
    leaves.map(|leaf| {
        gradients
            .as_ref()
            .and_then(|gradients| leaf.grad(gradients))
            .unwrap_or_else(|| leaf.inner().zeros_like())
    })
}
