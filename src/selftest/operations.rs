//! Operations of Burn that the model and the trainer use, against plain loops.

use burn::tensor::activation::{log_softmax, sigmoid};
use burn::tensor::{Device, Int, Tensor, TensorData};

use super::inputs::{numbers, tensor};
use super::{Check, Named};
use crate::error::Result;

/// Rounding of 32-bit numbers, in sums of up to 1024 terms; measured 1e-6.
const BOUND: f64 = 1e-5;
/// What is counted or moved must be exact.
const EXACT: f64 = 0.0;

/// [rows, inner, columns]: layers, the head, one token alone, odd sizes.
const PRODUCTS: [(&str, [usize; 3]); 5] = [
    ("256 to 1024", [37, 256, 1024]),
    ("1024 to 256", [48, 1024, 256]),
    ("head", [16, 256, 4096]),
    ("one token", [1, 256, 256]),
    ("odd sizes", [5, 33, 7]),
];

/// A vocabulary as the World one.
const N_WORLD: usize = 65_536;

/// Rows of a sum that is longer than a loop of some drivers.
const N_LONG: usize = 70_000;

pub(super) fn checks() -> Vec<Check> {
    let check = |name, bound, on_device, expected| Check {
        name,
        bound,
        is_needed: true,
        on_device,
        expected,
    };
    vec![
        check("matrix products", BOUND, products, products_in_loops),
        check(
            "functions of each number",
            BOUND,
            functions,
            functions_in_loops,
        ),
        check("softmax and gather", BOUND, softmax, softmax_in_loops),
        check("argmax and select", EXACT, picks, picks_in_loops),
        check(
            "sums of squares of a state",
            BOUND,
            squares,
            squares_in_loops,
        ),
        Check {
            name: "sums of 70,000 numbers",
            bound: BOUND,
            // Gosling sums a state's heads and a batch's tokens, which are fewer.
            is_needed: false,
            on_device: long_sums,
            expected: long_sums_in_loops,
        },
    ]
}

fn products(device: &Device) -> Result<Vec<Named>> {
    let product = |(what, [rows, inner, columns]): (&'static str, [usize; 3])| {
        let x = tensor(1, 1.0, 0.0, [rows, inner], device);
        // Stored as [out, in], as every layer of a checkpoint.
        let weight: Tensor<2> = tensor(2, 1.0, 0.0, [columns, inner], device);
        Named::read(what, x.matmul(weight.transpose()))
    };
    PRODUCTS.into_iter().map(product).collect()
}

fn products_in_loops() -> Result<Vec<Named>> {
    let product = |(what, [rows, inner, columns]): (&'static str, [usize; 3])| {
        let x = numbers(1, 1.0, 0.0, rows * inner);
        let weight = numbers(2, 1.0, 0.0, columns * inner);
        let values = x.chunks_exact(inner).flat_map(|x| {
            let weights = weight.chunks_exact(inner);
            weights.map(move |w| {
                let terms = x.iter().zip(w).map(|(x, w)| f64::from(*x) * f64::from(*w));
                terms.sum::<f64>() as f32
            })
        });
        let values = values.collect();
        Ok(Named { what, values })
    };
    PRODUCTS.into_iter().map(product).collect()
}

fn functions(device: &Device) -> Result<Vec<Named>> {
    let x: Tensor<1> = tensor(3, 8.0, 0.0, [1001], device);
    Ok(vec![
        Named::read("exp", (x.clone() * 0.25).exp())?,
        Named::read("tanh", x.clone().tanh())?,
        Named::read("sigmoid", sigmoid(x.clone()))?,
        Named::read("sqrt", (x.powi_scalar(2) + 1e-12).sqrt())?,
    ])
}

fn functions_in_loops() -> Result<Vec<Named>> {
    let x = numbers(3, 8.0, 0.0, 1001);
    let map = |what, f: fn(f64) -> f64| {
        let values = x.iter().map(|x| f(f64::from(*x)) as f32).collect();
        Named { what, values }
    };
    Ok(vec![
        map("exp", |x| (0.25 * x).exp()),
        map("tanh", f64::tanh),
        map("sigmoid", |x| 1.0 / (1.0 + (-x).exp())),
        map("sqrt", |x| (x * x + 1e-12).sqrt()),
    ])
}

/// The places that are gathered from [3, `n`].
fn places(n: usize) -> Vec<i32> {
    [1, n / 2, n - 1].map(|i| i as i32).into()
}

