//! Layer norm and token shift on a GPU. Reference twin: [`super::TokenMix::reference`].

mod kernel;

use burn::tensor::DType;
use burn_cubecl::tensor::CubeTensor;
use cubecl::prelude::*;

use crate::kernels::halves::words_of_four;
use crate::kernels::norm::gpu::GpuNorm;
use crate::kernels::op::{arg, cubes};
use crate::kernels::sums::UNITS;

/// `x` [B, T, C] and `last` [B, C] → `mixed` [B, T, C], one for every `mix`,
/// all of them in 32 or in 16 bits, and `new_last` [B, C]. There are one or six of them.
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
    let in_halves = mixed[0].dtype == DType::F16;
    // SAFETY: a cube reads its token and the one before, where there is one.
    unsafe {
        if mix.len() == 1 {
            kernel::token_mix_one::launch_unchecked(
                &x.client,
                cubes,
                units,
                words_of_four(in_halves),
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
                in_halves,
            );
        } else {
            kernel::token_mix_six::launch_unchecked(
                &x.client,
                cubes,
                units,
                words_of_four(in_halves),
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
                in_halves,
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
            kernel::token_mix_one_backward::launch_unchecked(
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
            kernel::token_mix_six_backward::launch_unchecked(
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
