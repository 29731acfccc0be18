//! Everything of a chunk that does not need the state, for all chunks at once. With
//! G_t the logarithm of the decays from the chunk's first token to t, P_t that to the
//! token before and E that to its end:
//!
//! ```text
//! A = strictly lower((removal e^P) (write e^-G)^T)     B = strictly lower((removal e^P) (k e^-G)^T)
//! C = lower((r e^G) (k e^-G)^T)                        F = lower((r e^G) (write e^-G)^T)
//! T = (1 - A)^-1       through = T (removal e^P)       own = T B
//! read = r e^G + F through                             own read = C + F own
//! ```
//!
//! With these and the state S in front, what is removed is `U = through S^T + own V`,
//! what is read `Y = read S^T + own read V`, and the state behind
//! `S e^E + V^T (k e^{E-G}) + U^T (write e^{E-G})`: [`super::walk`]. Exponents of
//! products are taken around the chunk's middle, so that factors of 16 bits hold
//! them where decays are those of RWKV-7, at least 0.545.
// Kernels know no `if` of two kinds of condition and no methods of whole numbers.
#![allow(
    clippy::collapsible_if,
    clippy::collapsible_else_if,
    clippy::manual_is_multiple_of
)]

use cubecl::prelude::*;

use super::decays::{
    PAIR, PAIR_STRIDE, TOKENS, WIDE_PAIR, WIDE_PAIR_STRIDE, decays, mine, planes_of, stride_of,
    take, up_to, wide_stride,
};
use super::fragment::{Eight, Factors, Four, Fragments};

/// Where a chunk's numbers lie in memory, in 16 bytes, for heads of `n`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(in super::super) struct Record {
    /// N, at most 64.
    pub n: usize,
}

impl Record {
    /// 16 vectors in 16 bits.
    pub const fn vectors(self) -> usize {
        2 * self.n
    }

    /// Of what both walks need: `through`, `read` and `write e^{E-G}`, each
    /// [16, N] in 16 bits; the transpose of T, [16, 16] in 16 bits; e^E, N in 32.
    pub const fn kept(self) -> usize {
        3 * self.vectors() + 32 + self.n / 4
    }

    /// Of what only the walk forward needs: `k e^{E-G}` and v, [16, N] in 16 bits, and
    /// `own` and `own read`, [16, 16].
    pub const fn passing(self) -> usize {
        2 * self.vectors() + 64
    }
}

/// In shared memory: r', removal', k', write', removal e^P, v and `through`; in the
/// place of the first four, later, sums.
const fn vectors_of(n: usize) -> usize {
    TOKENS * stride_of(n)
}

/// Where products of tokens lie: four in 16 bits, then four in 32.
const fn pairs_at(n: usize) -> usize {
    7 * vectors_of(n)
}

const fn wide_pairs_at(n: usize) -> usize {
    pairs_at(n) + 4 * PAIR
}

