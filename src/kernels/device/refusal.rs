//! Memory that a device refused while it computed. wgpu tells of it where a
//! buffer is made, on a thread of the runtime, in a panic that ends there; who
//! reads what was to lie in the buffer hears only that there is nothing.

use std::panic::{set_hook, take_hook};
use std::sync::Once;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::format::byte_size;

/// How the compute libraries say that memory ran out.
const OUT_OF_MEMORY: [&str; 4] = [
    "out of memory",
    "out of device memory",
    "can't allocate buffer",
    "not enough memory",
];

/// How [`too_large`] begins. It counts as memory that ran out, for less of
/// everything helps there, too.
const TOO_LARGE: &str = "not enough memory in one buffer";

/// What was refused on any thread.
static REFUSALS: Refusals = Refusals(AtomicBool::new(false));

/// Whether memory was refused since somebody asked.
struct Refusals(AtomicBool);

impl Refusals {
    fn hear(&self, message: &str) {
        if says_out_of_memory(message) {
            self.0.store(true, Ordering::SeqCst);
        }
    }

    fn take(&self) -> bool {
        self.0.swap(false, Ordering::SeqCst)
    }
}

/// Whether a message of the compute libraries says that memory ran out.
pub fn says_out_of_memory(message: &str) -> bool {
    let message = message.to_lowercase();
    OUT_OF_MEMORY.iter().any(|words| message.contains(words))
}

/// What is said of a kernel that needs a tensor of `n_bytes` on a device that
/// binds `most` bytes as one.
pub(crate) fn too_large(kernel: &str, n_bytes: u64, most: u64) -> String {
    format!(
        "{TOO_LARGE}: {kernel} needs a tensor of {}, the device holds at most {} in one",
        byte_size(n_bytes),
        byte_size(most)
    )
}

/// Whether a message says that a tensor was too large for the device.
pub fn says_too_large(message: &str) -> bool {
    message.contains(TOO_LARGE)
}

/// Whether a GPU has refused memory since this was asked the last time.
pub fn take_refusal() -> bool {
    REFUSALS.take()
}

/// Notices refusals from now on. Every panic goes where it went before, too.
pub(super) fn watch() {
    static WATCHED: Once = Once::new();
    WATCHED.call_once(|| {
        let others = take_hook();
        set_hook(Box::new(move |panic| {
            if let Some(message) = panic.payload_as_str() {
                REFUSALS.hear(message);
            }
            others(panic);
        }));
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    /// In the words of wgpu 30, its Vulkan driver and cubecl 0.11.
    #[test]
    fn memory_that_ran_out_is_told_from_other_trouble_and_told_once() {
        let refusals = Refusals(AtomicBool::new(false));
        for message in [
            "An IO error happened Caused by: can't allocate buffer of size: 138412032",
            "out of device memory allocating 1024 bytes",
            "wgpu error: Out of Memory",
            "Not enough memory left.",
        ] {
            refusals.hear(message);
            assert!(refusals.take(), "{message}");
            assert!(!refusals.take(), "{message}");
        }
        refusals.hear("wgpu error: Validation Error");
        assert!(!refusals.take());
        let message = too_large("product", 3 << 30, 2 << 30);
        assert!(says_too_large(&message) && says_out_of_memory(&message));
        assert!(
            message.contains("product needs a tensor of 3.00 GiB"),
            "{message}"
        );
        assert!(!says_too_large("wgpu error: Out of Memory"));
    }
}
