//! Products of activations with frozen matrices.

pub mod squared_relu;

mod cpu;
mod gpu;
mod several;

use burn::tensor::activation::sigmoid;
use burn::tensor::{DType, Shape, Tensor};

use super::device::is_cpu;
use super::device::matrix_units::has_matrix_units;
use super::halves::GRADIENT_SCALE;
use super::matrix::{Matrix, Numbers, Storage};
use super::op::{GpuTensor, from_gpu, on_gpu, queue_as};
use squared_relu::{squared_relu, squared_relu_backward};

pub(crate) use gpu::finished;
pub use gpu::{Finish, N_TILES, Start};
pub use several::{Wanted, products};

/// How the second factor is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stored {
    /// [inner, columns].
    Plain,
    /// [columns, inner]: the product takes its transpose.
    Transposed,
}

/// `a` [.., inner] by `b` → [.., columns]: of what `start` makes of `a`, and
/// what `finish` makes of that, with the numbers of `other` [.., columns] where
/// it wants some. `b` is widened while it is loaded. A GPU with matrix units takes
/// the product in 16-bit factors and 32-bit sums where `b` does not have 32 bits. `a` and
/// `other` may be what [`product_in_halves`] gave.
///
/// # Panics
/// Where the inner dimensions differ.
pub fn product<const D: usize>(
    a: Tensor<D>,
    b: &Matrix,
    stored: Stored,
    start: Start,
    finish: Finish,
    other: Option<Tensor<D>>,
) -> Tensor<D> {
    let mut shape = a.dims();
    let [inner, n_columns] = inner_and_columns(b, stored);
    assert_eq!(inner, shape[D - 1], "inner dimensions of a product");
    shape[D - 1] = n_columns;
    let (mut a, mut other) = (a, other);
    if has_halves(&a, other.as_ref()) && !is_in_halves(&a, b, [inner, n_columns]) {
        a = single(a, start);
        other = other.map(|other| single(other, Start::Plain));
    }
    if has_kernel(&a, b) {
        return on_device(a, b, stored, start, finish, other, DType::F32, None);
    }
    let n_rows = shape[..D - 1].iter().product::<usize>();
    let a = a.reshape([n_rows, inner]);
    let other = other.map(|other| other.reshape([n_rows, n_columns]));
    in_turn(a, b, stored, start, finish, other).reshape(shape)
}

/// [`product`] for other products alone to read: in 16 bits where the device takes it of
/// 16-bit factors, in 32 where not. Of a gradient it has a multiple in 16 bits, which the
/// products that start with a gradient know.
///
/// # Panics
/// As [`product`].
pub fn product_in_halves<const D: usize>(
    a: Tensor<D>,
    b: &Matrix,
    stored: Stored,
    start: Start,
    finish: Finish,
    other: Option<Tensor<D>>,
) -> Tensor<D> {
    let [inner, n_columns] = inner_and_columns(b, stored);
    if is_in_halves(&a, b, [inner, n_columns]) {
        return on_device(a, b, stored, start, finish, other, DType::F16, None);
    }
    product(a, b, stored, start, finish, other)
}

/// [`product`] as matrix units make it by tile number `tile` of [`N_TILES`], whatever its
/// size; where there are none, as everywhere. For the self-test: most tiles are for
/// products too large for it.
///
/// # Panics
/// As [`product`], and without such a tile.
pub fn product_by_tile<const D: usize>(
    a: Tensor<D>,
    b: &Matrix,
    stored: Stored,
    (start, finish): (Start, Finish),
    other: Option<Tensor<D>>,
    tile: usize,
) -> Tensor<D> {
    assert!(tile < N_TILES, "there is no tile {tile}");
    let [inner, n_columns] = inner_and_columns(b, stored);
    if is_in_halves(&a, b, [inner, n_columns]) {
        return on_device(a, b, stored, start, finish, other, DType::F32, Some(tile));
    }
    product(a, b, stored, start, finish, other)
}

/// Whether products of `a` with `b`, stored either way, are taken of 16-bit factors, so that
/// `a` may come in 16 bits: as it is, or a gradient `GRADIENT_SCALE` times.
pub fn reads_halves<const D: usize>(a: &Tensor<D>, b: &Matrix) -> bool {
    is_in_halves(a, b, b.dims())
}

/// Whether the product of `a` is taken of 16-bit factors, of so many terms and columns.
fn is_in_halves<const D: usize>(a: &Tensor<D>, b: &Matrix, sizes: [usize; 2]) -> bool {
    let fits = sizes.iter().all(|size| size.is_multiple_of(8));
    let may = fits && b.storage() != Storage::F32 && !is_cpu(&a.device());
    may && has_matrix_units(&on_gpu(a.clone()))
}

/// Whether products of `a` with `b`, stored either way, have a kernel: they take so many
/// numbers of a row at once.
fn has_kernel<const D: usize>(a: &Tensor<D>, b: &Matrix) -> bool {
    let at_once = if b.storage() == Storage::F32 { 4 } else { 8 };
    let fits = b.dims().iter().all(|size| size.is_multiple_of(at_once));
    fits && !is_cpu(&a.device())
}

/// Whether a product reads numbers of 16 bits.
fn has_halves<const D: usize>(a: &Tensor<D>, other: Option<&Tensor<D>>) -> bool {
    let is_half = |x: &Tensor<D>| x.dtype() == DType::F16;
    is_half(a) || other.is_some_and(is_half)
}

