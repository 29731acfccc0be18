//! The parts of [`crate::kernels::wkv7`] that walk over the tokens. Rows of the
//! state (and of its gradient) do not see each other there, so every row has
//! its own units: `split` of them, each with every `split`-th vector of columns
//! in registers. The vectors of a [`Stage`] of tokens are fetched together
//! and ahead of time, so that no token waits for memory.
// Kernels know no `if` of two kinds of condition and no methods of whole numbers.
#![allow(clippy::collapsible_if, clippy::manual_is_multiple_of)]

use cubecl::prelude::*;

use super::stage::{Four, Stage, fetch, fetch_rows, share, share_rows};

/// The sum over the units of a row, given to all of them.
#[cube]
fn over_row(value: f32, #[comptime] split: usize) -> f32 {
    let mut sum = value;
    if comptime!(split >= 2) {
        sum += plane_shuffle_xor(sum, 1u32);
    }
    if comptime!(split >= 4) {
        sum += plane_shuffle_xor(sum, 2u32);
    }
    sum
}

/// Inputs [B, T, H, N]; `state` [B or 1, H, N, N]; `checkpoints`
/// [B, H, chunks, N, N], the state before every `interval`-th token; `removed`
/// [B, T, H, N], what the removal vectors took. Cubes of `rows * split` units,
/// `n / rows` of them for every batch entry and head.
#[cube(launch_unchecked)]
#[allow(clippy::too_many_arguments)]
pub fn forward(
    r: &Tensor<Four>,
    w: &Tensor<Four>,
    k: &Tensor<Four>,
    v: &Tensor<f32>,
    removal: &Tensor<Four>,
    write: &Tensor<Four>,
    state: &Tensor<Four>,
    y: &mut Tensor<f32>,
    last_state: &mut Tensor<Four>,
    checkpoints: &mut Tensor<Four>,
    removed: &mut Tensor<f32>,
    #[comptime] stage: Stage,
    #[comptime] interval: usize,
    #[comptime] shared_state: bool,
    #[comptime] keep_tape: bool,
) {
    let n = comptime!(stage.n);
    let rows = comptime!(stage.rows);
    let split = comptime!(stage.split);
    let tokens = comptime!(stage.tokens);
    let n_vectors = comptime!(n / 4);
    let per_unit = comptime!(n / 4 / split);
    let n_tokens = r.shape(1);
    let n_head = r.shape(2);
    let n_chunks = checkpoints.shape(2);
    let unit = UNIT_POS_X as usize;
    let part = unit % split;
    let row_in_cube = unit / split;
    let cubes_per_head = comptime!(n / rows);
    let head = CUBE_POS_X as usize / cubes_per_head;
    let first_row = (CUBE_POS_X as usize % cubes_per_head) * rows;
    let i = first_row + row_in_cube;
    let batch_idx = head / n_head;
    let head_idx = head % n_head;

    let mut row = Array::<Four>::new(per_unit);
    let mut source = head;
    if comptime!(shared_state) {
        source = head_idx;
    }
    #[unroll]
    for j in 0..per_unit {
        row[j] = state[(source * n + i) * n_vectors + j * split + part];
    }
    let mut shared_r = Shared::<[Four]>::new_slice(comptime!(stage.fours()));
    let mut shared_w = Shared::<[Four]>::new_slice(comptime!(stage.fours()));
    let mut shared_k = Shared::<[Four]>::new_slice(comptime!(stage.fours()));
    let mut shared_removal = Shared::<[Four]>::new_slice(comptime!(stage.fours()));
    let mut shared_write = Shared::<[Four]>::new_slice(comptime!(stage.fours()));
    let mut shared_v = Shared::<[f32]>::new_slice(comptime!(stage.values()));

    let mut held_r = Array::<Four>::new(comptime!(stage.fours_of_unit()));
    let mut held_w = Array::<Four>::new(comptime!(stage.fours_of_unit()));
    let mut held_k = Array::<Four>::new(comptime!(stage.fours_of_unit()));
    let mut held_removal = Array::<Four>::new(comptime!(stage.fours_of_unit()));
    let mut held_write = Array::<Four>::new(comptime!(stage.fours_of_unit()));
    let mut held_v = Array::<f32>::new(comptime!(stage.values_of_unit()));
    let n_stages = n_tokens.div_ceil(tokens);
    {
        let token = batch_idx * n_tokens * n_head + head_idx;
        let len = usize::min(tokens, n_tokens);
        fetch(r, &mut held_r, token, n_head, len, stage);
        fetch(w, &mut held_w, token, n_head, len, stage);
        fetch(k, &mut held_k, token, n_head, len, stage);
        fetch(removal, &mut held_removal, token, n_head, len, stage);
        fetch(write, &mut held_write, token, n_head, len, stage);
        fetch_rows(v, &mut held_v, token, n_head, len, first_row, stage);
    }
    for stage_idx in 0..n_stages {
        let from = stage_idx * tokens;
        let here = usize::min(tokens, n_tokens - from);
        let first_token = (batch_idx * n_tokens + from) * n_head + head_idx;
        if comptime!(keep_tape) {
            if from % interval == 0 {
                let base = ((head * n_chunks + from / interval) * n + i) * n_vectors;
                #[unroll]
                for j in 0..per_unit {
                    checkpoints[base + j * split + part] = row[j];
                }
            }
        }
        sync_cube();
        share(&held_r, &mut shared_r, stage);
        share(&held_w, &mut shared_w, stage);
        share(&held_k, &mut shared_k, stage);
        share(&held_removal, &mut shared_removal, stage);
        share(&held_write, &mut shared_write, stage);
        share_rows(&held_v, &mut shared_v, stage);
        sync_cube();
        if stage_idx + 1 < n_stages {
            let token = first_token + tokens * n_head;
            let len = usize::min(tokens, n_tokens - from - tokens);
            fetch(r, &mut held_r, token, n_head, len, stage);
            fetch(w, &mut held_w, token, n_head, len, stage);
            fetch(k, &mut held_k, token, n_head, len, stage);
            fetch(removal, &mut held_removal, token, n_head, len, stage);
            fetch(write, &mut held_write, token, n_head, len, stage);
            fetch_rows(v, &mut held_v, token, n_head, len, first_row, stage);
        }
        for l in 0..here {
            let at = l * n_vectors + part;
            let mut taken = Four::new(0.0f32);
            #[unroll]
            for j in 0..per_unit {
                taken += row[j] * shared_removal[at + j * split];
            }
            let taken = over_row(taken.vector_sum(), split);
            let taken_four = Four::new(taken);
            let value = Four::new(shared_v[l * rows + row_in_cube]);
            let mut out = Four::new(0.0f32);
            #[unroll]
            for j in 0..per_unit {
                let s = row[j] * shared_w[at + j * split]
                    + taken_four * shared_write[at + j * split]
                    + value * shared_k[at + j * split];
                row[j] = s;
                out += s * shared_r[at + j * split];
            }
            let out = over_row(out.vector_sum(), split);
            let p = (first_token + l * n_head) * n + i;
            if part == 0 {
                y[p] = out;
                if comptime!(keep_tape) {
                    removed[p] = taken;
                }
            }
        }
    }
    #[unroll]
    for j in 0..per_unit {
        last_state[(head * n + i) * n_vectors + j * split + part] = row[j];
    }
}

