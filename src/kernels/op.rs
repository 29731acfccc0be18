//! Kernels as operations on tensors of Burn: any number of inputs and outputs,
//! and a function that launches.
//!
//! Burn's fusion is off (`Cargo.toml`): what is worth fusing is fused by hand
//! here, and an operation that fusion schedules costs the host about twice what
//! its launch does (`benches/gpu/README.md`).

use burn::backend::Wgpu;
use burn::tensor::{DType, Int, Shape, Tensor};
use burn_cubecl::kernel::into_contiguous;
use burn_cubecl::tensor::CubeTensor;
use cubecl::prelude::{CubeCount, TensorArg};

use super::joint::{most_bytes, starts};
use super::{device, measure};

/// A tensor on a GPU, of any rank and element type.
pub(crate) type GpuTensor = CubeTensor;

/// The GPU's part of a tensor.
///
/// # Panics
/// Where the tensor is tracked or lives on the CPU.
pub(crate) fn on_gpu<const D: usize>(tensor: Tensor<D>) -> GpuTensor {
    match tensor.try_into_primitive::<Wgpu>() {
        Ok(tensor) => tensor,
        Err(error) => panic!("a kernel of the GPU was given another tensor: {error:?}"),
    }
}

/// As [`on_gpu`], of whole numbers.
pub(crate) fn integers_on_gpu<const D: usize>(tensor: Tensor<D, Int>) -> GpuTensor {
    match tensor.try_into_primitive::<Wgpu>() {
        Ok(tensor) => tensor,
        Err(error) => panic!("a kernel of the GPU was given another tensor: {error:?}"),
    }
}

/// The other way round; `D` must be the rank.
pub(crate) fn from_gpu<const D: usize>(tensor: GpuTensor) -> Tensor<D> {
    Tensor::from_primitive::<Wgpu>(tensor)
}

/// Runs `launch`, which is given the inputs, contiguous, and the outputs, f32
/// and not yet written. The device does its work later.
///
/// # Panics
/// Where an input or an output is larger than the device binds: the kernel would
/// compute wrong numbers and nothing would say so.
pub(crate) fn queue<const OUT: usize>(
    name: &'static str,
    inputs: Vec<GpuTensor>,
    outputs: [Shape; OUT],
    launch: impl FnOnce(&[CubeTensor], &[CubeTensor; OUT]) + Send,
) -> [GpuTensor; OUT] {
    queue_as(name, inputs, outputs, DType::F32, launch)
}

/// As [`queue`], with outputs of another type.
///
/// # Panics
/// As [`queue`].
pub(crate) fn queue_as<const OUT: usize>(
    name: &'static str,
    inputs: Vec<GpuTensor>,
    outputs: [Shape; OUT],
    dtype: DType,
    launch: impl FnOnce(&[CubeTensor], &[CubeTensor; OUT]) + Send,
) -> [GpuTensor; OUT] {
    let written = outputs.map(|shape| empty_as(name, &inputs[0], shape, dtype));
    queue_into(name, inputs, written, launch)
}

/// As [`queue_as`], with outputs in one piece of memory, so that products of several of
/// them can be taken in one launch.
///
/// # Panics
/// As [`queue`].
pub(crate) fn queue_together<const OUT: usize>(
    name: &'static str,
    inputs: Vec<GpuTensor>,
    outputs: [Shape; OUT],
    dtype: DType,
    launch: impl FnOnce(&[CubeTensor], &[CubeTensor; OUT]) + Send,
) -> [GpuTensor; OUT] {
    let written = empty_together(name, &inputs[0], &outputs, dtype);
    let Ok(written) = <[_; OUT]>::try_from(written) else {
        unreachable!("one tensor for every shape")
    };
    queue_into(name, inputs, written, launch)
}

/// [`queue_as`] with outputs that are there.
fn queue_into<O: Sync>(
    name: &'static str,
    inputs: Vec<GpuTensor>,
    written: O,
    launch: impl FnOnce(&[CubeTensor], &O) + Send,
) -> O {
    let inputs = readable(name, inputs);
    measure::launched(name, &inputs[0].client, || launch(&inputs, &written));
    written
}

