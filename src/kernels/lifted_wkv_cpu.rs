//! [`super::lifted_wkv`] on the CPU: one task per batch entry and head. Rows of
//! the state do not touch each other, so a few rows at a time walk over a chunk
//! of tokens and stay in the first-level cache whatever M is. Reference twin:
//! [`super::lifted_wkv::lifted_wkv_reference`].

use burn::tensor::Tensor;
use rayon::prelude::*;

use super::cpu_tensor::{Flat, written};
use super::lifted_wkv::{
    LiftedForward, LiftedGradients, LiftedInputs, LiftedSegment, LiftedTape, checkpoint_interval,
};
use super::rows::{Rows, Unwritten};
use super::simd::{LANES, Task, mul_add, run, sum_lanes};

/// Rows that walk together, so that a token's vectors are loaded once for all
/// of them.
const ROWS: usize = 4;

/// One lane group of a vector over the keys.
type Lanes = [f32; LANES];

/// Sizes of one call.
#[derive(Clone, Copy)]
struct Dims {
    n_batch: usize,
    n_tokens: usize,
    n_head: usize,
    /// N.
    n_values: usize,
    /// M.
    n_keys: usize,
    /// 1 where the batch shares the initial state.
    n_states: usize,
}

impl Dims {
    fn new(inputs: &LiftedInputs, n_states: usize) -> Self {
        let [n_batch, n_tokens, n_head, n_keys] = inputs.r.dims();
        Self {
            n_batch,
            n_tokens,
            n_head,
            n_values: inputs.v.dims()[3],
            n_keys,
            n_states,
        }
    }

    fn interval(&self) -> usize {
        checkpoint_interval(self.n_values, self.n_keys)
    }

    fn n_chunks(&self) -> usize {
        self.n_tokens.div_ceil(self.interval())
    }

    /// Numbers of a head's state.
    fn n_state(&self) -> usize {
        self.n_values * self.n_keys
    }

    /// First token of a chunk and the one behind its last.
    fn tokens(&self, chunk: usize) -> (usize, usize) {
        let from = chunk * self.interval();
        (from, self.n_tokens.min(from + self.interval()))
    }
}

/// The six inputs as slices, [B, T, H, M] and [B, T, H, N].
struct Slices<'a> {
    r: &'a [f32],
    w: &'a [f32],
    k: &'a [f32],
    v: &'a [f32],
    removal: &'a [f32],
    write: &'a [f32],
}

/// The key-side vectors of one token and head, M numbers each.
struct Token<'a> {
    r: &'a [f32],
    w: &'a [f32],
    k: &'a [f32],
    removal: &'a [f32],
    write: &'a [f32],
}

/// Where a head lies in the tensors of a call.
#[derive(Clone, Copy)]
struct Place {
    dims: Dims,
    batch_idx: usize,
    head_idx: usize,
}

impl Place {
    fn head(&self) -> usize {
        self.batch_idx * self.dims.n_head + self.head_idx
    }

    /// The place of token `t` among the rows of a [B, T, H, ..] tensor.
    fn row(&self, t: usize) -> usize {
        (self.batch_idx * self.dims.n_tokens + t) * self.dims.n_head + self.head_idx
    }

    /// Where the state in front of a chunk lies among the checkpoints.
    fn checkpoint(&self, chunk: usize) -> usize {
        (self.head() * self.dims.n_chunks() + chunk) * self.dims.n_state()
    }
}

impl<'a> Slices<'a> {
    #[inline(always)]
    fn token(&self, place: &Place, t: usize) -> Token<'a> {
        let m = place.dims.n_keys;
        let of = |x: &'a [f32]| &x[place.row(t) * m..][..m];
        Token {
            r: of(self.r),
            w: of(self.w),
            k: of(self.k),
            removal: of(self.removal),
            write: of(self.write),
        }
    }
}

