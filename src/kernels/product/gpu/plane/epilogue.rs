//! The sums on their way out.

use cubecl::prelude::*;

use super::ProductSpec;
use super::halves::{Halves, halves, widened};
use crate::kernels::matrix::gpu::Four;
use crate::kernels::product::gpu::finish::{GRADIENT_SCALE, Start, finished, in_range, restored};

/// Finishes four numbers of the product and writes them to its four number `at`.
#[cube]
pub(super) fn write<O: Size, P: Size>(
    x: Four,
    at: usize,
    first_out: usize,
    other: &Tensor<Vector<u32, O>>,
    out: &mut Tensor<Vector<u32, P>>,
    #[comptime] spec: ProductSpec,
) {
    let mut beside = Four::new(0.0f32);
    if comptime!(spec.finish.reads_other()) {
        if comptime!(spec.halves.other) {
            beside = widened(Halves::reinterpret(other[at]));
        } else {
            beside = Four::reinterpret(other[at]);
        }
    }
    let x = restored(x, comptime!(spec.start));
    let mut value = finished(x, beside, comptime!(spec.finish));
    if comptime!(spec.halves.out) {
        if comptime!(spec.start == Start::Gradient) {
            value *= Four::new(GRADIENT_SCALE);
        }
        out[first_out + at] = Vector::<u32, P>::reinterpret(halves(in_range(value)));
    } else {
        out[first_out + at] = Vector::<u32, P>::reinterpret(value);
    }
}
