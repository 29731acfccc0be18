//! What the units of a cube do together for a chunk of tokens, before each walks
//! over them in its column: the products, over all rows, of the vectors on the
//! value side with each other and with the states at the chunk's ends.

use cubecl::prelude::*;

/// Four rows of a column, columns of a row, or tokens.
pub(super) type Four = Vector<f32, Const<4>>;

/// What a cube works on: all rows and up to 64 columns of a chunk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Block {
    /// N.
    pub n: usize,
    /// Tokens of a chunk, a multiple of 4.
    pub tokens: usize,
}

/// Where the vectors on the value side lie in shared memory, and later their
/// products with the states.
pub(super) const DY: usize = 0;
pub(super) const DREMOVED: usize = 1;
pub(super) const V: usize = 2;
pub(super) const REMOVED: usize = 3;

impl Block {
    /// Columns of a cube, each with its unit, and rows that are staged at once.
    pub const fn width(self) -> usize {
        if self.n < 64 { self.n } else { 64 }
    }

    /// Fours between tokens: one more than a token has, so that tokens lie on
    /// different banks.
    const fn stride(self) -> usize {
        self.width() / 4 + 1
    }

    /// Fours of one of the four.
    pub const fn slot(self) -> usize {
        self.tokens * self.stride()
    }

    /// Pairs of tokens, two by two, of a unit.
    const fn pairs(self) -> usize {
        (self.tokens / 2 * (self.tokens / 2)).div_ceil(self.width())
    }
}

/// The tokens of a chunk, for one head.
#[derive(CubeType)]
pub(super) struct Tokens {
    /// Vectors in front of the first one's.
    pub first: usize,
    /// Vectors from one token to the next.
    pub step: usize,
    /// How many there are.
    pub len: usize,
}

/// Copies the numbers of the rows from `first_row` on of a chunk; zero behind the
/// last token.
#[cube]
pub(super) fn fetch(
    x: &Tensor<Four>,
    shared: &mut Shared<[Four]>,
    #[comptime] slot: usize,
    tokens: &Tokens,
    #[comptime] first_row: usize,
    #[comptime] block: Block,
) {
    let fours = comptime!(block.width() / 4);
    #[unroll]
    for part in 0..comptime!(block.tokens / 4) {
        let idx = UNIT_POS_X as usize + part * comptime!(block.width());
        let l = idx / fours;
        let token = tokens.first + usize::min(l, tokens.len - 1) * tokens.step;
        let place = token * comptime!(block.n / 4);
        let value = x[place + comptime!(first_row / 4) + idx % fours];
        shared[comptime!(slot * block.slot()) + l * comptime!(block.stride()) + idx % fours] =
            value * Four::new(f32::cast_from(l < tokens.len));
    }
}

/// The products of the gradients at every token `t` with the values at every
/// token `u` up to it: at `(t, u)` those of dy with removed and v, and those of
/// dremoved with them. Two tokens by two at a time; with `adds` they are added to
/// what is there.
#[cube]
pub(super) fn multiply_tokens(
    shared: &Shared<[Four]>,
    of_tokens: &mut Shared<[Four]>,
    #[comptime] block: Block,
    #[comptime] adds: bool,
) {
    let half = comptime!(block.tokens / 2);
    for pair in 0..comptime!(block.pairs()) {
        let at = UNIT_POS_X as usize + pair * comptime!(block.width());
        let first_t = at / half;
        let first_u = at % half;
        let mut sums = Array::<Four>::new(16usize);
        #[unroll]
        for idx in 0..16usize {
            sums[idx] = Four::new(0.0f32);
        }
        for i in 0..comptime!(block.width() / 4) {
            #[unroll]
            for which in 0..4usize {
                let t = first_t + comptime!(which / 2 * half);
                let u = first_u + comptime!(which % 2 * half);
                let t = t * comptime!(block.stride()) + i;
                let u = u * comptime!(block.stride()) + i;
                let dy = shared[comptime!(DY * block.slot()) + t];
                let dremoved = shared[comptime!(DREMOVED * block.slot()) + t];
                let v = shared[comptime!(V * block.slot()) + u];
                let removed = shared[comptime!(REMOVED * block.slot()) + u];
                sums[comptime!(which * 4)] += dy * removed;
                sums[comptime!(which * 4 + 1)] += dy * v;
                sums[comptime!(which * 4 + 2)] += dremoved * removed;
                sums[comptime!(which * 4 + 3)] += dremoved * v;
            }
        }
        #[unroll]
        for which in 0..4usize {
            let t = first_t + comptime!(which / 2 * half);
            let u = first_u + comptime!(which % 2 * half);
            let place = t * comptime!(block.tokens) + u;
            let mut four = Four::new(0.0f32);
            #[unroll]
            for kind in 0..4usize {
                four.insert(kind, sums[comptime!(which * 4 + kind)].vector_sum());
            }
            if comptime!(adds) {
                four += of_tokens[place];
            }
            of_tokens[place] = four;
        }
    }
}

/// Adds the products of one of the vectors, in `slot`, at every token with four
/// columns of a state, whose first row lies at `base`.
#[cube]
pub(super) fn multiply_state(
    states: &Tensor<Four>,
    shared: &Shared<[Four]>,
    sums: &mut Array<Four>,
    base: usize,
    slot: usize,
    #[comptime] block: Block,
) {
    let row = comptime!(block.n / 4);
    let fours = comptime!(block.width() / 4);
    let mut next = Array::<Four>::new(4usize);
    #[unroll]
    for part in 0..4usize {
        next[part] = states[base + part * row];
    }
    for i in 0..fours {
        let mut rows = Array::<Four>::new(4usize);
        // The next four rows are on their way meanwhile.
        let behind = base + usize::min(i + 1, fours - 1) * comptime!(4 * row);
        #[unroll]
        for part in 0..4usize {
            rows[part] = next[part];
            next[part] = states[behind + part * row];
        }
        #[unroll]
        for t in 0..comptime!(block.tokens) {
            let x = shared[slot * comptime!(block.slot()) + comptime!(t * block.stride()) + i];
            #[unroll]
            for part in 0..4usize {
                sums[t] += Four::new(x.extract(part)) * rows[part];
            }
        }
    }
}

/// Puts down what [`multiply_state`] summed for the columns `first` to `first + 4`,
/// four tokens at a time.
#[cube]
pub(super) fn share_products(
    sums: &Array<Four>,
    shared: &mut Shared<[Four]>,
    slot: usize,
    first: usize,
    #[comptime] block: Block,
) {
    #[unroll]
    for fourth in 0..comptime!(block.tokens / 4) {
        #[unroll]
        for column in 0..4usize {
            let mut four = Four::new(0.0f32);
            #[unroll]
            for part in 0..4usize {
                four.insert(part, sums[comptime!(fourth * 4 + part)].extract(column));
            }
            let place = comptime!(fourth * block.width()) + first + column;
            shared[slot * comptime!(block.slot()) + place] = four;
        }
    }
}
