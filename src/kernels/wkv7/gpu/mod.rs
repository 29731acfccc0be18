//! [`crate::kernels::wkv7`] on a GPU through CubeCL. Reference twin:
//! [`crate::kernels::wkv7::reference::wkv7_reference`].
//!
//! The recurrence is walked twice, once forward and once back, by the kernels
//! of [`rows`], which keep what the third one, [`columns`], needs to form the
//! gradients of the vectors on the key side for all chunks of tokens at once.
//! With 16-bit factors and matrix units the walks go over chunks: [`chunked`].

mod chunk;
pub(super) mod chunked;
mod columns;
mod rows;
mod stage;

use burn::tensor::{Shape, Tensor};
use burn_cubecl::tensor::CubeTensor;
use cubecl::ir::features::Plane;
use cubecl::prelude::*;

use super::{
    CHECKPOINT_INTERVAL, DirectGradients, Factors, SegmentTape, Wkv7Forward, Wkv7Gradients,
    Wkv7Inputs, Wkv7Tape,
};
use crate::kernels::op::{arg, from_gpu, on_gpu, queue};
use chunk::Block;
use stage::Stage;

/// Whether the recurrence of `inputs` goes over chunks, in 16-bit factors. A text
/// shorter than one is as fast without.
pub(super) fn takes_chunks(factors: Factors, inputs: &Wkv7Inputs) -> bool {
    let [_, n_tokens, _, n] = inputs.r.dims();
    factors == Factors::F16
        && n_tokens >= CHECKPOINT_INTERVAL
        && chunked::takes(&on_gpu(inputs.r.clone()), n)
}

/// Rows of the state that one cube carries.
const ROWS: usize = 32;

/// How the rows of heads of `n` are handed out on the device of `like`.
fn stage_of(like: &CubeTensor, n: usize) -> Stage {
    let has_shuffles = like.client.features().plane.contains(Plane::Ops);
    let smallest_plane = like.client.properties().hardware.plane_size_min as usize;
    let split = if has_shuffles && smallest_plane >= 4 {
        4
    } else {
        1
    };
    Stage::new(n, ROWS.min(n), split)
}

/// Cubes of a pass over the rows of `n_heads`.
fn cubes(stage: Stage, n_heads: usize) -> CubeCount {
    CubeCount::Static((n_heads * stage.n / stage.rows) as u32, 1, 1)
}

/// Shapes of a tape for inputs [B, T, H, N], or of the few numbers that
/// stand for none.
fn tape_shapes([b, t, h, n]: [usize; 4], is_kept: bool) -> [Shape; 2] {
    if is_kept {
        let n_chunks = t.div_ceil(CHECKPOINT_INTERVAL);
        [
            Shape::from([b, h, n_chunks, n, n]),
            Shape::from([b, t, h, n]),
        ]
    } else {
        [Shape::from([1, 1, 1, 1, 4]), Shape::from([1, 1, 1, 1])]
    }
}

pub(super) fn forward(inputs: &Wkv7Inputs, state: Tensor<4>, keep_tape: bool) -> Wkv7Forward {
    let dims = inputs.r.dims();
    let [b, _, h, n] = dims;
    let shared_state = state.dims()[0] == 1;
    let [r, w, k, v, removal, write] = inputs.each().map(Tensor::clone);
    let [checkpoints, removed] = tape_shapes(dims, keep_tape);
    let outputs = [
        Shape::from(dims),
        Shape::from([b, h, n, n]),
        checkpoints,
        removed,
    ];
    let inputs = [r, w, k, v, removal, write, state].map(on_gpu);
    let outputs = queue("wkv7_forward", inputs.into(), outputs, move |x, out| {
        let stage = stage_of(&x[0], n);
        // SAFETY: shapes were checked where the tensors came in; no index leaves them.
        unsafe {
            rows::forward::launch_unchecked(
                &x[0].client,
                cubes(stage, b * h),
                CubeDim::new_1d(stage.units() as u32),
                arg(&x[0]),
                arg(&x[1]),
                arg(&x[2]),
                arg(&x[3]),
                arg(&x[4]),
                arg(&x[5]),
                arg(&x[6]),
                arg(&out[0]),
                arg(&out[1]),
                arg(&out[2]),
                arg(&out[3]),
                stage,
                CHECKPOINT_INTERVAL,
                shared_state,
                keep_tape,
            )
        };
    });
    let [y, last_state, checkpoints, removed] = outputs;
    Wkv7Forward {
        y: from_gpu(y),
        last_state: from_gpu(last_state),
        tape: keep_tape.then(|| Wkv7Tape::one(from_gpu(checkpoints), from_gpu(removed))),
    }
}

/// What the pass back over the rows gives.
struct RowGradients {
    /// [B, H, N, N].
    state: Tensor<4>,
    /// The gradient that reaches every chunk from behind, [B, H, chunks, N, N].
    checkpoints: Tensor<5>,
    /// [B, T, H, N].
    v: Tensor<4>,
    /// [B, T, H, N].
    removed: Tensor<4>,
}

