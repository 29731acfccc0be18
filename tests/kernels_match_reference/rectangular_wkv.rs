//! Heads of any two sizes, as Gated DeltaNet has them: outputs, all gradients and the
//! gradient of the initial state alone, with decays near zero.

use burn::tensor::{Device, Tensor};
use gosling::kernels::rectangular::{
    rectangular_wkv, rectangular_wkv_backward, rectangular_wkv_state_gradient, repeat_heads,
    sum_heads,
};
use gosling::kernels::wkv7::Wkv7Inputs;
use gosling::kernels::wkv7::reference::lifted_wkv_reference;

use crate::fused::{constant, gradient, leaf};
use crate::support::values;
use crate::{Named, check_equal, software_gpu, u};

/// B, T, H, V, K.
type Shape = [usize; 5];

fn inputs([b, t, h, v, k]: Shape, device: &Device) -> (Wkv7Inputs, Tensor<4>, Tensor<4>) {
    let keys = |q, scale, offset| u::<4>(q, scale, offset, [b, t, h, k], device);
    let unit = (2.0 / k as f64).sqrt();
    let inputs = Wkv7Inputs {
        r: keys(0.0, 1.0, 0.0),
        w: keys(1.0, 0.49, 0.5),
        k: keys(2.0, 1.0, 0.0),
        v: u(3.0, 1.0, 0.0, [b, t, h, v], device),
        removal: keys(4.0, unit, 0.0),
        write: keys(5.0, 0.5 * unit, 0.0),
    };
    let state = u(6.0, 0.3, 0.0, [1, h, v, k], device);
    (inputs, state, u(7.0, 1.0, 0.0, [b, t, h, v], device))
}

fn of_last([b, _, h, v, k]: Shape, device: &Device) -> Tensor<4> {
    u(8.0, 0.7, 0.0, [b, h, v, k], device)
}

fn fused(shape: Shape, reads_last: bool, device: &Device) -> Vec<Named> {
    let dlast = || reads_last.then(|| of_last(shape, device));
    let (inputs, state, dy) = inputs(shape, device);
    let forward = rectangular_wkv(&inputs, state, true);
    let g = rectangular_wkv_backward(&inputs, &forward.tape.unwrap(), dy.clone(), dlast());
    let alone = rectangular_wkv_state_gradient(&inputs, dy, dlast());
    vec![
        ("y", values(forward.y)),
        ("last state", values(forward.last_state)),
        ("dr", values(g.r)),
        ("dw", values(g.w)),
        ("dk", values(g.k)),
        ("dv", values(g.v)),
        ("dremoval", values(g.removal)),
        ("dwrite", values(g.write)),
        ("dstate", values(g.state.sum_dim(0))),
        ("dstate alone", values(alone.sum_dim(0))),
    ]
}

fn reference(shape: Shape, reads_last: bool) -> Vec<Named> {
    let (inputs, state, dy) = inputs(shape, &Device::flex());
    let inputs = inputs.map(|x| leaf(x.clone()));
    let state = leaf(state);
    let (y, last) = lifted_wkv_reference(&inputs, state.clone());
    let mut loss = (y.clone() * constant(dy)).sum();
    if reads_last {
        let dlast = constant(of_last(shape, &Device::flex()));
        loss = loss + (last.clone() * dlast).sum();
    }
    let gradients = loss.backward();
    let dstate = gradient(&state, &gradients);
    vec![
        ("y", values(y.inner())),
        ("last state", values(last.inner())),
        ("dr", gradient(&inputs.r, &gradients)),
        ("dw", gradient(&inputs.w, &gradients)),
        ("dk", gradient(&inputs.k, &gradients)),
        ("dv", gradient(&inputs.v, &gradients)),
        ("dremoval", gradient(&inputs.removal, &gradients)),
        ("dwrite", gradient(&inputs.write, &gradients)),
        ("dstate", dstate.clone()),
        ("dstate alone", dstate),
    ]
}

fn check_on(shape: Shape, device: &Device, name: &str) {
    for reads_last in [false, true] {
        let what = format!("{shape:?} on {name}, last state read: {reads_last}");
        let want = reference(shape, reads_last);
        check_equal(&what, &fused(shape, reads_last, device), &want);
    }
}

#[test]
fn rectangular_heads_match_the_reference_on_the_cpu() {
    for shape in [
        // Square blocks, and none at all.
        [2, 19, 2, 32, 16],
        [1, 18, 1, 64, 64],
        // Fewer values than keys, sizes that the square operator lacks, one token.
        [2, 17, 2, 16, 32],
        [1, 20, 2, 96, 48],
        [1, 1, 1, 32, 80],
        // fla's own sizes.
        [1, 5, 1, 512, 256],
    ] {
        check_on(shape, &Device::flex(), "the CPU");
    }
}

#[test]
fn rectangular_heads_match_the_reference_on_a_gpu() {
    for shape in [[2, 19, 2, 32, 16], [2, 17, 2, 16, 32], [1, 18, 1, 96, 48]] {
        check_on(shape, &software_gpu(), "a GPU");
    }
}

/// Value heads beside each other share the keys of one head.
#[test]
fn repeated_heads_stand_behind_themselves_and_sum_back() {
    let device = Device::flex();
    let x = Tensor::<1>::from_floats([1.0, 2.0, 3.0, 4.0], &device);
    let x: Tensor<4> = x.reshape([1, 1, 2, 2]);
    let repeated = repeat_heads(x, 2);
    assert_eq!(repeated.dims(), [1, 1, 4, 2]);
    let got = values(repeated.clone());
    assert_eq!(got, [1.0, 2.0, 1.0, 2.0, 3.0, 4.0, 3.0, 4.0]);
    assert_eq!(values(sum_heads(repeated, 2)), [2.0, 4.0, 6.0, 8.0]);
}
