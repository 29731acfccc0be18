//! Time mixing: from the tokens to receptance, decay, key, value, in-context
//! learning rate and gate, through the WKV-7 recurrence, and back
//! (`RWKV-LM/RWKV-v7`, `RWKV_Tmix_x070`).

mod first_value;
mod gradients;
mod project;
mod tape;

use burn::tensor::{Int, Tensor, activation::sigmoid};

pub(super) use first_value::FirstValue;
use gradients::{Reaching, add, no_gradients, only_direct};
use project::Projected;
use tape::InputsTape;
pub(super) use tape::TimeMixTape;

use super::adapter::{AdapterPass, AdapterTarget, AdaptersBack, adapted};
use super::branch::{Branch, BranchInputs, BranchOutput, BranchTape};
use super::carried::Around;
use super::linear::{linear_backward, linear_onto};
use super::low_rank::LowRank;
use super::pass::{BlockGradients, Keep};
use crate::kernels::matrix::{Matrix, Storage};
use crate::kernels::product::{Start, reads_halves};
use crate::kernels::token_mix::{TokenMix, TokenMixOutput};
use crate::kernels::wkv7::prepare::{Prepare, Prepared, Projections};
use crate::kernels::wkv7::readout::{Readout, ReadoutInputs};
use crate::kernels::wkv7::{
    DirectGradients, Factors, wkv7_backward, wkv7_state_gradient_with, wkv7_with,
};

/// The frozen parameters of one layer's time mixing.
#[derive(Debug, Clone)]
pub(super) struct TimeMix {
    /// LayerNorm, and how much of the previous token r, w, k, v, a and g see.
    pub mix: TokenMix<6>,
    pub decay: LowRank,
    pub iclr: LowRank,
    /// Share of the first layer's value; absent in the first layer.
    pub share: Option<LowRank>,
    pub gate: LowRank,
    /// [C, C], out by in.
    pub receptance: Matrix,
    /// [C, C].
    pub key: Matrix,
    /// [C, C].
    pub value: Matrix,
    /// [C, C].
    pub output: Matrix,
    /// Offsets of the low-rank maps, k_k and k_a.
    pub prepare: Prepare,
    /// Group norm and r_k.
    pub readout: Readout,
}

/// What time mixing carries from one token to the next.
pub(super) struct TimeMixState {
    /// The last normalised token, [B, C].
    pub last: Tensor<2>,
    /// [B or 1, H, N, N].
    pub wkv: Tensor<4>,
    /// What is added beside the recurrence, if anything.
    pub branch: Option<Branch>,
}

/// What time mixing gives.
pub(super) struct TimeMixOutput {
    /// The residual stream behind, [B, T, C].
    pub x: Tensor<3>,
    /// The value of the first layer, [B, T, C].
    pub v_first: Tensor<3>,
    /// The state after the last token.
    pub state: TimeMixState,
    /// What the backward pass reads.
    pub tape: Option<TimeMixTape>,
}

impl TimeMix {
    /// `x`: the residual stream, [B, T, C]; `v_first`: the first layer's value,
    /// absent in the first layer.
    pub fn forward(
        &self,
        x: Tensor<3>,
        state: TimeMixState,
        v_first: Option<Tensor<3>>,
        keep: Keep,
        adapters: &mut Option<AdapterPass>,
    ) -> TimeMixOutput {
        let [n_batch, n_tokens, _] = x.dims();
        let [_, n_head, head_size, _] = state.wkv.dims();
        // Without adapters nothing but products reads the mixed tokens.
        let matrices = [&self.receptance, &self.decay.down, &self.gate.down];
        let in_halves =
            adapters.is_none() && matrices.iter().all(|matrix| reads_halves(&x, matrix));
        let TokenMixOutput { mixed, last } = if in_halves {
            self.mix.forward_in_halves(x.clone(), state.last)
        } else {
            self.mix.forward(x.clone(), state.last)
        };
        let Projected {
            r,
            gate,
            projections,
            v_first,
            decay_low,
            gate_low,
        } = self.project(mixed, v_first, adapters);
        let r_shape = [n_batch, n_tokens, n_head, head_size];
        let r = r.reshape(r_shape);
        let prepared = self.prepare.forward(&projections, head_size);
        let inputs = prepared.with_receptance(r);
        let replaces = state
            .branch
            .as_ref()
            .is_some_and(Branch::replaces_recurrence);
        let own = if replaces {
            let whole = [n_batch, n_head, head_size, head_size];
            (None, state.wkv.expand(whole), None)
        } else {
            let keep_tape = keep == Keep::Everything;
            let wkv = wkv7_with(self.factors(), &inputs, state.wkv, keep_tape);
            (Some(wkv.y), wkv.last_state, wkv.tape)
        };
        let (own_y, last_wkv, wkv_tape) = own;
        let branch = state.branch.map(|branch| {
            let reads = BranchInputs {
                wkv: &inputs,
                iclr: branch
                    .reads_iclr()
                    .then(|| self.iclr_of(&projections, r_shape)),
            };
            branch.forward(&reads, keep != Keep::Nothing)
        });
        let (branch_y, branch, branch_tape) = match branch {
            Some(BranchOutput { y, after, tape }) => (Some(y), Some(after), Some(tape)),
            None => (None, None, None),
        };
        let y = match (own_y, branch_y) {
            (Some(own), Some(added)) => own + added,
            (Some(y), None) | (None, Some(y)) => y,
            (None, None) => unreachable!("only a branch replaces the recurrence"),
        };
        let read = ReadoutInputs {
            y,
            r: inputs.r.clone(),
            k: inputs.k.clone(),
            v: inputs.v.clone(),
            gate,
        };
        let out = self.readout.forward(&read);
        let behind = linear_onto(out.clone(), &self.output, Start::Plain, x.clone());
        let target = AdapterTarget::Output;
        let behind = adapted(adapters, target, &out, Start::Plain, behind);
        let below = (keep == Keep::Everything).then_some(InputsTape {
            x,
            wkv_tape,
            projections,
            decay_low,
            gate_low,
        });
        TimeMixOutput {
            x: behind,
            v_first,
            state: TimeMixState {
                last,
                wkv: last_wkv,
                branch,
            },
            tape: (keep != Keep::Nothing).then_some(TimeMixTape {
                wkv: inputs,
                y: read.y,
                gate: read.gate,
                branch: branch_tape,
                below,
            }),
        }
    }

