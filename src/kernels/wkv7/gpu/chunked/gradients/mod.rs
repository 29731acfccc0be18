//! The gradients of all vectors, for all chunks at once, in products of matrices. With
//! the names of [`super::prepare`], m the logarithm of the decays to the chunk's
//! middle, S the state in front of the chunk, D the gradient that reaches its end from
//! behind, U what was removed and dV, dU the gradients of v and of U:
//!
//! ```text
//! r' = r e^{G-m}        removal' = removal e^{P-m}        S' = S e^m
//! k' = k e^{m-G}        write' = write e^{m-G}            D' = D e^{E-m}
//! dU = T^T (F^T dy + write' D'^T)          dV = C^T dy + k' D'^T + B^T dU
//! X = lower(dy V^T)     Y = lower(dy U^T)
//! Z = strictly lower(dU V^T)               Q = strictly lower(dU U^T)
//! dr = (dy S' + X k' + Y write') e^{G-m}
//! dremoval = (dU S' + Z k' + Q write') e^{P-m}
//! dk = (V D' + X^T r' + Z^T removal') e^{m-G}
//! dwrite = (U D' + Y^T r' + Q^T removal') e^{m-G}
//! w dw at t = sum over s >= t of (r dr - k dk - write dwrite)
//!           + sum over s > t of (removal dremoval) + sum over rows of D S_E
//! ```
//!
//! with S_E the state behind the chunk, whose product with D is had from that of S and
//! what k and the write vectors reach. Around the middle no factor leaves e^{+-4.9}
//! where decays are those of RWKV-7, at least 0.545.
// Kernels know no `if` of two kinds of condition and no methods of whole numbers.
#![allow(
    clippy::collapsible_if,
    clippy::collapsible_else_if,
    clippy::manual_is_multiple_of
)]

use cubecl::prelude::*;

mod places;

use super::decays::{
    PAIR, PAIR_STRIDE, TOKENS, WIDE_PAIR, WIDE_PAIR_STRIDE, decays, mine, planes_of, stride_of,
    take, up_to, wide_stride,
};
use super::fragment::{Eight, Four, Fragments};
use super::prepare::Record;
use places::{Places, WIDE_PAIRS, run_back};

pub(super) use places::bytes;