fn softmax(device: &Device) -> Result<Vec<Named>> {
    let gathered = |what, n: usize| {
        let logits: Tensor<2> = tensor(4, 10.0, 0.0, [3, n], device);
        let at: Tensor<2, Int> = Tensor::from_data(TensorData::new(places(n), [3, 1]), device);
        Named::read(what, log_softmax(logits, 1).gather(1, at))
    };
    Ok(vec![gathered("mini", 4096)?, gathered("World", N_WORLD)?])
}

fn softmax_in_loops() -> Result<Vec<Named>> {
    let gathered = |what, n: usize| {
        let logits = numbers(4, 10.0, 0.0, 3 * n);
        let rows = logits.chunks_exact(n).zip(places(n));
        let values = rows.map(|(row, at)| {
            let sum: f64 = row.iter().map(|x| f64::from(*x).exp()).sum();
            (f64::from(row[at as usize]) - sum.ln()) as f32
        });
        let values = values.collect();
        Named { what, values }
    };
    Ok(vec![gathered("mini", 4096), gathered("World", N_WORLD)])
}

fn picks(device: &Device) -> Result<Vec<Named>> {
    let logits: Tensor<2> = tensor(5, 10.0, 0.0, [3, N_WORLD], device);
    let rows: Tensor<1, Int> = Tensor::from_data([2, 0, 2, 1], device);
    let embedding: Tensor<2> = tensor(6, 1.0, 0.0, [3, 256], device);
    Ok(vec![
        Named::read("argmax", logits.argmax(1).float())?,
        Named::read("select", embedding.select(0, rows))?,
    ])
}

fn picks_in_loops() -> Result<Vec<Named>> {
    let logits = numbers(5, 10.0, 0.0, 3 * N_WORLD);
    let argmax = logits.chunks_exact(N_WORLD).map(|row| {
        let largest = row.iter().copied().fold(f32::MIN, f32::max);
        row.iter().take_while(|x| **x < largest).count() as f32
    });
    let embedding = numbers(6, 1.0, 0.0, 3 * 256);
    let select = [2, 0, 2, 1].map(|row| &embedding[row * 256..][..256]);
    Ok(vec![
        Named {
            what: "argmax",
            values: argmax.collect(),
        },
        Named {
            what: "select",
            values: select.concat(),
        },
    ])
}

fn squares(device: &Device) -> Result<Vec<Named>> {
    let state: Tensor<4> = tensor(7, 1.0, 0.0, [6, 4, 64, 64], device);
    let squares = state.powi_scalar(2).reshape([6, 4, 4096]).sum_dim(2);
    Ok(vec![
        Named::read("of heads", squares.clone())?,
        Named::read("of all", squares.sum())?,
    ])
}

fn squares_in_loops() -> Result<Vec<Named>> {
    let state = numbers(7, 1.0, 0.0, 6 * 4 * 4096);
    let square = |x: &f32| f64::from(*x).powi(2);
    let heads: Vec<f64> = state
        .chunks_exact(4096)
        .map(|head| head.iter().map(square).sum())
        .collect();
    let all: f64 = heads.iter().sum();
    Ok(vec![
        Named {
            what: "of heads",
            values: heads.iter().map(|x| *x as f32).collect(),
        },
        Named {
            what: "of all",
            values: vec![all as f32],
        },
    ])
}

fn long_sums(device: &Device) -> Result<Vec<Named>> {
    let x: Tensor<2> = tensor(8, 0.5, 1.0, [N_LONG, 8], device);
    Ok(vec![
        Named::read("columns", x.clone().sum_dim(0))?,
        Named::read("row", x.clone().transpose().reshape([8, N_LONG]).sum_dim(1))?,
        Named::read("all", x.sum())?,
    ])
}

fn long_sums_in_loops() -> Result<Vec<Named>> {
    let x = numbers(8, 0.5, 1.0, N_LONG * 8);
    let column = |i: usize| x.iter().skip(i).step_by(8).map(|x| f64::from(*x)).sum();
    let columns: Vec<f64> = (0..8).map(column).collect();
    let all: f64 = columns.iter().sum();
    let columns: Vec<f32> = columns.iter().map(|x| *x as f32).collect();
    Ok(vec![
        Named {
            what: "columns",
            values: columns.clone(),
        },
        Named {
            what: "row",
            values: columns,
        },
        Named {
            what: "all",
            values: vec![all as f32],
        },
    ])
}
