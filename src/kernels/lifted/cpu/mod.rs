//! [`crate::kernels::lifted`] on the CPU: one task per batch entry and head. Rows of
//! the state do not touch each other, so a few rows at a time walk over a chunk
//! of tokens and stay in the first-level cache whatever M is. Reference twin:
//! [`crate::kernels::wkv7::reference::lifted_wkv_reference`].

mod chunk;
mod token;

use burn::tensor::Tensor;
use rayon::prelude::*;

use chunk::{Chunk, Dims, Place, Slices, by_row};
use token::{TokenValues, advance, recompute, removed, token_backward};

use crate::kernels::cpu::rows::{Rows, Unwritten};
use crate::kernels::cpu::simd::{LANES, Task, run};
use crate::kernels::cpu::tensor::{Flat, written};
use crate::kernels::wkv7::{SegmentTape, Wkv7Forward, Wkv7Gradients, Wkv7Inputs, Wkv7Tape};

/// Rows that walk together, so that a token's vectors are loaded once for all
/// of them.
const ROWS: usize = 4;

/// [`ROWS`] of a token's numbers on the value side, `x` [B, T, H, N].
#[inline(always)]
fn values(x: &[f32], place: &Place, t: usize, row: usize) -> [f32; ROWS] {
    let start = place.row(t) * place.dims.n_values + row;
    match x[start..].first_chunk() {
        Some(values) => *values,
        None => unreachable!("N is a multiple of the rows"),
    }
}

/// One head's share of the forward pass.
struct ForwardTask<'a> {
    inputs: &'a Slices<'a>,
    place: Place,
    state: &'a [f32],
    y: &'a Rows<'a>,
    last_state: &'a Rows<'a>,
    /// Checkpoints and removed values, where the backward pass follows.
    tape: Option<(&'a Rows<'a>, &'a Rows<'a>)>,
}

impl Task for ForwardTask<'_> {
    #[inline(always)]
    fn run<const FMA: bool>(&self) {
        let (place, dims) = (&self.place, &self.place.dims);
        let (n, m) = (dims.n_values, dims.n_keys);
        let shared = dims.n_states == 1;
        let first = if shared { place.head_idx } else { place.head() } * n * m;
        // SAFETY: every task writes the rows of its own batch entry and head.
        let state = unsafe { self.last_state.slice(place.head() * n * m, n * m) };
        state.copy_from_slice(&self.state[first..][..n * m]);
        let mut inputs = Chunk::new(dims);
        for chunk in 0..dims.n_chunks() {
            if let Some((checkpoints, _)) = self.tape {
                // SAFETY: as above.
                unsafe { checkpoints.slice(place.checkpoint(chunk), n * m) }.copy_from_slice(state);
            }
            let (from, to) = dims.tokens(chunk);
            inputs.fill(self.inputs, place, from, to);
            for row in (0..n).step_by(ROWS) {
                let mut rows = by_row(&mut state[row * m..(row + ROWS) * m]);
                for t in from..to {
                    let token = inputs.token(t - from);
                    let taken = removed::<FMA>(&rows, token[3]);
                    let value = values(self.inputs.v, place, t, row);
                    let y = advance::<FMA>(&mut rows, token, &value, &taken);
                    let at = place.row(t) * n + row;
                    // SAFETY: as above.
                    unsafe { self.y.slice(at, ROWS) }.copy_from_slice(&y);
                    if let Some((_, removed)) = self.tape {
                        // SAFETY: as above.
                        unsafe { removed.slice(at, ROWS) }.copy_from_slice(&taken);
                    }
                }
            }
        }
    }
}

/// One head's share of the backward pass.
struct BackwardTask<'a> {
    inputs: &'a Slices<'a>,
    place: Place,
    checkpoints: &'a [f32],
    removed: &'a [f32],
    dy: &'a [f32],
    /// Of the last state, [B, H, N, M], where something reads it.
    dlast: Option<&'a [f32]>,
    /// r, w, k, removal, write.
    gradients: [&'a Rows<'a>; 5],
    dv: &'a Rows<'a>,
    dstate: &'a Rows<'a>,
}

impl Task for BackwardTask<'_> {
    #[inline(always)]
    fn run<const FMA: bool>(&self) {
        let (place, dims) = (&self.place, &self.place.dims);
        let (n, m) = (dims.n_values, dims.n_keys);
        // SAFETY: every task writes the rows of its own batch entry and head.
        let ds = unsafe { self.dstate.slice(place.head() * n * m, n * m) };
        match self.dlast {
            Some(dlast) => ds.copy_from_slice(&dlast[place.head() * n * m..][..n * m]),
            None => ds.fill(0.0),
        }
        // The states before each token of a chunk, of the rows at hand.
        let mut states = vec![0.0; dims.interval() * ROWS * m];
        let (mut inputs, mut gradients) = (Chunk::new(dims), Chunk::new(dims));
        for chunk in (0..dims.n_chunks()).rev() {
            let kept = &self.checkpoints[place.checkpoint(chunk)..][..n * m];
            let (from, to) = dims.tokens(chunk);
            inputs.fill(self.inputs, place, from, to);
            gradients.groups.fill([0.0; LANES]);
            for row in (0..n).step_by(ROWS) {
                states[..ROWS * m].copy_from_slice(&kept[row * m..(row + ROWS) * m]);
                for t in from..to - 1 {
                    let (before, after) = states[(t - from) * ROWS * m..].split_at_mut(ROWS * m);
                    let values = self.token_values(t, row);
                    recompute::<FMA>(before, after, inputs.token(t - from), &values);
                }
                let ds = &mut ds[row * m..(row + ROWS) * m];
                for t in (from..to).rev() {
                    let before = &mut states[(t - from) * ROWS * m..][..ROWS * m];
                    let dv = token_backward::<FMA>(
                        by_row(ds),
                        by_row(before),
                        inputs.token(t - from),
                        gradients.token_mut(t - from),
                        &self.token_values(t, row),
                    );
                    let at = place.row(t) * n + row;
                    // SAFETY: every task writes the rows of its own batch entry and head.
                    unsafe { self.dv.slice(at, ROWS) }.copy_from_slice(&dv);
                }
            }
            for t in from..to {
                for (rows, own) in self.gradients.iter().zip(gradients.token(t - from)) {
                    // SAFETY: as above.
                    let to = unsafe { rows.slice(place.row(t) * m, m) };
                    to.copy_from_slice(own.as_flattened());
                }
            }
        }
    }
}

