//! Numbers of a frozen matrix, eight at a time, and their sums of products.

use cubecl::prelude::*;

use crate::kernels::halves::{Eight, half_of, widened};
use crate::kernels::matrix::Storage;
use crate::kernels::matrix::gpu::{Four, four_of_eight};

/// Units of a cube.
pub const UNITS: usize = 256;

/// Units that add up a row of a matrix.
pub const LANES: usize = 32;

/// Rows of a matrix that a cube takes.
pub const ROWS: usize = UNITS / LANES;

/// Fours of shared memory in which sums are added up: for rows a four of texts from
/// every unit, twice, and for columns two fours from every unit, with one place more
/// between those that lie side by side, against bank conflicts.
pub const SCRATCH: usize = 2 * UNITS + 2 * ROWS;

/// How a matrix is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Reading {
    /// How its numbers lie in the words: 32 or 16 bits.
    pub storage: Storage,
    /// Whether the device widens 16-bit floats itself.
    pub has_halves: bool,
}

/// Where the numbers lie that a matrix is multiplied with, in fours: those of a cube's
/// texts behind each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Lying {
    /// From one text to the next.
    pub text: usize,
    /// From one eight to the next.
    pub eight: usize,
    /// From the first half of an eight to the second.
    pub half: usize,
}

impl Lying {
    /// As tensors have them, `eights` of a text.
    pub const fn plain(eights: usize) -> Self {
        Self {
            text: 2 * eights,
            eight: 2,
            half: 1,
        }
    }

    /// First halves in front of second ones, so that units side by side read numbers side
    /// by side.
    pub const fn apart(eights: usize) -> Self {
        Self {
            text: 2 * eights,
            eight: 1,
            half: eights,
        }
    }
}

/// Eight number `at` of a matrix, as two fours.
#[cube]
pub fn eight(
    words: &Tensor<Eight>,
    at: usize,
    codes: &Shared<[f32]>,
    #[comptime] reading: Reading,
) -> (Four, Four) {
    let is_single = comptime!(reading.storage == Storage::F32);
    let is_half = comptime!(reading.storage == Storage::F16 && reading.has_halves);
    let mut low = Four::new(0.0f32);
    let mut high = Four::new(0.0f32);
    if comptime!(is_single) {
        low = Four::reinterpret(words[2 * at]);
        high = Four::reinterpret(words[2 * at + 1]);
    }
    if comptime!(is_half) {
        low = widened(half_of(words[at], 0usize));
        high = widened(half_of(words[at], 1usize));
    }
    if comptime!(!is_single && !is_half) {
        let storage = comptime!(reading.storage);
        low = four_of_eight(words[at], 0u32, 0usize, codes, 0usize, storage);
        high = four_of_eight(words[at], 0u32, 0usize, codes, 1usize, storage);
    }
    (low, high)
}

/// Adds to `sums`, one a text, this unit's part of the products with row `row` of a matrix of
/// `eights` a row. `x` has the texts from `first` on; behind text `last` comes that one
/// again.
#[cube]
#[allow(clippy::too_many_arguments)]
pub fn add_row(
    x: &[Four],
    words: &Tensor<Eight>,
    row: usize,
    first: usize,
    last: usize,
    sums: &mut Array<Four>,
    codes: &Shared<[f32]>,
    #[comptime] texts: usize,
    #[comptime] eights: usize,
    #[comptime] lying: Lying,
    #[comptime] reading: Reading,
) {
    let lane = UNIT_POS_X as usize % LANES;
    let steps = comptime!(eights.div_ceil(LANES));
    // So many loads do not wait for each other.
    let together = comptime!(if steps < 4 { steps } else { 4 });
    for stretch in 0..comptime!(steps.div_ceil(together)) {
        #[unroll]
        for idx in 0..together {
            let at = lane + (stretch * together + idx) * LANES;
            // Behind the last eight it is read again and counts nothing: a branch would
            // make every load wait for the one before.
            let from = usize::min(at, comptime!(eights - 1));
            let counts = Four::new(f32::cast_from(at < eights));
            let (low, high) = eight(words, row * eights + from, codes, reading);
            let low = low * counts;
            let high = high * counts;
            #[unroll]
            for text in 0..texts {
                let base = usize::min(first + text, last) * comptime!(lying.text)
                    + from * comptime!(lying.eight);
                sums[text] += low * x[base] + high * x[base + comptime!(lying.half)];
            }
        }
    }
}

