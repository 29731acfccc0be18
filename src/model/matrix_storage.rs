//! From the bytes of a checkpoint to a frozen matrix on a device, here and nowhere
//! else, so that no wider copy of the matrix is made on the way.

use burn::tensor::Device;

use super::checkpoint::{TensorDType, TensorView};
use crate::kernels::matrix::{Matrix, Packed, Storage};

/// Puts `matrix`, of `shape` in the model, on the device in a storage. Beside what
/// stays it takes the memory of this one matrix as it is stored.
pub(super) fn stored_matrix(
    matrix: &TensorView<'_>,
    shape: [usize; 2],
    storage: Storage,
    device: &Device,
) -> Matrix {
    Matrix::new(packed(matrix, shape, storage), shape, device)
}

/// As [`stored_matrix`], of several that lie together there ([`Matrix::together`]). Beside
/// what stays it takes the memory of all of them as they are stored, and of one once more.
pub(super) fn stored_together(
    matrices: &[(TensorView<'_>, [usize; 2])],
    storage: Storage,
    device: &Device,
) -> Vec<Matrix> {
    let part = |(matrix, shape): &(TensorView<'_>, _)| (packed(matrix, *shape, storage), *shape);
    Matrix::together(matrices.iter().map(part), device)
}

/// The numbers of a tensor of a file in a storage.
fn packed(matrix: &TensorView<'_>, shape: [usize; 2], storage: Storage) -> Packed {
    let halves = match (matrix.dtype, storage) {
        (TensorDType::F16, Storage::F16) | (TensorDType::BF16, Storage::BF16) => {
            matrix.plain_bytes()
        }
        _ => None,
    };
    match halves {
        Some(bytes) => Packed::of_halves(storage, bytes),
        None => Packed::new(storage, shape, |rows, out| {
            matrix.write_f32_rows(rows, out);
        }),
    }
}

#[cfg(test)]
mod tests {
    use half::bf16;

    use super::*;

    /// What the file holds in a type, and the storage of the same numbers.
    #[test]
    fn matrices_are_stored_from_any_type_of_a_file() {
        let shape = [70, 130];
        let values: Vec<f32> = (0..70 * 130).map(|i| (i as f32).sin()).collect();
        let near: Vec<bf16> = values.iter().map(|x| bf16::from_f32(*x)).collect();
        let single: Vec<u8> = near.iter().flat_map(|x| x.to_f32().to_le_bytes()).collect();
        // At an odd address too.
        let mut upper = vec![0];
        upper.extend(near.iter().flat_map(|x| x.to_le_bytes()));
        let want: Vec<f32> = near.iter().map(|x| x.to_f32()).collect();
        let device = Device::flex();
        for (dtype, bytes) in [
            (TensorDType::F32, &single[..]),
            (TensorDType::BF16, &upper[1..]),
        ] {
            let view = TensorView::new("x", dtype, &shape, bytes);
            let matrix = stored_matrix(&view, shape, Storage::BF16, &device);
            let got = matrix.widened().into_data();
            assert_eq!(got.try_to_vec::<f32>().unwrap(), want, "{dtype:?}");
        }
    }
}
