//! Numbers in 16 bits on a GPU, which products on matrix units read: activations as they
//! are, gradients [`GRADIENT_SCALE`] times, so that small ones survive.

use cubecl::prelude::*;
use half::f16;

/// Eight columns of a row in 16 bits each, in pairs; or four in 32.
pub(crate) type Eight = Vector<u32, Const<4>>;

/// Four numbers in 16 bits each, in pairs.
pub(crate) type Halves = Vector<u32, Const<2>>;

/// Four numbers.
type Four = Vector<f32, Const<4>>;

/// Four numbers in 16 bits.
type FourHalves = Vector<f16, Const<4>>;

/// Gradients of a mean over thousands of tokens come near one by it.
pub(crate) const GRADIENT_SCALE: f32 = 4096.0;

/// The largest number of 16 bits.
const LARGEST: i64 = 65_504;

/// Words that four numbers lie in.
pub(crate) const fn words_of_four(in_halves: bool) -> usize {
    if in_halves { 2 } else { 4 }
}

/// Numbers of 16 bits without infinite ones. Cut here and not in 32 bits, of which a
/// unit can cut one at a time and not two.
#[cube]
fn in_range(x: FourHalves) -> Halves {
    let most = FourHalves::new(f16::from_int(LARGEST));
    Halves::reinterpret(clamp(x, -most, most))
}

/// Four numbers in 16 bits each, in pairs, the largest ones in place of larger ones.
#[cube]
pub(crate) fn halves(x: Four) -> Halves {
    in_range(FourHalves::cast_from(x))
}

/// The other way round.
#[cube]
pub(crate) fn widened(x: Halves) -> Four {
    Four::cast_from(FourHalves::reinterpret(x))
}

/// Four numbers in so many words as [`words_of_four`] says.
#[cube]
pub(crate) fn stored<P: Size>(x: Four, #[comptime] in_halves: bool) -> Vector<u32, P> {
    if comptime!(in_halves) {
        Vector::<u32, P>::reinterpret(halves(x))
    } else {
        Vector::<u32, P>::reinterpret(x)
    }
}

/// The other way round.
#[cube]
pub(crate) fn loaded<P: Size>(x: Vector<u32, P>, #[comptime] in_halves: bool) -> Four {
    if comptime!(in_halves) {
        widened(Halves::reinterpret(x))
    } else {
        Four::reinterpret(x)
    }
}

/// `max(x, 0)^2` of four numbers in 16 bits.
#[cube]
pub(crate) fn squared_halves(x: Halves) -> Halves {
    let positive = max(
        FourHalves::reinterpret(x),
        FourHalves::new(f16::from_int(0)),
    );
    in_range(positive * positive)
}

/// Eight numbers of two fours.
#[cube]
pub(crate) fn joined(low: Halves, high: Halves) -> Eight {
    let mut eight = Eight::new(0u32);
    eight.insert(0usize, low.extract(0usize));
    eight.insert(1usize, low.extract(1usize));
    eight.insert(2usize, high.extract(0usize));
    eight.insert(3usize, high.extract(1usize));
    eight
}

/// Four number `which` of the two of eight numbers.
#[cube]
pub(crate) fn half_of(eight: Eight, #[comptime] which: usize) -> Halves {
    let mut four = Halves::new(0u32);
    four.insert(0usize, eight.extract(comptime!(2 * which)));
    four.insert(1usize, eight.extract(comptime!(2 * which + 1)));
    four
}

/// Sixteen rows of sixteen numbers for matrix units, `stride` eights apart.
#[cube]
pub(crate) fn fragment(
    shared: &Shared<[Eight]>,
    at: usize,
    #[comptime] ident: cmma::MatrixIdent,
    #[comptime] layout: cmma::MatrixLayout,
    #[comptime] stride: usize,
) -> cmma::Matrix<f16> {
    // SAFETY: it is loaded at once.
    let mut fragment =
        unsafe { cmma::Matrix::<f16>::uninitialized(ident, 16usize, 16usize, 16usize, layout) };
    // Strides count numbers of the vectors' elements.
    cmma::load(
        &mut fragment,
        &shared[at..at + comptime!(15 * stride + 2)],
        comptime!(4 * stride as u32),
    );
    fragment
}