/// The sums of a row over its units: those of up to four texts, from text `4 q` on, for row
/// `s` of the cube's go to unit `s + q * ROWS`. `scratch` may be used again behind the next
/// barrier.
#[cube]
pub fn row_sums(
    sums: &Array<Four>,
    scratch: &mut Shared<[Four]>,
    #[comptime] texts: usize,
) -> Four {
    let unit = UNIT_POS_X as usize;
    let quads = comptime!(texts.div_ceil(4));
    #[unroll]
    for quad in 0..quads {
        let mut four = Four::new(0.0f32);
        #[unroll]
        for idx in 0..4usize {
            if comptime!(4 * quad + idx < texts) {
                four.insert(idx, sums[comptime!(4 * quad + idx)].vector_sum());
            }
        }
        let row = unit / LANES + quad * ROWS;
        scratch[row * comptime!(LANES + 1) + unit % LANES] = four;
    }
    sync_cube();
    let row = usize::min(unit, comptime!(quads * ROWS - 1));
    let mut total = Four::new(0.0f32);
    #[unroll]
    for lane in 0..LANES {
        total += scratch[row * comptime!(LANES + 1) + lane];
    }
    total
}

/// Columns of a matrix that a cube takes.
pub const COLUMNS: usize = 16;

/// Units that add up a column, each a part of its numbers.
const GROUPS: usize = UNITS / (COLUMNS / 8);

/// Adds to `sums`, two fours a text, this unit's part of the products with eight columns
/// of a matrix [8 `eights`, `columns`], of which the cube has those from `first` on. `x` lies
/// apart.
#[cube]
#[allow(clippy::too_many_arguments)]
pub fn add_columns(
    x: &Shared<[Four]>,
    words: &Tensor<Eight>,
    first: usize,
    sums: &mut Array<Four>,
    codes: &Shared<[f32]>,
    #[comptime] texts: usize,
    #[comptime] eights: usize,
    #[comptime] columns: usize,
    #[comptime] reading: Reading,
) {
    let unit = UNIT_POS_X as usize;
    let of_row = comptime!(columns / 8);
    let column = usize::min(
        first / 8 + unit % comptime!(COLUMNS / 8),
        comptime!(of_row - 1),
    );
    let fours = comptime!(2 * eights);
    for step in 0..comptime!(fours.div_ceil(GROUPS)) {
        let at = unit / comptime!(COLUMNS / 8) + step * GROUPS;
        let from = usize::min(at, comptime!(fours - 1));
        let counts = Four::new(f32::cast_from(at < fours));
        let place = (from % 2) * eights + from / 2;
        let mut lows = Array::<Four>::new(4usize);
        let mut highs = Array::<Four>::new(4usize);
        #[unroll]
        for idx in 0..4usize {
            let (low, high) = eight(words, (4 * from + idx) * of_row + column, codes, reading);
            lows[idx] = low;
            highs[idx] = high;
        }
        #[unroll]
        for text in 0..texts {
            let numbers = x[comptime!(text * fours) + place] * counts;
            #[unroll]
            for idx in 0..4usize {
                let number = Four::new(numbers.extract(idx));
                sums[comptime!(2 * text)] += lows[idx] * number;
                sums[comptime!(2 * text + 1)] += highs[idx] * number;
            }
        }
    }
}

/// The sums of columns over their units, of one text whose parts are `low` and `high`: the
/// four columns from `4 q` of the cube's on go to unit q. `scratch` may be used again at once.
#[cube]
pub fn column_sums(low: Four, high: Four, scratch: &mut Shared<[Four]>) -> Four {
    // Fours of a cube's columns, and sums that each is first added up to.
    let fours = comptime!(COLUMNS / 4);
    let parts = comptime!(16usize);
    let stride = comptime!(GROUPS + 1);
    let unit = UNIT_POS_X as usize;
    let of_unit = (unit % comptime!(COLUMNS / 8)) * 2;
    let group = unit / comptime!(COLUMNS / 8);
    scratch[of_unit * stride + group] = low;
    scratch[(of_unit + 1) * stride + group] = high;
    sync_cube();
    let four = usize::min(unit / parts, fours - 1);
    let mut part = Four::new(0.0f32);
    #[unroll]
    for idx in 0..comptime!(GROUPS / parts) {
        part += scratch[four * stride + (unit % parts) * comptime!(GROUPS / parts) + idx];
    }
    sync_cube();
    if unit < comptime!(fours * parts) {
        scratch[four * stride + unit % parts] = part;
    }
    sync_cube();
    let four = usize::min(unit, fours - 1);
    let mut total = Four::new(0.0f32);
    #[unroll]
    for idx in 0..parts {
        total += scratch[four * stride + idx];
    }
    sync_cube();
    total
}
