//! A recurrence on a state Z of N x M, beside the model's own or in its place.
//! Reference twin: [`super::reference`].

use burn::tensor::{Int, Tensor};

use super::feature_lift::{FeatureLift, LiftedRows};
use super::lifted_inputs::{LiftedRule, stacked, unstacked};
use super::{
    BranchCarried, BranchGradients, BranchGuard, BranchInputGradients, BranchInputs, moments,
};
use crate::kernels::lifted::{lifted_wkv, lifted_wkv_backward};
use crate::kernels::wkv7::{Wkv7Tape, largest};

/// The recurrence of one layer.
#[derive(Debug, Clone)]
pub struct LiftedBranch {
    /// What is made of the vectors on the key side: `R phi`.
    pub lift: FeatureLift,
    /// What the recurrence does with them.
    pub rule: LiftedRule,
    /// Z, [B or 1, H, N, M].
    pub state: Tensor<4>,
    /// 1 for the tokens to come, 0 for padding, [B, T, 1, 1]: a literal
    /// recurrence, which may run away, stands still there.
    pub real: Option<Tensor<4>>,
}

/// What the backward pass reads.
#[derive(Debug, Clone)]
pub(in crate::model) struct LiftedBranchTape {
    lift: FeatureLift,
    rule: LiftedRule,
    real: Option<Tensor<4>>,
    /// Of all vectors that the rule lifts, those of one kind behind the other.
    rows: LiftedRows,
    /// Where a backward pass follows.
    wkv: Option<Wkv7Tape>,
    /// The largest magnitude in the states, `[1]`, where someone watches.
    largest: Option<Tensor<1>>,
}

impl LiftedBranch {
    /// What the branch gives for every token, [B, T, H, N], the branch after the
    /// last one and what the backward pass reads.
    pub(super) fn forward(
        self,
        inputs: &BranchInputs<'_>,
        keep_tape: bool,
    ) -> (Tensor<4>, Self, LiftedBranchTape) {
        let Self {
            lift,
            rule,
            state,
            real,
        } = self;
        let rows = lift.forward(stacked(&rule.vectors(inputs)));
        let lifted = rule.inputs(rows.out(), inputs, real.as_ref());
        let forward = lifted_wkv(&lifted, state, keep_tape);
        let watched = rule.is_literal() && keep_tape;
        let largest = watched.then(|| {
            let last = largest(forward.last_state.clone());
            let stored = forward.tape.as_ref().map(Wkv7Tape::largest);
            largest(Tensor::cat(
                std::iter::once(last).chain(stored).collect(),
                0,
            ))
        });
        let tape = LiftedBranchTape {
            lift: lift.clone(),
            rule: rule.clone(),
            real,
            rows,
            wkv: forward.tape,
            largest,
        };
        let after = Self {
            lift,
            rule,
            state: forward.last_state,
            real: None,
        };
        (forward.y, after, tape)
    }

    /// The state of `n_batch` texts.
    pub(super) fn state_of(&self, n_batch: usize) -> Tensor<4> {
        let [_, n_head, n, m] = self.state.dims();
        self.state.clone().expand([n_batch, n_head, n, m])
    }
}

impl LiftedBranchTape {
    pub fn replaces_recurrence(&self) -> bool {
        self.rule.is_literal()
    }

    /// Numbers that it holds.
    pub fn n_values(&self) -> usize {
        self.rows.n_values() + self.wkv.as_ref().map_or(0, Wkv7Tape::n_values)
    }

    /// As [`super::BranchTape::backward`].
    pub(super) fn backward(
        &self,
        inputs: &BranchInputs<'_>,
        dy: Tensor<4>,
        dlast: Option<Tensor<4>>,
        is_below: bool,
        moments_at: Option<&Tensor<1, Int>>,
    ) -> (BranchGradients, Option<BranchInputGradients>) {
        let Self {
            lift,
            rule,
            real,
            rows,
            wkv,
            largest,
        } = self;
        let real = real.as_ref();
        let Some(tape) = wkv else {
            unreachable!("the forward pass was told to keep the tape")
        };
        let lifted = rule.inputs(rows.out(), inputs, real);
        let through = lifted_wkv_backward(&lifted, tape, dy, dlast);
        let state = through.state.clone();
        let weights = state.clone().sum_dim(0).squeeze_dim(0);
        let clamped = rule.clamped(rows.out(), inputs, real);
        let back = rule.backward(rows.out(), inputs, real, through);
        let gradients = BranchGradients {
            weights,
            mixing: lift.mixing_gradient(rows, &back.lifted),
            gate: back.gate,
            // Those of the receptance are the first rows.
            moments: moments_at.map(|at| moments(&rows.features, at)),
            guard: clamped
                .zip(largest.clone())
                .map(|(clamped, largest)| BranchGuard { clamped, largest }),
            carried: Some(BranchCarried::State(state)),
        };
        if !is_below {
            return (gradients, None);
        }
        let x = stacked(&rule.vectors(inputs));
        let dx = unstacked(&lift.input_gradient(x, rows, back.lifted), inputs);
        (gradients, Some(rule.input_gradients(dx, back.direct)))
    }
}
