//! The walk back.
// Kernels know no `if` of two kinds of condition and no methods of whole numbers.
#![allow(
    clippy::collapsible_if,
    clippy::collapsible_else_if,
    clippy::manual_is_multiple_of
)]

use cubecl::prelude::*;

use super::super::decays::{PAIR_STRIDE, TOKENS, stride_of, wide_stride};
use super::super::fragment::{Eight, Factors, Four, Fragments};
use super::super::prepare::Record;
use super::{
    Places, Y_STRIDE, add_to_rows, fetch_decay, larger, load_rows, scale_for, share_rows,
    start_rows, store_rows,
};

const fn places_of(n: usize) -> Places {
    Places {
        n,
        vectors: 4,
        pairs: 0,
    }
}

/// The largest magnitude of this unit's share of a head's dy. Loads hang on
/// nothing, so that many are on their way at once.
#[cube]
fn largest_of(
    dy: &Tensor<Four>,
    first: usize,
    n_tokens: usize,
    n_head: usize,
    #[comptime] n: usize,
) -> f32 {
    let fours = comptime!(n / 4);
    let unit = UNIT_POS as usize;
    let mut top = 0.0f32;
    for batch in 0..n_tokens.div_ceil(128usize) {
        let mut held = Array::<Four>::new(16usize);
        #[unroll]
        for idx in 0..16usize {
            let token = batch * 128 + comptime!(idx * 8) + unit / fours;
            let vector = first + usize::min(token, n_tokens - 1) * n_head;
            held[idx] = dy[vector * fours + unit % fours];
        }
        #[unroll]
        for idx in 0..16usize {
            top = larger(top, held[idx]);
        }
    }
    top
}

/// A head's vectors.
#[derive(CubeType)]
struct Tokens {
    /// In front of the first token's, vectors of heads.
    first: usize,
    n_tokens: usize,
    n_head: usize,
    /// In front of the first chunk, chunks of other heads.
    of_head: usize,
}

/// What a unit fetches of a chunk of the head on the way back: through, read and
/// write in 16 bits, and dy, zero behind the last token.
#[cube]
#[allow(clippy::too_many_arguments)]
fn fetch_back(
    kept: &Tensor<Eight>,
    dy: &Tensor<Four>,
    held: &mut Array<Eight>,
    held_dy: &mut Array<Four>,
    decay: &mut Array<Four>,
    chunk: usize,
    tokens: &Tokens,
    #[comptime] record: Record,
) {
    let n = comptime!(record.n);
    let unit = UNIT_POS as usize;
    let number = tokens.of_head + chunk;
    let of_kept = number * comptime!(record.kept());
    #[unroll]
    for idx in 0..3usize {
        held[idx] = kept[of_kept + comptime!(idx * record.vectors()) + unit];
    }
    let token = chunk * TOKENS + unit / comptime!(n / 8);
    let vector = tokens.first + usize::min(token, tokens.n_tokens - 1) * tokens.n_head;
    let at = vector * comptime!(n / 4) + unit % comptime!(n / 8) * 2;
    let is_token = Four::new(f32::cast_from(token < tokens.n_tokens));
    held_dy[0] = dy[at] * is_token;
    held_dy[1] = dy[at + 1] * is_token;
    fetch_decay(kept, decay, number, record);
}

/// Puts down at `base` what [`fetch_back`] got.
#[cube]
fn share_back<F: Fragments>(
    held: &Array<Eight>,
    held_dy: &Array<Four>,
    shared: &mut Shared<[Eight]>,
    base: usize,
    scale: f32,
    #[comptime] n: usize,
) {
    let places = comptime!(places_of(n));
    let unit = UNIT_POS as usize;
    let at = base + unit / comptime!(n / 8) * comptime!(stride_of(n)) + unit % comptime!(n / 8);
    #[unroll]
    for idx in 0..3usize {
        shared[at + comptime!(idx * places.vectors())] = held[idx];
    }
    let scale = Four::new(scale);
    shared[at + comptime!(3 * places.vectors())] =
        F::narrowed(held_dy[0] * scale, held_dy[1] * scale);
}

