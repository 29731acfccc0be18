//! A readout against its own equations, token by token, and against automatic
//! differentiation.

use burn::tensor::{Device, Distribution, TensorData};

use super::readout::ReadoutTape;
use super::*;
use crate::kernels::features::RadialFeatures;

/// B, T, H, N and M.
const SIZES: [usize; 5] = [2, 7, 3, 16, 32];

fn random<const D: usize>(shape: [usize; D], low: f64, high: f64) -> Tensor<D> {
    Tensor::random(shape, Distribution::Uniform(low, high), &Device::flex())
}

fn values<const D: usize>(x: Tensor<D>) -> Vec<f32> {
    x.into_data().try_to_vec().unwrap()
}

fn check_close<const D: usize>(what: &str, got: Tensor<D>, want: Tensor<D>) {
    assert_eq!(got.dims(), want.dims(), "{what}");
    let (got, want) = (values(got), values(want));
    let largest = want.iter().fold(1e-3_f32, |most, x| most.max(x.abs()));
    for (idx, (got, want)) in got.iter().zip(&want).enumerate() {
        let gap = (got - want).abs();
        assert!(gap <= 2e-5 * largest, "{what} {idx}: {got}, not {want}");
    }
}

#[derive(Clone, Copy)]
struct Parts {
    mixes: bool,
    centres: bool,
    decays: bool,
}

const ALL_PARTS: [Parts; 4] = [
    Parts {
        mixes: false,
        centres: false,
        decays: false,
    },
    Parts {
        mixes: true,
        centres: true,
        decays: false,
    },
    Parts {
        mixes: false,
        centres: true,
        decays: true,
    },
    Parts {
        mixes: true,
        centres: false,
        decays: true,
    },
];

fn branch(parts: Parts) -> ReadoutBranch {
    let [_, _, h, n, m] = SIZES;
    let vectors = random([h, m, n], -1.0, 1.0);
    let norm = vectors.clone().powi_scalar(2).sum_dim(2).sqrt();
    let squares = (vectors.clone() / norm.clone()).powi_scalar(2);
    ReadoutBranch {
        lift: FeatureLift {
            features: FeatureMap::radial(RadialFeatures {
                support_vectors: vectors / norm,
                gamma: random([h], 0.5, 1.5),
                normalizes: true,
            }),
            mean: parts.centres.then(|| random([h, m], 0.0, 0.5)),
            mixing: parts.mixes.then(|| random([h, m, m], -0.3, 0.3)),
            trains_mixing: true,
        },
        weights: random([h, n, m], -0.5, 0.5),
        decay: parts.decays.then(|| BranchDecay {
            averages: squares,
            left: Tensor::ones([1, h, m], &Device::flex()),
        }),
    }
}

fn inputs() -> (Tensor<4>, Tensor<4>) {
    let [b, t, h, n, _] = SIZES;
    let shape = [b, t, h, n];
    (random(shape, -1.0, 1.0), random(shape, 0.55, 1.0))
}

#[test]
fn token_by_token_is_all_tokens_at_once() {
    let n_tokens = SIZES[1];
    for parts in ALL_PARTS {
        let (branch, (r, w)) = (branch(parts), inputs());
        let (whole, last, _) = branch.clone().forward(&r, &w);
        let mut now = branch;
        let mut outputs = Vec::new();
        for t in 0..n_tokens {
            let of = |x: &Tensor<4>| x.clone().narrow(1, t, 1);
            let (y, after, _) = now.forward(&of(&r), &of(&w));
            outputs.push(y);
            now = after;
        }
        check_close("y", Tensor::cat(outputs, 1), whole);
        if let (Some(got), Some(want)) = (now.decay, last.decay) {
            check_close("left", got.left, want.left);
        }
    }
}

fn backward(
    tape: &ReadoutTape,
    r: &Tensor<4>,
    dy: Tensor<4>,
) -> (BranchGradients, BranchInputGradients) {
    let (own, below) = tape.backward(r, dy, None, true, None);
    (own, below.unwrap())
}

