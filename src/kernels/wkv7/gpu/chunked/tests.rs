//! The recurrence over chunks in plain arithmetic on the software adapter, against
//! automatic differentiation of the reference.

use burn::tensor::{Device, DeviceKind, Tensor, TensorData};

use super::backward::{backward_by, state_gradient_by};
use super::forward_by;
use super::launch::{Launch, stretch_of};
use super::plain::Plain;
use crate::kernels::wkv7::reference::wkv7_reference;
use crate::kernels::wkv7::segments::{
    backward_of_segments, forward_of_segments, state_of_segments,
};
use crate::kernels::wkv7::{DirectGradients, Wkv7Inputs};

/// Of the largest number. Factors of 16 bits have 11 digits, 5e-4, and go through a
/// few products in turn; measured up to 9e-4.
const BOUND: f32 = 2e-3;

/// Gradients as small as those of a mean over many tokens, which 16 bits would lose.
const SMALL: f64 = 1e-6;

/// Numbers of both signs that repeat nowhere.
fn waves<const D: usize>(
    which: u32,
    scale: f64,
    offset: f64,
    shape: [usize; D],
    device: &Device,
) -> Tensor<D> {
    let q = f64::from(which);
    let values: Vec<f32> = (0..shape.iter().product::<usize>())
        .map(|n| n as f64)
        .map(|n| (offset + scale * ((1.3 + 0.17 * q) * n + 0.0011 * n * n + q).sin()) as f32)
        .collect();
    Tensor::from_data(TensorData::new(values, shape), device)
}

struct Case {
    inputs: Wkv7Inputs,
    state: Tensor<4>,
    dy: Tensor<4>,
    dlast: Option<Tensor<4>>,
}

impl Case {
    /// Of [B, T, H, N]; decays from 0.55 to 0.95.
    fn new(shape: [usize; 4], reads_last: bool, device: &Device) -> Self {
        let [b, _, h, n] = shape;
        let unit = (2.0 / n as f64).sqrt();
        Self {
            inputs: Wkv7Inputs {
                r: waves(0, 1.0, 0.0, shape, device),
                w: waves(1, 0.2, 0.75, shape, device),
                k: waves(2, 1.0, 0.0, shape, device),
                v: waves(3, 1.0, 0.0, shape, device),
                removal: waves(4, unit, 0.0, shape, device),
                write: waves(5, 0.5 * unit, 0.0, shape, device),
            },
            state: waves(6, 0.3, 0.0, [1, h, n, n], device),
            dy: waves(7, SMALL, 0.0, shape, device),
            dlast: reads_last.then(|| waves(8, SMALL, 0.0, [b, h, n, n], device)),
        }
    }
}

fn values(x: Tensor<4>) -> Vec<f32> {
    x.into_data().try_to_vec().unwrap()
}

type Named = Vec<(&'static str, Vec<f32>)>;

/// In dispatches of `longest` tokens, and stretches of `stretch` chunks.
fn over_chunks(case: Case, longest: usize, stretch: usize) -> Named {
    let Case {
        inputs,
        state,
        dy,
        dlast,
    } = case;
    let launch = |dy: &Tensor<4>| Launch::in_stretches(dy.dims(), stretch);
    let once = |inputs: &Wkv7Inputs, state, keep_tape| {
        forward_by::<Plain>(launch(&inputs.v), inputs, state, keep_tape)
    };
    let forward = forward_of_segments(&inputs, state, true, longest, once);
    let tape = forward.tape.unwrap();
    let alone = state_of_segments(
        &inputs,
        dy.clone(),
        dlast.clone(),
        longest,
        |inputs, dy, dlast| state_gradient_by::<Plain>(launch(&dy), inputs, dy, dlast),
    );
    // What reaches r, k and v past the operator is added, and taken off again below.
    let small = |x: &Tensor<4>| x.clone() * SMALL;
    let direct = DirectGradients {
        r: small(&inputs.r),
        k: small(&inputs.k),
        v: small(&inputs.v),
    };
    let added = direct.clone();
    let g = backward_of_segments(
        &inputs,
        &tape,
        dy,
        dlast,
        Some(direct),
        longest,
        |inputs, tape, dy, dlast, direct| {
            let chunks = tape.chunks.as_ref().unwrap();
            backward_by::<Plain>(launch(&dy), inputs, tape, chunks, dy, dlast, direct)
        },
    );
    vec![
        ("y", values(forward.y)),
        ("last state", values(forward.last_state)),
        ("dr", values(g.r - added.r)),
        ("dw", values(g.w)),
        ("dk", values(g.k - added.k)),
        ("dv", values(g.v - added.v)),
        ("d removal", values(g.removal)),
        ("d write", values(g.write)),
        ("d state", values(g.state.sum_dim(0))),
        ("d state alone", values(alone.sum_dim(0))),
    ]
}

fn reference(case: Case) -> Named {
    let leaf = |x: &Tensor<4>| Tensor::<4>::from_inner(x.clone()).require_grad();
    let inputs = case.inputs.map(leaf);
    let state = leaf(&case.state);
    let (y, last) = wkv7_reference(&inputs, state.clone());
    // Of numbers near one: the reference's own sums are of 32 bits.
    let mut loss = (y.clone() * Tensor::from_inner(case.dy / SMALL)).sum();
    if let Some(dlast) = case.dlast {
        loss = loss + (last.clone() * Tensor::from_inner(dlast / SMALL)).sum();
    }
    let gradients = loss.backward();
    let of = |x: &Tensor<4>| values(x.grad(&gradients).unwrap() * SMALL);
    vec![
        ("y", values(y.inner())),
        ("last state", values(last.inner())),
        ("dr", of(&inputs.r)),
        ("dw", of(&inputs.w)),
        ("dk", of(&inputs.k)),
        ("dv", of(&inputs.v)),
        ("d removal", of(&inputs.removal)),
        ("d write", of(&inputs.write)),
        ("d state", of(&state)),
        ("d state alone", of(&state)),
    ]
}

fn check(shape: [usize; 4], reads_last: bool, longest: usize, stretch: usize) {
    let device = Device::wgpu(DeviceKind::Cpu);
    let got = over_chunks(Case::new(shape, reads_last, &device), longest, stretch);
    let want = reference(Case::new(shape, reads_last, &Device::flex()));
    for ((name, got), (_, want)) in got.iter().zip(&want) {
        assert_eq!(got.len(), want.len(), "{name}");
        let largest = want.iter().fold(0.0_f32, |most, x| most.max(x.abs()));
        for (idx, (got, want)) in got.iter().zip(want).enumerate() {
            let difference = (got - want).abs() / largest;
            // Not a number is no small difference.
            assert!(
                difference <= BOUND,
                "{shape:?} {name} {idx}: {got}, not {want}"
            );
        }
    }
}

#[test]
fn chunks_of_three_heads_give_what_the_reference_gives() {
    check([2, 50, 3, 32], true, 64, 4);
}

/// In dispatches of 64 and 16 tokens; three chunks and then one make a stretch.
#[test]
fn stretches_of_chunks_of_one_head_give_what_the_reference_gives() {
    check([1, 79, 1, 16], false, 64, 3);
}

#[test]
fn few_heads_of_long_texts_are_walked_in_stretches() {
    // 8 texts of 512 tokens and 12 heads; one text of 512, and of 4096.
    assert_eq!(stretch_of(32, 96), 32);
    assert_eq!(stretch_of(32, 12), 32);
    assert_eq!(stretch_of(256, 12), 26);
    assert_eq!(stretch_of(1, 1000), 1);
}
