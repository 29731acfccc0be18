//! Numbers in 16 bits on their way between memory and registers.

use cubecl::prelude::*;
use half::f16;

use super::Eight;
use crate::kernels::matrix::gpu::Four;
use crate::kernels::product::gpu::finish::{Start, started};

/// Four numbers in 16 bits each, in pairs.
pub(super) type Halves = Vector<u32, Const<2>>;

/// Four numbers in 16 bits each, in pairs.
#[cube]
pub(super) fn halves(x: Four) -> Halves {
    Halves::reinterpret(Vector::<f16, Const<4>>::cast_from(x))
}

/// The other way round.
#[cube]
pub(super) fn widened(x: Halves) -> Four {
    Four::cast_from(Vector::<f16, Const<4>>::reinterpret(x))
}

/// Eight numbers of a factor, as they are multiplied.
#[cube]
pub(super) fn narrowed(low: Four, high: Four, #[comptime] start: Start) -> Eight {
    let low = halves(started(low, start, true));
    let high = halves(started(high, start, true));
    let mut eight = Eight::new(0u32);
    eight.insert(0usize, low.extract(0usize));
    eight.insert(1usize, low.extract(1usize));
    eight.insert(2usize, high.extract(0usize));
    eight.insert(3usize, high.extract(1usize));
    eight
}

/// Half number `which` of eight numbers.
#[cube]
pub(super) fn half_of(eight: Eight, #[comptime] which: usize) -> Four {
    let mut pairs = Halves::new(0u32);
    pairs.insert(0usize, eight.extract(comptime!(2 * which)));
    pairs.insert(1usize, eight.extract(comptime!(2 * which + 1)));
    widened(pairs)
}
