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
use cubecl::ir::{ElemType, FloatKind};
use cubecl::prelude::*;

use crate::kernels::device::matrix_units::has_matrix_units;
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
    if n > LARGEST_HEAD || n % 16 != 0 || !has_matrix_units(like) {
        return false;
    }
    let properties = like.client.properties();
    let half = ElemType::Float(FloatKind::F16);
    // Sums are narrowed in place.
    let narrows = properties.features.matmul.cmma.iter().any(|config| {
        (config.a_type, config.b_type, config.cd_type) == (half, half, half)
            && (config.m, config.n, config.k) == (16, 16, 16)
    });
    let bytes = walk::bytes(n).max(gradients::bytes(n));
    narrows && properties.hardware.max_shared_memory_size >= bytes
}

/// What the kernels are launched with.
#[derive(Debug, Clone, Copy)]
struct Launch {
    /// B, T, H and N.
    dims: [usize; 4],
    record: Record,
}

impl Launch {
    fn new(dims: [usize; 4]) -> Self {
        let record = Record { n: dims[3] };
        Self { dims, record }
    }

    fn n_chunks(self) -> usize {
        self.dims[1].div_ceil(TOKENS)
    }

    /// A cube for every chunk of every head.
    fn chunks(self) -> CubeCount {
        let [b, _, h, _] = self.dims;
        CubeCount::Static(self.n_chunks() as u32, (b * h) as u32, 1)
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

    /// [B, H, N, N].
    fn state(self) -> Shape {
        let [b, _, h, n] = self.dims;
        Shape::from([b, h, n, n])
    }
}

/// What both walks need of the chunks, and what only the one forward does.
fn prepared<F: Fragments>(inputs: &Wkv7Inputs) -> [CubeTensor; 2] {
    let launch = Launch::new(inputs.r.dims());
    let outputs = [
        launch.words(4 * launch.record.kept(), true),
        launch.words(4 * launch.record.passing(), true),
    ];
    let [r, w, k, v, removal, write] = inputs.each().map(Tensor::clone);
    let inputs = [r, w, k, v, removal, write].map(on_gpu);
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

/// [`super::forward`] over chunks.
pub(super) fn forward(inputs: &Wkv7Inputs, state: Tensor<4>, keep_tape: bool) -> Wkv7Forward {
    forward_by::<MatrixUnits>(inputs, state, keep_tape)
}

fn forward_by<F: Fragments>(inputs: &Wkv7Inputs, state: Tensor<4>, keep_tape: bool) -> Wkv7Forward {
    let dims = inputs.r.dims();
    let launch = Launch::new(dims);
    let shared_state = state.dims()[0] == 1;
    let [kept, passing] = prepared::<F>(inputs);
    let outputs = [
        Shape::from(dims),
        launch.state(),
        launch.states(keep_tape),
        launch.words(8 * launch.record.n, keep_tape),
    ];
    let inputs = vec![kept.clone(), passing, on_gpu(state)];
    let outputs = queue("wkv7_chunks_walk", inputs, outputs, move |x, out| {
        // SAFETY: as above.
        unsafe {
            walk::forward::launch_unchecked::<F>(
                &x[0].client,
                launch.heads(),
                launch.units(),
                arg(&x[0]),
                arg(&x[1]),
                arg(&x[2]),
                arg(&out[0]),
                arg(&out[1]),
                arg(&out[2]),
                arg(&out[3]),
                launch.record,
                shared_state,
                keep_tape,
            );
        }
    });
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

/// What the walk back gives.
struct Back {
    /// [B, H, N, N].
    state: Tensor<4>,
    /// The gradient that reaches every chunk from behind, in 16 bits.
    states: CubeTensor,
    /// The power of two times which they are, [B, H].
    scales: CubeTensor,
}

fn walk_back<F: Fragments>(
    kept: CubeTensor,
    dy: Tensor<4>,
    dlast: Option<Tensor<4>>,
    keep: bool,
) -> Back {
    let dims = dy.dims();
    let launch = Launch::new(dims);
    let [b, _, h, _] = dims;
    let has_dlast = dlast.is_some();
    let dlast = dlast.unwrap_or_else(|| dy.clone());
    let outputs = [launch.state(), launch.states(keep), Shape::from([b, h])];
    let inputs = vec![kept, on_gpu(dy), on_gpu(dlast)];
    let outputs = queue("wkv7_chunks_back", inputs, outputs, move |x, out| {
        // SAFETY: as above.
        unsafe {
            walk::back::launch_unchecked::<F>(
                &x[0].client,
                launch.heads(),
                launch.units(),
                arg(&x[0]),
                arg(&x[1]),
                arg(&x[2]),
                arg(&out[0]),
                arg(&out[1]),
                arg(&out[2]),
                launch.record,
                has_dlast,
                keep,
            );
        }
    });
    let [state, states, scales] = outputs;
    Back {
        state: from_gpu(state),
        states,
        scales,
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
    backward_by::<MatrixUnits>(inputs, tape, chunks, dy, dlast, direct)
}

fn backward_by<F: Fragments>(
    inputs: &Wkv7Inputs,
    tape: &SegmentTape,
    chunks: &Tensor<4>,
    dy: Tensor<4>,
    dlast: Option<Tensor<4>>,
    direct: Option<DirectGradients>,
) -> Wkv7Gradients {
    let dims = dy.dims();
    let launch = Launch::new(dims);
    let has_direct = direct.is_some();
    let direct = match direct {
        Some(DirectGradients { r, k, v }) => [r, k, v],
        None => std::array::from_fn(|_| dy.clone()),
    };
    let kept = on_gpu(chunks.clone());
    let back = walk_back::<F>(kept.clone(), dy.clone(), dlast, true);
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
    let outputs = std::array::from_fn(|_| Shape::from(dims));
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
pub(super) fn state_gradient(
    inputs: &Wkv7Inputs,
    dy: Tensor<4>,
    dlast: Option<Tensor<4>>,
) -> Tensor<4> {
    state_gradient_by::<MatrixUnits>(inputs, dy, dlast)
}

fn state_gradient_by<F: Fragments>(
    inputs: &Wkv7Inputs,
    dy: Tensor<4>,
    dlast: Option<Tensor<4>>,
) -> Tensor<4> {
    let [kept, _] = prepared::<F>(inputs);
    walk_back::<F>(kept, dy, dlast, false).state
}
