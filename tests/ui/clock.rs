//! Time that this thread computed, so that a busy machine does not count.

use std::time::Duration;

/// A moment of this thread's own time.
pub struct OwnTime(Duration);

impl OwnTime {
    pub fn now() -> Self {
        Self(own_time())
    }

    pub fn elapsed(&self) -> Duration {
        own_time().saturating_sub(self.0)
    }
}

#[cfg(unix)]
fn own_time() -> Duration {
    let mut time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: the pointer is that of a `timespec` of ours.
    let failed = unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &raw mut time) };
    assert_eq!(failed, 0);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

/// Elsewhere it is the time on the wall.
#[cfg(not(unix))]
fn own_time() -> Duration {
    use std::sync::LazyLock;
    use std::time::Instant;
    static START: LazyLock<Instant> = LazyLock::new(Instant::now);
    START.elapsed()
}
