//! Products that are made in one launch: to the last bit what each gives alone.

use burn::tensor::{Device, Tensor};
use gosling::kernels::matrix::{Matrix, Packed, Storage};
use gosling::kernels::product::{Finish, Start, Stored, Wanted, product, products};

use crate::support::values;
use crate::{software_gpu, u};

/// Products of the same rows: terms and columns of each, and what they are finished with.
struct Set {
    rows: usize,
    sizes: &'static [[usize; 2]],
    finishes: &'static [Finish],
}

/// Like what a layer takes at once, at odd sizes: low ranks down and up, with the gradients
/// of both, and three alike; and one row.
const SETS: [Set; 7] = [
    Set {
        rows: 33,
        sizes: &[[72, 64], [72, 40], [72, 8], [72, 136]],
        finishes: &[Finish::Tanh, Finish::Plain, Finish::Sigmoid, Finish::Plain],
    },
    Set {
        rows: 33,
        sizes: &[[64, 72], [40, 72], [8, 72], [136, 72]],
        finishes: &[Finish::Plain; 4],
    },
    Set {
        rows: 130,
        sizes: &[[200, 24], [200, 32], [200, 104]],
        finishes: &[Finish::ThroughTanh, Finish::Plain, Finish::ThroughSigmoid],
    },
    Set {
        rows: 70,
        sizes: &[[24, 200], [104, 200], [8, 200], [32, 200]],
        finishes: &[Finish::Plain, Finish::Plain, Finish::Add, Finish::Plain],
    },
    Set {
        rows: 65,
        sizes: &[[96, 96], [96, 96], [96, 96]],
        finishes: &[Finish::Plain; 3],
    },
    Set {
        rows: 1,
        sizes: &[[40, 264], [40, 16], [40, 8]],
        finishes: &[Finish::Add, Finish::ThroughSquaredRelu, Finish::Tanh],
    },
    // More than one launch makes.
    Set {
        rows: 19,
        sizes: &[[48, 16]; 6],
        finishes: &[Finish::Plain; 6],
    },
];

/// Tensors that lie in one piece of memory.
fn beside(q: f64, shapes: impl Iterator<Item = [usize; 2]>, device: &Device) -> Vec<Tensor<2>> {
    let shapes: Vec<_> = shapes.collect();
    let room = |shape: &[usize; 2]| (shape[0] * shape[1]).next_multiple_of(64);
    let all = u::<1>(q, 1.0, 0.0, [shapes.iter().map(room).sum()], device);
    let mut start = 0;
    let part = |shape: &[usize; 2]| {
        let part = all.clone().narrow(0, start, shape[0] * shape[1]);
        start += room(shape);
        part.reshape(*shape)
    };
    shapes.iter().map(part).collect()
}

fn check(set: &Set, storage: Storage, stored: Stored, start: Start, device: &Device) {
    let Set {
        rows,
        sizes,
        finishes,
    } = *set;
    let packed = |[inner, columns]: &[usize; 2]| {
        let source = values(u::<1>(
            *columns as f64,
            0.3,
            0.0,
            [inner * columns],
            &Device::flex(),
        ));
        let shape = match stored {
            Stored::Plain => [*inner, *columns],
            Stored::Transposed => [*columns, *inner],
        };
        (Packed::of(storage, &source), shape)
    };
    let matrices = Matrix::together(sizes.iter().map(packed), device);
    let inputs = beside(1.0, sizes.iter().map(|[inner, _]| [rows, *inner]), device);
    let others = beside(2.0, sizes.iter().map(|[_, n]| [rows, *n]), device);
    let wanted = || {
        let each = inputs.iter().zip(&matrices).zip(finishes).zip(&others);
        each.map(|(((a, b), finish), other)| Wanted {
            a: a.clone(),
            b,
            finish: *finish,
            other: finish.reads_other().then(|| other.clone()),
        })
    };
    let together = products(wanted().collect(), stored, start);
    assert_eq!(together.len(), sizes.len());
    for (idx, (got, one)) in together.into_iter().zip(wanted()).enumerate() {
        let Wanted {
            a,
            b,
            finish,
            other,
        } = one;
        let want = values(product(a, b, stored, start, finish, other));
        let what = format!("{storage:?} {stored:?} {start:?} {rows} {sizes:?} {idx}");
        assert!(want.iter().any(|x| *x != 0.0), "{what}");
        assert_eq!(values(got), want, "{what}");
    }
}

#[test]
fn products_made_together_are_those_made_alone_to_the_last_bit() {
    for device in [Device::flex(), software_gpu()] {
        for storage in Storage::ALL {
            for set in &SETS {
                check(set, storage, Stored::Plain, Start::Plain, &device);
                check(set, storage, Stored::Transposed, Start::Gradient, &device);
            }
        }
    }
}

#[test]
fn matrices_together_have_the_numbers_that_they_have_alone() {
    let shapes = [[7, 40], [64, 9], [3, 3]];
    for device in [Device::flex(), software_gpu()] {
        for storage in Storage::ALL {
            let packed = |shape: &[usize; 2]| {
                let source = values(u::<1>(3.0, 1.0, 0.0, [shape[0] * shape[1]], &device));
                (Packed::of(storage, &source), *shape)
            };
            let together = Matrix::together(shapes.iter().map(packed), &device);
            for (matrix, shape) in together.iter().zip(&shapes) {
                let alone = Matrix::new(packed(shape).0, *shape, &device);
                assert_eq!((matrix.dims(), matrix.storage()), (*shape, storage));
                assert_eq!(
                    values(matrix.widened()),
                    values(alone.widened()),
                    "{storage:?}"
                );
            }
        }
    }
}
