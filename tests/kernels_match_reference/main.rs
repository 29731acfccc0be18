//! Every operator against its reference: outputs and all gradients, on the CPU
//! and on the software adapter.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod cross_entropy;
mod features;
mod fused;
mod lifted_wkv;
mod limits;
mod rectangular_wkv;
mod storage;
#[path = "../support/mod.rs"]
mod support;
mod together;
mod wkv7;

use burn::tensor::{Device, DeviceKind, Tensor, TensorData};

use support::assert_close;

/// Values by name.
type Named = (&'static str, Vec<f32>);

/// The input formula of `tests/golden/README.md`.
fn u<const D: usize>(
    q: f64,
    scale: f64,
    offset: f64,
    shape: [usize; D],
    device: &Device,
) -> Tensor<D> {
    let values: Vec<f32> = (0..shape.iter().product::<usize>())
        .map(|n| n as f64)
        .map(|n| (offset + scale * ((1.3 + 0.17 * q) * n + 0.0011 * n * n + q).sin()) as f32)
        .collect();
    Tensor::from_data(TensorData::new(values, shape), device)
}

/// The software adapter that stands for a GPU where there is none.
fn software_gpu() -> Device {
    Device::wgpu(DeviceKind::Cpu)
}

fn check_against(what: &str, got: &[Named], want: impl Fn(&str) -> Vec<f32>) {
    for (name, got) in got {
        let want = want(name);
        // Sums over many terms of either sign: the error follows the largest value.
        let largest = want.iter().fold(0.0_f32, |most, x| most.max(x.abs()));
        assert_close(
            &format!("{what} {name}"),
            got,
            &want,
            1e-5 * largest.max(1.0),
            1e-5,
        );
    }
}

fn check_equal(what: &str, got: &[Named], want: &[Named]) {
    assert_eq!(got.len(), want.len(), "{what}");
    check_against(what, got, |name| {
        let found = want.iter().find(|(other, _)| *other == name);
        found.unwrap().1.clone()
    });
}
