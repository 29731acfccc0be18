//! [`super::lifted_wkv`] on the CPU: one task per batch entry and head. Rows of
//! the state do not touch each other, so a few rows at a time walk over a chunk
//! of tokens and stay in the first-level cache whatever M is. Reference twin:
//! [`super::lifted_wkv::lifted_wkv_reference`].

#![allow(
    clippy::needless_range_loop,
    reason = "an index names a place of several vectors at once, and fixed bounds vectorise"
)]

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

/// The five key-side vectors of every token of a chunk and head, or their
/// gradients, behind each other. Every row of the state reads them again, and
/// in the tensors the same place of all five lies a multiple of 4096 bytes
/// apart, where caches take them for one another.
struct Chunk {
    /// Lane groups of a vector.
    n: usize,
    groups: Vec<Lanes>,
}

/// r, w, k, removal and write of one token.
type Token<'a> = [&'a [Lanes]; VECTORS];

/// Vectors of a token on the key side.
const VECTORS: usize = 5;

impl Chunk {
    fn new(dims: &Dims) -> Self {
        let n = dims.n_keys / LANES;
        let n_tokens = dims.interval().min(dims.n_tokens);
        Self {
            n,
            groups: vec![[0.0; LANES]; n_tokens * VECTORS * (n + 1)],
        }
    }

    /// Where a vector starts; one group apart, so that no two begin in the same
    /// place of a cache.
    fn start(&self, token: usize, vector: usize) -> usize {
        (token * VECTORS + vector) * (self.n + 1)
    }

    #[inline(always)]
    fn token(&self, token: usize) -> Token<'_> {
        std::array::from_fn(|vector| &self.groups[self.start(token, vector)..][..self.n])
    }

    #[inline(always)]
    fn token_mut(&mut self, token: usize) -> [&mut [Lanes]; VECTORS] {
        let (n, start) = (self.n, self.start(token, 0));
        let mut vectors = self.groups[start..].chunks_exact_mut(n + 1);
        std::array::from_fn(|_| match vectors.next() {
            Some(vector) => &mut vector[..n],
            None => unreachable!("a token has all its vectors"),
        })
    }

    /// Takes the tokens `from..to` of a head out of the inputs.
    fn fill(&mut self, inputs: &Slices<'_>, place: &Place, from: usize, to: usize) {
        let m = place.dims.n_keys;
        let Slices {
            r,
            w,
            k,
            v: _,
            removal,
            write,
        } = inputs;
        for t in from..to {
            let at = place.row(t) * m;
            for (to, x) in self
                .token_mut(t - from)
                .into_iter()
                .zip([r, w, k, removal, write])
            {
                to.as_flattened_mut().copy_from_slice(&x[at..at + m]);
            }
        }
    }
}

