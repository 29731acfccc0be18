//! Frozen matrices in every storage: products, rows, and the model with its
//! gradient, against the same numbers in 32 bits.

use std::collections::HashMap;

use burn::tensor::{Device, Int, Tensor, TensorData};
use gosling::kernels::matrix::{Matrix, Packed, Storage};
use gosling::kernels::product::{Finish, Start, Stored, product};
use gosling::model::checkpoint::Checkpoint;
use gosling::model::state::ModelState;
use gosling::model::{LossOptions, Model, Precision, TapeOptions, mini};
use safetensors::Dtype;
use safetensors::tensor::TensorView;

use crate::support::{assert_close, values};
use crate::{software_gpu, u};

/// [rows, inner, columns]: single rows, whole and broken tiles, widths that no
/// kernel takes four or eight of, and more numbers than are widened at once.
const SHAPES: [[usize; 3]; 8] = [
    [1, 8, 16],
    [3, 64, 40],
    [33, 96, 24],
    [70, 13, 7],
    [5, 36, 68],
    [200, 72, 392],
    [4, 1100, 1000],
    [40, 1000, 1100],
];

fn devices() -> [Device; 2] {
    [Device::flex(), software_gpu()]
}

/// A matrix whose blocks differ in size, and its numbers in 32 bits.
fn matrix(storage: Storage, shape: [usize; 2], device: &Device) -> (Matrix, Vec<f32>) {
    let len = shape[0] * shape[1];
    let one = |n: usize| {
        let size = [0.2, 0.01, 0.05, 1.0][n / 50 % 4];
        size * (1.37 * n as f64 + 0.0011 * (n % 1009 * n) as f64).sin() as f32
    };
    let source: Vec<f32> = (0..len).map(one).collect();
    let packed = Packed::of(storage, &source);
    let mut widened = vec![0.0; len];
    packed.widen(0..len, &mut widened);
    (Matrix::new(packed, shape, device), widened)
}

#[test]
fn products_and_their_gradients_are_those_of_the_widened_matrix() {
    for device in devices() {
        for storage in Storage::ALL {
            for [rows, inner, columns] in SHAPES {
                check_product(storage, Stored::Transposed, [rows, inner, columns], &device);
                // The gradient of the first factor, from the same bytes.
                check_product(storage, Stored::Plain, [rows, columns, inner], &device);
            }
        }
    }
}

/// The second factor is [columns, inner] of the forward product in both.
fn check_product(storage: Storage, stored: Stored, sizes: [usize; 3], device: &Device) {
    let [rows, inner, columns] = sizes;
    let (shape, start) = match stored {
        Stored::Transposed => ([columns, inner], Start::Plain),
        Stored::Plain => ([inner, columns], Start::Gradient),
    };
    let (b, widened) = matrix(storage, shape, device);
    let a = u::<2>(0.0, 1.0, 0.0, [rows, inner], device);
    let other = u::<2>(1.0, 1.0, 0.0, [rows, columns], device);
    let (of_a, of_other) = (values(a.clone()), values(other.clone()));
    let got = values(product(a, &b, stored, start, Finish::Add, Some(other)));
    let mut want = Vec::with_capacity(rows * columns);
    for row in 0..rows {
        for column in 0..columns {
            let term = |i: usize| {
                let b = match stored {
                    Stored::Transposed => widened[column * inner + i],
                    Stored::Plain => widened[i * columns + column],
                };
                f64::from(of_a[row * inner + i]) * f64::from(b)
            };
            let sum = (0..inner).map(term).sum::<f64>();
            want.push((sum + f64::from(of_other[row * columns + column])) as f32);
        }
    }
    let what = format!("{storage:?} {stored:?} {sizes:?}");
    assert_close(&what, &got, &want, 2e-4, 1e-4);
}

#[test]
fn rows_are_those_of_the_widened_matrix() {
    for device in devices() {
        for storage in Storage::ALL {
            for shape in [[7, 64], [9, 13]] {
                let (matrix, widened) = matrix(storage, shape, &device);
                assert_eq!(matrix.storage(), storage);
                assert_eq!(values(matrix.widened()), widened, "{storage:?}");
                let ids = [3_i32, 0, 6, 3];
                let ids_on: Tensor<1, Int> = Tensor::from_data(ids.as_slice(), &device);
                let rows = ids.map(|id| &widened[id as usize * shape[1]..][..shape[1]]);
                assert_eq!(values(matrix.rows(ids_on)), rows.concat(), "{storage:?}");
            }
        }
    }
}

