//! What follows the recurrence, on a GPU. Reference twin: [`super::Readout::reference`].

mod kernel;

use burn_cubecl::tensor::CubeTensor;
use cubecl::prelude::*;

use crate::kernels::norm::gpu::GpuNorm;
use crate::kernels::op::{arg, cubes, len};
use crate::kernels::sums::UNITS;

/// y, r, k, v and gate, of the same number of values each → `out`.
pub fn readout(
    x: [&CubeTensor; 5],
    norm: GpuNorm,
    r_k: &CubeTensor,
    head_size: usize,
    out: &CubeTensor,
) {
    let total = len(x[0].meta.shape()) / 4;
    // SAFETY: as in `prepare`.
    unsafe {
        kernel::readout::launch_unchecked(
            &x[0].client,
            cubes(total.div_ceil(UNITS)),
            CubeDim::new_1d(UNITS as u32),
            arg(x[0]),
            arg(x[1]),
            arg(x[2]),
            arg(x[3]),
            arg(x[4]),
            arg(norm.weight),
            arg(norm.bias),
            arg(r_k),
            arg(out),
            total,
            norm.epsilon,
            norm.fours(),
            head_size / 4,
        );
    }
}

/// The gradients of y, r, k, v and gate for `dout`.
pub fn readout_backward(
    x: [&CubeTensor; 5],
    norm: GpuNorm,
    r_k: &CubeTensor,
    head_size: usize,
    dout: &CubeTensor,
    out: [&CubeTensor; 5],
) {
    let total = len(x[0].meta.shape()) / 4;
    // SAFETY: as in `prepare`.
    unsafe {
        kernel::readout_backward::launch_unchecked(
            &x[0].client,
            cubes(total.div_ceil(UNITS)),
            CubeDim::new_1d(UNITS as u32),
            arg(x[0]),
            arg(x[1]),
            arg(x[2]),
            arg(x[3]),
            arg(x[4]),
            arg(norm.weight),
            arg(norm.bias),
            arg(r_k),
            arg(dout),
            arg(out[0]),
            arg(out[1]),
            arg(out[2]),
            arg(out[3]),
            arg(out[4]),
            total,
            norm.epsilon,
            norm.fours(),
            head_size / 4,
        );
    }
}
