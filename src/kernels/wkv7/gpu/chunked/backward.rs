//! The recurrence over chunks back: the gradient of the state is walked from the end, all
//! others are formed behind it.

use burn::tensor::{Shape, Tensor};
use burn_cubecl::tensor::CubeTensor;

use super::fragment::{Fragments, MatrixUnits};
use super::launch::Launch;
use super::{prepared, starts, walk};
use crate::kernels::op::{arg, from_gpu, on_gpu, queue};
use crate::kernels::wkv7::{DirectGradients, SegmentTape, Wkv7Gradients, Wkv7Inputs};

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

/// [`super::super::backward`] over chunks, whose record the tape has.
pub(in super::super) fn backward(
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

pub(super) fn backward_by<F: Fragments>(
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
            super::gradients::gradients::launch_unchecked::<F>(
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

/// [`super::super::state_gradient`] over chunks.
pub(in super::super::super) fn state_gradient(
    inputs: &Wkv7Inputs,
    dy: Tensor<4>,
    dlast: Option<Tensor<4>>,
) -> Tensor<4> {
    state_gradient_by::<MatrixUnits>(Launch::new(dy.dims()), inputs, dy, dlast)
}

pub(super) fn state_gradient_by<F: Fragments>(
    launch: Launch,
    inputs: &Wkv7Inputs,
    dy: Tensor<4>,
    dlast: Option<Tensor<4>>,
) -> Tensor<4> {
    let [kept, _] = prepared::<F>(launch, inputs);
    walk_back::<F>(launch, kept, dy, dlast, false).state
}
