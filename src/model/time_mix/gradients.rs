//! Gradients of a recurrence, with those of a branch or without any.

use burn::tensor::Tensor;

use crate::kernels::wkv7::prepare::Prepared;
use crate::kernels::wkv7::{DirectGradients, Wkv7Gradients, Wkv7Inputs};
use crate::model::branch::BranchInputGradients;

/// Gradients that reach the projections.
pub(super) struct Reaching {
    /// Of the receptance, [B, T, C].
    pub(super) r: Tensor<3>,
    /// Of the gate, [B, T, C].
    pub(super) gate: Tensor<3>,
    /// What a branch adds to that of the low-rank part of the in-context learning
    /// rate, [B, T, C].
    pub(super) iclr: Option<Tensor<3>>,
    /// Of what the operator reads.
    pub(super) prepared: Prepared,
}

/// The gradients of a recurrence that did not take place.
pub(super) fn no_gradients(inputs: &Wkv7Inputs) -> Wkv7Gradients {
    let [n_batch, _, n_head, head_size] = inputs.r.dims();
    let zero = inputs.r.zeros_like();
    let state = [n_batch, n_head, head_size, head_size];
    Wkv7Gradients {
        r: zero.clone(),
        w: zero.clone(),
        k: zero.clone(),
        v: zero.clone(),
        removal: zero.clone(),
        write: zero,
        state: Tensor::zeros(state, &inputs.r.device()),
    }
}

/// What reaches r, k and v past a recurrence that did not take place.
pub(super) fn only_direct(inputs: &Wkv7Inputs, direct: DirectGradients) -> Wkv7Gradients {
    let DirectGradients { r, k, v } = direct;
    Wkv7Gradients {
        r,
        k,
        v,
        ..no_gradients(inputs)
    }
}

/// Adds the gradients of a branch to those of the recurrence; gives that of the
/// in-context learning rate, [B, T, H, N], where the branch reads it.
pub(super) fn add(through: &mut Wkv7Gradients, inputs: BranchInputGradients) -> Option<Tensor<4>> {
    let BranchInputGradients {
        r,
        w,
        k,
        v,
        removal,
        write,
        iclr,
    } = inputs;
    for (sum, part) in [
        (&mut through.r, Some(r)),
        (&mut through.w, w),
        (&mut through.k, k),
        (&mut through.v, v),
        (&mut through.removal, removal),
        (&mut through.write, write),
    ] {
        if let Some(part) = part {
            *sum = sum.clone() + part;
        }
    }
    iclr
}
