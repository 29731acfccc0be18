//! Matrix products with what is done to them before and after, with the second
//! factor in every storage.

use burn::tensor::{Device, Tensor};

use super::inputs::{numbers, tensor};
use super::{Check, Named};
use crate::error::Result;
use crate::kernels::matrix::{Matrix, Packed, Storage};
use crate::kernels::product::{
    Finish, N_TILES, Start, Stored, product, product_by_tile, product_in_halves,
};

/// Rounding of 32-bit numbers, in sums of up to 1100 terms.
const BOUND: f64 = 1e-5;
/// Rounding of the factors to 11 bits on matrix units, random over the terms; measured 1.4e-3
/// behind a tanh, whose largest number is small beside the sums.
const BOUND_OF_HALVES: f64 = 4e-3;

/// [rows, inner, columns]: whole and broken tiles, wide and narrow, sums in
/// parts, and one that 16-bit factors do not move 16 bytes at a time.
const SHAPES: [[usize; 3]; 6] = [
    [130, 36, 68],
    [16, 1104, 32],
    [200, 64, 264],
    [128, 128, 128],
    [70, 40, 72],
    [1030, 56, 392],
];

const FINISHES: [(&str, Finish); 7] = [
    ("as it is", Finish::Plain),
    ("added", Finish::Add),
    ("tanh", Finish::Tanh),
    ("sigmoid", Finish::Sigmoid),
    ("through tanh", Finish::ThroughTanh),
    ("through sigmoid", Finish::ThroughSigmoid),
    ("through squared ReLU", Finish::ThroughSquaredRelu),
];

/// Of products with matrices that do not have 32 bits.
pub(super) fn bound(has_units: bool) -> f64 {
    if has_units { BOUND_OF_HALVES } else { BOUND }
}

/// Of a device with matrix units or without, which multiply what does not have 32
/// bits.
pub(super) fn checks(has_units: bool) -> Vec<Check> {
    let bound = bound(has_units);
    let check = |name, bound, on_device, expected| Check {
        name,
        bound,
        is_needed: true,
        on_device,
        expected,
    };
    vec![
        check(
            "matrix products, finished",
            BOUND,
            |device| products(device, Storage::F32),
            || expected(Storage::F32),
        ),
        check(
            "matrix products with 16-bit matrices",
            bound,
            |device| products(device, Storage::F16),
            || expected(Storage::F16),
        ),
        check("matrix products by every tile", bound, by_tiles, || {
            Ok(expected_by_tiles())
        }),
        check(
            "matrix products of products",
            bound,
            |device| Ok(chains(device)?.concat()),
            || Ok(expected_chains()),
        ),
        check(
            "matrix products with bfloat16 matrices",
            bound,
            |device| products(device, Storage::BF16),
            || expected(Storage::BF16),
        ),
        check(
            "matrix products with 8-bit matrices",
            bound,
            |device| products(device, Storage::Int8),
            || expected(Storage::Int8),
        ),
        check(
            "matrix products with 4-bit matrices",
            bound,
            |device| products(device, Storage::NF4),
            || expected(Storage::NF4),
        ),
    ]
}

/// The numbers of the second factor in a storage.
fn second(storage: Storage, len: usize) -> Packed {
    Packed::of(storage, &numbers(2, 0.2, 0.0, len))
}

/// The first factor: a gradient is small.
pub(super) fn scale(start: Start) -> f64 {
    match start {
        Start::Plain | Start::SquaredRelu => 1.0,
        Start::Gradient => 1e-4,
    }
}

