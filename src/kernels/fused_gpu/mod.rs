//! The element-wise operators around the recurrence, one kernel each way on a
//! GPU. Reference twins: the `reference` of every operator.

mod cross_entropy;
mod heads;
mod rows;
mod sums;

use burn::tensor::Shape;
use burn_cubecl::tensor::CubeTensor;
use cubecl::prelude::*;

use super::gpu_op::arg;
use sums::UNITS;

pub use cross_entropy::cross_entropy;

/// Cubes of a kernel with one for each of `n`, as a device takes so many.
pub fn cubes(n: usize) -> CubeCount {
    const WIDEST: usize = 65_535;
    if n <= WIDEST {
        CubeCount::Static(n as u32, 1, 1)
    } else {
        let height = n.div_ceil(WIDEST);
        CubeCount::Static(n.div_ceil(height) as u32, height as u32, 1)
    }
}

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

    fn fours(&self) -> usize {
        self.weight.meta.shape().num_elements() / 4
    }
}

fn len(shape: &Shape) -> usize {
    shape.num_elements()
}

/// [rows, C] → [rows, C].
pub fn layer_norm(x: &CubeTensor, norm: GpuNorm, y: &CubeTensor) {
    let fours = norm.fours();
    let n_rows = len(x.meta.shape()) / (4 * fours);
    // SAFETY: a cube stays in its row; there are as many as rows.
    unsafe {
        rows::layer_norm::launch_unchecked(
            &x.client,
            cubes(n_rows),
            CubeDim::new_1d(UNITS as u32),
            arg(x),
            arg(norm.weight),
            arg(norm.bias),
            arg(y),
            n_rows,
            norm.epsilon,
            fours,
        );
    }
}

/// The gradient of x for `dy`, [rows, C] each.
pub fn layer_norm_backward(x: &CubeTensor, norm: GpuNorm, dy: &CubeTensor, dx: &CubeTensor) {
    let fours = norm.fours();
    let n_rows = len(x.meta.shape()) / (4 * fours);
    // SAFETY: as above.
    unsafe {
        rows::layer_norm_backward::launch_unchecked(
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

/// `x` [B, T, C] and `last` [B, C] → `mixed` [B, T, C], one for every `mix`,
/// and `new_last` [B, C]. There are one or six of them.
pub fn token_mix(
    x: &CubeTensor,
    last: &CubeTensor,
    norm: GpuNorm,
    mix: &[CubeTensor],
    mixed: &[CubeTensor],
    new_last: &CubeTensor,
) {
    let shape = x.meta.shape();
    let (n_rows, n_tokens) = (shape[0] * shape[1], shape[1]);
    // Not one for every token along one axis: a text may be longer than that is wide.
    let cubes = cubes(n_rows);
    let units = CubeDim::new_1d(UNITS as u32);
    // SAFETY: a cube reads its token and the one before, where there is one.
    unsafe {
        if mix.len() == 1 {
            rows::token_mix_one::launch_unchecked(
                &x.client,
                cubes,
                units,
                arg(x),
                arg(last),
                arg(norm.weight),
                arg(norm.bias),
                arg(&mix[0]),
                arg(&mixed[0]),
                arg(new_last),
                n_rows,
                n_tokens,
                norm.epsilon,
                norm.fours(),
            );
        } else {
            rows::token_mix_six::launch_unchecked(
                &x.client,
                cubes,
                units,
                arg(x),
                arg(last),
                arg(norm.weight),
                arg(norm.bias),
                arg(&mix[0]),
                arg(&mix[1]),
                arg(&mix[2]),
                arg(&mix[3]),
                arg(&mix[4]),
                arg(&mix[5]),
                arg(&mixed[0]),
                arg(&mixed[1]),
                arg(&mixed[2]),
                arg(&mixed[3]),
                arg(&mixed[4]),
                arg(&mixed[5]),
                arg(new_last),
                n_rows,
                n_tokens,
                norm.epsilon,
                norm.fours(),
            );
        }
    }
}

/// The gradient `dx` of x for `dmixed`, plus `onto`, [B, T, C] each.
pub fn token_mix_backward(
    x: &CubeTensor,
    norm: GpuNorm,
    mix: &[CubeTensor],
    dmixed: &[CubeTensor],
    onto: &CubeTensor,
    dx: &CubeTensor,
) {
    let shape = x.meta.shape();
    let (n_rows, n_tokens) = (shape[0] * shape[1], shape[1]);
    // Not one for every token along one axis: a text may be longer than that is wide.
    let cubes = cubes(n_rows);
    let units = CubeDim::new_1d(UNITS as u32);
    // SAFETY: a cube reads its token and the one behind, where there is one.
    unsafe {
        if mix.len() == 1 {
            rows::token_mix_one_backward::launch_unchecked(
                &x.client,
                cubes,
                units,
                arg(x),
                arg(norm.weight),
                arg(&mix[0]),
                arg(&dmixed[0]),
                arg(onto),
                arg(dx),
                n_rows,
                n_tokens,
                norm.epsilon,
                norm.fours(),
            );
        } else {
            rows::token_mix_six_backward::launch_unchecked(
                &x.client,
                cubes,
                units,
                arg(x),
                arg(norm.weight),
                arg(&mix[0]),
                arg(&mix[1]),
                arg(&mix[2]),
                arg(&mix[3]),
                arg(&mix[4]),
                arg(&mix[5]),
                arg(&dmixed[0]),
                arg(&dmixed[1]),
                arg(&dmixed[2]),
                arg(&dmixed[3]),
                arg(&dmixed[4]),
                arg(&dmixed[5]),
                arg(onto),
                arg(dx),
                n_rows,
                n_tokens,
                norm.epsilon,
                norm.fours(),
            );
        }
    }
}

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
        heads::prepare::launch_unchecked(
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
        heads::prepare_backward::launch_unchecked(
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
        heads::readout::launch_unchecked(
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
        heads::readout_backward::launch_unchecked(
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
