//! [`super::lifted_wkv`] on a GPU through CubeCL. Reference twin:
//! [`super::lifted_wkv::lifted_wkv_reference`].

mod kernel;
mod layout;
mod segments;

use burn::backend::{
    Backend, Dispatch, ExtensionType, backend_extension, cubecl::dtype_to_storage_type,
    fusion::custom::TensorSpec, tensor::FloatTensor,
};
use burn::tensor::{Shape, Tensor};
use burn_cubecl::{CubeBackend, kernel::into_contiguous, tensor::CubeTensor};
use cubecl::prelude::*;

use super::lifted_wkv::{
    LiftedForward, LiftedGradients, LiftedInputs, LiftedSegment, LiftedTape, checkpoint_interval,
};
use layout::Layout;
pub(super) use segments::{backward, forward};

/// Outputs of the forward kernel.
#[derive(ExtensionType, Clone, Debug)]
#[extension_type(fusion)]
pub struct LiftedForwardOutputs<B: Backend> {
    /// [B, T, H, N].
    pub y: FloatTensor<B>,
    /// [B, H, N, M].
    pub last_state: FloatTensor<B>,
    /// [B, H, chunks, N, M], or one element where no tape is kept.
    pub checkpoints: FloatTensor<B>,
    /// [B, T, H, N], or one element where no tape is kept.
    pub removed: FloatTensor<B>,
}

/// Outputs of the backward kernel.
#[derive(ExtensionType, Clone, Debug)]
#[extension_type(fusion)]
pub struct LiftedBackwardOutputs<B: Backend> {
    /// Those of r, w, k, removal and write, [5, B, T, H, M], then that of v,
    /// [B, T, H, N], flat.
    pub gradients: FloatTensor<B>,
    /// [B, H, N, M].
    pub dstate: FloatTensor<B>,
}

/// The kernels as operations that fusion schedules.
#[backend_extension(Cube, Fusion)]
#[allow(clippy::too_many_arguments)]
pub trait LiftedWkvKernels: Backend {
    /// Forward pass that keeps the tape.
    #[fusion(meta = taped_meta)]
    fn lifted_wkv_forward_taped(
        r: FloatTensor<Self>,
        w: FloatTensor<Self>,
        k: FloatTensor<Self>,
        v: FloatTensor<Self>,
        removal: FloatTensor<Self>,
        write: FloatTensor<Self>,
        state: FloatTensor<Self>,
    ) -> LiftedForwardOutputs<Self>;

    /// Forward pass alone.
    #[fusion(meta = plain_meta)]
    fn lifted_wkv_forward(
        r: FloatTensor<Self>,
        w: FloatTensor<Self>,
        k: FloatTensor<Self>,
        v: FloatTensor<Self>,
        removal: FloatTensor<Self>,
        write: FloatTensor<Self>,
        state: FloatTensor<Self>,
    ) -> LiftedForwardOutputs<Self>;

    /// Backward pass.
    #[fusion(meta = backward_meta)]
    fn lifted_wkv_backward(
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
    ) -> LiftedBackwardOutputs<Self>;
}

/// Shapes of y, last state, checkpoints and removed.
fn forward_shapes(r: &Shape, v: &Shape, keep_tape: bool) -> [Shape; 4] {
    let [b, t, h, m] = [r[0], r[1], r[2], r[3]];
    let n = v[3];
    let last_state = Shape::from([b, h, n, m]);
    if keep_tape {
        let n_chunks = t.div_ceil(checkpoint_interval(n, m));
        let checkpoints = Shape::from([b, h, n_chunks, n, m]);
        [v.clone(), last_state, checkpoints, v.clone()]
    } else {
        let none = [Shape::from([1, 1, 1, 1, 1]), Shape::from([1, 1, 1, 1])];
        let [checkpoints, removed] = none;
        [v.clone(), last_state, checkpoints, removed]
    }
}

