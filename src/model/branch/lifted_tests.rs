//! The lifted recurrences against their reference: outputs and all gradients,
//! token by token, and several texts at once.

use burn::tensor::{Device, Distribution};

use super::reference::{HeadFeatures, LiteralMap, TokenVectors, paper_literal, recurrent};
use super::*;
use crate::kernels::features::RadialFeatures;
use crate::kernels::wkv7::reference::lifted_wkv_reference;
use crate::kernels::wkv7::{wkv7, wkv7_backward};

/// B, T, H, N and M.
const SIZES: [usize; 5] = [2, 19, 3, 16, 32];

fn random<const D: usize>(shape: [usize; D], low: f64, high: f64) -> Tensor<D> {
    Tensor::random(shape, Distribution::Uniform(low, high), &Device::flex())
}

fn unit<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    let norm = x.clone().powi_scalar(2).sum_dim(D - 1).sqrt();
    x / norm
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
        assert!(gap <= 5e-5 * largest, "{what} {idx}: {got}, not {want}");
    }
}

fn leaf<const D: usize>(x: &Tensor<D>) -> Tensor<D> {
    Tensor::<D>::from_inner(x.clone()).require_grad()
}

fn constant<const D: usize>(x: &Tensor<D>) -> Tensor<D> {
    Tensor::from_inner(x.clone())
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

fn wkv(tokens: &TokenVectors) -> Wkv7Inputs {
    Wkv7Inputs {
        r: tokens.r.clone(),
        w: tokens.w.clone(),
        k: tokens.k.clone(),
        v: tokens.v.clone(),
        removal: -tokens.kk.clone(),
        write: tokens.kk.clone() * tokens.iclr.clone(),
    }
}

fn recurrent_rule() -> LiftedRule {
    let [_, _, h, n, m] = SIZES;
    let averages = random([h, m, n], 0.0, 1.0);
    LiftedRule::Recurrent {
        averages: averages.clone() / averages.sum_dim(2),
        gate: random([h], -1.0, 1.0),
    }
}

fn literal_rule() -> LiftedRule {
    let [_, _, _, n, m] = SIZES;
    LiftedRule::Literal {
        projection: random([n, m], -0.3, 0.3),
    }
}

/// With a mean or without one, R far from the identity.
fn branch(rule: LiftedRule, centres: bool) -> LiftedBranch {
    let [_, _, h, n, m] = SIZES;
    let literal = rule.is_literal();
    let scale = if literal { 0.1 } else { 0.3 };
    LiftedBranch {
        lift: FeatureLift {
            features: FeatureMap::radial(RadialFeatures {
                support_vectors: unit(random([h, m, n], -1.0, 1.0)),
                gamma: random([h], 0.1, 0.3),
                normalizes: !literal,
            }),
            mean: centres.then(|| random([h, m], 0.0, 0.3)),
            mixing: Some(random([h, m, m], -scale, scale)),
            trains_mixing: true,
        },
        rule,
        state: random([1, h, n, m], -0.3, 0.3),
        real: None,
    }
}

fn all_branches() -> [LiftedBranch; 3] {
    [
        branch(recurrent_rule(), false),
        branch(recurrent_rule(), true),
        branch(literal_rule(), true),
    ]
}

fn forward(
    branch: &LiftedBranch,
    wkv: &Wkv7Inputs,
    iclr: &Tensor<4>,
    keep_tape: bool,
) -> BranchOutput {
    let reads = BranchInputs {
        wkv,
        iclr: Some(iclr.clone()),
    };
    Branch::Lifted(branch.clone()).forward(&reads, keep_tape)
}

fn state_after(output: &BranchOutput) -> Tensor<4> {
    match &output.after {
        Branch::Lifted(branch) => branch.state.clone(),
        Branch::Readout(_) => unreachable!("made so"),
    }
}

#[test]
fn outputs_and_gradients_are_those_of_the_reference() {
    let [b, t, h, n, _] = SIZES;
    for (idx, branch) in all_branches().iter().enumerate() {
        let plain = tokens();
        let wkv = wkv(&plain);
        let dy = random([b, t, h, n], -1.0, 1.0);
        let output = forward(branch, &wkv, &plain.iclr, true);
        let reads = BranchInputs {
            wkv: &wkv,
            iclr: Some(plain.iclr.clone()),
        };
        let (own, below) = output.tape.backward(&reads, dy.clone(), None, true, None);
        let below = below.unwrap();

        let x = TokenVectors {
            r: leaf(&plain.r),
            w: leaf(&plain.w),
            k: leaf(&plain.k),
            v: leaf(&plain.v),
            kk: leaf(&plain.kk),
            iclr: leaf(&plain.iclr),
        };
        let FeatureMap::Radial(radial) = &branch.lift.features else {
            unreachable!("made so")
        };
        let features = HeadFeatures {
            map: LiteralMap::Radial {
                support_vectors: constant(&radial.support_vectors),
                gamma: constant(&radial.gamma),
                normalizes: radial.normalizes,
            },
            mean: branch.lift.mean.as_ref().map(constant),
            r: leaf(branch.lift.mixing.as_ref().unwrap()),
        };
        let state = leaf(&branch.state);
        let (inputs, beta) = match &branch.rule {
            LiftedRule::Recurrent { averages, gate } => {
                let beta = leaf(gate);
                let inputs = recurrent(&x, &features, constant(averages), beta.clone());
                (inputs, Some(beta))
            }
            LiftedRule::Literal { projection } => {
                let (inputs, clamped) = paper_literal(&x, &features, constant(projection));
                let guard = own.guard.as_ref().unwrap();
                check_close("clamped", guard.clamped.clone(), clamped.inner());
                (inputs, None)
            }
        };
        let (y, last) = lifted_wkv_reference(&inputs, state.clone());
        check_close("y", output.y.clone(), y.clone().inner());
        check_close("last state", state_after(&output), last.inner());
        let gradients = (y * constant(&dy)).sum().backward();
        let check = |what: &str, got: Tensor<4>, of: &Tensor<4>| {
            check_close(
                &format!("{what}, branch {idx}"),
                got,
                of.grad(&gradients).unwrap(),
            );
        };
        check("dr", below.r, &x.r);
        check("dw", below.w.unwrap(), &x.w);
        check("dk", below.k.unwrap(), &x.k);
        check("dv", below.v.unwrap(), &x.v);
        // By removal = -kk and write = kk * iclr.
        let dwrite = below.write.unwrap_or_else(|| plain.kk.zeros_like());
        let diclr = dwrite.clone() * plain.kk.clone();
        let diclr = below.iclr.map_or(diclr.clone(), |direct| diclr + direct);
        check("diclr", diclr, &x.iclr);
        let dkk = dwrite * plain.iclr.clone() - below.removal.unwrap();
        check("dkk", dkk, &x.kk);
        let dz = state.grad(&gradients).unwrap().squeeze_dim(0);
        check_close("dZ", own.weights, dz);
        let dmixing = features.r.grad(&gradients).unwrap();
        check_close("dR", own.mixing.unwrap(), dmixing);
        assert_eq!(own.gate.is_some(), beta.is_some());
        if let (Some(got), Some(beta)) = (own.gate, beta) {
            check_close("dbeta", got, beta.grad(&gradients).unwrap());
        }
    }
}

#[test]
fn token_by_token_is_all_tokens_at_once() {
    let n_tokens = SIZES[1];
    for branch in all_branches() {
        let plain = tokens();
        let whole = forward(&branch, &wkv(&plain), &plain.iclr, false);
        let mut now = branch;
        let mut outputs = Vec::new();
        for t in 0..n_tokens {
            let of = |x: &Tensor<4>| x.clone().narrow(1, t, 1);
            let token = TokenVectors {
                r: of(&plain.r),
                w: of(&plain.w),
                k: of(&plain.k),
                v: of(&plain.v),
                kk: of(&plain.kk),
                iclr: of(&plain.iclr),
            };
            let output = forward(&now, &wkv(&token), &token.iclr, false);
            now.state = state_after(&output);
            outputs.push(output.y);
        }
        check_close("y", Tensor::cat(outputs, 1), whole.y.clone());
        check_close("state", now.state, state_after(&whole));
    }
}

/// Texts taken out of a batch and put behind each other keep their own state.
#[test]
fn texts_of_a_batch_keep_their_states() {
    let plain = tokens();
    for branch in all_branches() {
        let whole = forward(&branch, &wkv(&plain), &plain.iclr, false);
        let state = state_after(&whole);
        let pick = |rows: [i32; 1]| {
            let rows = Tensor::from_data(rows, &Device::flex());
            whole.after.select(&rows, 2)
        };
        let (first, second) = (pick([0]), pick([1]));
        let Some(Branch::Lifted(turned)) = Branch::concatenate(&[(&second, 1), (&first, 1)]) else {
            unreachable!("made so")
        };
        check_close("turned", turned.state, state.flip([0]));
        // A state that the batch shares stays shared.
        let rows = Tensor::from_data([1], &Device::flex());
        let Branch::Lifted(shared) = Branch::Lifted(branch.clone()).select(&rows, 2) else {
            unreachable!("made so")
        };
        check_close("shared", shared.state, branch.state);
    }
}

/// The share of clamped decays and the largest state, and what is not a number.
#[test]
fn the_guard_sees_the_largest_state() {
    let plain = tokens();
    let mut branch = branch(literal_rule(), false);
    let reads = wkv(&plain);
    let guard = |branch: &LiftedBranch| {
        let output = forward(branch, &reads, &plain.iclr, true);
        let inputs = BranchInputs {
            wkv: &reads,
            iclr: Some(plain.iclr.clone()),
        };
        let (own, _) = output.tape.backward(&inputs, output.y, None, false, None);
        let guard = own.guard.unwrap();
        [values(guard.clamped)[0], values(guard.largest)[0]]
    };
    branch.state = branch.state.clone() * 0.0 + 7e4;
    let [clamped, largest] = guard(&branch);
    assert!((0.0..=1.0).contains(&clamped), "{clamped}");
    assert!(largest >= 7e4, "{largest}");
    branch.state = branch.state.clone() * f32::NAN;
    assert!(guard(&branch)[1].is_nan());
}

/// The paper's recurrence without kernels, R and Q is RWKV-7's own: the branch
/// as it runs, outputs and all gradients.
#[test]
fn identity_limit_equals_wkv7() {
    let [b, t, h, n, _] = SIZES;
    let device = Device::flex();
    let plain = tokens();
    let wkv = wkv(&plain);
    let eye = Tensor::<2>::eye(n, &device);
    let branch = LiftedBranch {
        lift: FeatureLift {
            features: FeatureMap::Identity,
            mean: None,
            mixing: Some(eye.clone().unsqueeze::<3>().repeat(&[h, 1, 1])),
            trains_mixing: false,
        },
        rule: LiftedRule::Literal { projection: eye },
        state: random([1, h, n, n], -0.5, 0.5),
        real: None,
    };
    let dy = random([b, t, h, n], -1.0, 1.0);
    let whole = wkv7(&wkv, branch.state.clone(), true);
    let want = wkv7_backward(&wkv, &whole.tape.unwrap(), dy.clone(), None, None);
    let output = forward(&branch, &wkv, &plain.iclr, true);
    check_close("last state", state_after(&output), whole.last_state);
    check_close("y", output.y, whole.y);
    let reads = BranchInputs {
        wkv: &wkv,
        iclr: Some(plain.iclr.clone()),
    };
    let (own, below) = output.tape.backward(&reads, dy, None, true, None);
    let below = below.unwrap();
    assert_eq!(values(own.guard.unwrap().clamped), [0.0]);
    check_close("dr", below.r, want.r);
    check_close("dw", below.w.unwrap(), want.w);
    check_close("dk", below.k.unwrap(), want.k);
    check_close("dv", below.v.unwrap(), want.v);
    let dkk = want.write.clone() * plain.iclr - want.removal;
    check_close("dkk", -below.removal.unwrap(), dkk);
    check_close("diclr", below.iclr.unwrap(), want.write * plain.kk);
    check_close("ds0", own.weights, want.state.sum_dim(0).squeeze_dim(0));
}

/// Padding behind a text changes nothing of what the literal recurrence makes
/// of it, and hands no gradient back.
#[test]
fn a_literal_recurrence_stands_still_at_padding() {
    let [b, t, h, n, m] = SIZES;
    let n_real = 11;
    let mut padded = branch(literal_rule(), false);
    let plain = tokens();
    let wkv = wkv(&plain);
    let dy = random([b, t, h, n], -1.0, 1.0);
    let real = Tensor::<4>::ones([b, n_real, 1, 1], &Device::flex());
    let padding = Tensor::zeros([b, t - n_real, 1, 1], &Device::flex());
    let dy = dy * Tensor::cat(vec![real.clone(), padding.clone()], 1);
    let first = |x: &Tensor<4>| x.clone().narrow(1, 0, n_real);
    let short = Wkv7Inputs {
        r: first(&wkv.r),
        w: first(&wkv.w),
        k: first(&wkv.k),
        v: first(&wkv.v),
        removal: first(&wkv.removal),
        write: first(&wkv.write),
    };
    let run = |branch: &LiftedBranch, wkv: &Wkv7Inputs, dy: Tensor<4>| {
        let n_tokens = dy.dims()[1];
        let iclr = plain.iclr.clone().narrow(1, 0, n_tokens);
        let output = forward(branch, wkv, &iclr, true);
        let reads = BranchInputs {
            wkv,
            iclr: Some(iclr),
        };
        let (own, below) = output.tape.backward(&reads, dy, None, true, None);
        (state_after(&output), output.y, own, below.unwrap())
    };
    let want = run(&padded, &short, first(&dy));
    padded.real = Some(Tensor::cat(vec![real, padding], 1));
    let got = run(&padded, &wkv, dy);
    check_close("state", got.0, want.0);
    check_close("y", first(&got.1), want.1);
    check_close("dZ", got.2.weights, want.2.weights);
    check_close("dR", got.2.mixing.unwrap(), want.2.mixing.unwrap());
    let guards = (got.2.guard.unwrap(), want.2.guard.unwrap());
    check_close("clamped", guards.0.clamped, guards.1.clamped);
    let all = [
        (Some(got.3.r), Some(want.3.r)),
        (got.3.w, want.3.w),
        (got.3.k, want.3.k),
        (got.3.v, want.3.v),
        (got.3.removal, want.3.removal),
        (got.3.iclr, want.3.iclr),
    ];
    for (got, want) in all {
        let got = got.unwrap();
        check_close("gradient", first(&got), want.unwrap());
        let rest = got.narrow(1, n_real, t - n_real);
        assert!(values(rest).iter().all(|x| *x == 0.0));
    }
    assert_eq!(padded.state.dims(), [1, h, n, m]);
}
