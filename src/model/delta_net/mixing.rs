//! Mixing over time: from the tokens to what the recurrence reads, through it, and
//! back.

use burn::tensor::Tensor;

use super::mixing_inputs::{Inputs, InputsTape, Made};
use crate::kernels::matrix::Matrix;
use crate::kernels::product::Start;
use crate::kernels::rectangular::{
    rectangular_wkv, rectangular_wkv_backward, rectangular_wkv_state_gradient,
};
use crate::kernels::rms_norm::RmsNorm;
use crate::kernels::silu::{gated, gated_backward};
use crate::kernels::wkv7::{Wkv7Inputs, Wkv7Tape};
use crate::model::carried::Around;
use crate::model::linear::{linear, linear_backward, linear_onto, n_values};
use crate::model::pass::{BlockGradients, Keep};

/// The frozen parameters of one layer's mixing over time.
#[derive(Debug, Clone)]
pub(in crate::model) struct Mixing {
    pub norm: RmsNorm,
    pub inputs: Inputs,
    /// [H V, C].
    pub gate: Matrix,
    /// Of every head's output, `[V]`.
    pub out_norm: RmsNorm,
    /// [C, H V].
    pub output: Matrix,
}

/// What mixing over time gives.
pub(super) struct MixingOutput {
    /// The residual stream behind, [B, T, C].
    pub x: Tensor<3>,
    /// The last inputs of the convolutions, [B, 3 D].
    pub last: Tensor<2>,
    /// The state after the last token, [B, H, V, K].
    pub wkv: Tensor<4>,
    /// What the backward pass reads.
    pub tape: Option<MixingTape>,
}

/// What the backward pass reads.
#[derive(Debug, Clone)]
pub(super) struct MixingTape {
    wkv: Wkv7Inputs,
    /// [B, T, H, V].
    y: Tensor<4>,
    /// Before SiLU, [B, T, H, V].
    gate: Tensor<4>,
    /// Where the pass continues below.
    below: Option<Below>,
}

/// What the backward pass reads to get past the state.
#[derive(Debug, Clone)]
struct Below {
    /// The residual stream in front, [B, T, C].
    x: Tensor<3>,
    inputs: InputsTape,
    wkv_tape: Option<Wkv7Tape>,
}

impl MixingTape {
    /// The scaled query of every token, [B, T, H, K].
    pub fn receptance(&self) -> Tensor<4> {
        self.wkv.r.clone()
    }

    /// Numbers that it holds.
    pub fn n_values(&self) -> usize {
        let inputs = self.wkv.each().map(n_values);
        let below = self.below.as_ref().map_or(0, |below| {
            let tape = below.wkv_tape.as_ref().map_or(0, Wkv7Tape::n_values);
            n_values(&below.x) + below.inputs.n_values() + tape
        });
        inputs.iter().sum::<usize>() + n_values(&self.y) + n_values(&self.gate) + below
    }
}

impl Mixing {
    /// Takes the residual stream `x` [B, T, C] through, from the convolutions'
    /// inputs `before` [B, 3 D] and the state `wkv` [B or 1, H, V, K].
    pub(super) fn forward(
        &self,
        x: Tensor<3>,
        before: Tensor<2>,
        wkv: Tensor<4>,
        keep: Keep,
    ) -> MixingOutput {
        let normed = self.norm.forward(x.clone());
        let Made {
            wkv: inputs,
            last,
            tape: inputs_tape,
        } = self.inputs.forward(normed.clone(), before);
        let gate = linear(normed, &self.gate).reshape(inputs.v.dims());
        let out = rectangular_wkv(&inputs, wkv, keep == Keep::Everything);
        let read = gated(self.out_norm.forward(out.y.clone()), gate.clone());
        let [n_batch, n_tokens, n_head, head_size] = read.dims();
        let read = read.reshape([n_batch, n_tokens, n_head * head_size]);
        let behind = linear_onto(read, &self.output, Start::Plain, x.clone());
        let below = (keep == Keep::Everything).then_some(Below {
            x,
            inputs: inputs_tape,
            wkv_tape: out.tape,
        });
        MixingOutput {
            x: behind,
            last,
            wkv: out.last_state,
            tape: (keep != Keep::Nothing).then_some(MixingTape {
                wkv: inputs,
                y: out.y,
                gate,
                below,
            }),
        }
    }

    /// The gradients for `dx` [B, T, C], that of the stream behind.
    pub(super) fn backward(
        &self,
        tape: MixingTape,
        dx: Tensor<3>,
        around: &Around,
    ) -> BlockGradients {
        let MixingTape {
            wkv,
            y,
            gate,
            below,
        } = tape;
        let behind = around.behind.as_ref();
        let dlast = behind.map(|behind| behind.wkv.clone());
        let dread = linear_backward(dx.clone(), &self.output).reshape(y.dims());
        let (dnormed, dgate) = gated_backward(self.out_norm.forward(y.clone()), gate, dread);
        let dy = self.out_norm.backward(y, dnormed);
        let only_state = |state| BlockGradients {
            state,
            branch: None,
            adapters: None,
            x: None,
            time_shift: None,
        };
        let Some(Below {
            x,
            inputs,
            wkv_tape: Some(wkv_tape),
        }) = below
        else {
            return only_state(rectangular_wkv_state_gradient(&wkv, dy, dlast));
        };
        let through = rectangular_wkv_backward(&wkv, &wkv_tape, dy, dlast);
        let [n_batch, n_tokens, n_head, head_size] = dgate.dims();
        let dgate = dgate.reshape([n_batch, n_tokens, n_head * head_size]);
        let state = through.state.clone();
        let dlast = behind.and_then(|behind| behind.time_shift.clone());
        let (dnormed, dbefore) = self.inputs.backward(&inputs, &wkv, through, dlast);
        let dnormed = dnormed + linear_backward(dgate, &self.gate);
        BlockGradients {
            x: Some(dx + self.norm.backward(x, dnormed)),
            time_shift: around.is_window.then_some(dbefore),
            ..only_state(state)
        }
    }
}
