//! [`super::wkv7`] on a GPU through CubeCL. Reference twin:
//! [`super::wkv7_reference`].

mod kernel;

use burn::backend::{
    Backend, Dispatch, ExtensionType, backend_extension, cubecl::dtype_to_storage_type,
    fusion::custom::TensorSpec, tensor::FloatTensor,
};
use burn::tensor::{Shape, Tensor};
use burn_cubecl::{CubeBackend, kernel::into_contiguous, tensor::CubeTensor};
use cubecl::prelude::*;

use super::wkv7::{
    CHECKPOINT_INTERVAL, SegmentTape, Wkv7Forward, Wkv7Gradients, Wkv7Inputs, Wkv7Tape,
};

/// Outputs of the forward kernel.
#[derive(ExtensionType, Clone, Debug)]
#[extension_type(fusion)]
pub struct ForwardOutputs<B: Backend> {
    /// [B, T, H, N].
    pub y: FloatTensor<B>,
    /// [B, H, N, N].
    pub last_state: FloatTensor<B>,
    /// [B, H, chunks, N, N], or one element where no tape is kept.
    pub checkpoints: FloatTensor<B>,
    /// [B, T, H, N], or one element where no tape is kept.
    pub removed: FloatTensor<B>,
}

/// Outputs of the backward kernel.
#[derive(ExtensionType, Clone, Debug)]
#[extension_type(fusion)]
pub struct BackwardOutputs<B: Backend> {
    /// [6, B, T, H, N].
    pub gradients: FloatTensor<B>,
    /// [B, H, N, N].
    pub dstate: FloatTensor<B>,
}

/// Output of the kernel for the initial state alone.
#[derive(ExtensionType, Clone, Debug)]
#[extension_type(fusion)]
pub struct StateGradient<B: Backend> {
    /// [B, H, N, N].
    pub dstate: FloatTensor<B>,
}

/// The kernels as operations that fusion schedules.
#[backend_extension(Cube, Fusion)]
#[allow(clippy::too_many_arguments)]
pub trait Wkv7Kernels: Backend {
    /// Forward pass that keeps the tape.
    #[fusion(meta = taped_meta)]
    fn wkv7_forward_taped(
        r: FloatTensor<Self>,
        w: FloatTensor<Self>,
        k: FloatTensor<Self>,
        v: FloatTensor<Self>,
        removal: FloatTensor<Self>,
        write: FloatTensor<Self>,
        state: FloatTensor<Self>,
    ) -> ForwardOutputs<Self>;

    /// Forward pass alone.
    #[fusion(meta = plain_meta)]
    fn wkv7_forward(
        r: FloatTensor<Self>,
        w: FloatTensor<Self>,
        k: FloatTensor<Self>,
        v: FloatTensor<Self>,
        removal: FloatTensor<Self>,
        write: FloatTensor<Self>,
        state: FloatTensor<Self>,
    ) -> ForwardOutputs<Self>;

    /// The gradient of the initial state alone.
    #[fusion(meta = state_meta)]
    fn wkv7_state_gradient(
        r: FloatTensor<Self>,
        w: FloatTensor<Self>,
        removal: FloatTensor<Self>,
        write: FloatTensor<Self>,
        dy: FloatTensor<Self>,
        dlast: FloatTensor<Self>,
    ) -> StateGradient<Self>;

    /// Backward pass.
    #[fusion(meta = backward_meta)]
    fn wkv7_backward(
        r: FloatTensor<Self>,
        w: FloatTensor<Self>,
        k: FloatTensor<Self>,
        v: FloatTensor<Self>,
        removal: FloatTensor<Self>,
        write: FloatTensor<Self>,
        checkpoints: FloatTensor<Self>,
        removed: FloatTensor<Self>,
        dy: FloatTensor<Self>,
        dlast: FloatTensor<Self>,
    ) -> BackwardOutputs<Self>;
}

