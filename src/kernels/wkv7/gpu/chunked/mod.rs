//! [`crate::kernels::wkv7`] on a GPU with matrix units, in 16-bit factors and 32-bit
//! sums: the exact recurrence over chunks of 16 tokens. What needs no state is
//! prepared for all chunks at once ([`prepare`]), the state is walked over the chunks
//! and its gradient back ([`walk`]), and all other gradients are formed from both for
//! all chunks at once ([`gradients`]). Reference twins: the kernels of [`super`] in
//! 32 bits, and [`crate::kernels::wkv7::reference::wkv7_reference`].
//!
//! The decays, their exponents, the inverse of a chunk's matrix, the state and all
//! sums have 32 bits. Differences from the recurrence in 64 bits come to 3e-4 to
//! 2e-3 of the largest number.

mod decays;
mod fragment;
mod gradients;
#[cfg(test)]
mod plain;
mod prepare;
#[cfg(test)]
mod tests;
mod walk;

use burn::tensor::{Shape, Tensor};
use burn_cubecl::tensor::CubeTensor;
use cubecl::ir::FloatKind;
use cubecl::prelude::*;

use crate::kernels::device::matrix_units::{has_matrix_units, has_sums_of};
use crate::kernels::op::{arg, from_gpu, on_gpu, queue};
use crate::kernels::wkv7::{
    DirectGradients, SegmentTape, Wkv7Forward, Wkv7Gradients, Wkv7Inputs, Wkv7Tape,
};
use decays::{TOKENS, planes_of};
use fragment::{Fragments, MatrixUnits};
use prepare::Record;

/// The largest head whose chunks fit into shared memory.
const LARGEST_HEAD: usize = 64;

/// Whether the device of `like` takes chunks of heads of `n`.
pub(super) fn takes(like: &CubeTensor, n: usize) -> bool {
    if n > LARGEST_HEAD || !n.is_multiple_of(16) || !has_matrix_units(like) {
        return false;
    }
    // Sums are narrowed in place.
    let narrows = has_sums_of(like, FloatKind::F16);
    let bytes = walk::forward::bytes(n)
        .max(walk::starts::bytes(n))
        .max(gradients::bytes(n));
    narrows && like.client.properties().hardware.max_shared_memory_size >= bytes
}

/// Heads, of all stretches, that keep the larger GPUs busy.
const MANY_HEADS: usize = 128;
/// The fewest chunks of a stretch that is walked on its own, and the fewest such
/// stretches: all are walked twice.
const LEAST_CHUNKS: usize = 16;
const LEAST_STRETCHES: usize = 3;

/// Chunks of a stretch, of `n_chunks` of every one of `n_heads`.
fn stretch_of(n_chunks: usize, n_heads: usize) -> usize {
    let n_stretches = (MANY_HEADS / n_heads).min(n_chunks / LEAST_CHUNKS);
    if n_stretches < LEAST_STRETCHES {
        n_chunks
    } else {
        n_chunks.div_ceil(n_stretches)
    }
}

/// What the kernels are launched with.
#[derive(Debug, Clone, Copy)]
struct Launch {
    /// B, T, H and N.
    dims: [usize; 4],
    /// Chunks of a stretch that is walked on its own.
    stretch: usize,
    record: Record,
}

impl Launch {
    fn new(dims: [usize; 4]) -> Self {
        let [b, t, h, _] = dims;
        Self::in_stretches(dims, stretch_of(t.div_ceil(TOKENS), b * h))
    }

    fn in_stretches(dims: [usize; 4], stretch: usize) -> Self {
        let record = Record { n: dims[3] };
        Self {
            dims,
            stretch,
            record,
        }
    }

    fn n_stretches(self) -> usize {
        self.n_chunks().div_ceil(self.stretch)
    }

    fn n_chunks(self) -> usize {
        self.dims[1].div_ceil(TOKENS)
    }

    /// A cube for every chunk of every head.
    fn chunks(self) -> CubeCount {
        let [b, _, h, _] = self.dims;
        CubeCount::Static(self.n_chunks() as u32, (b * h) as u32, 1)
    }

