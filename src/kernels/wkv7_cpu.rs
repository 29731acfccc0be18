//! [`super::wkv7`] on the CPU: one task per batch entry and head, the state in
//! the first-level cache, every row a vector. Reference twin:
//! [`super::wkv7_reference`].

#![allow(
    clippy::needless_range_loop,
    reason = "an index names a channel of several vectors at once, and fixed bounds vectorise"
)]

use burn::tensor::Tensor;
use rayon::prelude::*;

use super::cpu_tensor::{Flat, written};
use super::rows::{Rows, Unwritten};
use super::simd::{Task, dot, mul_add, run};
use super::wkv7::{
    CHECKPOINT_INTERVAL, SegmentTape, Wkv7Forward, Wkv7Gradients, Wkv7Inputs, Wkv7Tape,
};

/// Sizes of one call.
#[derive(Clone, Copy)]
struct Dims {
    n_batch: usize,
    n_tokens: usize,
    n_head: usize,
    head_size: usize,
    /// 1 where the batch shares the initial state.
    n_states: usize,
}

impl Dims {
    fn new(r: &Tensor<4>, n_states: usize) -> Self {
        let [n_batch, n_tokens, n_head, head_size] = r.dims();
        Self {
            n_batch,
            n_tokens,
            n_head,
            head_size,
            n_states,
        }
    }

    fn n_chunks(&self) -> usize {
        self.n_tokens.div_ceil(CHECKPOINT_INTERVAL)
    }

    /// Where token `t` of a head starts in a [B, T, H, N] tensor.
    fn offset(&self, batch_idx: usize, t: usize, head_idx: usize) -> usize {
        ((batch_idx * self.n_tokens + t) * self.n_head + head_idx) * self.head_size
    }
}

/// The six inputs as slices, [B, T, H, N].
struct Slices<'a> {
    dims: Dims,
    r: &'a [f32],
    w: &'a [f32],
    k: &'a [f32],
    v: &'a [f32],
    removal: &'a [f32],
    write: &'a [f32],
}

/// The vectors of one token and head.
struct Token<'a, const N: usize> {
    r: &'a [f32; N],
    w: &'a [f32; N],
    k: &'a [f32; N],
    v: &'a [f32; N],
    removal: &'a [f32; N],
    write: &'a [f32; N],
}

#[inline(always)]
fn vector<const N: usize>(values: &[f32], start: usize) -> &[f32; N] {
    match values[start..start + N].first_chunk() {
        Some(vector) => vector,
        None => unreachable!("the range has N elements"),
    }
}

impl<'a> Slices<'a> {
    #[inline(always)]
    fn token<const N: usize>(&self, start: usize) -> Token<'a, N> {
        Token {
            r: vector(self.r, start),
            w: vector(self.w, start),
            k: vector(self.k, start),
            v: vector(self.v, start),
            removal: vector(self.removal, start),
            write: vector(self.write, start),
        }
    }
}

/// One head's share of the forward pass.
struct ForwardTask<'a> {
    inputs: &'a Slices<'a>,
    state: &'a [f32],
    y: &'a Rows<'a>,
    last_state: &'a Rows<'a>,
    /// Checkpoints and removed values, where the backward pass follows.
    tape: Option<(&'a Rows<'a>, &'a Rows<'a>)>,
    batch_idx: usize,
    head_idx: usize,
}