/// [ROWS, M] row by row.
#[inline(always)]
fn by_row(rows: &mut [f32]) -> [&mut [Lanes]; ROWS] {
    let groups = rows.as_chunks_mut::<LANES>().0;
    let n = groups.len() / ROWS;
    let mut rows = groups.chunks_exact_mut(n);
    std::array::from_fn(|_| match rows.next() {
        Some(row) => row,
        None => unreachable!("there are so many rows"),
    })
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
fn sums(lanes: &[Lanes; ROWS]) -> [f32; ROWS] {
    std::array::from_fn(|row| sum_lanes(lanes[row]))
}

/// One element of Z_t.
#[inline(always)]
fn next<const FMA: bool>(z: f32, removed: f32, value: f32, w: f32, write: f32, k: f32) -> f32 {
    mul_add::<FMA>(value, k, mul_add::<FMA>(removed, write, z * w))
}

/// `Z_{t-1} removal` of some rows.
#[inline(always)]
fn removed<const FMA: bool>(rows: &[&mut [Lanes]; ROWS], removal: &[Lanes]) -> [f32; ROWS] {
    let mut total = [[0.0; LANES]; ROWS];
    for (i, removal) in removal.iter().enumerate() {
        for (total, z) in total.iter_mut().zip(rows) {
            for l in 0..LANES {
                total[l] = mul_add::<FMA>(z[i][l], removal[l], total[l]);
            }
        }
    }
    sums(&total)
}

/// Moves some rows over one token and gives their y.
#[inline(always)]
fn advance<const FMA: bool>(
    rows: &mut [&mut [Lanes]; ROWS],
    [r, w, k, _, write]: Token<'_>,
    value: &[f32; ROWS],
    removed: &[f32; ROWS],
) -> [f32; ROWS] {
    let mut total = [[0.0; LANES]; ROWS];
    for i in 0..r.len() {
        let (r, w, k, write) = (&r[i], &w[i], &k[i], &write[i]);
        for row in 0..ROWS {
            let z = &mut rows[row][i];
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
        let mut inputs = Chunk::new(dims);
        for chunk in 0..dims.n_chunks() {
            if let Some((checkpoints, _)) = self.tape {
                // SAFETY: as above.
                unsafe { checkpoints.slice(place.checkpoint(chunk), n * m) }.copy_from_slice(state);
            }
            let (from, to) = dims.tokens(chunk);
            inputs.fill(self.inputs, place, from, to);
            for row in (0..n).step_by(ROWS) {
                let mut rows = by_row(&mut state[row * m..(row + ROWS) * m]);
                for t in from..to {
                    let token = inputs.token(t - from);
                    let taken = removed::<FMA>(&rows, token[3]);
                    let value = values(self.inputs.v, place, t, row);
                    let y = advance::<FMA>(&mut rows, token, &value, &taken);
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
        let (mut inputs, mut gradients) = (Chunk::new(dims), Chunk::new(dims));
        for chunk in (0..dims.n_chunks()).rev() {
            let kept = &self.checkpoints[place.checkpoint(chunk)..][..n * m];
            let (from, to) = dims.tokens(chunk);
            inputs.fill(self.inputs, place, from, to);
            gradients.groups.fill([0.0; LANES]);
            for row in (0..n).step_by(ROWS) {
                states[..ROWS * m].copy_from_slice(&kept[row * m..(row + ROWS) * m]);
                for t in from..to - 1 {
                    let (before, after) = states[(t - from) * ROWS * m..].split_at_mut(ROWS * m);
                    let values = self.token_values(t, row);
                    recompute::<FMA>(before, after, inputs.token(t - from), &values);
                }
                let ds = &mut ds[row * m..(row + ROWS) * m];
                for t in (from..to).rev() {
                    let before = &mut states[(t - from) * ROWS * m..][..ROWS * m];
                    let dv = token_backward::<FMA>(
                        by_row(ds),
                        by_row(before),
                        inputs.token(t - from),
                        gradients.token_mut(t - from),
                        &self.token_values(t, row),
                    );
                    let at = place.row(t) * n + row;
                    // SAFETY: every task writes the rows of its own batch entry and head.
                    unsafe { self.dv.slice(at, ROWS) }.copy_from_slice(&dv);
                }
            }
            for t in from..to {
                for (rows, own) in self.gradients.iter().zip(gradients.token(t - from)) {
                    // SAFETY: as above.
                    let to = unsafe { rows.slice(place.row(t) * m, m) };
                    to.copy_from_slice(own.as_flattened());
                }
            }
        }
    }
}

/// The numbers of one token on the value side, of some rows.
struct TokenValues {
    value: [f32; ROWS],
    removed: [f32; ROWS],
    dy: [f32; ROWS],
}

impl BackwardTask<'_> {
    #[inline(always)]
    fn token_values(&self, t: usize, row: usize) -> TokenValues {
        TokenValues {
            value: values(self.inputs.v, &self.place, t, row),
            removed: values(self.removed, &self.place, t, row),
            dy: values(self.dy, &self.place, t, row),
        }
    }
}

/// Some rows of Z_t, in front of `after`, from those of Z_{t-1}.
#[inline(always)]
fn recompute<const FMA: bool>(
    before: &mut [f32],
    after: &mut [f32],
    [_, w, k, _, write]: Token<'_>,
    TokenValues { value, removed, .. }: &TokenValues,
) {
    let len = before.len();
    let (before, after) = (by_row(before), by_row(&mut after[..len]));
    for i in 0..w.len() {
        let (w, k, write) = (&w[i], &k[i], &write[i]);
        for row in 0..ROWS {
            let (z, to) = (&before[row][i], &mut after[row][i]);
            for l in 0..LANES {
                to[l] = next::<FMA>(z[l], removed[row], value[row], w[l], write[l], k[l]);
            }
        }
    }
}

/// Takes the gradient of some rows of Z_t, `ds`, to that of Z_{t-1}, given
/// Z_{t-1} in `before`. Adds to the gradients of the token's vectors and gives
/// that of its values.
#[inline(always)]
fn token_backward<const FMA: bool>(
    ds: [&mut [Lanes]; ROWS],
    before: [&mut [Lanes]; ROWS],
    [r, w, k, removal, write]: Token<'_>,
    [own_r, own_w, own_k, own_removal, own_write]: [&mut [Lanes]; VECTORS],
    values: &TokenValues,
) -> [f32; ROWS] {
    let TokenValues { value, removed, dy } = values;
    let (mut dv, mut dremoved) = ([[0.0; LANES]; ROWS], [[0.0; LANES]; ROWS]);
    for i in 0..r.len() {
        let (r, k, write) = (&r[i], &k[i], &write[i]);
        for row in 0..ROWS {
            let d = &mut ds[row][i];
            for l in 0..LANES {
                d[l] = mul_add::<FMA>(dy[row], r[l], d[l]);
                dv[row][l] = mul_add::<FMA>(d[l], k[l], dv[row][l]);
                dremoved[row][l] = mul_add::<FMA>(d[l], write[l], dremoved[row][l]);
            }
        }
    }
    let (dv, dremoved) = (sums(&dv), sums(&dremoved));
    for i in 0..r.len() {
        let (w, k, removal, write) = (&w[i], &k[i], &removal[i], &write[i]);
        let (mut dr, mut dw, mut dk) = (own_r[i], own_w[i], own_k[i]);
        let (mut dremoval, mut dwrite) = (own_removal[i], own_write[i]);
        for row in 0..ROWS {
            let (z, d) = (&before[row][i], &mut ds[row][i]);
            for l in 0..LANES {
                let after = next::<FMA>(z[l], removed[row], value[row], w[l], write[l], k[l]);
                dr[l] = mul_add::<FMA>(dy[row], after, dr[l]);
                dw[l] = mul_add::<FMA>(d[l], z[l], dw[l]);
                dk[l] = mul_add::<FMA>(d[l], value[row], dk[l]);
                dwrite[l] = mul_add::<FMA>(d[l], removed[row], dwrite[l]);
                dremoval[l] = mul_add::<FMA>(dremoved[row], z[l], dremoval[l]);
                d[l] = mul_add::<FMA>(d[l], w[l], dremoved[row] * removal[l]);
            }
        }
        (own_r[i], own_w[i], own_k[i]) = (dr, dw, dk);
        (own_removal[i], own_write[i]) = (dremoval, dwrite);
    }
    dv
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