/// Shapes of y, last state, checkpoints and removed for inputs of shape `r`.
fn forward_shapes(r: &Shape, keep_tape: bool) -> [Shape; 4] {
    let [b, t, h, n] = [r[0], r[1], r[2], r[3]];
    let last_state = Shape::from([b, h, n, n]);
    if keep_tape {
        let n_chunks = t.div_ceil(CHECKPOINT_INTERVAL);
        let checkpoints = Shape::from([b, h, n_chunks, n, n]);
        [r.clone(), last_state, checkpoints, r.clone()]
    } else {
        let none = [Shape::from([1, 1, 1, 1, 1]), Shape::from([1, 1, 1, 1])];
        let [checkpoints, removed] = none;
        [r.clone(), last_state, checkpoints, removed]
    }
}

/// Shapes of the gradients, of the state's gradient and of the scratch.
fn backward_shapes(r: &Shape) -> [Shape; 3] {
    let [b, t, h, n] = [r[0], r[1], r[2], r[3]];
    [
        Shape::from([6, b, t, h, n]),
        Shape::from([b, h, n, n]),
        Shape::from([b * h, CHECKPOINT_INTERVAL, n, n]),
    ]
}

fn forward_meta(r: &TensorSpec, keep_tape: bool) -> ForwardOutputsMetadata {
    let [y, last_state, checkpoints, removed] =
        forward_shapes(&r.shape, keep_tape).map(|shape| TensorSpec::new(shape, r.dtype));
    ForwardOutputsMetadata {
        y,
        last_state,
        checkpoints,
        removed,
    }
}

fn taped_meta(
    r: &TensorSpec,
    _w: &TensorSpec,
    _k: &TensorSpec,
    _v: &TensorSpec,
    _removal: &TensorSpec,
    _write: &TensorSpec,
    _state: &TensorSpec,
) -> ForwardOutputsMetadata {
    forward_meta(r, true)
}

fn plain_meta(
    r: &TensorSpec,
    _w: &TensorSpec,
    _k: &TensorSpec,
    _v: &TensorSpec,
    _removal: &TensorSpec,
    _write: &TensorSpec,
    _state: &TensorSpec,
) -> ForwardOutputsMetadata {
    forward_meta(r, false)
}

#[allow(clippy::too_many_arguments)]
fn backward_meta(
    r: &TensorSpec,
    _w: &TensorSpec,
    _k: &TensorSpec,
    _v: &TensorSpec,
    _removal: &TensorSpec,
    _write: &TensorSpec,
    _checkpoints: &TensorSpec,
    _removed: &TensorSpec,
    _dy: &TensorSpec,
    _dlast: &TensorSpec,
) -> BackwardOutputsMetadata {
    let [gradients, dstate, _] = backward_shapes(&r.shape);
    BackwardOutputsMetadata {
        gradients: TensorSpec::new(gradients, r.dtype),
        dstate: TensorSpec::new(dstate, r.dtype),
    }
}

fn state_meta(
    r: &TensorSpec,
    _w: &TensorSpec,
    _removal: &TensorSpec,
    _write: &TensorSpec,
    _dy: &TensorSpec,
    _dlast: &TensorSpec,
) -> StateGradientMetadata {
    let [_, dstate, _] = backward_shapes(&r.shape);
    StateGradientMetadata {
        dstate: TensorSpec::new(dstate, r.dtype),
    }
}

/// Whether a tensor is a state of inputs of shape `r`, and not the one element
/// that stands for none.
fn is_state(tensor: &CubeTensor, r: &Shape) -> bool {
    let [_, state, _] = backward_shapes(r);
    *tensor.meta.shape() == state
}

/// An uninitialised tensor on the device of `like`.
fn empty(like: &CubeTensor, shape: Shape) -> CubeTensor {
    let buffer = like.client.empty(shape.num_elements() * like.dtype.size());
    CubeTensor::new_contiguous(
        like.client.clone(),
        like.device.clone(),
        shape,
        buffer,
        like.dtype,
    )
}

