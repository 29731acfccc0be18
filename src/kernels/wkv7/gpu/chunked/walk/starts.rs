//! The states in front of the stretches of a text, from what every stretch makes of no
//! state (N) and multiplies one by (M): S <- S M + N, forward, or back for the
//! gradients behind them. Factors are taken in two halves of 16 bits, so that the
//! state loses nothing on the way.
// Kernels know no `if` of two kinds of condition and no methods of whole numbers.
#![allow(
    clippy::collapsible_if,
    clippy::collapsible_else_if,
    clippy::manual_is_multiple_of
)]

use cubecl::prelude::*;

use super::super::decays::{TOKENS, planes_of, stride_of, wide_stride};
use super::super::fragment::{Eight, Factors, Four, Fragments};
use super::super::prepare::Record;
use super::{eight_of, larger, load_rows, row_of, scale_for, start_rows, store_rows};

/// M in two halves.
const fn state_of(n: usize) -> usize {
    n * stride_of(n)
}

/// A plane's rows in two halves, and later its sums.
const fn rows_of(n: usize) -> usize {
    let halves = 2 * TOKENS * stride_of(n);
    let sums = TOKENS * wide_stride(n);
    if halves > sums { halves } else { sums }
}

/// Bytes of shared memory that the kernel takes for heads of `n`.
pub(in super::super) const fn bytes(n: usize) -> usize {
    16 * (2 * state_of(n) + planes_of(n) * rows_of(n)) + 4 * (2 * n + 8)
}

/// Eight numbers in 16 bits, and what they leave.
#[cube]
fn put_halves<F: Fragments>(
    low: Four,
    high: Four,
    shared: &mut Shared<[Eight]>,
    at: usize,
    #[comptime] between: usize,
) {
    let near = F::narrowed(low, high);
    let taken = F::widened(near);
    shared[at] = near;
    shared[at + between] = F::narrowed(low - taken[0], high - taken[1]);
}

/// One cube for every batch entry and head, as in [`super::forward`]. `ends`
/// [2, B, H, stretches, N, N] from there, or from [`super::back`] with `is_back`;
/// `state` [B or 1, H, N, N], in front of the first stretch or behind the last one,
/// where `has_state` says that there is one; `starts` [B, H, stretches, N, N].
#[cube(launch_unchecked)]
#[allow(clippy::too_many_arguments)]
pub fn starts<F: Fragments>(
    ends: &Tensor<Four>,
    state: &Tensor<Four>,
    starts: &mut Tensor<Four>,
    n_head: usize,
    n_stretches: usize,
    #[comptime] record: Record,
    #[comptime] shared_state: bool,
    #[comptime] has_state: bool,
    #[comptime] is_back: bool,
) {
    let n = comptime!(record.n);
    let stride = comptime!(stride_of(n));
    let wide_stride = comptime!(wide_stride(n));
    let rows_at = comptime!(2 * state_of(n));
    let half_of_rows = comptime!(TOKENS * stride_of(n));
    let head = CUBE_POS_X as usize;
    let unit = UNIT_POS as usize;
    let mine = rows_at + UNIT_POS_Y as usize * comptime!(rows_of(n));
    let mut rows = Array::<Four>::new(comptime!(n / 8));
    if comptime!(has_state) {
        let mut source = head;
        if comptime!(shared_state) {
            source = head % n_head;
        }
        load_rows(state, &mut rows, source, n);
    } else {
        start_rows(&mut rows, false, n);
    }
    let mut shared =
        Shared::<[Eight]>::new_slice(comptime!(2 * state_of(n) + planes_of(n) * rows_of(n)));
    for walked in 0..n_stretches {
        let mut here = head * n_stretches + walked;
        if comptime!(is_back) {
            here = head * n_stretches + n_stretches - 1 - walked;
        }
        store_rows(&rows, starts, here, 1.0f32, n);
        let mut top = 0.0f32;
        #[unroll]
        for idx in 0..comptime!(n / 8) {
            top = larger(top, rows[idx]);
        }
        let scale = scale_for(top, comptime!(2 * n));
        let matrix = CUBE_COUNT_X as usize * n_stretches + here;
        #[unroll]
        for part in 0..comptime!(n / TOKENS) {
            let row = unit / comptime!(n / 8) + comptime!(part * TOKENS);
            let eight = unit % comptime!(n / 8);
            let at = (matrix * n + row) * comptime!(n / 4) + 2 * eight;
            let to = row * stride + eight;
            put_halves::<F>(
                ends[at],
                ends[at + 1],
                &mut shared,
                to,
                comptime!(state_of(n)),
            );
        }
        #[unroll]
        for idx in 0..comptime!(n / 16) {
            let to = mine + row_of(idx, n) * stride + eight_of(n);
            let low = rows[comptime!(2 * idx)] * Four::new(scale[0]);
            let high = rows[comptime!(2 * idx + 1)] * Four::new(scale[0]);
            put_halves::<F>(low, high, &mut shared, to, half_of_rows);
        }
        sync_cube();
        let plain = comptime!(Factors {
            a_stride: stride,
            a_is_turned: false,
            b_stride: stride,
            b_is_turned: false,
        });
        let mut sums = Sequence::<F::Sums>::new();
        #[unroll]
        for column in 0..comptime!(n / 16) {
            let mut sum = F::none();
            #[unroll]
            for step in 0..comptime!(n / 16) {
                let a = mine + 2 * step;
                let b = comptime!(step * TOKENS * stride + 2 * column);
                let b_rest = comptime!(state_of(n) + step * TOKENS * stride + 2 * column);
                F::add_product(&shared, &mut sum, a, b, plain);
                F::add_product(&shared, &mut sum, a + half_of_rows, b, plain);
                F::add_product(&shared, &mut sum, a, b_rest, plain);
            }
            sums.push(sum);
        }
        F::sync();
        #[unroll]
        for column in 0..comptime!(n / 16) {
            F::put(
                sums.index(column),
                &mut shared,
                mine + 4 * column,
                wide_stride,
            );
        }
        F::sync();
        // What the stretch makes of nothing is added.
        load_rows(ends, &mut rows, here, n);
        #[unroll]
        for idx in 0..comptime!(n / 16) {
            let at = mine + row_of(idx, n) * wide_stride + 2 * eight_of(n);
            #[unroll]
            for half in 0..2usize {
                let place = comptime!(2 * idx + half);
                rows[place] += Four::reinterpret(shared[at + half]) * Four::new(scale[1]);
            }
        }
        sync_cube();
    }
}
