//! The middle of time mixing for one token: the low-rank maps' second factors, what the
//! recurrence reads, its step, and what follows it. A cube for every head of every text.

use cubecl::prelude::*;

use super::weights::{Reading, UNITS, eight};
use crate::kernels::halves::Eight;
use crate::kernels::matrix::gpu::{Four, shared_codes};
use crate::kernels::sums::sigmoid;
use crate::kernels::wkv7::prepare::{DECAY_SCALE, MIN_NORM};

/// Units that raise one of the four low-rank maps.
const OF_MAP: usize = UNITS / 4;

/// Sizes of a head.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct HeadSizes {
    /// C.
    pub channels: usize,
    /// N.
    pub n: usize,
    /// As [`super::mixed::Projecting::ranks`].
    pub ranks: [usize; 4],
    /// How the low-rank factors are read.
    pub low: Reading,
}

impl HeadSizes {
    /// Units of a row of the state.
    const fn split(self) -> usize {
        let most = UNITS / self.n;
        if most < self.n / 4 { most } else { self.n / 4 }
    }

    /// The sum of the ranks in front of map number `which`.
    const fn rank_at(self, which: usize) -> usize {
        let (mut at, mut idx) = (0, 0);
        while idx < which {
            at += self.ranks[idx];
            idx += 1;
        }
        at
    }

    /// Numbers of what is made of a text.
    const fn width(self) -> usize {
        3 * self.channels + self.rank_at(4)
    }
}

/// Eight channels of a head of what a low-rank map raises from `low`, in parts: this unit's
/// is unit `unit` of the map's.
#[cube]
fn raised(
    low: &Shared<[Four]>,
    up: &Tensor<Eight>,
    head: usize,
    unit: usize,
    codes: &Shared<[f32]>,
    #[comptime] which: usize,
    #[comptime] sizes: HeadSizes,
) -> (Four, Four) {
    let of_head = comptime!(sizes.n / 8);
    let groups = comptime!(OF_MAP / (sizes.n / 8));
    let fours = comptime!(sizes.ranks[which] / 4);
    let first = comptime!(sizes.rank_at(which) / 4);
    let column = head * of_head + unit % of_head;
    let mut low_half = Four::new(0.0f32);
    let mut high_half = Four::new(0.0f32);
    for step in 0..comptime!(fours.div_ceil(groups)) {
        let at = unit / of_head + step * groups;
        let from = usize::min(at, comptime!(fours - 1));
        let numbers = low[first + from] * Four::new(f32::cast_from(at < fours));
        #[unroll]
        for idx in 0..4usize {
            let row = (4 * from + idx) * comptime!(sizes.channels / 8);
            let (a, b) = eight(up, row + column, codes, sizes.low);
            let number = Four::new(numbers.extract(idx));
            low_half += a * number;
            high_half += b * number;
        }
    }
    (low_half, high_half)
}

/// The sum over a head of the fours that its first units shared.
#[cube]
fn head_sum(shared: &Shared<[Four]>, #[comptime] fours: usize) -> f32 {
    let mut sum = Four::new(0.0f32);
    #[unroll]
    for idx in 0..fours {
        sum += shared[idx];
    }
    sum.vector_sum()
}

