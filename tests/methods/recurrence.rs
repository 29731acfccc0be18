//! The lifted recurrences against the WKV-7 operator, and their compression.

use burn::tensor::{Device, Distribution, Gradients, Tensor, TensorData};
use gosling::kernels::lifted::{lifted_wkv, lifted_wkv_backward};
use gosling::kernels::wkv7::reference::lifted_wkv_reference;
use gosling::kernels::wkv7::{Wkv7Inputs, wkv7, wkv7_backward};
use gosling::model::branch::reference::{
    HeadFeatures, LiteralMap, TokenVectors, paper_literal, recurrent,
};
use gosling::tuning::method::projection_matrix::ProjectionMatrix;

use crate::support::values;

/// B, T, H, N and M.
const SIZES: [usize; 5] = [2, 9, 2, 16, 48];

fn random<const D: usize>(shape: [usize; D], low: f64, high: f64) -> Tensor<D> {
    Tensor::random(shape, Distribution::Uniform(low, high), &Device::flex())
}

fn unit<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    let norm = x.clone().powi_scalar(2).sum_dim(D - 1).sqrt();
    x / norm
}

fn check_close<const D: usize>(what: &str, got: Tensor<D>, want: Tensor<D>, bound: f32) {
    assert_eq!(got.dims(), want.dims(), "{what}");
    let (got, want) = (values(got), values(want));
    let largest = want.iter().fold(1e-3_f32, |most, x| most.max(x.abs()));
    for (idx, (got, want)) in got.iter().zip(&want).enumerate() {
        let gap = (got - want).abs();
        assert!(gap <= bound * largest, "{what} {idx}: {got}, not {want}");
    }
}

fn tokens() -> TokenVectors {
    let [b, t, h, n, _] = SIZES;
    let shape = [b, t, h, n];
    TokenVectors {
        r: random(shape, -1.0, 1.0),
        w: random(shape, 0.55, 1.0),
        k: random(shape, -1.0, 1.0),
        v: random(shape, -1.0, 1.0),
        kk: unit(random(shape, -1.0, 1.0)),
        iclr: random(shape, 0.0, 1.0),
    }
}

fn tracked(tokens: TokenVectors) -> TokenVectors {
    let leaf = |x: Tensor<4>| Tensor::<4>::from_inner(x).require_grad();
    TokenVectors {
        r: leaf(tokens.r),
        w: leaf(tokens.w),
        k: leaf(tokens.k),
        v: leaf(tokens.v),
        kk: leaf(tokens.kk),
        iclr: leaf(tokens.iclr),
    }
}

fn inner(features: HeadFeatures) -> HeadFeatures {
    HeadFeatures {
        map: match features.map {
            LiteralMap::Identity => LiteralMap::Identity,
            LiteralMap::Radial {
                support_vectors,
                gamma,
                normalizes,
            } => LiteralMap::Radial {
                support_vectors: Tensor::from_inner(support_vectors),
                gamma: Tensor::from_inner(gamma),
                normalizes,
            },
        },
        mean: None,
        r: Tensor::from_inner(features.r),
    }
}

fn features(normalizes: bool) -> HeadFeatures {
    let [_, _, h, n, m] = SIZES;
    let eye = Tensor::<2>::eye(m, &Device::flex()).unsqueeze::<3>();
    HeadFeatures {
        map: LiteralMap::Radial {
            support_vectors: unit(random([h, m, n], -1.0, 1.0)),
            gamma: random([h], 0.2, 0.6),
            normalizes,
        },
        mean: None,
        r: eye.repeat(&[h, 1, 1]) * 0.5 + random([h, m, m], -0.05, 0.05),
    }
}

fn gradient(x: &Tensor<4>, gradients: &Gradients) -> Tensor<4> {
    x.grad(gradients).unwrap()
}

/// The paper's recurrence without kernels, R and Q is RWKV-7's own.
#[test]
fn identity_limit_equals_wkv7() {
    let [b, t, h, n, _] = SIZES;
    let device = Device::flex();
    let plain = tokens();
    let state = random([b, h, n, n], -0.5, 0.5);
    let dy = random([b, t, h, n], -1.0, 1.0);
    let square = Wkv7Inputs {
        r: plain.r.clone(),
        w: plain.w.clone(),
        k: plain.k.clone(),
        v: plain.v.clone(),
        removal: -plain.kk.clone(),
        write: plain.kk.clone() * plain.iclr.clone(),
    };
    let forward = wkv7(&square, state.clone(), true);
    let want = wkv7_backward(&square, &forward.tape.unwrap(), dy.clone(), None, None);

    let lifted = tracked(plain.clone());
    let eye = Tensor::<2>::eye(n, &device);
    let features = inner(HeadFeatures {
        map: LiteralMap::Identity,
        mean: None,
        r: eye.clone().unsqueeze::<3>().repeat(&[h, 1, 1]),
    });
    let s0 = Tensor::<4>::from_inner(state).require_grad();
    let (inputs, clamped) = paper_literal(&lifted, &features, Tensor::from_inner(eye));
    let (y, _) = lifted_wkv_reference(&inputs, s0.clone());
    let fused = lifted_wkv(&inner_of(&inputs), s0.clone().inner(), false);
    check_close("fused y", fused.y, forward.y.clone(), 1e-5);
    assert_eq!(values(clamped.inner())[0], 0.0);
    check_close("y", y.clone().inner(), forward.y, 1e-5);
    let gradients = (y * Tensor::from_inner(dy)).sum().backward();
    let check = |what, got: &Tensor<4>, want| {
        check_close(what, gradient(got, &gradients), want, 2e-5);
    };
    check("dr", &lifted.r, want.r);
    check("dw", &lifted.w, want.w);
    check("dk", &lifted.k, want.k);
    check("dv", &lifted.v, want.v);
    let dkk = want.write.clone() * plain.iclr - want.removal;
    check("dkk", &lifted.kk, dkk);
    check("diclr", &lifted.iclr, want.write * plain.kk);
    check("ds0", &s0, want.state);
}