/// Shapes of the gradients and of the state's gradient.
fn backward_shapes(r: &Shape, v: &Shape) -> [Shape; 2] {
    let [b, t, h, m] = [r[0], r[1], r[2], r[3]];
    let n = v[3];
    [
        Shape::from([b * t * h * (5 * m + n)]),
        Shape::from([b, h, n, m]),
    ]
}

fn forward_meta(r: &TensorSpec, v: &TensorSpec, keep_tape: bool) -> LiftedForwardOutputsMetadata {
    let shapes = forward_shapes(&r.shape, &v.shape, keep_tape);
    let [y, last_state, checkpoints, removed] = shapes.map(|shape| TensorSpec::new(shape, r.dtype));
    LiftedForwardOutputsMetadata {
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
    v: &TensorSpec,
    _removal: &TensorSpec,
    _write: &TensorSpec,
    _state: &TensorSpec,
) -> LiftedForwardOutputsMetadata {
    forward_meta(r, v, true)
}

fn plain_meta(
    r: &TensorSpec,
    _w: &TensorSpec,
    _k: &TensorSpec,
    v: &TensorSpec,
    _removal: &TensorSpec,
    _write: &TensorSpec,
    _state: &TensorSpec,
) -> LiftedForwardOutputsMetadata {
    forward_meta(r, v, false)
}

#[allow(clippy::too_many_arguments)]
fn backward_meta(
    r: &TensorSpec,
    _w: &TensorSpec,
    _k: &TensorSpec,
    v: &TensorSpec,
    _removal: &TensorSpec,
    _write: &TensorSpec,
    _checkpoints: &TensorSpec,
    _removed: &TensorSpec,
    _dy: &TensorSpec,
    _dlast: &TensorSpec,
) -> LiftedBackwardOutputsMetadata {
    let [gradients, dstate] = backward_shapes(&r.shape, &v.shape);
    LiftedBackwardOutputsMetadata {
        gradients: TensorSpec::new(gradients, r.dtype),
        dstate: TensorSpec::new(dstate, r.dtype),
    }
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

fn launch_forward(inputs: [CubeTensor; 7], keep_tape: bool) -> LiftedForwardOutputs<CubeBackend> {
    let [r, w, k, v, removal, write, state] = inputs.map(into_contiguous);
    let [b, _, h, m] = [0, 1, 2, 3].map(|axis| r.meta.shape()[axis]);
    let n = v.meta.shape()[3];
    let outputs = forward_shapes(r.meta.shape(), v.meta.shape(), keep_tape);
    let [y, last_state, checkpoints, removed] = outputs.map(|shape| empty(&r, shape));
    let (client, dtype) = (r.client.clone(), r.dtype);
    let shared_state = state.meta.shape()[0] == 1;
    let Layout { n_columns, n_rows } = Layout::new(n, m);
    kernel::forward::launch(
        &client,
        CubeCount::Static((b * h * n / n_rows) as u32, 1, 1),
        CubeDim::new_1d((m / n_columns) as u32),
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
        n,
        m,
        n_columns,
        n_rows,
        checkpoint_interval(n, m),
        shared_state,
        keep_tape,
        dtype_to_storage_type(dtype),
    );
    LiftedForwardOutputs {
        y,
        last_state,
        checkpoints,
        removed,
    }
}

impl LiftedWkvKernels for CubeBackend {
    fn lifted_wkv_forward_taped(
        r: FloatTensor<Self>,
        w: FloatTensor<Self>,
        k: FloatTensor<Self>,
        v: FloatTensor<Self>,
        removal: FloatTensor<Self>,
        write: FloatTensor<Self>,
        state: FloatTensor<Self>,
    ) -> LiftedForwardOutputs<Self> {
        launch_forward([r, w, k, v, removal, write, state], true)
    }

    fn lifted_wkv_forward(
        r: FloatTensor<Self>,
        w: FloatTensor<Self>,
        k: FloatTensor<Self>,
        v: FloatTensor<Self>,
        removal: FloatTensor<Self>,
        write: FloatTensor<Self>,
        state: FloatTensor<Self>,
    ) -> LiftedForwardOutputs<Self> {
        launch_forward([r, w, k, v, removal, write, state], false)
    }

    fn lifted_wkv_backward(
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
    ) -> LiftedBackwardOutputs<Self> {
        let inputs = [r, w, k, v, removal, write, checkpoints, removed, dy, dlast];
        let [r, w, k, v, removal, write, checkpoints, removed, dy, dlast] =
            inputs.map(into_contiguous);
        let [b, _, h, m] = [0, 1, 2, 3].map(|axis| r.meta.shape()[axis]);
        let n = v.meta.shape()[3];
        let [gradients, dstate] = backward_shapes(r.meta.shape(), v.meta.shape());
        let has_dlast = *dlast.meta.shape() == dstate;
        let [gradients, dstate] = [gradients, dstate].map(|shape| empty(&r, shape));
        let interval = checkpoint_interval(n, m);
        let Layout { n_columns, n_rows } = Layout::new(n, m);
        let scratch = empty(&r, Shape::from([b * h, interval, n_rows, m]));
        let (client, dtype) = (r.client.clone(), r.dtype);
        kernel::backward::launch(
            &client,
            CubeCount::Static((b * h) as u32, 1, 1),
            CubeDim::new_1d((m / n_columns) as u32),
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
            n,
            m,
            n_columns,
            n_rows,
            interval,
            has_dlast,
            dtype_to_storage_type(dtype),
        );
        LiftedBackwardOutputs { gradients, dstate }
    }
}

/// One dispatch of the forward pass.
fn forward_once(inputs: &LiftedInputs, state: Tensor<4>, keep_tape: bool) -> LiftedForward {
    let LiftedInputs {
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
        <Dispatch as LiftedWkvKernels>::lifted_wkv_forward_taped(r, w, k, v, removal, write, state)
    } else {
        <Dispatch as LiftedWkvKernels>::lifted_wkv_forward(r, w, k, v, removal, write, state)
    };
    LiftedForward {
        y: Tensor::from_dispatch(outputs.y),
        last_state: Tensor::from_dispatch(outputs.last_state),
        tape: keep_tape.then(|| {
            LiftedTape::one(
                Tensor::from_dispatch(outputs.checkpoints),
                Tensor::from_dispatch(outputs.removed),
            )
        }),
    }
}

/// One dispatch of the backward pass; `dlast`, [B, H, N, M], is the gradient of
/// the last state, where something reads it.
fn backward_once(
    inputs: &LiftedInputs,
    tape: &LiftedSegment,
    dy: Tensor<4>,
    dlast: Option<Tensor<4>>,
) -> LiftedGradients {
    let key_side = inputs.r.dims();
    let value_side = inputs.v.dims();
    let n_keys: usize = key_side.iter().product();
    let n_values: usize = value_side.iter().product();
    let dlast = dlast.unwrap_or_else(|| Tensor::zeros([1, 1, 1, 1], &dy.device()));
    let LiftedInputs {
        r,
        w,
        k,
        v,
        removal,
        write,
    } = inputs.clone();
    let outputs = <Dispatch as LiftedWkvKernels>::lifted_wkv_backward(
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
    let packed = Tensor::<1>::from_dispatch(outputs.gradients);
    let [r, w, k, removal, write] = std::array::from_fn(|idx| {
        packed
            .clone()
            .narrow(0, idx * n_keys, n_keys)
            .reshape(key_side)
    });
    LiftedGradients {
        r,
        w,
        k,
        v: packed.narrow(0, 5 * n_keys, n_values).reshape(value_side),
        removal,
        write,
        state: Tensor::from_dispatch(outputs.dstate),
    }
}