/// `made` as [`super::mixed::project`] gives it; `first` that of the first layer, whose rows
/// have `first_fours`; `vectors` w0, a0, v0, k_k, k_a, weight and bias of the group norm, and
/// r_k, [C] each; `state` [n or 1, H, N, N], whose texts lie `state_step` heads apart;
/// `out` [n, C].
#[cube(launch_unchecked)]
#[allow(clippy::too_many_arguments)]
pub fn head(
    made: &Tensor<Four>,
    first: &Tensor<Four>,
    decay: &Tensor<Eight>,
    iclr: &Tensor<Eight>,
    share: &Tensor<Eight>,
    gate: &Tensor<Eight>,
    vectors: &Tensor<Four>,
    state: &Tensor<Four>,
    new_state: &mut Tensor<Four>,
    out: &mut Tensor<Four>,
    first_fours: usize,
    state_step: usize,
    epsilon: f32,
    #[comptime] sizes: HeadSizes,
) {
    let n = comptime!(sizes.n);
    let fours = comptime!(sizes.n / 4);
    let of_token = comptime!(sizes.channels / 4);
    let split = comptime!(sizes.split());
    let per_unit = comptime!(sizes.n / 4 / sizes.split());
    let width = comptime!(sizes.width() / 4);
    let unit = UNIT_POS_X as usize;
    let head = CUBE_POS_X as usize;
    let text = CUBE_POS_Y as usize;

    // Of the state, a part of a row. Fetched first: it is waited for last.
    let is_active = unit < comptime!(n * split);
    let i = usize::min(unit / split, n - 1);
    let part = unit % split;
    let base = ((text * state_step + head) * n + i) * fours + part;
    let mut row = Array::<Four>::new(per_unit);
    #[unroll]
    for j in 0..per_unit {
        row[j] = state[base + j * split];
    }

    let n_low = comptime!(sizes.rank_at(4) / 4);
    let mut low = Shared::<[Four]>::new_slice(n_low);
    let base = text * width;
    for idx in range_stepped(unit, n_low.runtime(), UNITS) {
        low[idx] = made[base + comptime!(3 * sizes.channels / 4) + idx];
    }
    let codes = shared_codes(sizes.low.storage);
    sync_cube();

    // The four maps at once, a quarter of the units each, then their sums.
    let mut low_half = Four::new(0.0f32);
    let mut high_half = Four::new(0.0f32);
    let map = unit / OF_MAP;
    let of_map = unit % OF_MAP;
    if map == 0 {
        let (a, b) = raised(&low, decay, head, of_map, &codes, 0usize, sizes);
        low_half = a;
        high_half = b;
    } else if map == 1 {
        let (a, b) = raised(&low, iclr, head, of_map, &codes, 1usize, sizes);
        low_half = a;
        high_half = b;
    } else if map == 2 {
        if comptime!(sizes.ranks[2] > 0) {
            let (a, b) = raised(&low, share, head, of_map, &codes, 2usize, sizes);
            low_half = a;
            high_half = b;
        }
    } else {
        let (a, b) = raised(&low, gate, head, of_map, &codes, 3usize, sizes);
        low_half = a;
        high_half = b;
    }
    let of_head = comptime!(sizes.n / 8);
    let groups = comptime!(OF_MAP / (sizes.n / 8));
    let mut parts = Shared::<[Four]>::new_slice(comptime!(2 * UNITS));
    let at = (unit / of_head) * fours + (unit % of_head) * 2;
    parts[at] = low_half;
    parts[at + 1] = high_half;
    sync_cube();
    let mut of_maps = Shared::<[Four]>::new_slice(comptime!(4 * fours));
    if unit < comptime!(4 * fours) {
        let mut sum = Four::new(0.0f32);
        #[unroll]
        for group in 0..groups {
            sum += parts[((unit / fours) * groups + group) * fours + unit % fours];
        }
        of_maps[unit] = sum;
    }
    sync_cube();

    // What the recurrence reads, by every group of units as large as a head.
    let four = unit % fours;
    let c = head * fours + four;
    let one = Four::new(1.0f32);
    let r = made[base + c];
    let raw = made[base + of_token + c];
    let own = made[base + comptime!(2 * of_token) + c];
    let w = (sigmoid(of_maps[four] + vectors[c]) * Four::new(-DECAY_SCALE)).exp();
    let rate = sigmoid(of_maps[fours + four] + vectors[of_token + c]);
    let k = raw * (one + (rate - one) * vectors[comptime!(4 * of_token) + c]);
    let kk = raw * vectors[comptime!(3 * of_token) + c];
    let mut v = own;
    if comptime!(sizes.ranks[2] > 0) {
        let before = first[text * first_fours + comptime!(2 * of_token) + c];
        let offset = vectors[comptime!(2 * of_token) + c];
        v += (before - own) * sigmoid(of_maps[comptime!(2 * fours) + four] + offset);
    }
    let gated = of_maps[comptime!(3 * fours) + four];
    let mut squares = Shared::<[Four]>::new_slice(fours);
    let mut bonuses = Shared::<[Four]>::new_slice(fours);
    if unit < fours {
        squares[four] = kk * kk;
        bonuses[four] = r * k * vectors[comptime!(7 * of_token) + c];
    }
    sync_cube();
    let norm = head_sum(&squares, fours).sqrt();
    let bonus = head_sum(&bonuses, fours);
    let kk = kk * Four::new(1.0f32 / max(norm, MIN_NORM));
    let mut shared_r = Shared::<[Four]>::new_slice(fours);
    let mut shared_w = Shared::<[Four]>::new_slice(fours);
    let mut shared_k = Shared::<[Four]>::new_slice(fours);
    let mut shared_removal = Shared::<[Four]>::new_slice(fours);
    let mut shared_write = Shared::<[Four]>::new_slice(fours);
    let mut shared_v = Shared::<[f32]>::new_slice(n);
    if unit < fours {
        shared_r[four] = r;
        shared_w[four] = w;
        shared_k[four] = k;
        shared_removal[four] = -kk;
        shared_write[four] = kk * rate;
        #[unroll]
        for idx in 0..4usize {
            shared_v[four * 4 + idx] = v.extract(idx);
        }
    }
    sync_cube();

    // The step of the recurrence.
    let mut taken_parts = Shared::<[f32]>::new_slice(UNITS);
    let mut y_parts = Shared::<[f32]>::new_slice(UNITS);
    let mut taken = Four::new(0.0f32);
    #[unroll]
    for j in 0..per_unit {
        taken += row[j] * shared_removal[j * split + part];
    }
    taken_parts[unit] = taken.vector_sum();
    sync_cube();
    let mut taken = 0.0f32;
    #[unroll]
    for idx in 0..split {
        taken += taken_parts[i * split + idx];
    }
    let taken = Four::new(taken);
    let value = Four::new(shared_v[i]);
    let written = ((text * CUBE_COUNT_X as usize + head) * n + i) * fours + part;
    let mut y = Four::new(0.0f32);
    #[unroll]
    for j in 0..per_unit {
        let at = j * split + part;
        let s = row[j] * shared_w[at] + taken * shared_write[at] + value * shared_k[at];
        y += s * shared_r[at];
        if is_active {
            new_state[written + j * split] = s;
        }
    }
    y_parts[unit] = y.vector_sum();
    sync_cube();

    // The norm of the head, the bonus and the gate.
    let mut y = Four::new(0.0f32);
    #[unroll]
    for idx in 0..4usize {
        let mut sum = 0.0f32;
        #[unroll]
        for part in 0..split {
            sum += y_parts[(four * 4 + idx) * split + part];
        }
        y.insert(idx, sum);
    }
    let mut shared_y = Shared::<[Four]>::new_slice(fours);
    if unit < fours {
        shared_y[four] = y;
    }
    sync_cube();
    let size = comptime!(sizes.n as f32);
    let mean = Four::new(head_sum(&shared_y, fours) / size);
    let mut squares = Four::new(0.0f32);
    #[unroll]
    for idx in 0..fours {
        let off = shared_y[idx] - mean;
        squares += off * off;
    }
    let scale = Four::new(1.0f32 / (squares.vector_sum() / size + epsilon).sqrt());
    if unit < fours {
        let normed = (y - mean) * scale * vectors[comptime!(5 * of_token) + c]
            + vectors[comptime!(6 * of_token) + c];
        out[text * of_token + c] = (normed + Four::new(bonus) * v) * gated;
    }
}
