//! The CubeCL kernels of [`crate::kernels::wkv7`]. One cube per batch entry and
//! head; unit i holds row i of the state in registers, and the six vectors of a
//! token are shared. Inner loops are unrolled: some software adapters stop a
//! unit after 65,535 loop iterations, without a word.

use cubecl::prelude::*;

/// Inputs [B, T, H, N]; `state` [B or 1, H, N, N]; `checkpoints`
/// [B, H, chunks, N, N], the state before every `interval`-th token.
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
    #[comptime] interval: usize,
    #[comptime] shared_state: bool,
    #[comptime] keep_tape: bool,
    #[define(F)] _dtype: ElemType,
) {
    let n_tokens = r.shape(1);
    let n_head = r.shape(2);
    let i = UNIT_POS_X as usize;
    let head = CUBE_POS_X as usize;
    let batch_idx = head / n_head;
    let head_idx = head % n_head;
    let n_chunks = checkpoints.shape(2);

    let mut row = Array::<F>::new(n);
    let mut first = head * n * n + i * n;
    if shared_state {
        first = head_idx * n * n + i * n;
    }
    #[unroll]
    for j in 0..n {
        row[j] = state[first + j];
    }
    let mut shared_r = Shared::<[F]>::new_slice(n);
    let mut shared_w = Shared::<[F]>::new_slice(n);
    let mut shared_k = Shared::<[F]>::new_slice(n);
    let mut shared_removal = Shared::<[F]>::new_slice(n);
    let mut shared_write = Shared::<[F]>::new_slice(n);

    for t in 0..n_tokens {
        if keep_tape {
            if t % interval == 0 {
                let base = (head * n_chunks + t / interval) * n * n + i * n;
                #[unroll]
                for j in 0..n {
                    checkpoints[base + j] = row[j];
                }
            }
        }
        let p = ((batch_idx * n_tokens + t) * n_head + head_idx) * n + i;
        sync_cube();
        shared_r[i] = r[p];
        shared_w[i] = w[p];
        shared_k[i] = k[p];
        shared_removal[i] = removal[p];
        shared_write[i] = write[p];
        sync_cube();
        let value = v[p];
        let mut taken = F::new(0.0_f32);
        #[unroll]
        for j in 0..n {
            taken += row[j] * shared_removal[j];
        }
        let mut out = F::new(0.0_f32);
        #[unroll]
        for j in 0..n {
            let s = row[j] * shared_w[j] + taken * shared_write[j] + value * shared_k[j];
            row[j] = s;
            out += s * shared_r[j];
        }
        y[p] = out;
        if keep_tape {
            removed[p] = taken;
        }
    }
    #[unroll]
    for j in 0..n {
        last_state[head * n * n + i * n + j] = row[j];
    }
}

