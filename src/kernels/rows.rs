//! One output buffer, written by many threads in disjoint rows.

use std::marker::PhantomData;

/// A mutable buffer whose parts are handed to several threads.
pub(super) struct Rows<'a> {
    start: *mut f32,
    len: usize,
    buffer: PhantomData<&'a mut [f32]>,
}

// SAFETY: the only access is `slice`, whose callers promise disjoint ranges.
unsafe impl Sync for Rows<'_> {}

impl<'a> Rows<'a> {
    pub(super) fn new(buffer: &'a mut [f32]) -> Self {
        Self {
            start: buffer.as_mut_ptr(),
            len: buffer.len(),
            buffer: PhantomData,
        }
    }

    /// The range `start .. start + len` of the buffer.
    ///
    /// # Safety
    /// While the slice lives, no other slice may overlap it.
    ///
    /// # Panics
    /// Where the range leaves the buffer.
    #[inline(always)]
    #[expect(clippy::mut_from_ref, reason = "callers promise disjoint ranges")]
    pub(super) unsafe fn slice(&self, start: usize, len: usize) -> &mut [f32] {
        assert!(start + len <= self.len, "row outside the buffer");
        // SAFETY: inside the buffer, and disjoint from every other live slice by contract.
        unsafe { std::slice::from_raw_parts_mut(self.start.add(start), len) }
    }
}
