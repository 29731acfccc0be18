//! The walk forward.
// Kernels know no `if` of two kinds of condition and no methods of whole numbers.
#![allow(
    clippy::collapsible_if,
    clippy::collapsible_else_if,
    clippy::manual_is_multiple_of
)]

use cubecl::prelude::*;

use super::super::decays::{PAIR, PAIR_STRIDE, TOKENS, stride_of, wide_stride};
use super::super::fragment::{Eight, Factors, Four, Fragments};
use super::super::prepare::Record;
use super::{
    Places, Y_STRIDE, add_to_rows, fetch_decay, load_rows, share_rows, start_rows, store_rows,
};

/// Vectors of a chunk in shared memory.
const VECTORS: usize = 5;

const fn places_of(n: usize) -> Places {
    Places {
        n,
        vectors: VECTORS,
        pairs: 2,
    }
}

/// Bytes of shared memory that the kernel takes for heads of `n`.
pub(in super::super) const fn bytes(n: usize) -> usize {
    16 * places_of(n).all()
}

/// What a unit fetches of a chunk: an eight of each vector, its share of the products
/// of tokens, and its columns' decays.
#[cube]
fn fetch_forward(
    kept: &Tensor<Eight>,
    passing: &Tensor<Eight>,
    held: &mut Array<Eight>,
    decay: &mut Array<Four>,
    chunk: usize,
    #[comptime] record: Record,
) {
    let unit = UNIT_POS as usize;
    let vectors = comptime!(record.vectors());
    let of_kept = chunk * comptime!(record.kept());
    let of_passing = chunk * comptime!(record.passing());
    held[0] = kept[of_kept + unit];
    held[1] = kept[of_kept + vectors + unit];
    held[2] = kept[of_kept + comptime!(2 * vectors) + unit];
    held[3] = passing[of_passing + unit];
    held[4] = passing[of_passing + vectors + unit];
    // A head of 16 has as many units as one of the two pairs has eights.
    held[5] = passing[of_passing + comptime!(2 * vectors) + unit % 64];
    if comptime!(record.n == 16) {
        held[6] = passing[of_passing + comptime!(2 * vectors + 32) + unit % 32];
    }
    fetch_decay(kept, decay, chunk, record);
}

/// Puts down at `base` what [`fetch_forward`] got: through, read, write, k, v; own, own
/// read.
#[cube]
fn share_forward(
    held: &Array<Eight>,
    shared: &mut Shared<[Eight]>,
    base: usize,
    #[comptime] n: usize,
) {
    let places = comptime!(places_of(n));
    let unit = UNIT_POS as usize;
    let at = base + unit / comptime!(n / 8) * comptime!(stride_of(n)) + unit % comptime!(n / 8);
    #[unroll]
    for idx in 0..VECTORS {
        shared[at + comptime!(idx * places.vectors())] = held[idx];
    }
    if unit < 64 {
        let at = base + comptime!(places.pairs_at()) + unit / 2 * PAIR_STRIDE + unit % 2;
        shared[at] = held[VECTORS];
        if comptime!(n == 16) {
            shared[at + PAIR] = held[comptime!(VECTORS + 1)];
        }
    }
}

/// Where the walk forward writes, for the chunk it is at.
#[derive(CubeType)]
struct Chunk {
    /// Its number, those of heads in front counted.
    number: usize,
    /// In front of its first token's vector, vectors of heads.
    first: usize,
    /// Its tokens.
    len: usize,
}