    /// A cube for every head, stretch and one of `n`.
    fn walks(self, n: usize) -> CubeCount {
        let [b, _, h, _] = self.dims;
        CubeCount::Static((b * h) as u32, self.n_stretches() as u32, n as u32)
    }

    /// A cube for every head.
    fn heads(self) -> CubeCount {
        let [b, _, h, _] = self.dims;
        CubeCount::Static((b * h) as u32, 1, 1)
    }

    fn units(self) -> CubeDim {
        CubeDim::new_2d(32, planes_of(self.record.n) as u32)
    }

    /// [B, H, chunks, words] of 32 bits; as few as can be where they are not kept.
    fn words(self, of_chunk: usize, is_kept: bool) -> Shape {
        let [b, _, h, _] = self.dims;
        if is_kept {
            Shape::from([b, h, self.n_chunks(), of_chunk])
        } else {
            Shape::from([1, 1, 1, 4])
        }
    }

    /// States of all chunks in 16 bits.
    fn states(self, is_kept: bool) -> Shape {
        let [b, _, h, n] = self.dims;
        if is_kept {
            Shape::from([b, h, self.n_chunks(), n, n / 2])
        } else {
            Shape::from([1, 1, 1, 1, 4])
        }
    }

    /// What `n` kinds of walk make of every stretch, [n, B, H, stretches, N * N].
    fn ends(self, n: usize) -> Shape {
        let [b, _, h, size] = self.dims;
        Shape::from([n, b, h, self.n_stretches(), size * size])
    }

    /// [B, H, N, N].
    fn state(self) -> Shape {
        let [b, _, h, n] = self.dims;
        Shape::from([b, h, n, n])
    }
}

/// What both walks need of the chunks, and what only the one forward does.
fn prepared<F: Fragments>(launch: Launch, inputs: &Wkv7Inputs) -> [CubeTensor; 2] {
    let outputs = [
        launch.words(4 * launch.record.kept(), true),
        launch.words(4 * launch.record.passing(), true),
    ];
    let inputs = inputs.each().map(|x| on_gpu(x.clone()));
    queue(
        "wkv7_chunks_prepare",
        inputs.into(),
        outputs,
        move |x, out| {
            // SAFETY: shapes were checked where the tensors came in; no index leaves them.
            unsafe {
                prepare::prepare::launch_unchecked::<F>(
                    &x[0].client,
                    launch.chunks(),
                    launch.units(),
                    arg(&x[0]),
                    arg(&x[1]),
                    arg(&x[2]),
                    arg(&x[3]),
                    arg(&x[4]),
                    arg(&x[5]),
                    arg(&out[0]),
                    arg(&out[1]),
                    launch.record,
                );
            }
        },
    )
}

/// The states in front of all stretches, [B, H, stretches, N * N], of which `ends` are
/// what the stretches make of none and multiply one by; with `is_back` those behind.
fn starts<F: Fragments>(
    launch: Launch,
    ends: CubeTensor,
    state: Option<CubeTensor>,
    shared_state: bool,
    is_back: bool,
) -> CubeTensor {
    let has_state = state.is_some();
    let state = state.unwrap_or_else(|| ends.clone());
    let inputs = vec![ends, state];
    let [starts] = queue(
        "wkv7_chunks_starts",
        inputs,
        [launch.ends(1)],
        move |x, out| {
            // SAFETY: as above.
            unsafe {
                walk::starts::starts::launch_unchecked::<F>(
                    &x[0].client,
                    launch.heads(),
                    launch.units(),
                    arg(&x[0]),
                    arg(&x[1]),
                    arg(&out[0]),
                    launch.dims[2],
                    launch.n_stretches(),
                    launch.record,
                    shared_state,
                    has_state,
                    is_back,
                );
            }
        },
    );
    starts
}

/// [`super::forward`] over chunks.
pub(in super::super) fn forward(
    inputs: &Wkv7Inputs,
    state: Tensor<4>,
    keep_tape: bool,
) -> Wkv7Forward {
    forward_by::<MatrixUnits>(Launch::new(inputs.r.dims()), inputs, state, keep_tape)
}