    /// Of how many bits the recurrence's factors are: as those of the products.
    fn factors(&self) -> Factors {
        match self.output.storage() {
            Storage::F32 => Factors::F32,
            Storage::F16 | Storage::BF16 | Storage::Int8 | Storage::NF4 => Factors::F16,
        }
    }

    /// The in-context learning rate, in `shape` [B, T, H, N].
    fn iclr_of(&self, projections: &Projections, shape: [usize; 4]) -> Tensor<4> {
        let offset = self.prepare.iclr.clone().unsqueeze::<3>();
        sigmoid(projections.iclr.clone() + offset).reshape(shape)
    }

    /// The gradients for `dx` [B, T, C], that of the stream behind; moments of
    /// the branch's features at the positions `moments_at`.
    pub fn backward(
        &self,
        tape: TimeMixTape,
        dx: Tensor<3>,
        moments_at: Option<&Tensor<1, Int>>,
        around: &Around,
        adapters: &mut AdaptersBack,
        v_first: &mut FirstValue,
    ) -> BlockGradients {
        let TimeMixTape {
            wkv,
            y,
            gate,
            branch,
            below,
        } = tape;
        let read = ReadoutInputs {
            y,
            r: wkv.r.clone(),
            k: wkv.k.clone(),
            v: wkv.v.clone(),
            gate,
        };
        let behind = around.behind.as_ref();
        let dlast = behind.map(|behind| behind.wkv.clone());
        let dout = linear_backward(dx.clone(), &self.output);
        let dout = adapters.through(AdapterTarget::Output, &dx, dout);
        let read = self.readout.backward(&read, dout);
        let shape = wkv.r.dims();
        let replaces = branch.as_ref().is_some_and(BranchTape::replaces_recurrence);
        let iclr = match &below {
            Some(below) if replaces => Some(self.iclr_of(&below.projections, shape)),
            Some(_) | None => None,
        };
        let (branch, through_branch) = match branch {
            Some(tape) => {
                let reads = BranchInputs {
                    wkv: &wkv,
                    iclr: iclr.clone(),
                };
                let dafter = behind.and_then(|behind| behind.branch.clone());
                let (is_below, dy) = (below.is_some(), read.y.clone());
                let (own, inputs) = tape.backward(&reads, dy, dafter, is_below, moments_at);
                (Some(own), inputs)
            }
            None => (None, None),
        };
        let Some(below) = below else {
            return BlockGradients {
                state: match replaces {
                    true => no_gradients(&wkv).state,
                    false => wkv7_state_gradient_with(self.factors(), &wkv, read.y, dlast),
                },
                branch,
                adapters: None,
                x: None,
                time_shift: None,
            };
        };
        let direct = DirectGradients {
            r: read.r,
            k: read.k,
            v: read.v,
        };
        let mut through = match &below.wkv_tape {
            Some(tape) => wkv7_backward(&wkv, tape, read.y, dlast, Some(direct)),
            None => only_direct(&wkv, direct),
        };
        let diclr = through_branch.and_then(|inputs| add(&mut through, inputs));
        // Through the sigmoid of the in-context learning rate.
        let diclr = diclr
            .zip(iclr)
            .map(|(d, iclr)| d * iclr.clone() * (-iclr + 1.0));
        let upstream = Prepared {
            w: through.w,
            k: through.k,
            v: through.v,
            removal: through.removal,
            write: through.write,
        };
        let dr = through.r.reshape(dx.dims());
        let diclr = diclr.map(|d| d.reshape(dx.dims()));
        let reaching = Reaching {
            r: dr,
            gate: read.gate,
            iclr: diclr,
            prepared: upstream,
        };
        let dmixed = self.project_backward(&below, reaching, adapters, v_first);
        let (dx, time_shift) = if around.is_window {
            let dlast = behind.and_then(|behind| behind.time_shift.clone());
            let (dx, dbefore) = self.mix.backward_of_window(below.x, dmixed, dx, dlast);
            (dx, Some(dbefore))
        } else {
            (self.mix.backward(below.x, dmixed, dx), None)
        };
        BlockGradients {
            state: through.state,
            branch,
            adapters: None,
            x: Some(dx),
            time_shift,
        }
    }
}
