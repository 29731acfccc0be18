//! Where a head lies in the tensors of a call, and the tokens of one chunk of it.

use super::ROWS;
use crate::kernels::cpu::simd::LANES;
use crate::kernels::lifted::checkpoint_interval;
use crate::kernels::wkv7::Wkv7Inputs;

/// One lane group of a vector over the keys.
pub(super) type Lanes = [f32; LANES];

/// Sizes of one call.
#[derive(Clone, Copy)]
pub(super) struct Dims {
    pub(super) n_batch: usize,
    pub(super) n_tokens: usize,
    pub(super) n_head: usize,
    /// N.
    pub(super) n_values: usize,
    /// M.
    pub(super) n_keys: usize,
    /// 1 where the batch shares the initial state.
    pub(super) n_states: usize,
}

impl Dims {
    pub(super) fn new(inputs: &Wkv7Inputs, n_states: usize) -> Self {
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

    pub(super) fn interval(&self) -> usize {
        checkpoint_interval(self.n_values, self.n_keys)
    }

    pub(super) fn n_chunks(&self) -> usize {
        self.n_tokens.div_ceil(self.interval())
    }

    /// Numbers of a head's state.
    pub(super) fn n_state(&self) -> usize {
        self.n_values * self.n_keys
    }

    /// First token of a chunk and the one behind its last.
    pub(super) fn tokens(&self, chunk: usize) -> (usize, usize) {
        let from = chunk * self.interval();
        (from, self.n_tokens.min(from + self.interval()))
    }
}

/// The six inputs as slices, [B, T, H, M] and [B, T, H, N].
pub(super) struct Slices<'a> {
    pub(super) r: &'a [f32],
    pub(super) w: &'a [f32],
    pub(super) k: &'a [f32],
    pub(super) v: &'a [f32],
    pub(super) removal: &'a [f32],
    pub(super) write: &'a [f32],
}

/// Where a head lies in the tensors of a call.
#[derive(Clone, Copy)]
pub(super) struct Place {
    pub(super) dims: Dims,
    pub(super) batch_idx: usize,
    pub(super) head_idx: usize,
}

impl Place {
    pub(super) fn head(&self) -> usize {
        self.batch_idx * self.dims.n_head + self.head_idx
    }

    /// The place of token `t` among the rows of a [B, T, H, ..] tensor.
    pub(super) fn row(&self, t: usize) -> usize {
        (self.batch_idx * self.dims.n_tokens + t) * self.dims.n_head + self.head_idx
    }

    /// Where the state in front of a chunk lies among the checkpoints.
    pub(super) fn checkpoint(&self, chunk: usize) -> usize {
        (self.head() * self.dims.n_chunks() + chunk) * self.dims.n_state()
    }
}

/// The five key-side vectors of every token of a chunk and head, or their
/// gradients, behind each other. Every row of the state reads them again, and
/// in the tensors the same place of all five lies a multiple of 4096 bytes
/// apart, where caches take them for one another.
pub(super) struct Chunk {
    /// Lane groups of a vector.
    pub(super) n: usize,
    pub(super) groups: Vec<Lanes>,
}

/// r, w, k, removal and write of one token.
pub(super) type Token<'a> = [&'a [Lanes]; VECTORS];

/// Vectors of a token on the key side.
pub(super) const VECTORS: usize = 5;

impl Chunk {
    pub(super) fn new(dims: &Dims) -> Self {
        let n = dims.n_keys / LANES;
        let n_tokens = dims.interval().min(dims.n_tokens);
        Self {
            n,
            groups: vec![[0.0; LANES]; n_tokens * VECTORS * (n + 1)],
        }
    }

    /// Where a vector starts; one group apart, so that no two begin in the same
    /// place of a cache.
    pub(super) fn start(&self, token: usize, vector: usize) -> usize {
        (token * VECTORS + vector) * (self.n + 1)
    }

    #[inline(always)]
    pub(super) fn token(&self, token: usize) -> Token<'_> {
        std::array::from_fn(|vector| &self.groups[self.start(token, vector)..][..self.n])
    }

    #[inline(always)]
    pub(super) fn token_mut(&mut self, token: usize) -> [&mut [Lanes]; VECTORS] {
        let (n, start) = (self.n, self.start(token, 0));
        let mut vectors = self.groups[start..].chunks_exact_mut(n + 1);
        std::array::from_fn(|_| match vectors.next() {
            Some(vector) => &mut vector[..n],
            None => unreachable!("a token has all its vectors"),
        })
    }

    /// Takes the tokens `from..to` of a head out of the inputs.
    pub(super) fn fill(&mut self, inputs: &Slices<'_>, place: &Place, from: usize, to: usize) {
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
pub(super) fn by_row(rows: &mut [f32]) -> [&mut [Lanes]; ROWS] {
    let groups = rows.as_chunks_mut::<LANES>().0;
    let n = groups.len() / ROWS;
    let mut rows = groups.chunks_exact_mut(n);
    std::array::from_fn(|_| match rows.next() {
        Some(row) => row,
        None => unreachable!("there are so many rows"),
    })
}