#[inline(always)]
fn forward_head<const N: usize, const FMA: bool>(task: &ForwardTask) {
    let dims = task.inputs.dims;
    let ForwardTask {
        batch_idx,
        head_idx,
        ..
    } = *task;
    let head = batch_idx * dims.n_head + head_idx;
    let first = if dims.n_states == 1 { head_idx } else { head } * N * N;
    // Transposed, [key, value]: what a token adds up over the keys is then a
    // vector over the values, and no sum runs across a vector.
    let mut state = [[0.0; N]; N];
    transpose(
        &task.state[first..first + N * N],
        state.as_flattened_mut(),
        N,
    );
    for t in 0..dims.n_tokens {
        let start = dims.offset(batch_idx, t, head_idx);
        let token = task.inputs.token::<N>(start);
        if let Some((checkpoints, _)) = task.tape
            && t % CHECKPOINT_INTERVAL == 0
        {
            let chunk = head * dims.n_chunks() + t / CHECKPOINT_INTERVAL;
            // SAFETY: every task writes the rows of its own batch entry and head.
            let kept = unsafe { checkpoints.slice(chunk * N * N, N * N) };
            transpose(state.as_flattened(), kept, N);
        }
        let (y, removed) = advance::<N, FMA>(&mut state, &token);
        // SAFETY: as above.
        unsafe { task.y.slice(start, N) }.copy_from_slice(&y);
        if let Some((_, rows)) = task.tape {
            // SAFETY: as above.
            unsafe { rows.slice(start, N) }.copy_from_slice(&removed);
        }
    }
    // SAFETY: as above.
    let last = unsafe { task.last_state.slice(head * N * N, N * N) };
    transpose(state.as_flattened(), last, N);
}

/// [N, N] with rows and columns exchanged.
#[inline(always)]
fn transpose(from: &[f32], to: &mut [f32], n: usize) {
    for (row, to) in to.chunks_exact_mut(n).enumerate() {
        for (to, from) in to.iter_mut().zip(from[row..].iter().step_by(n)) {
            *to = *from;
        }
    }
}

/// Moves a state, [key, value], over one token; gives y and the removed values.
#[inline(always)]
fn advance<const N: usize, const FMA: bool>(
    state: &mut [[f32; N]; N],
    token: &Token<N>,
) -> ([f32; N], [f32; N]) {
    let mut removed = [0.0; N];
    for j in 0..N {
        for i in 0..N {
            removed[i] = mul_add::<FMA>(state[j][i], token.removal[j], removed[i]);
        }
    }
    let mut y = [0.0; N];
    for j in 0..N {
        let (w, write, k, r) = (token.w[j], token.write[j], token.k[j], token.r[j]);
        for i in 0..N {
            let s = next::<FMA>(state[j][i], removed[i], token.v[i], w, write, k);
            state[j][i] = s;
            y[i] = mul_add::<FMA>(s, r, y[i]);
        }
    }
    (y, removed)
}

/// One element of S_t.
#[inline(always)]
fn next<const FMA: bool>(s: f32, removed: f32, value: f32, w: f32, write: f32, k: f32) -> f32 {
    mul_add::<FMA>(value, k, mul_add::<FMA>(removed, write, s * w))
}

impl<const N: usize> Task for Head<&ForwardTask<'_>, N> {
    #[inline(always)]
    fn run<const FMA: bool>(&self) {
        forward_head::<N, FMA>(self.0);
    }
}

/// One head's share of the backward pass.
struct BackwardTask<'a> {
    inputs: &'a Slices<'a>,
    checkpoints: &'a [f32],
    removed: &'a [f32],
    dy: &'a [f32],
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
    dstate: &'a Rows<'a>,
    batch_idx: usize,
    head_idx: usize,
}

impl<const N: usize> Task for Head<&StateTask<'_>, N> {
    #[inline(always)]
    fn run<const FMA: bool>(&self) {
        let task = self.0;
        let dims = task.inputs.dims;
        // Transposed, [key, value], for the reason given in the forward pass.
        let mut ds = [[0.0; N]; N];
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
        let head = task.batch_idx * dims.n_head + task.head_idx;
        // SAFETY: every task writes the state of its own batch entry and head.
        let dstate = unsafe { task.dstate.slice(head * N * N, N * N) };
        transpose(ds.as_flattened(), dstate, N);
    }
}

/// Runs `task` for every batch entry and head on all threads.
fn for_each_head(dims: Dims, task: impl Fn(usize, usize) + Sync) {
    (0..dims.n_batch * dims.n_head)
        .into_par_iter()
        .for_each(|head| task(head / dims.n_head, head % dims.n_head));
}

/// A head's task with its size known when the program is compiled.
struct Head<T, const N: usize>(T);

