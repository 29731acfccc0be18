//! The WKV-7 operator, also against golden values from PyTorch in f64.

use burn::tensor::{Device, Tensor};
use gosling::kernels::device::is_cpu;
use gosling::kernels::wkv7::reference::wkv7_reference;
use gosling::kernels::wkv7::{
    DirectGradients, Wkv7Inputs, wkv7, wkv7_backward, wkv7_state_gradient,
};

use crate::support::{Golden, values};
use crate::{check_against, software_gpu, u};

/// Inputs, shared initial state and upstream gradient of the golden file.
fn inputs(shape: [usize; 4], device: &Device) -> (Wkv7Inputs, Tensor<4>, Tensor<4>) {
    let [_, _, h, n] = shape;
    let unit = (2.0 / n as f64).sqrt();
    let inputs = Wkv7Inputs {
        r: u(0.0, 1.0, 0.0, shape, device),
        w: u(1.0, 0.2, 0.75, shape, device),
        k: u(2.0, 1.0, 0.0, shape, device),
        v: u(3.0, 1.0, 0.0, shape, device),
        removal: u(4.0, unit, 0.0, shape, device),
        write: u(5.0, 0.5 * unit, 0.0, shape, device),
    };
    let state = u(6.0, 0.3, 0.0, [1, h, n, n], device);
    (inputs, state, u(7.0, 1.0, 0.0, shape, device))
}

/// The upstream gradient of the last state, [B, H, N, N].
fn of_last([b, _, h, n]: [usize; 4], device: &Device) -> Tensor<4> {
    u(8.0, 0.7, 0.0, [b, h, n, n], device)
}

/// y, last state and the seven gradients by name, state gradients summed over the
/// batch; with `reads_last` something reads the last state too.
fn run(shape: [usize; 4], reads_last: bool, device: &Device) -> Vec<(&'static str, Vec<f32>)> {
    let dlast = reads_last.then(|| of_last(shape, device));
    let (inputs, state, dy) = inputs(shape, device);
    let forward = wkv7(&inputs, state, true);
    let tape = forward.tape.expect("the tape was asked for");
    let state_alone = wkv7_state_gradient(&inputs, dy.clone(), dlast.clone());
    // What reaches r, k and v past the operator is added, and taken off again below.
    let Wkv7Inputs { r, k, v, .. } = inputs.clone();
    let direct = DirectGradients {
        r: r.clone(),
        k: k.clone(),
        v: v.clone(),
    };
    let g = wkv7_backward(&inputs, &tape, dy, dlast, Some(direct));
    vec![
        ("y", values(forward.y)),
        ("s_last", values(forward.last_state)),
        ("dr", values(g.r - r)),
        ("dw", values(g.w)),
        ("dk", values(g.k - k)),
        ("dv", values(g.v - v)),
        ("da", values(g.removal)),
        ("db", values(g.write)),
        ("ds0", values(g.state.sum_dim(0))),
        ("ds0 alone", values(state_alone.sum_dim(0))),
    ]
}

/// The same by automatic differentiation of the reference.
fn run_reference(
    shape: [usize; 4],
    reads_last: bool,
    device: &Device,
) -> Vec<(&'static str, Vec<f32>)> {
    let (inputs, state, dy) = inputs(shape, device);
    let leaf = |x: Tensor<4>| Tensor::<4>::from_inner(x).require_grad();
    let inputs = inputs.map(|x| leaf(x.clone()));
    let state = leaf(state);
    let (y, last_state) = wkv7_reference(&inputs, state.clone());
    let mut loss = (y.clone() * Tensor::from_inner(dy)).sum();
    if reads_last {
        let dlast = Tensor::from_inner(of_last(shape, device));
        loss = loss + (last_state.clone() * dlast).sum();
    }
    let gradients = loss.backward();
    let of = |x: &Tensor<4>| values(x.grad(&gradients).expect("it is a leaf of the graph"));
    vec![
        ("y", values(y.inner())),
        ("s_last", values(last_state.inner())),
        ("dr", of(&inputs.r)),
        ("dw", of(&inputs.w)),
        ("dk", of(&inputs.k)),
        ("dv", of(&inputs.v)),
        ("da", of(&inputs.removal)),
        ("db", of(&inputs.write)),
        ("ds0", of(&state)),
        ("ds0 alone", of(&state)),
    ]
}

fn check_golden(device: &Device) {
    let golden = Golden::open("wkv7.safetensors");
    for (case, shape) in [("small", [2, 19, 3, 16]), ("head64", [1, 37, 2, 64])] {
        check_against(case, &run(shape, false, device), |name| {
            golden.f32(&format!("{case}.{}", name.trim_end_matches(" alone")))
        });
    }
}

#[test]
fn wkv7_matches_golden_values_on_the_cpu() {
    check_golden(&Device::flex());
}

fn check_reference(shape: [usize; 4], device: &Device) {
    for reads_last in [false, true] {
        let want = run_reference(shape, reads_last, &Device::flex());
        let what = format!("{shape:?}, last state read: {reads_last}");
        check_against(&what, &run(shape, reads_last, device), |name| {
            let found = want.iter().find(|(other, _)| *other == name);
            found.unwrap().1.clone()
        });
    }
}

#[test]
fn wkv7_matches_its_reference_on_the_cpu() {
    for shape in [
        [1, 1, 1, 16],
        [2, 17, 2, 32],
        [3, 33, 2, 64],
        [1, 5, 1, 128],
    ] {
        check_reference(shape, &Device::flex());
    }
}

/// Of a large head a cube has half the columns, and stages half the rows at once.
#[test]
fn wkv7_of_large_heads_matches_its_reference_on_a_gpu() {
    check_reference([1, 19, 1, 128], &software_gpu());
}

#[test]
fn wkv7_whose_last_state_is_read_matches_its_reference_on_a_gpu() {
    for shape in [[2, 17, 2, 32], [1, 35, 2, 64]] {
        check_reference(shape, &software_gpu());
    }
}

#[test]
fn wkv7_without_a_tape_gives_the_same_bits() {
    let (inputs, state, _) = inputs([2, 21, 2, 32], &Device::flex());
    let taped = wkv7(&inputs, state.clone(), true);
    let plain = wkv7(&inputs, state, false);
    assert!(plain.tape.is_none());
    assert_eq!(values(taped.y), values(plain.y));
    assert_eq!(values(taped.last_state), values(plain.last_state));
}

#[test]
fn wkv7_matches_golden_values_on_a_gpu() {
    let device = software_gpu();
    assert!(!is_cpu(&device));
    check_golden(&device);
}
