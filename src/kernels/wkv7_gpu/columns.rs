//! The gradients of the vectors on the key side, for all chunks at once. With
//! what every token removed and its gradient known, columns of the state do not
//! see each other, so a unit has a column, and four rows of it at a time: it
//! takes them forward through the chunk from its checkpoint, keeping the state
//! before every token, and their gradient back through it.
//!
//! ```text
//! dr_t       = sum_i dy_t,i S_t,i            dw_t     = sum_i dS_t,i S_{t-1},i
//! dk_t       = sum_i dS_t,i v_t,i            dwrite_t = sum_i dS_t,i removed_t,i
//! dremoval_t = sum_i dremoved_t,i S_{t-1},i
//! ```

use cubecl::prelude::*;

/// Four rows of a column, or numbers of four rows.
type Four = Vector<f32, Const<4>>;

/// Copies the rows' numbers of a chunk; zero behind the last token.
#[cube]
fn fetch(
    x: &Tensor<Four>,
    shared: &mut Shared<[Four]>,
    token: usize,
    n_head: usize,
    len: usize,
    #[comptime] n: usize,
    #[comptime] interval: usize,
) {
    let n_vectors = comptime!(n / 4);
    #[unroll]
    for part in 0..comptime!(interval / 4) {
        let idx = UNIT_POS_X as usize + part * n;
        let l = idx / n_vectors;
        let value = x[token + usize::min(l, len - 1) * n_head * n_vectors + idx % n_vectors];
        shared[idx] = value * Four::new(f32::cast_from(l < len));
    }
}

/// Four rows, from `first` on, of column `j` of a state [N, N] at `base`.
#[cube]
fn four_rows(x: &Tensor<f32>, base: usize, #[comptime] n: usize) -> Four {
    let mut rows = Four::new(0.0f32);
    rows.insert(0usize, x[base]);
    rows.insert(1usize, x[base + n]);
    rows.insert(2usize, x[base + 2 * n]);
    rows.insert(3usize, x[base + 3 * n]);
    rows
}

/// A number of this unit's column, from shared memory at `place` or from `at`.
#[cube]
fn own(
    x: &Tensor<f32>,
    shared: &Shared<[f32]>,
    at: usize,
    place: usize,
    #[comptime] shares_columns: bool,
) -> f32 {
    if comptime!(shares_columns) {
        shared[place]
    } else {
        x[at]
    }
}

/// Numbers of four rows, from shared memory at `place` or from `at`; zero where
/// they do not count.
#[cube]
fn of_rows(
    x: &Tensor<Four>,
    shared: &Shared<[Four]>,
    at: usize,
    place: usize,
    counts: bool,
    #[comptime] is_shared: bool,
) -> Four {
    if comptime!(is_shared) {
        shared[place]
    } else {
        x[at] * Four::new(f32::cast_from(counts))
    }
}

