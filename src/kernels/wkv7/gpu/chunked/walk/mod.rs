//! The walks over the chunks of a text, forward with the state and back with its
//! gradient: the only part that goes in turn. A cube has a head, and every plane
//! of it 16 rows of the state, which do not see each other; each unit holds its
//! share of them in 32 bits and narrows it, chunk by chunk, to be multiplied. With the
//! names of [`super::prepare`], S in front of a chunk, D behind it:
//!
//! ```text
//! U = through S^T + own V          Y = read S^T + own read V
//! S <- S e^E + V^T (k e^{E-G}) + U^T (write e^{E-G})
//! D <- D e^E + dY^T read + ((write e^{E-G}) D^T)^T through
//! ```
//!
//! Where there are few heads and many chunks, a text is cut into stretches of chunks that
//! are walked at once, twice: first from nothing and from the identity, then from the
//! states in front of them, which [`starts`] has from those.
// Kernels know no `if` of two kinds of condition and no methods of whole numbers.
#![allow(
    clippy::collapsible_if,
    clippy::collapsible_else_if,
    clippy::manual_is_multiple_of
)]

pub(super) mod back;
pub(super) mod forward;
pub(super) mod starts;

use cubecl::prelude::*;

use super::decays::{PAIR, TOKENS, planes_of, stride_of, wide_stride};
use super::fragment::{Eight, Four, Fragments};
use super::prepare::Record;

/// Fours between the values that a plane puts down for a token.
pub(super) const Y_STRIDE: usize = 5;

/// Where a walk's numbers lie in shared memory: `vectors` of a chunk and `pairs` of
/// tokens with tokens, those of the next chunk, every plane's own sums, what its rows
/// give.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Places {
    pub(super) n: usize,
    pub(super) vectors: usize,
    pub(super) pairs: usize,
}

impl Places {
    pub(super) const fn vectors(self) -> usize {
        TOKENS * stride_of(self.n)
    }

    /// Behind the vectors.
    pub(super) const fn pairs_at(self) -> usize {
        self.vectors * self.vectors()
    }

    /// What is shared of a chunk.
    pub(super) const fn chunk(self) -> usize {
        self.pairs_at() + self.pairs * PAIR
    }

    pub(super) const fn sums(self) -> usize {
        TOKENS * wide_stride(self.n)
    }

    pub(super) const fn sums_at(self) -> usize {
        2 * self.chunk()
    }

    pub(super) const fn rows_at(self) -> usize {
        self.sums_at() + planes_of(self.n) * self.sums()
    }

    pub(super) const fn all(self) -> usize {
        self.rows_at() + planes_of(self.n) * TOKENS * Y_STRIDE
    }
}

/// Where this unit's part `idx` of its plane's rows starts: a row, and an eight in it.
#[cube]
pub(super) fn row_of(#[comptime] idx: usize, #[comptime] n: usize) -> usize {
    UNIT_POS_X as usize / comptime!(n / 8) + comptime!(idx * 256 / n)
}

#[cube]
pub(super) fn eight_of(#[comptime] n: usize) -> usize {
    UNIT_POS_X as usize % comptime!(n / 8)
}

/// Puts this unit's part of the rows down, to be multiplied, and in `states` from `at`
/// on where they are kept.
#[cube]
pub(super) fn share_rows<F: Fragments>(
    rows: &Array<Four>,
    shared: &mut Shared<[Eight]>,
    states: &mut Tensor<Eight>,
    at: usize,
    #[comptime] sums_at: usize,
    #[comptime] n: usize,
    #[comptime] keep: bool,
) {
    let stride = comptime!(stride_of(n));
    let mine = sums_at + UNIT_POS_Y as usize * comptime!(TOKENS * wide_stride(n));
    #[unroll]
    for idx in 0..comptime!(n / 16) {
        let row = row_of(idx, n);
        let eight = F::narrowed(rows[comptime!(2 * idx)], rows[comptime!(2 * idx + 1)]);
        shared[mine + row * stride + eight_of(n)] = eight;
        if comptime!(keep) {
            let of_head = UNIT_POS_Y as usize * TOKENS + row;
            states[at + of_head * comptime!(n / 8) + eight_of(n)] = eight;
        }
    }
}

