//! Between Burn's tensors on the CPU and slices of numbers, and work on all
//! threads.

use std::ops::Range;

use burn::backend::Flex;
use burn::tensor::{Tensor, TensorData};
use burn_flex::FlexTensor;
use rayon::prelude::*;

use super::rows::Unwritten;
use super::simd::{Task, run};

/// Rows of one task of [`for_rows`]: a few tens of kilobytes, so that it stays
/// in the second-level cache and is worth a thread.
const ROWS_PER_TASK: usize = 16;

/// A contiguous tensor on the CPU.
pub(crate) struct Flat(FlexTensor);

impl Flat {
    pub(crate) fn new<const D: usize>(tensor: &Tensor<D>) -> Self {
        let flex = tensor
            .clone()
            .try_into_primitive::<Flex>()
            .unwrap_or_else(|error| unreachable!("the device was checked: {error:?}"));
        Self(flex.to_contiguous())
    }

    pub(crate) fn slice(&self) -> &[f32] {
        self.0
            .as_slice()
            .unwrap_or_else(|| unreachable!("made contiguous, and the operator is f32"))
    }
}

/// The tensor, row-major, of an output that a kernel has written.
///
/// # Safety
/// Every number of it was written.
pub(crate) unsafe fn written<const D: usize>(out: Unwritten, shape: [usize; D]) -> Tensor<D> {
    // SAFETY: by contract.
    let values = unsafe { out.written() };
    Tensor::from_primitive::<Flex>(FlexTensor::from_data(TensorData::new(values, shape)))
}

/// Runs the task that `task` makes of every stretch of `n_rows` rows, on all
/// threads, each with the best instruction set.
pub(crate) fn for_rows<T: Task>(n_rows: usize, task: impl Fn(Range<usize>) -> T + Sync) {
    if n_rows <= ROWS_PER_TASK {
        return run(&task(0..n_rows));
    }
    (0..n_rows.div_ceil(ROWS_PER_TASK))
        .into_par_iter()
        .for_each(|idx| {
            let start = idx * ROWS_PER_TASK;
            run(&task(start..n_rows.min(start + ROWS_PER_TASK)));
        });
}
