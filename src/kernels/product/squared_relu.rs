//! The squared ReLU of channel mixing: `y = max(x, 0)^2`.

use std::ops::Range;

use burn::tensor::{Tensor, activation::relu};

use crate::kernels::cpu::rows::{Rows, Unwritten};
use crate::kernels::cpu::simd::Task;
use crate::kernels::cpu::tensor::{Flat, for_rows, written};
use crate::kernels::device::is_cpu;

/// `x`: [rows, columns] → [rows, columns].
pub fn squared_relu(x: Tensor<2>) -> Tensor<2> {
    if !is_cpu(&x.device()) {
        return squared_relu_reference(x);
    }
    let shape = x.dims();
    let x = Flat::new(&x);
    map_rows(shape, x.slice(), x.slice(), |x, _| x.max(0.0) * x.max(0.0))
}

/// The gradient of x for `dy`, [rows, columns] each.
pub fn squared_relu_backward(x: Tensor<2>, dy: Tensor<2>) -> Tensor<2> {
    if !is_cpu(&x.device()) {
        return relu(x) * dy * 2.0;
    }
    let shape = x.dims();
    let (x, dy) = (Flat::new(&x), Flat::new(&dy));
    map_rows(shape, x.slice(), dy.slice(), |x, dy| 2.0 * x.max(0.0) * dy)
}

/// The same as [`squared_relu`] in plain, differentiable Burn operations.
pub fn squared_relu_reference<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    relu(x).powi_scalar(2)
}

fn map_rows(
    [n_rows, n_columns]: [usize; 2],
    a: &[f32],
    b: &[f32],
    f: impl Fn(f32, f32) -> f32 + Copy + Sync,
) -> Tensor<2> {
    let mut out = Unwritten::new(n_rows * n_columns);
    let rows = out.rows();
    for_rows(n_rows, |range| Map {
        a,
        b,
        out: &rows,
        n_columns,
        range,
        f,
    });
    // SAFETY: the tasks above wrote every row.
    unsafe { written(out, [n_rows, n_columns]) }
}

struct Map<'a, F> {
    a: &'a [f32],
    b: &'a [f32],
    out: &'a Rows<'a>,
    n_columns: usize,
    range: Range<usize>,
    f: F,
}

impl<F: Fn(f32, f32) -> f32> Task for Map<'_, F> {
    #[inline(always)]
    fn run<const FMA: bool>(&self) {
        let (start, len) = (
            self.range.start * self.n_columns,
            self.range.len() * self.n_columns,
        );
        // SAFETY: every task writes the rows of its own range.
        let out = unsafe { self.out.slice(start, len) };
        let inputs = self.a[start..][..len].iter().zip(&self.b[start..][..len]);
        for (out, (a, b)) in out.iter_mut().zip(inputs) {
            *out = (self.f)(*a, *b);
        }
    }
}