/// In 32 bits what [`product_in_halves`] gave, for a product that starts with `start` or
/// is finished with it.
fn single<const D: usize>(x: Tensor<D>, start: Start) -> Tensor<D> {
    if x.dtype() != DType::F16 {
        return x;
    }
    let x = x.cast(DType::F32);
    match start {
        Start::Plain | Start::SquaredRelu => x,
        Start::Gradient => x / GRADIENT_SCALE,
    }
}

/// [`product`], one thing after the other.
fn in_turn(
    a: Tensor<2>,
    b: &Matrix,
    stored: Stored,
    start: Start,
    finish: Finish,
    other: Option<Tensor<2>>,
) -> Tensor<2> {
    let a = match start {
        Start::Plain | Start::Gradient => a,
        Start::SquaredRelu => squared_relu(a),
    };
    let made = plain(a, b, stored);
    match (finish, other) {
        (Finish::Tanh, _) => made.tanh(),
        (Finish::Sigmoid, _) => sigmoid(made),
        (Finish::Add, Some(other)) => made + other,
        (Finish::ThroughTanh, Some(o)) => made * (o.powi_scalar(2).neg() + 1.0),
        (Finish::ThroughSigmoid, Some(o)) => made * (o.clone() * (o.neg() + 1.0)),
        (Finish::ThroughSquaredRelu, Some(o)) => squared_relu_backward(o, made),
        (_, None) | (Finish::Plain, _) => made,
    }
}

/// Rows and columns of `b` as a product takes it.
fn inner_and_columns(b: &Matrix, stored: Stored) -> [usize; 2] {
    let [first, second] = b.dims();
    match stored {
        Stored::Plain => [first, second],
        Stored::Transposed => [second, first],
    }
}

/// Words and scales on the device, and how they are stored.
struct OnDevice {
    storage: Storage,
    stored: Stored,
}

impl OnDevice {
    fn new(b: &Matrix, stored: Stored) -> Self {
        Self {
            storage: b.storage(),
            stored,
        }
    }

    /// As a kernel takes it.
    fn factor<'a>(&self, words: &'a GpuTensor, scales: &'a GpuTensor) -> gpu::Factor<'a> {
        gpu::Factor {
            words,
            scales,
            storage: self.storage,
            transposed: self.stored == Stored::Transposed,
        }
    }
}

#[allow(clippy::too_many_arguments)] // Those of a product, and two of how it is made.
fn on_device<const D: usize>(
    a: Tensor<D>,
    b: &Matrix,
    stored: Stored,
    start: Start,
    finish: Finish,
    other: Option<Tensor<D>>,
    dtype: DType,
    tile: Option<usize>,
) -> Tensor<D> {
    let [_, n_columns] = inner_and_columns(b, stored);
    let mut shape = a.dims();
    shape[D - 1] = n_columns;
    let shape = Shape::from(shape);
    let [words, scales] = words_and_scales(b);
    let mut inputs = vec![on_gpu(a), words, scales];
    inputs.extend(other.map(on_gpu));
    let b = OnDevice::new(b, stored);
    let [out] = queue_as("product", inputs, [shape], dtype, move |x, out| {
        let product = gpu::Product {
            a: &x[0],
            b: b.factor(&x[1], &x[2]),
            finish,
            other: x.get(3),
            out: &out[0],
        };
        gpu::product(product, start, tile);
    });
    from_gpu(out)
}

/// What a kernel reads of a matrix on a GPU.
pub(crate) fn words_and_scales(b: &Matrix) -> [GpuTensor; 2] {
    match b.numbers() {
        Numbers::Single(tensor) => {
            let words = on_gpu(tensor.clone());
            [words.clone(), words]
        }
        Numbers::OnGpu(held) => held.inputs(),
        Numbers::OnCpu(_) => unreachable!("the factors lie on one device"),
    }
}

fn plain(a: Tensor<2>, b: &Matrix, stored: Stored) -> Tensor<2> {
    if is_cpu(&a.device()) {
        return cpu::product(&a, b, stored);
    }
    match stored {
        Stored::Plain => a.matmul(b.widened()),
        Stored::Transposed => a.matmul(b.widened().transpose()),
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::{Device, Distribution};

    use super::*;

    #[test]
    fn products_are_those_of_burn() {
        let device = Device::flex();
        let random = |shape: [usize; 2]| {
            Tensor::<2>::random(shape, Distribution::Uniform(-1.0, 1.0), &device)
        };
        for [rows, inner, columns] in [[1, 5, 3], [33, 64, 17], [200, 128, 256]] {
            let (a, b) = (random([rows, inner]), random([inner, columns]));
            let want = a.clone().matmul(b.clone()).into_data();
            let want = want.try_to_vec::<f32>().unwrap();
            let transposed = Tensor::from_data(b.clone().transpose().into_data(), &device);
            for (b, stored) in [(b, Stored::Plain), (transposed, Stored::Transposed)] {
                let b = Matrix::from(b);
                let got =
                    product(a.clone(), &b, stored, Start::Plain, Finish::Plain, None).into_data();
                for (got, want) in got.try_to_vec::<f32>().unwrap().iter().zip(&want) {
                    assert!((got - want).abs() < 1e-4, "{stored:?}: {got}, not {want}");
                }
            }
        }
    }
}
