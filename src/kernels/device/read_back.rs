//! Numbers of a tensor, read back from its device.

use burn::tensor::Tensor;

use crate::error::{Error, Result};

/// A tensor's values, row-major.
pub(crate) fn read_f32<const D: usize>(tensor: Tensor<D>) -> Result<Vec<f32>> {
    tensor.into_data().try_to_vec().map_err(|error| {
        Error::Device(tr!(
            "values cannot be read back: {error}",
            error = format_args!("{error:?}")
        ))
    })
}
