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

mod backward;
mod decays;
mod fragment;
mod gradients;
mod launch;
#[cfg(test)]
mod plain;
mod prepare;
#[cfg(test)]
mod tests;
mod walk;

use burn::tensor::{Shape, Tensor};
use burn_cubecl::tensor::CubeTensor;
use cubecl::ir::FloatKind;

use crate::kernels::device::matrix_units::{has_matrix_units, has_sums_of};
use crate::kernels::op::{arg, from_gpu, on_gpu, queue};
use crate::kernels::wkv7::{SegmentTape, Wkv7Forward, Wkv7Inputs, Wkv7Tape};
use fragment::{Fragments, MatrixUnits};
use launch::Launch;

pub(super) use backward::backward;
pub(in super::super) use backward::state_gradient;

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
