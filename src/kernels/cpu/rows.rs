//! One output buffer, written by many threads in disjoint rows.

use std::marker::PhantomData;
use std::mem::MaybeUninit;

/// An output that is not written yet: clearing it first would be a pass over
/// memory for nothing.
pub(crate) struct Unwritten(Box<[MaybeUninit<f32>]>);

impl Unwritten {
    pub(crate) fn new(len: usize) -> Self {
        Self(Box::new_uninit_slice(len))
    }

    /// The buffer for many threads.
    pub(crate) fn rows(&mut self) -> Rows<'_> {
        Rows {
            start: self.0.as_mut_ptr().cast(),
            len: self.0.len(),
            buffer: PhantomData,
        }
    }

    /// The numbers.
    ///
    /// # Safety
    /// Every one of them was written.
    pub(crate) unsafe fn written(self) -> Vec<f32> {
        // SAFETY: by contract.
        unsafe { self.0.assume_init() }.into_vec()
    }
}

/// A mutable buffer whose parts are handed to several threads.
pub(crate) struct Rows<'a> {
    start: *mut f32,
    len: usize,
    buffer: PhantomData<&'a mut [f32]>,
}

// SAFETY: the only access is `slice`, whose callers promise disjoint ranges.
unsafe impl Sync for Rows<'_> {}

impl<'a> Rows<'a> {
    /// A slice for many threads.
    pub(crate) fn of(slice: &'a mut [f32]) -> Self {
        Self {
            start: slice.as_mut_ptr(),
            len: slice.len(),
            buffer: PhantomData,
        }
    }

    /// Where the buffer begins.
    pub(crate) fn start(&self) -> *mut f32 {
        self.start
    }

    /// Numbers of the buffer.
    #[inline(always)]
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// The range `start .. start + len` of the buffer, to be written before it
    /// is read.
    ///
    /// # Safety
    /// While the slice lives, no other slice may overlap it.
    ///
    /// # Panics
    /// Where the range leaves the buffer.
    #[inline(always)]
    #[expect(clippy::mut_from_ref, reason = "callers promise disjoint ranges")]
    pub(crate) unsafe fn slice(&self, start: usize, len: usize) -> &mut [f32] {
        assert!(start + len <= self.len, "row outside the buffer");
        // SAFETY: inside the buffer, and disjoint from every other live slice by contract.
        unsafe { std::slice::from_raw_parts_mut(self.start.add(start), len) }
    }
}