fn forward_by<F: Fragments>(
    launch: Launch,
    inputs: &Wkv7Inputs,
    state: Tensor<4>,
    keep_tape: bool,
) -> Wkv7Forward {
    let mut shared_state = state.dims()[0] == 1;
    let [kept, passing] = prepared::<F>(launch, inputs);
    let mut state = on_gpu(state);
    let passing_and = |state: &CubeTensor| vec![kept.clone(), passing.clone(), state.clone()];
    if launch.n_stretches() > 1 {
        let none = launch.words(4, false);
        let outputs = [none.clone(), launch.ends(2), none.clone(), none];
        let [_, ends, _, _] = queue(
            "wkv7_chunks_walk",
            passing_and(&state),
            outputs,
            move |x, out| walk_forward::<F>(launch, x, out, false, false, true),
        );
        state = starts::<F>(launch, ends, Some(state), shared_state, false);
        shared_state = false;
    }
    let outputs = [
        Shape::from(launch.dims),
        launch.state(),
        launch.states(keep_tape),
        launch.words(8 * launch.record.n, keep_tape),
    ];
    let outputs = queue(
        "wkv7_chunks_walk",
        passing_and(&state),
        outputs,
        move |x, out| walk_forward::<F>(launch, x, out, shared_state, keep_tape, false),
    );
    let [y, last_state, states, removed] = outputs;
    let tape = keep_tape.then(|| Wkv7Tape {
        segments: vec![SegmentTape {
            checkpoints: from_gpu(states),
            removed: from_gpu(removed),
            chunks: Some(from_gpu(kept)),
        }],
    });
    Wkv7Forward {
        y: from_gpu(y),
        last_state: from_gpu(last_state),
        tape,
    }
}

fn walk_forward<F: Fragments>(
    launch: Launch,
    x: &[CubeTensor],
    out: &[CubeTensor; 4],
    shared_state: bool,
    keep: bool,
    ends: bool,
) {
    let [_, n_tokens, n_head, _] = launch.dims;
    // SAFETY: as above.
    unsafe {
        walk::forward::forward::launch_unchecked::<F>(
            &x[0].client,
            launch.walks(if ends { 2 } else { 1 }),
            launch.units(),
            arg(&x[0]),
            arg(&x[1]),
            arg(&x[2]),
            arg(&out[0]),
            arg(&out[1]),
            arg(&out[2]),
            arg(&out[3]),
            n_tokens,
            n_head,
            launch.stretch,
            launch.record,
            shared_state,
            keep,
            ends,
        );
    }
}

/// What the walk back gives.
struct Back {
    /// [B, H, N, N].
    state: Tensor<4>,
    /// The gradient that reaches every chunk from behind, in 16 bits.
    states: CubeTensor,
    /// The power of two times which they are, [B, H, stretches].
    scales: CubeTensor,
}

fn walk_back<F: Fragments>(
    launch: Launch,
    kept: CubeTensor,
    dy: Tensor<4>,
    dlast: Option<Tensor<4>>,
    keep: bool,
) -> Back {
    let dy = on_gpu(dy);
    let mut dlast = dlast.map(on_gpu);
    if launch.n_stretches() > 1 {
        let none = launch.words(4, false);
        let outputs = [launch.ends(2), none.clone(), none];
        let inputs = vec![kept.clone(), dy.clone(), dy.clone()];
        let [ends, _, _] = queue("wkv7_chunks_back", inputs, outputs, move |x, out| {
            back::<F>(launch, x, out, false, false, true);
        });
        dlast = Some(starts::<F>(launch, ends, dlast, false, true));
    }
    let has_dlast = dlast.is_some();
    let dlast = dlast.unwrap_or_else(|| dy.clone());
    let [b, _, h, _] = launch.dims;
    let scales = Shape::from([b, h, launch.n_stretches()]);
    let outputs = [launch.state(), launch.states(keep), scales];
    let inputs = vec![kept, dy, dlast];
    let outputs = queue("wkv7_chunks_back", inputs, outputs, move |x, out| {
        back::<F>(launch, x, out, has_dlast, keep, false);
    });
    let [state, states, scales] = outputs;
    Back {
        state: from_gpu(state),
        states,
        scales,
    }
}