/// Walks back over the tokens. `scratch` [B * H, interval, N, N] holds the
/// states of one chunk, recomputed from its checkpoint; `gradients`
/// [6, B, T, H, N] in the order r, w, k, v, removal, write; `dstate`
/// [B, H, N, N]. Unit i holds row i and column i of the state's gradient, so
/// that sums over rows and over columns both stay inside a unit. `dlast`
/// [B, H, N, N] is the gradient of the state after the last token, where
/// `has_dlast` says that there is one.
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
    #[comptime] interval: usize,
    #[comptime] has_dlast: bool,
    #[define(F)] _dtype: ElemType,
) {
    let n_tokens = r.shape(1);
    let n_head = r.shape(2);
    let total = r.len();
    let i = UNIT_POS_X as usize;
    let head = CUBE_POS_X as usize;
    let batch_idx = head / n_head;
    let head_idx = head % n_head;
    let n_chunks = checkpoints.shape(2);
    let nn = n * n;

    let mut ds_row = Array::<F>::new(n);
    let mut ds_column = Array::<F>::new(n);
    let mut row = Array::<F>::new(n);
    #[unroll]
    for j in 0..n {
        if has_dlast {
            ds_row[j] = dlast[head * nn + i * n + j];
            ds_column[j] = dlast[head * nn + j * n + i];
        } else {
            ds_row[j] = F::new(0.0_f32);
            ds_column[j] = F::new(0.0_f32);
        }
    }
    let mut shared_r = Shared::<[F]>::new_slice(n);
    let mut shared_w = Shared::<[F]>::new_slice(n);
    let mut shared_k = Shared::<[F]>::new_slice(n);
    let mut shared_v = Shared::<[F]>::new_slice(n);
    let mut shared_removal = Shared::<[F]>::new_slice(n);
    let mut shared_write = Shared::<[F]>::new_slice(n);
    let mut shared_removed = Shared::<[F]>::new_slice(n);
    let mut shared_dy = Shared::<[F]>::new_slice(n);
    let mut shared_dremoved = Shared::<[F]>::new_slice(n);
    let scratch_base = head * interval * nn;

    for step in 0..n_chunks {
        let chunk = n_chunks - 1 - step;
        let from = chunk * interval;
        let len = usize::min(interval, n_tokens - from);
        let kept = (head * n_chunks + chunk) * nn + i * n;
        #[unroll]
        for j in 0..n {
            row[j] = checkpoints[kept + j];
        }
        for l in 0..len {
            let p = ((batch_idx * n_tokens + from + l) * n_head + head_idx) * n + i;
            sync_cube();
            shared_w[i] = w[p];
            shared_k[i] = k[p];
            shared_write[i] = write[p];
            sync_cube();
            let value = v[p];
            let taken = removed[p];
            let o = scratch_base + l * nn + i * n;
            #[unroll]
            for j in 0..n {
                scratch[o + j] = row[j];
                row[j] = row[j] * shared_w[j] + taken * shared_write[j] + value * shared_k[j];
            }
        }
        sync_storage();
        sync_cube();
        for back in 0..len {
            let l = len - 1 - back;
            let p = ((batch_idx * n_tokens + from + l) * n_head + head_idx) * n + i;
            sync_cube();
            shared_r[i] = r[p];
            shared_w[i] = w[p];
            shared_k[i] = k[p];
            shared_v[i] = v[p];
            shared_removal[i] = removal[p];
            shared_write[i] = write[p];
            shared_removed[i] = removed[p];
            shared_dy[i] = dy[p];
            sync_cube();
            let dy_i = shared_dy[i];
            let r_i = shared_r[i];
            let w_i = shared_w[i];
            let k_i = shared_k[i];
            let removal_i = shared_removal[i];
            let write_i = shared_write[i];
            let mut dv = F::new(0.0_f32);
            let mut dremoved = F::new(0.0_f32);
            #[unroll]
            for j in 0..n {
                let d = ds_row[j] + dy_i * shared_r[j];
                ds_row[j] = d;
                dv += d * shared_k[j];
                dremoved += d * shared_write[j];
            }
            shared_dremoved[i] = dremoved;
            sync_cube();
            let mut dr = F::new(0.0_f32);
            let mut dw = F::new(0.0_f32);
            let mut dk = F::new(0.0_f32);
            let mut dremoval = F::new(0.0_f32);
            let mut dwrite = F::new(0.0_f32);
            #[unroll]
            for m in 0..n {
                let before = scratch[scratch_base + l * nn + m * n + i];
                let after = before * w_i + shared_removed[m] * write_i + shared_v[m] * k_i;
                let d = ds_column[m] + shared_dy[m] * r_i;
                dr += shared_dy[m] * after;
                dw += d * before;
                dk += d * shared_v[m];
                dremoval += shared_dremoved[m] * before;
                dwrite += d * shared_removed[m];
                ds_column[m] = d * w_i + shared_dremoved[m] * removal_i;
            }
            #[unroll]
            for j in 0..n {
                ds_row[j] = ds_row[j] * shared_w[j] + dremoved * shared_removal[j];
            }
            gradients[p] = dr;
            gradients[total + p] = dw;
            gradients[2 * total + p] = dk;
            gradients[3 * total + p] = dv;
            gradients[4 * total + p] = dremoval;
            gradients[5 * total + p] = dwrite;
        }
        sync_cube();
    }
    let base = head * nn + i * n;
    #[unroll]
    for j in 0..n {
        dstate[base + j] = ds_row[j];
    }
}

/// The gradient of the initial state alone, `dstate` [B, H, N, N]: unit i
/// carries row i of it back over the tokens. `dlast` as in [`backward`].
#[cube(launch)]
#[allow(clippy::too_many_arguments)]
pub fn state_gradient<F: Float>(
    r: &Tensor<F>,
    w: &Tensor<F>,
    removal: &Tensor<F>,
    write: &Tensor<F>,
    dy: &Tensor<F>,
    dlast: &Tensor<F>,
    dstate: &mut Tensor<F>,
    #[comptime] n: usize,
    #[comptime] has_dlast: bool,
    #[define(F)] _dtype: ElemType,
) {
    let n_tokens = r.shape(1);
    let n_head = r.shape(2);
    let i = UNIT_POS_X as usize;
    let head = CUBE_POS_X as usize;
    let batch_idx = head / n_head;
    let head_idx = head % n_head;

    let mut row = Array::<F>::new(n);
    #[unroll]
    for j in 0..n {
        if has_dlast {
            row[j] = dlast[head * n * n + i * n + j];
        } else {
            row[j] = F::new(0.0_f32);
        }
    }
    let mut shared_r = Shared::<[F]>::new_slice(n);
    let mut shared_w = Shared::<[F]>::new_slice(n);
    let mut shared_removal = Shared::<[F]>::new_slice(n);
    let mut shared_write = Shared::<[F]>::new_slice(n);
    for back in 0..n_tokens {
        let t = n_tokens - 1 - back;
        let p = ((batch_idx * n_tokens + t) * n_head + head_idx) * n + i;
        sync_cube();
        shared_r[i] = r[p];
        shared_w[i] = w[p];
        shared_removal[i] = removal[p];
        shared_write[i] = write[p];
        sync_cube();
        let dy_i = dy[p];
        let mut dremoved = F::new(0.0_f32);
        #[unroll]
        for j in 0..n {
            let d = row[j] + dy_i * shared_r[j];
            row[j] = d;
            dremoved += d * shared_write[j];
        }
        #[unroll]
        for j in 0..n {
            row[j] = row[j] * shared_w[j] + dremoved * shared_removal[j];
        }
    }
    #[unroll]
    for j in 0..n {
        dstate[head * n * n + i * n + j] = row[j];
    }
}