fn launch_forward(inputs: [CubeTensor; 7], keep_tape: bool) -> ForwardOutputs<CubeBackend> {
    let [r, w, k, v, removal, write, state] = inputs.map(into_contiguous);
    let shape = r.meta.shape().clone();
    let outputs = forward_shapes(&shape, keep_tape).map(|shape| empty(&r, shape));
    let [y, last_state, checkpoints, removed] = outputs;
    let (client, dtype) = (r.client.clone(), r.dtype);
    let shared_state = state.meta.shape()[0] == 1;
    kernel::forward::launch(
        &client,
        CubeCount::Static((shape[0] * shape[2]) as u32, 1, 1),
        CubeDim::new_1d(shape[3] as u32),
        r.into_tensor_arg(),
        w.into_tensor_arg(),
        k.into_tensor_arg(),
        v.into_tensor_arg(),
        removal.into_tensor_arg(),
        write.into_tensor_arg(),
        state.into_tensor_arg(),
        y.clone().into_tensor_arg(),
        last_state.clone().into_tensor_arg(),
        checkpoints.clone().into_tensor_arg(),
        removed.clone().into_tensor_arg(),
        shape[3],
        CHECKPOINT_INTERVAL,
        shared_state,
        keep_tape,
        dtype_to_storage_type(dtype),
    );
    ForwardOutputs {
        y,
        last_state,
        checkpoints,
        removed,
    }
}

impl Wkv7Kernels for CubeBackend {
    fn wkv7_forward_taped(
        r: FloatTensor<Self>,
        w: FloatTensor<Self>,
        k: FloatTensor<Self>,
        v: FloatTensor<Self>,
        removal: FloatTensor<Self>,
        write: FloatTensor<Self>,
        state: FloatTensor<Self>,
    ) -> ForwardOutputs<Self> {
        launch_forward([r, w, k, v, removal, write, state], true)
    }

    fn wkv7_forward(
        r: FloatTensor<Self>,
        w: FloatTensor<Self>,
        k: FloatTensor<Self>,
        v: FloatTensor<Self>,
        removal: FloatTensor<Self>,
        write: FloatTensor<Self>,
        state: FloatTensor<Self>,
    ) -> ForwardOutputs<Self> {
        launch_forward([r, w, k, v, removal, write, state], false)
    }

    fn wkv7_state_gradient(
        r: FloatTensor<Self>,
        w: FloatTensor<Self>,
        removal: FloatTensor<Self>,
        write: FloatTensor<Self>,
        dy: FloatTensor<Self>,
        dlast: FloatTensor<Self>,
    ) -> StateGradient<Self> {
        let [r, w, removal, write, dy, dlast] =
            [r, w, removal, write, dy, dlast].map(into_contiguous);
        let shape = r.meta.shape().clone();
        let has_dlast = is_state(&dlast, &shape);
        let [_, dstate, _] = backward_shapes(&shape);
        let dstate = empty(&r, dstate);
        let (client, dtype) = (r.client.clone(), r.dtype);
        kernel::state_gradient::launch(
            &client,
            CubeCount::Static((shape[0] * shape[2]) as u32, 1, 1),
            CubeDim::new_1d(shape[3] as u32),
            r.into_tensor_arg(),
            w.into_tensor_arg(),
            removal.into_tensor_arg(),
            write.into_tensor_arg(),
            dy.into_tensor_arg(),
            dlast.into_tensor_arg(),
            dstate.clone().into_tensor_arg(),
            shape[3],
            has_dlast,
            dtype_to_storage_type(dtype),
        );
        StateGradient { dstate }
    }

    fn wkv7_backward(
        r: FloatTensor<Self>,
        w: FloatTensor<Self>,
        k: FloatTensor<Self>,
        v: FloatTensor<Self>,
        removal: FloatTensor<Self>,
        write: FloatTensor<Self>,
        checkpoints: FloatTensor<Self>,
        removed: FloatTensor<Self>,
        dy: FloatTensor<Self>,
        dlast: FloatTensor<Self>,
    ) -> BackwardOutputs<Self> {
        let inputs = [r, w, k, v, removal, write, checkpoints, removed, dy, dlast];
        let [r, w, k, v, removal, write, checkpoints, removed, dy, dlast] =
            inputs.map(into_contiguous);
        let shape = r.meta.shape().clone();
        let has_dlast = is_state(&dlast, &shape);
        let [gradients, dstate, scratch] = backward_shapes(&shape).map(|shape| empty(&r, shape));
        let (client, dtype) = (r.client.clone(), r.dtype);
        kernel::backward::launch(
            &client,
            CubeCount::Static((shape[0] * shape[2]) as u32, 1, 1),
            CubeDim::new_1d(shape[3] as u32),
            r.into_tensor_arg(),
            w.into_tensor_arg(),
            k.into_tensor_arg(),
            v.into_tensor_arg(),
            removal.into_tensor_arg(),
            write.into_tensor_arg(),
            checkpoints.into_tensor_arg(),
            removed.into_tensor_arg(),
            dy.into_tensor_arg(),
            dlast.into_tensor_arg(),
            gradients.clone().into_tensor_arg(),
            dstate.clone().into_tensor_arg(),
            scratch.into_tensor_arg(),
            shape[3],
            CHECKPOINT_INTERVAL,
            has_dlast,
            dtype_to_storage_type(dtype),
        );
        BackwardOutputs { gradients, dstate }
    }
}

