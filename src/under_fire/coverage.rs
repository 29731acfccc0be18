//! Which edges of this crate ran: the counters that LLVM's coverage sanitizer
//! puts into the code (clang.llvm.org/docs/SanitizerCoverage.html). Without the
//! sanitizer there are none, and nothing is found out.

use std::collections::BTreeMap;
use std::slice;
use std::sync::{Mutex, PoisonError};

/// Counters that are looked at together.
const BLOCK: usize = 256;

/// Address and length of every array of counters.
static COUNTERS: Mutex<BTreeMap<usize, usize>> = Mutex::new(BTreeMap::new());

/// Called for every object file before `main`.
///
/// # Safety
/// The sanitizer gives the bounds of one array of counters.
#[unsafe(no_mangle)]
unsafe extern "C" fn __sanitizer_cov_8bit_counters_init(start: *mut u8, stop: *mut u8) {
    if let Ok(mut counters) = COUNTERS.lock() {
        counters.insert(start as usize, stop as usize - start as usize);
    }
}

/// Inputs between two looks at the counters that no input has moved so far.
const LOOK_ROUND: u64 = 256;

/// Counters that lie together, and which of their edges were seen with which
/// orders of magnitude.
struct Block {
    at: usize,
    len: usize,
    seen: [u8; BLOCK],
    is_active: bool,
}

impl Block {
    fn counts(&mut self) -> &mut [u8] {
        // SAFETY: a part of the sanitizer's own array, which lives as long as
        // the program. Other threads may count there too, which is noise.
        unsafe { slice::from_raw_parts_mut(self.at as *mut u8, self.len) }
    }
}

/// The edges seen so far.
pub(super) struct Coverage {
    blocks: Vec<Block>,
    n_inputs: u64,
}

impl Coverage {
    pub(super) fn new() -> Self {
        let arrays = COUNTERS.lock().unwrap_or_else(PoisonError::into_inner);
        let blocks = arrays.iter().flat_map(|(start, len)| {
            (0..*len).step_by(BLOCK).map(move |offset| Block {
                at: start + offset,
                len: BLOCK.min(len - offset),
                seen: [0; BLOCK],
                is_active: false,
            })
        });
        Self {
            blocks: blocks.collect(),
            n_inputs: 0,
        }
    }

    /// Whether the code counts at all.
    pub(super) fn is_there(&self) -> bool {
        !self.blocks.is_empty()
    }

    /// Sets the counters to zero before an input.
    pub(super) fn clear(&mut self) {
        let looks_round = self.n_inputs < 8 || self.n_inputs.is_multiple_of(LOOK_ROUND);
        self.n_inputs += 1;
        for block in &mut self.blocks {
            if looks_round && !block.is_active {
                block.is_active = block.counts().iter().fold(0, |any, x| any | x) != 0;
            }
            if block.is_active {
                block.counts().fill(0);
            }
        }
    }

    /// Takes in what an input reached; whether any of it is new.
    pub(super) fn gain(&mut self) -> bool {
        let mut is_new = false;
        for block in self.blocks.iter_mut().filter(|block| block.is_active) {
            let mut seen = block.seen;
            for (count, seen) in block.counts().iter().zip(&mut seen) {
                let bucket = bucket(*count);
                is_new |= bucket & !*seen != 0;
                *seen |= bucket;
            }
            block.seen = seen;
        }
        is_new
    }

    /// Edges that were ever reached.
    pub(super) fn n_edges(&self) -> usize {
        let seen = self.blocks.iter().flat_map(|block| &block.seen);
        seen.filter(|seen| **seen != 0).count()
    }
}

/// 1, 2, 3, 4 to 7, 8 to 15, ... as AFL and libFuzzer tell counts apart.
fn bucket(count: u8) -> u8 {
    match count {
        0 => 0,
        1 => 0x01,
        2 => 0x02,
        3 => 0x04,
        4..=7 => 0x08,
        8..=15 => 0x10,
        16..=31 => 0x20,
        32..=127 => 0x40,
        128.. => 0x80,
    }
}
