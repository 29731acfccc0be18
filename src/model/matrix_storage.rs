//! In which form a frozen matrix lies on the device: decided here and nowhere
//! else, from the bytes of the checkpoint, so that no wider copy of the matrix
//! is made on the way.

use burn::tensor::{DType, Device, Tensor, TensorData};
use half::f16;
use half::slice::HalfFloatSliceExt as _;

use super::Precision;
use super::checkpoint::{TensorDType, TensorView};

/// Numbers that are narrowed at a time.
const BLOCK: usize = 1 << 16;

/// Puts `matrix`, of `shape` in the model, on the device as `precision` says.
/// Beside what stays, it takes the memory of this one matrix as it is stored.
///
/// [`TensorView::plain_bytes`] are the elements where the file has them as they
/// are, [`TensorView::write_f32_rows`] widens any of its rows.
pub(super) fn stored_matrix(
    matrix: &TensorView<'_>,
    shape: [usize; 2],
    precision: Precision,
    device: &Device,
) -> Tensor<2> {
    match precision {
        Precision::F32 => Tensor::from_data(TensorData::new(matrix.to_f32(), shape), device),
        Precision::F16 => {
            let data = TensorData::new(halves(matrix, shape), shape);
            Tensor::from_data(data, (device, DType::F16))
        }
    }
}

/// The elements in 16 bits, row-major.
fn halves(matrix: &TensorView<'_>, [n_rows, n_columns]: [usize; 2]) -> Vec<f16> {
    let plain = matrix.plain_bytes();
    if let Some(bytes) = plain.filter(|_| matrix.dtype == TensorDType::F16) {
        return bytemuck::pod_collect_to_vec(bytes);
    }
    let mut halves = vec![f16::ZERO; n_rows * n_columns];
    let at_once = (BLOCK / n_columns.max(1)).max(1);
    let mut wide = vec![0.0; at_once * n_columns];
    for first in (0..n_rows).step_by(at_once) {
        let end = n_rows.min(first + at_once);
        let wide = &mut wide[..(end - first) * n_columns];
        matrix.write_f32_rows(first..end, wide);
        halves[first * n_columns..end * n_columns].convert_from_f32_slice(wide);
    }
    halves
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn halves_are_those_of_the_file_or_the_nearest() {
        let values: Vec<f32> = (0..70_000 * 3).map(|i| (i as f32).sin()).collect();
        let shape = [70_000, 3];
        let near: Vec<f16> = values.iter().map(|x| f16::from_f32(*x)).collect();
        let wide: Vec<u8> = values.iter().flat_map(|x| x.to_le_bytes()).collect();
        let view = TensorView::new("x", TensorDType::F32, &shape, &wide);
        assert_eq!(halves(&view, shape), near);
        // At an odd address too.
        let mut bytes = vec![0];
        bytes.extend(near.iter().flat_map(|x| x.to_le_bytes()));
        let view = TensorView::new("x", TensorDType::F16, &shape, &bytes[1..]);
        assert_eq!(halves(&view, shape), near);
    }
}
