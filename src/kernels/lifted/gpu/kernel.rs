//! The CubeCL kernels of [`crate::kernels::lifted`]. A cube of M / g units
//! works on some rows of a head's state. A unit holds its share of one row, a
//! column in every `n_shares`, and adds up sums over a row with the other units
//! of that row; on the way back it also holds g columns of the state's gradient,
//! so that sums over rows stay inside a unit. Inner loops are unrolled: some
//! software adapters stop a unit after 65,535 loop iterations, without a word.

use cubecl::prelude::*;

/// Inputs [B, T, H, M], v and y [B, T, H, N]; `state` [B or 1, H, N, M];
/// `checkpoints` [B, H, chunks, N, M], the state before every `interval`-th
/// token. One cube for every batch entry, head and `n_rows` rows.
#[cube(launch)]
#[allow(
    clippy::too_many_arguments,
    clippy::collapsible_if,
    reason = "the outer `if` is decided when the kernel is compiled"
)]
pub fn forward<F: Float>(
    r: &Tensor<F>,
    w: &Tensor<F>,
    k: &Tensor<F>,
    v: &Tensor<F>,
    removal: &Tensor<F>,
    write: &Tensor<F>,
    state: &Tensor<F>,
    y: &mut Tensor<F>,
    last_state: &mut Tensor<F>,
    checkpoints: &mut Tensor<F>,
    removed: &mut Tensor<F>,
    #[comptime] n: usize,
    #[comptime] m: usize,
    #[comptime] n_columns: usize,
    #[comptime] n_rows: usize,
    #[comptime] interval: usize,
    #[comptime] shared_state: bool,
    #[comptime] keep_tape: bool,
    #[define(F)] _dtype: ElemType,
) {
    let n_units = comptime!(m / n_columns);
    let n_shares = comptime!(m / n_columns / n_rows);
    let width = comptime!(n_columns * n_rows);
    let n_blocks = comptime!(n / n_rows);

    let n_tokens = r.shape(1);
    let n_head = r.shape(2);
    let n_chunks = checkpoints.shape(2);
    let unit = UNIT_POS_X as usize;
    let head = CUBE_POS_X as usize / n_blocks;
    let block = CUBE_POS_X as usize % n_blocks;
    let batch_idx = head / n_head;
    let head_idx = head % n_head;
    let i = block * n_rows + unit / n_shares;
    let share = unit % n_shares;
    let first_of_row = (unit / n_shares) * n_shares;

    let mut row = Array::<F>::new(width);
    let mut first = (head * n + i) * m + share;
    if shared_state {
        first = (head_idx * n + i) * m + share;
    }
    #[unroll]
    for q in 0..width {
        row[q] = state[first + q * n_shares];
    }
    let mut shared_r = Shared::<[F]>::new_slice(m);
    let mut shared_w = Shared::<[F]>::new_slice(m);
    let mut shared_k = Shared::<[F]>::new_slice(m);
    let mut shared_removal = Shared::<[F]>::new_slice(m);
    let mut shared_write = Shared::<[F]>::new_slice(m);
    let mut shared_taken = Shared::<[F]>::new_slice(n_units);
    let mut shared_out = Shared::<[F]>::new_slice(n_units);

    for t in 0..n_tokens {
        if keep_tape {
            if t % interval == 0 {
                let kept = ((head * n_chunks + t / interval) * n + i) * m + share;
                #[unroll]
                for q in 0..width {
                    checkpoints[kept + q * n_shares] = row[q];
                }
            }
        }
        let token = (batch_idx * n_tokens + t) * n_head + head_idx;
        sync_cube();
        #[unroll]
        for p in 0..n_columns {
            let j = unit + p * n_units;
            let at = token * m + j;
            shared_r[j] = r[at];
            shared_w[j] = w[at];
            shared_k[j] = k[at];
            shared_removal[j] = removal[at];
            shared_write[j] = write[at];
        }
        sync_cube();
        let value = v[token * n + i];
        let mut part = F::new(0.0_f32);
        #[unroll]
        for q in 0..width {
            part += row[q] * shared_removal[share + q * n_shares];
        }
        shared_taken[unit] = part;
        sync_cube();
        let mut taken = F::new(0.0_f32);
        #[unroll]
        for s in 0..n_shares {
            taken += shared_taken[first_of_row + s];
        }
        let mut out = F::new(0.0_f32);
        #[unroll]
        for q in 0..width {
            let j = share + q * n_shares;
            let z = row[q] * shared_w[j] + taken * shared_write[j] + value * shared_k[j];
            row[q] = z;
            out += z * shared_r[j];
        }
        shared_out[unit] = out;
        sync_cube();
        if share == 0 {
            let mut total = F::new(0.0_f32);
            #[unroll]
            for s in 0..n_shares {
                total += shared_out[first_of_row + s];
            }
            y[token * n + i] = total;
            if keep_tape {
                removed[token * n + i] = taken;
            }
        }
    }
    let last = (head * n + i) * m + share;
    #[unroll]
    for q in 0..width {
        last_state[last + q * n_shares] = row[q];
    }
}

