//! The norm in front of the head, of any architecture.

use burn::tensor::Tensor;

use crate::kernels::norm::LayerNorm;
use crate::kernels::rms_norm::RmsNorm;

/// A norm with frozen parameters.
#[derive(Debug, Clone)]
pub(super) enum Norm {
    /// With a mean and a bias.
    Layer(Box<LayerNorm>),
    /// Without.
    Rms(Box<RmsNorm>),
}

impl Norm {
    /// `x`: [rows, C] → [rows, C].
    pub fn forward(&self, x: Tensor<2>) -> Tensor<2> {
        match self {
            Self::Layer(norm) => norm.forward(x),
            Self::Rms(norm) => norm.forward(x),
        }
    }

    /// [`Self::forward`] for products alone to read: in 16 bits where the kernel writes
    /// them.
    pub fn forward_in_halves(&self, x: Tensor<2>) -> Tensor<2> {
        match self {
            Self::Layer(norm) => norm.forward_in_halves(x),
            Self::Rms(norm) => norm.forward(x),
        }
    }

    /// The gradient of x for `dy`, [rows, C] each.
    pub fn backward(&self, x: Tensor<2>, dy: Tensor<2>) -> Tensor<2> {
        match self {
            Self::Layer(norm) => norm.backward(x, dy),
            Self::Rms(norm) => norm.backward(x, dy),
        }
    }
}