/// Tensors as the kernel `name` reads them: contiguous.
///
/// # Panics
/// Where one is larger than the device binds.
pub(crate) fn readable(name: &str, inputs: Vec<GpuTensor>) -> Vec<GpuTensor> {
    for input in &inputs {
        let n_values = input.meta.shape().num_elements();
        check_size(name, input, n_values * input.dtype.size());
    }
    inputs.into_iter().map(into_contiguous).collect()
}

/// As [`queue_together`], with one more output, f32.
///
/// # Panics
/// As [`queue`].
pub(crate) fn queue_and_one<const OUT: usize>(
    name: &'static str,
    inputs: Vec<GpuTensor>,
    outputs: [Shape; OUT],
    dtype: DType,
    one: Shape,
    launch: impl FnOnce(&[CubeTensor], &[CubeTensor; OUT], &CubeTensor) + Send,
) -> ([GpuTensor; OUT], GpuTensor) {
    let one = empty(name, &inputs[0], one);
    let written = queue_together(name, inputs, outputs, dtype, |inputs, outputs| {
        launch(inputs, outputs, &one);
    });
    (written, one)
}

/// A tensor as a kernel takes it.
pub(crate) fn arg(x: &CubeTensor) -> TensorArg {
    x.clone().into_tensor_arg()
}

/// Panics, in words that [`super::device::says_too_large`] knows, where the
/// kernel `name` would bind a tensor of `n_bytes` and the device of `like` cannot.
fn check_size(name: &str, like: &CubeTensor, n_bytes: usize) {
    let most = most_bytes(like);
    assert!(
        n_bytes as u64 <= most,
        "{}",
        device::too_large(name, n_bytes as u64, most)
    );
}

/// An uninitialised f32 tensor on the device of `like`, for the kernel `name`.
///
/// # Panics
/// Where the device cannot bind so much.
pub(crate) fn empty(name: &str, like: &CubeTensor, shape: Shape) -> CubeTensor {
    empty_as(name, like, shape, DType::F32)
}

/// As [`empty`], of another type.
fn empty_as(name: &str, like: &CubeTensor, shape: Shape, dtype: DType) -> CubeTensor {
    let n_bytes = shape.num_elements() * dtype.size();
    check_size(name, like, n_bytes);
    let buffer = like.client.empty(n_bytes);
    CubeTensor::new_contiguous(
        like.client.clone(),
        like.device.clone(),
        shape,
        buffer,
        dtype,
    )
}

/// Uninitialised tensors for the kernel `name`, on the device of `like` and in one piece
/// of memory, or apart where that would be more than the device binds.
///
/// # Panics
/// Where the device cannot bind one of them.
pub(crate) fn empty_together(
    name: &str,
    like: &CubeTensor,
    shapes: &[Shape],
    dtype: DType,
) -> Vec<CubeTensor> {
    let n_bytes = |shape: &Shape| (shape.num_elements() * dtype.size()) as u64;
    let sizes: Vec<u64> = shapes.iter().map(n_bytes).collect();
    let (starts, total) = starts(like, &sizes);
    if shapes.len() < 2 || total > most_bytes(like) {
        let apart = |shape: &Shape| empty_as(name, like, shape.clone(), dtype);
        return shapes.iter().map(apart).collect();
    }
    let memory = like.client.empty(total as usize);
    let part = |((shape, start), size): ((&Shape, u64), u64)| {
        let memory = memory.clone().offset_start(start);
        CubeTensor::new_contiguous(
            like.client.clone(),
            like.device.clone(),
            shape.clone(),
            memory.offset_end(total - start - size),
            dtype,
        )
    };
    shapes.iter().zip(starts).zip(sizes).map(part).collect()
}

/// Cubes of a kernel with one for each of `n`, as a device takes so many.
pub fn cubes(n: usize) -> CubeCount {
    const WIDEST: usize = 65_535;
    if n <= WIDEST {
        CubeCount::Static(n as u32, 1, 1)
    } else {
        let height = n.div_ceil(WIDEST);
        CubeCount::Static(n.div_ceil(height) as u32, height as u32, 1)
    }
}

pub(crate) fn len(shape: &Shape) -> usize {
    shape.num_elements()
}
