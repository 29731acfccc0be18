//! Products that one launch makes together: each has factors, columns and terms of its
//! own, and all have the same rows. Their tiles lie side by side in the grid.

use cubecl::prelude::*;

/// One of the products of a launch. Where its tensors begin is counted in what the kernel
/// takes of each at once.
#[derive(CubeType, CubeLaunch)]
pub struct Member {
    /// Which one it is.
    pub number: usize,
    /// Columns of the product.
    pub n: usize,
    /// Terms of its sums.
    pub k: usize,
    /// Its first column of tiles among those of all.
    pub first_tile: usize,
    /// Where the first factor begins.
    pub a: usize,
    /// Where the second factor begins.
    pub b: usize,
    /// Where the scales of the second factor begin, in words.
    pub scales: usize,
    /// Where that begins which the product is finished with.
    pub other: usize,
    /// How many come behind the first of that: none where it is finished with nothing.
    pub last_other: usize,
    /// Where the product begins.
    pub out: usize,
}

/// The member that column number `tile` of the tiles belongs to.
#[cube]
pub fn member_at(members: &Sequence<Member>, tile: usize) -> Member {
    let first = members.index(0usize);
    let mut number = first.number;
    let mut n = first.n;
    let mut k = first.k;
    let mut first_tile = first.first_tile;
    let mut a = first.a;
    let mut b = first.b;
    let mut scales = first.scales;
    let mut other = first.other;
    let mut last_other = first.last_other;
    let mut out = first.out;
    #[unroll]
    for idx in 1..comptime!(members.len()) {
        let next = members.index(idx);
        let is_here = tile >= next.first_tile;
        number = select(is_here, next.number, number);
        n = select(is_here, next.n, n);
        k = select(is_here, next.k, k);
        first_tile = select(is_here, next.first_tile, first_tile);
        a = select(is_here, next.a, a);
        b = select(is_here, next.b, b);
        scales = select(is_here, next.scales, scales);
        other = select(is_here, next.other, other);
        last_other = select(is_here, next.last_other, last_other);
        out = select(is_here, next.out, out);
    }
    Member {
        number,
        n,
        k,
        first_tile,
        a,
        b,
        scales,
        other,
        last_other,
        out,
    }
}