/// Lets the rows decay, whose columns' decays are `decay`, and adds what the plane
/// put down.
#[cube]
pub(super) fn add_to_rows(
    rows: &mut Array<Four>,
    shared: &Shared<[Eight]>,
    decay: &Array<Four>,
    #[comptime] sums_at: usize,
    #[comptime] n: usize,
) {
    let stride = comptime!(wide_stride(n));
    let mine = sums_at + UNIT_POS_Y as usize * comptime!(TOKENS * stride);
    #[unroll]
    for idx in 0..comptime!(n / 16) {
        let at = mine + row_of(idx, n) * stride + 2 * eight_of(n);
        #[unroll]
        for half in 0..2usize {
            let place = comptime!(2 * idx + half);
            rows[place] = rows[place] * decay[half] + Four::reinterpret(shared[at + half]);
        }
    }
}

/// This unit's part of the rows of `state`, number `head` of those that it holds.
#[cube]
pub(super) fn load_rows(
    state: &Tensor<Four>,
    rows: &mut Array<Four>,
    head: usize,
    #[comptime] n: usize,
) {
    #[unroll]
    for idx in 0..comptime!(n / 16) {
        let row = head * n + UNIT_POS_Y as usize * TOKENS + row_of(idx, n);
        let at = row * comptime!(n / 4) + 2 * eight_of(n);
        rows[comptime!(2 * idx)] = state[at];
        rows[comptime!(2 * idx + 1)] = state[at + 1];
    }
}

/// Rows of nothing, or of the identity.
#[cube]
pub(super) fn start_rows(rows: &mut Array<Four>, is_identity: bool, #[comptime] n: usize) {
    #[unroll]
    for idx in 0..comptime!(n / 16) {
        let row = UNIT_POS_Y as usize * TOKENS + row_of(idx, n);
        #[unroll]
        for half in 0..2usize {
            let mut four = Four::new(0.0f32);
            #[unroll]
            for column in 0..4usize {
                let place = 8 * eight_of(n) + comptime!(4 * half + column);
                four.insert(column, f32::cast_from(is_identity && place == row));
            }
            rows[comptime!(2 * idx + half)] = four;
        }
    }
}

/// Writes `factor` times them.
#[cube]
pub(super) fn store_rows(
    rows: &Array<Four>,
    state: &mut Tensor<Four>,
    head: usize,
    factor: f32,
    #[comptime] n: usize,
) {
    #[unroll]
    for idx in 0..comptime!(n / 16) {
        let row = head * n + UNIT_POS_Y as usize * TOKENS + row_of(idx, n);
        let at = row * comptime!(n / 4) + 2 * eight_of(n);
        state[at] = rows[comptime!(2 * idx)] * Four::new(factor);
        state[at + 1] = rows[comptime!(2 * idx + 1)] * Four::new(factor);
    }
}

/// The decays of a chunk for this unit's columns.
#[cube]
pub(super) fn fetch_decay(
    kept: &Tensor<Eight>,
    decay: &mut Array<Four>,
    chunk: usize,
    #[comptime] record: Record,
) {
    let at = chunk * comptime!(record.kept()) + comptime!(3 * record.vectors() + 32);
    let column = at + 2 * eight_of(record.n);
    decay[0] = Four::reinterpret(kept[column]);
    decay[1] = Four::reinterpret(kept[column + 1]);
}

/// Units that look for the largest number.
const PARTS: usize = 8;

/// The largest of four magnitudes, or of those before.
#[cube]
pub(super) fn larger(top: f32, x: Four) -> f32 {
    let x = x.abs();
    let mut top = top;
    #[unroll]
    for idx in 0..4usize {
        top = max(top, x.extract(idx));
    }
    top
}

/// A power of two that brings the largest number of the units near four, and one by it.
/// All units have to come here.
#[cube]
pub(super) fn scale_for(top: f32, #[comptime] units: usize) -> Array<f32> {
    let mut tops = Shared::<[f32]>::new_slice(comptime!(units + PARTS));
    let unit = UNIT_POS as usize;
    tops[unit] = top;
    sync_cube();
    if unit < PARTS {
        let mut top = 0.0f32;
        for idx in 0..comptime!(units / PARTS) {
            top = max(top, tops[idx * PARTS + unit]);
        }
        tops[units + unit] = top;
    }
    sync_cube();
    let mut top = 0.0f32;
    #[unroll]
    for part in 0..PARTS {
        top = max(top, tops[comptime!(units + part)]);
    }
    let exponent = clamp(u32::reinterpret(top) >> 23u32, 20u32, 230u32);
    let mut scales = Array::<f32>::new(2usize);
    scales[0] = f32::reinterpret((256u32 - exponent) << 23u32);
    scales[1] = f32::reinterpret((exponent - 2u32) << 23u32);
    scales
}
