//! The WKV-7 operator against its reference: outputs and all gradients.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use burn::tensor::{Device, Tensor};

use super::inputs::tensor;
use super::{Check, Named};
use crate::error::{Error, Result};
use crate::kernels::wkv7::reference::wkv7_reference;
use crate::kernels::wkv7::{Factors, Wkv7Inputs, wkv7_backward, wkv7_with};

/// Sums of both signs over N and T; measured 3e-7 on the CPU and on llvmpipe.
const BOUND: f64 = 2e-5;
/// Rounding of the factors to 11 bits on matrix units, in a few products in turn.
const BOUND_OF_HALVES: f64 = 3e-3;

/// [B, T, H, N]; odd T, and one that is not a multiple of the checkpoints'.
const HEAD_64: [usize; 4] = [2, 37, 3, 64];
const HEAD_32: [usize; 4] = [3, 19, 2, 32];
/// Drivers that end long loops early are right up to 479 tokens.
const LONG: [usize; 4] = [1, 513, 1, 64];

/// Of a device with matrix units or without.
pub(super) fn checks(has_units: bool) -> Vec<Check> {
    let of_halves = if has_units { BOUND_OF_HALVES } else { BOUND };
    let check = |name, bound, on_device, expected| Check {
        name,
        bound,
        is_needed: true,
        on_device,
        expected,
    };
    vec![
        check(
            "wkv7 and its gradients, 3 heads of 64",
            BOUND,
            |device| fast(Factors::F32, HEAD_64, device),
            || reference(HEAD_64),
        ),
        check(
            "wkv7 and its gradients, 2 heads of 32",
            BOUND,
            |device| fast(Factors::F32, HEAD_32, device),
            || reference(HEAD_32),
        ),
        check(
            "wkv7 and its gradients, 513 tokens",
            BOUND,
            |device| fast(Factors::F32, LONG, device),
            || reference(LONG),
        ),
        check(
            "wkv7 of 16-bit factors, 3 heads of 64",
            of_halves,
            |device| fast(Factors::F16, HEAD_64, device),
            || reference(HEAD_64),
        ),
        check(
            "wkv7 of 16-bit factors, 2 heads of 32",
            of_halves,
            |device| fast(Factors::F16, HEAD_32, device),
            || reference(HEAD_32),
        ),
        check(
            "wkv7 of 16-bit factors, 513 tokens",
            of_halves,
            |device| fast(Factors::F16, LONG, device),
            || reference(LONG),
        ),
    ]
}

/// Inputs, the initial state that the batch shares, and the gradient of y.
fn inputs(shape: [usize; 4], device: &Device) -> (Wkv7Inputs, Tensor<4>, Tensor<4>) {
    let [_, _, h, n] = shape;
    let unit = (2.0 / n as f64).sqrt();
    let inputs = Wkv7Inputs {
        r: tensor(0, 1.0, 0.0, shape, device),
        w: tensor(1, 0.2, 0.75, shape, device),
        k: tensor(2, 1.0, 0.0, shape, device),
        v: tensor(3, 1.0, 0.0, shape, device),
        removal: tensor(4, unit, 0.0, shape, device),
        write: tensor(5, 0.5 * unit, 0.0, shape, device),
    };
    let state = tensor(6, 0.3, 0.0, [1, h, n, n], device);
    (inputs, state, tensor(7, 1.0, 0.0, shape, device))
}

fn fast(factors: Factors, shape: [usize; 4], device: &Device) -> Result<Vec<Named>> {
    let (inputs, state, dy) = inputs(shape, device);
    let forward = wkv7_with(factors, &inputs, state, true);
    let Some(tape) = forward.tape else {
        return Err(Error::Device(tr!("the operator kept no tape").into()));
    };
    let gradients = wkv7_backward(&inputs, &tape, dy, None, None);
    let all = [
        ("y", forward.y),
        ("last state", forward.last_state),
        ("dr", gradients.r),
        ("dw", gradients.w),
        ("dk", gradients.k),
        ("dv", gradients.v),
        ("d removal", gradients.removal),
        ("d write", gradients.write),
        ("d state", gradients.state.sum_dim(0)),
    ];
    all.into_iter()
        .map(|(what, tensor)| Named::read(what, tensor))
        .collect()
}

/// [`differentiated`], worked out once for each shape: checks of 32 and of 16 bits share it.
fn reference(shape: [usize; 4]) -> Result<Vec<Named>> {
    static KNOWN: Mutex<BTreeMap<[usize; 4], Vec<Named>>> = Mutex::new(BTreeMap::new());
    let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(known) = known.get(&shape) {
        return Ok(known.clone());
    }
    let all = differentiated(shape)?;
    known.insert(shape, all.clone());
    Ok(all)
}

/// By automatic differentiation on the CPU.
fn differentiated(shape: [usize; 4]) -> Result<Vec<Named>> {
    let (inputs, state, dy) = inputs(shape, &Device::flex());
    let leaf = |x: Tensor<4>| Tensor::<4>::from_inner(x).require_grad();
    let inputs = inputs.map(|x| leaf(x.clone()));
    let state = leaf(state);
    let (y, last_state) = wkv7_reference(&inputs, state.clone());
    let loss = (y.clone() * Tensor::from_inner(dy)).sum();
    let gradients = loss.backward();
    let mut all = vec![
        Named::read("y", y.inner())?,
        Named::read("last state", last_state.inner())?,
    ];
    let leaves = [
        ("dr", &inputs.r),
        ("dw", &inputs.w),
        ("dk", &inputs.k),
        ("dv", &inputs.v),
        ("d removal", &inputs.removal),
        ("d write", &inputs.write),
        ("d state", &state),
    ];
    for (what, leaf) in leaves {
        match leaf.grad(&gradients) {
            Some(gradient) => all.push(Named::read(what, gradient)?),
            None => return Err(Error::Device(tr!("{what} is not in the graph", what))),
        }
    }
    Ok(all)
}
