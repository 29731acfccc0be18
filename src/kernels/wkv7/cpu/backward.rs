//! The backward pass of a head, and the gradient of its initial state alone.

#![allow(
    clippy::needless_range_loop,
    reason = "an index names a channel of several vectors at once, and fixed bounds vectorise"
)]

use burn::tensor::Tensor;

use super::{
    Dims, Head, Slices, Token, for_each_head, next, run_head, transpose, vector, with_slices,
};
use crate::kernels::cpu::rows::{Rows, Unwritten};
use crate::kernels::cpu::simd::{Task, dot, mul_add};
use crate::kernels::cpu::tensor::{Flat, written};
use crate::kernels::wkv7::{CHECKPOINT_INTERVAL, SegmentTape, Wkv7Gradients, Wkv7Inputs};

/// One head's share of the backward pass.
struct BackwardTask<'a> {
    inputs: &'a Slices<'a>,
    checkpoints: &'a [f32],
    removed: &'a [f32],
    dy: &'a [f32],
    /// Of the last state, [B, H, N, N], where something reads it.
    dlast: Option<&'a [f32]>,
    /// r, w, k, v, removal, write.
    gradients: [&'a Rows<'a>; 6],
    dstate: &'a Rows<'a>,
    batch_idx: usize,
    head_idx: usize,
}

/// Gradients of one token that sum over the rows of the state.
struct TokenGradients<const N: usize> {
    r: [f32; N],
    w: [f32; N],
    k: [f32; N],
    v: [f32; N],
    removal: [f32; N],
    write: [f32; N],
}

#[inline(always)]
fn backward_head<const N: usize, const FMA: bool>(task: &BackwardTask) {
    let dims = task.inputs.dims;
    let (batch_idx, head_idx) = (task.batch_idx, task.head_idx);
    let head = batch_idx * dims.n_head + head_idx;
    // Gradient of the state, [N, N], and the states before each token of a chunk.
    let mut ds = vec![[0.0; N]; N];
    if let Some(dlast) = task.dlast {
        ds.as_flattened_mut()
            .copy_from_slice(&dlast[head * N * N..(head + 1) * N * N]);
    }
    let mut states = vec![[0.0; N]; N * CHECKPOINT_INTERVAL];
    for chunk in (0..dims.n_chunks()).rev() {
        let from = chunk * CHECKPOINT_INTERVAL;
        let to = dims.n_tokens.min(from + CHECKPOINT_INTERVAL);
        let kept = (head * dims.n_chunks() + chunk) * N * N;
        states[..N]
            .as_flattened_mut()
            .copy_from_slice(&task.checkpoints[kept..kept + N * N]);
        for t in from..to - 1 {
            let start = dims.offset(batch_idx, t, head_idx);
            let token = task.inputs.token::<N>(start);
            let removed = vector::<N>(task.removed, start);
            let (before, after) = states.split_at_mut((t - from + 1) * N);
            let before = &before[(t - from) * N..];
            for i in 0..N {
                for j in 0..N {
                    let (w, write, k) = (token.w[j], token.write[j], token.k[j]);
                    after[i][j] = next::<FMA>(before[i][j], removed[i], token.v[i], w, write, k);
                }
            }
        }
        for t in (from..to).rev() {
            let start = dims.offset(batch_idx, t, head_idx);
            let token = task.inputs.token::<N>(start);
            let removed = vector::<N>(task.removed, start);
            let dy = vector::<N>(task.dy, start);
            let before = &states[(t - from) * N..(t - from + 1) * N];
            let g = token_backward::<N, FMA>(&mut ds, before, &token, removed, dy);
            let values = [&g.r, &g.w, &g.k, &g.v, &g.removal, &g.write];
            for (rows, values) in task.gradients.iter().zip(values) {
                // SAFETY: every task writes the rows of its own batch entry and head.
                unsafe { rows.slice(start, N) }.copy_from_slice(values);
            }
        }
    }
    // SAFETY: as above.
    unsafe { task.dstate.slice(head * N * N, N * N) }.copy_from_slice(ds.as_flattened());
}

impl<const N: usize> Task for Head<&BackwardTask<'_>, N> {
    #[inline(always)]
    fn run<const FMA: bool>(&self) {
        backward_head::<N, FMA>(self.0);
    }
}

/// Rows of the state that are taken back together, so that the sums over rows
/// are loaded and stored once for all of them.
const ROWS: usize = 4;

/// Takes the gradient of S_t to that of S_{t-1}, given S_{t-1} in `before`.
#[inline(always)]
fn token_backward<const N: usize, const FMA: bool>(
    ds: &mut [[f32; N]],
    before: &[[f32; N]],
    token: &Token<N>,
    removed: &[f32; N],
    dy: &[f32; N],
) -> TokenGradients<N> {
    let mut g = TokenGradients {
        r: [0.0; N],
        w: [0.0; N],
        k: [0.0; N],
        v: [0.0; N],
        removal: [0.0; N],
        write: [0.0; N],
    };
    for i in (0..N).step_by(ROWS) {
        let (Some(ds), Some(before)) = (
            ds[i..].first_chunk_mut::<ROWS>(),
            before[i..].first_chunk::<ROWS>(),
        ) else {
            unreachable!("N is a multiple of the rows")
        };
        let mut dremoved = [0.0; ROWS];
        for m in 0..ROWS {
            for j in 0..N {
                ds[m][j] = mul_add::<FMA>(dy[i + m], token.r[j], ds[m][j]);
            }
            g.v[i + m] = dot::<N>(&ds[m], token.k);
            dremoved[m] = dot::<N>(&ds[m], token.write);
        }
        for j in 0..N {
            let (w, write, k, removal) = (token.w[j], token.write[j], token.k[j], token.removal[j]);
            let (mut dr, mut dw, mut dk) = (g.r[j], g.w[j], g.k[j]);
            let (mut dwrite, mut dremoval) = (g.write[j], g.removal[j]);
            for m in 0..ROWS {
                let (s, d) = (before[m][j], ds[m][j]);
                let (value, taken) = (token.v[i + m], removed[i + m]);
                let after = next::<FMA>(s, taken, value, w, write, k);
                dr = mul_add::<FMA>(dy[i + m], after, dr);
                dw = mul_add::<FMA>(d, s, dw);
                dk = mul_add::<FMA>(d, value, dk);
                dwrite = mul_add::<FMA>(d, taken, dwrite);
                dremoval = mul_add::<FMA>(dremoved[m], s, dremoval);
                ds[m][j] = mul_add::<FMA>(d, w, dremoved[m] * removal);
            }
            (g.r[j], g.w[j], g.k[j]) = (dr, dw, dk);
            (g.write[j], g.removal[j]) = (dwrite, dremoval);
        }
    }
    g
}

