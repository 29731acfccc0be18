//! The recurrence of [`super::wkv7`] with a rectangular state: N value channels
//! by M key channels. Every lifted recurrence of the paper is one of its cases,
//! for they act on the key side alone:
//!
//! ```text
//! Z_t = Z_{t-1} diag(w_t) + (Z_{t-1} removal_t) write_t^T + v_t k_t^T
//! y_t = Z_t r_t
//! ```

pub(crate) mod gpu;
pub mod vectors;

mod cpu;

use burn::tensor::Tensor;

use super::device::is_cpu;
use super::wkv7::segments::{backward_of_segments, forward_of_segments};
use super::wkv7::{
    CHECKPOINT_INTERVAL, HEAD_SIZES, Wkv7Forward, Wkv7Gradients, Wkv7Inputs, Wkv7Tape,
};

/// M is a multiple of this.
pub const KEY_STEP: usize = 16;

/// Tokens of one dispatch on a GPU, as in [`super::wkv7`]; wider states take
/// longer.
const MAX_DISPATCH_TOKENS: usize = 1024;

/// Tokens between two stored states of N x M, which the backward pass starts
/// from again. It grows as the root of M / N, and with it both the states that
/// are stored and those that one chunk makes anew: either would grow faster
/// with any other choice.
pub fn checkpoint_interval(head_size: usize, upscaled_size: usize) -> usize {
    CHECKPOINT_INTERVAL * (upscaled_size / head_size).isqrt().max(1)
}

/// Runs the recurrence from `state`, [B, H, N, M] or [1, H, N, M] for one that
/// the batch shares. With `keep_tape` the backward pass can follow.
///
/// # Panics
/// Where shapes disagree, N is not one of [`HEAD_SIZES`] or M no multiple of
/// [`KEY_STEP`].
pub fn lifted_wkv(inputs: &Wkv7Inputs, state: Tensor<4>, keep_tape: bool) -> Wkv7Forward {
    check(inputs, &state);
    if is_cpu(&state.device()) {
        cpu::forward(inputs, &state, keep_tape)
    } else {
        let once = gpu::forward;
        forward_of_segments(inputs, state, keep_tape, MAX_DISPATCH_TOKENS, once)
    }
}

/// The gradients for `dy`, [B, T, H, N], of the loss by y, and for `dlast`,
/// [B, H, N, M], that by the last state, where something reads it.
pub fn lifted_wkv_backward(
    inputs: &Wkv7Inputs,
    tape: &Wkv7Tape,
    dy: Tensor<4>,
    dlast: Option<Tensor<4>>,
) -> Wkv7Gradients {
    if is_cpu(&dy.device()) {
        cpu::backward(inputs, &tape.segments[0], &dy, dlast.as_ref())
    } else {
        let (once, longest) = (gpu::backward, MAX_DISPATCH_TOKENS);
        backward_of_segments(inputs, tape, dy, dlast, None, longest, once)
    }
}

fn check(inputs: &Wkv7Inputs, state: &Tensor<4>) {
    let [r, w, k, v, removal, write] = inputs.each();
    let dims = r.dims();
    let [n_batch, n_tokens, n_head, n_keys] = dims;
    for other in [w, k, removal, write] {
        assert_eq!(other.dims(), dims, "inputs of the lifted operator differ");
    }
    let [_, _, _, n_values] = v.dims();
    assert_eq!(v.dims(), [n_batch, n_tokens, n_head, n_values]);
    assert!(
        HEAD_SIZES.contains(&n_values) && n_keys.is_multiple_of(KEY_STEP),
        "a state of {n_values} x {n_keys} is not supported by the operator"
    );
    let [n_states, ..] = state.dims();
    assert!(
        (n_states == 1 || n_states == n_batch)
            && state.dims() == [n_states, n_head, n_values, n_keys],
        "state {:?} does not fit inputs {dims:?}",
        state.dims()
    );
}