/// [`ROWS`] of a token's numbers on the value side, `x` [B, T, H, N].
#[inline(always)]
fn values(x: &[f32], place: &Place, t: usize, row: usize) -> [f32; ROWS] {
    let start = place.row(t) * place.dims.n_values + row;
    match x[start..].first_chunk() {
        Some(values) => *values,
        None => unreachable!("N is a multiple of the rows"),
    }
}

#[inline(always)]
fn lanes(x: &[f32], at: usize) -> &Lanes {
    match x[at..].first_chunk() {
        Some(lanes) => lanes,
        None => unreachable!("M is a multiple of the lanes"),
    }
}

#[inline(always)]
fn lanes_mut(x: &mut [f32], at: usize) -> &mut Lanes {
    match x[at..].first_chunk_mut() {
        Some(lanes) => lanes,
        None => unreachable!("M is a multiple of the lanes"),
    }
}

#[inline(always)]
fn sums(lanes: &[Lanes; ROWS]) -> [f32; ROWS] {
    std::array::from_fn(|row| sum_lanes(lanes[row]))
}

/// One element of Z_t.
#[inline(always)]
fn next<const FMA: bool>(z: f32, removed: f32, value: f32, w: f32, write: f32, k: f32) -> f32 {
    mul_add::<FMA>(value, k, mul_add::<FMA>(removed, write, z * w))
}

/// `Z_{t-1} removal` of some rows, [ROWS, M].
#[inline(always)]
fn removed<const FMA: bool>(rows: &[f32], removal: &[f32]) -> [f32; ROWS] {
    let m = removal.len();
    let mut total = [[0.0; LANES]; ROWS];
    for at in (0..m).step_by(LANES) {
        let removal = lanes(removal, at);
        for row in 0..ROWS {
            let z = lanes(rows, row * m + at);
            for l in 0..LANES {
                total[row][l] = mul_add::<FMA>(z[l], removal[l], total[row][l]);
            }
        }
    }
    sums(&total)
}

/// Moves some rows, [ROWS, M], over one token and gives their y.
#[inline(always)]
fn advance<const FMA: bool>(
    rows: &mut [f32],
    token: &Token<'_>,
    value: &[f32; ROWS],
    removed: &[f32; ROWS],
) -> [f32; ROWS] {
    let m = token.r.len();
    let mut total = [[0.0; LANES]; ROWS];
    for at in (0..m).step_by(LANES) {
        let (r, w, k) = (lanes(token.r, at), lanes(token.w, at), lanes(token.k, at));
        let write = lanes(token.write, at);
        for row in 0..ROWS {
            let z = lanes_mut(rows, row * m + at);
            for l in 0..LANES {
                z[l] = next::<FMA>(z[l], removed[row], value[row], w[l], write[l], k[l]);
                total[row][l] = mul_add::<FMA>(z[l], r[l], total[row][l]);
            }
        }
    }
    sums(&total)
}

/// One head's share of the forward pass.
struct ForwardTask<'a> {
    inputs: &'a Slices<'a>,
    place: Place,
    state: &'a [f32],
    y: &'a Rows<'a>,
    last_state: &'a Rows<'a>,
    /// Checkpoints and removed values, where the backward pass follows.
    tape: Option<(&'a Rows<'a>, &'a Rows<'a>)>,
}

