//! Products on the CPU, by the library that Burn's Flex calls too, without
//! Flex's pass to clear the result and its copy to align it. What is not stored in
//! 32 bits is widened in pieces that stay in the cache.

use std::ops::Range;

use burn::tensor::Tensor;
use rayon::prelude::*;

use super::Stored;
use crate::kernels::cpu::rows::{Rows, Unwritten};
use crate::kernels::cpu::tensor::{Flat, written};
use crate::kernels::matrix::{Matrix, Numbers, Packed};

/// Multiplications below which one thread is faster than handing out work.
const PARALLEL_FROM: usize = 1 << 21;

/// Numbers that are widened for all threads together: 4 MiB.
const LARGE_PIECE: usize = 1 << 20;
/// Numbers that a thread widens for itself: 64 KiB.
const SMALL_PIECE: usize = 1 << 14;
/// Rows of the first factor from which on widening costs little beside the
/// product, so that all threads share one piece.
const MANY_ROWS: usize = 32;
/// Numbers that one thread widens of a large piece at a time.
const WIDENED_AT_ONCE: usize = 1 << 13;

/// `a` [rows, inner] by `b` → [rows, columns].
pub(super) fn product(a: &Tensor<2>, b: &Matrix, stored: Stored) -> Tensor<2> {
    let [n_rows, n_inner] = a.dims();
    let [first, second] = b.dims();
    let n_columns = match stored {
        Stored::Plain => second,
        Stored::Transposed => first,
    };
    assert!(n_inner > 0, "a product has terms");
    let a = Flat::new(a);
    let mut out = Unwritten::new(n_rows * n_columns);
    let sizes = [n_rows, n_inner, n_columns];
    {
        let of_out = out.rows();
        let call = Call {
            a: a.slice(),
            out: &of_out,
            sizes,
            stored,
        };
        match b.numbers() {
            Numbers::Single(b) => {
                let b = Flat::new(b);
                call.multiply(b.slice(), 0..n_columns, 0..n_inner, true);
            }
            Numbers::OnCpu(packed) => call.widen_and_multiply(packed),
            Numbers::OnGpu(_) => unreachable!("the factors lie on one device"),
        }
    }
    // SAFETY: the product has written every element.
    unsafe { written(out, [n_rows, n_columns]) }
}

struct Call<'a> {
    a: &'a [f32],
    out: &'a Rows<'a>,
    /// Rows, inner and columns.
    sizes: [usize; 3],
    stored: Stored,
}

impl Call<'_> {
    /// The product with some columns and some terms, whose part of the second
    /// factor is `b`. What is already there is added to, but for the first terms.
    fn multiply(&self, b: &[f32], columns: Range<usize>, terms: Range<usize>, parallel: bool) {
        let [n_rows, n_inner, n_columns] = self.sizes;
        let (m, n, k) = (n_rows, columns.len(), terms.len());
        if m == 0 || n == 0 {
            return;
        }
        let (b_column, b_row) = match self.stored {
            Stored::Plain => (1, n as isize),
            Stored::Transposed => (k as isize, 1),
        };
        let parallelism = if parallel && m * n * k >= PARALLEL_FROM {
            gemm::Parallelism::Rayon(0)
        } else {
            gemm::Parallelism::None
        };
        assert!(b.len() == n * k && columns.end <= n_columns && terms.end <= n_inner);
        assert!(self.a.len() == n_rows * n_inner && self.out.len() == n_rows * n_columns);
        let is_first = terms.start == 0;
        // SAFETY: the strides stay inside the three buffers, whose sizes were
        // checked; the result is read only where its first terms were written, and
        // no other thread has its columns.
        unsafe {
            gemm::gemm(
                m,
                n,
                k,
                self.out.start().add(columns.start),
                1,
                n_columns as isize,
                !is_first,
                self.a.as_ptr().add(terms.start),
                1,
                n_inner as isize,
                b.as_ptr(),
                b_column,
                b_row,
                if is_first { 0.0 } else { 1.0 },
                1.0,
                false,
                false,
                false,
                parallelism,
            );
        }
    }

    fn widen_and_multiply(&self, b: &Packed) {
        let [n_rows, n_inner, n_columns] = self.sizes;
        let (n_lines, width) = match self.stored {
            Stored::Plain => (n_inner, n_columns),
            Stored::Transposed => (n_columns, n_inner),
        };
        let part = |lines: Range<usize>| match self.stored {
            Stored::Plain => (0..n_columns, lines),
            Stored::Transposed => (lines, 0..n_inner),
        };
        // Terms are added up one piece after the other; columns are apart.
        let is_apart = self.stored == Stored::Transposed;
        let per_thread = is_apart && n_rows < MANY_ROWS && n_rows * b.len >= PARALLEL_FROM;
        let piece = if per_thread { SMALL_PIECE } else { LARGE_PIECE };
        let lines_of_piece = (piece / width.max(1)).max(1);
        let pieces = n_lines.div_ceil(lines_of_piece);
        let one = |idx: usize, scratch: &mut Vec<f32>| {
            let lines = idx * lines_of_piece..n_lines.min((idx + 1) * lines_of_piece);
            scratch.resize(lines.len() * width, 0.0);
            let start = lines.start * width;
            if per_thread {
                b.widen(start..start + scratch.len(), scratch);
            } else {
                widen_on_all_threads(b, start, scratch);
            }
            let (columns, terms) = part(lines);
            self.multiply(scratch, columns, terms, !per_thread);
        };
        if per_thread {
            (0..pieces)
                .into_par_iter()
                .for_each_init(Vec::new, |scratch, idx| one(idx, scratch));
        } else {
            let mut scratch = Vec::new();
            (0..pieces).for_each(|idx| one(idx, &mut scratch));
        }
    }
}

fn widen_on_all_threads(b: &Packed, start: usize, out: &mut [f32]) {
    if out.len() <= 2 * WIDENED_AT_ONCE {
        return b.widen(start..start + out.len(), out);
    }
    out.par_chunks_mut(WIDENED_AT_ONCE)
        .enumerate()
        .for_each(|(idx, out)| {
            let start = start + idx * WIDENED_AT_ONCE;
            b.widen(start..start + out.len(), out);
        });
}
