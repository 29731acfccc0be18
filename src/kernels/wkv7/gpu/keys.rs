//! What [`super::columns`] does, for a chunk of 16 tokens at once in products of
//! matrices: 16-bit factors, 32-bit sums. With G_t the logarithm of the decays from the
//! chunk's first token to t, P_t that to the token before, m that to the middle and
//! E that to the end, S the state in front of the chunk and D the gradient that
//! reaches its end from behind:
//!
//! ```text
//! r' = r e^{G-m}        removal' = removal e^{P-m}        S' = S e^m
//! k' = k e^{m-G}        write' = write e^{m-G}            D' = D e^{E-m}
//! X = lower(dy v^T)     Y = lower(dy removed^T)
//! Z = strictly lower(dremoved v^T)     U = strictly lower(dremoved removed^T)
//! dr = (dy S' + X k' + Y write') e^{G-m}
//! dremoval = (dremoved S' + Z k' + U write') e^{P-m}
//! dk = (v D' + X^T r' + Z^T removal') e^{m-G}
//! dwrite = (removed D' + Y^T r' + U^T removal') e^{m-G}
//! w dw at t = sum over s >= t of (r dr - k dk - write dwrite)
//!           + sum over s > t of (removal dremoval) + sum over rows of D S_E
//! ```
//!
//! with S_E the state behind the chunk. Around the middle no factor leaves
//! e^{+-4.9} where decays are those of RWKV-7, at least 0.545; 16 bits hold far less
//! than a product of decays that come near zero. Gradients are taken a power of two
//! times, so that the largest of a chunk comes near 64.
// Kernels know no `if` of two kinds of condition and no methods of whole numbers.
#![allow(clippy::collapsible_if, clippy::manual_is_multiple_of)]

use cubecl::prelude::*;

use super::fragment::{Eight, Factors, Four, Fragments};

/// Tokens of a chunk.
const TOKENS: usize = 16;

/// Where a cube's numbers lie in shared memory; what is counted is 16 bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Places {
    /// N, at most 64.
    pub n: usize,
}

impl Places {
    /// Planes of a cube; each has 16 columns.
    pub const fn planes(self) -> usize {
        self.n / 16
    }

    /// Units of a cube; each has eight columns of a token.
    const fn units(self) -> usize {
        2 * self.n
    }

    /// Between rows in 16 bits: one more than a row has, so that eight rows lie
    /// on different banks.
    const fn stride(self) -> usize {
        self.n / 8 + 1
    }

    /// Between rows in 32 bits.
    const fn wide_stride(self) -> usize {
        self.n / 4 + 1
    }

    /// The vectors of all tokens.
    const fn vectors(self) -> usize {
        TOKENS * self.stride()
    }

    /// One of the sums that are put down at the end, of all planes.
    const fn sums(self) -> usize {
        TOKENS * self.wide_stride()
    }

    /// dy, dremoved, v and removed. In front of them lies one of the states.
    const fn values(self) -> usize {
        self.n * self.stride()
    }

    /// r', removal', k' and write'.
    const fn keys(self) -> usize {
        self.values() + 4 * self.vectors()
    }

    /// What lies behind all that, which makes room for the sums at the end.
    const fn behind(self) -> usize {
        let factors = self.keys() + 4 * self.vectors();
        let sums = 6 * self.sums();
        if factors > sums { factors } else { sums }
    }

    /// Products of tokens with tokens in 32 bits, four of them; before them, the
    /// logarithms of decays.
    const fn wide_pairs(self) -> usize {
        self.behind()
    }

    /// The same in 16 bits: in the place of dy and dremoved if they fit.
    const fn pairs(self) -> usize {
        if 2 * self.vectors() < PAIRS {
            self.behind() + WIDE_PAIRS
        } else {
            self.values()
        }
    }

    /// All of them.
    const fn all(self) -> usize {
        let pairs = if self.pairs() < self.behind() {
            0
        } else {
            PAIRS
        };
        self.behind() + WIDE_PAIRS + pairs
    }

    /// Bytes of shared memory that the kernel takes.
    pub const fn bytes(self) -> usize {
        16 * (self.all() + self.n / 4) + 4 * (self.units() + PARTS)
    }
}

/// Between rows of products of tokens in 16 bits.
const PAIR_STRIDE: usize = 3;
/// All four of them.
const PAIRS: usize = 4 * TOKENS * PAIR_STRIDE;
/// Between rows of them in 32 bits.
const WIDE_PAIR_STRIDE: usize = 4;
/// All four of them.
const WIDE_PAIRS: usize = 4 * TOKENS * WIDE_PAIR_STRIDE;
/// Units that look for the largest number.
const PARTS: usize = 8;