/// The mini model with the numbers that a precision leaves of it, in 32 bits.
fn widened_checkpoint(precision: Precision) -> Checkpoint {
    let original = mini::checkpoint().unwrap();
    let tensors: Vec<_> = original
        .tensors()
        .map(|view| {
            let source = view.to_f32();
            let storage = precision.storage_of(view.name, view.shape);
            let packed = Packed::of(storage, &source);
            let mut widened = vec![0.0; source.len()];
            packed.widen(0..source.len(), &mut widened);
            let bytes: Vec<u8> = widened.iter().flat_map(|x| x.to_le_bytes()).collect();
            (view.name.to_owned(), view.shape.to_vec(), bytes)
        })
        .collect();
    let views: HashMap<_, _> = tensors
        .iter()
        .map(|(name, shape, bytes)| {
            (
                name,
                TensorView::new(Dtype::F32, shape.clone(), bytes).unwrap(),
            )
        })
        .collect();
    Checkpoint::from_bytes("widened", safetensors::serialize(views, None).unwrap()).unwrap()
}

/// Logits, loss and the gradients of all initial states.
fn pass(model: &Model, device: &Device) -> Vec<(&'static str, Vec<f32>)> {
    let config = model.config();
    let ids: Vec<i32> = (0..2 * 21).map(|n| n * 97 % 4096).collect();
    let ids: Tensor<2, Int> = Tensor::from_data(TensorData::new(ids, [2, 21]), device);
    let shape = [2, config.n_head, config.head_size, config.head_size];
    let wkv = (0..config.n_layer).map(|layer| u(layer as f64, 0.1, 0.0, shape, device));
    let state = ModelState::with_wkv(config, 2, wkv.collect(), device);
    let (logits, _) = model.forward(ids.clone(), state.clone());
    let options = TapeOptions {
        first_layer: 0,
        recompute: false,
        token_shifts: false,
    };
    let (x, tape) = model.forward_taped(ids, state, options);
    let at = [4, 9, 20, 30, 41];
    let options = LossOptions {
        gradient_scale: Some(1.0),
        l2wrap: false,
    };
    let loss = model.loss(x, &at, &[7, 1, 4000, 12, 0], options);
    let gradients = model.backward(tape, loss.dx.unwrap(), None);
    let states = gradients.into_iter().flat_map(|of| values(of.state));
    vec![
        ("logits", values(logits)),
        ("loss", values(loss.sum)),
        ("gradients", states.collect()),
    ]
}

#[test]
fn a_model_in_fewer_bits_is_the_model_of_its_widened_numbers() {
    let cpu = Device::flex();
    for precision in [Precision::BF16, Precision::Int8, Precision::NF4] {
        let widened = widened_checkpoint(precision);
        let want = pass(&Model::load(&widened, &cpu, &mut |_| Ok(())).unwrap(), &cpu);
        for device in devices() {
            let original = mini::checkpoint().unwrap();
            let model = Model::load_stored(&original, &device, precision, &mut |_| Ok(()));
            for ((what, got), (_, want)) in pass(&model.unwrap(), &device).iter().zip(&want) {
                let largest = want.iter().fold(0.0_f32, |most, x| most.max(x.abs()));
                let what = format!("{precision:?} {what}");
                assert_close(&what, got, want, 5e-4 * largest, 1e-3);
            }
        }
    }
}

/// The mini model's file has 16-bit floats, so that nothing is lost in them.
#[test]
fn sixteen_bits_change_nothing_in_a_model_of_sixteen_bits() {
    let cpu = Device::flex();
    let checkpoint = mini::checkpoint().unwrap();
    let load =
        |precision| Model::load_stored(&checkpoint, &cpu, precision, &mut |_| Ok(())).unwrap();
    let (single, half) = (load(Precision::F32), load(Precision::F16));
    for ((what, got), (_, want)) in pass(&half, &cpu).iter().zip(&pass(&single, &cpu)) {
        let largest = want.iter().fold(0.0_f32, |most, x| most.max(x.abs()));
        assert_close(what, got, want, 1e-5 * largest, 1e-4);
    }
}
