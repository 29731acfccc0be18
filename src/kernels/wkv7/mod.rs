//! The WKV-7 operator with an initial state, the heart of RWKV-7.
//!
//! Per batch entry and head, rows of S are value channels and columns key
//! channels:
//!
//! ```text
//! S_t = S_{t-1} diag(w_t) + (S_{t-1} removal_t) write_t^T + v_t k_t^T
//! y_t = S_t r_t
//! ```
//!
//! RWKV-7 has removal = -kk and write = kk * a (`RWKV-LM/RWKV-v7`), but any
//! vectors do, so Gated DeltaNet, GLA and RetNet are cases of it.

pub mod prepare;
pub mod readout;
pub mod reference;
pub(crate) mod segments;

mod cpu;
mod gpu;

use burn::tensor::Tensor;

use super::device::is_cpu;
use segments::{backward_of_segments, forward_of_segments, state_of_segments};

/// Tokens between two stored states; the backward pass recomputes those between.
pub const CHECKPOINT_INTERVAL: usize = 16;

/// Tokens of one dispatch on a GPU: drivers end dispatches that take seconds,
/// and some software adapters stop counting loops at 65,535. A multiple of
/// [`CHECKPOINT_INTERVAL`].
const MAX_DISPATCH_TOKENS: usize = 2048;

/// The same where a GPU goes through chunks, a sixteenth of the steps.
const MAX_DISPATCH_TOKENS_IN_CHUNKS: usize = 16 * MAX_DISPATCH_TOKENS;

/// Head sizes that the fast operators are compiled for.
pub const HEAD_SIZES: [usize; 4] = [16, 32, 64, 128];

/// The six inputs of every token, f32: v is [B, T, H, N], the others are
/// [B, T, H, M] with M = N, but for a lifted state ([`super::lifted`]).
#[derive(Debug, Clone)]
pub struct Wkv7Inputs {
    /// Receptance.
    pub r: Tensor<4>,
    /// Decay itself, in (0, 1), not its logarithm.
    pub w: Tensor<4>,
    /// Key.
    pub k: Tensor<4>,
    /// Value.
    pub v: Tensor<4>,
    /// The direction that is read to be removed, -kk in RWKV-7.
    pub removal: Tensor<4>,
    /// Where the removed value is written, kk * a in RWKV-7.
    pub write: Tensor<4>,
}

impl Wkv7Inputs {
    /// r, w, k, v, removal and write, in this order.
    pub fn each(&self) -> [&Tensor<4>; 6] {
        let Self {
            r,
            w,
            k,
            v,
            removal,
            write,
        } = self;
        [r, w, k, v, removal, write]
    }

    /// The inputs that `f` makes of these.
    #[must_use]
    pub fn map(&self, f: impl FnMut(&Tensor<4>) -> Tensor<4>) -> Self {
        let [r, w, k, v, removal, write] = self.each().map(f);
        Self {
            r,
            w,
            k,
            v,
            removal,
            write,
        }
    }
}

/// How many bits the factors have that the operator multiplies. Sums and the state
/// have 32 in any case.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Factors {
    /// 32 bits.
    #[default]
    F32,
    /// 16 bits where the device multiplies matrices of them, else 32. Decays must be
    /// those of RWKV-7, at least 0.54: smaller ones leave the range of 16 bits.
    F16,
}

/// What the forward pass gives.
#[derive(Debug, Clone)]
pub struct Wkv7Forward {
    /// [B, T, H, N].
    pub y: Tensor<4>,
    /// The state after the last token, [B, H, N, M].
    pub last_state: Tensor<4>,
    /// What the backward pass needs, where it was asked for.
    pub tape: Option<Wkv7Tape>,
}

/// What the backward pass needs besides the inputs: one part for every stretch
/// of tokens that was one dispatch.
#[derive(Debug, Clone)]
pub struct Wkv7Tape {
    pub(super) segments: Vec<SegmentTape>,
}

/// The tape of one stretch of tokens.
#[derive(Debug, Clone)]
pub(crate) struct SegmentTape {
    /// The state before the first token of every chunk, [B, H, chunks, N, M]; where
    /// there are `chunks`, in 16 bits, two in the place of one.
    pub(super) checkpoints: Tensor<5>,
    /// `S_{t-1} removal_t`, [B, T, H, N]; where there are `chunks`,
    /// [B, H, chunks, 8 N], by value channels in 16 bits.
    pub(super) removed: Tensor<4>,
    /// What was prepared for the walks over chunks ([`gpu`]), [B, H, chunks, words].
    pub(super) chunks: Option<Tensor<4>>,
}

impl Wkv7Tape {
    /// Numbers that it holds.
    pub fn n_values(&self) -> usize {
        let of_segment = |segment: &SegmentTape| {
            let checkpoints = segment.checkpoints.dims().iter().product::<usize>();
            let chunks = segment.chunks.as_ref();
            let chunks = chunks.map_or(0, |chunks| chunks.dims().iter().product());
            checkpoints + segment.removed.dims().iter().product::<usize>() + chunks
        };
        self.segments.iter().map(of_segment).sum()
    }

    /// The largest magnitude in the states that it holds, `[1]`; not a number
    /// where one of them is NaN.
    ///
    /// # Panics
    /// Where they have 16 bits ([`Factors::F16`]).
    pub fn largest(&self) -> Tensor<1> {
        let of_segment = |segment: &SegmentTape| {
            assert!(segment.chunks.is_none(), "the tape's states have 16 bits");
            largest(segment.checkpoints.clone())
        };
        let all: Vec<_> = self.segments.iter().map(of_segment).collect();
        largest(Tensor::cat(all, 0))
    }