fn back<F: Fragments>(
    launch: Launch,
    x: &[CubeTensor],
    out: &[CubeTensor; 3],
    has_dlast: bool,
    keep: bool,
    ends: bool,
) {
    let [_, n_tokens, n_head, _] = launch.dims;
    // SAFETY: as above.
    unsafe {
        walk::back::back::launch_unchecked::<F>(
            &x[0].client,
            launch.walks(if ends { 2 } else { 1 }),
            launch.units(),
            arg(&x[0]),
            arg(&x[1]),
            arg(&x[2]),
            arg(&out[0]),
            arg(&out[1]),
            arg(&out[2]),
            n_tokens,
            n_head,
            launch.stretch,
            launch.record,
            has_dlast,
            keep,
            ends,
        );
    }
}

/// [`super::backward`] over chunks, whose record the tape has.
pub(super) fn backward(
    inputs: &Wkv7Inputs,
    tape: &SegmentTape,
    chunks: &Tensor<4>,
    dy: Tensor<4>,
    dlast: Option<Tensor<4>>,
    direct: Option<DirectGradients>,
) -> Wkv7Gradients {
    let launch = Launch::new(dy.dims());
    backward_by::<MatrixUnits>(launch, inputs, tape, chunks, dy, dlast, direct)
}

fn backward_by<F: Fragments>(
    launch: Launch,
    inputs: &Wkv7Inputs,
    tape: &SegmentTape,
    chunks: &Tensor<4>,
    dy: Tensor<4>,
    dlast: Option<Tensor<4>>,
    direct: Option<DirectGradients>,
) -> Wkv7Gradients {
    let has_direct = direct.is_some();
    let direct = match direct {
        Some(DirectGradients { r, k, v }) => [r, k, v],
        None => std::array::from_fn(|_| dy.clone()),
    };
    let kept = on_gpu(chunks.clone());
    let back = walk_back::<F>(launch, kept.clone(), dy.clone(), dlast, true);
    let [r, w, k, v, removal, write] = inputs.each().map(Tensor::clone);
    let mut inputs: Vec<_> = [r, w, k, v, removal, write, dy].map(on_gpu).into();
    inputs.extend([
        kept,
        on_gpu(tape.checkpoints.clone()),
        on_gpu(tape.removed.clone()),
        back.states,
        back.scales,
    ]);
    inputs.extend(direct.map(on_gpu));
    let outputs = std::array::from_fn(|_| Shape::from(launch.dims));
    let outputs = queue("wkv7_chunks_gradients", inputs, outputs, move |x, out| {
        // SAFETY: as above.
        unsafe {
            gradients::gradients::launch_unchecked::<F>(
                &x[0].client,
                launch.chunks(),
                launch.units(),
                arg(&x[0]),
                arg(&x[1]),
                arg(&x[2]),
                arg(&x[3]),
                arg(&x[4]),
                arg(&x[5]),
                arg(&x[6]),
                arg(&x[7]),
                arg(&x[8]),
                arg(&x[9]),
                arg(&x[10]),
                arg(&x[11]),
                arg(&x[12]),
                arg(&x[13]),
                arg(&x[14]),
                arg(&out[0]),
                arg(&out[1]),
                arg(&out[2]),
                arg(&out[3]),
                arg(&out[4]),
                arg(&out[5]),
                launch.stretch,
                launch.record,
                has_direct,
            );
        }
    });
    let [r, w, k, v, removal, write] = outputs.map(from_gpu);
    Wkv7Gradients {
        r,
        w,
        k,
        v,
        removal,
        write,
        state: back.state,
    }
}

/// [`super::state_gradient`] over chunks.
pub(in super::super) fn state_gradient(
    inputs: &Wkv7Inputs,
    dy: Tensor<4>,
    dlast: Option<Tensor<4>>,
) -> Tensor<4> {
    state_gradient_by::<MatrixUnits>(Launch::new(dy.dims()), inputs, dy, dlast)
}

fn state_gradient_by<F: Fragments>(
    launch: Launch,
    inputs: &Wkv7Inputs,
    dy: Tensor<4>,
    dlast: Option<Tensor<4>>,
) -> Tensor<4> {
    let [kept, _] = prepared::<F>(launch, inputs);
    walk_back::<F>(launch, kept, dy, dlast, false).state
}
