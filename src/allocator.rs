//! The allocator of the program.
//!
//! Tensors of a megabyte come and go thousands of times a second; the system's
//! allocator would give each back and fetch it again, page by page.

use std::ffi::c_long;

#[cfg(not(test))]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[cfg(test)]
#[global_allocator]
static ALLOCATOR: counted::CountingAllocator = counted::CountingAllocator;

/// `mi_option_purge_delay` of `mimalloc.h`, which the bindings do not name.
const PURGE_DELAY: libmimalloc_sys::mi_option_t = 15;
/// Milliseconds that freed pages are kept: longer than a step takes, so that
/// the next one finds them, and short enough that an idle program is small.
const KEPT_MS: c_long = 10_000;

/// Keeps freed memory for the next step instead of handing it back at once,
/// which costs a tenth of a step on the CPU.
pub fn keep_freed_memory() {
    // SAFETY: sets a number inside the allocator; a wrong one only changes speed.
    unsafe { libmimalloc_sys::mi_option_set(PURGE_DELAY, KEPT_MS) };
}

/// The same allocator, which in tests knows what each thread holds.
#[cfg(test)]
pub(crate) mod counted {
    use std::alloc::{GlobalAlloc, Layout};
    use std::cell::Cell;

    use mimalloc::MiMalloc;

    pub(crate) struct CountingAllocator;

    thread_local! {
        /// Bytes held now and at most since the last start. A thread may free
        /// what another one took, so the first may fall below zero.
        static HELD: Cell<(isize, isize)> = const { Cell::new((0, 0)) };
    }

    fn add(bytes: isize) {
        // A thread that ends has none any more.
        let _ = HELD.try_with(|held| {
            let (now, peak) = held.get();
            let now = now.wrapping_add(bytes);
            held.set((now, peak.max(now)));
        });
    }

    // SAFETY: every call is mimalloc's; the count allocates nothing.
    unsafe impl GlobalAlloc for CountingAllocator {
        unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
            add(layout.size().cast_signed());
            // SAFETY: as the caller's.
            unsafe { MiMalloc.alloc(layout) }
        }

        unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
            add(layout.size().cast_signed());
            // SAFETY: as the caller's.
            unsafe { MiMalloc.alloc_zeroed(layout) }
        }

        unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
            add(-layout.size().cast_signed());
            // SAFETY: as the caller's.
            unsafe { MiMalloc.dealloc(pointer, layout) }
        }

        unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
            // Both may be held for a moment.
            add(size.cast_signed());
            // SAFETY: as the caller's.
            let moved = unsafe { MiMalloc.realloc(pointer, layout, size) };
            add(-layout.size().cast_signed());
            moved
        }
    }

    /// The most memory that this thread takes from its start on.
    pub(crate) struct Peak(isize);

    impl Peak {
        pub(crate) fn start() -> Self {
            Self(HELD.with(|held| {
                let (now, _) = held.get();
                held.set((now, now));
                now
            }))
        }

        /// What this thread holds now.
        pub(crate) fn held() -> usize {
            usize::try_from(HELD.with(Cell::get).0).unwrap_or(0)
        }

        pub(crate) fn bytes(&self) -> usize {
            let (_, peak) = HELD.with(Cell::get);
            usize::try_from(peak - self.0).unwrap_or(0)
        }
    }

    #[test]
    fn the_most_that_is_held_at_once_is_counted() {
        let peak = Peak::start();
        drop(vec![1_u8; 30_000]);
        let held = std::hint::black_box(vec![2_u8; 20_000]);
        assert!((30_000..40_000).contains(&peak.bytes()), "{}", peak.bytes());
        drop(held);
    }
}