/// A chunk of the walk back, whose vectors are in shared memory at `base`. What
/// does not hang on the gradient is begun first.
#[cube]
#[allow(clippy::too_many_arguments)]
fn go_back<F: Fragments>(
    rows: &mut Array<Four>,
    shared: &mut Shared<[Eight]>,
    decay: &Array<Four>,
    chunk: usize,
    base: usize,
    dstates: &mut Tensor<Eight>,
    #[comptime] n: usize,
    #[comptime] keep: bool,
) {
    let places = comptime!(places_of(n));
    let stride = comptime!(stride_of(n));
    let wide_stride = comptime!(wide_stride(n));
    let vectors = comptime!(places.vectors());
    let sums_at = comptime!(places.sums_at());
    let plane = UNIT_POS_Y as usize;
    let mine = sums_at + plane * comptime!(places.sums());
    let my_rows = comptime!(places.rows_at()) + plane * comptime!(TOKENS * Y_STRIDE);
    let by_rows = comptime!(Factors {
        a_stride: stride,
        a_is_turned: true,
        b_stride: stride,
        b_is_turned: false,
    });
    let values = base + comptime!(3 * vectors) + 2 * plane;
    let mut sums = Sequence::<F::Sums>::new();
    #[unroll]
    for column in 0..comptime!(n / 16) {
        let mut sum = F::none();
        let read = base + comptime!(vectors + 2 * column);
        F::add_product(&*shared, &mut sum, values, read, by_rows);
        sums.push(sum);
    }
    let state_at = chunk * comptime!(n * n / 8);
    share_rows::<F>(&*rows, shared, dstates, state_at, sums_at, n, keep);
    F::sync();
    let with_state = comptime!(Factors {
        a_stride: stride,
        a_is_turned: false,
        b_stride: stride,
        b_is_turned: true,
    });
    let mut taken = F::none();
    #[unroll]
    for step in 0..comptime!(n / 16) {
        let write = base + comptime!(2 * vectors + 2 * step);
        F::add_product(&*shared, &mut taken, mine + 2 * step, write, with_state);
    }
    F::put_narrowed(&taken, shared, my_rows, PAIR_STRIDE);
    F::sync();
    let of_taken = comptime!(Factors {
        a_stride: PAIR_STRIDE,
        a_is_turned: false,
        b_stride: stride,
        b_is_turned: false,
    });
    #[unroll]
    for column in 0..comptime!(n / 16) {
        let through = base + comptime!(2 * column);
        F::add_product(&*shared, sums.index_mut(column), my_rows, through, of_taken);
        F::put(sums.index(column), shared, mine + 4 * column, wide_stride);
    }
    F::sync();
    add_to_rows(rows, &*shared, decay, sums_at, n);
}

