//! Products of matrices. On the CPU this is the library that Burn's Flex calls
//! too, without Flex's pass to clear the result and its copy to align it.

use burn::tensor::Tensor;

use super::cpu_tensor::{Flat, written};
use super::rows::Unwritten;
use super::wkv7::is_cpu;

/// Multiplications below which one thread is faster than handing out work.
const PARALLEL_FROM: usize = 1 << 21;

/// How the second factor is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stored {
    /// [inner, columns].
    Plain,
    /// [columns, inner]: the product takes its transpose.
    Transposed,
}

/// `a` [rows, inner] by `b` → [rows, columns].
///
/// # Panics
/// Where the inner dimensions differ.
pub fn matmul(a: Tensor<2>, b: &Tensor<2>, stored: Stored) -> Tensor<2> {
    let [n_rows, n_inner] = a.dims();
    let [inner, n_columns] = match stored {
        Stored::Plain => b.dims(),
        Stored::Transposed => {
            let [n_columns, inner] = b.dims();
            [inner, n_columns]
        }
    };
    assert_eq!(inner, n_inner, "inner dimensions of a product");
    if !is_cpu(&a.device()) {
        return match stored {
            Stored::Plain => a.matmul(b.clone()),
            Stored::Transposed => a.matmul(b.clone().transpose()),
        };
    }
    let (a, b) = (Flat::new(&a), Flat::new(b));
    let mut out = Unwritten::new(n_rows * n_columns);
    let (b_column, b_row) = match stored {
        Stored::Plain => (1, n_columns as isize),
        Stored::Transposed => (n_inner as isize, 1),
    };
    let parallelism = if n_rows * n_columns * n_inner >= PARALLEL_FROM {
        gemm::Parallelism::Rayon(0)
    } else {
        gemm::Parallelism::None
    };
    // SAFETY: the strides stay inside the three buffers, whose sizes follow from
    // the dimensions; the result is written and not read.
    unsafe {
        gemm::gemm(
            n_rows,
            n_columns,
            n_inner,
            out.rows().slice(0, n_rows * n_columns).as_mut_ptr(),
            1,
            n_columns as isize,
            false,
            a.slice().as_ptr(),
            1,
            n_inner as isize,
            b.slice().as_ptr(),
            b_column,
            b_row,
            0.0,
            1.0,
            false,
            false,
            false,
            parallelism,
        );
    }
    // SAFETY: the product has written every element.
    unsafe { written(out, [n_rows, n_columns]) }
}

#[cfg(test)]
mod tests {
    use burn::tensor::{Device, Distribution};

    use super::*;

    #[test]
    fn products_are_those_of_burn() {
        let device = Device::flex();
        let random = |shape: [usize; 2]| {
            Tensor::<2>::random(shape, Distribution::Uniform(-1.0, 1.0), &device)
        };
        for [rows, inner, columns] in [[1, 5, 3], [33, 64, 17], [200, 128, 256]] {
            let (a, b) = (random([rows, inner]), random([inner, columns]));
            let want = a.clone().matmul(b.clone()).into_data();
            let want = want.try_to_vec::<f32>().unwrap();
            let transposed = Tensor::from_data(b.clone().transpose().into_data(), &device);
            for (b, stored) in [(b, Stored::Plain), (transposed, Stored::Transposed)] {
                let got = matmul(a.clone(), &b, stored).into_data();
                for (got, want) in got.try_to_vec::<f32>().unwrap().iter().zip(&want) {
                    assert!((got - want).abs() < 1e-4, "{stored:?}: {got}, not {want}");
                }
            }
        }
    }
}