/// The pass back over the rows; without `keep` only the state's gradient is written.
fn rows_backward(
    inputs: &Wkv7Inputs,
    dy: Tensor<4>,
    dlast: Option<Tensor<4>>,
    direct: Option<Tensor<4>>,
    keep: bool,
) -> RowGradients {
    let dims = inputs.r.dims();
    let [b, _, h, n] = dims;
    let has_dlast = dlast.is_some();
    let dlast = dlast.unwrap_or_else(|| dy.clone());
    let has_direct = direct.is_some();
    let direct = direct.unwrap_or_else(|| dy.clone());
    let [r, w, k, _, removal, write] = inputs.each().map(Tensor::clone);
    let [checkpoints, removed] = tape_shapes(dims, keep);
    let outputs = [
        Shape::from([b, h, n, n]),
        checkpoints,
        removed.clone(),
        removed,
    ];
    let inputs = [r, w, k, removal, write, dy, dlast, direct].map(on_gpu);
    let outputs = queue(
        "wkv7_rows_backward",
        inputs.into(),
        outputs,
        move |x, out| {
            let stage = stage_of(&x[0], n);
            // SAFETY: shapes were checked where the tensors came in; no index leaves them.
            unsafe {
                rows::backward::launch_unchecked(
                    &x[0].client,
                    cubes(stage, b * h),
                    CubeDim::new_1d(stage.units() as u32),
                    arg(&x[0]),
                    arg(&x[1]),
                    arg(&x[2]),
                    arg(&x[3]),
                    arg(&x[4]),
                    arg(&x[5]),
                    arg(&x[6]),
                    arg(&x[7]),
                    arg(&out[0]),
                    arg(&out[1]),
                    arg(&out[2]),
                    arg(&out[3]),
                    stage,
                    CHECKPOINT_INTERVAL,
                    has_dlast,
                    has_direct,
                    keep,
                )
            };
        },
    );
    let [state, checkpoints, v, removed] = outputs;
    RowGradients {
        state: from_gpu(state),
        checkpoints: from_gpu(checkpoints),
        v: from_gpu(v),
        removed: from_gpu(removed),
    }
}

pub(super) fn backward(
    inputs: &Wkv7Inputs,
    tape: &SegmentTape,
    dy: Tensor<4>,
    dlast: Option<Tensor<4>>,
    direct: Option<DirectGradients>,
) -> Wkv7Gradients {
    if let Some(chunks) = &tape.chunks {
        return chunked::backward(inputs, tape, chunks, dy, dlast, direct);
    }
    let dims = dy.dims();
    let [b, t, h, n] = dims;
    let has_direct = direct.is_some();
    let (direct_r, direct_k, direct_v) = match direct {
        Some(DirectGradients { r, k, v }) => (r, k, Some(v)),
        None => (dy.clone(), dy.clone(), None),
    };
    let of_rows = rows_backward(inputs, dy.clone(), dlast, direct_v, true);
    let [r, w, k, v, removal, write] = inputs.each().map(Tensor::clone);
    let columns = [
        r,
        w,
        k,
        removal,
        write,
        v,
        tape.removed.clone(),
        dy,
        of_rows.removed,
    ];
    let mut inputs: Vec<_> = columns.map(on_gpu).into();
    inputs.push(on_gpu(tape.checkpoints.clone()));
    inputs.push(on_gpu(of_rows.checkpoints));
    inputs.extend([direct_r, direct_k].map(on_gpu));
    let outputs = std::array::from_fn(|_| Shape::from(dims));
    let gradients = queue("wkv7_columns_backward", inputs, outputs, move |x, out| {
        let block = Block {
            n,
            tokens: CHECKPOINT_INTERVAL,
        };
        let n_chunks = t.div_ceil(CHECKPOINT_INTERVAL) as u32;
        let n_columns = (n / block.width()) as u32;
        // SAFETY: shapes were checked where the tensors came in; no index leaves them.
        unsafe {
            columns::backward::launch_unchecked(
                &x[0].client,
                CubeCount::Static(n_chunks, (b * h) as u32, n_columns),
                CubeDim::new_1d(block.width() as u32),
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
                arg(&out[0]),
                arg(&out[1]),
                arg(&out[2]),
                arg(&out[3]),
                arg(&out[4]),
                block,
                has_direct,
            )
        };
    });
    let [r, w, k, removal, write] = gradients.map(from_gpu);
    Wkv7Gradients {
        r,
        w,
        k,
        v: of_rows.v,
        removal,
        write,
        state: of_rows.state,
    }
}

pub(super) fn state_gradient(
    inputs: &Wkv7Inputs,
    dy: Tensor<4>,
    dlast: Option<Tensor<4>>,
) -> Tensor<4> {
    rows_backward(inputs, dy, dlast, None, false).state
}
