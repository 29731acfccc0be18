//! The lifted operator: a rectangular state, outputs and all gradients.

use burn::tensor::{Device, Tensor};
use gosling::kernels::lifted::vectors::{KeySide, LiftedVectors};
use gosling::kernels::lifted::{checkpoint_interval, lifted_wkv, lifted_wkv_backward};
use gosling::kernels::wkv7::reference::lifted_wkv_reference;
use gosling::kernels::wkv7::{Wkv7Inputs, wkv7, wkv7_backward};

use crate::fused::{check, constant, gradient, leaf};
use crate::support::values;
use crate::{Named, check_equal, software_gpu, u};

/// B, T, H, N, M.
type Shape = [usize; 5];

fn inputs([b, t, h, n, m]: Shape, device: &Device) -> (Wkv7Inputs, Tensor<4>, Tensor<4>) {
    let keys = |q, scale, offset| u::<4>(q, scale, offset, [b, t, h, m], device);
    let unit = (2.0 / m as f64).sqrt();
    let inputs = Wkv7Inputs {
        r: keys(0.0, 1.0, 0.0),
        w: keys(1.0, 0.2, 0.75),
        k: keys(2.0, 1.0, 0.0),
        v: u(3.0, 1.0, 0.0, [b, t, h, n], device),
        removal: keys(4.0, unit, 0.0),
        write: keys(5.0, 0.5 * unit, 0.0),
    };
    let state = u(6.0, 0.3, 0.0, [1, h, n, m], device);
    (inputs, state, u(7.0, 1.0, 0.0, [b, t, h, n], device))
}

/// The upstream gradient of the last state, [B, H, N, M].
fn of_last([b, _, h, n, m]: Shape, device: &Device) -> Tensor<4> {
    u(8.0, 0.7, 0.0, [b, h, n, m], device)
}

fn fused(shape: Shape, reads_last: bool, device: &Device) -> Vec<Named> {
    let dlast = reads_last.then(|| of_last(shape, device));
    let (inputs, state, dy) = inputs(shape, device);
    let forward = lifted_wkv(&inputs, state, true);
    let g = lifted_wkv_backward(&inputs, &forward.tape.unwrap(), dy, dlast);
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
    vec![
        ("y", values(y.inner())),
        ("last state", values(last.inner())),
        ("dr", gradient(&inputs.r, &gradients)),
        ("dw", gradient(&inputs.w, &gradients)),
        ("dk", gradient(&inputs.k, &gradients)),
        ("dv", gradient(&inputs.v, &gradients)),
        ("dremoval", gradient(&inputs.removal, &gradients)),
        ("dwrite", gradient(&inputs.write, &gradients)),
        ("dstate", gradient(&state, &gradients)),
    ]
}

/// Whether something reads the last state or not.
fn check_on(shape: Shape, device: &Device, name: &str) {
    for reads_last in [false, true] {
        let what = format!("{shape:?} on {name}, last state read: {reads_last}");
        let want = reference(shape, reads_last);
        check_equal(&what, &fused(shape, reads_last, device), &want);
    }
}

#[test]
fn lifted_wkv_matches_its_reference_on_the_cpu() {
    for shape in [
        [1, 1, 1, 16, 16],
        [1, 1, 2, 64, 64],
        [2, 17, 2, 32, 96],
        [2, 33, 3, 64, 64],
        [1, 35, 2, 64, 128],
        [2, 37, 2, 64, 256],
        [1, 3, 1, 128, 144],
        [1, 9, 1, 16, 1024],
    ] {
        check_on(shape, &Device::flex(), "the CPU");
    }
}

#[test]
fn lifted_wkv_matches_its_reference_on_a_gpu() {
    for shape in [
        [1, 1, 1, 64, 64],
        [2, 19, 3, 64, 64],
        [1, 21, 2, 64, 128],
        [1, 37, 2, 64, 256],
        // Several columns a unit, and a number of them that is no power of two.
        [1, 5, 1, 16, 592],
    ] {
        check_on(shape, &software_gpu(), "a GPU");
    }
}

/// With M = N it is the operator of RWKV-7.
#[test]
fn a_square_lifted_state_is_that_of_wkv7() {
    let [b, t, h, n, m] = [2, 21, 2, 64, 64];
    let device = Device::flex();
    let (plain, state, dy) = inputs([b, t, h, n, m], &device);
    let forward = wkv7(&plain, state, true);
    let g = wkv7_backward(&plain, &forward.tape.unwrap(), dy, None, None);
    let want = vec![
        ("y", values(forward.y)),
        ("last state", values(forward.last_state)),
        ("dr", values(g.r)),
        ("dw", values(g.w)),
        ("dk", values(g.k)),
        ("dv", values(g.v)),
        ("dremoval", values(g.removal)),
        ("dwrite", values(g.write)),
        ("dstate", values(g.state.sum_dim(0))),
    ];
    check_equal("M = N", &fused([b, t, h, n, m], false, &device), &want);
}

