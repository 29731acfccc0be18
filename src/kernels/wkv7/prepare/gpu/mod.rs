//! The inputs of the recurrence on a GPU. Reference twin: [`super::Prepare::reference`].

mod kernel;

use burn_cubecl::tensor::CubeTensor;
use cubecl::prelude::*;

use crate::kernels::op::{arg, cubes, len};
use crate::kernels::sums::UNITS;

/// What [`prepare`] reads: key, value, decay, iclr, share and v_first, [B, T, C]
/// each, then w0, a0, v0, k_k and k_a, `[C]` each. Without a share the value
/// stands for both of it, and k_k for v0.
pub type PrepareInputs<'a> = [&'a CubeTensor; 11];

/// Writes w, k, v, removal and write, [B, T, H, N] each.
pub fn prepare(x: PrepareInputs, head_size: usize, has_share: bool, out: [&CubeTensor; 5]) {
    let total = len(x[0].meta.shape()) / 4;
    let fours = len(x[9].meta.shape()) / 4;
    // SAFETY: units behind the last four read it and write nothing.
    unsafe {
        kernel::prepare::launch_unchecked(
            &x[0].client,
            cubes(total.div_ceil(UNITS)),
            CubeDim::new_1d(UNITS as u32),
            arg(x[0]),
            arg(x[1]),
            arg(x[2]),
            arg(x[3]),
            arg(x[4]),
            arg(x[5]),
            arg(x[6]),
            arg(x[7]),
            arg(x[8]),
            arg(x[9]),
            arg(x[10]),
            arg(out[0]),
            arg(out[1]),
            arg(out[2]),
            arg(out[3]),
            arg(out[4]),
            total,
            fours,
            head_size / 4,
            has_share,
        );
    }
}

/// For the gradients of w, k, v, removal and write: those of key, value, decay,
/// iclr and share; the last is not written without a share.
pub fn prepare_backward(
    x: PrepareInputs,
    upstream: [&CubeTensor; 5],
    head_size: usize,
    has_share: bool,
    out: [&CubeTensor; 5],
) {
    let total = len(x[0].meta.shape()) / 4;
    let fours = len(x[9].meta.shape()) / 4;
    // SAFETY: as in `prepare`.
    unsafe {
        kernel::prepare_backward::launch_unchecked(
            &x[0].client,
            cubes(total.div_ceil(UNITS)),
            CubeDim::new_1d(UNITS as u32),
            arg(x[0]),
            arg(x[1]),
            arg(x[2]),
            arg(x[3]),
            arg(x[4]),
            arg(x[5]),
            arg(x[6]),
            arg(x[7]),
            arg(x[8]),
            arg(x[9]),
            arg(x[10]),
            arg(upstream[0]),
            arg(upstream[1]),
            arg(upstream[2]),
            arg(upstream[3]),
            arg(upstream[4]),
            arg(out[0]),
            arg(out[1]),
            arg(out[2]),
            arg(out[3]),
            arg(out[4]),
            total,
            fours,
            head_size / 4,
            has_share,
        );
    }
}
