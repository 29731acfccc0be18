//! The recurrence of [`super::wkv7`] with a rectangular state: N value channels
//! by M key channels. Every lifted recurrence of the paper is one of its cases,
//! for they act on the key side alone:
//!
//! ```text
//! Z_t = Z_{t-1} diag(w_t) + (Z_{t-1} removal_t) write_t^T + v_t k_t^T
//! y_t = Z_t r_t
//! ```

use burn::tensor::Tensor;

use super::wkv7::{CHECKPOINT_INTERVAL, HEAD_SIZES, is_cpu};
use super::{lifted_wkv_cpu, lifted_wkv_gpu};

/// M is a multiple of this.
pub const KEY_STEP: usize = 16;

/// The inputs of every token.
#[derive(Debug, Clone)]
pub struct LiftedInputs {
    /// Receptance, [B, T, H, M].
    pub r: Tensor<4>,
    /// Decay, [B, T, H, M].
    pub w: Tensor<4>,
    /// Key, [B, T, H, M].
    pub k: Tensor<4>,
    /// Value, [B, T, H, N].
    pub v: Tensor<4>,
    /// The direction that is read to be removed, [B, T, H, M].
    pub removal: Tensor<4>,
    /// Where the removed value is written, [B, T, H, M].
    pub write: Tensor<4>,
}

/// What the forward pass gives.
#[derive(Debug, Clone)]
pub struct LiftedForward {
    /// [B, T, H, N].
    pub y: Tensor<4>,
    /// The state after the last token, [B, H, N, M].
    pub last_state: Tensor<4>,
    /// What the backward pass needs, where it was asked for.
    pub tape: Option<LiftedTape>,
}

/// What the backward pass needs besides the inputs: one part for every stretch
/// of tokens that was one dispatch.
#[derive(Debug, Clone)]
pub struct LiftedTape {
    pub(super) segments: Vec<LiftedSegment>,
}

/// The tape of one stretch of tokens.
#[derive(Debug, Clone)]
pub(super) struct LiftedSegment {
    /// The state before every [`checkpoint_interval`]-th token, [B, H, chunks, N, M].
    pub(super) checkpoints: Tensor<5>,
    /// `Z_{t-1} removal_t`, [B, T, H, N].
    pub(super) removed: Tensor<4>,
}

/// Gradients of the inputs, in their shapes, and of the initial state of every
/// batch entry, [B, H, N, M].
#[derive(Debug, Clone)]
pub struct LiftedGradients {
    /// Of the receptance.
    pub r: Tensor<4>,
    /// Of the decay.
    pub w: Tensor<4>,
    /// Of the key.
    pub k: Tensor<4>,
    /// Of the value.
    pub v: Tensor<4>,
    /// Of the removal vector.
    pub removal: Tensor<4>,
    /// Of the write vector.
    pub write: Tensor<4>,
    /// Of the initial state; sum it over the batch where the state is shared.
    pub state: Tensor<4>,
}

impl LiftedTape {
    /// Numbers that it holds.
    pub fn n_values(&self) -> usize {
        let of_segment = |segment: &LiftedSegment| {
            let checkpoints = segment.checkpoints.dims().iter().product::<usize>();
            checkpoints + segment.removed.dims().iter().product::<usize>()
        };
        self.segments.iter().map(of_segment).sum()
    }

    /// The largest magnitude in the states that it holds, `[1]`; not a number
    /// where one of them is none.
    pub fn largest(&self) -> Tensor<1> {
        let of_segment = |segment: &LiftedSegment| largest(segment.checkpoints.clone());
        let all: Vec<_> = self.segments.iter().map(of_segment).collect();
        largest(Tensor::cat(all, 0))
    }

    /// The tape of a single stretch.
    pub(super) fn one(checkpoints: Tensor<5>, removed: Tensor<4>) -> Self {
        Self {
            segments: vec![LiftedSegment {
                checkpoints,
                removed,
            }],
        }
    }
}

/// The largest magnitude of a tensor, `[1]`; not a number where one of its
/// numbers is none.
pub fn largest<const D: usize>(x: Tensor<D>) -> Tensor<1> {
    // A maximum may pass over what is not a number; a sum does not.
    let poison = x.clone().sum() * 0.0;
    x.abs().max() + poison
}

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
pub fn lifted_wkv(inputs: &LiftedInputs, state: Tensor<4>, keep_tape: bool) -> LiftedForward {
    check(inputs, &state);
    if is_cpu(&state.device()) {
        lifted_wkv_cpu::forward(inputs, &state, keep_tape)
    } else {
        lifted_wkv_gpu::forward(inputs, state, keep_tape)
    }
}

/// The gradients for `dy`, [B, T, H, N], of the loss by y.
pub fn lifted_wkv_backward(
    inputs: &LiftedInputs,
    tape: &LiftedTape,
    dy: Tensor<4>,
) -> LiftedGradients {
    if is_cpu(&dy.device()) {
        lifted_wkv_cpu::backward(inputs, &tape.segments[0], &dy)
    } else {
        lifted_wkv_gpu::backward(inputs, tape, dy)
    }
}

fn check(inputs: &LiftedInputs, state: &Tensor<4>) {
    let LiftedInputs {
        r,
        w,
        k,
        v,
        removal,
        write,
    } = inputs;
    let dims = r.dims();
    let [n_batch, n_tokens, n_head, n_keys] = dims;
    for other in [w, k, removal, write] {
        assert_eq!(other.dims(), dims, "inputs of the lifted operator differ");
    }
    let [_, _, _, n_values] = v.dims();
    assert_eq!(v.dims(), [n_batch, n_tokens, n_head, n_values]);
    assert!(
        HEAD_SIZES.contains(&n_values) && n_keys.is_multiple_of(KEY_STEP),
        "a state of {n_values} x {n_keys} is none that the operator is made for"
    );
    let [n_states, ..] = state.dims();
    assert!(
        (n_states == 1 || n_states == n_batch)
            && state.dims() == [n_states, n_head, n_values, n_keys],
        "state {:?} does not fit inputs {dims:?}",
        state.dims()
    );
}

/// Runs the recurrence from `state`, [B or 1, H, N, M], token by token in
/// plain, differentiable Burn operations. Gives y [B, T, H, N] and the last
/// state [B, H, N, M].
pub fn lifted_wkv_reference(inputs: &LiftedInputs, state: Tensor<4>) -> (Tensor<4>, Tensor<4>) {
    let [n_batch, n_tokens, n_head, n_keys] = inputs.r.dims();
    let n_values = inputs.v.dims()[3];
    // A vector of one token as a row, [B, H, 1, M], and as a column, [B, H, N, 1].
    let row = |x: &Tensor<4>, t| {
        x.clone()
            .narrow(1, t, 1)
            .reshape([n_batch, n_head, 1, n_keys])
    };
    let column = |x: &Tensor<4>, t| {
        x.clone()
            .narrow(1, t, 1)
            .reshape([n_batch, n_head, n_values, 1])
    };
    let mut z = state.expand([n_batch, n_head, n_values, n_keys]);
    let mut outputs = Vec::with_capacity(n_tokens);
    for t in 0..n_tokens {
        let removed = (z.clone() * row(&inputs.removal, t)).sum_dim(3);
        z = z * row(&inputs.w, t)
            + removed * row(&inputs.write, t)
            + column(&inputs.v, t) * row(&inputs.k, t);
        let y = (z.clone() * row(&inputs.r, t)).sum_dim(3);
        outputs.push(y.reshape([n_batch, 1, n_head, n_values]));
    }
    (Tensor::cat(outputs, 1), z)
}
