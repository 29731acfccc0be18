//! Whether a device computes what it should: what Gosling runs on it, against
//! the same worked out on the CPU. A driver that is wrong says nothing; this
//! finds out before a night of training does.
//!
//! A [`Check`] is two functions, one for the device and one for the truth, and
//! a bound; [`checks`] lists them all.

mod decode;
mod inputs;
mod model;
mod operations;
mod products;
mod products_together;
mod tuning;
mod wkv7;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Instant;

use burn::tensor::{Device, Tensor};
use serde::Serialize;

use crate::error::{Error, Result};
use crate::kernels::device::build_ahead;
use crate::kernels::device::matrix_units::multiplies_in_half;

/// Numbers with the name under which they are compared.
#[derive(Debug, Clone, PartialEq)]
pub struct Named {
    /// What they are, such as `dw`.
    pub what: &'static str,
    /// The numbers, row-major.
    pub values: Vec<f32>,
}

impl Named {
    /// A tensor's numbers, read back.
    ///
    /// # Errors
    /// [`Error::Device`] where they cannot be read.
    pub fn read<const D: usize>(what: &'static str, tensor: Tensor<D>) -> Result<Self> {
        let values = tensor.into_data().try_to_vec();
        let values = values.map_err(|error| {
            Error::Device(tr!(
                "{what} cannot be read back: {error}",
                what,
                error = format_args!("{error:?}")
            ))
        })?;
        Ok(Self { what, values })
    }
}

/// One thing that a device is asked to compute.
pub struct Check {
    /// What it is, for the user.
    pub name: &'static str,
    /// The largest difference that is still right, as a share of the largest
    /// expected number.
    pub bound: f64,
    /// Whether Gosling relies on it. What it stays clear of is told, but
    /// is no failure.
    pub is_needed: bool,
    /// The numbers, computed on the device.
    pub on_device: fn(&Device) -> Result<Vec<Named>>,
    /// The same numbers by another way, in the same order.
    pub expected: fn() -> Result<Vec<Named>>,
}

/// How far a device is off in one set of numbers.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Difference {
    /// What they are.
    pub what: String,
    /// How many they are.
    pub n_values: usize,
    /// The largest difference, as a share of the largest expected number;
    /// infinite where a number is missing or not finite.
    pub max_difference: f64,
}

/// What came of a check.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Outcome {
    /// The check's name.
    pub name: &'static str,
    /// Whether the device is right.
    pub passed: bool,
    /// Whether Gosling relies on it.
    pub is_needed: bool,
    /// The largest difference that is still right.
    pub bound: f64,
    /// Milliseconds in which the same is worked out on the CPU, while kernels are built.
    pub expected_ms: f64,
    /// Milliseconds of the first time, which waits for the kernels.
    pub first_ms: f64,
    /// Milliseconds of the second time.
    pub ms: f64,
    /// The differences of all sets of numbers.
    pub differences: Vec<Difference>,
    /// Why there is nothing to compare.
    pub error: Option<String>,
}

impl Outcome {
    /// The set of numbers that is furthest off.
    pub fn worst(&self) -> Option<&Difference> {
        let of = |a: &&Difference, b: &&Difference| a.max_difference.total_cmp(&b.max_difference);
        self.differences.iter().max_by(of)
    }
}

/// Every check, the most basic first.
pub fn checks(device: &Device) -> Vec<Check> {
    let has_units = multiplies_in_half(device);
    let all = [
        operations::checks(),
        products::checks(has_units),
        products_together::checks(has_units),
        wkv7::checks(has_units),
        model::checks(has_units),
        decode::checks(),
        tuning::checks(),
        tuning::checks_of_packed(has_units),
    ];
    all.into_iter().flatten().collect()
}

/// Runs a check twice on a device and compares what came the second time. A
/// device that breaks down in the middle fails the check and nothing else.
pub fn run(check: &Check, device: &Device) -> Outcome {
    let mut outcome = Outcome {
        name: check.name,
        passed: false,
        is_needed: check.is_needed,
        bound: check.bound,
        expected_ms: f64::NAN,
        first_ms: f64::NAN,
        ms: f64::NAN,
        differences: Vec::new(),
        error: None,
    };
    build_ahead(device, || drop((check.on_device)(device)));
    let start = Instant::now();
    let expected = (check.expected)();
    outcome.expected_ms = 1e3 * start.elapsed().as_secs_f64();
    let compared = expected.and_then(|expected| {
        let (_, first_ms) = timed(check, device)?;
        outcome.first_ms = first_ms;
        let (got, ms) = timed(check, device)?;
        outcome.ms = ms;
        Ok(compare(&got, &expected))
    });
    match compared {
        Ok(differences) => {
            let is_right = |d: &Difference| d.max_difference <= check.bound;
            outcome.passed = differences.iter().all(is_right);
            outcome.differences = differences;
        }
        Err(error) => outcome.error = Some(error.to_string()),
    }
    outcome
}