pub(super) fn forward(inputs: &Wkv7Inputs, state: Tensor<4>, keep_tape: bool) -> Wkv7Forward {
    let Wkv7Inputs {
        r,
        w,
        k,
        v,
        removal,
        write,
    } = inputs.clone();
    let [r, w, k, v, removal, write, state] =
        [r, w, k, v, removal, write, state].map(Tensor::into_dispatch);
    let outputs = if keep_tape {
        <Dispatch as Wkv7Kernels>::wkv7_forward_taped(r, w, k, v, removal, write, state)
    } else {
        <Dispatch as Wkv7Kernels>::wkv7_forward(r, w, k, v, removal, write, state)
    };
    Wkv7Forward {
        y: Tensor::from_dispatch(outputs.y),
        last_state: Tensor::from_dispatch(outputs.last_state),
        tape: keep_tape.then(|| {
            Wkv7Tape::one(
                Tensor::from_dispatch(outputs.checkpoints),
                Tensor::from_dispatch(outputs.removed),
            )
        }),
    }
}

/// What stands for the gradient of a last state that nothing reads.
fn no_state(like: &Tensor<4>) -> Tensor<4> {
    Tensor::zeros([1, 1, 1, 1], &like.device())
}

pub(super) fn backward(
    inputs: &Wkv7Inputs,
    tape: &SegmentTape,
    dy: Tensor<4>,
    dlast: Option<Tensor<4>>,
) -> Wkv7Gradients {
    let shape = dy.dims();
    let dlast = dlast.unwrap_or_else(|| no_state(&dy));
    let Wkv7Inputs {
        r,
        w,
        k,
        v,
        removal,
        write,
    } = inputs.clone();
    let outputs = <Dispatch as Wkv7Kernels>::wkv7_backward(
        r.into_dispatch(),
        w.into_dispatch(),
        k.into_dispatch(),
        v.into_dispatch(),
        removal.into_dispatch(),
        write.into_dispatch(),
        tape.checkpoints.clone().into_dispatch(),
        tape.removed.clone().into_dispatch(),
        dy.into_dispatch(),
        dlast.into_dispatch(),
    );
    let packed = Tensor::<5>::from_dispatch(outputs.gradients);
    let [r, w, k, v, removal, write] =
        std::array::from_fn(|i| packed.clone().narrow(0, i, 1).reshape(shape));
    Wkv7Gradients {
        r,
        w,
        k,
        v,
        removal,
        write,
        state: Tensor::from_dispatch(outputs.dstate),
    }
}

pub(super) fn state_gradient(
    inputs: &Wkv7Inputs,
    dy: Tensor<4>,
    dlast: Option<Tensor<4>>,
) -> Tensor<4> {
    let dlast = dlast.unwrap_or_else(|| no_state(&dy));
    let Wkv7Inputs {
        r,
        w,
        k: _,
        v: _,
        removal,
        write,
    } = inputs.clone();
    let outputs = <Dispatch as Wkv7Kernels>::wkv7_state_gradient(
        r.into_dispatch(),
        w.into_dispatch(),
        removal.into_dispatch(),
        write.into_dispatch(),
        dy.into_dispatch(),
        dlast.into_dispatch(),
    );
    Tensor::from_dispatch(outputs.dstate)
}
