//! The kernels of what follows the recurrence: a unit for every four channels,
//! and sums over the units of a head.

use cubecl::prelude::*;

use crate::kernels::sums::{UNITS, four, group_sums};

/// Four channels.
type Four = Vector<f32, Const<4>>;

/// `out = (GroupNorm(y) + (sum_j r_j k_j r_k,j) v) * gate`.
#[cube(launch_unchecked)]
#[allow(clippy::too_many_arguments)]
pub fn readout(
    y: &Tensor<Four>,
    r: &Tensor<Four>,
    k: &Tensor<Four>,
    v: &Tensor<Four>,
    gate: &Tensor<Four>,
    weight: &Tensor<Four>,
    bias: &Tensor<Four>,
    r_k: &Tensor<Four>,
    out: &mut Tensor<Four>,
    total: usize,
    epsilon: f32,
    #[comptime] fours: usize,
    #[comptime] group: usize,
) {
    let place = CUBE_POS * UNITS + UNIT_POS_X as usize;
    let i = usize::min(place, total - 1);
    let c = i % fours;
    let n = comptime!((4 * group) as f32);
    let mut first = Shared::<[Four]>::new_slice(UNITS);
    let mut second = Shared::<[Four]>::new_slice(UNITS);
    let own = y[i];
    let bonus = (r[i] * k[i] * r_k[c]).vector_sum();
    let sums = group_sums(
        four(own.vector_sum(), bonus, 0.0f32, 0.0f32),
        &mut first,
        group,
    );
    let off = own - Four::new(sums.extract(0usize) / n);
    let squares = group_sums(off * off, &mut second, group);
    let scale = 1.0f32 / (squares.vector_sum() / n + epsilon).sqrt();
    if place < total {
        let normed = off * Four::new(scale) * weight[c] + bias[c];
        out[i] = (normed + Four::new(sums.extract(1usize)) * v[i]) * gate[i];
    }
}

/// The gradients of what [`readout`] reads for `dout`.
#[cube(launch_unchecked)]
#[allow(clippy::too_many_arguments)]
pub fn readout_backward(
    y: &Tensor<Four>,
    r: &Tensor<Four>,
    k: &Tensor<Four>,
    v: &Tensor<Four>,
    gate: &Tensor<Four>,
    weight: &Tensor<Four>,
    bias: &Tensor<Four>,
    r_k: &Tensor<Four>,
    dout: &Tensor<Four>,
    dy: &mut Tensor<Four>,
    dr: &mut Tensor<Four>,
    dk: &mut Tensor<Four>,
    dv: &mut Tensor<Four>,
    dgate: &mut Tensor<Four>,
    total: usize,
    epsilon: f32,
    #[comptime] fours: usize,
    #[comptime] group: usize,
) {
    let place = CUBE_POS * UNITS + UNIT_POS_X as usize;
    let i = usize::min(place, total - 1);
    let c = i % fours;
    let n = comptime!((4 * group) as f32);
    let mut first = Shared::<[Four]>::new_slice(UNITS);
    let mut second = Shared::<[Four]>::new_slice(UNITS);
    let (own, own_r, own_k, own_v) = (y[i], r[i], k[i], v[i]);
    let upstream = dout[i];
    let d = upstream * gate[i];
    let sums = four(
        own.vector_sum(),
        (own_r * own_k * r_k[c]).vector_sum(),
        (d * own_v).vector_sum(),
        0.0f32,
    );
    let sums = group_sums(sums, &mut first, group);
    let bonus = Four::new(sums.extract(1usize));
    let dbonus = Four::new(sums.extract(2usize));
    let off = own - Four::new(sums.extract(0usize) / n);
    let dnormed = d * weight[c];
    let sums = four(
        (off * off).vector_sum(),
        dnormed.vector_sum(),
        (dnormed * off).vector_sum(),
        0.0f32,
    );
    let sums = group_sums(sums, &mut second, group);
    let scale = 1.0f32 / (sums.extract(0usize) / n + epsilon).sqrt();
    let along_one = Four::new(sums.extract(1usize) / n);
    let along_x = Four::new(sums.extract(2usize) * scale * scale / n);
    if place < total {
        dy[i] = Four::new(scale) * (dnormed - along_one - off * along_x);
        dr[i] = dbonus * own_k * r_k[c];
        dk[i] = dbonus * own_r * r_k[c];
        dv[i] = bonus * d;
        let normed = off * Four::new(scale) * weight[c] + bias[c];
        dgate[i] = (normed + bonus * own_v) * upstream;
    }
}