/// `y = weights (d_t * mixing (phi - mean))`, and gradients by autodiff.
#[test]
fn gradients_are_those_of_autodiff() {
    for parts in ALL_PARTS {
        let (branch, (r, w)) = (branch(parts), inputs());
        let dy = random(r.dims(), -1.0, 1.0);
        let (y, _, tape) = branch.clone().forward(&r, &w);
        let (own, below) = backward(&tape, &r, dy.clone());

        let leaf3 = |x: Tensor<3>| Tensor::<3>::from_inner(x).require_grad();
        let leaf4 = |x: Tensor<4>| Tensor::<4>::from_inner(x).require_grad();
        let FeatureMap::Radial(radial) = branch.lift.features else {
            unreachable!("made so")
        };
        let tracked = ReadoutBranch {
            lift: FeatureLift {
                features: FeatureMap::radial(RadialFeatures {
                    support_vectors: Tensor::from_inner(radial.support_vectors),
                    gamma: Tensor::from_inner(radial.gamma),
                    normalizes: true,
                }),
                mean: branch.lift.mean.map(Tensor::from_inner),
                mixing: branch.lift.mixing.map(leaf3),
                trains_mixing: true,
            },
            weights: leaf3(branch.weights),
            decay: branch.decay.map(|decay| BranchDecay {
                averages: Tensor::from_inner(decay.averages),
                left: Tensor::from_inner(decay.left),
            }),
        };
        let (r, w) = (leaf4(r), leaf4(w));
        let (auto, _, _) = tracked.clone().forward(&r, &w);
        check_close("y", y, auto.clone().inner());
        let gradients = (auto * Tensor::from_inner(dy)).sum().backward();
        let weights = tracked.weights.grad(&gradients).unwrap();
        check_close("dweights", own.weights, weights);
        check_close("dr", below.r, r.grad(&gradients).unwrap());
        assert_eq!(own.mixing.is_some(), parts.mixes);
        if let (Some(got), Some(mixing)) = (own.mixing, &tracked.lift.mixing) {
            check_close("dmixing", got, mixing.grad(&gradients).unwrap());
        }
        assert_eq!(below.w.is_some(), parts.decays);
        if let Some(got) = below.w {
            check_close("dw", got, w.grad(&gradients).unwrap());
        }
    }
}

/// Mixing once per step is the same as mixing every token's features, outputs
/// and gradients: `Z' = Z R`, `dZ = dZ' R^T`, `dR = Z^T dZ'`.
#[test]
fn folded_r_matches_unfolded() {
    let parts = Parts {
        mixes: true,
        centres: false,
        decays: false,
    };
    let (unfolded, (r, w)) = (branch(parts), inputs());
    let (z, mixing) = (
        unfolded.weights.clone(),
        unfolded.lift.mixing.clone().unwrap(),
    );
    let mut folded = unfolded.clone();
    folded.weights = z.clone().matmul(mixing.clone());
    folded.lift.mixing = None;
    let dy = random(r.dims(), -1.0, 1.0);
    let run = |branch: ReadoutBranch| {
        let (y, _, tape) = branch.forward(&r, &w);
        let (own, below) = backward(&tape, &r, dy.clone());
        (y, own, below.r)
    };
    let (y, own, dr) = run(folded);
    let (want_y, want, want_dr) = run(unfolded);
    check_close("y", y, want_y);
    check_close("dr", dr, want_dr);
    let dz = own.weights.clone().matmul(mixing.swap_dims(1, 2));
    check_close("dz", dz, want.weights);
    let dmixing = z.swap_dims(1, 2).matmul(own.weights);
    check_close("dmixing", dmixing, want.mixing.unwrap());
}

/// A gradient that nobody asked for costs nothing.
#[test]
fn a_mixing_that_is_not_trained_has_no_gradient() {
    let mut branch = branch(ALL_PARTS[3]);
    branch.lift.trains_mixing = false;
    let (r, w) = inputs();
    let (y, _, tape) = branch.forward(&r, &w);
    assert!(
        tape.backward(&r, y.clone(), None, true, None)
            .0
            .mixing
            .is_none()
    );
    assert!(tape.backward(&r, y, None, false, None).0.mixing.is_none());
}

#[test]
fn moments_are_those_of_the_chosen_positions() {
    let (branch, (r, w)) = (
        branch(Parts {
            mixes: false,
            centres: false,
            decays: false,
        }),
        inputs(),
    );
    let [b, t, h, _, m] = SIZES;
    let (_, _, tape) = branch.forward(&r, &w);
    let at = [1, 4, 12];
    let chosen = Tensor::from_data(TensorData::from(at), &Device::flex());
    let (own, below) = tape.backward(&r, r.zeros_like(), None, false, Some(&chosen));
    assert!(below.is_none());
    let moments = own.moments.unwrap();
    let features = values(tape.rows.features);
    let (second, first) = (values(moments.second), values(moments.first));
    let phi =
        |head: usize, row: i32, m_idx: usize| features[(head * b * t + row as usize) * m + m_idx];
    for (head, i, j) in [(0, 0, 0), (h - 1, 3, m - 1)] {
        let want: f32 = at
            .iter()
            .map(|row| phi(head, *row, i) * phi(head, *row, j))
            .sum();
        assert!((second[(head * m + i) * m + j] - want / 3.0).abs() < 1e-6);
        let want: f32 = at.iter().map(|row| phi(head, *row, j)).sum();
        assert!((first[head * m + j] - want / 3.0).abs() < 1e-6);
    }
}