/// Inputs without automatic differentiation.
fn inner_of(inputs: &Wkv7Inputs) -> Wkv7Inputs {
    inputs.map(|x| x.clone().inner())
}

/// Outputs, dZ = Q dL, and 20 steps of plain SGD on both, of the reference and
/// of the fused operator.
fn check_compression(what: &str, full: &Wkv7Inputs, small: &Wkv7Inputs, q: &Tensor<2>) {
    let [b, t, h, n, m] = SIZES;
    let target = random([b, t, h, n], -1.0, 1.0);
    let q4 = q.clone().unsqueeze::<4>();
    let mut l = random([1, h, m, m], -0.3, 0.3);
    let mut z = q4.clone().matmul(l.clone());
    for step in 0..20 {
        let what = format!("{what}, step {step}");
        let leaves = [l.clone(), z.clone()].map(|x| Tensor::<4>::from_inner(x).require_grad());
        let back = Tensor::<4>::from_inner(q4.clone());
        let (y_full, _) = lifted_wkv_reference(full, leaves[0].clone());
        // y = Q (L r), [B, T, H, M] → [B, T, H, N].
        let y_full = y_full.matmul(back.swap_dims(2, 3));
        let (y_small, _) = lifted_wkv_reference(small, leaves[1].clone());
        check_close(&what, y_small.clone().inner(), y_full.clone().inner(), 1e-4);
        let loss = |y: Tensor<4>| {
            let gap = y - Tensor::from_inner(target.clone());
            gap.powi_scalar(2).mean()
        };
        let fused = lifted_wkv(&inner_of(small), z.clone(), true);
        check_close(&what, fused.y.clone(), y_full.clone().inner(), 1e-4);
        let gap = fused.y - target.clone();
        let dy = gap * (2.0 / (b * t * h * n) as f64);
        let fused = lifted_wkv_backward(&inner_of(small), &fused.tape.unwrap(), dy, None);
        let dl = gradient(&leaves[0], &loss(y_full).backward());
        let dz = gradient(&leaves[1], &loss(y_small).backward());
        check_close(&what, dz.clone(), q4.clone().matmul(dl.clone()), 1e-4);
        check_close(&what, fused.state.sum_dim(0), dz.clone(), 1e-4);
        l = l - dl * 0.5;
        z = z - dz * 0.5;
        check_close(&what, z.clone(), q4.clone().matmul(l.clone()), 1e-4);
    }
}

/// Inputs as constants of automatic differentiation.
fn constant(inputs: Wkv7Inputs) -> Wkv7Inputs {
    Wkv7Inputs {
        r: Tensor::from_inner(inputs.r),
        w: Tensor::from_inner(inputs.w),
        k: Tensor::from_inner(inputs.k),
        v: Tensor::from_inner(inputs.v),
        removal: Tensor::from_inner(inputs.removal),
        write: Tensor::from_inner(inputs.write),
    }
}

#[test]
fn row_compression_matches_full() {
    let [_, _, h, n, m] = SIZES;
    let device = Device::flex();
    let q = ProjectionMatrix::new(n, m, 4).unwrap();
    let q = Tensor::<2>::from_data(TensorData::new(q.values, [n, m]), &device);
    let tokens = tokens();

    let literal = features(false);
    let (full, _) = paper_literal(&tokens, &literal, Tensor::eye(m, &device));
    let (small, _) = paper_literal(&tokens, &literal, q.clone());
    check_compression("paper", &constant(full), &constant(small), &q);

    let residual = features(true);
    let averages = random([h, m, n], 0.0, 1.0);
    let averages = averages.clone() / averages.sum_dim(2);
    let beta = random([h], 0.2, 1.0);
    let small = recurrent(&tokens, &residual, averages, beta);
    let mut full = small.clone();
    // The lifted state is written Q^T v.
    full.v = full.v.matmul(q.clone().unsqueeze::<4>());
    check_compression("recurrent", &constant(full), &constant(small.clone()), &q);

    // Decayed is the same without removal and writing.
    let decayed = |mut inputs: Wkv7Inputs| {
        inputs.removal = inputs.removal.zeros_like();
        inputs.k = inputs.k.zeros_like();
        inputs
    };
    let mut full = decayed(small.clone());
    full.v = full.v.matmul(q.clone().unsqueeze::<4>());
    let small = decayed(small);
    check_compression("decayed", &constant(full), &constant(small), &q);
}
