//! A limit on the memory of a process, set while it runs.

use std::fs;

use libc::{RLIMIT_AS, pid_t, prlimit, rlimit};

/// Lets a process have `more` bytes of addresses beyond those it has now, or as
/// many as it likes.
pub fn limit_addresses(pid: u32, more: Option<u64>) {
    let pid = pid_t::try_from(pid).unwrap();
    let mut limits = rlimit {
        rlim_cur: 0,
        rlim_max: 0,
    };
    // SAFETY: reads the limits of a process of ours into a place of their type.
    let got = unsafe { prlimit(pid, RLIMIT_AS, std::ptr::null(), &raw mut limits) };
    assert_eq!(got, 0, "the limits cannot be read");
    limits.rlim_cur = match more {
        None => limits.rlim_max,
        Some(more) => {
            let statm = fs::read_to_string(format!("/proc/{pid}/statm")).unwrap();
            let pages: u64 = statm.split(' ').next().unwrap().parse().unwrap();
            // SAFETY: a number of the system.
            let page_bytes = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
            pages * u64::try_from(page_bytes).unwrap() + more
        }
    };
    // SAFETY: sets the limits that were read, one of them lower.
    let set = unsafe { prlimit(pid, RLIMIT_AS, &raw const limits, std::ptr::null_mut()) };
    assert_eq!(set, 0, "the limit cannot be set");
}

/// Lines of short examples and, as the last, a long one of `n_digits` tokens;
/// and a seed with which single examples are taken short, short, long.
pub fn long_at_the_third_step(n_digits: usize) -> (String, u64) {
    let short = |n: usize| format!("{{\"prompt\": \"{n} and {n} is\", \"completion\": \" 7\"}}\n");
    let long = "1234567890".repeat(n_digits / 10);
    let lines: String = (2..7).map(short).collect();
    let lines = format!("{lines}{{\"prompt\": \"{long}\", \"completion\": \" 7\"}}\n");
    let is_third = |seed: &u64| {
        let order = gosling::tuning::train::batch::DataOrder::new(6, 1, *seed);
        (0..3)
            .map(|step| order.batch(step)[0] == 5)
            .eq([false, false, true])
    };
    (lines, (0..1000).find(is_third).unwrap())
}