/// One cube of `n` units for every batch entry, head and chunk. Inputs and
/// gradients [B, T, H, N]; `checkpoints` and `dcheckpoints` [B, H, chunks, N, N]
/// as the passes over the rows leave them. `shares_columns` keeps the vectors on
/// the key side in shared memory, and the gradients of what was removed too,
/// where there is room for them. `beside_r` and `beside_k` are added to `dr` and `dk` where `has_beside`.
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
    checkpoints: &Tensor<f32>,
    dcheckpoints: &Tensor<f32>,
    beside_r: &Tensor<f32>,
    beside_k: &Tensor<f32>,
    dr: &mut Tensor<f32>,
    dw: &mut Tensor<f32>,
    dk: &mut Tensor<f32>,
    dremoval: &mut Tensor<f32>,
    dwrite: &mut Tensor<f32>,
    #[comptime] n: usize,
    #[comptime] interval: usize,
    #[comptime] shares_columns: bool,
    #[comptime] has_beside: bool,
) {
    let n_vectors = comptime!(n / 4);
    let n_tokens = r.shape(1);
    let n_head = r.shape(2);
    let n_chunks = checkpoints.shape(2);
    let j = UNIT_POS_X as usize;
    let head = CUBE_POS_Y as usize;
    let chunk = CUBE_POS_X as usize;
    let batch_idx = head / n_head;
    let head_idx = head % n_head;
    let from = chunk * interval;
    let len = usize::min(interval, n_tokens - from);
    let token = (batch_idx * n_tokens + from) * n_head + head_idx;

    let mut shared_v = Shared::<[Four]>::new_slice(comptime!(interval * n / 4));
    let mut shared_removed = Shared::<[Four]>::new_slice(comptime!(interval * n / 4));
    let mut shared_dy = Shared::<[Four]>::new_slice(comptime!(interval * n / 4));
    let dremoved_len = comptime!(if shares_columns { interval * n / 4 } else { 1 });
    let mut shared_dremoved = Shared::<[Four]>::new_slice(dremoved_len);
    fetch(
        v,
        &mut shared_v,
        token * n_vectors,
        n_head,
        len,
        n,
        interval,
    );
    fetch(
        removed,
        &mut shared_removed,
        token * n_vectors,
        n_head,
        len,
        n,
        interval,
    );
    fetch(
        dy,
        &mut shared_dy,
        token * n_vectors,
        n_head,
        len,
        n,
        interval,
    );
    if comptime!(shares_columns) {
        fetch(
            dremoved,
            &mut shared_dremoved,
            token * n_vectors,
            n_head,
            len,
            n,
            interval,
        );
    }
    // Unit j reads what it wrote itself.
    let share_len = comptime!(if shares_columns { interval * n } else { 1 });
    let mut shared_r = Shared::<[f32]>::new_slice(share_len);
    let mut shared_w = Shared::<[f32]>::new_slice(share_len);
    let mut shared_k = Shared::<[f32]>::new_slice(share_len);
    let mut shared_removal = Shared::<[f32]>::new_slice(share_len);
    let mut shared_write = Shared::<[f32]>::new_slice(share_len);
    let last = len - 1;
    if comptime!(shares_columns) {
        #[unroll]
        for l in 0..interval {
            let p = (token + usize::min(l, last) * n_head) * n + j;
            shared_r[l * n + j] = r[p];
            shared_w[l * n + j] = w[p];
            shared_k[l * n + j] = k[p];
            shared_removal[l * n + j] = removal[p];
            shared_write[l * n + j] = write[p];
        }
    }
    sync_cube();

    let mut sum_r = Array::<f32>::new(interval);
    let mut sum_w = Array::<f32>::new(interval);
    let mut sum_k = Array::<f32>::new(interval);
    let mut sum_removal = Array::<f32>::new(interval);
    let mut sum_write = Array::<f32>::new(interval);
    #[unroll]
    for l in 0..interval {
        sum_r[l] = 0.0;
        sum_w[l] = 0.0;
        sum_k[l] = 0.0;
        sum_removal[l] = 0.0;
        sum_write[l] = 0.0;
    }
    let mut before = Array::<Four>::new(interval);
    let state_base = (head * n_chunks + chunk) * n * n + j;
    let mut next_s = four_rows(checkpoints, state_base, n);
    let mut next_d = four_rows(dcheckpoints, state_base, n);
    for slab in 0..n_vectors {
        let mut s = next_s;
        let mut d = next_d;
        // Those of the next four rows are on their way meanwhile.
        let behind = usize::min(slab + 1, n_vectors - 1) * 4 * n;
        next_s = four_rows(checkpoints, state_base + behind, n);
        next_d = four_rows(dcheckpoints, state_base + behind, n);
        #[unroll]
        for l in 0..interval {
            let at = l * n_vectors + slab;
            let p = (token + usize::min(l, last) * n_head) * n + j;
            let w_j = own(w, &shared_w, p, l * n + j, shares_columns);
            let write_j = own(write, &shared_write, p, l * n + j, shares_columns);
            let k_j = own(k, &shared_k, p, l * n + j, shares_columns);
            before[l] = s;
            let row_at = (token + usize::min(l, last) * n_head) * n_vectors + slab;
            let of_removed = of_rows(
                dremoved,
                &shared_dremoved,
                row_at,
                at,
                l < len,
                shares_columns,
            );
            sum_removal[l] += (of_removed * s).vector_sum();
            s = s * Four::new(w_j)
                + shared_removed[at] * Four::new(write_j)
                + shared_v[at] * Four::new(k_j);
            sum_r[l] += (shared_dy[at] * s).vector_sum();
        }
        #[unroll]
        for step in 0..interval {
            let l = comptime!(interval - 1 - step);
            let at = l * n_vectors + slab;
            let p = (token + usize::min(l, last) * n_head) * n + j;
            let r_j = own(r, &shared_r, p, l * n + j, shares_columns);
            let w_j = own(w, &shared_w, p, l * n + j, shares_columns);
            let removal_j = own(removal, &shared_removal, p, l * n + j, shares_columns);
            d += shared_dy[at] * Four::new(r_j);
            sum_w[l] += (d * before[l]).vector_sum();
            sum_k[l] += (d * shared_v[at]).vector_sum();
            sum_write[l] += (d * shared_removed[at]).vector_sum();
            // Behind the last token nothing happens.
            let decay = select(l < len, w_j, 1.0f32);
            let row_at = (token + usize::min(l, last) * n_head) * n_vectors + slab;
            let of_removed = of_rows(
                dremoved,
                &shared_dremoved,
                row_at,
                at,
                l < len,
                shares_columns,
            );
            d = d * Four::new(decay) + of_removed * Four::new(removal_j);
        }
    }
    #[unroll]
    for l in 0..interval {
        if l < len {
            let p = (token + l * n_head) * n + j;
            if comptime!(has_beside) {
                sum_r[l] += beside_r[p];
                sum_k[l] += beside_k[p];
            }
            dr[p] = sum_r[l];
            dw[p] = sum_w[l];
            dk[p] = sum_k[l];
            dremoval[p] = sum_removal[l];
            dwrite[p] = sum_write[l];
        }
    }
}
