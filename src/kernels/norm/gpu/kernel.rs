//! The kernels of layer norm: a cube for every row.

use cubecl::prelude::*;

use crate::kernels::halves::stored;
use crate::kernels::sums::{UNITS, four, group_sums};

/// Four channels.
type Four = Vector<f32, Const<4>>;

/// Mean of the row of `fours` at `base`, and one over its deviation.
#[cube]
pub(crate) fn statistics(
    x: &Tensor<Four>,
    base: usize,
    epsilon: f32,
    first: &mut Shared<[Four]>,
    second: &mut Shared<[Four]>,
    #[comptime] fours: usize,
) -> (f32, f32) {
    let n = comptime!((4 * fours) as f32);
    let unit = UNIT_POS_X as usize;
    let mut sum = Four::new(0.0f32);
    for idx in range_stepped(unit, fours.runtime(), UNITS) {
        sum += x[base + idx];
    }
    let total = group_sums(sum, first, UNITS);
    let mean = total.vector_sum() / n;
    let mut squares = Four::new(0.0f32);
    for idx in range_stepped(unit, fours.runtime(), UNITS) {
        let off = x[base + idx] - Four::new(mean);
        squares += off * off;
    }
    let total = group_sums(squares, second, UNITS);
    let variance = total.vector_sum() / n;
    (mean, 1.0f32 / (variance + epsilon).sqrt())
}

/// `x` [rows, C] → `y` [rows, C], in 16 bits where `in_halves`.
#[cube(launch_unchecked)]
#[allow(clippy::too_many_arguments)]
pub fn layer_norm<P: Size>(
    x: &Tensor<Four>,
    weight: &Tensor<Four>,
    bias: &Tensor<Four>,
    y: &mut Tensor<Vector<u32, P>>,
    n_rows: usize,
    epsilon: f32,
    #[comptime] fours: usize,
    #[comptime] in_halves: bool,
) {
    let mut first = Shared::<[Four]>::new_slice(UNITS);
    let mut second = Shared::<[Four]>::new_slice(UNITS);
    // Cubes behind the last row do it again.
    let base = usize::min(CUBE_POS, n_rows - 1) * fours;
    let (mean, scale) = statistics(x, base, epsilon, &mut first, &mut second, fours);
    for idx in range_stepped(UNIT_POS_X as usize, fours.runtime(), UNITS) {
        let normed = (x[base + idx] - Four::new(mean)) * Four::new(scale) * weight[idx] + bias[idx];
        y[base + idx] = stored(normed, in_halves);
    }
}

/// The gradient of the row of x at `base` for that of its norm, which is
/// `dnormed[idx]`, plus `onto` where there is one.
#[cube]
pub(crate) fn norm_backward(
    x: &Tensor<Four>,
    weight: &Tensor<Four>,
    dnormed: &Shared<[Four]>,
    onto: &Tensor<Four>,
    dx: &mut Tensor<Four>,
    base: usize,
    epsilon: f32,
    #[comptime] fours: usize,
    #[comptime] has_onto: bool,
) {
    let n = comptime!((4 * fours) as f32);
    let mut first = Shared::<[Four]>::new_slice(UNITS);
    let mut second = Shared::<[Four]>::new_slice(UNITS);
    let mut third = Shared::<[Four]>::new_slice(UNITS);
    let (mean, scale) = statistics(x, base, epsilon, &mut first, &mut second, fours);
    let unit = UNIT_POS_X as usize;
    let mut along_one = Four::new(0.0f32);
    let mut along_x = Four::new(0.0f32);
    for idx in range_stepped(unit, fours.runtime(), UNITS) {
        let d = dnormed[idx] * weight[idx];
        along_one += d;
        along_x += d * (x[base + idx] - Four::new(mean));
    }
    let sums = four(along_one.vector_sum(), along_x.vector_sum(), 0.0f32, 0.0f32);
    let sums = group_sums(sums, &mut third, UNITS);
    let along_one = Four::new(sums.extract(0usize) / n);
    let along_x = Four::new(sums.extract(1usize) * scale * scale / n);
    for idx in range_stepped(unit, fours.runtime(), UNITS) {
        let d = dnormed[idx] * weight[idx];
        let off = x[base + idx] - Four::new(mean);
        let mut value = Four::new(scale) * (d - along_one - off * along_x);
        if comptime!(has_onto) {
            value += onto[base + idx];
        }
        dx[base + idx] = value;
    }
}

/// The gradient `dx` of x for `dy`, [rows, C] each.
#[cube(launch_unchecked)]
pub fn layer_norm_backward(
    x: &Tensor<Four>,
    weight: &Tensor<Four>,
    dy: &Tensor<Four>,
    dx: &mut Tensor<Four>,
    n_rows: usize,
    epsilon: f32,
    #[comptime] fours: usize,
) {
    let mut dnormed = Shared::<[Four]>::new_slice(fours);
    // Cubes behind the last row do it again.
    let base = usize::min(CUBE_POS, n_rows - 1) * fours;
    for idx in range_stepped(UNIT_POS_X as usize, fours.runtime(), UNITS) {
        dnormed[idx] = dy[base + idx];
    }
    norm_backward(x, weight, &dnormed, dy, dx, base, epsilon, fours, false);
}
