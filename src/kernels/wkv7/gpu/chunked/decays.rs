//! What a cube of the kernels for chunks does for its 16 tokens: a unit has eight
//! columns of one token, and the decays of the chunk from its first token on.

use cubecl::prelude::*;

use super::fragment::{Eight, Four};

/// Tokens of a chunk.
pub(super) const TOKENS: usize = 16;

/// Between rows of products of tokens with tokens in 16 bits, counted in 16 bytes.
pub(super) const PAIR_STRIDE: usize = 3;
/// Such a product.
pub(super) const PAIR: usize = TOKENS * PAIR_STRIDE;
/// Between rows of them in 32 bits.
pub(super) const WIDE_PAIR_STRIDE: usize = 4;
/// Such a product in 32 bits.
pub(super) const WIDE_PAIR: usize = TOKENS * WIDE_PAIR_STRIDE;

/// Eights between rows of `n` columns: one more than a row has, so that eight rows
/// lie on different banks.
pub(super) const fn stride_of(n: usize) -> usize {
    n / 8 + 1
}

/// Fours between rows of sums of `n` columns, for the same.
pub(super) const fn wide_stride(n: usize) -> usize {
    n / 4 + 1
}

/// Planes of a cube for heads of `n`; each has 16 columns.
pub(super) const fn planes_of(n: usize) -> usize {
    n / 16
}

/// Where a unit's eight numbers are.
#[derive(CubeType)]
pub(super) struct Mine {
    /// The first of its two fours in memory.
    pub place: usize,
    /// Whether there is such a token.
    pub is_token: bool,
    /// One where there is, else zero.
    pub kept: Four,
    /// The token in the chunk.
    pub token: usize,
    /// The eight columns in the head.
    pub eight: usize,
}

/// This unit's place in vectors [B, T, H, N] of the chunk and head (batch entries
/// first) of the cube.
#[cube]
pub(super) fn mine(n_tokens: usize, n_head: usize, #[comptime] n: usize) -> Mine {
    let head = CUBE_POS_Y as usize;
    let from = CUBE_POS_X as usize * TOKENS;
    let len = usize::min(TOKENS, n_tokens - from);
    let token = UNIT_POS as usize / comptime!(n / 8);
    let eight = UNIT_POS as usize % comptime!(n / 8);
    let first = (head / n_head * n_tokens + from) * n_head + head % n_head;
    let vector = first + usize::min(token, len - 1) * n_head;
    Mine {
        place: vector * comptime!(n / 4) + 2 * eight,
        is_token: token < len,
        kept: Four::new(f32::cast_from(token < len)),
        token,
        eight,
    }
}

/// This unit's eight numbers; zero behind the last token.
#[cube]
pub(super) fn take(x: &Tensor<Four>, mine: &Mine) -> Array<Four> {
    let mut held = Array::<Four>::new(2usize);
    held[0] = x[mine.place] * mine.kept;
    held[1] = x[mine.place + 1] * mine.kept;
    held
}

/// Logarithms of decays for this unit's numbers: of its token, of those before it,
/// of the chunk's first half and of the chunk.
#[derive(CubeType)]
pub(super) struct Decays {
    pub own: Array<Four>,
    pub before: Array<Four>,
    pub middle: Array<Four>,
    pub end: Array<Four>,
}

/// Adds up over the chunk's tokens, by way of a table of 16 rows at `table`. All
/// units have to come here.
#[cube]
pub(super) fn decays(
    w: &Tensor<Four>,
    mine: &Mine,
    shared: &mut Shared<[Eight]>,
    #[comptime] table: usize,
    #[comptime] n: usize,
) -> Decays {
    let fours = comptime!(n / 4);
    let mut ends = Shared::<[Four]>::new_slice(fours);
    let mut own = Array::<Four>::new(2usize);
    let mut before = Array::<Four>::new(2usize);
    let mut middle = Array::<Four>::new(2usize);
    let mut end = Array::<Four>::new(2usize);
    let column = table + 2 * mine.eight;
    #[unroll]
    for half in 0..2usize {
        own[half] = w[mine.place + half].ln() * mine.kept;
        shared[column + mine.token * fours + half] = Eight::reinterpret(own[half]);
    }
    sync_cube();
    let unit = UNIT_POS as usize;
    if unit < fours {
        let mut sum = Four::new(0.0f32);
        #[unroll]
        for token in 0..TOKENS {
            let place = table + unit + comptime!(token * fours);
            let here = Four::reinterpret(shared[place]);
            shared[place] = Eight::reinterpret(sum);
            sum += here;
        }
        ends[unit] = sum;
    }
    sync_cube();
    #[unroll]
    for half in 0..2usize {
        before[half] = Four::reinterpret(shared[column + mine.token * fours + half]);
        middle[half] = Four::reinterpret(shared[column + comptime!(TOKENS / 2 * fours) + half]);
        end[half] = ends[2 * mine.eight + half];
    }
    Decays {
        own,
        before,
        middle,
        end,
    }
}

/// Eight columns of a product of tokens with tokens, in 32 bits at `at`, at the token
/// `row`; zero from the token `len` on. `which` half of the columns it is.
#[cube]
pub(super) fn up_to(
    shared: &Shared<[Eight]>,
    at: usize,
    row: usize,
    which: usize,
    len: usize,
) -> Array<Four> {
    let place = at + row * WIDE_PAIR_STRIDE + which * 2;
    let mut low = Four::reinterpret(shared[place]);
    let mut high = Four::reinterpret(shared[place + 1]);
    let first = which * 8;
    #[unroll]
    for column in 0..4usize {
        let one = low.extract(column);
        let two = high.extract(column);
        low.insert(column, select(first + column < len, one, 0.0f32));
        high.insert(column, select(first + column + 4 < len, two, 0.0f32));
    }
    let mut both = Array::<Four>::new(2usize);
    both[0] = low;
    both[1] = high;
    both
}
