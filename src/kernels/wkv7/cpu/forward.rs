//! The forward pass of a head.

#![allow(
    clippy::needless_range_loop,
    reason = "an index names a channel of several vectors at once, and fixed bounds vectorise"
)]

use burn::tensor::Tensor;

use super::{Dims, Head, Slices, Token, for_each_head, next, run_head, transpose, with_slices};
use crate::kernels::cpu::rows::{Rows, Unwritten};
use crate::kernels::cpu::simd::{Task, mul_add};
use crate::kernels::cpu::tensor::{Flat, written};
use crate::kernels::wkv7::{CHECKPOINT_INTERVAL, Wkv7Forward, Wkv7Inputs, Wkv7Tape};

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

impl<const N: usize> Task for Head<&ForwardTask<'_>, N> {
    #[inline(always)]
    fn run<const FMA: bool>(&self) {
        forward_head::<N, FMA>(self.0);
    }
}

pub(in crate::kernels) fn forward(
    inputs: &Wkv7Inputs,
    state: Tensor<4>,
    keep_tape: bool,
) -> Wkv7Forward {
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
