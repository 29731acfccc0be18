//! Whether a device has units that multiply matrices.

use burn::tensor::{Device, Tensor};
use burn_cubecl::tensor::CubeTensor;
use cubecl::ir::{ElemType, FloatKind};

use super::is_cpu;
use crate::kernels::op::on_gpu;

/// Whether the device multiplies matrices of 16-bit factors with 32-bit sums.
pub fn multiplies_in_half(device: &Device) -> bool {
    if is_cpu(device) {
        return false;
    }
    has_matrix_units(&on_gpu(Tensor::<1>::zeros([1], device)))
}

/// Whether the device multiplies 16-bit matrices with 32-bit sums in planes of
/// 32 units, and has shared memory for them.
pub fn has_matrix_units(like: &CubeTensor) -> bool {
    let hardware = &like.client.properties().hardware;
    let has_room = hardware.max_shared_memory_size >= SHARED_BYTES;
    let has_planes = (hardware.plane_size_min, hardware.plane_size_max) == (32, 32);
    has_sums_of(like, FloatKind::F32) && has_room && has_planes
}

/// Whether the device multiplies 16 by 16 numbers in 16 bits with sums of `kind`.
pub fn has_sums_of(like: &CubeTensor, kind: FloatKind) -> bool {
    let (half, sums) = (ElemType::Float(FloatKind::F16), ElemType::Float(kind));
    let matmul = &like.client.properties().features.matmul;
    matmul.cmma.iter().any(|config| {
        (config.a_type, config.b_type, config.cd_type) == (half, half, sums)
            && (config.m, config.n, config.k) == (16, 16, 16)
    })
}

/// Shared memory that the largest tile takes, and a table of codes.
pub const SHARED_BYTES: usize = 46 << 10;