fn run_head<T: Copy>(task: T, head_size: usize)
where
    Head<T, 16>: Task,
    Head<T, 32>: Task,
    Head<T, 64>: Task,
    Head<T, 128>: Task,
{
    match head_size {
        16 => run(&Head::<T, 16>(task)),
        32 => run(&Head::<T, 32>(task)),
        64 => run(&Head::<T, 64>(task)),
        128 => run(&Head::<T, 128>(task)),
        other => unreachable!("head size {other} was refused before"),
    }
}

fn with_slices<T>(inputs: &Wkv7Inputs, dims: Dims, body: impl FnOnce(&Slices) -> T) -> T {
    let flat = [
        &inputs.r,
        &inputs.w,
        &inputs.k,
        &inputs.v,
        &inputs.removal,
        &inputs.write,
    ]
    .map(Flat::new);
    let [r, w, k, v, removal, write] = flat.each_ref().map(Flat::slice);
    body(&Slices {
        dims,
        r,
        w,
        k,
        v,
        removal,
        write,
    })
}

pub(super) fn forward(inputs: &Wkv7Inputs, state: Tensor<4>, keep_tape: bool) -> Wkv7Forward {
    let dims = Dims::new(&inputs.r, state.dims()[0]);
    let (b, t, h, n) = (dims.n_batch, dims.n_tokens, dims.n_head, dims.head_size);
    let state = Flat::new(&state);
    let mut y = Unwritten::new(b * t * h * n);
    let mut last_state = Unwritten::new(b * h * n * n);
    let (n_kept, n_removed) = if keep_tape {
        (b * h * dims.n_chunks() * n * n, b * t * h * n)
    } else {
        (0, 0)
    };
    let mut checkpoints = Unwritten::new(n_kept);
    let mut removed = Unwritten::new(n_removed);
    with_slices(inputs, dims, |slices| {
        let (y, last_state) = (y.rows(), last_state.rows());
        let tape = (checkpoints.rows(), removed.rows());
        for_each_head(dims, |batch_idx, head_idx| {
            let task = ForwardTask {
                inputs: slices,
                state: state.slice(),
                y: &y,
                last_state: &last_state,
                tape: keep_tape.then_some((&tape.0, &tape.1)),
                batch_idx,
                head_idx,
            };
            run_head(&task, n);
        });
    });
    Wkv7Forward {
        // SAFETY: the tasks above wrote every row.
        y: unsafe { written(y, [b, t, h, n]) },
        // SAFETY: the tasks above wrote every row.
        last_state: unsafe { written(last_state, [b, h, n, n]) },
        tape: keep_tape.then(|| {
            Wkv7Tape::one(
                // SAFETY: the tasks above wrote every row.
                unsafe { written(checkpoints, [b, h, dims.n_chunks(), n, n]) },
                // SAFETY: the tasks above wrote every row.
                unsafe { written(removed, [b, t, h, n]) },
            )
        }),
    }
}

pub(super) fn backward(inputs: &Wkv7Inputs, tape: &SegmentTape, dy: Tensor<4>) -> Wkv7Gradients {
    let dims = Dims::new(&inputs.r, 1);
    let (b, t, h, n) = (dims.n_batch, dims.n_tokens, dims.n_head, dims.head_size);
    let (checkpoints, removed) = (Flat::new(&tape.checkpoints), Flat::new(&tape.removed));
    let dy = Flat::new(&dy);
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

pub(super) fn state_gradient(inputs: &Wkv7Inputs, dy: &Tensor<4>) -> Tensor<4> {
    let dims = Dims::new(&inputs.r, 1);
    let (b, h, n) = (dims.n_batch, dims.n_head, dims.head_size);
    let dy = Flat::new(dy);
    let mut dstate = Unwritten::new(b * h * n * n);
    with_slices(inputs, dims, |slices| {
        let dstate = dstate.rows();
        for_each_head(dims, |batch_idx, head_idx| {
            let task = StateTask {
                inputs: slices,
                dy: dy.slice(),
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
