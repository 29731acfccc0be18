//! Kernels as operations that Burn's fusion schedules: any number of inputs and
//! outputs, and a function that launches.

use burn::backend::Wgpu;
use burn::backend::fusion::custom::{
    CustomOpIr, HandleContainer, OperationFn, OperationIr, StreamId, TensorIr,
};
use burn::backend::fusion::{FusionBackend, FusionRuntime, FusionTensor};
use burn::tensor::{DType, Device, Int, Shape, Tensor};
use burn_cubecl::{CubeBackend, kernel::into_contiguous, tensor::CubeTensor};
use cubecl::prelude::TensorArg;

use super::measure;
use super::product_gpu::has_matrix_units;
use super::wkv7::is_cpu;

type Runtime = <CubeBackend as FusionBackend>::FusionRuntime;

/// A tensor on a GPU, of any rank and element type.
pub(crate) type GpuTensor = FusionTensor<Runtime>;

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

/// Queues `launch`, which is given the inputs, contiguous, and the outputs,
/// f32 and not yet written.
pub(crate) fn queue<const OUT: usize>(
    name: &'static str,
    inputs: Vec<GpuTensor>,
    outputs: [Shape; OUT],
    launch: impl Fn(&[CubeTensor], &[CubeTensor; OUT]) + Send + Sync + 'static,
) -> [GpuTensor; OUT] {
    let made = queue_list(
        name,
        inputs,
        outputs.into(),
        move |inputs, outputs| match outputs.try_into() {
            Ok(outputs) => launch(inputs, outputs),
            Err(_) => unreachable!("as many outputs as shapes"),
        },
    );
    match made.try_into() {
        Ok(made) => made,
        Err(_) => unreachable!("one tensor for every shape"),
    }
}

/// As [`queue`], with one more output.
pub(crate) fn queue_and_one<const OUT: usize>(
    name: &'static str,
    inputs: Vec<GpuTensor>,
    outputs: [Shape; OUT],
    one: Shape,
    launch: impl Fn(&[CubeTensor], &[CubeTensor], &CubeTensor) + Send + Sync + 'static,
) -> ([GpuTensor; OUT], GpuTensor) {
    let shapes = outputs.into_iter().chain([one]).collect();
    let mut made = queue_list(name, inputs, shapes, move |inputs, outputs| {
        launch(inputs, &outputs[..OUT], &outputs[OUT]);
    });
    match (made.pop(), made) {
        (Some(one), made) => match made.try_into() {
            Ok(made) => (made, one),
            Err(_) => unreachable!("one tensor for every shape"),
        },
        (None, _) => unreachable!("there is the one output"),
    }
}

/// As [`queue`], for any number of outputs.
fn queue_list(
    name: &'static str,
    inputs: Vec<GpuTensor>,
    outputs: Vec<Shape>,
    launch: impl Fn(&[CubeTensor], &[CubeTensor]) + Send + Sync + 'static,
) -> Vec<GpuTensor> {
    let client = inputs[0].client.clone();
    let inputs: Vec<TensorIr> = inputs.into_iter().map(GpuTensor::into_ir).collect();
    let description = CustomOpIr {
        id: name.into(),
        inputs: inputs.clone(),
        outputs: outputs
            .iter()
            .map(|shape| TensorIr::uninit(client.create_empty_handle(), shape.clone(), DType::F32))
            .collect(),
        scalars: Vec::new(),
    };
    let ids: Vec<_> = description.outputs.iter().map(|ir| ir.id).collect();
    let operation = OperationFn(
        move |handles: &mut HandleContainer<<Runtime as FusionRuntime>::FusionHandle>| {
            let inputs: Vec<CubeTensor> = inputs
                .iter()
                .map(|ir| into_contiguous(handles.get_float_tensor::<CubeBackend>(ir)))
                .collect();
            let written: Vec<_> = outputs
                .iter()
                .map(|shape| empty(&inputs[0], shape))
                .collect();
            measure::launched(name, &inputs[0].client, || launch(&inputs, &written));
            for (id, tensor) in ids.iter().zip(written) {
                handles.register_float_tensor::<CubeBackend>(id, tensor);
            }
            Ok(())
        },
    );
    client.register(
        StreamId::current(),
        OperationIr::Custom(description),
        operation,
    )
}

/// A tensor as a kernel takes it.
pub(crate) fn arg(x: &CubeTensor) -> TensorArg {
    x.clone().into_tensor_arg()
}

/// An uninitialised f32 tensor on the device of `like`.
pub(crate) fn empty(like: &CubeTensor, shape: &Shape) -> CubeTensor {
    let buffer = like.client.empty(shape.num_elements() * size_of::<f32>());
    CubeTensor::new_contiguous(
        like.client.clone(),
        like.device.clone(),
        shape.clone(),
        buffer,
        DType::F32,
    )
}

/// The numbers of a contiguous tensor in another shape.
pub(crate) fn shaped(x: &CubeTensor, shape: Shape) -> CubeTensor {
    CubeTensor::new_contiguous(
        x.client.clone(),
        x.device.clone(),
        shape,
        x.handle.clone(),
        x.dtype,
    )
}

/// Whether the device multiplies matrices of 16-bit factors with 32-bit sums.
pub fn multiplies_in_half(device: &Device) -> bool {
    if is_cpu(device) {
        return false;
    }
    let probe = on_gpu(Tensor::<1>::zeros([1], device));
    let client = probe.client.clone();
    has_matrix_units(&client.resolve_tensor_float::<CubeBackend>(probe))
}
