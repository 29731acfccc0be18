//! What kernels of a GPU take while somebody asks: device time by kernel, and
//! the most memory that was in use. Measuring waits for every kernel, so a step
//! that is measured is slower than one that is not.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use cubecl::MemoryScope;
use cubecl::client::Client;
use cubecl::future::block_on;

/// What was seen of one kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct KernelTime {
    /// Launches.
    pub n_launches: usize,
    /// On the device, together.
    pub time: Duration,
}

/// What was seen since [`start`].
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct KernelProfile {
    /// By name.
    pub kernels: BTreeMap<&'static str, KernelTime>,
    /// The most bytes in use at the end of a kernel.
    pub peak_bytes: u64,
    /// The most bytes that were taken from the device, in use or not.
    pub reserved_bytes: u64,
}

static IS_ON: AtomicBool = AtomicBool::new(false);
static MEASURED: Mutex<KernelProfile> = Mutex::new(KernelProfile {
    kernels: BTreeMap::new(),
    peak_bytes: 0,
    reserved_bytes: 0,
});

/// Forgets what was seen and measures from here on.
pub fn start() {
    *MEASURED.lock().unwrap_or_else(PoisonError::into_inner) = KernelProfile::default();
    IS_ON.store(true, Ordering::Release);
}

/// What was seen; measures no more.
pub fn stop() -> KernelProfile {
    IS_ON.store(false, Ordering::Release);
    std::mem::take(&mut MEASURED.lock().unwrap_or_else(PoisonError::into_inner))
}

/// Launches a kernel, measured if that is asked for.
pub(super) fn launched(name: &'static str, client: &Client, launch: impl FnOnce() + Send) {
    if !IS_ON.load(Ordering::Acquire) {
        return launch();
    }
    let Ok(((), window)) = client.profile(launch, name) else {
        return;
    };
    let time = block_on(window.resolve()).map_or(Duration::ZERO, |ticks| ticks.duration());
    let usage = client.memory_report(MemoryScope::Device).usage();
    let mut measured = MEASURED.lock().unwrap_or_else(PoisonError::into_inner);
    measured.peak_bytes = measured.peak_bytes.max(usage.bytes_in_use);
    measured.reserved_bytes = measured.reserved_bytes.max(usage.bytes_reserved);
    let kernel = measured.kernels.entry(name).or_default();
    kernel.n_launches += 1;
    kernel.time += time;
}
