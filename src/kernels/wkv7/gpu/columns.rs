//! The gradients of the vectors on the key side, for all chunks at once:
//!
//! ```text
//! dr_t       = sum_i dy_t,i S_t,i            dw_t     = sum_i dS_t,i S_{t-1},i
//! dk_t       = sum_i dS_t,i v_t,i            dwrite_t = sum_i dS_t,i removed_t,i
//! dremoval_t = sum_i dremoved_t,i S_{t-1},i
//! ```
//!
//! with dS_t the gradient of all that S_t reaches. No state but those at the ends
//! of the chunk is formed. A row of S_t is the row of the first one, decayed,
//! and the vectors `write_u` and `k_u` of the tokens up to t, decayed, times what
//! the row removed and its value; so for every sum over rows the products of the
//! vectors on the value side with each other and with the states at the ends are
//! enough. They are taken first; then a unit has a column, and walks over its
//! tokens forward and back with one number for each earlier token. No decay is
//! divided by.

use cubecl::prelude::*;

use super::chunk::{
    Block, DREMOVED, DY, Four, REMOVED, Tokens, V, fetch, multiply_state, multiply_tokens,
    share_products,
};

/// A unit's column of a chunk.
#[derive(CubeType)]
struct Column {
    /// Where its first number lies.
    place: usize,
    /// From a token to the next.
    step: usize,
    /// Tokens.
    len: usize,
}

/// This unit's numbers at the `n` tokens from `first` on; behind the last token
/// it is repeated.
#[cube]
fn load_column(
    x: &Tensor<f32>,
    out: &mut Array<f32>,
    column: &Column,
    first: usize,
    #[comptime] n: usize,
) {
    #[unroll]
    for idx in 0..n {
        let t = usize::min(first + idx, column.len - 1);
        out[idx] = x[column.place + t * column.step];
    }
}

/// The products of this unit's column of a state with one of the vectors at four
/// tokens.
#[cube]
fn products(
    shared: &Shared<[Four]>,
    fourth: usize,
    #[comptime] slot: usize,
    #[comptime] block: Block,
) -> Four {
    let place = comptime!(slot * block.slot()) + fourth * comptime!(block.width());
    shared[place + UNIT_POS_X as usize]
}

/// This unit's column of the sums of four parts of the rows.
#[cube]
fn overlap_of(overlaps: &Shared<[Four]>, #[comptime] block: Block) -> f32 {
    let unit = UNIT_POS_X as usize;
    let mut all = Four::new(0.0f32);
    #[unroll]
    for part in 0..4usize {
        all += overlaps[comptime!(part * block.width() / 4) + unit / 4];
    }
    let mut load_column = all.extract(0usize);
    #[unroll]
    for part in 1..4usize {
        load_column = select(unit % 4 == part, all.extract(part), load_column);
    }
    load_column
}

/// From an earlier token `u` to this one: adds what is left of its vectors to the
/// sums of r, behind this token's decay, and of the removal vector, in front of it.
#[cube]
fn go_on(
    with: Four,
    #[comptime] u: usize,
    decay: f32,
    left_k: &mut Array<f32>,
    left_write: &mut Array<f32>,
    sums: &mut Array<f32>,
) {
    sums[1] += with.extract(2usize) * left_write[u] + with.extract(3usize) * left_k[u];
    left_write[u] *= decay;
    left_k[u] *= decay;
    sums[0] += with.extract(0usize) * left_write[u] + with.extract(1usize) * left_k[u];
}

/// A unit's numbers of the vectors of every token of a chunk.
#[derive(CubeType)]
struct Vectors {
    w: Array<f32>,
    k: Array<f32>,
    write: Array<f32>,
}

/// A unit's numbers of one token.
#[derive(CubeType)]
struct Token {
    decay: f32,
    r: f32,
    removal: f32,
}

/// What a unit carries from a token to those before it.
#[derive(CubeType)]
struct WayBack {
    /// The products of the state's gradient with the value of every token, and with
    /// what it removed.
    with_v: Array<f32>,
    with_removed: Array<f32>,
    /// The sum for the token's decay, and what the decays between it and an
    /// earlier one have left.
    walk: Array<f32>,
}

/// From a token to an earlier one, `u`: takes the products of the gradient with
/// what u wrote from behind the token to in front of it. `with` has those of the
/// token's own vectors.
#[cube]
fn go_back(with: Four, #[comptime] u: usize, token: &Token, vectors: &Vectors, way: &mut WayBack) {
    let of_removed = way.with_removed[u] + token.r * with.extract(0usize);
    let of_v = way.with_v[u] + token.r * with.extract(1usize);
    way.walk[0] += way.walk[1] * (vectors.write[u] * of_removed + vectors.k[u] * of_v);
    way.walk[1] *= vectors.w[u];
    way.with_removed[u] = token.decay * of_removed + token.removal * with.extract(2usize);
    way.with_v[u] = token.decay * of_v + token.removal * with.extract(3usize);
}