/// One head's share of the gradient of the initial state alone.
struct StateTask<'a> {
    inputs: &'a Slices<'a>,
    dy: &'a [f32],
    /// Of the last state, [B, H, N, N], where something reads it.
    dlast: Option<&'a [f32]>,
    dstate: &'a Rows<'a>,
    batch_idx: usize,
    head_idx: usize,
}

impl<const N: usize> Task for Head<&StateTask<'_>, N> {
    #[inline(always)]
    fn run<const FMA: bool>(&self) {
        let task = self.0;
        let dims = task.inputs.dims;
        let head = task.batch_idx * dims.n_head + task.head_idx;
        // Transposed, [key, value], for the reason given in the forward pass.
        let mut ds = [[0.0; N]; N];
        if let Some(dlast) = task.dlast {
            let own = &dlast[head * N * N..(head + 1) * N * N];
            transpose(own, ds.as_flattened_mut(), N);
        }
        for t in (0..dims.n_tokens).rev() {
            let start = dims.offset(task.batch_idx, t, task.head_idx);
            let token = task.inputs.token::<N>(start);
            let dy = vector::<N>(task.dy, start);
            let mut dremoved = [0.0; N];
            for j in 0..N {
                for i in 0..N {
                    ds[j][i] = mul_add::<FMA>(dy[i], token.r[j], ds[j][i]);
                    dremoved[i] = mul_add::<FMA>(ds[j][i], token.write[j], dremoved[i]);
                }
            }
            for j in 0..N {
                for i in 0..N {
                    let through = dremoved[i] * token.removal[j];
                    ds[j][i] = mul_add::<FMA>(ds[j][i], token.w[j], through);
                }
            }
        }
        // SAFETY: every task writes the state of its own batch entry and head.
        let dstate = unsafe { task.dstate.slice(head * N * N, N * N) };
        transpose(ds.as_flattened(), dstate, N);
    }
}

pub(in crate::kernels) fn backward(
    inputs: &Wkv7Inputs,
    tape: &SegmentTape,
    dy: Tensor<4>,
    dlast: Option<&Tensor<4>>,
) -> Wkv7Gradients {
    let dims = Dims::new(&inputs.r, 1);
    let (b, t, h, n) = (dims.n_batch, dims.n_tokens, dims.n_head, dims.head_size);
    let (checkpoints, removed) = (Flat::new(&tape.checkpoints), Flat::new(&tape.removed));
    let dy = Flat::new(&dy);
    let dlast = dlast.map(Flat::new);
    let mut gradients: [_; 6] = std::array::from_fn(|_| Unwritten::new(b * t * h * n));
    let mut dstate = Unwritten::new(b * h * n * n);
    with_slices(inputs, dims, |slices| {
        let rows = gradients.each_mut().map(Unwritten::rows);
        let dstate = dstate.rows();
        for_each_head(dims, |batch_idx, head_idx| {
            let task = BackwardTask {
                inputs: slices,
                checkpoints: checkpoints.slice(),
                removed: removed.slice(),
                dy: dy.slice(),
                dlast: dlast.as_ref().map(Flat::slice),
                gradients: rows.each_ref(),
                dstate: &dstate,
                batch_idx,
                head_idx,
            };
            run_head(&task, n);
        });
    });
    // SAFETY: the tasks above wrote every row.
    let [r, w, k, v, removal, write] =
        gradients.map(|values| unsafe { written(values, [b, t, h, n]) });
    Wkv7Gradients {
        r,
        w,
        k,
        v,
        removal,
        write,
        // SAFETY: the tasks above wrote every row.
        state: unsafe { written(dstate, [b, h, n, n]) },
    }
}

pub(in crate::kernels) fn state_gradient(
    inputs: &Wkv7Inputs,
    dy: &Tensor<4>,
    dlast: Option<&Tensor<4>>,
) -> Tensor<4> {
    let dims = Dims::new(&inputs.r, 1);
    let (b, h, n) = (dims.n_batch, dims.n_head, dims.head_size);
    let dy = Flat::new(dy);
    let dlast = dlast.map(Flat::new);
    let mut dstate = Unwritten::new(b * h * n * n);
    with_slices(inputs, dims, |slices| {
        let dstate = dstate.rows();
        for_each_head(dims, |batch_idx, head_idx| {
            let task = StateTask {
                inputs: slices,
                dy: dy.slice(),
                dlast: dlast.as_ref().map(Flat::slice),
                dstate: &dstate,
                batch_idx,
                head_idx,
            };
            run_head(&task, n);
        });
    });
    // SAFETY: the tasks above wrote every row.
    unsafe { written(dstate, [b, h, n, n]) }
}
