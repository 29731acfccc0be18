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
// Kernels know no `if` of two kinds of condition and no methods of whole numbers.
#![allow(clippy::collapsible_if, clippy::manual_is_multiple_of)]

use cubecl::prelude::*;

use super::decays::{PAIR, PAIR_STRIDE, TOKENS, planes_of, stride_of};
use super::fragment::{Eight, Factors, Four, Fragments};
use super::prepare::Record;

/// Fours between rows of sums.
const fn wide_stride(n: usize) -> usize {
    n / 4 + 1
}

/// Fours between the values that a plane puts down for a token.
const Y_STRIDE: usize = 5;

/// Where a walk's numbers lie in shared memory: `vectors` of a chunk and `pairs` of
/// tokens with tokens, then every plane's own sums, then what its rows give.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Places {
    n: usize,
    vectors: usize,
    pairs: usize,
}

impl Places {
    const fn vectors(self) -> usize {
        TOKENS * stride_of(self.n)
    }

    const fn pairs_at(self) -> usize {
        self.vectors * self.vectors()
    }

    const fn sums(self) -> usize {
        TOKENS * wide_stride(self.n)
    }

    const fn sums_at(self) -> usize {
        self.pairs_at() + self.pairs * PAIR
    }

    const fn rows_at(self) -> usize {
        self.sums_at() + planes_of(self.n) * self.sums()
    }

    const fn all(self) -> usize {
        self.rows_at() + planes_of(self.n) * TOKENS * Y_STRIDE
    }
}

const FORWARD: usize = 5;
const BACK: usize = 4;

const fn forward_places(n: usize) -> Places {
    Places {
        n,
        vectors: FORWARD,
        pairs: 2,
    }
}

const fn back_places(n: usize) -> Places {
    Places {
        n,
        vectors: BACK,
        pairs: 0,
    }
}

/// Bytes of shared memory of the walk forward, which takes more.
pub(in super::super) const fn bytes(n: usize) -> usize {
    16 * forward_places(n).all() + 4 * n
}

/// Where this unit's part `idx` of its plane's rows starts: a row, and an eight in it.
#[cube]
fn row_of(#[comptime] idx: usize, #[comptime] n: usize) -> usize {
    UNIT_POS_X as usize / comptime!(n / 8) + comptime!(idx * 256 / n)
}

#[cube]
fn eight_of(#[comptime] n: usize) -> usize {
    UNIT_POS_X as usize % comptime!(n / 8)
}

