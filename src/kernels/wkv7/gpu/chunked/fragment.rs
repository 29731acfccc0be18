//! Products of 16 by 16 numbers in 16 bits with 32-bit sums, which a plane of 32
//! units takes together on the matrix units of a GPU. Tests have them in plain
//! arithmetic too, with the same rounding of the factors, so that the kernels run on
//! devices without matrix units.

use cubecl::prelude::*;
use half::f16;

pub(super) use crate::kernels::halves::Eight;
use crate::kernels::halves::{fragment, half_of, joined, widened};

/// Four numbers.
pub(super) type Four = Vector<f32, Const<4>>;

/// The largest number that 16 bits hold.
const LARGEST: f32 = 65_504.0;

/// How the factors of a product lie in shared memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Factors {
    /// Eights between the rows of the first one, as it is stored.
    pub a_stride: usize,
    /// Whether what is stored is its transpose.
    pub a_is_turned: bool,
    /// As of the first one, of the second.
    pub b_stride: usize,
    /// As of the first one, of the second.
    pub b_is_turned: bool,
}

/// What multiplies.
#[cube]
pub(super) trait Fragments: Send + Sync + 'static {
    /// Sixteen by sixteen sums.
    type Sums: CubeType;

    /// Sums of nothing.
    fn none() -> Self::Sums;

    /// Adds the product of the factors at `a` and `b`.
    fn add_product(
        shared: &Shared<[Eight]>,
        sums: &mut Self::Sums,
        a: usize,
        b: usize,
        #[comptime] factors: Factors,
    );

    /// Puts the sums down in 32 bits at `at`, rows `stride` fours apart.
    fn put(sums: &Self::Sums, shared: &mut Shared<[Eight]>, at: usize, #[comptime] stride: usize);

    /// As [`Fragments::put`], of the transpose.
    fn put_turned(
        sums: &Self::Sums,
        shared: &mut Shared<[Eight]>,
        at: usize,
        #[comptime] stride: usize,
    );

    /// Puts the sums down as factors at `at`, rows `stride` eights apart.
    fn put_narrowed(
        sums: &Self::Sums,
        shared: &mut Shared<[Eight]>,
        at: usize,
        #[comptime] stride: usize,
    );

    /// Eight numbers as they are multiplied, kept in the range of 16 bits.
    fn narrowed(low: Four, high: Four) -> Eight;

    /// The numbers again.
    fn widened(eight: Eight) -> Array<Four>;

    /// Waits until the plane's units are here and see what each put down.
    fn sync();
}

/// Eight numbers, kept in the range of 16 bits.
#[cube]
pub(super) fn clamped(x: Four) -> Four {
    clamp(x, Four::new(-LARGEST), Four::new(LARGEST))
}

/// Matrix units.
pub(super) struct MatrixUnits;

#[cube]
impl Fragments for MatrixUnits {
    type Sums = cmma::Matrix<f32>;

    fn none() -> cmma::Matrix<f32> {
        cmma::Matrix::<f32>::from_value(
            cmma::MatrixIdent::Accumulator,
            16usize,
            16usize,
            16usize,
            cmma::MatrixLayout::Undefined,
            0.0f32,
        )
    }

    fn add_product(
        shared: &Shared<[Eight]>,
        sums: &mut cmma::Matrix<f32>,
        a: usize,
        b: usize,
        #[comptime] factors: Factors,
    ) {
        let a_stride = comptime!(factors.a_stride);
        let b_stride = comptime!(factors.b_stride);
        let of_a = loaded(
            shared,
            a,
            cmma::MatrixIdent::A,
            factors.a_is_turned,
            a_stride,
        );
        let of_b = loaded(
            shared,
            b,
            cmma::MatrixIdent::B,
            factors.b_is_turned,
            b_stride,
        );
        cmma::execute(&of_a, &of_b, &*sums, &*sums);
    }

    fn put(
        sums: &cmma::Matrix<f32>,
        shared: &mut Shared<[Eight]>,
        at: usize,
        #[comptime] stride: usize,
    ) {
        cmma::store(
            &mut shared[at..at + comptime!(15 * stride + 4)],
            sums,
            comptime!(4 * stride as u32),
            cmma::MatrixLayout::RowMajor,
        );
    }

    fn put_turned(
        sums: &cmma::Matrix<f32>,
        shared: &mut Shared<[Eight]>,
        at: usize,
        #[comptime] stride: usize,
    ) {
        cmma::store(
            &mut shared[at..at + comptime!(15 * stride + 4)],
            sums,
            comptime!(4 * stride as u32),
            cmma::MatrixLayout::ColMajor,
        );
    }

    fn put_narrowed(
        sums: &cmma::Matrix<f32>,
        shared: &mut Shared<[Eight]>,
        at: usize,
        #[comptime] stride: usize,
    ) {
        let narrow = cmma::cast::<f32, f16, cmma::Plane>(sums);
        cmma::store(
            &mut shared[at..at + comptime!(15 * stride + 2)],
            &narrow,
            comptime!(4 * stride as u32),
            cmma::MatrixLayout::RowMajor,
        );
    }

    fn widened(eight: Eight) -> Array<Four> {
        let mut numbers = Array::<Four>::new(2usize);
        #[unroll]
        for half in 0..2usize {
            numbers[half] = widened(half_of(eight, half));
        }
        numbers
    }

    fn sync() {
        sync_plane();
    }

    fn narrowed(low: Four, high: Four) -> Eight {
        let low =
            Vector::<u32, Const<2>>::reinterpret(Vector::<f16, Const<4>>::cast_from(clamped(low)));
        let high =
            Vector::<u32, Const<2>>::reinterpret(Vector::<f16, Const<4>>::cast_from(clamped(high)));
        joined(low, high)
    }
}

/// Sixteen rows of sixteen numbers, `stride` eights apart.
#[cube]
fn loaded(
    shared: &Shared<[Eight]>,
    at: usize,
    #[comptime] ident: cmma::MatrixIdent,
    #[comptime] is_turned: bool,
    #[comptime] stride: usize,
) -> cmma::Matrix<f16> {
    let layout = comptime!(if is_turned {
        cmma::MatrixLayout::ColMajor
    } else {
        cmma::MatrixLayout::RowMajor
    });
    fragment(shared, at, ident, layout, stride)
}