/// One cube for every batch entry, head and chunk, and every [`Block::width`]
/// columns, with as many units. Inputs and gradients [B, T, H, N]; `checkpoints` and
/// `dcheckpoints` [B, H, chunks, N, N] as the passes over the rows leave them.
/// `direct_r` and `direct_k` are added to `dr` and `dk` where `has_direct`.
#[cube(launch_unchecked)]
#[allow(clippy::too_many_arguments)]
pub fn backward(
    r: &Tensor<f32>,
    w: &Tensor<f32>,
    k: &Tensor<f32>,
    removal: &Tensor<f32>,
    write: &Tensor<f32>,
    v: &Tensor<Four>,
    removed: &Tensor<Four>,
    dy: &Tensor<Four>,
    dremoved: &Tensor<Four>,
    checkpoints: &Tensor<Four>,
    dcheckpoints: &Tensor<Four>,
    direct_r: &Tensor<f32>,
    direct_k: &Tensor<f32>,
    dr: &mut Tensor<f32>,
    dw: &mut Tensor<f32>,
    dk: &mut Tensor<f32>,
    dremoval: &mut Tensor<f32>,
    dwrite: &mut Tensor<f32>,
    #[comptime] block: Block,
    #[comptime] has_direct: bool,
) {
    let n = comptime!(block.n);
    let tokens = comptime!(block.tokens);
    let width = comptime!(block.width());
    let n_tokens = r.shape(1);
    let n_head = r.shape(2);
    let n_chunks = checkpoints.shape(2);
    let unit = UNIT_POS_X as usize;
    let head = CUBE_POS_Y as usize;
    let chunk = CUBE_POS_X as usize;
    let first_column = CUBE_POS_Z as usize * width;
    let batch_idx = head / n_head;
    let head_idx = head % n_head;
    let from = chunk * tokens;
    let len = usize::min(tokens, n_tokens - from);
    let of_chunk = Tokens {
        first: (batch_idx * n_tokens + from) * n_head + head_idx,
        step: n_head,
        len,
    };

    let mut shared = Shared::<[Four]>::new_slice(comptime!(4 * block.slot()));
    let mut of_tokens = Shared::<[Four]>::new_slice(comptime!(tokens * tokens));
    let mut overlaps = Shared::<[Four]>::new_slice(width);
    let mut state_sums = Array::<Four>::new(tokens);
    #[unroll]
    for t in 0..tokens {
        state_sums[t] = Four::new(0.0f32);
    }
    // Four columns and one of the four vectors of this unit, as long as states
    // are multiplied.
    let slot = unit / comptime!(width / 4);
    let four = unit % comptime!(width / 4);
    let state = ((head * n_chunks + chunk) * n * n + first_column) / 4 + four;
    #[unroll]
    for slab in 0..comptime!(n / width) {
        let first_row = comptime!(slab * width);
        if comptime!(slab > 0) {
            sync_cube();
        }
        fetch(dy, &mut shared, DY, &of_chunk, first_row, block);
        fetch(dremoved, &mut shared, DREMOVED, &of_chunk, first_row, block);
        fetch(v, &mut shared, V, &of_chunk, first_row, block);
        fetch(removed, &mut shared, REMOVED, &of_chunk, first_row, block);
        sync_cube();
        multiply_tokens(&shared, &mut of_tokens, block, comptime!(slab > 0));
        let base = state + comptime!(first_row * n / 4);
        if slot < V {
            multiply_state(checkpoints, &shared, &mut state_sums, base, slot, block);
        } else {
            multiply_state(dcheckpoints, &shared, &mut state_sums, base, slot, block);
        }
    }
    // The state in front times the gradient from behind, every fourth row.
    let mut overlap = Four::new(0.0f32);
    for idx in 0..comptime!(n / 4) {
        let at = state + (idx * 4 + slot) * comptime!(n / 4);
        overlap += checkpoints[at] * dcheckpoints[at];
    }
    overlaps[unit] = overlap;
    sync_cube();
    share_products(&state_sums, &mut shared, slot, four * 4, block);

    sync_cube();

    // From here on a unit has a column.
    let column = Column {
        place: of_chunk.first * n + first_column + unit,
        step: of_chunk.step * n,
        len,
    };
    let mut vectors = Vectors {
        w: Array::<f32>::new(tokens),
        k: Array::<f32>::new(tokens),
        write: Array::<f32>::new(tokens),
    };
    load_column(w, &mut vectors.w, &column, 0usize, tokens);
    load_column(k, &mut vectors.k, &column, 0usize, tokens);
    load_column(write, &mut vectors.write, &column, 0usize, tokens);

    // Forward: what is left of the first state and of every token's vectors.
    let mut left = 1.0f32;
    let mut left_k = Array::<f32>::new(tokens);
    let mut left_write = Array::<f32>::new(tokens);
    #[unroll]
    for t in 0..tokens {
        left_k[t] = 0.0f32;
        left_write[t] = 0.0f32;
    }
    for fourth in 0..comptime!(tokens / 4) {
        let mut w_t = Array::<f32>::new(4usize);
        let mut direct = Array::<f32>::new(4usize);
        load_column(w, &mut w_t, &column, fourth * 4, 4usize);
        if comptime!(has_direct) {
            load_column(direct_r, &mut direct, &column, fourth * 4, 4usize);
        }
        let of_dy = products(&shared, fourth, DY, block);
        let of_dremoved = products(&shared, fourth, DREMOVED, block);
        #[unroll]
        for part in 0..4usize {
            let t = fourth * 4 + part;
            let decay = w_t[part];
            // Of r, and of the removal vector.
            let mut sums = Array::<f32>::new(2usize);
            sums[1] = left * of_dremoved.extract(part);
            left *= decay;
            sums[0] = left * of_dy.extract(part);
            #[unroll]
            for other in 0..comptime!(tokens / 4) {
                if other < fourth {
                    #[unroll]
                    for idx in 0..4usize {
                        let u = comptime!(other * 4 + idx);
                        let with = of_tokens[t * tokens + u];
                        go_on(with, u, decay, &mut left_k, &mut left_write, &mut sums);
                    }
                }
                if other == fourth {
                    #[unroll]
                    for idx in 0..part {
                        let u = comptime!(other * 4 + idx);
                        let with = of_tokens[t * tokens + u];
                        go_on(with, u, decay, &mut left_k, &mut left_write, &mut sums);
                    }
                    let u = comptime!(other * 4 + part);
                    left_write[u] = vectors.write[u];
                    left_k[u] = vectors.k[u];
                    let with = of_tokens[t * tokens + u];
                    sums[0] += with.extract(0usize) * vectors.write[u]
                        + with.extract(1usize) * vectors.k[u];
                }
            }
            if t < len {
                let p = column.place + t * column.step;
                if comptime!(has_direct) {
                    sums[0] += direct[part];
                }
                dr[p] = sums[0];
                dremoval[p] = sums[1];
            }
        }
    }

    // Back: the products of the gradient with the first state and with what every
    // token wrote.
    let mut way = WayBack {
        with_v: Array::<f32>::new(tokens),
        with_removed: Array::<f32>::new(tokens),
        walk: Array::<f32>::new(2usize),
    };
    #[unroll]
    for fourth in 0..comptime!(tokens / 4) {
        let of_v = products(&shared, fourth, V, block);
        let of_removed = products(&shared, fourth, REMOVED, block);
        #[unroll]
        for part in 0..4usize {
            way.with_v[comptime!(fourth * 4 + part)] = of_v.extract(part);
            way.with_removed[comptime!(fourth * 4 + part)] = of_removed.extract(part);
        }
    }
    let mut with_state = overlap_of(&overlaps, block);
    for back in 0..comptime!(tokens / 4) {
        let fourth = comptime!(tokens / 4 - 1) - back;
        let mut w_t = Array::<f32>::new(4usize);
        let mut r_t = Array::<f32>::new(4usize);
        let mut removal_t = Array::<f32>::new(4usize);
        let mut direct = Array::<f32>::new(4usize);
        load_column(w, &mut w_t, &column, fourth * 4, 4usize);
        load_column(r, &mut r_t, &column, fourth * 4, 4usize);
        load_column(removal, &mut removal_t, &column, fourth * 4, 4usize);
        if comptime!(has_direct) {
            load_column(direct_k, &mut direct, &column, fourth * 4, 4usize);
        }
        let of_dy = products(&shared, fourth, DY, block);
        let of_dremoved = products(&shared, fourth, DREMOVED, block);
        #[unroll]
        for behind in 0..4usize {
            let part = comptime!(3 - behind);
            let t = fourth * 4 + part;
            // Behind the last token nothing happens.
            let decay = select(t < len, w_t[part], 1.0f32);
            let r_t = r_t[part];
            let removal_t = removal_t[part];
            with_state += r_t * of_dy.extract(part);
            let mut sum = 0.0f32;
            let mut sum_write = 0.0f32;
            way.walk[0] = 0.0f32;
            way.walk[1] = 1.0f32;
            let at = Token {
                decay,
                r: r_t,
                removal: removal_t,
            };
            #[unroll]
            for earlier in 0..comptime!(tokens / 4) {
                let other = comptime!(tokens / 4 - 1 - earlier);
                if other == fourth {
                    let u = comptime!(other * 4 + part);
                    let with = of_tokens[t * tokens + u];
                    sum = way.with_v[u] + r_t * with.extract(1usize);
                    sum_write = way.with_removed[u] + r_t * with.extract(0usize);
                    #[unroll]
                    for idx in 0..part {
                        let u = comptime!(other * 4 + part - 1 - idx);
                        go_back(of_tokens[t * tokens + u], u, &at, &vectors, &mut way);
                    }
                }
                if other < fourth {
                    #[unroll]
                    for idx in 0..4usize {
                        let u = comptime!(other * 4 + 3 - idx);
                        go_back(of_tokens[t * tokens + u], u, &at, &vectors, &mut way);
                    }
                }
            }
            let sum_w = way.walk[0] + way.walk[1] * with_state;
            with_state = decay * with_state + removal_t * of_dremoved.extract(part);
            if t < len {
                let p = column.place + t * column.step;
                if comptime!(has_direct) {
                    sum += direct[part];
                }
                dk[p] = sum;
                dwrite[p] = sum_write;
                dw[p] = sum_w;
            }
        }
    }
}
