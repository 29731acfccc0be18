//! The processor, as it is listed to the user.

use std::fmt;
use std::num::NonZero;
use std::thread::available_parallelism;

/// The processor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Processor {
    /// Threads that it runs side by side, as far as this program may use them.
    pub n_threads: usize,
    /// The instruction set that the operators use.
    pub instruction_set: &'static str,
}

impl fmt::Display for Processor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            n_threads,
            instruction_set,
        } = self;
        let s = if *n_threads == 1 { "" } else { "s" };
        write!(f, "CPU, {n_threads} thread{s}, {instruction_set}")
    }
}

/// This machine's processor.
pub fn processor() -> Processor {
    Processor {
        n_threads: available_parallelism().map_or(1, NonZero::get),
        instruction_set: instruction_set(),
    }
}

/// The choice that `simd.rs` makes.
fn instruction_set() -> &'static str {
    #[cfg(target_arch = "x86_64")]
    {
        let has_v3 = is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma");
        let has_v4 = is_x86_feature_detected!("avx512f")
            && is_x86_feature_detected!("avx512vl")
            && is_x86_feature_detected!("avx512bw")
            && is_x86_feature_detected!("avx512dq");
        match (has_v3, has_v4) {
            (true, true) => "AVX-512",
            (true, false) => "AVX2",
            (false, true | false) => "SSE2",
        }
    }
    #[cfg(target_arch = "aarch64")]
    {
        "NEON"
    }
    #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
    {
        std::env::consts::ARCH
    }
}
