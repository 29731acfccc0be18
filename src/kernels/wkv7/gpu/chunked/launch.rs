//! How the kernels for chunks are launched: cubes, units and the shapes of what they write.

use burn::tensor::Shape;
use cubecl::prelude::*;

use super::decays::{TOKENS, planes_of};
use super::prepare::Record;

/// Heads, of all stretches, that keep the larger GPUs busy.
const MANY_HEADS: usize = 128;
/// The fewest chunks of a stretch that is walked on its own, and the fewest such
/// stretches: all are walked twice.
const LEAST_CHUNKS: usize = 16;
const LEAST_STRETCHES: usize = 3;

/// Chunks of a stretch, of `n_chunks` of every one of `n_heads`.
pub(super) fn stretch_of(n_chunks: usize, n_heads: usize) -> usize {
    let n_stretches = (MANY_HEADS / n_heads).min(n_chunks / LEAST_CHUNKS);
    if n_stretches < LEAST_STRETCHES {
        n_chunks
    } else {
        n_chunks.div_ceil(n_stretches)
    }
}

/// What the kernels are launched with.
#[derive(Debug, Clone, Copy)]
pub(super) struct Launch {
    /// B, T, H and N.
    pub(super) dims: [usize; 4],
    /// Chunks of a stretch that is walked on its own.
    pub(super) stretch: usize,
    pub(super) record: Record,
}

impl Launch {
    pub(super) fn new(dims: [usize; 4]) -> Self {
        let [b, t, h, _] = dims;
        Self::in_stretches(dims, stretch_of(t.div_ceil(TOKENS), b * h))
    }

    pub(super) fn in_stretches(dims: [usize; 4], stretch: usize) -> Self {
        let record = Record { n: dims[3] };
        Self {
            dims,
            stretch,
            record,
        }
    }

    pub(super) fn n_stretches(self) -> usize {
        self.n_chunks().div_ceil(self.stretch)
    }

    pub(super) fn n_chunks(self) -> usize {
        self.dims[1].div_ceil(TOKENS)
    }

    /// A cube for every chunk of every head.
    pub(super) fn chunks(self) -> CubeCount {
        let [b, _, h, _] = self.dims;
        CubeCount::Static(self.n_chunks() as u32, (b * h) as u32, 1)
    }

    /// A cube for every head, stretch and one of `n`.
    pub(super) fn walks(self, n: usize) -> CubeCount {
        let [b, _, h, _] = self.dims;
        CubeCount::Static((b * h) as u32, self.n_stretches() as u32, n as u32)
    }

    /// A cube for every head.
    pub(super) fn heads(self) -> CubeCount {
        let [b, _, h, _] = self.dims;
        CubeCount::Static((b * h) as u32, 1, 1)
    }

    pub(super) fn units(self) -> CubeDim {
        CubeDim::new_2d(32, planes_of(self.record.n) as u32)
    }

    /// [B, H, chunks, words] of 32 bits; as few as can be where they are not kept.
    pub(super) fn words(self, of_chunk: usize, is_kept: bool) -> Shape {
        let [b, _, h, _] = self.dims;
        if is_kept {
            Shape::from([b, h, self.n_chunks(), of_chunk])
        } else {
            Shape::from([1, 1, 1, 4])
        }
    }

    /// States of all chunks in 16 bits.
    pub(super) fn states(self, is_kept: bool) -> Shape {
        let [b, _, h, n] = self.dims;
        if is_kept {
            Shape::from([b, h, self.n_chunks(), n, n / 2])
        } else {
            Shape::from([1, 1, 1, 1, 4])
        }
    }

    /// What `n` kinds of walk make of every stretch, [n, B, H, stretches, N * N].
    pub(super) fn ends(self, n: usize) -> Shape {
        let [b, _, h, size] = self.dims;
        Shape::from([n, b, h, self.n_stretches(), size * size])
    }

    /// [B, H, N, N].
    pub(super) fn state(self) -> Shape {
        let [b, _, h, n] = self.dims;
        Shape::from([b, h, n, n])
    }
}
