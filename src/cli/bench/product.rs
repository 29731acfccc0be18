//! `gosling bench product`: products of activations with a frozen matrix, alone.

use burn::tensor::{Device, Distribution, Tensor};
use clap::Args;

use super::report::{Spread, report};
use super::target::{Storage, TargetArguments, check_counts, three_counts};
use crate::error::{Error, Result};
use crate::kernels::device::time_on_device;
use crate::kernels::matrix::{Matrix, Packed};
use crate::kernels::product::{Finish, Start, Stored, product};
use crate::report::{Cell, Table};

/// What is measured.
#[derive(Args)]
pub(super) struct ProductArguments {
    #[command(flatten)]
    target: TargetArguments,
    /// Rows, terms and columns, such as 4096,768,3072, with a T behind where the matrix is
    /// stored transposed; can be repeated.
    #[arg(long, value_name = "M,K,N", default_values = SHAPES)]
    shape: Vec<String>,
    /// Storage of the matrix.
    #[arg(long, value_enum, default_value_t = Storage::F16)]
    precision: Storage,
    /// Calls between two waits for the device.
    #[arg(long, default_value_t = 20)]
    calls: usize,
    /// How often that is timed.
    #[arg(long, default_value_t = 9)]
    repeats: usize,
}

/// The products of a 0.1B step of 8 x 512 tokens, and of one of 512.
const SHAPES: [&str; 11] = [
    "4096,768,768T",
    "4096,768,3072T",
    "4096,3072,768T",
    "4096,3072,768",
    "512,768,65536T",
    "512,65536,768",
    "4096,64,768",
    "4096,768,64",
    "512,768,768T",
    "512,768,3072T",
    "512,3072,768T",
];

/// Times the products and prints microseconds and rates.
///
/// # Errors
/// A device that cannot be used, or numbers that cannot be run.
pub(super) fn run(arguments: &ProductArguments) -> Result<()> {
    check_counts([
        ("--calls", arguments.calls),
        ("--repeats", arguments.repeats),
    ])?;
    let cases: Result<Vec<Case>> = arguments.shape.iter().map(|text| parsed(text)).collect();
    let opened = arguments.target.open()?;
    let columns = [
        "rows x terms x columns",
        "matrix",
        "median, us",
        "lower quartile",
        "upper quartile",
        "on the device, us",
        "TFLOP/s",
    ];
    let mut table = Table::new("Products, of one call", columns);
    for case in cases? {
        let Case {
            sizes: [m, k, n],
            stored,
        } = case;
        let (spread, on_device) = case.time(arguments, &opened.device)?;
        let shape = Cell::text(format!("{m} x {k} x {n}"));
        let how = Cell::text(match stored {
            Stored::Plain => "plain",
            Stored::Transposed => "transposed",
        });
        let us = on_device.unwrap_or(spread.median);
        let rate = 2.0 * (m * k * n) as f64 / us / 1e6;
        let device = on_device.map_or(Cell::Empty, |us| Cell::number(us, 1));
        let row = [shape, how].into_iter().chain(spread.cells(1));
        table.push(row.chain([device, Cell::number(rate, 1)]));
    }
    report(&arguments.target, &opened, &[table])
}

/// A product to be timed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Case {
    /// Rows, terms and columns.
    sizes: [usize; 3],
    stored: Stored,
}

fn parsed(text: &str) -> Result<Case> {
    let (numbers, stored) = match text.strip_suffix('T') {
        Some(numbers) => (numbers, Stored::Transposed),
        None => (text, Stored::Plain),
    };
    let sizes = three_counts(numbers).ok_or_else(|| {
        let reason = tr!("`{text}` is not M,K,N or M,K,NT", text);
        Error::spec("--shape", reason)
    })?;
    Ok(Case { sizes, stored })
}

impl Case {
    /// Microseconds of one call, of many between two waits for the device, and what the
    /// device takes for it where it can say.
    fn time(self, arguments: &ProductArguments, device: &Device) -> Result<(Spread, Option<f64>)> {
        let [m, k, n] = self.sizes;
        let a = Tensor::<2>::random([m, k], Distribution::Uniform(-1.0, 1.0), device);
        let storage = arguments.precision.of_matrices();
        // No two rows alike, and nothing that 16 bits would lose.
        let values: Vec<f32> = (0..k * n)
            .map(|idx| (idx * 7919 % 4093) as f32 / 4093.0 - 0.5)
            .collect();
        let shape = match self.stored {
            Stored::Plain => [k, n],
            Stored::Transposed => [n, k],
        };
        let b = Matrix::new(Packed::of(storage, &values), shape, device);
        let call = || {
            let (start, finish) = (Start::Plain, Finish::Plain);
            product(a.clone(), &b, self.stored, start, finish, None);
        };
        let ms = Spread::of_queued(device, arguments.calls, arguments.repeats, call)?;
        let spread = Spread {
            median: 1e3 * ms.median,
            lower: 1e3 * ms.lower,
            upper: 1e3 * ms.upper,
        };
        let calls = || (0..arguments.calls).for_each(|_| call());
        let a_call = 1e6 / arguments.calls as f64;
        let on_device: Option<Vec<f64>> = (0..arguments.repeats)
            .map(|_| time_on_device(device, calls))
            .map(|time| Some(time?.as_secs_f64() * a_call))
            .collect();
        Ok((spread, on_device.map(|all| Spread::of(all).median)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shape_is_three_counts_and_a_layout() {
        let sizes = [4096, 768, 3072];
        for (text, stored) in [
            ("4096,768,3072", Stored::Plain),
            ("4096,768,3072T", Stored::Transposed),
        ] {
            assert_eq!(parsed(text).unwrap(), Case { sizes, stored });
        }
        for wrong in ["8,512", "8,0,12", "8,x,512", "", "T", "8,8,8t"] {
            assert!(parsed(wrong).is_err(), "{wrong}");
        }
        assert!(SHAPES.iter().all(|text| parsed(text).is_ok()));
    }
}
