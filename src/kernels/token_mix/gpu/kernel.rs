//! The kernels of layer norm and token shift: a cube for every token.

use cubecl::prelude::*;

use crate::kernels::halves::stored;
use crate::kernels::norm::gpu::kernel::{norm_backward, statistics};
use crate::kernels::sums::UNITS;

/// Four channels.
type Four = Vector<f32, Const<4>>;

/// The statistics of the token at `base` and of the one before it; the first
/// token of a text has its own twice.
#[cube]
fn two_statistics(
    x: &Tensor<Four>,
    base: usize,
    t: usize,
    epsilon: f32,
    #[comptime] fours: usize,
) -> ((f32, f32), (f32, f32)) {
    let mut first = Shared::<[Four]>::new_slice(UNITS);
    let mut second = Shared::<[Four]>::new_slice(UNITS);
    let mut third = Shared::<[Four]>::new_slice(UNITS);
    let mut fourth = Shared::<[Four]>::new_slice(UNITS);
    let own = statistics(x, base, epsilon, &mut first, &mut second, fours);
    let base_before = base - fours * usize::min(t, 1usize);
    let before = statistics(x, base_before, epsilon, &mut third, &mut fourth, fours);
    (own, before)
}

/// Four channels of the norm of the row at `base`.
#[cube]
fn normed(
    x: &Tensor<Four>,
    weight: &Tensor<Four>,
    bias: &Tensor<Four>,
    base: usize,
    idx: usize,
    statistics: (f32, f32),
) -> Four {
    let (mean, scale) = statistics;
    (x[base + idx] - Four::new(mean)) * Four::new(scale) * weight[idx] + bias[idx]
}

/// The gradient that reaches the norm of a token through one interpolation: its
/// own, and that of the token behind, if there is one.
#[cube]
fn through(
    dmixed: &Tensor<Four>,
    mix: &Tensor<Four>,
    base: usize,
    idx: usize,
    is_last: bool,
    #[comptime] fours: usize,
) -> Four {
    // Without a token behind, its own is read once more and counts nothing: a
    // branch would make every load wait for the one before.
    let step = fours * (1usize - usize::cast_from(is_last));
    let counts = Four::new(1.0f32 - f32::cast_from(is_last));
    let share = mix[idx];
    dmixed[base + idx] * (Four::new(1.0f32) - share) + dmixed[base + step + idx] * share * counts
}

/// `x` [B, T, C] and `last` [B, C] → `mixed` [B, T, C], one for every `mix` [C],
/// in 16 bits where `in_halves`, and the last normalised token, [B, C]. A cube for every
/// one of the `n_rows` tokens.
#[cube(launch_unchecked)]
#[allow(clippy::too_many_arguments)]
pub fn token_mix_six<P: Size>(
    x: &Tensor<Four>,
    last: &Tensor<Four>,
    weight: &Tensor<Four>,
    bias: &Tensor<Four>,
    mix_0: &Tensor<Four>,
    mix_1: &Tensor<Four>,
    mix_2: &Tensor<Four>,
    mix_3: &Tensor<Four>,
    mix_4: &Tensor<Four>,
    mix_5: &Tensor<Four>,
    mixed_0: &mut Tensor<Vector<u32, P>>,
    mixed_1: &mut Tensor<Vector<u32, P>>,
    mixed_2: &mut Tensor<Vector<u32, P>>,
    mixed_3: &mut Tensor<Vector<u32, P>>,
    mixed_4: &mut Tensor<Vector<u32, P>>,
    mixed_5: &mut Tensor<Vector<u32, P>>,
    new_last: &mut Tensor<Four>,
    n_rows: usize,
    n_tokens: usize,
    epsilon: f32,
    #[comptime] fours: usize,
    #[comptime] in_halves: bool,
) {
    // Cubes behind the last token do it again.
    let row = usize::min(CUBE_POS, n_rows - 1);
    let (batch_idx, t) = (row / n_tokens, row % n_tokens);
    let base = row * fours;
    let (own, before) = two_statistics(x, base, t, epsilon, fours);
    for idx in range_stepped(UNIT_POS_X as usize, fours.runtime(), UNITS) {
        let now = normed(x, weight, bias, base, idx, own);
        let mut shift = -now;
        if t == 0 {
            shift += last[batch_idx * fours + idx];
        } else {
            shift += normed(x, weight, bias, base - fours, idx, before);
        }
        mixed_0[base + idx] = stored(now + shift * mix_0[idx], in_halves);
        mixed_1[base + idx] = stored(now + shift * mix_1[idx], in_halves);
        mixed_2[base + idx] = stored(now + shift * mix_2[idx], in_halves);
        mixed_3[base + idx] = stored(now + shift * mix_3[idx], in_halves);
        mixed_4[base + idx] = stored(now + shift * mix_4[idx], in_halves);
        mixed_5[base + idx] = stored(now + shift * mix_5[idx], in_halves);
        if t + 1 == n_tokens {
            new_last[batch_idx * fours + idx] = now;
        }
    }
}

