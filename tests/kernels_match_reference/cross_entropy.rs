//! The fused loss and its gradient.

use burn::tensor::{Device, Int, Tensor};
use gosling::kernels::cross_entropy::{cross_entropy, cross_entropy_reference};

use crate::fused::{check, gradient, leaf};
use crate::support::values;
use crate::{software_gpu, u};

#[test]
fn cross_entropy_and_its_gradient() {
    let (n_rows, n_vocab) = (21, 97);
    let targets: Vec<u32> = (0..n_rows).map(|row| (row * 31 % n_vocab) as u32).collect();
    let logits = |device: &Device| u::<2>(0.0, 8.0, 0.0, [n_rows, n_vocab], device);
    let fused = |device: &Device| {
        let loss = cross_entropy(logits(device), &targets, false);
        vec![
            ("loss", values(loss.losses)),
            ("dlogits", values(loss.dlogits)),
        ]
    };
    let device = Device::flex();
    let leaf = leaf(logits(&device));
    let ids: Vec<i32> = targets.iter().map(|id| *id as i32).collect();
    let ids = constant_ids(&ids, &device);
    let losses = cross_entropy_reference(leaf.clone(), ids);
    let gradients = losses.clone().sum().backward();
    let reference = [
        ("loss", values(losses.inner())),
        ("dlogits", gradient(&leaf, &gradients)),
    ];
    check("cross entropy", fused, &reference);
}

fn constant_ids(ids: &[i32], device: &Device) -> Tensor<1, Int> {
    Tensor::from_data(ids, &device.clone().autodiff())
}

#[test]
fn l2wrap_pulls_on_the_largest_logit() {
    for device in [Device::flex(), software_gpu()] {
        let logits = u::<2>(0.0, 8.0, 0.0, [5, 97], &device);
        let plain = cross_entropy(logits.clone(), &[1, 2, 3, 4, 5], false);
        let wrapped = cross_entropy(logits.clone(), &[1, 2, 3, 4, 5], true);
        let difference = values(wrapped.dlogits - plain.dlogits);
        for (row, logits) in values(logits).chunks(97).enumerate() {
            let largest = logits.iter().copied().fold(f32::MIN, f32::max);
            for (column, logit) in logits.iter().enumerate() {
                let want = if *logit == largest {
                    1e-4 * largest
                } else {
                    0.0
                };
                let got = difference[row * 97 + column];
                assert!(
                    (got - want).abs() < 1e-6,
                    "{row} {column}: {got}, not {want}"
                );
            }
        }
    }
}
