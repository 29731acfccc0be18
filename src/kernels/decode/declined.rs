//! Which layers and tokens the kernels of this folder take.

use std::fmt;

use burn::tensor::Device;

use super::gpu::weights::ROWS;
use crate::kernels::device::max_tensor_bytes;
use crate::kernels::matrix::{Matrix, Storage};
use crate::kernels::op::GpuTensor;

/// Rows of a matrix, at most: so many cubes side by side a device takes.
const MOST_ROWS: usize = 65_535 * ROWS;

/// Why tokens are written operator by operator.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Declined {
    /// The CPU has no launches.
    Cpu,
    /// More than [`super::MOST_TEXTS`].
    Texts,
    /// Several tokens of a text at once.
    Tokens,
    /// Another architecture than RWKV-7.
    Architecture,
    /// Something is tuned beside the state: a branch or adapters.
    Beside,
    /// Matrices of 8 or 4 bits.
    Storage,
    /// Sizes that are no multiples of eight, or heads of an unusual size.
    Sizes,
    /// The units of a cube share too little memory, or a tensor is too large.
    Memory,
}

impl fmt::Display for Declined {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Cpu => tr!("the CPU launches nothing"),
            Self::Texts => tr!("there are more than eight texts"),
            Self::Tokens => tr!("several tokens of a text are read at once"),
            Self::Architecture => tr!("the model is not RWKV-7"),
            Self::Beside => tr!("a branch or adapters stand beside the layers"),
            Self::Storage => tr!("the matrices have 8 or 4 bits"),
            Self::Sizes => tr!("the model has unusual sizes"),
            Self::Memory => tr!("the device has too little memory for a group of units"),
        })
    }
}

/// What is taken, or why it is not.
pub(super) type Answer<T> = std::result::Result<T, Declined>;

/// Whether kernels here read the matrix.
pub(super) fn check(matrix: &Matrix) -> Answer<()> {
    match matrix.storage() {
        Storage::F32 | Storage::F16 | Storage::BF16 => {}
        Storage::Int8 | Storage::NF4 => return Err(Declined::Storage),
    }
    let [rows, columns] = matrix.dims();
    let fits = [rows, columns].iter().all(|size| size.is_multiple_of(8));
    if !fits || rows == 0 || columns == 0 || rows > MOST_ROWS {
        return Err(Declined::Sizes);
    }
    Ok(())
}

/// What [`check`] cannot see: whether the device binds the matrix.
pub(super) fn check_size(like: &GpuTensor, matrix: &Matrix) -> Answer<()> {
    let device = Device::new(like.device.clone());
    let most = max_tensor_bytes(&device).unwrap_or(u64::MAX);
    match matrix.n_bytes() as u64 <= most {
        true => Ok(()),
        false => Err(Declined::Memory),
    }
}
