//! The feed-forward part of a layer: SwiGLU on a normalised input.

use burn::tensor::Tensor;

use crate::kernels::matrix::Matrix;
use crate::kernels::product::Start;
use crate::kernels::rms_norm::RmsNorm;
use crate::kernels::silu::{gated, gated_backward};
use crate::model::linear::{linear, linear_backward, linear_onto, n_values};

/// The frozen parameters.
#[derive(Debug, Clone)]
pub(in crate::model) struct FeedForward {
    pub norm: RmsNorm,
    /// [inner, C].
    pub gate: Matrix,
    /// [inner, C].
    pub up: Matrix,
    /// [C, inner].
    pub down: Matrix,
}

/// What the backward pass reads.
#[derive(Debug, Clone)]
pub(super) struct FeedForwardTape {
    /// The residual stream in front, [B, T, C].
    x: Tensor<3>,
    /// Before SiLU, [B, T, inner].
    gate: Tensor<3>,
    /// [B, T, inner].
    up: Tensor<3>,
}

impl FeedForwardTape {
    /// Numbers that it holds.
    pub fn n_values(&self) -> usize {
        [&self.x, &self.gate, &self.up].map(n_values).iter().sum()
    }
}

impl FeedForward {
    /// Takes the residual stream `x` [B, T, C] through.
    pub(super) fn forward(&self, x: Tensor<3>) -> (Tensor<3>, FeedForwardTape) {
        let normed = self.norm.forward(x.clone());
        let gate = linear(normed.clone(), &self.gate);
        let up = linear(normed, &self.up);
        let inner = gated(up.clone(), gate.clone());
        let out = linear_onto(inner, &self.down, Start::Plain, x.clone());
        (out, FeedForwardTape { x, gate, up })
    }

    /// The gradient of the stream in front for `dx` [B, T, C], that of the stream
    /// behind.
    pub(super) fn backward(&self, tape: FeedForwardTape, dx: Tensor<3>) -> Tensor<3> {
        let dinner = linear_backward(dx.clone(), &self.down);
        let (dup, dgate) = gated_backward(tape.up, tape.gate, dinner);
        let dnormed = linear_backward(dup, &self.up) + linear_backward(dgate, &self.gate);
        dx + self.norm.backward(tape.x, dnormed)
    }
}