    /// The tape of a single stretch.
    pub(super) fn one(checkpoints: Tensor<5>, removed: Tensor<4>) -> Self {
        Self {
            segments: vec![SegmentTape {
                checkpoints,
                removed,
                chunks: None,
            }],
        }
    }
}

/// The largest magnitude of a tensor, `[1]`; not a number where one of its
/// numbers is NaN.
pub fn largest<const D: usize>(x: Tensor<D>) -> Tensor<1> {
    // A maximum may pass over what is not a number; a sum does not.
    let poison = x.clone().sum() * 0.0;
    x.abs().max() + poison
}

/// Gradients of the inputs, in their shapes, and of the initial state of every
/// batch entry, [B, H, N, M].
#[derive(Debug, Clone)]
pub struct Wkv7Gradients {
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

/// Runs the recurrence from `state`, [B, H, N, N] or [1, H, N, N] for one that
/// the batch shares. With `keep_tape` the backward pass can follow. Factors of
/// products have 32 bits.
///
/// # Panics
/// Where shapes disagree or N is not one of [`HEAD_SIZES`].
pub fn wkv7(inputs: &Wkv7Inputs, state: Tensor<4>, keep_tape: bool) -> Wkv7Forward {
    wkv7_with(Factors::F32, inputs, state, keep_tape)
}

/// As [`wkv7`], of `factors`; the backward pass has the same.
///
/// # Panics
/// As [`wkv7`].
pub fn wkv7_with(
    factors: Factors,
    inputs: &Wkv7Inputs,
    state: Tensor<4>,
    keep_tape: bool,
) -> Wkv7Forward {
    check(inputs, &state);
    if is_cpu(&state.device()) {
        return cpu::forward(inputs, state, keep_tape);
    }
    if gpu::takes_chunks(factors, inputs) {
        let (once, longest) = (gpu::chunked::forward, MAX_DISPATCH_TOKENS_IN_CHUNKS);
        forward_of_segments(inputs, state, keep_tape, longest, once)
    } else {
        let once = gpu::forward;
        forward_of_segments(inputs, state, keep_tape, MAX_DISPATCH_TOKENS, once)
    }
}

/// Gradients that reach three of the inputs past the operator, [B, T, H, N] each.
#[derive(Debug, Clone)]
pub struct DirectGradients {
    /// Of the receptance.
    pub r: Tensor<4>,
    /// Of the key.
    pub k: Tensor<4>,
    /// Of the value.
    pub v: Tensor<4>,
}

/// The gradients for `dy`, [B, T, H, N], of the loss by y, and for `dlast`,
/// [B, H, N, N], that by the last state, where something reads it. Those that
/// reach the inputs past the operator, `direct`, are added.
pub fn wkv7_backward(
    inputs: &Wkv7Inputs,
    tape: &Wkv7Tape,
    dy: Tensor<4>,
    dlast: Option<Tensor<4>>,
    direct: Option<DirectGradients>,
) -> Wkv7Gradients {
    if !is_cpu(&dy.device()) {
        let once = gpu::backward;
        let longest = match tape.segments[0].chunks {
            Some(_) => MAX_DISPATCH_TOKENS_IN_CHUNKS,
            None => MAX_DISPATCH_TOKENS,
        };
        return backward_of_segments(inputs, tape, dy, dlast, direct, longest, once);
    }
    let mut gradients = cpu::backward(inputs, &tape.segments[0], dy, dlast.as_ref());
    if let Some(DirectGradients { r, k, v }) = direct {
        gradients.r = gradients.r + r;
        gradients.k = gradients.k + k;
        gradients.v = gradients.v + v;
    }
    gradients
}

/// The gradient of the initial state alone, [B, H, N, N]: what is left to do at
/// the first tuned layer. It reads no tape. `dy` and `dlast` are as in
/// [`wkv7_backward`]. Factors of products have 32 bits.
pub fn wkv7_state_gradient(
    inputs: &Wkv7Inputs,
    dy: Tensor<4>,
    dlast: Option<Tensor<4>>,
) -> Tensor<4> {
    wkv7_state_gradient_with(Factors::F32, inputs, dy, dlast)
}

/// As [`wkv7_state_gradient`], of `factors`.
pub fn wkv7_state_gradient_with(
    factors: Factors,
    inputs: &Wkv7Inputs,
    dy: Tensor<4>,
    dlast: Option<Tensor<4>>,
) -> Tensor<4> {
    if is_cpu(&dy.device()) {
        return cpu::state_gradient(inputs, &dy, dlast.as_ref());
    }
    if gpu::takes_chunks(factors, inputs) {
        let (once, longest) = (gpu::chunked::state_gradient, MAX_DISPATCH_TOKENS_IN_CHUNKS);
        state_of_segments(inputs, dy, dlast, longest, once)
    } else {
        let once = gpu::state_gradient;
        state_of_segments(inputs, dy, dlast, MAX_DISPATCH_TOKENS, once)
    }
}

fn check(inputs: &Wkv7Inputs, state: &Tensor<4>) {
    let [r, w, k, v, removal, write] = inputs.each();
    let dims = r.dims();
    let [n_batch, _, n_head, head_size] = dims;
    for other in [w, k, v, removal, write] {
        assert_eq!(other.dims(), dims, "inputs of the WKV operator differ");
    }
    assert!(
        HEAD_SIZES.contains(&head_size),
        "head size {head_size} is not one of {HEAD_SIZES:?}"
    );
    let [n_states, state_heads, n_rows, n_columns] = state.dims();
    assert!(
        (n_states == 1 || n_states == n_batch)
            && [state_heads, n_rows, n_columns] == [n_head, head_size, head_size],
        "state {:?} does not fit inputs {dims:?}",
        state.dims()
    );
}
