//! The launches of one token's kernels. Reference twin: the operators that a layer is made
//! of, [`crate::kernels::token_mix`], [`crate::kernels::product`] and
//! [`crate::kernels::wkv7`].

pub(super) mod head;
pub(super) mod mixed;
pub(super) mod rows;
pub(super) mod weights;

use burn_cubecl::tensor::CubeTensor;
use cubecl::prelude::*;

use crate::kernels::device::matrix_units::has_matrix_units;
use crate::kernels::matrix::Storage;
use crate::kernels::op::arg;
use head::HeadSizes;
use mixed::{Expanding, Projecting};
use rows::Taking;
use weights::{ROWS, Reading, SCRATCH, UNITS};

/// Texts of which a cube takes the products at once.
pub const TEXTS_OF_CUBE: usize = 8;

/// How a matrix is read on the device of `like`.
pub fn reading(like: &CubeTensor, storage: Storage) -> Reading {
    Reading {
        storage,
        // Where 16-bit numbers are known to be read right: WGSL has the type and no such
        // reading.
        has_halves: has_matrix_units(like),
    }
}

/// Bytes of memory that a cube's units share, while it has so many texts of so many channels.
const fn shared_bytes(texts: usize, channels: usize) -> usize {
    let fours = texts * channels / 4 + SCRATCH;
    size_of::<f32>() * (4 * fours + UNITS + 2 * UNITS / 16)
}

/// Bytes of the same in the middle of time mixing, at most, for so many ranks together.
const fn head_bytes(ranks: usize) -> usize {
    // Parts of sums, and a few vectors of a head's channels.
    size_of::<f32>() * (ranks + 8 * UNITS + 2 * UNITS + 16 * 128)
}

/// How many texts a cube takes of `n_texts`; none where the device of `like` has too little
/// memory for one.
pub fn texts_of_cube(like: &CubeTensor, n_texts: usize, channels: usize) -> Option<usize> {
    let room = like.client.properties().hardware.max_shared_memory_size;
    let most = all_texts(n_texts);
    let sizes = [8, 4, 2, 1].into_iter().filter(|texts| *texts <= most);
    let mut fitting = sizes.filter(|texts| shared_bytes(*texts, channels) <= room);
    fitting.next()
}

/// Whether the device of `like` has the memory for a head.
pub fn has_room_for_head(like: &CubeTensor, ranks: usize) -> bool {
    head_bytes(ranks) <= like.client.properties().hardware.max_shared_memory_size
}

/// Texts of a cube that keeps none of their numbers: few sizes, for each is a kernel.
fn all_texts(n_texts: usize) -> usize {
    n_texts.next_power_of_two().min(TEXTS_OF_CUBE)
}

fn units() -> CubeDim {
    CubeDim::new_1d(UNITS as u32)
}

/// [`mixed::project`]: `x` are the stream, the last normalised token, the vectors, receptance,
/// key and value, then the first factors of decay, rate, share and gate.
pub fn project(
    x: [&CubeTensor; 10],
    new_last: &CubeTensor,
    made: &CubeTensor,
    n_texts: usize,
    epsilon: f32,
    sizes: Projecting,
) {
    let tiles = sizes.tile_at(4) as u32;
    let groups = n_texts.div_ceil(sizes.texts) as u32;
    // SAFETY: the cubes are those that the kernel counts; indices behind the last number are
    // cut, and what they give is not written.
    unsafe {
        mixed::project::launch_unchecked(
            &made.client,
            CubeCount::Static(tiles, groups, 1),
            units(),
            arg(x[0]),
            arg(x[1]),
            arg(x[2]),
            arg(x[3]),
            arg(x[4]),
            arg(x[5]),
            arg(x[6]),
            arg(x[7]),
            arg(x[8]),
            arg(x[9]),
            arg(new_last),
            arg(made),
            n_texts,
            epsilon,
            sizes,
        );
    }
}

/// What [`head`] is told of the texts.
pub struct Texts {
    /// How many they are.
    pub n_texts: usize,
    /// Numbers of a text in what the first layer made.
    pub first_width: usize,
    /// Whether they share the state.
    pub share_state: bool,
    /// The group norm's.
    pub epsilon: f32,
}

/// [`head::head`]: `x` are what was made, the same of the first layer, the second factors of
/// decay, rate, share and gate, the vectors, and the state.
pub fn head(
    x: [&CubeTensor; 8],
    new_state: &CubeTensor,
    out: &CubeTensor,
    texts: &Texts,
    sizes: HeadSizes,
) {
    let n_head = sizes.channels / sizes.n;
    let state_step = if texts.share_state { 0 } else { n_head };
    // SAFETY: a cube stays in its head; there are as many as heads of all texts.
    unsafe {
        head::head::launch_unchecked(
            &out.client,
            CubeCount::Static(n_head as u32, texts.n_texts as u32, 1),
            units(),
            arg(x[0]),
            arg(x[1]),
            arg(x[2]),
            arg(x[3]),
            arg(x[4]),
            arg(x[5]),
            arg(x[6]),
            arg(x[7]),
            arg(new_state),
            arg(out),
            texts.first_width / 4,
            state_step,
            texts.epsilon,
            sizes,
        );
    }
}

/// [`mixed::expand`]: `x` are the stream, the last normalised token, the vectors and the
/// matrix [width, C].
pub fn expand(
    x: [&CubeTensor; 4],
    new_last: &CubeTensor,
    made: &CubeTensor,
    [n_texts, width]: [usize; 2],
    epsilon: f32,
    sizes: Expanding,
) {
    let groups = n_texts.div_ceil(sizes.texts) as u32;
    // SAFETY: width is a multiple of the rows of a cube; texts behind the last are cut.
    unsafe {
        mixed::expand::launch_unchecked(
            &made.client,
            CubeCount::Static((width / ROWS) as u32, groups, 1),
            units(),
            arg(x[0]),
            arg(x[1]),
            arg(x[2]),
            arg(x[3]),
            arg(new_last),
            arg(made),
            width,
            n_texts,
            epsilon,
            sizes,
        );
    }
}

/// [`rows::product`] of `x` [n, inner] with `matrix` [width, inner], added to `out` [n, width]
/// where it `adds`.
pub fn product(
    x: &CubeTensor,
    matrix: &CubeTensor,
    out: &CubeTensor,
    [n_texts, inner, width]: [usize; 3],
    adds: bool,
    reading: Reading,
) {
    let taking = Taking {
        texts: all_texts(n_texts),
        eights: inner / 8,
        adds,
        reading,
    };
    let groups = n_texts.div_ceil(taking.texts) as u32;
    // SAFETY: as in `expand`.
    unsafe {
        rows::product::launch_unchecked(
            &out.client,
            CubeCount::Static((width / ROWS) as u32, groups, 1),
            units(),
            arg(x),
            arg(matrix),
            arg(out),
            width,
            n_texts,
            taking,
        );
    }
}