/// The largest of eight magnitudes, or of those before.
#[cube]
fn larger(top: f32, low: Four, high: Four) -> f32 {
    let both = max(low.abs(), high.abs());
    let mut top = top;
    #[unroll]
    for idx in 0..4usize {
        top = max(top, both.extract(idx));
    }
    top
}

/// This unit's eight numbers of a token.
#[cube]
fn take(x: &Tensor<Four>, place: usize, kept: Four) -> Array<Four> {
    let mut held = Array::<Four>::new(2usize);
    held[0] = x[place] * kept;
    held[1] = x[place + 1] * kept;
    held
}

/// The running sum over tokens, in front of each, of a column of fours of a table; the
/// sum of all is given back.
#[cube]
fn run_ahead(shared: &mut Shared<[Eight]>, at: usize, #[comptime] width: usize) -> Four {
    let mut sum = Four::new(0.0f32);
    #[unroll]
    for t in 0..TOKENS {
        let place = at + comptime!(t * width);
        let here = Four::reinterpret(shared[place]);
        shared[place] = Eight::reinterpret(sum);
        sum += here;
    }
    sum
}

/// To the sum of the table at `other`, over all tokens, adds the running sum from the
/// end, behind each token, of the one at `at`.
#[cube]
fn run_back(shared: &mut Shared<[Eight]>, at: usize, other: usize, #[comptime] width: usize) {
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

/// A power of two that brings `top` near 64, and one by it.
#[cube]
fn scale_for(top: f32) -> Array<f32> {
    let exponent = clamp(u32::reinterpret(top) >> 23u32, 20u32, 230u32);
    let mut scales = Array::<f32>::new(2usize);
    scales[0] = f32::reinterpret((260u32 - exponent) << 23u32);
    scales[1] = f32::reinterpret((exponent - 6u32) << 23u32);
    scales
}

/// One cube for every chunk of 16 tokens (x), batch entry and head (y), of planes of
/// 32 units, [`Places::planes`] of them. Inputs and gradients [B, T, H, N];
/// `checkpoints` and `dcheckpoints` [B, H, chunks, N, N] as the passes over the
/// rows leave them. `direct_r` and `direct_k` are added to `dr` and `dk` where
/// `has_direct`.
#[cube(launch_unchecked)]
#[allow(clippy::too_many_arguments)]
pub fn backward<F: Fragments>(
    r: &Tensor<Four>,
    w: &Tensor<Four>,
    k: &Tensor<Four>,
    removal: &Tensor<Four>,
    write: &Tensor<Four>,
    v: &Tensor<Four>,
    removed: &Tensor<Four>,
    dy: &Tensor<Four>,
    dremoved: &Tensor<Four>,
    checkpoints: &Tensor<Four>,
    dcheckpoints: &Tensor<Four>,
    direct_r: &Tensor<Four>,
    direct_k: &Tensor<Four>,
    dr: &mut Tensor<Four>,
    dw: &mut Tensor<Four>,
    dk: &mut Tensor<Four>,
    dremoval: &mut Tensor<Four>,
    dwrite: &mut Tensor<Four>,
    #[comptime] places: Places,
    #[comptime] has_direct: bool,
) {
    let n = comptime!(places.n);
    let fours = comptime!(n / 4);
    let eights = comptime!(n / 8);
    let stride = comptime!(places.stride());
    let wide_stride = comptime!(places.wide_stride());
    let vectors = comptime!(places.vectors());
    let values_at = comptime!(places.values());
    let keys_at = comptime!(places.keys());
    let pairs_at = comptime!(places.pairs());
    let wide_pairs_at = comptime!(places.wide_pairs());
    let rows_of_unit = comptime!(n / TOKENS);

    let n_tokens = r.shape(1);
    let n_head = r.shape(2);
    let n_chunks = checkpoints.shape(2);
    let head = CUBE_POS_Y as usize;
    let chunk = CUBE_POS_X as usize;
    let from = chunk * TOKENS;
    let len = usize::min(TOKENS, n_tokens - from);
    let unit = UNIT_POS as usize;
    let plane = UNIT_POS_Y as usize;
    let l = unit / eights;
    let e = unit % eights;

    let first = (head / n_head * n_tokens + from) * n_head + head % n_head;
    let place = (first + usize::min(l, len - 1) * n_head) * fours + 2 * e;
    // Behind the last token nothing happens.
    let kept = Four::new(f32::cast_from(l < len));
    let of_w = take(w, place, Four::new(1.0f32));
    let of_dy = take(dy, place, kept);
    let of_dremoved = take(dremoved, place, kept);
    let of_r = take(r, place, kept);
    let of_k = take(k, place, kept);
    let of_removal = take(removal, place, kept);
    let of_write = take(write, place, kept);
    let of_v = take(v, place, kept);
    let of_removed = take(removed, place, kept);
    let state_at = (head * n_chunks + chunk) * comptime!(n * fours) + l * fours + 2 * e;
    let mut state = Array::<Four>::new(comptime!(2 * rows_of_unit));
    let mut dstate = Array::<Four>::new(comptime!(2 * rows_of_unit));
    #[unroll]
    for row in 0..rows_of_unit {
        let at = state_at + comptime!(row * TOKENS * fours);
        #[unroll]
        for half in 0..2usize {
            state[comptime!(2 * row + half)] = checkpoints[at + half];
            dstate[comptime!(2 * row + half)] = dcheckpoints[at + half];
        }
    }

    let mut shared = Shared::<[Eight]>::new_slice(comptime!(places.all()));
    let mut ends = Shared::<[Four]>::new_slice(fours);
    let mut tops = Shared::<[f32]>::new_slice(comptime!(places.units() + PARTS));

    // The logarithms of decays add up over the tokens; the largest gradient is looked for.
    let mut log_w = Array::<Four>::new(2usize);
    #[unroll]
    for half in 0..2usize {
        log_w[half] = of_w[half].ln() * kept;
        shared[wide_pairs_at + l * fours + 2 * e + half] = Eight::reinterpret(log_w[half]);
    }
    let mut top = larger(0.0f32, of_dy[0], of_dy[1]);
    top = larger(top, of_dremoved[0], of_dremoved[1]);
    #[unroll]
    for row in 0..rows_of_unit {
        top = larger(top, dstate[comptime!(2 * row)], dstate[comptime!(2 * row + 1)]);
    }
    tops[unit] = top;
    sync_cube();
    if unit < fours {
        ends[unit] = run_ahead(&mut shared, wide_pairs_at + unit, fours);
    } else {
        let part = unit - fours;
        if part < PARTS {
            let mut top = 0.0f32;
            for idx in 0..comptime!(places.units() / PARTS) {
                top = max(top, tops[idx * PARTS + part]);
            }
            tops[comptime!(places.units()) + part] = top;
        }
    }
    sync_cube();
    let mut top = 0.0f32;
    #[unroll]
    for part in 0..PARTS {
        top = max(top, tops[comptime!(places.units() + part)]);
    }
    let scales = scale_for(top);
    let scale = Four::new(scales[0]);
    let unscale = Four::new(scales[1]);

    // e^{G-m}, e^{P-m} and e^{m-G} of this unit's numbers; e^m, e^{E-m} and e^E.
    let mut of_g = Array::<Four>::new(2usize);
    let mut of_p = Array::<Four>::new(2usize);
    let mut by_g = Array::<Four>::new(2usize);
    let mut of_middle = Array::<Four>::new(2usize);
    let mut of_end = Array::<Four>::new(2usize);
    let mut of_all = Array::<Four>::new(2usize);
    #[unroll]
    for half in 0..2usize {
        let at = wide_pairs_at + 2 * e + half;
        let p = Four::reinterpret(shared[at + l * fours]);
        let middle = Four::reinterpret(shared[at + comptime!(TOKENS / 2 * fours)]);
        let end = ends[2 * e + half];
        let from_middle = p + log_w[half] - middle;
        of_g[half] = from_middle.exp();
        by_g[half] = (-from_middle).exp();
        of_p[half] = (p - middle).exp();
        of_middle[half] = middle.exp();
        of_end[half] = (end - middle).exp();
        of_all[half] = end.exp();
    }

    // All factors in 16 bits.
    let at = values_at + l * stride + e;
    shared[at] = F::narrowed(of_dy[0] * scale, of_dy[1] * scale);
    shared[at + vectors] = F::narrowed(of_dremoved[0] * scale, of_dremoved[1] * scale);
    shared[at + comptime!(2 * vectors)] = F::narrowed(of_v[0], of_v[1]);
    shared[at + comptime!(3 * vectors)] = F::narrowed(of_removed[0], of_removed[1]);
    let at = keys_at + l * stride + e;
    shared[at] = F::narrowed(of_r[0] * of_g[0], of_r[1] * of_g[1]);
    shared[at + vectors] = F::narrowed(of_removal[0] * of_p[0], of_removal[1] * of_p[1]);
    shared[at + comptime!(2 * vectors)] = F::narrowed(of_k[0] * by_g[0], of_k[1] * by_g[1]);
    shared[at + comptime!(3 * vectors)] =
        F::narrowed(of_write[0] * by_g[0], of_write[1] * by_g[1]);
    let mut overlap = Array::<Four>::new(2usize);
    overlap[0] = Four::new(0.0f32);
    overlap[1] = Four::new(0.0f32);
    #[unroll]
    for row in 0..rows_of_unit {
        let one = comptime!(2 * row);
        let two = comptime!(2 * row + 1);
        let at = (comptime!(row * TOKENS) + l) * stride + e;
        overlap[0] += state[one] * dstate[one];
        overlap[1] += state[two] * dstate[two];
        shared[at] = F::narrowed(state[one] * of_middle[0], state[two] * of_middle[1]);
    }
    sync_cube();

    // Tokens with tokens: each plane takes its share of the four products.
    let by_rows = comptime!(Factors {
        a_stride: stride,
        a_is_turned: false,
        b_stride: stride,
        b_is_turned: true,
    });
    let share = comptime!(4 / places.planes());
    #[unroll]
    for idx in 0..share {
        let which = plane * share + idx;
        let mut sums = F::none();
        let a = values_at + which / 2 * vectors;
        let b = values_at + comptime!(2 * vectors) + which % 2 * vectors;
        #[unroll]
        for step in 0..rows_of_unit {
            F::add_product(&shared, &mut sums, a + 2 * step, b + 2 * step, by_rows);
        }
        let at = wide_pairs_at + which * comptime!(TOKENS * WIDE_PAIR_STRIDE);
        F::put(&sums, &mut shared, at, WIDE_PAIR_STRIDE);
    }
    // Tokens with the states at the chunk's ends.
    let plain = comptime!(Factors {
        a_stride: stride,
        a_is_turned: false,
        b_stride: stride,
        b_is_turned: false,
    });
    let mut dr_sums = F::none();
    let mut dremoval_sums = F::none();
    #[unroll]
    for step in 0..rows_of_unit {
        let a = values_at + 2 * step;
        let b = comptime!(step * TOKENS * stride) + 2 * plane;
        F::add_product(&shared, &mut dr_sums, a, b, plain);
        F::add_product(&shared, &mut dremoval_sums, a + vectors, b, plain);
    }
    sync_cube();

    // The gradient of the state takes the state's place.
    #[unroll]
    for row in 0..rows_of_unit {
        let one = comptime!(2 * row);
        let two = comptime!(2 * row + 1);
        let at = (comptime!(row * TOKENS) + l) * stride + e;
        shared[at] = F::narrowed(
            dstate[one] * scale * of_end[0],
            dstate[two] * scale * of_end[1],
        );
    }
    // No token reads what comes behind it.
    #[unroll]
    for idx in 0..comptime!(64 / n) {
        let at = unit + comptime!(idx * places.units());
        let which = at / 32;
        let t = at % 32 / 2;
        let low_at = wide_pairs_at + (which * TOKENS + t) * WIDE_PAIR_STRIDE + at % 2 * 2;
        let mut low = Four::reinterpret(shared[low_at]);
        let mut high = Four::reinterpret(shared[low_at + 1]);
        // Those of dy read their own token too.
        let end = t + u32::cast_from(which < 2) as usize;
        let first = at % 2 * 8;
        #[unroll]
        for column in 0..4usize {
            let one = low.extract(column);
            let two = high.extract(column);
            low.insert(column, select(first + column < end, one, 0.0f32));
            high.insert(column, select(first + column + 4 < end, two, 0.0f32));
        }
        shared[pairs_at + (which * TOKENS + t) * PAIR_STRIDE + at % 2] = F::narrowed(low, high);
    }
    sync_cube();

    // What reaches the chunk's end is kept apart, for the decays.
    let mut with_v_sums = F::none();
    let mut with_removed_sums = F::none();
    #[unroll]
    for step in 0..rows_of_unit {
        let a = values_at + comptime!(2 * vectors + 2 * step);
        let b = comptime!(step * TOKENS * stride) + 2 * plane;
        F::add_product(&shared, &mut with_v_sums, a, b, plain);
        F::add_product(&shared, &mut with_removed_sums, a + vectors, b, plain);
    }
    // The vectors of the chunk with each other.
    let ahead = comptime!(Factors {
        a_stride: PAIR_STRIDE,
        a_is_turned: false,
        b_stride: stride,
        b_is_turned: false,
    });
    let back = comptime!(Factors {
        a_stride: PAIR_STRIDE,
        a_is_turned: true,
        b_stride: stride,
        b_is_turned: false,
    });
    let one = comptime!(TOKENS * PAIR_STRIDE);
    let dy_v = pairs_at;
    let dy_removed = pairs_at + one;
    let dremoved_v = pairs_at + comptime!(2 * one);
    let dremoved_removed = pairs_at + comptime!(3 * one);
    let r_at = keys_at + 2 * plane;
    let removal_at = r_at + vectors;
    let k_at = r_at + comptime!(2 * vectors);
    let write_at = r_at + comptime!(3 * vectors);
    let mut dk_sums = F::none();
    let mut dwrite_sums = F::none();
    F::add_product(&shared, &mut dr_sums, dy_v, k_at, ahead);
    F::add_product(&shared, &mut dr_sums, dy_removed, write_at, ahead);
    F::add_product(&shared, &mut dremoval_sums, dremoved_v, k_at, ahead);
    F::add_product(&shared, &mut dremoval_sums, dremoved_removed, write_at, ahead);
    F::add_product(&shared, &mut dk_sums, dy_v, r_at, back);
    F::add_product(&shared, &mut dk_sums, dremoved_v, removal_at, back);
    F::add_product(&shared, &mut dwrite_sums, dy_removed, r_at, back);
    F::add_product(&shared, &mut dwrite_sums, dremoved_removed, removal_at, back);
    sync_cube();
    let of_sums = comptime!(places.sums());
    let mine = 4 * plane;
    F::put(&dr_sums, &mut shared, mine, wide_stride);
    F::put(&dremoval_sums, &mut shared, of_sums + mine, wide_stride);
    F::put(&dk_sums, &mut shared, comptime!(2 * of_sums) + mine, wide_stride);
    F::put(&dwrite_sums, &mut shared, comptime!(3 * of_sums) + mine, wide_stride);
    F::put(&with_v_sums, &mut shared, comptime!(4 * of_sums) + mine, wide_stride);
    F::put(&with_removed_sums, &mut shared, comptime!(5 * of_sums) + mine, wide_stride);
    sync_cube();

    let mut at_token = Array::<Four>::new(2usize);
    let mut with_removal = Array::<Four>::new(2usize);
    #[unroll]
    for half in 0..2usize {
        let at = l * wide_stride + 2 * e + half;
        let ahead = of_g[half] * unscale;
        let back = by_g[half] * unscale;
        let with_v = Four::reinterpret(shared[at + comptime!(4 * of_sums)]);
        let with_removed = Four::reinterpret(shared[at + comptime!(5 * of_sums)]);
        let mut of_dr = Four::reinterpret(shared[at]) * ahead;
        let of_dremoval = Four::reinterpret(shared[at + of_sums]) * of_p[half] * unscale;
        let mut of_dk = (Four::reinterpret(shared[at + comptime!(2 * of_sums)]) + with_v) * back;
        let of_dwrite =
            (Four::reinterpret(shared[at + comptime!(3 * of_sums)]) + with_removed) * back;
        let reaching = of_k[half] * with_v + of_write[half] * with_removed;
        overlap[half] = overlap[half] * of_all[half] + reaching * back;
        at_token[half] = of_r[half] * of_dr - of_k[half] * of_dk - of_write[half] * of_dwrite;
        with_removal[half] = at_token[half] + of_removal[half] * of_dremoval;
        if l < len {
            if comptime!(has_direct) {
                of_dr += direct_r[place + half];
                of_dk += direct_k[place + half];
            }
            dr[place + half] = of_dr;
            dk[place + half] = of_dk;
            dremoval[place + half] = of_dremoval;
            dwrite[place + half] = of_dwrite;
        }
    }
    sync_cube();
    // Two tables in place of the sums.
    let table = l * fours + 2 * e;
    #[unroll]
    for half in 0..2usize {
        shared[table + half] = Eight::reinterpret(with_removal[half]);
        shared[table + half + comptime!(TOKENS * fours)] = Eight::reinterpret(overlap[half]);
    }
    sync_cube();
    if unit < fours {
        run_back(&mut shared, unit, unit + comptime!(TOKENS * fours), fours);
    }
    sync_cube();
    #[unroll]
    for half in 0..2usize {
        let behind = Four::reinterpret(shared[table + half]);
        if l < len {
            dw[place + half] = (behind + at_token[half]) / of_w[half];
        }
    }
}
