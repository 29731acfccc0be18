//! The recurrence of [`super::wkv7`] in Burn operations.

use burn::tensor::Tensor;

use super::lifted_wkv::{LiftedInputs, lifted_wkv_reference};
use super::wkv7::Wkv7Inputs;

pub(super) fn forward(inputs: &Wkv7Inputs, state: Tensor<4>) -> (Tensor<4>, Tensor<4>) {
    let Wkv7Inputs {
        r,
        w,
        k,
        v,
        removal,
        write,
    } = inputs.clone();
    let square = LiftedInputs {
        r,
        w,
        k,
        v,
        removal,
        write,
    };
    lifted_wkv_reference(&square, state)
}