impl Task for ForwardTask<'_> {
    #[inline(always)]
    fn run<const FMA: bool>(&self) {
        let (place, dims) = (&self.place, &self.place.dims);
        let (n, m) = (dims.n_values, dims.n_keys);
        let shared = dims.n_states == 1;
        let first = if shared { place.head_idx } else { place.head() } * n * m;
        // SAFETY: every task writes the rows of its own batch entry and head.
        let state = unsafe { self.last_state.slice(place.head() * n * m, n * m) };
        state.copy_from_slice(&self.state[first..][..n * m]);
        for chunk in 0..dims.n_chunks() {
            if let Some((checkpoints, _)) = self.tape {
                // SAFETY: as above.
                unsafe { checkpoints.slice(place.checkpoint(chunk), n * m) }.copy_from_slice(state);
            }
            let (from, to) = dims.tokens(chunk);
            for row in (0..n).step_by(ROWS) {
                let rows = &mut state[row * m..(row + ROWS) * m];
                for t in from..to {
                    let token = self.inputs.token(place, t);
                    let taken = removed::<FMA>(rows, token.removal);
                    let value = values(self.inputs.v, place, t, row);
                    let y = advance::<FMA>(rows, &token, &value, &taken);
                    let at = place.row(t) * n + row;
                    // SAFETY: as above.
                    unsafe { self.y.slice(at, ROWS) }.copy_from_slice(&y);
                    if let Some((_, removed)) = self.tape {
                        // SAFETY: as above.
                        unsafe { removed.slice(at, ROWS) }.copy_from_slice(&taken);
                    }
                }
            }
        }
    }
}

/// One head's share of the backward pass.
struct BackwardTask<'a> {
    inputs: &'a Slices<'a>,
    place: Place,
    checkpoints: &'a [f32],
    removed: &'a [f32],
    dy: &'a [f32],
    /// r, w, k, removal, write.
    gradients: [&'a Rows<'a>; 5],
    dv: &'a Rows<'a>,
    dstate: &'a Rows<'a>,
}

impl Task for BackwardTask<'_> {
    #[inline(always)]
    fn run<const FMA: bool>(&self) {
        let (place, dims) = (&self.place, &self.place.dims);
        let (n, m) = (dims.n_values, dims.n_keys);
        // SAFETY: every task writes the rows of its own batch entry and head.
        let ds = unsafe { self.dstate.slice(place.head() * n * m, n * m) };
        ds.fill(0.0);
        // The states before each token of a chunk, of the rows at hand.
        let mut states = vec![0.0; dims.interval() * ROWS * m];
        for chunk in (0..dims.n_chunks()).rev() {
            let kept = &self.checkpoints[place.checkpoint(chunk)..][..n * m];
            let (from, to) = dims.tokens(chunk);
            for row in (0..n).step_by(ROWS) {
                states[..ROWS * m].copy_from_slice(&kept[row * m..(row + ROWS) * m]);
                self.recompute::<FMA>(&mut states, row, from, to);
                let ds = &mut ds[row * m..(row + ROWS) * m];
                for t in (from..to).rev() {
                    let before = &states[(t - from) * ROWS * m..][..ROWS * m];
                    self.token::<FMA>(ds, before, t, row);
                }
            }
        }
    }
}

