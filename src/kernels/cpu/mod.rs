//! What operators on the CPU share: tensors as slices, rows for threads, and SIMD.

pub(crate) mod rows;
pub(crate) mod simd;
pub(crate) mod tensor;
