//! Fragments of the matrix units: from shared memory, multiplied, and back.

use cubecl::prelude::*;
use half::f16;

use crate::kernels::halves::{Eight, fragment};
use crate::kernels::product::gpu::tiling::Tiling;

/// Adds the products of the tiles of a stage to the sums of this plane.
#[cube]
pub(super) fn multiply(
    shared: &Shared<[Eight]>,
    sums: &Sequence<cmma::Matrix<f32>>,
    stage: usize,
    plane_m: usize,
    plane_n: usize,
    #[comptime] tiling: Tiling,
    #[comptime] transposed: bool,
) {
    let a_stride = comptime!(tiling.a_stride());
    let b_stride = comptime!(tiling.b_stride(transposed));
    let a_base = stage + plane_m * comptime!(16 * tiling.fragments_m * a_stride);
    let mut b_base = stage + comptime!(tiling.a_size());
    if comptime!(transposed) {
        b_base += plane_n * comptime!(16 * tiling.fragments_n * b_stride);
    } else {
        b_base += plane_n * comptime!(2 * tiling.fragments_n);
    }
    // Not unrolled: a driver would load the fragments of all of it at once, and have no
    // registers for the next step.
    for inner in 0..comptime!(tiling.depth / 16) {
        let mut of_a = Sequence::<cmma::Matrix<f16>>::new();
        #[unroll]
        for i in 0..comptime!(tiling.fragments_m) {
            of_a.push(fragment(
                shared,
                a_base + comptime!(i * 16 * a_stride) + inner * 2,
                cmma::MatrixIdent::A,
                cmma::MatrixLayout::RowMajor,
                a_stride,
            ));
        }
        #[unroll]
        for j in 0..comptime!(tiling.fragments_n) {
            let (at, layout) = if comptime!(transposed) {
                let at = b_base + comptime!(j * 16 * b_stride) + inner * 2;
                (at, comptime!(cmma::MatrixLayout::ColMajor))
            } else {
                let at = b_base + inner * comptime!(16 * b_stride) + comptime!(j * 2);
                (at, comptime!(cmma::MatrixLayout::RowMajor))
            };
            let of_b = fragment(shared, at, cmma::MatrixIdent::B, layout, b_stride);
            #[unroll]
            for i in 0..comptime!(tiling.fragments_m) {
                let sum = sums.index(comptime!(i * tiling.fragments_n + j));
                cmma::execute(of_a.index(i), &of_b, sum, sum);
            }
        }
    }
}

/// Puts sixteen rows of a plane's sums at `at` of the shared memory.
#[cube]
pub(super) fn put_down(
    sums: &Sequence<cmma::Matrix<f32>>,
    shared: &mut Shared<[Eight]>,
    at: usize,
    #[comptime] i: usize,
    #[comptime] tiling: Tiling,
) {
    let stride = comptime!(tiling.sums_stride());
    #[unroll]
    for j in 0..comptime!(tiling.fragments_n) {
        let at = at + comptime!(j * 4);
        cmma::store(
            &mut shared[at..at + comptime!(15 * stride + 4)],
            sums.index(comptime!(i * tiling.fragments_n + j)),
            comptime!(4 * stride as u32),
            cmma::MatrixLayout::RowMajor,
        );
    }
}