/// A chunk of the walk forward, whose vectors are in shared memory at `base`. What
/// does not hang on the state is begun first.
#[cube]
#[allow(clippy::too_many_arguments)]
fn go_forward<F: Fragments>(
    rows: &mut Array<Four>,
    shared: &mut Shared<[Eight]>,
    decay: &Array<Four>,
    chunk: &Chunk,
    base: usize,
    n_head: usize,
    y: &mut Tensor<Four>,
    states: &mut Tensor<Eight>,
    removed: &mut Tensor<Eight>,
    #[comptime] n: usize,
    #[comptime] keep: bool,
    #[comptime] ends: bool,
) {
    let places = comptime!(places_of(n));
    let stride = comptime!(stride_of(n));
    let wide_stride = comptime!(wide_stride(n));
    let vectors = comptime!(places.vectors());
    let sums_at = comptime!(places.sums_at());
    let plane = UNIT_POS_Y as usize;
    let lane = UNIT_POS_X as usize;
    let mine = sums_at + plane * comptime!(places.sums());
    let my_rows = comptime!(places.rows_at()) + plane * comptime!(TOKENS * Y_STRIDE);
    let state_at = chunk.number * comptime!(n * n / 8);
    let values = base + comptime!(4 * vectors) + 2 * plane;
    let by_rows = comptime!(Factors {
        a_stride: stride,
        a_is_turned: true,
        b_stride: stride,
        b_is_turned: false,
    });
    let of_taken = comptime!(Factors {
        a_stride: PAIR_STRIDE,
        a_is_turned: false,
        b_stride: stride,
        b_is_turned: false,
    });
    let mut sums = Sequence::<F::Sums>::new();
    #[unroll]
    for column in 0..comptime!(n / 16) {
        let mut sum = F::none();
        let key = base + comptime!(3 * vectors + 2 * column);
        F::add_product(&*shared, &mut sum, values, key, by_rows);
        sums.push(sum);
    }
    share_rows::<F>(&*rows, shared, states, state_at, sums_at, n, keep);
    F::sync();

    let with_state = comptime!(Factors {
        a_stride: stride,
        a_is_turned: false,
        b_stride: stride,
        b_is_turned: true,
    });
    let with_values = comptime!(Factors {
        a_stride: stride,
        a_is_turned: true,
        b_stride: PAIR_STRIDE,
        b_is_turned: true,
    });
    let own = base + comptime!(places.pairs_at());
    let mut taken = F::none();
    let mut out = F::none();
    F::add_product(&*shared, &mut taken, values, own, with_values);
    #[unroll]
    for step in 0..comptime!(n / 16) {
        F::add_product(
            &*shared,
            &mut taken,
            mine + 2 * step,
            base + 2 * step,
            with_state,
        );
    }
    F::put_narrowed(&taken, shared, my_rows, PAIR_STRIDE);
    if comptime!(!ends) {
        F::add_product(&*shared, &mut out, values, own + PAIR, with_values);
        #[unroll]
        for step in 0..comptime!(n / 16) {
            F::add_product(
                &*shared,
                &mut out,
                mine + 2 * step,
                base + comptime!(vectors + 2 * step),
                with_state,
            );
        }
    }
    F::sync();
    if comptime!(keep) {
        let at = chunk.number * comptime!(2 * n) + plane * 32 + lane;
        removed[at] = shared[my_rows + lane / 2 * PAIR_STRIDE + lane % 2];
    }
    #[unroll]
    for column in 0..comptime!(n / 16) {
        let write = base + comptime!(2 * vectors + 2 * column);
        F::add_product(&*shared, sums.index_mut(column), my_rows, write, of_taken);
        F::put(sums.index(column), shared, mine + 4 * column, wide_stride);
    }
    F::sync();
    add_to_rows(rows, &*shared, decay, sums_at, n);
    if comptime!(!ends) {
        F::put_turned(&out, shared, my_rows, Y_STRIDE);
        F::sync();
        #[unroll]
        for idx in 0..2usize {
            let at = lane + comptime!(idx * 32);
            let token = at / 4;
            if token < chunk.len {
                let place = (chunk.first + token * n_head) * comptime!(n / 4) + plane * 4 + at % 4;
                y[place] = Four::reinterpret(shared[my_rows + token * Y_STRIDE + at % 4]);
            }
        }
    }
}

