//! Products of a few rows with a matrix that is stored [columns, inner]: what a layer ends
//! with, and the head.
// Kernels know no `if` of two kinds of condition.
#![allow(clippy::collapsible_if)]

use cubecl::prelude::*;

use super::weights::{LANES, Lying, ROWS, Reading, SCRATCH, add_row, row_sums};
use crate::kernels::halves::Eight;
use crate::kernels::matrix::gpu::{Four, shared_codes};

/// How such a product is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Taking {
    /// Texts of a cube: 1, 2, 4 or 8.
    pub texts: usize,
    /// Terms of a sum, in eights.
    pub eights: usize,
    /// Whether it is added to what `out` has.
    pub adds: bool,
    /// How the matrix is read.
    pub reading: Reading,
}

/// `x` [n, inner] by `matrix` [`width`, inner] → `out` [n, `width`], or onto it. A cube for
/// every [`ROWS`] columns, in as many rows as the texts take.
#[cube(launch_unchecked)]
pub fn product(
    x: &Tensor<Four>,
    matrix: &Tensor<Eight>,
    out: &mut Tensor<f32>,
    width: usize,
    n_texts: usize,
    #[comptime] taking: Taking,
) {
    let texts = comptime!(taking.texts);
    let eights = comptime!(taking.eights);
    let unit = UNIT_POS_X as usize;
    let first = CUBE_POS_Y as usize * texts;
    let first_row = CUBE_POS_X as usize * ROWS;
    let mut scratch = Shared::<[Four]>::new_slice(SCRATCH);
    let mut sums = Array::<Four>::new(texts);
    #[unroll]
    for idx in 0..texts {
        sums[idx] = Four::new(0.0f32);
    }
    let codes = shared_codes(taking.reading.storage);
    add_row(
        x,
        matrix,
        first_row + unit / LANES,
        first,
        n_texts - 1,
        &mut sums,
        &codes,
        texts,
        eights,
        comptime!(Lying::plain(eights)),
        taking.reading,
    );
    let total = row_sums(&sums, &mut scratch, texts);
    #[unroll]
    for idx in 0..4usize {
        let text = unit / ROWS * 4 + idx;
        if text < texts {
            if first + text < n_texts {
                let at = (first + text) * width + first_row + unit % ROWS;
                let mut value = total.extract(idx);
                if comptime!(taking.adds) {
                    value += out[at];
                }
                out[at] = value;
            }
        }
    }
}
