//! `gosling bench wkv`: the recurrence alone, forward and back with all gradients.

use burn::tensor::{Device, Distribution, Tensor};
use clap::Args;

use super::report::{Spread, report};
use super::target::{TargetArguments, check_counts, three_counts};
use crate::error::{Error, Result};
use crate::kernels::device::matrix_units::multiplies_in_half;
use crate::kernels::wkv7::{Factors, Wkv7Inputs, Wkv7Tape, wkv7_backward, wkv7_with};
use crate::report::{Cell, Table};

/// What is measured.
#[derive(Args)]
pub(super) struct WkvArguments {
    #[command(flatten)]
    target: TargetArguments,
    /// Batch size, tokens and heads of 64, such as 8,512,12; can be repeated.
    #[arg(long, value_name = "B,T,H", default_values = ["8,512,12", "1,4096,12", "1,512,12", "32,128,4"])]
    shape: Vec<String>,
    /// Calls between two waits for the device.
    #[arg(long, default_value_t = 20)]
    calls: usize,
    /// How often that is timed.
    #[arg(long, default_value_t = 9)]
    repeats: usize,
}

/// Channels of a head.
const HEAD_SIZE: usize = 64;

/// Times the operator and prints the milliseconds of a call.
///
/// # Errors
/// A device that cannot be used, or numbers that cannot be run.
pub(super) fn run(arguments: &WkvArguments) -> Result<()> {
    check_counts([
        ("--calls", arguments.calls),
        ("--repeats", arguments.repeats),
    ])?;
    let shapes: Result<Vec<[usize; 3]>> = arguments.shape.iter().map(|text| parsed(text)).collect();
    let opened = arguments.target.open()?;
    let columns = [
        "B x T x H",
        "factors",
        "pass",
        "median, ms",
        "lower quartile",
        "upper quartile",
    ];
    let mut table = Table::new("The recurrence, of one call", columns);
    // Without matrix units both are the same.
    let all_factors: &[_] = match multiplies_in_half(&opened.device) {
        true => &[(Factors::F32, "32 bits"), (Factors::F16, "16 bits")],
        false => &[(Factors::F32, "32 bits")],
    };
    for [b, t, h] in shapes? {
        let case = Case::new([b, t, h, HEAD_SIZE], &opened.device);
        for &(factors, bits) in all_factors {
            for (pass, spread) in case.passes(factors, arguments)? {
                let name = [
                    Cell::text(format!("{b} x {t} x {h}")),
                    Cell::text(bits.to_owned()),
                    Cell::text(pass.to_owned()),
                ];
                table.push(name.into_iter().chain(spread.cells(3)));
            }
        }
    }
    report(&arguments.target, &opened, &[table])
}

fn parsed(text: &str) -> Result<[usize; 3]> {
    three_counts(text).ok_or_else(|| Error::spec("--shape", tr!("`{text}` is not B,T,H", text)))
}

/// Inputs of the size of a trained model's.
struct Case {
    inputs: Wkv7Inputs,
    state: Tensor<4>,
    dy: Tensor<4>,
    device: Device,
}

impl Case {
    /// Of [B, T, H, N].
    fn new(shape: [usize; 4], device: &Device) -> Self {
        let [_, _, h, n] = shape;
        let random = |shape: [usize; 4], low: f64, high: f64| {
            Tensor::<4>::random(shape, Distribution::Uniform(low, high), device)
        };
        // What is read and what is written are near unit vectors.
        let unit = (3.0 / n as f64).sqrt();
        Self {
            inputs: Wkv7Inputs {
                r: random(shape, -1.0, 1.0),
                w: random(shape, 0.55, 1.0),
                k: random(shape, -1.0, 1.0),
                v: random(shape, -1.0, 1.0),
                removal: random(shape, -unit, unit),
                write: random(shape, -unit, unit),
            },
            state: random([1, h, n, n], -0.3, 0.3),
            dy: random(shape, -1.0, 1.0),
            device: device.clone(),
        }
    }

    /// The times of both passes, and of the two together.
    fn passes(
        &self,
        factors: Factors,
        arguments: &WkvArguments,
    ) -> Result<[(&'static str, Spread); 3]> {
        let run = || wkv7_with(factors, &self.inputs, self.state.clone(), true).tape;
        let back = |tape: &Wkv7Tape| {
            wkv7_backward(&self.inputs, tape, self.dy.clone(), None, None);
        };
        let tape = run().ok_or_else(|| Error::Device(tr!("the recurrence kept no tape").into()))?;
        let forward = self.time(arguments, || {
            run();
        })?;
        let backward = self.time(arguments, || back(&tape))?;
        let both = self.time(arguments, || {
            if let Some(tape) = run() {
                back(&tape);
            }
        })?;
        Ok([
            ("forward", forward),
            ("back, all gradients", backward),
            ("both", both),
        ])
    }

    /// Milliseconds of one call.
    fn time(&self, arguments: &WkvArguments, call: impl FnMut()) -> Result<Spread> {
        Spread::of_queued(&self.device, arguments.calls, arguments.repeats, call)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shape_is_three_counts() {
        assert_eq!(parsed("8,512,12").unwrap(), [8, 512, 12]);
        for wrong in ["8,512", "8,0,12", "8,x,512,12", ""] {
            assert!(parsed(wrong).is_err(), "{wrong}");
        }
    }
}