/// Carries the state over the chunks of a stretch of `stretch` chunks. One cube for
/// every batch entry and head (x) and stretch (y), of planes of 32 units, one for every
/// 16 of N. `kept` and `passing` from [`super::super::prepare`]; `state`
/// [B or 1, H, stretches, N, N], in front of every stretch; `y` [B, T, H, N]; `last`
/// [B, H, N, N], behind the last one; with `keep` also `states` [B, H, chunks, N, N], in
/// front of every chunk, and `removed` [B, H, chunks, N, 16], both in 16 bits.
///
/// With `ends` only `last` is written, [2, B, H, stretches, N, N], behind every stretch:
/// from no state, and (z = 1) from the identity without values, which is what the
/// stretch multiplies a state by.
#[cube(launch_unchecked)]
#[allow(clippy::too_many_arguments)]
pub fn forward<F: Fragments>(
    kept: &Tensor<Eight>,
    passing: &Tensor<Eight>,
    state: &Tensor<Four>,
    y: &mut Tensor<Four>,
    last: &mut Tensor<Four>,
    states: &mut Tensor<Eight>,
    removed: &mut Tensor<Eight>,
    n_tokens: usize,
    n_head: usize,
    stretch: usize,
    #[comptime] record: Record,
    #[comptime] shared_state: bool,
    #[comptime] keep: bool,
    #[comptime] ends: bool,
) {
    let n = comptime!(record.n);
    let n_chunks = n_tokens.div_ceil(TOKENS);
    let head = CUBE_POS_X as usize;
    let stretch_idx = CUBE_POS_Y as usize;
    let n_stretches = CUBE_COUNT_Y as usize;
    let mut source = head * n_stretches + stretch_idx;
    if comptime!(shared_state) {
        source = head % n_head * n_stretches + stretch_idx;
    }
    let mut rows = Array::<Four>::new(comptime!(n / 8));
    let mut values = Eight::new(1u32);
    if comptime!(ends) {
        start_rows(&mut rows, CUBE_POS_Z == 1, n);
        values = Eight::new(u32::cast_from(CUBE_POS_Z == 0));
    } else {
        load_rows(state, &mut rows, source, n);
    }
    let mut shared = Shared::<[Eight]>::new_slice(comptime!(places_of(n).all()));
    // A chunk is fetched while the one in front of it is walked, and then shared beside it.
    let mut held = Array::<Eight>::new(7usize);
    let mut decay = Array::<Four>::new(2usize);
    let mut decay_next = Array::<Four>::new(2usize);
    let first = stretch_idx * stretch;
    let count = usize::min(stretch, n_chunks - first);
    let first_chunk = head * n_chunks + first;
    let last_chunk = first_chunk + count - 1;
    fetch_forward(kept, passing, &mut held, &mut decay, first_chunk, record);
    if comptime!(ends) {
        held[4] *= values;
    }
    share_forward(&held, &mut shared, 0usize, n);
    sync_cube();
    for walked in 0..count {
        let number = first_chunk + walked;
        let next = usize::min(number + 1, last_chunk);
        fetch_forward(kept, passing, &mut held, &mut decay_next, next, record);
        let from = (first + walked) * TOKENS;
        let chunk = Chunk {
            number,
            first: (head / n_head * n_tokens + from) * n_head + head % n_head,
            len: usize::min(TOKENS, n_tokens - from),
        };
        let base = walked % 2 * comptime!(places_of(n).chunk());
        go_forward::<F>(
            &mut rows,
            &mut shared,
            &decay,
            &chunk,
            base,
            n_head,
            y,
            states,
            removed,
            n,
            keep,
            ends,
        );
        if comptime!(ends) {
            held[4] *= values;
        }
        let other = comptime!(places_of(n).chunk()) - base;
        share_forward(&held, &mut shared, other, n);
        decay[0] = decay_next[0];
        decay[1] = decay_next[1];
        sync_cube();
    }
    if comptime!(ends) {
        let at = CUBE_POS_Z as usize * CUBE_COUNT_X as usize + head;
        store_rows(&rows, last, at * n_stretches + stretch_idx, 1.0f32, n);
    } else {
        if stretch_idx + 1 == n_stretches {
            store_rows(&rows, last, head, 1.0f32, n);
        }
    }
}
