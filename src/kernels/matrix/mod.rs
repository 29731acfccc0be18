//! Frozen matrices in 32, 16, 8 or 4 bits. Products widen the numbers while they
//! load them; what multiplies them, the sums and the results have 32 bits always.
//!
//! The same words lie on the CPU and on a GPU, so that there is one way to pack
//! them and every kernel can be compared with [`Packed::widen`].

mod pack;
mod storage;
mod unpack;

pub(crate) mod gpu;

use std::ops::Range;
use std::sync::Arc;

use burn::tensor::{DType, Device, Int, Shape, Tensor, TensorData};
use rayon::prelude::*;

use super::cpu::rows::Unwritten;
use super::cpu::tensor::written;
use super::device::is_cpu;
use super::op::{GpuTensor, from_gpu, integers_on_gpu, queue};

pub use pack::Packed;
pub use storage::{BLOCK, CODES, Storage};

/// A frozen matrix on a device.
#[derive(Debug, Clone)]
pub struct Matrix {
    shape: [usize; 2],
    held: Held,
}

/// Where the numbers are.
#[derive(Debug, Clone)]
enum Held {
    /// In 32 bits, on any device.
    Single(Box<Tensor<2>>),
    /// In words on the CPU.
    OnCpu(Arc<Packed>),
    /// In words on a GPU, with the scales where there are some.
    OnGpu(Box<OnGpu>),
}

/// Words and scales on a GPU.
#[derive(Debug, Clone)]
pub(crate) struct OnGpu {
    pub storage: Storage,
    words: Tensor<1, Int>,
    scales: Option<Tensor<1, Int>>,
}

impl OnGpu {
    /// As inputs of a kernel. Where there are no scales, the words stand for them.
    pub fn inputs(&self) -> [GpuTensor; 2] {
        let words = integers_on_gpu(self.words.clone());
        let scales = match &self.scales {
            Some(scales) => integers_on_gpu(scales.clone()),
            None => words.clone(),
        };
        [words, scales]
    }
}