#[test]
fn lifted_wkv_without_a_tape_gives_the_same_bits() {
    for device in [Device::flex(), software_gpu()] {
        let (inputs, state, _) = inputs([2, 5, 2, 32, 64], &device);
        let taped = lifted_wkv(&inputs, state.clone(), true);
        let plain = lifted_wkv(&inputs, state, false);
        assert!(plain.tape.is_none());
        assert_eq!(values(taped.y), values(plain.y));
        assert_eq!(values(taped.last_state), values(plain.last_state));
    }
}

/// Slopes of `sum(y dy)` along single inputs, by central differences.
#[test]
fn gradients_of_the_lifted_operator_are_its_slopes() {
    let device = Device::flex();
    let (inputs, state, dy) = inputs([1, 19, 2, 16, 32], &device);
    let tape = lifted_wkv(&inputs, state.clone(), true).tape.unwrap();
    let g = lifted_wkv_backward(&inputs, &tape, dy.clone(), None);
    let loss = |inputs: &Wkv7Inputs, state: &Tensor<4>| {
        let y = lifted_wkv(inputs, state.clone(), false).y;
        let all = values(y * dy.clone());
        all.iter().map(|x| f64::from(*x)).sum::<f64>()
    };
    // What is moved along the gradient, and by how much.
    let check = |what: &str, gradient: Tensor<4>, moved: &dyn Fn(Tensor<4>) -> f64| {
        let square: f64 = values(gradient.clone())
            .iter()
            .map(|g| f64::from(*g).powi(2))
            .sum();
        let step = 0.02 / square;
        let slope = (moved(gradient.clone() * step) - moved(gradient * -step)) / (2.0 * step);
        assert!(
            (slope / square - 1.0).abs() < 5e-3,
            "{what}: {slope}, not {square}"
        );
    };
    let with = |change: &dyn Fn(&mut Wkv7Inputs)| {
        let mut inputs = inputs.clone();
        change(&mut inputs);
        loss(&inputs, &state)
    };
    check("r", g.r, &|d| with(&|x| x.r = x.r.clone() + d.clone()));
    check("w", g.w, &|d| with(&|x| x.w = x.w.clone() + d.clone()));
    check("k", g.k, &|d| with(&|x| x.k = x.k.clone() + d.clone()));
    check("v", g.v, &|d| with(&|x| x.v = x.v.clone() + d.clone()));
    check("removal", g.removal, &|d| {
        with(&|x| x.removal = x.removal.clone() + d.clone())
    });
    check("write", g.write, &|d| {
        with(&|x| x.write = x.write.clone() + d.clone())
    });
    check("state", g.state, &|d| loss(&inputs, &(state.clone() + d)));
}

/// Stored states and those that a chunk makes anew both grow slower than M.
#[test]
fn the_interval_grows_as_the_root_of_m() {
    for (m, want) in [(64, 16), (128, 16), (256, 32), (512, 32), (1024, 64)] {
        assert_eq!(checkpoint_interval(64, m), want, "{m}");
    }
}

/// What the operator reads of a residual recurrence, and its gradients.
#[test]
fn lifted_vectors() {
    let [b, t, h, m] = [2, 19, 3, 48];
    let inputs = |device: &Device| LiftedVectors {
        lifted: u(0.0, 1.0, 0.2, [h, 3 * b * t, m], device),
        rate: u(1.0, 0.4, 0.5, [b, t, h, 1], device),
        gate: u(2.0, 1.0, 0.0, [h], device),
    };
    let upstream = |device: &Device| {
        let of = |q| u::<4>(q, 1.0, 0.1, [b, t, h, m], device);
        KeySide {
            r: of(3.0),
            k: of(4.0),
            removal: of(5.0),
            write: of(6.0),
        }
    };
    let run = |device: &Device| {
        let vectors = inputs(device);
        let y = vectors.forward();
        let d = vectors.backward(upstream(device));
        vec![
            ("r", values(y.r)),
            ("k", values(y.k)),
            ("removal", values(y.removal)),
            ("write", values(y.write)),
            ("dlifted", values(d.lifted)),
            ("drate", values(d.rate)),
            ("dgate", values(d.gate)),
        ]
    };
    let device = Device::flex();
    let LiftedVectors { lifted, rate, gate } = inputs(&device);
    let x = LiftedVectors {
        lifted: leaf(lifted),
        rate: leaf(rate),
        gate: leaf(gate),
    };
    let y = x.reference();
    let d = upstream(&device);
    let loss = (y.r.clone() * constant(d.r)).sum()
        + (y.k.clone() * constant(d.k)).sum()
        + (y.removal.clone() * constant(d.removal)).sum()
        + (y.write.clone() * constant(d.write)).sum();
    let gradients = loss.backward();
    let reference = [
        ("r", values(y.r.inner())),
        ("k", values(y.k.inner())),
        ("removal", values(y.removal.inner())),
        ("write", values(y.write.inner())),
        ("dlifted", gradient(&x.lifted, &gradients)),
        ("drate", gradient(&x.rate, &gradients)),
        ("dgate", gradient(&x.gate, &gradients)),
    ];
    check("lifted vectors", run, &reference);
}
