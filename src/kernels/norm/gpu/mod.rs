//! Layer norm on a GPU: a cube for every row. Reference twin: [`super::LayerNorm::reference`].

pub(crate) mod kernel;

use burn::tensor::DType;
use burn_cubecl::tensor::CubeTensor;
use cubecl::prelude::*;

use crate::kernels::halves::words_of_four;
use crate::kernels::op::{arg, cubes, len};
use crate::kernels::sums::UNITS;

/// A LayerNorm's frozen parameters, `[C]` each.
#[derive(Clone, Copy)]
pub struct GpuNorm<'a> {
    /// `[C]`.
    pub weight: &'a CubeTensor,
    /// `[C]`.
    pub bias: &'a CubeTensor,
    /// Added to the variance.
    pub epsilon: f32,
}

impl<'a> GpuNorm<'a> {
    /// Of the first two tensors: weight and bias.
    pub fn new(parameters: &'a [CubeTensor], epsilon: f32) -> Self {
        Self {
            weight: &parameters[0],
            bias: &parameters[1],
            epsilon,
        }
    }

    pub(crate) fn fours(&self) -> usize {
        self.weight.meta.shape().num_elements() / 4
    }
}

/// [rows, C] → [rows, C], in 32 or in 16 bits.
pub fn layer_norm(x: &CubeTensor, norm: GpuNorm, y: &CubeTensor) {
    let fours = norm.fours();
    let n_rows = len(x.meta.shape()) / (4 * fours);
    let in_halves = y.dtype == DType::F16;
    // SAFETY: a cube stays in its row; there are as many as rows.
    unsafe {
        kernel::layer_norm::launch_unchecked(
            &x.client,
            cubes(n_rows),
            CubeDim::new_1d(UNITS as u32),
            words_of_four(in_halves),
            arg(x),
            arg(norm.weight),
            arg(norm.bias),
            arg(y),
            n_rows,
            norm.epsilon,
            fours,
            in_halves,
        );
    }
}

/// The gradient of x for `dy`, [rows, C] each.
pub fn layer_norm_backward(x: &CubeTensor, norm: GpuNorm, dy: &CubeTensor, dx: &CubeTensor) {
    let fours = norm.fours();
    let n_rows = len(x.meta.shape()) / (4 * fours);
    // SAFETY: as above.
    unsafe {
        kernel::layer_norm_backward::launch_unchecked(
            &x.client,
            cubes(n_rows),
            CubeDim::new_1d(UNITS as u32),
            arg(x),
            arg(norm.weight),
            arg(dy),
            arg(dx),
            n_rows,
            norm.epsilon,
            fours,
        );
    }
}
