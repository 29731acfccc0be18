//! Products that are made in one launch, at odd sizes: low ranks down and up with their
//! gradients, and products as large as each other.

use burn::tensor::{Device, Tensor};

use super::inputs::{numbers, tensor};
use super::products::{bound, finished, scale};
use super::{Check, Named};
use crate::error::Result;
use crate::kernels::matrix::{Matrix, Packed, Storage};
use crate::kernels::product::{Finish, Start, Stored, Wanted, products};

/// Products with as many rows as each other.
struct Set {
    rows: usize,
    stored: Stored,
    start: Start,
    each: &'static [One],
}

/// What the product is, its terms and columns, and what it is finished with.
type One = (&'static str, [usize; 2], Finish);

const SETS: [Set; 5] = [
    Set {
        rows: 130,
        stored: Stored::Plain,
        start: Start::Plain,
        each: &[
            ("down, tanh", [136, 64], Finish::Tanh),
            ("down", [136, 40], Finish::Plain),
            ("down, sigmoid", [136, 128], Finish::Sigmoid),
            ("down, narrow", [136, 32], Finish::Plain),
        ],
    },
    Set {
        rows: 130,
        stored: Stored::Plain,
        start: Start::Plain,
        each: &[
            ("up", [64, 136], Finish::Plain),
            ("up", [40, 136], Finish::Plain),
            ("up", [128, 136], Finish::Plain),
            ("up", [32, 136], Finish::Plain),
        ],
    },
    Set {
        rows: 130,
        stored: Stored::Transposed,
        start: Start::Gradient,
        each: &[
            ("up, gradient", [136, 64], Finish::ThroughTanh),
            ("up, gradient", [136, 40], Finish::Plain),
            ("up, gradient", [136, 128], Finish::ThroughSigmoid),
            ("up, gradient", [136, 32], Finish::Plain),
        ],
    },
    Set {
        rows: 130,
        stored: Stored::Transposed,
        start: Start::Gradient,
        each: &[
            ("down, gradient", [64, 136], Finish::Plain),
            ("down, gradient", [40, 136], Finish::Plain),
            ("down, gradient", [128, 136], Finish::Plain),
            ("down, gradient, added", [32, 136], Finish::Add),
        ],
    },
    Set {
        rows: 200,
        stored: Stored::Transposed,
        start: Start::Plain,
        each: &[
            ("whole", [128, 200], Finish::Plain),
            ("whole", [128, 200], Finish::Plain),
            ("whole", [128, 200], Finish::Plain),
        ],
    },
];

/// Of a device with matrix units or without.
pub(super) fn checks(has_units: bool) -> Vec<Check> {
    vec![Check {
        name: "matrix products made together",
        bound: bound(has_units),
        is_needed: true,
        on_device: |device| {
            let sets = SETS.iter().map(|set| made(set, device));
            Ok(sets.collect::<Result<Vec<_>>>()?.concat())
        },
        expected: || Ok(SETS.iter().flat_map(expected).collect()),
    }]
}

/// The numbers of the second factor of product number `idx`.
fn second(idx: usize, [inner, columns]: [usize; 2]) -> Packed {
    let seed = 20 + idx as u32;
    Packed::of(Storage::F16, &numbers(seed, 0.2, 0.0, inner * columns))
}

/// Tensors next to each other, of series of their own.
fn beside(seed: u32, scale: f64, shapes: &[[usize; 2]], device: &Device) -> Vec<Tensor<2>> {
    let len = |shape: &[usize; 2]| shape[0] * shape[1];
    // Every tensor begins where a device can bind it.
    let room = |shape: &[usize; 2]| len(shape).next_multiple_of(64);
    let series = shapes.iter().enumerate().map(|(idx, shape)| {
        let own = tensor::<1>(seed + idx as u32, scale, 0.0, [len(shape)], device);
        let rest = Tensor::zeros([room(shape) - len(shape)], device);
        Tensor::cat(vec![own, rest], 0)
    });
    let all = Tensor::cat(series.collect(), 0);
    let mut start = 0;
    let part = |shape: &[usize; 2]| {
        let part = all.clone().narrow(0, start, len(shape));
        start += room(shape);
        part.reshape(*shape)
    };
    shapes.iter().map(part).collect()
}

fn made(set: &Set, device: &Device) -> Result<Vec<Named>> {
    let Set {
        rows,
        stored,
        start,
        each,
    } = *set;
    let part = |(idx, (_, sizes, _)): (usize, &One)| {
        let [inner, columns] = *sizes;
        let shape = match stored {
            Stored::Plain => [inner, columns],
            Stored::Transposed => [columns, inner],
        };
        (second(idx, *sizes), shape)
    };
    let matrices = Matrix::together(each.iter().enumerate().map(part), device);
    let shapes: Vec<_> = each
        .iter()
        .map(|(_, [inner, _], _)| [rows, *inner])
        .collect();
    let inputs = beside(1, scale(start), &shapes, device);
    let shapes: Vec<_> = each.iter().map(|(_, [_, n], _)| [rows, *n]).collect();
    let others = beside(10, 1.0, &shapes, device);
    let wanted = inputs.into_iter().zip(&matrices).zip(each).zip(others);
    let wanted = wanted.map(|(((a, b), (_, _, finish)), other)| Wanted {
        a,
        b,
        finish: *finish,
        other: finish.reads_other().then_some(other),
    });
    let made = products(wanted.collect(), stored, start);
    let named = made.into_iter().zip(each);
    named
        .map(|(made, (what, ..))| Named::read(what, made))
        .collect()
}

fn expected(set: &Set) -> Vec<Named> {
    let Set {
        rows,
        stored,
        start,
        each,
    } = *set;
    let one = |(idx, (what, sizes, finish)): (usize, &One)| {
        let [inner, columns] = *sizes;
        let seed = idx as u32;
        let a = numbers(1 + seed, scale(start), 0.0, rows * inner);
        let other = numbers(10 + seed, 1.0, 0.0, rows * columns);
        let mut b = vec![0.0; inner * columns];
        second(idx, *sizes).widen(0..inner * columns, &mut b);
        let value = |at: usize| {
            let (row, column) = (at / columns, at % columns);
            let term = |i: usize| {
                let b = match stored {
                    Stored::Plain => b[i * columns + column],
                    Stored::Transposed => b[column * inner + i],
                };
                f64::from(a[row * inner + i]) * f64::from(b)
            };
            finished((0..inner).map(term).sum(), f64::from(other[at]), *finish) as f32
        };
        Named {
            what,
            values: (0..rows * columns).map(value).collect(),
        }
    };
    each.iter().enumerate().map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::super::run;
    use super::*;

    #[test]
    fn products_made_together_are_right_on_the_cpu_and_on_a_gpu() {
        for device in [Device::flex(), Device::wgpu(burn::tensor::DeviceKind::Cpu)] {
            for check in checks(false) {
                let outcome = run(&check, &device);
                assert!(outcome.passed, "{outcome:?}");
            }
        }
    }
}
