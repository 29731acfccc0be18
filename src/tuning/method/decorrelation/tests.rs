//! R on a fixed batch of correlated features.

use burn::tensor::{Distribution, TensorData};

use super::*;
use crate::kernels::device::read_back::read_f32;

/// Layers, H and M.
const SIZES: [usize; 3] = [2, 3, 32];
const STEPS: usize = 30;

fn device() -> Device {
    Device::flex()
}

/// Moments of features with a mean and correlations, as kernels give them.
fn moments() -> Vec<FeatureMoments> {
    let [n_layer, h, m] = SIZES;
    let of_layer = |_| {
        let random = |shape: [usize; 3], low, high| {
            Tensor::<3>::random(shape, Distribution::Uniform(low, high), &device())
        };
        let features = random([h, 200, 8], -1.0, 1.0).matmul(random([h, 8, m], -0.3, 0.3))
            + random([h, 200, m], 0.2, 0.5);
        FeatureMoments {
            second: features.clone().swap_dims(1, 2).matmul(features.clone()) / 200.0,
            first: features.mean_dim(1).squeeze_dim(1),
        }
    };
    (0..n_layer).map(of_layer).collect()
}

fn spec(kappa: f64, center: bool, shared: bool) -> DecorrelationSpec {
    DecorrelationSpec {
        rule: DecorrelationRule::LocalRule { eta: 0.05, kappa },
        center,
        shared,
        ..DecorrelationSpec::default()
    }
}

fn matrix(spec: DecorrelationSpec, moments: &[FeatureMoments]) -> DecorrelationMatrix {
    let mean = moments.iter().map(|l| l.first.clone().unsqueeze_dim(0));
    DecorrelationMatrix::identity(spec, Tensor::cat(mean.collect(), 0), &device())
}

fn mean_c(a: &Tensor<4>) -> f32 {
    read_f32(off_diagonal(a).abs().mean()).unwrap()[0]
}

#[test]
fn the_local_rule_lowers_correlations_at_every_step() {
    let moments = moments();
    for (kappa, center, shared) in [
        (0.0, false, false),
        (0.5, false, false),
        (0.5, true, false),
        (0.5, false, true),
    ] {
        let mut matrix = matrix(spec(kappa, center, shared), &moments);
        let second = matrix.second_moments(&moments);
        let mut before: Option<(f32, f32)> = None;
        for step in 0..STEPS {
            let a = matrix.decorrelated(&second);
            let now = (read_f32(matrix.numbers(&a)).unwrap()[1], mean_c(&a));
            if let Some(before) = before {
                let what = format!("kappa {kappa}, center {center}, shared {shared}, step {step}");
                assert!(now.0 < before.0, "{what}: |corr| {} to {}", before.0, now.0);
                if kappa == 0.0 {
                    assert!(now.1 < before.1, "{what}: |C| {} to {}", before.1, now.1);
                }
            }
            before = Some(now);
            matrix.r = matrix.after_own_rule(&a).unwrap();
        }
    }
}

/// R - eta G R / (1 + |G|_F / sqrt(M)), number by number.
#[test]
fn the_local_rule_is_minus_eta_times_the_bounded_g_r() {
    let moments = moments();
    let (kappa, eta) = (0.3, 0.05);
    let mut matrix = matrix(spec(kappa, false, false), &moments);
    let m = SIZES[2];
    let noise = Tensor::random(matrix.r.dims(), Distribution::Uniform(-0.1, 0.1), &device());
    matrix.r = matrix.r.clone() + noise;
    let a = matrix.decorrelated(&matrix.second_moments(&moments));
    let got = read_f32(matrix.after_own_rule(&a).unwrap()).unwrap();
    let (a, r) = (read_f32(a).unwrap(), read_f32(matrix.r.clone()).unwrap());
    for (idx, a) in a.chunks(m * m).enumerate() {
        let r = &r[idx * m * m..][..m * m];
        let g: Vec<f64> = (0..m * m)
            .map(|at| match at % m == at / m {
                true => kappa * (f64::from(a[at]) - 1.0),
                false => (1.0 - kappa) * f64::from(a[at]),
            })
            .collect();
        let norm = g.iter().map(|x| x * x).sum::<f64>().sqrt();
        let bound = 1.0 + norm / (m as f64).sqrt();
        for at in 0..m * m {
            let (row, column) = (at / m, at % m);
            let product: f64 = (0..m)
                .map(|k| g[row * m + k] * f64::from(r[k * m + column]))
                .sum();
            let want = f64::from(r[at]) - eta * product / bound;
            let got = f64::from(got[idx * m * m + at]);
            assert!((got - want).abs() < 1e-5, "{idx} {at}: {got}, not {want}");
        }
    }
}