/// Cubes as those of [`super::prepare`]. Inputs and gradients [B, T, H, N]; `kept` from
/// there, `states` and `removed` from the walk forward, `dstates` and `scales` from the
/// one back ([`super::walk`]). `direct_r`, `direct_k` and `direct_v` are added to
/// `dr`, `dk` and `dv` where `has_direct`.
#[cube(launch_unchecked)]
#[allow(clippy::too_many_arguments)]
pub fn gradients<F: Fragments>(
    r: &Tensor<Four>,
    w: &Tensor<Four>,
    k: &Tensor<Four>,
    v: &Tensor<Four>,
    removal: &Tensor<Four>,
    write: &Tensor<Four>,
    dy: &Tensor<Four>,
    kept: &Tensor<Eight>,
    states: &Tensor<Eight>,
    removed: &Tensor<Eight>,
    dstates: &Tensor<Eight>,
    scales: &Tensor<f32>,
    direct_r: &Tensor<Four>,
    direct_k: &Tensor<Four>,
    direct_v: &Tensor<Four>,
    dr: &mut Tensor<Four>,
    dw: &mut Tensor<Four>,
    dk: &mut Tensor<Four>,
    dv: &mut Tensor<Four>,
    dremoval: &mut Tensor<Four>,
    dwrite: &mut Tensor<Four>,
    stretch: usize,
    #[comptime] record: Record,
    #[comptime] has_direct: bool,
) {
    let n = comptime!(record.n);
    let places = comptime!(Places { n });
    let fours = comptime!(n / 4);
    let eights = comptime!(n / 8);
    let units = comptime!(2 * n);
    let stride = comptime!(stride_of(n));
    let wide_stride = comptime!(wide_stride(n));
    let vectors = comptime!(places.vectors());
    let dy_at = comptime!(places.values());
    let du_at = comptime!(places.values() + places.vectors());
    let v_at = comptime!(places.values() + 2 * places.vectors());
    let du_before_at = comptime!(places.values() + 3 * places.vectors());
    let keys_at = comptime!(places.keys());
    let removed_at = comptime!(places.removed());
    let inverse_at = comptime!(places.inverse());
    let pairs_at = comptime!(places.pairs());
    let wide_pairs_at = comptime!(places.wide_pairs());
    let steps = comptime!(n / 16);

    let n_tokens = r.shape(1);
    let n_head = r.shape(2);
    let n_chunks = n_tokens.div_ceil(TOKENS);
    let head = CUBE_POS_Y as usize;
    let chunk = head * n_chunks + CUBE_POS_X as usize;
    let unit = UNIT_POS as usize;
    let plane = UNIT_POS_Y as usize;
    let mine = mine(n_tokens, n_head, n);
    let mut shared = Shared::<[Eight]>::new_slice(comptime!(places.all()));

    let of_dy = take(dy, &mine);
    let of_r = take(r, &mine);
    let of_k = take(k, &mine);
    let of_v = take(v, &mine);
    let of_removal = take(removal, &mine);
    let of_write = take(write, &mine);
    let mut of_state = Array::<Eight>::new(steps);
    let mut of_dstate = Array::<Eight>::new(steps);
    #[unroll]
    for part in 0..steps {
        let at = chunk * comptime!(n * eights) + comptime!(part * units) + unit;
        of_state[part] = states[at];
        of_dstate[part] = dstates[at];
    }
    let n_stretches = n_chunks.div_ceil(stretch);
    let scale = scales[head * n_stretches + CUBE_POS_X as usize / stretch];
    let unscale = Four::new(1.0f32 / scale);
    let scale = Four::new(scale);
    let decays = decays(w, &mine, &mut shared, wide_pairs_at, n);

    let mut of_g = Array::<Four>::new(2usize);
    let mut of_p = Array::<Four>::new(2usize);
    let mut by_g = Array::<Four>::new(2usize);
    let mut of_middle = Array::<Four>::new(2usize);
    let mut of_end = Array::<Four>::new(2usize);
    #[unroll]
    for half in 0..2usize {
        let before = decays.before[half] - decays.middle[half];
        let g = before + decays.own[half];
        of_g[half] = g.exp();
        by_g[half] = (-g).exp();
        of_p[half] = before.exp();
        of_middle[half] = decays.middle[half].exp();
        of_end[half] = (decays.end[half] - decays.middle[half]).exp();
    }
    let at = mine.token * stride + mine.eight;
    shared[at + dy_at] = F::narrowed(of_dy[0] * scale, of_dy[1] * scale);
    shared[at + v_at] = F::narrowed(of_v[0], of_v[1]);
    shared[at + keys_at] = F::narrowed(of_r[0] * of_g[0], of_r[1] * of_g[1]);
    shared[at + comptime!(keys_at + vectors)] =
        F::narrowed(of_removal[0] * of_p[0], of_removal[1] * of_p[1]);
    shared[at + comptime!(keys_at + 2 * vectors)] =
        F::narrowed(of_k[0] * by_g[0], of_k[1] * by_g[1]);
    shared[at + comptime!(keys_at + 3 * vectors)] =
        F::narrowed(of_write[0] * by_g[0], of_write[1] * by_g[1]);
    shared[removed_at + unit / 2 * PAIR_STRIDE + unit % 2] = removed[chunk * units + unit];
    if unit < 32 {
        let turned =
            kept[chunk * comptime!(record.kept()) + comptime!(3 * record.vectors()) + unit];
        shared[inverse_at + unit / 2 * PAIR_STRIDE + unit % 2] = turned;
    }
    let mut overlap = Array::<Four>::new(2usize);
    overlap[0] = Four::new(0.0f32);
    overlap[1] = Four::new(0.0f32);
    #[unroll]
    for part in 0..steps {
        let state = F::widened(of_state[part]);
        let dstate = F::widened(of_dstate[part]);
        overlap[0] += state[0] * dstate[0];
        overlap[1] += state[1] * dstate[1];
        shared[at + comptime!(part * TOKENS * stride)] =
            F::narrowed(dstate[0] * of_end[0], dstate[1] * of_end[1]);
    }
    sync_cube();

    // C, F, B and X: each plane takes its share; Y.
    let plain = comptime!(places.plain());
    let by_rows = comptime!(places.by_rows());
    let by_removed = comptime!(places.by_removed());
    let of_pairs = comptime!(places.of_pairs());
    let back = comptime!(places.of_pairs_turned());
    let share = comptime!(4 / planes_of(n));
    #[unroll]
    for idx in 0..share {
        let which = plane * share + idx;
        let mut sums = F::none();
        let a = select(which == 3, dy_at, keys_at + which / 2 * vectors);
        let b = select(which == 3, v_at, keys_at + (2 + which % 2) * vectors);
        #[unroll]
        for step in 0..steps {
            F::add_product(&shared, &mut sums, a + 2 * step, b + 2 * step, by_rows);
        }
        F::put(
            &sums,
            &mut shared,
            wide_pairs_at + which * WIDE_PAIR,
            WIDE_PAIR_STRIDE,
        );
    }
    if plane == 0 {
        let mut sums = F::none();
        #[unroll]
        for step in 0..steps {
            let a = comptime!(dy_at + 2 * step);
            let b = comptime!(removed_at + step * TOKENS * PAIR_STRIDE);
            F::add_product(&shared, &mut sums, a, b, by_removed);
        }
        let at = comptime!(wide_pairs_at + 4 * WIDE_PAIR);
        F::put(&sums, &mut shared, at, WIDE_PAIR_STRIDE);
    }
    // With D'.
    let mut with_v = F::none();
    let mut with_removed = F::none();
    let mut du_before = F::none();
    let mut dv_sums = F::none();
    #[unroll]
    for step in 0..steps {
        let rows = comptime!(step * TOKENS * stride) + 2 * plane;
        F::add_product(
            &shared,
            &mut with_v,
            comptime!(v_at + 2 * step),
            rows,
            plain,
        );
        let taken = comptime!(removed_at + step * TOKENS * PAIR_STRIDE);
        F::add_product(&shared, &mut with_removed, taken, rows, back);
        let columns = plane * comptime!(TOKENS * stride) + 2 * step;
        let write = comptime!(keys_at + 3 * vectors + 2 * step);
        F::add_product(&shared, &mut du_before, write, columns, by_rows);
        let key = comptime!(keys_at + 2 * vectors + 2 * step);
        F::add_product(&shared, &mut dv_sums, key, columns, by_rows);
    }
    sync_cube();

    // No token reads what comes behind it; B leaves out the token itself.
    #[unroll]
    for idx in 0..comptime!((WIDE_PAIRS * 32).div_ceil(units)) {
        let at = unit + comptime!(idx * units);
        if at < comptime!(WIDE_PAIRS * 32) {
            let which = at / 32;
            let row = at % 32 / 2;
            let len = row + u32::cast_from(which != 2) as usize;
            let both = up_to(&shared, wide_pairs_at + which * WIDE_PAIR, row, at % 2, len);
            shared[pairs_at + which * PAIR + row * PAIR_STRIDE + at % 2] =
                F::narrowed(both[0], both[1]);
        }
    }
    #[unroll]
    for part in 0..steps {
        let state = F::widened(of_state[part]);
        shared[at + comptime!(part * TOKENS * stride)] =
            F::narrowed(state[0] * of_middle[0], state[1] * of_middle[1]);
    }
    sync_cube();

    let of_plane = 2 * plane;
    let c = comptime!(pairs_at);
    let f = comptime!(pairs_at + PAIR);
    let b = comptime!(pairs_at + 2 * PAIR);
    let x = comptime!(pairs_at + 3 * PAIR);
    let y = comptime!(pairs_at + 4 * PAIR);
    let z = comptime!(pairs_at + 5 * PAIR);
    let q = comptime!(pairs_at + 6 * PAIR);
    F::add_product(&shared, &mut du_before, f, dy_at + of_plane, back);
    F::add_product(&shared, &mut dv_sums, c, dy_at + of_plane, back);
    F::put_narrowed(&du_before, &mut shared, du_before_at + of_plane, stride);
    F::sync();
    let mut du = F::none();
    F::add_product(
        &shared,
        &mut du,
        inverse_at,
        du_before_at + of_plane,
        of_pairs,
    );
    F::put_narrowed(&du, &mut shared, du_at + of_plane, stride);
    sync_cube();

    F::add_product(&shared, &mut dv_sums, b, du_at + of_plane, back);
    if plane == 0 {
        let mut sums = F::none();
        #[unroll]
        for step in 0..steps {
            let a = comptime!(du_at + 2 * step);
            F::add_product(&shared, &mut sums, a, comptime!(v_at + 2 * step), by_rows);
        }
        F::put(&sums, &mut shared, wide_pairs_at, WIDE_PAIR_STRIDE);
    }
    if plane == comptime!(planes_of(n) - 1) {
        let mut sums = F::none();
        #[unroll]
        for step in 0..steps {
            let a = comptime!(du_at + 2 * step);
            let b = comptime!(removed_at + step * TOKENS * PAIR_STRIDE);
            F::add_product(&shared, &mut sums, a, b, by_removed);
        }
        F::put(
            &sums,
            &mut shared,
            comptime!(wide_pairs_at + WIDE_PAIR),
            WIDE_PAIR_STRIDE,
        );
    }
    // With S', and the vectors of the chunk with each other.
    let r_at = keys_at + of_plane;
    let removal_at = r_at + vectors;
    let k_at = r_at + comptime!(2 * vectors);
    let write_at = r_at + comptime!(3 * vectors);
    let mut dr_sums = F::none();
    let mut dremoval_sums = F::none();
    let mut dk_sums = F::none();
    let mut dwrite_sums = F::none();
    #[unroll]
    for step in 0..steps {
        let rows = comptime!(step * TOKENS * stride) + of_plane;
        F::add_product(
            &shared,
            &mut dr_sums,
            comptime!(dy_at + 2 * step),
            rows,
            plain,
        );
        F::add_product(
            &shared,
            &mut dremoval_sums,
            comptime!(du_at + 2 * step),
            rows,
            plain,
        );
    }
    F::add_product(&shared, &mut dr_sums, x, k_at, of_pairs);
    F::add_product(&shared, &mut dr_sums, y, write_at, of_pairs);
    F::add_product(&shared, &mut dk_sums, x, r_at, back);
    F::add_product(&shared, &mut dwrite_sums, y, r_at, back);
    sync_cube();

    #[unroll]
    for idx in 0..comptime!(64usize.div_ceil(units)) {
        let at = unit + comptime!(idx * units);
        if at < 64 {
            let which = at / 32;
            let row = at % 32 / 2;
            let both = up_to(&shared, wide_pairs_at + which * WIDE_PAIR, row, at % 2, row);
            shared[z + which * PAIR + row * PAIR_STRIDE + at % 2] = F::narrowed(both[0], both[1]);
        }
    }
    sync_cube();
    F::add_product(&shared, &mut dremoval_sums, z, k_at, of_pairs);
    F::add_product(&shared, &mut dremoval_sums, q, write_at, of_pairs);
    F::add_product(&shared, &mut dk_sums, z, removal_at, back);
    F::add_product(&shared, &mut dwrite_sums, q, removal_at, back);
    sync_cube();
    let of_sums = comptime!(places.sums());
    let to = 4 * plane;
    F::put(&dr_sums, &mut shared, to, wide_stride);
    F::put(&dremoval_sums, &mut shared, of_sums + to, wide_stride);
    F::put(
        &dk_sums,
        &mut shared,
        comptime!(2 * of_sums) + to,
        wide_stride,
    );
    F::put(
        &dwrite_sums,
        &mut shared,
        comptime!(3 * of_sums) + to,
        wide_stride,
    );
    F::put(
        &with_v,
        &mut shared,
        comptime!(4 * of_sums) + to,
        wide_stride,
    );
    F::put(
        &with_removed,
        &mut shared,
        comptime!(5 * of_sums) + to,
        wide_stride,
    );
    F::put(
        &dv_sums,
        &mut shared,
        comptime!(6 * of_sums) + to,
        wide_stride,
    );
    sync_cube();

    let mut at_token = Array::<Four>::new(2usize);
    let mut with_removal = Array::<Four>::new(2usize);
    #[unroll]
    for half in 0..2usize {
        let at = mine.token * wide_stride + 2 * mine.eight + half;
        let place = mine.place + half;
        let ahead = of_g[half] * unscale;
        let back = by_g[half] * unscale;
        let with_v = Four::reinterpret(shared[at + comptime!(4 * of_sums)]);
        let with_removed = Four::reinterpret(shared[at + comptime!(5 * of_sums)]);
        let mut of_dr = Four::reinterpret(shared[at]) * ahead;
        let of_dremoval = Four::reinterpret(shared[at + of_sums]) * of_p[half] * unscale;
        let mut of_dk = (Four::reinterpret(shared[at + comptime!(2 * of_sums)]) + with_v) * back;
        let of_dwrite =
            (Four::reinterpret(shared[at + comptime!(3 * of_sums)]) + with_removed) * back;
        let mut of_dv = Four::reinterpret(shared[at + comptime!(6 * of_sums)]) * unscale;
        let reaching = of_k[half] * with_v + of_write[half] * with_removed;
        let of_all = of_middle[half] * of_end[half] * unscale;
        overlap[half] = overlap[half] * of_all + reaching * back;
        at_token[half] = of_r[half] * of_dr - of_k[half] * of_dk - of_write[half] * of_dwrite;
        with_removal[half] = at_token[half] + of_removal[half] * of_dremoval;
        if mine.is_token {
            if comptime!(has_direct) {
                of_dr += direct_r[place];
                of_dk += direct_k[place];
                of_dv += direct_v[place];
            }
            dr[place] = of_dr;
            dk[place] = of_dk;
            dv[place] = of_dv;
            dremoval[place] = of_dremoval;
            dwrite[place] = of_dwrite;
        }
    }
    sync_cube();
    // Two tables in place of the sums.
    let table = mine.token * fours + 2 * mine.eight;
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
        if mine.is_token {
            // Read again: a number less to hold on to.
            dw[mine.place + half] = (behind + at_token[half]) / w[mine.place + half];
        }
    }
}
