//! The kernel features of a lifted state, and their limits.

use burn::tensor::{Device, Tensor};
use gosling::kernels::features::RadialFeatures;

use crate::fused::{check, constant, gradient, leaf};
use crate::support::{assert_close, values};
use crate::{software_gpu, u};

/// H, rows, N and M, none of which divides another.
const SHAPE: [usize; 4] = [2, 37, 32, 48];

fn unit(x: Tensor<3>) -> Tensor<3> {
    let norm = x.clone().powi_scalar(2).sum_dim(2).sqrt();
    x / norm
}

fn features(gamma: [f32; 2], device: &Device) -> RadialFeatures {
    let [h, _, n, m] = SHAPE;
    RadialFeatures {
        support_vectors: unit(u(3.0, 1.0, 0.1, [h, m, n], device)),
        gamma: Tensor::from_data(gamma, device),
        normalizes: true,
    }
}

fn input(device: &Device) -> Tensor<3> {
    let [h, rows, n, _] = SHAPE;
    u(1.0, 2.0, 0.3, [h, rows, n], device)
}

#[test]
fn radial_features() {
    for normalizes in [true, false] {
        check_features(normalizes);
    }
}

fn check_features(normalizes: bool) {
    let [h, rows, _, m] = SHAPE;
    let gamma = if normalizes { [1.0, 3.5] } else { [0.02, 0.1] };
    let features = |device: &Device| RadialFeatures {
        normalizes,
        ..features(gamma, device)
    };
    let upstream = |device: &Device| u::<3>(2.0, 1.0, 0.0, [h, rows, m], device);
    let fused = |device: &Device| {
        let (features, x) = (features(device), input(device));
        let phi = features.forward(x.clone());
        let dx = features.backward(x, phi.clone(), upstream(device));
        vec![("phi", values(phi)), ("dx", values(dx))]
    };
    let device = Device::flex();
    let RadialFeatures {
        support_vectors,
        gamma,
        normalizes,
    } = features(&device);
    let parameters = RadialFeatures {
        support_vectors: constant(support_vectors),
        gamma: constant(gamma),
        normalizes,
    };
    let x = leaf(input(&device));
    let phi = parameters.reference(x.clone());
    let gradients = (phi.clone() * constant(upstream(&device))).sum().backward();
    let reference = [
        ("phi", values(phi.inner())),
        ("dx", gradient(&x, &gradients)),
    ];
    check(&format!("radial features, {normalizes}"), fused, &reference);
}

/// The definitions, `exp(-gamma |norm(x) - u|^2)` and `exp(-gamma |x - u|^2)`,
/// number by number.
#[test]
fn the_matrix_product_is_the_distance() {
    check_distance(true, [0.25, 4.0]);
    check_distance(false, [0.02, 0.1]);
}

fn check_distance(normalizes: bool, gamma: [f32; 2]) {
    let device = Device::flex();
    let [h, rows, n, m] = SHAPE;
    let features = RadialFeatures {
        normalizes,
        ..features(gamma, &device)
    };
    let (x, u) = (
        values(input(&device)),
        values(features.support_vectors.clone()),
    );
    let got = values(features.forward(input(&device)));
    for head in 0..h {
        for (row, column) in [(0, 0), (5, 47), (rows - 1, 13)] {
            let x = &x[(head * rows + row) * n..][..n];
            let u = &u[(head * m + column) * n..][..n];
            let norm = match normalizes {
                true => x.iter().map(|x| x * x).sum::<f32>().sqrt(),
                false => 1.0,
            };
            let square: f32 = x.iter().zip(u).map(|(x, u)| (x / norm - u).powi(2)).sum();
            let want = (-gamma[head] * square).exp();
            let got = got[(head * rows + row) * m + column];
            assert!((got - want).abs() <= 1e-5 * want, "{got}, not {want}");
        }
    }
}

/// At its own support vector, whatever its length, a feature is 1; without
/// width all features are 1, and with a vanishing one only that is.
#[test]
fn limits_of_the_features() {
    for device in [Device::flex(), software_gpu()] {
        let [h, _, _, m] = SHAPE;
        let at_own = |gamma| {
            let features = features([gamma, gamma], &device);
            let x = features.support_vectors.clone() * 2.5;
            values(features.forward(x))
        };
        let (own, flat, sharp) = (at_own(1.0), at_own(0.0), at_own(1e4));
        // M vectors, the support vectors themselves, have M features each.
        assert_eq!([own.len(), sharp.len()], [h * m * m; 2]);
        assert_close("gamma 0", &flat, &vec![1.0; h * m * m], 0.0, 0.0);
        for head in 0..h {
            for row in 0..m {
                for column in 0..m {
                    let at = (head * m + row) * m + column;
                    if row == column {
                        assert!((own[at] - 1.0).abs() < 1e-5, "{row}: {}", own[at]);
                        assert!((sharp[at] - 1.0).abs() < 2e-2, "{row}: {}", sharp[at]);
                    } else {
                        assert!(own[at] < 1.0, "{row} {column}: {}", own[at]);
                        assert!(sharp[at] < 1e-6, "{row} {column}: {}", sharp[at]);
                    }
                }
            }
        }
    }
}

/// A vector of zeros has no direction, and no gradient that is not finite.
#[test]
fn a_vector_of_zeros_is_harmless() {
    let device = Device::flex();
    let [h, rows, n, m] = SHAPE;
    let features = features([1.0, 1.0], &device);
    let x = Tensor::zeros([h, rows, n], &device);
    let phi = features.forward(x.clone());
    let dx = features.backward(x, phi.clone(), Tensor::zeros([h, rows, m], &device));
    assert!(values(phi).iter().chain(&values(dx)).all(|x| x.is_finite()));
}
