//! Numbers in 16 bits on their way between memory and registers.

use cubecl::prelude::*;
use half::f16;

use super::Eight;
use crate::kernels::matrix::gpu::Four;
use crate::kernels::product::gpu::finish::{Start, started};

/// Four numbers in 16 bits each, in pairs.
pub(super) type Halves = Vector<u32, Const<2>>;

/// Four numbers in 16 bits.
type FourHalves = Vector<f16, Const<4>>;

/// The largest number of 16 bits.
const LARGEST: i64 = 65_504;

/// Numbers of 16 bits without infinite ones. Cut here and not in 32 bits, of which a
/// unit can cut one at a time and not two.
#[cube]
fn in_range(x: FourHalves) -> Halves {
    let most = FourHalves::new(f16::from_int(LARGEST));
    Halves::reinterpret(clamp(x, -most, most))
}

/// Four numbers in 16 bits each, in pairs, the largest ones in place of larger ones.
#[cube]
pub(super) fn halves(x: Four) -> Halves {
    in_range(FourHalves::cast_from(x))
}

/// The other way round.
#[cube]
pub(super) fn widened(x: Halves) -> Four {
    Four::cast_from(FourHalves::reinterpret(x))
}

/// `max(x, 0)^2` of four numbers in 16 bits.
#[cube]
pub(super) fn squared_halves(x: Halves) -> Halves {
    let positive = max(
        FourHalves::reinterpret(x),
        FourHalves::new(f16::from_int(0)),
    );
    in_range(positive * positive)
}

/// Eight numbers of two fours.
#[cube]
pub(super) fn joined(low: Halves, high: Halves) -> Eight {
    let mut eight = Eight::new(0u32);
    eight.insert(0usize, low.extract(0usize));
    eight.insert(1usize, low.extract(1usize));
    eight.insert(2usize, high.extract(0usize));
    eight.insert(3usize, high.extract(1usize));
    eight
}

/// Four number `which` of the two of eight numbers.
#[cube]
pub(super) fn half_of(eight: Eight, #[comptime] which: usize) -> Halves {
    let mut four = Halves::new(0u32);
    four.insert(0usize, eight.extract(comptime!(2 * which)));
    four.insert(1usize, eight.extract(comptime!(2 * which + 1)));
    four
}

/// Eight numbers of a factor, as they are multiplied.
#[cube]
pub(super) fn narrowed(low: Four, high: Four, #[comptime] start: Start) -> Eight {
    joined(
        halves(started(low, start, true)),
        halves(started(high, start, true)),
    )
}