/// Carries the gradient of the state back over the tokens, row by row. `dlast`
/// [B, H, N, N] is that of the state after the last token, where `has_dlast`
/// says that there is one; `dstate` [B, H, N, N] that of the initial state.
/// `direct` [B, T, H, N] is added to `dv` where `has_direct`. With `keep` also
/// `dcheckpoints` [B, H, chunks, N, N], the gradient that reaches the last state
/// of every chunk from behind it, `dv` and `dremoved`, [B, T, H, N] each. Cubes
/// as in [`forward`].
#[cube(launch_unchecked)]
#[allow(clippy::too_many_arguments)]
pub fn backward(
    r: &Tensor<Four>,
    w: &Tensor<Four>,
    k: &Tensor<Four>,
    removal: &Tensor<Four>,
    write: &Tensor<Four>,
    dy: &Tensor<f32>,
    dlast: &Tensor<Four>,
    direct: &Tensor<f32>,
    dstate: &mut Tensor<Four>,
    dcheckpoints: &mut Tensor<Four>,
    dv: &mut Tensor<f32>,
    dremoved: &mut Tensor<f32>,
    #[comptime] stage: Stage,
    #[comptime] interval: usize,
    #[comptime] has_dlast: bool,
    #[comptime] has_direct: bool,
    #[comptime] keep: bool,
) {
    let n = comptime!(stage.n);
    let rows = comptime!(stage.rows);
    let split = comptime!(stage.split);
    let tokens = comptime!(stage.tokens);
    let n_vectors = comptime!(n / 4);
    let per_unit = comptime!(n / 4 / split);
    let n_tokens = r.shape(1);
    let n_head = r.shape(2);
    let n_chunks = dcheckpoints.shape(2);
    let unit = UNIT_POS_X as usize;
    let part = unit % split;
    let row_in_cube = unit / split;
    let cubes_per_head = comptime!(n / rows);
    let head = CUBE_POS_X as usize / cubes_per_head;
    let first_row = (CUBE_POS_X as usize % cubes_per_head) * rows;
    let i = first_row + row_in_cube;
    let batch_idx = head / n_head;
    let head_idx = head % n_head;

    let mut row = Array::<Four>::new(per_unit);
    #[unroll]
    for j in 0..per_unit {
        if comptime!(has_dlast) {
            row[j] = dlast[(head * n + i) * n_vectors + j * split + part];
        } else {
            row[j] = Four::new(0.0f32);
        }
    }
    let mut shared_r = Shared::<[Four]>::new_slice(comptime!(stage.fours()));
    let mut shared_w = Shared::<[Four]>::new_slice(comptime!(stage.fours()));
    let mut shared_k = Shared::<[Four]>::new_slice(comptime!(stage.fours()));
    let mut shared_removal = Shared::<[Four]>::new_slice(comptime!(stage.fours()));
    let mut shared_write = Shared::<[Four]>::new_slice(comptime!(stage.fours()));
    let mut shared_dy = Shared::<[f32]>::new_slice(comptime!(stage.values()));

    let mut held_r = Array::<Four>::new(comptime!(stage.fours_of_unit()));
    let mut held_w = Array::<Four>::new(comptime!(stage.fours_of_unit()));
    let mut held_k = Array::<Four>::new(comptime!(stage.fours_of_unit()));
    let mut held_removal = Array::<Four>::new(comptime!(stage.fours_of_unit()));
    let mut held_write = Array::<Four>::new(comptime!(stage.fours_of_unit()));
    let mut held_dy = Array::<f32>::new(comptime!(stage.values_of_unit()));
    let n_stages = n_tokens.div_ceil(tokens);
    {
        let from = (n_stages - 1) * tokens;
        let token = (batch_idx * n_tokens + from) * n_head + head_idx;
        let len = n_tokens - from;
        fetch(r, &mut held_r, token, n_head, len, stage);
        fetch(w, &mut held_w, token, n_head, len, stage);
        if comptime!(keep) {
            fetch(k, &mut held_k, token, n_head, len, stage);
        }
        fetch(removal, &mut held_removal, token, n_head, len, stage);
        fetch(write, &mut held_write, token, n_head, len, stage);
        fetch_rows(dy, &mut held_dy, token, n_head, len, first_row, stage);
    }
    for back in 0..n_stages {
        let from = (n_stages - 1 - back) * tokens;
        let here = usize::min(tokens, n_tokens - from);
        let first_token = (batch_idx * n_tokens + from) * n_head + head_idx;
        if comptime!(keep) {
            // The last stage of a chunk comes first.
            if (from + tokens) % interval == 0 || back == 0 {
                let base = ((head * n_chunks + from / interval) * n + i) * n_vectors;
                #[unroll]
                for j in 0..per_unit {
                    dcheckpoints[base + j * split + part] = row[j];
                }
            }
        }
        sync_cube();
        share(&held_r, &mut shared_r, stage);
        share(&held_w, &mut shared_w, stage);
        if comptime!(keep) {
            share(&held_k, &mut shared_k, stage);
        }
        share(&held_removal, &mut shared_removal, stage);
        share(&held_write, &mut shared_write, stage);
        share_rows(&held_dy, &mut shared_dy, stage);
        sync_cube();
        if from > 0 {
            let token = first_token - tokens * n_head;
            let len = tokens.runtime();
            fetch(r, &mut held_r, token, n_head, len, stage);
            fetch(w, &mut held_w, token, n_head, len, stage);
            if comptime!(keep) {
                fetch(k, &mut held_k, token, n_head, len, stage);
            }
            fetch(removal, &mut held_removal, token, n_head, len, stage);
            fetch(write, &mut held_write, token, n_head, len, stage);
            fetch_rows(dy, &mut held_dy, token, n_head, len, first_row, stage);
        }
        for step in 0..here {
            let l = here - 1 - step;
            let at = l * n_vectors + part;
            let dy_four = Four::new(shared_dy[l * rows + row_in_cube]);
            let mut removed_four = Four::new(0.0f32);
            let mut v_four = Four::new(0.0f32);
            #[unroll]
            for j in 0..per_unit {
                let d = row[j] + dy_four * shared_r[at + j * split];
                row[j] = d;
                removed_four += d * shared_write[at + j * split];
                if comptime!(keep) {
                    v_four += d * shared_k[at + j * split];
                }
            }
            let of_removed = over_row(removed_four.vector_sum(), split);
            let of_removed_four = Four::new(of_removed);
            #[unroll]
            for j in 0..per_unit {
                row[j] = row[j] * shared_w[at + j * split]
                    + of_removed_four * shared_removal[at + j * split];
            }
            if comptime!(keep) {
                let of_v = over_row(v_four.vector_sum(), split);
                let p = (first_token + l * n_head) * n + i;
                if part == 0 {
                    let mut of_v = of_v;
                    if comptime!(has_direct) {
                        of_v += direct[p];
                    }
                    dv[p] = of_v;
                    dremoved[p] = of_removed;
                }
            }
        }
    }
    #[unroll]
    for j in 0..per_unit {
        dstate[(head * n + i) * n_vectors + j * split + part] = row[j];
    }
}