type Case = (&'static str, [usize; 3], Stored, Start, Finish);

/// What a product is finished with is the same in every storage, so that those of which
/// few are in use go without most of it: a kernel takes a driver up to a second.
fn cases(storage: Storage) -> impl Iterator<Item = Case> {
    let n_finishes = match storage {
        Storage::F32 | Storage::F16 => FINISHES.len(),
        Storage::BF16 | Storage::Int8 | Storage::NF4 => 1,
    };
    let of_shape = move |shape| {
        let finished = FINISHES
            .into_iter()
            .take(n_finishes)
            .map(move |(what, finish)| (what, shape, Stored::Plain, Start::Plain, finish));
        let started = [Start::Plain, Start::SquaredRelu, Start::Gradient]
            .map(|start| ("started", shape, Stored::Transposed, start, Finish::Plain));
        finished.chain(started)
    };
    SHAPES.into_iter().flat_map(of_shape)
}

/// The factors of a case, and what it is finished with where that is something.
fn tensors(
    (_, [rows, inner, columns], stored, start, finish): Case,
    storage: Storage,
    device: &Device,
) -> (Tensor<2>, Matrix, Option<Tensor<2>>) {
    let a = tensor(1, scale(start), 0.0, [rows, inner], device);
    let shape = match stored {
        Stored::Plain => [inner, columns],
        Stored::Transposed => [columns, inner],
    };
    let b = Matrix::new(second(storage, inner * columns), shape, device);
    let beside = || tensor(3, 1.0, 0.0, [rows, columns], device);
    (a, b, finish.reads_other().then(beside))
}

fn products(device: &Device, storage: Storage) -> Result<Vec<Named>> {
    let one = |case: Case| {
        let (a, b, other) = tensors(case, storage, device);
        let (what, _, stored, start, finish) = case;
        Named::read(what, product(a, &b, stored, start, finish, other))
    };
    cases(storage).map(one).collect()
}

/// For every tile: whole and broken, with both layouts of the matrix and with another
/// tensor.
const TILE_CASES: [Case; 3] = [
    (
        "whole",
        [200, 128, 392],
        Stored::Transposed,
        Start::SquaredRelu,
        Finish::Plain,
    ),
    (
        "broken",
        [70, 40, 72],
        Stored::Plain,
        Start::Gradient,
        Finish::Plain,
    ),
    (
        "whole, to be finished",
        [136, 128, 200],
        Stored::Plain,
        Start::Plain,
        Finish::Add,
    ),
];

fn by_tiles(device: &Device) -> Result<Vec<Named>> {
    let one = |(tile, case): (usize, Case)| {
        let (a, b, other) = tensors(case, Storage::F16, device);
        let (what, _, stored, start, finish) = case;
        let made = product_by_tile(a, &b, stored, (start, finish), other, tile);
        Named::read(what, made)
    };
    let of_tile = |tile| TILE_CASES.map(|case| (tile, case));
    (0..N_TILES).flat_map(of_tile).map(one).collect()
}

/// The same by every tile.
fn expected_by_tiles() -> Vec<Named> {
    vec![expected_of(&TILE_CASES, Storage::F16); N_TILES].concat()
}

fn expected(storage: Storage) -> Result<Vec<Named>> {
    Ok(expected_of(&cases(storage).collect::<Vec<_>>(), storage))
}

/// Cases behind each other that are only finished in another way share their sums.
fn expected_of(cases: &[Case], storage: Storage) -> Vec<Named> {
    let has_same_sums = |a: &Case, b: &Case| (a.1, a.2, a.3) == (b.1, b.2, b.3);
    let of_same = cases.chunk_by(has_same_sums).flat_map(|alike| {
        let (_, [rows, _, columns], ..) = alike[0];
        let sums = sums(alike[0], storage);
        let other = numbers(3, 1.0, 0.0, rows * columns);
        alike.iter().map(move |(what, _, _, _, finish)| {
            let each = sums.iter().zip(&other);
            let values = each.map(|(sum, other)| finished(*sum, f64::from(*other), *finish) as f32);
            Named {
                what,
                values: values.collect(),
            }
        })
    });
    of_same.collect()
}

/// The products of a case, not finished.
fn sums((_, [rows, inner, columns], stored, start, _): Case, storage: Storage) -> Vec<f64> {
    let a = numbers(1, scale(start), 0.0, rows * inner);
    let mut b = vec![0.0; inner * columns];
    second(storage, b.len()).widen(0..inner * columns, &mut b);
    let mut sums = Vec::with_capacity(rows * columns);
    for row in 0..rows {
        for column in 0..columns {
            let term = |i: usize| {
                let b = match stored {
                    Stored::Plain => b[i * columns + column],
                    Stored::Transposed => b[column * inner + i],
                };
                started(f64::from(a[row * inner + i]), start) * f64::from(b)
            };
            sums.push((0..inner).map(term).sum());
        }
    }
    sums
}

/// Rows, channels and hidden channels of channel mixing: whole and broken tiles.
const CHAINS: [[usize; 3]; 2] = [[70, 40, 72], [200, 64, 392]];

/// Channel mixing and its gradient: what stands between two products is read by
/// products alone.
fn chains(device: &Device) -> Result<Vec<Vec<Named>>> {
    let one = |[rows, channels, hidden]: [usize; 3]| {
        let matrix = |shape: [usize; 2]| {
            let packed = second(Storage::F16, shape[0] * shape[1]);
            Matrix::new(packed, shape, device)
        };
        let (key, value) = (matrix([hidden, channels]), matrix([channels, hidden]));
        let x = tensor(1, 1.0, 0.0, [rows, channels], device);
        let beside = tensor(3, 1.0, 0.0, [rows, channels], device);
        let (plain, transposed) = (Stored::Plain, Stored::Transposed);
        let (start, finish) = (Start::Plain, Finish::Plain);
        let between = product_in_halves(x, &key, transposed, start, finish, None);
        let (start, finish) = (Start::SquaredRelu, Finish::Add);
        let out = product(
            between.clone(),
            &value,
            transposed,
            start,
            finish,
            Some(beside),
        );
        let dy = tensor(4, 1e-4, 0.0, [rows, channels], device);
        let (start, finish) = (Start::Gradient, Finish::ThroughSquaredRelu);
        let dbetween = product_in_halves(dy, &value, plain, start, finish, Some(between));
        let dx = product(dbetween, &key, plain, start, Finish::Plain, None);
        Ok(vec![
            Named::read("forward", out)?,
            Named::read("gradient", dx)?,
        ])
    };
    CHAINS.into_iter().map(one).collect()
}

fn expected_chains() -> Vec<Named> {
    let one = |[rows, channels, hidden]: [usize; 3]| {
        let matrix = || {
            let mut values = vec![0.0; hidden * channels];
            second(Storage::F16, values.len()).widen(0..hidden * channels, &mut values);
            values
        };
        // [hidden, channels] and [channels, hidden].
        let (key, value) = (matrix(), matrix());
        let x = numbers(1, 1.0, 0.0, rows * channels);
        let beside = numbers(3, 1.0, 0.0, rows * channels);
        let dy = numbers(4, 1e-4, 0.0, rows * channels);
        let (mut forward, mut gradient) = (Vec::new(), Vec::new());
        for row in 0..rows {
            let of_row = row * channels..(row + 1) * channels;
            let sum =
                |terms: usize, term: &dyn Fn(usize) -> f64| -> f64 { (0..terms).map(term).sum() };
            let (x, dy) = (&x[of_row.clone()], &dy[of_row.clone()]);
            let between: Vec<f64> = (0..hidden)
                .map(|h| {
                    sum(channels, &|c| {
                        f64::from(x[c]) * f64::from(key[h * channels + c])
                    })
                })
                .collect();
            let dbetween: Vec<f64> = (0..hidden)
                .map(|h| {
                    let through = sum(channels, &|c| {
                        f64::from(dy[c]) * f64::from(value[c * hidden + h])
                    });
                    finished(through, between[h], Finish::ThroughSquaredRelu)
                })
                .collect();
            for (c, beside) in beside[of_row].iter().enumerate() {
                let made = sum(hidden, &|h| {
                    started(between[h], Start::SquaredRelu) * f64::from(value[c * hidden + h])
                });
                forward.push((made + f64::from(*beside)) as f32);
                let made = sum(hidden, &|h| dbetween[h] * f64::from(key[h * channels + c]));
                gradient.push(made as f32);
            }
        }
        [
            Named {
                what: "forward",
                values: forward,
            },
            Named {
                what: "gradient",
                values: gradient,
            },
        ]
    };
    CHAINS.into_iter().flat_map(one).collect()
}

fn started(x: f64, start: Start) -> f64 {
    match start {
        Start::Plain | Start::Gradient => x,
        Start::SquaredRelu => x.max(0.0).powi(2),
    }
}

pub(super) fn finished(x: f64, other: f64, finish: Finish) -> f64 {
    match finish {
        Finish::Plain => x,
        Finish::Add => x + other,
        Finish::Tanh => x.tanh(),
        Finish::Sigmoid => 1.0 / (1.0 + (-x).exp()),
        Finish::ThroughTanh => x * (1.0 - other * other),
        Finish::ThroughSigmoid => x * other * (1.0 - other),
        Finish::ThroughSquaredRelu => 2.0 * x * other.max(0.0),
    }
}

#[cfg(test)]
mod tests {
    use super::super::run;
    use super::*;
    use crate::kernels::device::matrix_units::multiplies_in_half;

    #[test]
    fn products_are_right_on_the_cpu_and_on_a_gpu() {
        for device in [Device::flex(), Device::wgpu(burn::tensor::DeviceKind::Cpu)] {
            for check in checks(multiplies_in_half(&device)) {
                let outcome = run(&check, &device);
                assert!(outcome.passed, "{outcome:?}");
            }
        }
    }
}
