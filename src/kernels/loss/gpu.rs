//! [`crate::kernels::loss`] on a GPU: a cube for every row of logits.
// Kernels know no `if` of two kinds of condition and no methods of whole numbers.
#![allow(clippy::collapsible_if)]

use burn::tensor::DType;
use burn_cubecl::tensor::CubeTensor;
use cubecl::prelude::*;

use crate::kernels::halves::{GRADIENT_SCALE, stored, words_of_four};
use crate::kernels::op::{arg, cubes};

/// Four logits.
type Four = Vector<f32, Const<4>>;

/// Units of a cube.
const UNITS: usize = 256;

/// `logits` [rows, V] and `targets` [rows], i32 → `losses` [rows] and, with
/// `has_gradient`, `dlogits` [rows, V], which counts `pull` times the largest
/// logit where there is a pull; in 16 bits it has `GRADIENT_SCALE` times that. Without it
/// any tensor of fours stands there.
pub fn cross_entropy(
    logits: &CubeTensor,
    targets: &CubeTensor,
    has_gradient: bool,
    pull: Option<f32>,
    losses: &CubeTensor,
    dlogits: &CubeTensor,
) {
    let shape = logits.meta.shape();
    let n_rows = shape[0];
    let in_halves = dlogits.dtype == DType::F16;
    // SAFETY: a cube stays in its row; there are as many as rows. `dlogits` is
    // touched with a gradient only.
    unsafe {
        of_rows::launch_unchecked(
            &logits.client,
            cubes(n_rows),
            CubeDim::new_1d(UNITS as u32),
            words_of_four(in_halves),
            arg(logits),
            arg(targets),
            arg(losses),
            arg(dlogits),
            n_rows,
            shape[1] / 4,
            pull.unwrap_or(0.0),
            has_gradient,
            pull.is_some(),
            in_halves,
        );
    }
}

/// The largest of all units' numbers.
#[cube]
fn largest(value: f32, scratch: &mut Shared<[f32]>) -> f32 {
    scratch[UNIT_POS_X as usize] = value;
    sync_cube();
    let mut peak = scratch[0];
    for idx in 1..UNITS {
        peak = max(peak, scratch[idx]);
    }
    peak
}

/// `logits` [rows, V] and `targets` [rows] → `losses` [rows] and, with
/// `has_gradient`, that of their sum, `dlogits` [rows, V]. V is a multiple of 4.
/// With `pulls` the gradient counts `pull` times the largest logit, at the first
/// place that has it. `in_halves` it is in 16 bits, `GRADIENT_SCALE` times.
#[cube(launch_unchecked)]
#[allow(clippy::too_many_arguments)]
fn of_rows<P: Size>(
    logits: &Tensor<Four>,
    targets: &Tensor<i32>,
    losses: &mut Tensor<f32>,
    dlogits: &mut Tensor<Vector<u32, P>>,
    n_rows: usize,
    fours: usize,
    pull: f32,
    #[comptime] has_gradient: bool,
    #[comptime] pulls: bool,
    #[comptime] in_halves: bool,
) {
    // Cubes behind the last row do it again.
    let row = usize::min(CUBE_POS, n_rows - 1);
    let base = row * fours;
    let unit = UNIT_POS_X as usize;
    let mut of_peaks = Shared::<[f32]>::new_slice(UNITS);
    let mut of_sums = Shared::<[f32]>::new_slice(UNITS);
    // Sums of exponents, each relative to the largest logit that it has met.
    let mut peaks = logits[base];
    let mut sums = Four::new(0.0f32);
    for idx in range_stepped(unit, fours, UNITS) {
        let x = logits[base + idx];
        let higher = max(peaks, x);
        sums = sums * (peaks - higher).exp() + (x - higher).exp();
        peaks = higher;
    }
    let peak = max(
        max(peaks.extract(0usize), peaks.extract(1usize)),
        max(peaks.extract(2usize), peaks.extract(3usize)),
    );
    let peak = largest(peak, &mut of_peaks);
    of_sums[unit] = (sums * (peaks - Four::new(peak)).exp()).vector_sum();
    sync_cube();
    let mut total = 0.0f32;
    for idx in 0..UNITS {
        total += of_sums[idx];
    }
    let target = targets[row] as usize;
    if unit == 0 {
        let x = logits[base + target / 4];
        #[unroll]
        for part in 0..4usize {
            if part == target % 4 {
                losses[row] = total.ln() + peak - x.extract(part);
            }
        }
    }
    if comptime!(has_gradient) {
        let mut pulled = fours * 4;
        if comptime!(pulls) {
            let mut of_places = Shared::<[f32]>::new_slice(UNITS);
            let mut place = f32::cast_from(fours * 4);
            for idx in range_stepped(unit, fours, UNITS) {
                #[unroll]
                for part in 0..4usize {
                    if logits[base + idx].extract(part) == peak {
                        place = min(place, f32::cast_from(idx * 4 + part));
                    }
                }
            }
            // Vocabularies are far smaller than the whole numbers that f32 has.
            pulled = usize::cast_from(-largest(-place, &mut of_places));
        }
        let scale = Four::new(1.0f32 / total);
        for idx in range_stepped(unit, fours, UNITS) {
            let x = logits[base + idx];
            let mut d = (x - Four::new(peak)).exp() * scale;
            if idx == target / 4 {
                #[unroll]
                for part in 0..4usize {
                    if part == target % 4 {
                        d.insert(part, d.extract(part) - 1.0f32);
                    }
                }
            }
            if comptime!(pulls) {
                if idx == pulled / 4 {
                    #[unroll]
                    for part in 0..4usize {
                        if part == pulled % 4 {
                            d.insert(part, d.extract(part) + pull * peak);
                        }
                    }
                }
            }
            if comptime!(in_halves) {
                d *= Four::new(GRADIENT_SCALE);
            }
            dlogits[base + idx] = stored(d, in_halves);
        }
    }
}