/// The control changes the size of z and nothing else.
#[test]
fn a_scalar_r_follows_the_variance_and_leaves_correlations() {
    let moments = moments();
    let mut spec = spec(1.0, false, false);
    spec.rule = DecorrelationRule::ScalarRms { eta: 0.1 };
    let mut matrix = matrix(spec, &moments);
    let second = matrix.second_moments(&moments);
    let of = |matrix: &DecorrelationMatrix| {
        let a = matrix.decorrelated(&second);
        read_f32(matrix.numbers(&a)).unwrap()
    };
    let before = of(&matrix);
    for _ in 0..300 {
        let a = matrix.decorrelated(&second);
        matrix.r = matrix.after_own_rule(&a).unwrap();
    }
    let after = of(&matrix);
    assert!((before[2] - 1.0).abs() > 0.1, "{before:?}");
    assert!((after[2] - 1.0).abs() < 1e-2, "{after:?}");
    assert!((after[1] - before[1]).abs() < 1e-5, "{before:?} {after:?}");
    let m = SIZES[2];
    for r in read_f32(matrix.r).unwrap().chunks(m * m) {
        for (at, x) in r.iter().enumerate() {
            let want = if at % m == at / m { r[0] } else { 0.0 };
            assert_eq!(*x, want, "{at}");
        }
    }
}

#[test]
fn autodiff_of_l_decor_is_the_printed_gradient() {
    let moments = moments();
    for (kappa, center, shared) in [(0.0, false, false), (0.5, true, false), (1.0, false, true)] {
        let mut matrix = matrix(spec(kappa, center, shared), &moments);
        let noise = Tensor::random(matrix.r.dims(), Distribution::Uniform(-0.2, 0.2), &device());
        matrix.r = matrix.r.clone() + noise;
        let second = matrix.second_moments(&moments);
        let a = matrix.decorrelated(&second);
        let got = read_f32(matrix.loss_gradient(&a, &second)).unwrap();

        let leaf = Tensor::<4>::from_inner(matrix.r.clone()).require_grad();
        let tracked = DecorrelationMatrix {
            r: leaf.clone(),
            mean: None,
            ..matrix
        };
        let second = SecondMoments(Tensor::from_inner(second.0));
        let a = tracked.decorrelated(&second);
        let loss = tracked.loss(&a).mean();
        let reported = read_f32(tracked.numbers(&a).inner()).unwrap()[0];
        let minimised = read_f32(loss.clone().inner()).unwrap()[0];
        assert!(
            (reported / minimised - 1.0).abs() < 1e-6,
            "{reported} {minimised}"
        );
        let want = leaf.grad(&loss.backward()).unwrap();
        let want = read_f32(want).unwrap();
        let largest = want.iter().fold(0.0_f32, |most, x| most.max(x.abs()));
        for (idx, (got, want)) in got.iter().zip(&want).enumerate() {
            let gap = (got - want).abs();
            assert!(gap < 1e-4 * largest, "{kappa} {idx}: {got}, not {want}");
        }
    }
}

/// Two features, worked out by hand.
#[test]
fn numbers_are_those_of_the_definition() {
    let spec = spec(0.25, false, false);
    let matrix =
        DecorrelationMatrix::identity(spec, Tensor::zeros([1, 1, 2], &device()), &device());
    let a = TensorData::new(vec![4.0_f32, 1.0, 1.0, 0.25], [1, 1, 2, 2]);
    let numbers = read_f32(matrix.numbers(&Tensor::from_data(a, &device()))).unwrap();
    let loss = 0.75 * 2.0 / 4.0 + 0.25 * (9.0 + 0.5625) / 2.0;
    let want = [loss, 1.0, (4.25_f32 / 2.0).sqrt(), 2.0_f32.sqrt()];
    for (got, want) in numbers.iter().zip(want) {
        assert!((got - want).abs() < 1e-5, "{got}, not {want}");
    }
}
