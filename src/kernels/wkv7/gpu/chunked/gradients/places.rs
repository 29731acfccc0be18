//! Where the gradients' kernel has its numbers in shared memory.

use cubecl::prelude::*;

use super::super::decays::{PAIR, PAIR_STRIDE, TOKENS, WIDE_PAIR, stride_of, wide_stride};
use super::super::fragment::{Eight, Factors, Four};

/// Where a cube's numbers lie in shared memory; what is counted is 16 bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Places {
    pub(super) n: usize,
}

/// What is put down at the end.
pub(super) const SUMS: usize = 7;
/// Products of tokens with tokens in 16 bits.
pub(super) const PAIRS: usize = 7;
/// As many of them lie in 32 bits at once.
pub(super) const WIDE_PAIRS: usize = 5;

impl Places {
    pub(super) const fn vectors(self) -> usize {
        TOKENS * stride_of(self.n)
    }

    pub(super) const fn sums(self) -> usize {
        TOKENS * wide_stride(self.n)
    }

    /// dy, dU, v and what becomes dU through T. In front of them lies D', then S'.
    pub(super) const fn values(self) -> usize {
        self.n * stride_of(self.n)
    }

    /// r', removal', k' and write'.
    pub(super) const fn keys(self) -> usize {
        self.values() + 4 * self.vectors()
    }

    /// The transpose of U.
    pub(super) const fn removed(self) -> usize {
        self.keys() + 4 * self.vectors()
    }

    /// The transpose of T.
    pub(super) const fn inverse(self) -> usize {
        self.removed() + self.n * PAIR_STRIDE
    }

    /// Products of tokens, behind all that, which makes room for the sums at the end.
    pub(super) const fn pairs(self) -> usize {
        let factors = self.inverse() + PAIR;
        let sums = SUMS * self.sums();
        if factors > sums { factors } else { sums }
    }

    /// The same in 32 bits; before them, the logarithms of decays.
    pub(super) const fn wide_pairs(self) -> usize {
        self.pairs() + PAIRS * PAIR
    }

    pub(super) const fn all(self) -> usize {
        self.wide_pairs() + WIDE_PAIRS * WIDE_PAIR
    }

    /// Vectors by a state, as both are stored.
    pub(super) const fn plain(self) -> Factors {
        factors([stride_of(self.n), stride_of(self.n)], [false, false])
    }

    /// Vectors by the transpose of what lies in rows as long.
    pub(super) const fn by_rows(self) -> Factors {
        factors([stride_of(self.n), stride_of(self.n)], [false, true])
    }

    /// Vectors by the transpose of U.
    pub(super) const fn by_removed(self) -> Factors {
        factors([stride_of(self.n), PAIR_STRIDE], [false, false])
    }

    /// Products of tokens by vectors.
    pub(super) const fn of_pairs(self) -> Factors {
        factors([PAIR_STRIDE, stride_of(self.n)], [false, false])
    }

    /// The transpose of such products, or U where its transpose is stored, by vectors or a
    /// state.
    pub(super) const fn of_pairs_turned(self) -> Factors {
        factors([PAIR_STRIDE, stride_of(self.n)], [true, false])
    }
}

const fn factors(
    [a_stride, b_stride]: [usize; 2],
    [a_is_turned, b_is_turned]: [bool; 2],
) -> Factors {
    Factors {
        a_stride,
        a_is_turned,
        b_stride,
        b_is_turned,
    }
}

/// Bytes of shared memory that the kernel takes for heads of `n`.
pub(in super::super::super) const fn bytes(n: usize) -> usize {
    16 * (Places { n }.all() + n / 4)
}

/// To the sum of the table at `other`, over all tokens, adds the running sum from the
/// end, behind each token, of the one at `at`.
#[cube]
pub(super) fn run_back(
    shared: &mut Shared<[Eight]>,
    at: usize,
    other: usize,
    #[comptime] width: usize,
) {
    let mut sum = Four::new(0.0f32);
    #[unroll]
    for t in 0..TOKENS {
        sum += Four::reinterpret(shared[other + comptime!(t * width)]);
    }
    #[unroll]
    for back in 0..TOKENS {
        let place = at + comptime!((TOKENS - 1 - back) * width);
        let here = Four::reinterpret(shared[place]);
        shared[place] = Eight::reinterpret(sum);
        sum += here;
    }
}
