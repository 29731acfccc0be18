//! Kernels as operations that Burn's fusion schedules: any number of inputs and
//! outputs, and a function that launches.

use burn::backend::Wgpu;
use burn::backend::fusion::custom::{
    CustomOpIr, HandleContainer, OperationFn, OperationIr, StreamId, TensorIr,
};
use burn::backend::fusion::{FusionBackend, FusionRuntime, FusionTensor};
use burn::tensor::{DType, Int, Shape, Tensor};
use burn_cubecl::{CubeBackend, kernel::into_contiguous, tensor::CubeTensor};

type Runtime = <CubeBackend as FusionBackend>::FusionRuntime;

/// A tensor on a GPU, of any rank and element type.
pub(super) type GpuTensor = FusionTensor<Runtime>;

/// The GPU's part of a tensor.
///
/// # Panics
/// Where the tensor is tracked or lives on the CPU.
pub(super) fn on_gpu<const D: usize>(tensor: Tensor<D>) -> GpuTensor {
    match tensor.try_into_primitive::<Wgpu>() {
        Ok(tensor) => tensor,
        Err(error) => panic!("a kernel of the GPU was given another tensor: {error:?}"),
    }
}

/// As [`on_gpu`], of whole numbers.
pub(super) fn integers_on_gpu<const D: usize>(tensor: Tensor<D, Int>) -> GpuTensor {
    match tensor.try_into_primitive::<Wgpu>() {
        Ok(tensor) => tensor,
        Err(error) => panic!("a kernel of the GPU was given another tensor: {error:?}"),
    }
}

/// The other way round; `D` must be the rank.
pub(super) fn from_gpu<const D: usize>(tensor: GpuTensor) -> Tensor<D> {
    Tensor::from_primitive::<Wgpu>(tensor)
}

/// Queues `launch`, which is given the inputs, contiguous, and the outputs,
/// f32 and not yet written.
pub(super) fn queue<const OUT: usize>(
    name: &'static str,
    inputs: Vec<GpuTensor>,
    outputs: [Shape; OUT],
    launch: impl Fn(&[CubeTensor], &[CubeTensor; OUT]) + Send + Sync + 'static,
) -> [GpuTensor; OUT] {
    let client = inputs[0].client.clone();
    let inputs: Vec<TensorIr> = inputs.into_iter().map(GpuTensor::into_ir).collect();
    let out_irs = outputs
        .each_ref()
        .map(|shape| TensorIr::uninit(client.create_empty_handle(), shape.clone(), DType::F32));
    let description = CustomOpIr::new(name, &inputs, &out_irs);
    let ids = out_irs.map(|ir| ir.id);
    let operation = OperationFn(
        move |handles: &mut HandleContainer<<Runtime as FusionRuntime>::FusionHandle>| {
            let inputs: Vec<CubeTensor> = inputs
                .iter()
                .map(|ir| into_contiguous(handles.get_float_tensor::<CubeBackend>(ir)))
                .collect();
            let written = outputs.each_ref().map(|shape| empty(&inputs[0], shape));
            launch(&inputs, &written);
            for (id, tensor) in ids.iter().zip(written) {
                handles.register_float_tensor::<CubeBackend>(id, tensor);
            }
            Ok(())
        },
    );
    let made = client.register(
        StreamId::current(),
        OperationIr::Custom(description),
        operation,
    );
    match made.try_into() {
        Ok(made) => made,
        Err(_) => unreachable!("one tensor for every output"),
    }
}

/// An uninitialised f32 tensor on the device of `like`.
pub(super) fn empty(like: &CubeTensor, shape: &Shape) -> CubeTensor {
    let buffer = like.client.empty(shape.num_elements() * size_of::<f32>());
    CubeTensor::new_contiguous(
        like.client.clone(),
        like.device.clone(),
        shape.clone(),
        buffer,
        DType::F32,
    )
}