/// Carries the gradient of the state back over the chunks of a stretch. Cubes and
/// stretches as in [`super::forward`]. `dlast` [B, H, stretches, N, N] is that of the
/// state behind every stretch, where `has_dlast` says that there is one; `dstate`
/// [B, H, N, N] that of the first. With `keep` also `dstates` [B, H, chunks, N, N], what
/// reaches the last state of every chunk from behind, in 16 bits, and `scales`
/// [B, H, stretches], the power of two times which they are.
///
/// With `ends` only `dstate` is written, as `last` is in [`super::forward`], in front
/// of every stretch.
#[cube(launch_unchecked)]
#[allow(clippy::too_many_arguments)]
pub fn back<F: Fragments>(
    kept: &Tensor<Eight>,
    dy: &Tensor<Four>,
    dlast: &Tensor<Four>,
    dstate: &mut Tensor<Four>,
    dstates: &mut Tensor<Eight>,
    scales: &mut Tensor<f32>,
    n_tokens: usize,
    n_head: usize,
    stretch: usize,
    #[comptime] record: Record,
    #[comptime] has_dlast: bool,
    #[comptime] keep: bool,
    #[comptime] ends: bool,
) {
    let n = comptime!(record.n);
    let n_chunks = n_tokens.div_ceil(TOKENS);
    let head = CUBE_POS_X as usize;
    let stretch_idx = CUBE_POS_Y as usize;
    let n_stretches = CUBE_COUNT_Y as usize;
    let first_chunk = stretch_idx * stretch;
    let count = usize::min(stretch, n_chunks - first_chunk);
    let first = head / n_head * n_tokens * n_head + head % n_head;
    let mut rows = Array::<Four>::new(comptime!(n / 8));
    let mut with_dy = true;
    if comptime!(ends) {
        with_dy = CUBE_POS_Z == 0;
        start_rows(&mut rows, CUBE_POS_Z == 1, n);
    } else {
        if comptime!(has_dlast) {
            load_rows(dlast, &mut rows, head * n_stretches + stretch_idx, n);
        } else {
            start_rows(&mut rows, false, n);
        }
    }
    let from = first_chunk * TOKENS;
    let of_stretch = usize::min(count * TOKENS, n_tokens - from);
    let mut top = largest_of(dy, first + from * n_head, of_stretch, n_head, n);
    top *= f32::cast_from(with_dy);
    #[unroll]
    for idx in 0..comptime!(n / 8) {
        top = larger(top, rows[idx]);
    }
    let scale = scale_for(top, comptime!(2 * n));
    if comptime!(keep) {
        if UNIT_POS == 0 {
            scales[head * n_stretches + stretch_idx] = scale[0];
        }
    }
    #[unroll]
    for idx in 0..comptime!(n / 8) {
        rows[idx] *= Four::new(scale[0]);
    }
    let of_dy = scale[0] * f32::cast_from(with_dy);
    let mut shared = Shared::<[Eight]>::new_slice(comptime!(places_of(n).all()));
    // A chunk is fetched while the one behind it is walked, and then shared beside it.
    let mut held = Array::<Eight>::new(3usize);
    let mut held_dy = Array::<Four>::new(2usize);
    let mut decay = Array::<Four>::new(2usize);
    let mut decay_next = Array::<Four>::new(2usize);
    let of_head = head * n_chunks;
    let here = first_chunk + count - 1;
    let tokens = Tokens {
        first,
        n_tokens,
        n_head,
        of_head,
    };
    fetch_back(
        kept,
        dy,
        &mut held,
        &mut held_dy,
        &mut decay,
        here,
        &tokens,
        record,
    );
    share_back::<F>(&held, &held_dy, &mut shared, 0usize, of_dy, n);
    sync_cube();
    for walked in 0..count {
        let number = here - walked;
        let next = number - usize::min(1, number - first_chunk);
        fetch_back(
            kept,
            dy,
            &mut held,
            &mut held_dy,
            &mut decay_next,
            next,
            &tokens,
            record,
        );
        let base = walked % 2 * comptime!(places_of(n).chunk());
        let at = of_head + number;
        go_back::<F>(&mut rows, &mut shared, &decay, at, base, dstates, n, keep);
        let other = comptime!(places_of(n).chunk()) - base;
        share_back::<F>(&held, &held_dy, &mut shared, other, of_dy, n);
        decay[0] = decay_next[0];
        decay[1] = decay_next[1];
        sync_cube();
    }
    if comptime!(ends) {
        let at = CUBE_POS_Z as usize * CUBE_COUNT_X as usize + head;
        store_rows(&rows, dstate, at * n_stretches + stretch_idx, scale[1], n);
    } else {
        if stretch_idx == 0 {
            store_rows(&rows, dstate, head, scale[1], n);
        }
    }
}