/// The numbers of a matrix for a product.
pub(crate) enum Numbers<'a> {
    /// In 32 bits, on any device.
    Single(&'a Tensor<2>),
    /// In words on the CPU.
    OnCpu(&'a Packed),
    /// In words on a GPU.
    OnGpu(&'a OnGpu),
}

impl From<Tensor<2>> for Matrix {
    fn from(tensor: Tensor<2>) -> Self {
        Self {
            shape: tensor.dims(),
            held: Held::Single(Box::new(tensor)),
        }
    }
}

impl Matrix {
    /// The packed numbers of a matrix, row-major, on a device.
    ///
    /// # Panics
    /// Where there are not as many numbers as the shape has.
    pub fn new(packed: Packed, shape: [usize; 2], device: &Device) -> Self {
        assert_eq!(packed.len, shape[0] * shape[1], "numbers of a matrix");
        let storage = packed.storage;
        let held = if storage == Storage::F32 {
            Held::Single(Box::new(uploaded_single(packed.words, shape, device)))
        } else if is_cpu(device) {
            Held::OnCpu(Arc::new(packed))
        } else {
            Held::OnGpu(Box::new(OnGpu {
                storage,
                scales: storage
                    .has_scales()
                    .then(|| uploaded(packed.scales, device)),
                words: uploaded(packed.words, device),
            }))
        };
        Self { shape, held }
    }

    /// [`Self::new`] of each, in one piece of a GPU's memory, so that products with them can
    /// be taken in one launch. All are in one storage.
    ///
    /// # Panics
    /// As [`Self::new`], and where storages differ.
    pub fn together(
        parts: impl IntoIterator<Item = (Packed, [usize; 2])>,
        device: &Device,
    ) -> Vec<Self> {
        let mut parts = parts.into_iter().peekable();
        let storage = match parts.peek() {
            Some((first, _)) if !is_cpu(device) => first.storage,
            _ => {
                return parts
                    .map(|(part, shape)| Self::new(part, shape, device))
                    .collect();
            }
        };
        let (mut words, mut scales) = (Strung::default(), Strung::default());
        let mut shapes = Vec::new();
        for (part, shape) in parts {
            assert_eq!(part.storage, storage, "storages of matrices together");
            assert_eq!(part.len, shape[0] * shape[1], "numbers of a matrix");
            words.push(part.words);
            scales.push(part.scales);
            shapes.push(shape);
        }
        let held: Vec<_> = if storage == Storage::F32 {
            let len = words.all.len();
            let all = uploaded_single(words.all, [1, len], device).reshape([len]);
            let part = |(place, shape): (Range<usize>, &[usize; 2])| {
                let part = all.clone().narrow(0, place.start, place.len());
                Held::Single(Box::new(part.reshape(*shape)))
            };
            words.places.into_iter().zip(&shapes).map(part).collect()
        } else {
            let (words, mut scales) = (words.parts(device), scales.parts(device).into_iter());
            let part = |words| {
                let scales = scales.next().filter(|_| storage.has_scales());
                Held::OnGpu(Box::new(OnGpu {
                    storage,
                    words,
                    scales,
                }))
            };
            words.into_iter().map(part).collect()
        };
        let matrix = |(held, shape)| Self { shape, held };
        held.into_iter().zip(shapes).map(matrix).collect()
    }

    /// Rows and columns.
    pub fn dims(&self) -> [usize; 2] {
        self.shape
    }

    /// How the numbers are stored.
    pub fn storage(&self) -> Storage {
        match &self.held {
            Held::Single(_) => Storage::F32,
            Held::OnCpu(packed) => packed.storage,
            Held::OnGpu(held) => held.storage,
        }
    }

    /// Bytes that the numbers take.
    pub fn n_bytes(&self) -> usize {
        self.storage().n_bytes(self.shape[0] * self.shape[1])
    }

    pub(crate) fn numbers(&self) -> Numbers<'_> {
        match &self.held {
            Held::Single(tensor) => Numbers::Single(tensor),
            Held::OnCpu(packed) => Numbers::OnCpu(packed),
            Held::OnGpu(held) => Numbers::OnGpu(held),
        }
    }

    /// All of it in 32 bits: [rows, columns].
    pub fn widened(&self) -> Tensor<2> {
        let [n_rows, n_columns] = self.shape;
        match &self.held {
            Held::Single(tensor) => (**tensor).clone(),
            Held::OnCpu(packed) => widen_rows(packed, n_columns, n_rows, |row| row),
            Held::OnGpu(held) => gathered(held, n_columns, n_rows, None),
        }
    }

    /// The rows `ids` in 32 bits: [ids, columns].
    pub fn rows(&self, ids: Tensor<1, Int>) -> Tensor<2> {
        let [_, n_columns] = self.shape;
        match &self.held {
            Held::Single(tensor) => (**tensor).clone().select(0, ids),
            Held::OnCpu(packed) => {
                let ids: Vec<usize> = ids
                    .into_data()
                    .iter::<u64>()
                    .map(|id| id as usize)
                    .collect();
                widen_rows(packed, n_columns, ids.len(), |row| ids[row])
            }
            Held::OnGpu(held) => {
                let n_rows = ids.dims()[0];
                gathered(held, n_columns, n_rows, Some(ids))
            }
        }
    }
}

/// Words one after the other, each of which begins where a device can bind it.
#[derive(Default)]
struct Strung {
    all: Vec<u32>,
    places: Vec<Range<usize>>,
}

impl Strung {
    /// What every device binds from begins at a multiple of so many words.
    const AT_ONCE: usize = 64;

    fn push(&mut self, words: Vec<u32>) {
        self.all
            .resize(self.all.len().next_multiple_of(Self::AT_ONCE), 0);
        let start = self.all.len();
        self.all.extend(words);
        self.places.push(start..self.all.len());
    }

    /// On a device, where there are any.
    fn parts(self, device: &Device) -> Vec<Tensor<1, Int>> {
        if self.all.is_empty() {
            return Vec::new();
        }
        let all = uploaded(self.all, device);
        let part = |place: &Range<usize>| all.clone().narrow(0, place.start, place.len());
        self.places.iter().map(part).collect()
    }
}

/// Words on a GPU.
fn uploaded(words: Vec<u32>, device: &Device) -> Tensor<1, Int> {
    let len = words.len();
    stays(device, TensorData::new(words, [len]), |data| {
        Tensor::from_data(data, (device, DType::U32))
    })
}

/// Words of 32-bit floats on a device.
fn uploaded_single(words: Vec<u32>, shape: [usize; 2], device: &Device) -> Tensor<2> {
    let data = TensorData::new(words, shape);
    let data = TensorData::from_bytes(data.into_bytes(), shape, DType::F32);
    stays(device, data, |data| Tensor::from_data(data, device))
}

/// What `make` puts on a device, in memory of its own size: what stays does not
/// belong among what comes and goes, whose memory is taken in larger pieces.
pub(crate) fn stays<T: Send>(
    device: &Device,
    data: TensorData,
    make: impl Fn(TensorData) -> T + Send,
) -> T {
    device.memory_persistent_allocations(data, make)
}

/// [`n_rows`, `n_columns`], row i the row `place(i)` of the matrix.
fn widen_rows(
    packed: &Packed,
    n_columns: usize,
    n_rows: usize,
    place: impl Fn(usize) -> usize + Sync,
) -> Tensor<2> {
    let mut out = Unwritten::new(n_rows * n_columns);
    let rows = out.rows();
    (0..n_rows).into_par_iter().for_each(|row| {
        // SAFETY: every task writes its own row.
        let out = unsafe { rows.slice(row * n_columns, n_columns) };
        let start = place(row) * n_columns;
        packed.widen(start..start + n_columns, out);
    });
    // SAFETY: every row was written.
    unsafe { written(out, [n_rows, n_columns]) }
}

/// Chosen rows, or with no `ids` all of them.
fn gathered(
    held: &OnGpu,
    n_columns: usize,
    n_rows: usize,
    ids: Option<Tensor<1, Int>>,
) -> Tensor<2> {
    let storage = held.storage;
    let mut inputs = Vec::from(held.inputs());
    inputs.extend(ids.map(integers_on_gpu));
    let shape = Shape::from([n_rows, n_columns]);
    let [out] = queue("rows of a matrix", inputs, [shape], move |x, out| {
        gpu::rows(&x[0], &x[1], x.get(2), storage, &out[0]);
    });
    from_gpu(out)
}