/// One cube for every chunk of 16 tokens (x), batch entry and head (y), of planes
/// of 32 units, one for every 16 of N. Inputs [B, T, H, N]; `kept` and `passing` are
/// [B, H, chunks] of a [`Record`].
#[cube(launch_unchecked)]
#[allow(clippy::too_many_arguments)]
pub fn prepare<F: Fragments>(
    r: &Tensor<Four>,
    w: &Tensor<Four>,
    k: &Tensor<Four>,
    v: &Tensor<Four>,
    removal: &Tensor<Four>,
    write: &Tensor<Four>,
    kept: &mut Tensor<Eight>,
    passing: &mut Tensor<Eight>,
    #[comptime] record: Record,
) {
    let n = comptime!(record.n);
    let stride = comptime!(stride_of(n));
    let wide_stride = comptime!(wide_stride(n));
    let vectors = comptime!(vectors_of(n));
    let pairs_at = comptime!(pairs_at(n));
    let wide_pairs_at = comptime!(wide_pairs_at(n));
    let units = comptime!(2 * n);
    let n_tokens = r.shape(1);
    let n_head = r.shape(2);
    let n_chunks = n_tokens.div_ceil(TOKENS);
    let chunk = CUBE_POS_Y as usize * n_chunks + CUBE_POS_X as usize;
    let unit = UNIT_POS as usize;
    let plane = UNIT_POS_Y as usize;
    let mine = mine(n_tokens, n_head, n);
    let mut shared = Shared::<[Eight]>::new_slice(comptime!(wide_pairs_at + 4 * WIDE_PAIR));

    let of_r = take(r, &mine);
    let of_k = take(k, &mine);
    let of_v = take(v, &mine);
    let of_removal = take(removal, &mine);
    let of_write = take(write, &mine);
    let decays = decays(w, &mine, &mut shared, wide_pairs_at, n);

    let kept_at = chunk * comptime!(record.kept());
    let passing_at = chunk * comptime!(record.passing());
    let mut of_g = Array::<Four>::new(2usize);
    let mut of_p = Array::<Four>::new(2usize);
    let mut by_g = Array::<Four>::new(2usize);
    let mut from_start = Array::<Four>::new(2usize);
    let mut to_end = Array::<Four>::new(2usize);
    let mut read = Array::<Four>::new(2usize);
    #[unroll]
    for half in 0..2usize {
        let g = decays.before[half] + decays.own[half];
        let from_middle = g - decays.middle[half];
        of_g[half] = from_middle.exp();
        by_g[half] = (-from_middle).exp();
        of_p[half] = (decays.before[half] - decays.middle[half]).exp();
        from_start[half] = decays.before[half].exp();
        to_end[half] = (decays.end[half] - g).exp();
        read[half] = of_r[half] * g.exp();
        if mine.token == 0 {
            let at = kept_at + comptime!(3 * record.vectors() + 32) + 2 * mine.eight + half;
            kept[at] = Eight::reinterpret(decays.end[half].exp());
        }
    }
    let at = mine.token * stride + mine.eight;
    shared[at] = F::narrowed(of_r[0] * of_g[0], of_r[1] * of_g[1]);
    shared[at + vectors] = F::narrowed(of_removal[0] * of_p[0], of_removal[1] * of_p[1]);
    shared[at + comptime!(2 * vectors)] = F::narrowed(of_k[0] * by_g[0], of_k[1] * by_g[1]);
    shared[at + comptime!(3 * vectors)] = F::narrowed(of_write[0] * by_g[0], of_write[1] * by_g[1]);
    shared[at + comptime!(4 * vectors)] =
        F::narrowed(of_removal[0] * from_start[0], of_removal[1] * from_start[1]);
    let of_v = F::narrowed(of_v[0], of_v[1]);
    shared[at + comptime!(5 * vectors)] = of_v;
    kept[kept_at + comptime!(2 * record.vectors()) + unit] =
        F::narrowed(of_write[0] * to_end[0], of_write[1] * to_end[1]);
    passing[passing_at + unit] = F::narrowed(of_k[0] * to_end[0], of_k[1] * to_end[1]);
    passing[passing_at + comptime!(record.vectors()) + unit] = of_v;
    sync_cube();

    // C, F, B and A: each plane takes its share.
    let by_rows = comptime!(Factors {
        a_stride: stride,
        a_is_turned: false,
        b_stride: stride,
        b_is_turned: true,
    });
    let share = comptime!(4 / planes_of(n));
    #[unroll]
    for idx in 0..share {
        let which = plane * share + idx;
        let mut sums = F::none();
        let a = which / 2 * vectors;
        let b = comptime!(2 * vectors) + which % 2 * vectors;
        #[unroll]
        for step in 0..comptime!(n / 16) {
            F::add_product(&shared, &mut sums, a + 2 * step, b + 2 * step, by_rows);
        }
        F::put(
            &sums,
            &mut shared,
            wide_pairs_at + which * WIDE_PAIR,
            WIDE_PAIR_STRIDE,
        );
    }
    sync_cube();

    // F and B in 16 bits.
    #[unroll]
    for idx in 0..comptime!(64usize.div_ceil(units)) {
        let at = unit + comptime!(idx * units);
        let which = 1 + at / 32;
        let row = at % 32 / 2;
        if at < 64 {
            let len = row + u32::cast_from(which == 1) as usize;
            let both = up_to(&shared, wide_pairs_at + which * WIDE_PAIR, row, at % 2, len);
            shared[pairs_at + which * PAIR + row * PAIR_STRIDE + at % 2] =
                F::narrowed(both[0], both[1]);
        }
    }
    // A column of T for each of 16 units.
    if unit < TOKENS {
        let mut column = Array::<f32>::new(TOKENS);
        #[unroll]
        for row in 0..TOKENS {
            let mut sum = f32::cast_from(unit == row);
            #[unroll]
            for part in 0..comptime!(row.div_ceil(4)) {
                let place =
                    comptime!(wide_pairs_at + 3 * WIDE_PAIR + row * WIDE_PAIR_STRIDE + part);
                let four = Four::reinterpret(shared[place]);
                #[unroll]
                for idx in 0..comptime!(if row - part * 4 < 4 {
                    row - part * 4
                } else {
                    4
                }) {
                    sum += four.extract(idx) * column[comptime!(part * 4 + idx)];
                }
            }
            column[row] = sum;
        }
        #[unroll]
        for which in 0..2usize {
            let mut low = Four::new(0.0f32);
            let mut high = Four::new(0.0f32);
            #[unroll]
            for idx in 0..4usize {
                low.insert(idx, column[comptime!(which * 8 + idx)]);
                high.insert(idx, column[comptime!(which * 8 + 4 + idx)]);
            }
            let eight = F::narrowed(low, high);
            shared[pairs_at + unit * PAIR_STRIDE + which] = eight;
            kept[kept_at + comptime!(3 * record.vectors()) + unit * 2 + which] = eight;
        }
    }
    sync_cube();

    // Through T.
    let inverse = comptime!(Factors {
        a_stride: PAIR_STRIDE,
        a_is_turned: true,
        b_stride: stride,
        b_is_turned: false,
    });
    let mut through = F::none();
    let at = comptime!(4 * vectors) + 2 * plane;
    F::add_product(&shared, &mut through, pairs_at, at, inverse);
    F::put_narrowed(
        &through,
        &mut shared,
        comptime!(6 * vectors) + 2 * plane,
        stride,
    );
    if plane == 0 {
        let mut own = F::none();
        let of_pairs = comptime!(Factors {
            a_stride: PAIR_STRIDE,
            a_is_turned: true,
            b_stride: PAIR_STRIDE,
            b_is_turned: false,
        });
        F::add_product(
            &shared,
            &mut own,
            pairs_at,
            comptime!(pairs_at + 2 * PAIR),
            of_pairs,
        );
        F::put_narrowed(
            &own,
            &mut shared,
            comptime!(pairs_at + 3 * PAIR),
            PAIR_STRIDE,
        );
    }
    sync_cube();

    // What is read, through the same.
    let ahead = comptime!(Factors {
        a_stride: PAIR_STRIDE,
        a_is_turned: false,
        b_stride: stride,
        b_is_turned: false,
    });
    let mut read_sums = F::none();
    let at = comptime!(6 * vectors) + 2 * plane;
    F::add_product(
        &shared,
        &mut read_sums,
        comptime!(pairs_at + PAIR),
        at,
        ahead,
    );
    // The first four vectors have been multiplied.
    F::put(&read_sums, &mut shared, 4 * plane, wide_stride);
    if plane == 0 {
        let mut own_read = F::none();
        let of_pairs = comptime!(Factors {
            a_stride: PAIR_STRIDE,
            a_is_turned: false,
            b_stride: PAIR_STRIDE,
            b_is_turned: false,
        });
        let own = comptime!(pairs_at + 3 * PAIR);
        F::add_product(
            &shared,
            &mut own_read,
            comptime!(pairs_at + PAIR),
            own,
            of_pairs,
        );
        // In the place of A.
        let at = comptime!(wide_pairs_at + 3 * WIDE_PAIR);
        F::put(&own_read, &mut shared, at, WIDE_PAIR_STRIDE);
    }
    sync_cube();
    let at = mine.token * wide_stride + 2 * mine.eight;
    let low = read[0] + Four::reinterpret(shared[at]);
    let high = read[1] + Four::reinterpret(shared[at + 1]);
    kept[kept_at + unit] = shared[comptime!(6 * vectors) + mine.token * stride + mine.eight];
    kept[kept_at + comptime!(record.vectors()) + unit] = F::narrowed(low, high);
    if unit < 32 {
        let row = unit / 2;
        let which = unit % 2;
        let own = shared[comptime!(pairs_at + 3 * PAIR) + row * PAIR_STRIDE + which];
        passing[passing_at + comptime!(2 * record.vectors()) + unit] = own;
        let direct = up_to(&shared, wide_pairs_at, row, which, row + 1);
        let place = comptime!(wide_pairs_at + 3 * WIDE_PAIR) + row * WIDE_PAIR_STRIDE + which * 2;
        let low = direct[0] + Four::reinterpret(shared[place]);
        let high = direct[1] + Four::reinterpret(shared[place + 1]);
        passing[passing_at + comptime!(2 * record.vectors() + 32) + unit] = F::narrowed(low, high);
    }
}