impl BackwardTask<'_> {
    #[inline(always)]
    fn token_values(&self, t: usize, row: usize) -> TokenValues {
        TokenValues {
            value: values(self.inputs.v, &self.place, t, row),
            removed: values(self.removed, &self.place, t, row),
            dy: values(self.dy, &self.place, t, row),
        }
    }
}

/// Runs `task` for every batch entry and head on all threads.
fn for_each_head<T: Task>(dims: Dims, task: impl Fn(Place) -> T + Sync) {
    (0..dims.n_batch * dims.n_head)
        .into_par_iter()
        .for_each(|head| {
            run(&task(Place {
                dims,
                batch_idx: head / dims.n_head,
                head_idx: head % dims.n_head,
            }));
        });
}

fn with_slices<T>(inputs: &Wkv7Inputs, body: impl FnOnce(&Slices<'_>) -> T) -> T {
    let flat = inputs.each().map(Flat::new);
    let [r, w, k, v, removal, write] = flat.each_ref().map(Flat::slice);
    body(&Slices {
        r,
        w,
        k,
        v,
        removal,
        write,
    })
}

pub(super) fn forward(inputs: &Wkv7Inputs, state: &Tensor<4>, keep_tape: bool) -> Wkv7Forward {
    let dims = Dims::new(inputs, state.dims()[0]);
    let (b, t, h) = (dims.n_batch, dims.n_tokens, dims.n_head);
    let (n, m, n_chunks) = (dims.n_values, dims.n_keys, dims.n_chunks());
    let state = Flat::new(state);
    let mut y = Unwritten::new(b * t * h * n);
    let mut last_state = Unwritten::new(b * h * n * m);
    let kept = |len: usize| if keep_tape { len } else { 0 };
    let mut checkpoints = Unwritten::new(kept(b * h * n_chunks * n * m));
    let mut removed = Unwritten::new(kept(b * t * h * n));
    with_slices(inputs, |slices| {
        let (y, last_state) = (y.rows(), last_state.rows());
        let tape = (checkpoints.rows(), removed.rows());
        for_each_head(dims, |place| ForwardTask {
            inputs: slices,
            place,
            state: state.slice(),
            y: &y,
            last_state: &last_state,
            tape: keep_tape.then_some((&tape.0, &tape.1)),
        });
    });
    Wkv7Forward {
        // SAFETY: the tasks above wrote every row.
        y: unsafe { written(y, [b, t, h, n]) },
        // SAFETY: the tasks above wrote every row.
        last_state: unsafe { written(last_state, [b, h, n, m]) },
        tape: keep_tape.then(|| {
            Wkv7Tape::one(
                // SAFETY: the tasks above wrote every row.
                unsafe { written(checkpoints, [b, h, n_chunks, n, m]) },
                // SAFETY: the tasks above wrote every row.
                unsafe { written(removed, [b, t, h, n]) },
            )
        }),
    }
}

pub(super) fn backward(
    inputs: &Wkv7Inputs,
    tape: &SegmentTape,
    dy: &Tensor<4>,
    dlast: Option<&Tensor<4>>,
) -> Wkv7Gradients {
    let dims = Dims::new(inputs, 1);
    let (b, t, h) = (dims.n_batch, dims.n_tokens, dims.n_head);
    let (n, m) = (dims.n_values, dims.n_keys);
    let (checkpoints, removed) = (Flat::new(&tape.checkpoints), Flat::new(&tape.removed));
    let dy = Flat::new(dy);
    let dlast = dlast.map(Flat::new);
    let mut gradients: [_; 5] = std::array::from_fn(|_| Unwritten::new(b * t * h * m));
    let mut dv = Unwritten::new(b * t * h * n);
    let mut dstate = Unwritten::new(b * h * n * m);
    with_slices(inputs, |slices| {
        let rows = gradients.each_mut().map(Unwritten::rows);
        let (dv, dstate) = (dv.rows(), dstate.rows());
        for_each_head(dims, |place| BackwardTask {
            inputs: slices,
            place,
            checkpoints: checkpoints.slice(),
            removed: removed.slice(),
            dy: dy.slice(),
            dlast: dlast.as_ref().map(Flat::slice),
            gradients: rows.each_ref(),
            dv: &dv,
            dstate: &dstate,
        });
    });
    // SAFETY: the tasks above wrote every row.
    let [r, w, k, removal, write] =
        gradients.map(|values| unsafe { written(values, [b, t, h, m]) });
    Wkv7Gradients {
        r,
        w,
        k,
        // SAFETY: the tasks above wrote every row.
        v: unsafe { written(dv, [b, t, h, n]) },
        removal,
        write,
        // SAFETY: the tasks above wrote every row.
        state: unsafe { written(dstate, [b, h, n, m]) },
    }
}