/// `x` [B, T, C] and `last` [B, C] → `mixed_0` [B, T, C] for `mix_0` [C], in 16 bits
/// where `in_halves`, and the last normalised token, [B, C]. A cube for every one of the
/// `n_rows` tokens.
#[cube(launch_unchecked)]
#[allow(clippy::too_many_arguments)]
pub fn token_mix_one<P: Size>(
    x: &Tensor<Four>,
    last: &Tensor<Four>,
    weight: &Tensor<Four>,
    bias: &Tensor<Four>,
    mix_0: &Tensor<Four>,
    mixed_0: &mut Tensor<Vector<u32, P>>,
    new_last: &mut Tensor<Four>,
    n_rows: usize,
    n_tokens: usize,
    epsilon: f32,
    #[comptime] fours: usize,
    #[comptime] in_halves: bool,
) {
    // Cubes behind the last token do it again.
    let row = usize::min(CUBE_POS, n_rows - 1);
    let (batch_idx, t) = (row / n_tokens, row % n_tokens);
    let base = row * fours;
    let (own, before) = two_statistics(x, base, t, epsilon, fours);
    for idx in range_stepped(UNIT_POS_X as usize, fours.runtime(), UNITS) {
        let now = normed(x, weight, bias, base, idx, own);
        let mut shift = -now;
        if t == 0 {
            shift += last[batch_idx * fours + idx];
        } else {
            shift += normed(x, weight, bias, base - fours, idx, before);
        }
        mixed_0[base + idx] = stored(now + shift * mix_0[idx], in_halves);
        if t + 1 == n_tokens {
            new_last[batch_idx * fours + idx] = now;
        }
    }
}

/// The gradient `dx` of x for those of what [`token_mix_six`] gives, plus
/// `onto`, [B, T, C] each. A cube for every one of the `n_rows` tokens.
#[cube(launch_unchecked)]
#[allow(clippy::too_many_arguments)]
pub fn token_mix_six_backward(
    x: &Tensor<Four>,
    weight: &Tensor<Four>,
    mix_0: &Tensor<Four>,
    mix_1: &Tensor<Four>,
    mix_2: &Tensor<Four>,
    mix_3: &Tensor<Four>,
    mix_4: &Tensor<Four>,
    mix_5: &Tensor<Four>,
    dmixed_0: &Tensor<Four>,
    dmixed_1: &Tensor<Four>,
    dmixed_2: &Tensor<Four>,
    dmixed_3: &Tensor<Four>,
    dmixed_4: &Tensor<Four>,
    dmixed_5: &Tensor<Four>,
    onto: &Tensor<Four>,
    dx: &mut Tensor<Four>,
    n_rows: usize,
    n_tokens: usize,
    epsilon: f32,
    #[comptime] fours: usize,
) {
    let row = usize::min(CUBE_POS, n_rows - 1);
    let is_last = row % n_tokens + 1 == n_tokens;
    let base = row * fours;
    let mut dnormed = Shared::<[Four]>::new_slice(fours);
    for idx in range_stepped(UNIT_POS_X as usize, fours.runtime(), UNITS) {
        dnormed[idx] = through(dmixed_0, mix_0, base, idx, is_last, fours)
            + through(dmixed_1, mix_1, base, idx, is_last, fours)
            + through(dmixed_2, mix_2, base, idx, is_last, fours)
            + through(dmixed_3, mix_3, base, idx, is_last, fours)
            + through(dmixed_4, mix_4, base, idx, is_last, fours)
            + through(dmixed_5, mix_5, base, idx, is_last, fours);
    }
    norm_backward(x, weight, &dnormed, onto, dx, base, epsilon, fours, true);
}

/// The gradient `dx` of x for those of what [`token_mix_one`] gives, plus
/// `onto`, [B, T, C] each. A cube for every one of the `n_rows` tokens.
#[cube(launch_unchecked)]
#[allow(clippy::too_many_arguments)]
pub fn token_mix_one_backward(
    x: &Tensor<Four>,
    weight: &Tensor<Four>,
    mix_0: &Tensor<Four>,
    dmixed_0: &Tensor<Four>,
    onto: &Tensor<Four>,
    dx: &mut Tensor<Four>,
    n_rows: usize,
    n_tokens: usize,
    epsilon: f32,
    #[comptime] fours: usize,
) {
    let row = usize::min(CUBE_POS, n_rows - 1);
    let is_last = row % n_tokens + 1 == n_tokens;
    let base = row * fours;
    let mut dnormed = Shared::<[Four]>::new_slice(fours);
    for idx in range_stepped(UNIT_POS_X as usize, fours.runtime(), UNITS) {
        dnormed[idx] = through(dmixed_0, mix_0, base, idx, is_last, fours);
    }
    norm_backward(x, weight, &dnormed, onto, dx, base, epsilon, fours, true);
}