impl BackwardTask<'_> {
    /// Fills `states` from its first entry on.
    #[inline(always)]
    fn recompute<const FMA: bool>(&self, states: &mut [f32], row: usize, from: usize, to: usize) {
        let place = &self.place;
        let m = place.dims.n_keys;
        for t in from..to - 1 {
            let token = self.inputs.token(place, t);
            let (value, taken) = (
                values(self.inputs.v, place, t, row),
                values(self.removed, place, t, row),
            );
            let (before, after) = states[(t - from) * ROWS * m..].split_at_mut(ROWS * m);
            for at in (0..m).step_by(LANES) {
                let (w, k) = (lanes(token.w, at), lanes(token.k, at));
                let write = lanes(token.write, at);
                for row in 0..ROWS {
                    let z = lanes(before, row * m + at);
                    let to = lanes_mut(after, row * m + at);
                    for l in 0..LANES {
                        to[l] = next::<FMA>(z[l], taken[row], value[row], w[l], write[l], k[l]);
                    }
                }
            }
        }
    }

    /// Takes the gradient of some rows of Z_t, `ds`, to that of Z_{t-1}, given
    /// Z_{t-1} in `before`, and adds to the token's own gradients.
    #[inline(always)]
    fn token<const FMA: bool>(&self, ds: &mut [f32], before: &[f32], t: usize, row: usize) {
        let place = &self.place;
        let (n, m) = (place.dims.n_values, place.dims.n_keys);
        let token = self.inputs.token(place, t);
        let value = values(self.inputs.v, place, t, row);
        let taken = values(self.removed, place, t, row);
        let dy = values(self.dy, place, t, row);
        let (mut dv, mut dtaken) = ([[0.0; LANES]; ROWS], [[0.0; LANES]; ROWS]);
        for at in (0..m).step_by(LANES) {
            let (r, k, write) = (
                lanes(token.r, at),
                lanes(token.k, at),
                lanes(token.write, at),
            );
            for row in 0..ROWS {
                let d = lanes_mut(ds, row * m + at);
                for l in 0..LANES {
                    d[l] = mul_add::<FMA>(dy[row], r[l], d[l]);
                    dv[row][l] = mul_add::<FMA>(d[l], k[l], dv[row][l]);
                    dtaken[row][l] = mul_add::<FMA>(d[l], write[l], dtaken[row][l]);
                }
            }
        }
        let (dv, dtaken) = (sums(&dv), sums(&dtaken));
        // SAFETY: every task writes the rows of its own batch entry and head.
        unsafe { self.dv.slice(place.row(t) * n + row, ROWS) }.copy_from_slice(&dv);
        let start = place.row(t) * m;
        // SAFETY: as above.
        let own = self.gradients.map(|rows| unsafe { rows.slice(start, m) });
        let [own_r, own_w, own_k, own_removal, own_write] = own;
        if row == 0 {
            for own in [
                &mut *own_r,
                &mut *own_w,
                &mut *own_k,
                &mut *own_removal,
                &mut *own_write,
            ] {
                own.fill(0.0);
            }
        }
        for at in (0..m).step_by(LANES) {
            let (w, k) = (lanes(token.w, at), lanes(token.k, at));
            let (removal, write) = (lanes(token.removal, at), lanes(token.write, at));
            let (mut dr, mut dw, mut dk) =
                (*lanes(own_r, at), *lanes(own_w, at), *lanes(own_k, at));
            let (mut dremoval, mut dwrite) = (*lanes(own_removal, at), *lanes(own_write, at));
            for row in 0..ROWS {
                let z = lanes(before, row * m + at);
                let d = lanes_mut(ds, row * m + at);
                for l in 0..LANES {
                    let after = next::<FMA>(z[l], taken[row], value[row], w[l], write[l], k[l]);
                    dr[l] = mul_add::<FMA>(dy[row], after, dr[l]);
                    dw[l] = mul_add::<FMA>(d[l], z[l], dw[l]);
                    dk[l] = mul_add::<FMA>(d[l], value[row], dk[l]);
                    dwrite[l] = mul_add::<FMA>(d[l], taken[row], dwrite[l]);
                    dremoval[l] = mul_add::<FMA>(dtaken[row], z[l], dremoval[l]);
                    d[l] = mul_add::<FMA>(d[l], w[l], dtaken[row] * removal[l]);
                }
            }
            *lanes_mut(own_r, at) = dr;
            *lanes_mut(own_w, at) = dw;
            *lanes_mut(own_k, at) = dk;
            *lanes_mut(own_removal, at) = dremoval;
            *lanes_mut(own_write, at) = dwrite;
        }
    }
}

/// Runs `task` for every batch entry and head on all threads.
fn for_each_head<T: Task>(dims: Dims, task: impl Fn(Place) -> T + Sync) {
    (0..dims.n_batch * dims.n_head)
        .into_par_iter()
        .for_each(|head| {
            run(&task(Place {
                dims,
                batch_idx: head / dims.n_head,
                head_idx: head % dims.n_head,
            }));
        });
}