/// Walks back over the tokens, one cube for every batch entry and head, which
/// takes `n_rows` rows after the other. `scratch` [B * H, interval, n_rows, M]
/// holds those rows of the states of one chunk, recomputed from its checkpoint.
/// `gradients` is flat: those of r, w, k, removal and write, [5, B, T, H, M],
/// then that of v, [B, T, H, N]; `dstate` [B, H, N, M]. `dlast` [B, H, N, M] is
/// the gradient of the state after the last token, where `has_dlast` says that
/// there is one.
#[cube(launch)]
#[allow(clippy::too_many_arguments)]
pub fn backward<F: Float>(
    r: &Tensor<F>,
    w: &Tensor<F>,
    k: &Tensor<F>,
    v: &Tensor<F>,
    removal: &Tensor<F>,
    write: &Tensor<F>,
    checkpoints: &Tensor<F>,
    removed: &Tensor<F>,
    dy: &Tensor<F>,
    dlast: &Tensor<F>,
    gradients: &mut Tensor<F>,
    dstate: &mut Tensor<F>,
    scratch: &mut Tensor<F>,
    #[comptime] n: usize,
    #[comptime] m: usize,
    #[comptime] n_columns: usize,
    #[comptime] n_rows: usize,
    #[comptime] interval: usize,
    #[comptime] has_dlast: bool,
    #[define(F)] _dtype: ElemType,
) {
    let n_units = comptime!(m / n_columns);
    let n_shares = comptime!(m / n_columns / n_rows);
    let width = comptime!(n_columns * n_rows);
    let n_blocks = comptime!(n / n_rows);
    let slice = comptime!(n_rows * m);

    let n_tokens = r.shape(1);
    let n_head = r.shape(2);
    let total = r.len();
    let n_chunks = checkpoints.shape(2);
    let unit = UNIT_POS_X as usize;
    let head = CUBE_POS_X as usize;
    let batch_idx = head / n_head;
    let head_idx = head % n_head;
    let own_row = unit / n_shares;
    let share = unit % n_shares;
    let first_of_row = own_row * n_shares;
    let scratch_base = head * interval * slice;

    let mut ds_row = Array::<F>::new(width);
    let mut ds_columns = Array::<F>::new(width);
    let mut row = Array::<F>::new(width);
    let mut shared_r = Shared::<[F]>::new_slice(m);
    let mut shared_w = Shared::<[F]>::new_slice(m);
    let mut shared_k = Shared::<[F]>::new_slice(m);
    let mut shared_removal = Shared::<[F]>::new_slice(m);
    let mut shared_write = Shared::<[F]>::new_slice(m);
    let mut shared_v = Shared::<[F]>::new_slice(n_rows);
    let mut shared_taken = Shared::<[F]>::new_slice(n_rows);
    let mut shared_dy = Shared::<[F]>::new_slice(n_rows);
    let mut shared_dtaken = Shared::<[F]>::new_slice(n_rows);
    let mut parts_dv = Shared::<[F]>::new_slice(n_units);
    let mut parts_dtaken = Shared::<[F]>::new_slice(n_units);

    for block in 0..n_blocks {
        let i = block * n_rows + own_row;
        #[unroll]
        for q in 0..width {
            if has_dlast {
                let j = share + q * n_shares;
                ds_row[q] = dlast[(head * n + i) * m + j];
                let a = block * n_rows + q % n_rows;
                let j = unit + (q / n_rows) * n_units;
                ds_columns[q] = dlast[(head * n + a) * m + j];
            } else {
                ds_row[q] = F::new(0.0_f32);
                ds_columns[q] = F::new(0.0_f32);
            }
        }
        for step in 0..n_chunks {
            let chunk = n_chunks - 1 - step;
            let from = chunk * interval;
            let len = usize::min(interval, n_tokens - from);
            let kept = ((head * n_chunks + chunk) * n + i) * m + share;
            #[unroll]
            for q in 0..width {
                row[q] = checkpoints[kept + q * n_shares];
            }
            for l in 0..len {
                let token = (batch_idx * n_tokens + from + l) * n_head + head_idx;
                sync_cube();
                #[unroll]
                for p in 0..n_columns {
                    let j = unit + p * n_units;
                    let at = token * m + j;
                    shared_w[j] = w[at];
                    shared_k[j] = k[at];
                    shared_write[j] = write[at];
                }
                sync_cube();
                let value = v[token * n + i];
                let taken = removed[token * n + i];
                let o = scratch_base + l * slice + own_row * m + share;
                #[unroll]
                for q in 0..width {
                    let j = share + q * n_shares;
                    scratch[o + q * n_shares] = row[q];
                    row[q] = row[q] * shared_w[j] + taken * shared_write[j] + value * shared_k[j];
                }
            }
            sync_storage();
            sync_cube();
            for back in 0..len {
                let l = len - 1 - back;
                let token = (batch_idx * n_tokens + from + l) * n_head + head_idx;
                sync_cube();
                #[unroll]
                for p in 0..n_columns {
                    let j = unit + p * n_units;
                    let at = token * m + j;
                    shared_r[j] = r[at];
                    shared_w[j] = w[at];
                    shared_k[j] = k[at];
                    shared_removal[j] = removal[at];
                    shared_write[j] = write[at];
                }
                if share == 0 {
                    shared_v[own_row] = v[token * n + i];
                    shared_taken[own_row] = removed[token * n + i];
                    shared_dy[own_row] = dy[token * n + i];
                }
                sync_cube();
                let dy_i = shared_dy[own_row];
                let mut part_dv = F::new(0.0_f32);
                let mut part_dtaken = F::new(0.0_f32);
                #[unroll]
                for q in 0..width {
                    let j = share + q * n_shares;
                    let d = ds_row[q] + dy_i * shared_r[j];
                    ds_row[q] = d;
                    part_dv += d * shared_k[j];
                    part_dtaken += d * shared_write[j];
                }
                parts_dv[unit] = part_dv;
                parts_dtaken[unit] = part_dtaken;
                sync_cube();
                let mut dtaken = F::new(0.0_f32);
                #[unroll]
                for s in 0..n_shares {
                    dtaken += parts_dtaken[first_of_row + s];
                }
                if share == 0 {
                    let mut dv = F::new(0.0_f32);
                    #[unroll]
                    for s in 0..n_shares {
                        dv += parts_dv[first_of_row + s];
                    }
                    gradients[5 * total + token * n + i] = dv;
                    shared_dtaken[own_row] = dtaken;
                }
                #[unroll]
                for q in 0..width {
                    let j = share + q * n_shares;
                    ds_row[q] = ds_row[q] * shared_w[j] + dtaken * shared_removal[j];
                }
                sync_cube();
                #[unroll]
                for p in 0..n_columns {
                    let j = unit + p * n_units;
                    let at = token * m + j;
                    let mut dr = F::new(0.0_f32);
                    let mut dw = F::new(0.0_f32);
                    let mut dk = F::new(0.0_f32);
                    let mut dremoval = F::new(0.0_f32);
                    let mut dwrite = F::new(0.0_f32);
                    if block > 0 {
                        dr = gradients[at];
                        dw = gradients[total + at];
                        dk = gradients[2 * total + at];
                        dremoval = gradients[3 * total + at];
                        dwrite = gradients[4 * total + at];
                    }
                    #[unroll]
                    for a in 0..n_rows {
                        let before = scratch[scratch_base + l * slice + a * m + j];
                        let value = shared_v[a];
                        let taken = shared_taken[a];
                        let after =
                            before * shared_w[j] + taken * shared_write[j] + value * shared_k[j];
                        let d = ds_columns[p * n_rows + a] + shared_dy[a] * shared_r[j];
                        dr += shared_dy[a] * after;
                        dw += d * before;
                        dk += d * value;
                        dremoval += shared_dtaken[a] * before;
                        dwrite += d * taken;
                        ds_columns[p * n_rows + a] =
                            d * shared_w[j] + shared_dtaken[a] * shared_removal[j];
                    }
                    gradients[at] = dr;
                    gradients[total + at] = dw;
                    gradients[2 * total + at] = dk;
                    gradients[3 * total + at] = dremoval;
                    gradients[4 * total + at] = dwrite;
                }
            }
            sync_cube();
        }
        let base = (head * n + i) * m + share;
        #[unroll]
        for q in 0..width {
            dstate[base + q * n_shares] = ds_row[q];
        }
    }
}