/// Puts this unit's part of the rows down, to be multiplied, and in `states` from `at`
/// on where they are kept.
#[cube]
fn share_rows<F: Fragments>(
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
fn add_to_rows(
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

/// This unit's part of the rows of `state`, whose head is number `head`.
#[cube]
fn load_rows(state: &Tensor<Four>, head: usize, #[comptime] n: usize) -> Array<Four> {
    let mut rows = Array::<Four>::new(comptime!(n / 8));
    #[unroll]
    for idx in 0..comptime!(n / 16) {
        let row = head * n + UNIT_POS_Y as usize * TOKENS + row_of(idx, n);
        let at = row * comptime!(n / 4) + 2 * eight_of(n);
        rows[comptime!(2 * idx)] = state[at];
        rows[comptime!(2 * idx + 1)] = state[at + 1];
    }
    rows
}

/// Writes `factor` times them.
#[cube]
fn store_rows(
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

#[cube]
fn fetch_decay(
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

/// Puts down what [`fetch_forward`] got: through, read, write, k, v; own, own read.
#[cube]
fn share_forward(held: &Array<Eight>, shared: &mut Shared<[Eight]>, #[comptime] n: usize) {
    let places = comptime!(forward_places(n));
    let unit = UNIT_POS as usize;
    let at = unit / comptime!(n / 8) * comptime!(stride_of(n)) + unit % comptime!(n / 8);
    #[unroll]
    for idx in 0..FORWARD {
        shared[at + comptime!(idx * places.vectors())] = held[idx];
    }
    if unit < 64 {
        let at = comptime!(places.pairs_at()) + unit / 2 * PAIR_STRIDE + unit % 2;
        shared[at] = held[FORWARD];
        if comptime!(n == 16) {
            shared[at + PAIR] = held[comptime!(FORWARD + 1)];
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

/// A chunk of the walk forward, whose vectors are in shared memory.
#[cube]
#[allow(clippy::too_many_arguments)]
fn go_forward<F: Fragments>(
    rows: &mut Array<Four>,
    shared: &mut Shared<[Eight]>,
    decay: &Array<Four>,
    chunk: &Chunk,
    n_head: usize,
    y: &mut Tensor<Four>,
    states: &mut Tensor<Eight>,
    removed: &mut Tensor<Eight>,
    #[comptime] n: usize,
    #[comptime] keep: bool,
) {
    let places = comptime!(forward_places(n));
    let stride = comptime!(stride_of(n));
    let wide_stride = comptime!(wide_stride(n));
    let vectors = comptime!(places.vectors());
    let sums_at = comptime!(places.sums_at());
    let plane = UNIT_POS_Y as usize;
    let lane = UNIT_POS_X as usize;
    let mine = sums_at + plane * comptime!(places.sums());
    let my_rows = comptime!(places.rows_at()) + plane * comptime!(TOKENS * Y_STRIDE);
    let state_at = chunk.number * comptime!(n * n / 8);
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
    let values = comptime!(4 * vectors) + 2 * plane;
    let own = comptime!(places.pairs_at());
    let mut taken = F::none();
    let mut out = F::none();
    F::add_product(&*shared, &mut taken, values, own, with_values);
    #[unroll]
    for step in 0..comptime!(n / 16) {
        F::add_product(&*shared, &mut taken, mine + 2 * step, 2 * step, with_state);
    }
    F::put_narrowed(&taken, shared, my_rows, PAIR_STRIDE);
    F::add_product(&*shared, &mut out, values, own + PAIR, with_values);
    #[unroll]
    for step in 0..comptime!(n / 16) {
        F::add_product(
            &*shared,
            &mut out,
            mine + 2 * step,
            vectors + 2 * step,
            with_state,
        );
    }
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
        let key = comptime!(3 * vectors + 2 * column);
        F::add_product(&*shared, &mut sum, values, key, by_rows);
        sums.push(sum);
    }
    F::sync();
    if comptime!(keep) {
        let at = chunk.number * comptime!(2 * n) + plane * 32 + lane;
        removed[at] = shared[my_rows + lane / 2 * PAIR_STRIDE + lane % 2];
    }
    #[unroll]
    for column in 0..comptime!(n / 16) {
        let write = comptime!(2 * vectors + 2 * column);
        F::add_product(&*shared, sums.index_mut(column), my_rows, write, of_taken);
        F::put(sums.index(column), shared, mine + 4 * column, wide_stride);
    }
    F::sync();
    add_to_rows(rows, &*shared, decay, sums_at, n);
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

/// Carries the state over the chunks. One cube for every batch entry and head, of
/// planes of 32 units, one for every 16 of N. `kept` and `passing` from
/// [`super::prepare`]; `state` [B or 1, H, N, N]; `y` [B, T, H, N]; `last`
/// [B, H, N, N]; with `keep` also `states` [B, H, chunks, N, N], in front of every
/// chunk, and `removed` [B, H, chunks, N, 16], both in 16 bits.
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
    #[comptime] record: Record,
    #[comptime] shared_state: bool,
    #[comptime] keep: bool,
) {
    let n = comptime!(record.n);
    let n_tokens = y.shape(1);
    let n_head = y.shape(2);
    let n_chunks = n_tokens.div_ceil(TOKENS);
    let head = CUBE_POS_X as usize;
    let mut source = head;
    if comptime!(shared_state) {
        source = head % n_head;
    }
    let mut rows = load_rows(state, source, n);
    let mut shared = Shared::<[Eight]>::new_slice(comptime!(forward_places(n).all()));
    let mut held_even = Array::<Eight>::new(7usize);
    let mut held_odd = Array::<Eight>::new(7usize);
    let mut decay = Array::<Four>::new(2usize);
    let mut decay_even = Array::<Four>::new(2usize);
    let mut decay_odd = Array::<Four>::new(2usize);
    let of_head = head * n_chunks;
    let last_chunk = of_head + n_chunks - 1;
    fetch_forward(
        kept,
        passing,
        &mut held_even,
        &mut decay_even,
        of_head,
        record,
    );
    let second = usize::min(of_head + 1, last_chunk);
    fetch_forward(kept, passing, &mut held_odd, &mut decay_odd, second, record);
    for pair in 0..n_chunks.div_ceil(2) {
        #[unroll]
        for odd in 0..2usize {
            let number = 2 * pair + odd;
            if number < n_chunks {
                sync_cube();
                let next = usize::min(of_head + number + 2, last_chunk);
                if comptime!(odd == 0) {
                    share_forward(&held_even, &mut shared, n);
                    decay[0] = decay_even[0];
                    decay[1] = decay_even[1];
                    fetch_forward(kept, passing, &mut held_even, &mut decay_even, next, record);
                } else {
                    share_forward(&held_odd, &mut shared, n);
                    decay[0] = decay_odd[0];
                    decay[1] = decay_odd[1];
                    fetch_forward(kept, passing, &mut held_odd, &mut decay_odd, next, record);
                }
                sync_cube();
                let from = number * TOKENS;
                let chunk = Chunk {
                    number: of_head + number,
                    first: (head / n_head * n_tokens + from) * n_head + head % n_head,
                    len: usize::min(TOKENS, n_tokens - from),
                };
                go_forward::<F>(
                    &mut rows,
                    &mut shared,
                    &decay,
                    &chunk,
                    n_head,
                    y,
                    states,
                    removed,
                    n,
                    keep,
                );
            }
        }
    }
    store_rows(&rows, last, head, 1.0f32, n);
}

/// Units that look for the largest number.
const PARTS: usize = 8;

/// The largest of four magnitudes, or of those before.
#[cube]
fn larger(top: f32, x: Four) -> f32 {
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
fn scale_for(top: f32, #[comptime] units: usize) -> Array<f32> {
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

/// What a unit fetches of a chunk on the way back: through, read and write in 16 bits,
/// and dy, zero behind the last token.
#[cube]
#[allow(clippy::too_many_arguments)]
fn fetch_back(
    kept: &Tensor<Eight>,
    dy: &Tensor<Four>,
    held: &mut Array<Eight>,
    held_dy: &mut Array<Four>,
    decay: &mut Array<Four>,
    chunk: usize,
    first: usize,
    len: usize,
    n_head: usize,
    #[comptime] record: Record,
) {
    let n = comptime!(record.n);
    let unit = UNIT_POS as usize;
    let of_kept = chunk * comptime!(record.kept());
    #[unroll]
    for idx in 0..3usize {
        held[idx] = kept[of_kept + comptime!(idx * record.vectors()) + unit];
    }
    let token = unit / comptime!(n / 8);
    let vector = first + usize::min(token, len - 1) * n_head;
    let at = vector * comptime!(n / 4) + unit % comptime!(n / 8) * 2;
    let is_token = Four::new(f32::cast_from(token < len));
    held_dy[0] = dy[at] * is_token;
    held_dy[1] = dy[at + 1] * is_token;
    fetch_decay(kept, decay, chunk, record);
}

/// Puts down what [`fetch_back`] got.
#[cube]
fn share_back<F: Fragments>(
    held: &Array<Eight>,
    held_dy: &Array<Four>,
    shared: &mut Shared<[Eight]>,
    scale: f32,
    #[comptime] n: usize,
) {
    let places = comptime!(back_places(n));
    let unit = UNIT_POS as usize;
    let at = unit / comptime!(n / 8) * comptime!(stride_of(n)) + unit % comptime!(n / 8);
    #[unroll]
    for idx in 0..3usize {
        shared[at + comptime!(idx * places.vectors())] = held[idx];
    }
    let scale = Four::new(scale);
    shared[at + comptime!(3 * places.vectors())] =
        F::narrowed(held_dy[0] * scale, held_dy[1] * scale);
}

/// A chunk of the walk back, whose vectors are in shared memory.
#[cube]
fn go_back<F: Fragments>(
    rows: &mut Array<Four>,
    shared: &mut Shared<[Eight]>,
    decay: &Array<Four>,
    chunk: usize,
    dstates: &mut Tensor<Eight>,
    #[comptime] n: usize,
    #[comptime] keep: bool,
) {
    let places = comptime!(back_places(n));
    let stride = comptime!(stride_of(n));
    let wide_stride = comptime!(wide_stride(n));
    let vectors = comptime!(places.vectors());
    let sums_at = comptime!(places.sums_at());
    let plane = UNIT_POS_Y as usize;
    let mine = sums_at + plane * comptime!(places.sums());
    let my_rows = comptime!(places.rows_at()) + plane * comptime!(TOKENS * Y_STRIDE);
    share_rows::<F>(
        &*rows,
        shared,
        dstates,
        chunk * comptime!(n * n / 8),
        sums_at,
        n,
        keep,
    );
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
        let write = comptime!(2 * vectors + 2 * step);
        F::add_product(&*shared, &mut taken, mine + 2 * step, write, with_state);
    }
    F::put_narrowed(&taken, shared, my_rows, PAIR_STRIDE);
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
    let values = comptime!(3 * vectors) + 2 * plane;
    let mut sums = Sequence::<F::Sums>::new();
    #[unroll]
    for column in 0..comptime!(n / 16) {
        let mut sum = F::none();
        F::add_product(
            &*shared,
            &mut sum,
            values,
            comptime!(vectors + 2 * column),
            by_rows,
        );
        sums.push(sum);
    }
    F::sync();
    #[unroll]
    for column in 0..comptime!(n / 16) {
        let through = comptime!(2 * column);
        F::add_product(&*shared, sums.index_mut(column), my_rows, through, of_taken);
        F::put(sums.index(column), shared, mine + 4 * column, wide_stride);
    }
    F::sync();
    add_to_rows(rows, &*shared, decay, sums_at, n);
}

/// Carries the gradient of the state back over the chunks. Cubes as in [`forward`].
/// `dlast` [B, H, N, N] is that of the last state, where `has_dlast` says that there is
/// one; `dstate` [B, H, N, N] that of the first. With `keep` also `dstates`
/// [B, H, chunks, N, N], what reaches the last state of every chunk from behind, in
/// 16 bits, and `scales` [B, H], the power of two times which they are.
#[cube(launch_unchecked)]
#[allow(clippy::too_many_arguments)]
pub fn back<F: Fragments>(
    kept: &Tensor<Eight>,
    dy: &Tensor<Four>,
    dlast: &Tensor<Four>,
    dstate: &mut Tensor<Four>,
    dstates: &mut Tensor<Eight>,
    scales: &mut Tensor<f32>,
    #[comptime] record: Record,
    #[comptime] has_dlast: bool,
    #[comptime] keep: bool,
) {
    let n = comptime!(record.n);
    let n_tokens = dy.shape(1);
    let n_head = dy.shape(2);
    let n_chunks = n_tokens.div_ceil(TOKENS);
    let head = CUBE_POS_X as usize;
    let first = head / n_head * n_tokens * n_head + head % n_head;
    let mut rows = Array::<Four>::new(comptime!(n / 8));
    if comptime!(has_dlast) {
        rows = load_rows(dlast, head, n);
    } else {
        #[unroll]
        for idx in 0..comptime!(n / 8) {
            rows[idx] = Four::new(0.0f32);
        }
    }
    let mut top = largest_of(dy, first, n_tokens, n_head, n);
    #[unroll]
    for idx in 0..comptime!(n / 8) {
        top = larger(top, rows[idx]);
    }
    let scale = scale_for(top, comptime!(2 * n));
    if comptime!(keep) {
        if UNIT_POS == 0 {
            scales[head] = scale[0];
        }
    }
    #[unroll]
    for idx in 0..comptime!(n / 8) {
        rows[idx] *= Four::new(scale[0]);
    }
    let mut shared = Shared::<[Eight]>::new_slice(comptime!(back_places(n).all()));
    let mut held_even = Array::<Eight>::new(3usize);
    let mut held_odd = Array::<Eight>::new(3usize);
    let mut dy_even = Array::<Four>::new(2usize);
    let mut dy_odd = Array::<Four>::new(2usize);
    let mut decay = Array::<Four>::new(2usize);
    let mut decay_even = Array::<Four>::new(2usize);
    let mut decay_odd = Array::<Four>::new(2usize);
    let of_head = head * n_chunks;
    {
        let from = (n_chunks - 1) * TOKENS;
        let at = first + from * n_head;
        let len = n_tokens - from;
        let number = of_head + n_chunks - 1;
        fetch_back(
            kept,
            dy,
            &mut held_even,
            &mut dy_even,
            &mut decay_even,
            number,
            at,
            len,
            n_head,
            record,
        );
        // The one in front of it, or the first again.
        let before = n_chunks - usize::min(2, n_chunks);
        let len = usize::min(TOKENS, n_tokens - before * TOKENS);
        let at = first + before * TOKENS * n_head;
        let number = of_head + before;
        fetch_back(
            kept,
            dy,
            &mut held_odd,
            &mut dy_odd,
            &mut decay_odd,
            number,
            at,
            len,
            n_head,
            record,
        );
    }
    for pair in 0..n_chunks.div_ceil(2) {
        #[unroll]
        for odd in 0..2usize {
            let walked = 2 * pair + odd;
            if walked < n_chunks {
                sync_cube();
                let number = n_chunks - 1 - walked;
                let next = number - usize::min(2, number);
                let at = first + next * TOKENS * n_head;
                let len = usize::min(TOKENS, n_tokens - next * TOKENS);
                let next = of_head + next;
                if comptime!(odd == 0) {
                    share_back::<F>(&held_even, &dy_even, &mut shared, scale[0], n);
                    decay[0] = decay_even[0];
                    decay[1] = decay_even[1];
                    fetch_back(
                        kept,
                        dy,
                        &mut held_even,
                        &mut dy_even,
                        &mut decay_even,
                        next,
                        at,
                        len,
                        n_head,
                        record,
                    );
                } else {
                    share_back::<F>(&held_odd, &dy_odd, &mut shared, scale[0], n);
                    decay[0] = decay_odd[0];
                    decay[1] = decay_odd[1];
                    fetch_back(
                        kept,
                        dy,
                        &mut held_odd,
                        &mut dy_odd,
                        &mut decay_odd,
                        next,
                        at,
                        len,
                        n_head,
                        record,
                    );
                }
                sync_cube();
                let at = of_head + number;
                go_back::<F>(&mut rows, &mut shared, &decay, at, dstates, n, keep);
            }
        }
    }
    store_rows(&rows, dstate, head, scale[1], n);
}