fn with_slices<T>(inputs: &LiftedInputs, body: impl FnOnce(&Slices<'_>) -> T) -> T {
    let LiftedInputs {
        r,
        w,
        k,
        v,
        removal,
        write,
    } = inputs;
    let flat = [r, w, k, v, removal, write].map(Flat::new);
    let [r, w, k, v, removal, write] = flat.each_ref().map(Flat::slice);
    body(&Slices {
        r,
        w,
        k,
        v,
        removal,
        write,
    })
}

pub(super) fn forward(inputs: &LiftedInputs, state: &Tensor<4>, keep_tape: bool) -> LiftedForward {
    let dims = Dims::new(inputs, state.dims()[0]);
    let (b, t, h) = (dims.n_batch, dims.n_tokens, dims.n_head);
    let (n, m, n_chunks) = (dims.n_values, dims.n_keys, dims.n_chunks());
    let state = Flat::new(state);
    let mut y = Unwritten::new(b * t * h * n);
    let mut last_state = Unwritten::new(b * h * n * m);
    let kept = |len: usize| if keep_tape { len } else { 0 };
    let mut checkpoints = Unwritten::new(kept(b * h * n_chunks * n * m));
    let mut removed = Unwritten::new(kept(b * t * h * n));
    with_slices(inputs, |slices| {
        let (y, last_state) = (y.rows(), last_state.rows());
        let tape = (checkpoints.rows(), removed.rows());
        for_each_head(dims, |place| ForwardTask {
            inputs: slices,
            place,
            state: state.slice(),
            y: &y,
            last_state: &last_state,
            tape: keep_tape.then_some((&tape.0, &tape.1)),
        });
    });
    LiftedForward {
        // SAFETY: the tasks above wrote every row.
        y: unsafe { written(y, [b, t, h, n]) },
        // SAFETY: the tasks above wrote every row.
        last_state: unsafe { written(last_state, [b, h, n, m]) },
        tape: keep_tape.then(|| {
            LiftedTape::one(
                // SAFETY: the tasks above wrote every row.
                unsafe { written(checkpoints, [b, h, n_chunks, n, m]) },
                // SAFETY: the tasks above wrote every row.
                unsafe { written(removed, [b, t, h, n]) },
            )
        }),
    }
}

pub(super) fn backward(
    inputs: &LiftedInputs,
    tape: &LiftedSegment,
    dy: &Tensor<4>,
) -> LiftedGradients {
    let dims = Dims::new(inputs, 1);
    let (b, t, h) = (dims.n_batch, dims.n_tokens, dims.n_head);
    let (n, m) = (dims.n_values, dims.n_keys);
    let (checkpoints, removed) = (Flat::new(&tape.checkpoints), Flat::new(&tape.removed));
    let dy = Flat::new(dy);
    let mut gradients: [_; 5] = std::array::from_fn(|_| Unwritten::new(b * t * h * m));
    let mut dv = Unwritten::new(b * t * h * n);
    let mut dstate = Unwritten::new(b * h * n * m);
    with_slices(inputs, |slices| {
        let rows = gradients.each_mut().map(Unwritten::rows);
        let (dv, dstate) = (dv.rows(), dstate.rows());
        for_each_head(dims, |place| BackwardTask {
            inputs: slices,
            place,
            checkpoints: checkpoints.slice(),
            removed: removed.slice(),
            dy: dy.slice(),
            gradients: rows.each_ref(),
            dv: &dv,
            dstate: &dstate,
        });
    });
    // SAFETY: the tasks above wrote every row.
    let [r, w, k, removal, write] =
        gradients.map(|values| unsafe { written(values, [b, t, h, m]) });
    LiftedGradients {
        r,
        w,
        k,
        // SAFETY: the tasks above wrote every row.
        v: unsafe { written(dv, [b, t, h, n]) },
        removal,
        write,
        // SAFETY: the tasks above wrote every row.
        state: unsafe { written(dstate, [b, h, n, m]) },
    }
}
