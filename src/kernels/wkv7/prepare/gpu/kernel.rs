//! The kernels that make the inputs of the recurrence: a unit for every four
//! channels, and sums over the units of a head.

use cubecl::prelude::*;

use crate::kernels::sums::{UNITS, four, group_sums, sigmoid};

/// Four channels.
type Four = Vector<f32, Const<4>>;

/// exp(-0.5): the decay lies between exp(-this) and 1 (RWKV-LM x070).
const DECAY_SCALE: f32 = 0.606_530_66;

/// Smallest norm that kk is divided by (`torch.nn.functional.normalize`).
const MIN_NORM: f32 = 1e-12;

/// Projections, parameters and outputs as [`crate::kernels::wkv7::prepare`] has
/// them; `share`, `v_first` and `share_offset` are read where `has_share`.
#[cube(launch_unchecked)]
#[allow(clippy::too_many_arguments)]
pub fn prepare(
    key: &Tensor<Four>,
    value: &Tensor<Four>,
    decay: &Tensor<Four>,
    iclr: &Tensor<Four>,
    share: &Tensor<Four>,
    v_first: &Tensor<Four>,
    decay_offset: &Tensor<Four>,
    iclr_offset: &Tensor<Four>,
    share_offset: &Tensor<Four>,
    k_k: &Tensor<Four>,
    k_a: &Tensor<Four>,
    w: &mut Tensor<Four>,
    k: &mut Tensor<Four>,
    v: &mut Tensor<Four>,
    removal: &mut Tensor<Four>,
    write: &mut Tensor<Four>,
    total: usize,
    #[comptime] fours: usize,
    #[comptime] group: usize,
    #[comptime] has_share: bool,
) {
    let place = CUBE_POS * UNITS + UNIT_POS_X as usize;
    let i = usize::min(place, total - 1);
    let c = i % fours;
    let mut scratch = Shared::<[Four]>::new_slice(UNITS);
    let one = Four::new(1.0f32);
    let raw = key[i];
    let kk = raw * k_k[c];
    let squares = group_sums(kk * kk, &mut scratch, group);
    let norm = squares.vector_sum().sqrt();
    let kk = kk * Four::new(1.0f32 / max(norm, MIN_NORM));
    let rate = sigmoid(iclr[i] + iclr_offset[c]);
    if place < total {
        w[i] = (sigmoid(decay[i] + decay_offset[c]) * Four::new(-DECAY_SCALE)).exp();
        k[i] = raw * (one + (rate - one) * k_a[c]);
        removal[i] = -kk;
        write[i] = kk * rate;
        let mut own = value[i];
        if comptime!(has_share) {
            own += (v_first[i] - own) * sigmoid(share[i] + share_offset[c]);
        }
        v[i] = own;
    }
}

/// The gradients of the projections for those of what [`prepare`] gives.
#[cube(launch_unchecked)]
#[allow(clippy::too_many_arguments)]
pub fn prepare_backward(
    key: &Tensor<Four>,
    value: &Tensor<Four>,
    decay: &Tensor<Four>,
    iclr: &Tensor<Four>,
    share: &Tensor<Four>,
    v_first: &Tensor<Four>,
    decay_offset: &Tensor<Four>,
    iclr_offset: &Tensor<Four>,
    share_offset: &Tensor<Four>,
    k_k: &Tensor<Four>,
    k_a: &Tensor<Four>,
    dw: &Tensor<Four>,
    dk: &Tensor<Four>,
    dv: &Tensor<Four>,
    dremoval: &Tensor<Four>,
    dwrite: &Tensor<Four>,
    dkey: &mut Tensor<Four>,
    dvalue: &mut Tensor<Four>,
    ddecay: &mut Tensor<Four>,
    diclr: &mut Tensor<Four>,
    dshare: &mut Tensor<Four>,
    total: usize,
    #[comptime] fours: usize,
    #[comptime] group: usize,
    #[comptime] has_share: bool,
) {
    let place = CUBE_POS * UNITS + UNIT_POS_X as usize;
    let i = usize::min(place, total - 1);
    let c = i % fours;
    let mut scratch = Shared::<[Four]>::new_slice(UNITS);
    let one = Four::new(1.0f32);
    let raw = key[i];
    let scaled = raw * k_k[c];
    let rate = sigmoid(iclr[i] + iclr_offset[c]);
    let dkk = dwrite[i] * rate - dremoval[i];
    let sums = four(
        (scaled * scaled).vector_sum(),
        (dkk * scaled).vector_sum(),
        0.0f32,
        0.0f32,
    );
    let sums = group_sums(sums, &mut scratch, group);
    let norm = sums.extract(0usize).sqrt();
    let scale = 1.0f32 / max(norm, MIN_NORM);
    // A vector shorter than the smallest norm is scaled, not normalised.
    let along = select(norm > MIN_NORM, sums.extract(1usize) * scale, 0.0f32);
    let kk = scaled * Four::new(scale);
    if place < total {
        let of_k = dk[i];
        let of_rate = of_k * raw * k_a[c] + dwrite[i] * kk;
        dkey[i] = (dkk - kk * Four::new(along)) * Four::new(scale) * k_k[c]
            + of_k * (one + (rate - one) * k_a[c]);
        diclr[i] = of_rate * rate * (one - rate);
        let speed = sigmoid(decay[i] + decay_offset[c]);
        let w = (speed * Four::new(-DECAY_SCALE)).exp();
        ddecay[i] = dw[i] * w * Four::new(-DECAY_SCALE) * speed * (one - speed);
        let of_v = dv[i];
        if comptime!(has_share) {
            let part = sigmoid(share[i] + share_offset[c]);
            dvalue[i] = of_v * (one - part);
            dshare[i] = of_v * (v_first[i] - value[i]) * part * (one - part);
        } else {
            dvalue[i] = of_v;
        }
    }
}