fn timed(check: &Check, device: &Device) -> Result<(Vec<Named>, f64)> {
    let start = Instant::now();
    let got = catch_unwind(AssertUnwindSafe(|| (check.on_device)(device)));
    let ms = 1e3 * start.elapsed().as_secs_f64();
    match got {
        Ok(got) => Ok((got?, ms)),
        Err(panic) => {
            let said = panic.downcast_ref::<String>().map(String::as_str);
            let said = said.or(panic.downcast_ref::<&str>().copied());
            let said = said.unwrap_or(tr!("no reason given")).lines().next();
            let reason = tr!("it broke down: {}", said.unwrap_or_default());
            Err(Error::Device(reason))
        }
    }
}

fn compare(got: &[Named], expected: &[Named]) -> Vec<Difference> {
    let differences = expected.iter().enumerate().map(|(i, want)| {
        let got = got.get(i).filter(|got| got.what == want.what);
        let got = got.map_or(&[][..], |got| &got.values);
        Difference {
            what: want.what.into(),
            n_values: want.values.len(),
            max_difference: difference(got, &want.values),
        }
    });
    differences.collect()
}

fn difference(got: &[f32], want: &[f32]) -> f64 {
    if got.len() != want.len() {
        return f64::INFINITY;
    }
    let magnitudes = want.iter().map(|x| f64::from(x.abs()));
    let largest = magnitudes.fold(f64::MIN_POSITIVE, f64::max);
    let off = got.iter().zip(want).map(|(got, want)| {
        let off = (f64::from(*got) - f64::from(*want)).abs() / largest;
        if off.is_nan() { f64::INFINITY } else { off }
    });
    off.fold(0.0, f64::max)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(values: &[f32]) -> Vec<Named> {
        vec![Named {
            what: "x",
            values: values.to_vec(),
        }]
    }

    #[test]
    fn differences_follow_the_largest_number() {
        let check = |got: &[f32], want: &[f32], off: f64| {
            let differences = compare(&named(got), &named(want));
            assert_eq!(differences[0].max_difference, off, "{got:?} {want:?}");
        };
        check(&[1.0, 2.0], &[1.0, 2.0], 0.0);
        check(&[1.0, 2.5], &[1.0, 2.0], 0.25);
        check(&[0.5], &[0.25], 1.0);
        check(&[0.0], &[0.0], 0.0);
        check(&[1.0], &[1.0, 2.0], f64::INFINITY);
        check(&[f32::NAN], &[1.0], f64::INFINITY);
        check(&[f32::INFINITY], &[f32::INFINITY], f64::INFINITY);
        assert_eq!(
            compare(&[], &named(&[1.0]))[0].max_difference,
            f64::INFINITY
        );
    }

    fn outcome(on_device: fn(&Device) -> Result<Vec<Named>>) -> Outcome {
        let check = Check {
            name: "a check",
            bound: 1e-3,
            is_needed: true,
            on_device,
            expected: || Ok(named(&[1.0])),
        };
        run(&check, &Device::flex())
    }

    #[test]
    fn a_wrong_or_broken_device_fails() {
        assert!(outcome(|_| Ok(named(&[1.0005]))).passed);
        let wrong = outcome(|_| Ok(named(&[1.01])));
        assert!(!wrong.passed && wrong.error.is_none());
        assert_eq!(wrong.worst().unwrap().what, "x");
        let refused = outcome(|_| Err(Error::Device("lost".into())));
        assert!(!refused.passed);
        assert_eq!(refused.error.as_deref(), Some("device: lost"));
        let broken = outcome(|_| panic!("no memory\nat all"));
        assert!(!broken.passed);
        let said = "device: it broke down: no memory";
        assert_eq!(broken.error.as_deref(), Some(said));
    }

    #[test]
    fn the_cpu_passes() {
        for check in checks(&Device::flex()) {
            let outcome = run(&check, &Device::flex());
            assert!(outcome.passed, "{outcome:?}");
        }
    }
}
