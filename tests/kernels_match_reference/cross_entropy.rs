//! The fused loss and its gradient.

use burn::tensor::{Device, Int, Tensor, TensorData};
use gosling::kernels::loss::{Gradient, cross_entropy, cross_entropy_reference};

use crate::fused::{check, gradient, leaf};
use crate::support::{assert_close, values};
use crate::{software_gpu, u};

/// Vocabularies: two of the fused kernel of a GPU, the second of several logits
/// a unit, and one whose rows it does not take.
const VOCABULARIES: [usize; 3] = [96, 4096, 97];

#[test]
fn cross_entropy_and_its_gradient() {
    let n_rows = 21;
    for n_vocab in VOCABULARIES {
        let targets: Vec<u32> = (0..n_rows).map(|row| (row * 31 % n_vocab) as u32).collect();
        let logits = |device: &Device| u::<2>(0.0, 8.0, 0.0, [n_rows, n_vocab], device);
        let fused = |device: &Device| {
            let loss = cross_entropy(logits(device), &targets, Gradient::OfLoss);
            vec![
                ("loss", values(loss.losses)),
                ("dlogits", values(loss.dlogits.unwrap())),
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
        check(&format!("cross entropy of {n_vocab}"), fused, &reference);
    }
}

fn constant_ids(ids: &[i32], device: &Device) -> Tensor<1, Int> {
    Tensor::from_data(ids, &device.clone().autodiff())
}

/// Logits of `n_rows`, and the column of the largest of every row. With `twice`
/// a later column has it, too.
fn peaked(n_rows: usize, n_vocab: usize, twice: bool) -> (Vec<f32>, Vec<usize>) {
    let mut logits = values(u::<2>(0.0, 8.0, 0.0, [n_rows, n_vocab], &Device::flex()));
    let columns: Vec<usize> = (0..n_rows)
        .map(|row| (3 + 29 * row) % (n_vocab - 20))
        .collect();
    for (row, column) in columns.iter().enumerate() {
        let peak = 9.0 + row as f32;
        logits[row * n_vocab + column] = peak;
        if twice {
            // In another unit, in the same one, and among the same four.
            logits[row * n_vocab + column + 1 + 9 * (row % 3)] = peak;
        }
    }
    (logits, columns)
}

/// RWKV-LM's `L2Wrap`: 1e-4 of the largest logit is added to its own gradient,
/// and to that of one logit alone.
#[test]
fn l2wrap_pulls_on_the_largest_logit() {
    let n_rows = 7;
    let targets: Vec<u32> = (0..n_rows as u32).map(|row| row * 13 % 96).collect();
    for n_vocab in VOCABULARIES {
        for twice in [false, true] {
            let (logits, columns) = peaked(n_rows, n_vocab, twice);
            for (on_gpu, device) in [(false, Device::flex()), (true, software_gpu())] {
                let what = format!("{n_vocab}, twice {twice}, on a GPU {on_gpu}");
                let of = |wanted| {
                    let logits = TensorData::new(logits.clone(), [n_rows, n_vocab]);
                    cross_entropy(Tensor::from_data(logits, &device), &targets, wanted)
                };
                let (plain, wrapped) = (of(Gradient::OfLoss), of(Gradient::WithL2Wrap));
                // The loss is reported without it.
                assert_eq!(values(wrapped.losses), values(plain.losses), "{what}");
                let pulls = values(wrapped.dlogits.unwrap() - plain.dlogits.unwrap());
                for (row, pulls) in pulls.chunks(n_vocab).enumerate() {
                    let peak = logits[row * n_vocab + columns[row]];
                    let mut want = vec![0.0; n_vocab];
                    let mut at = columns[row];
                    // Burn's largest number may be either of two.
                    if twice && on_gpu && n_vocab == 97 && pulls[at] < 5e-4 {
                        at += 1 + 9 * (row % 3);
                    }
                    want[at] = 1e-4 * peak;
                    // The difference of two numbers of about 1.
                    assert_close(&format!("{what}, row {row}"), pulls, &want, 2e-7, 0.0);
                }
            }
        }
    }
}

/// Validation asks for the losses alone.
#[test]
fn losses_without_a_gradient_are_the_same() {
    for device in [Device::flex(), software_gpu()] {
        for n_vocab in VOCABULARIES {
            let logits = u::<2>(0.0, 8.0, 0.0, [40, n_vocab], &device);
            let targets: Vec<u32> = (0..40).map(|row| row * 7 % 90).collect();
            let with = cross_entropy(logits.clone(), &targets, Gradient::OfLoss);
            let without = cross_entropy(logits, &targets, Gradient::None);
            assert!(without.dlogits.is_none());
            assert_eq!(values(without.losses), values(with.losses), "{n_vocab}");
        }
    }
}

/// More rows than a GPU has cubes along one axis.
#[test]
fn a_great_many_rows_have_their_losses() {
    let (n_rows, n_vocab) = (70_001, 8);
    let targets: Vec<u32> = (0..n_rows as u32).map(|row| row % 8).collect();
    let of = |device: &Device| {
        let logits = u::<2>(0.0, 3.0, 0.0, [n_rows, n_vocab], device);
        let loss = cross_entropy(logits, &targets, Gradient::OfLoss);
        (values(loss.losses), values(loss.dlogits.unwrap()))
    };
    let (got, want) = (of(&software_gpu()), of(&Device::flex()));
    assert_close("losses", &got.0, &want.0, 1e-5, 1e-5);
    assert_close("dlogits", &got.1, &want.1, 1e-5, 1e-5);
}
