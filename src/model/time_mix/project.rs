//! The projections of time mixing: products with frozen matrices, those of a kind at
//! once, so that a GPU makes them in one launch.

use burn::tensor::Tensor;

use super::gradients::Reaching;
use super::tape::InputsTape;
use super::{FirstValue, TimeMix};
use crate::kernels::product::Start;
use crate::kernels::wkv7::prepare::Projections;
use crate::model::adapter::{AdapterPass, AdapterTarget, AdaptersBack, adapted};
use crate::model::linear::{linear_backward_each, linear_each};
use crate::model::low_rank::{LowRank, OfEach, lower, lower_backward, raise, raise_backward};

/// What the projections of a layer give.
pub(super) struct Projected {
    /// [B, T, C].
    pub(super) r: Tensor<3>,
    /// [B, T, C].
    pub(super) gate: Tensor<3>,
    pub(super) projections: Projections,
    /// [B, T, C].
    pub(super) v_first: Tensor<3>,
    pub(super) decay_low: Tensor<3>,
    pub(super) gate_low: Tensor<3>,
}

impl TimeMix {
    fn low_ranks(&self) -> OfEach<&LowRank> {
        OfEach {
            decay: &self.decay,
            iclr: &self.iclr,
            gate: &self.gate,
            share: self.share.as_ref(),
        }
    }

    /// Of the mixed tokens, [B, T, C] each.
    pub(super) fn project(
        &self,
        mixed: [Tensor<3>; 6],
        v_first: Option<Tensor<3>>,
        adapters: &mut Option<AdapterPass>,
    ) -> Projected {
        let [xr, xw, xk, xv, xa, xg] = mixed;
        let [r, key, value] = linear_each([
            (xr.clone(), &self.receptance),
            (xk.clone(), &self.key),
            (xv.clone(), &self.value),
        ]);
        let mut with_adapter = |x: &Tensor<3>, plain: Tensor<3>, target: AdapterTarget| {
            adapted(adapters, target, x, Start::Plain, plain)
        };
        let value = with_adapter(&xv, value, AdapterTarget::Value);
        let r = with_adapter(&xr, r, AdapterTarget::Receptance);
        let key = with_adapter(&xk, key, AdapterTarget::Key);
        let low = lower(self.low_ranks().with(OfEach {
            decay: xw,
            iclr: xa,
            gate: xg,
            share: v_first.is_some().then_some(xv),
        }));
        let (decay_low, gate_low) = (low.decay.clone(), low.gate.clone());
        let raised = raise(self.low_ranks().with(low));
        Projected {
            r,
            gate: raised.gate,
            projections: Projections {
                decay: raised.decay,
                iclr: raised.iclr,
                share: raised.share.zip(v_first.clone()),
                key,
                value: value.clone(),
            },
            v_first: v_first.unwrap_or(value),
            decay_low,
            gate_low,
        }
    }

    /// The gradients of the six mixed inputs.
    pub(super) fn project_backward(
        &self,
        below: &InputsTape,
        reaching: Reaching,
        adapters: &mut AdaptersBack,
        v_first: &mut FirstValue,
    ) -> [Tensor<3>; 6] {
        let Reaching {
            r: dr,
            gate: dgate,
            iclr: diclr,
            prepared,
        } = reaching;
        let dv = v_first.is_wanted().then(|| prepared.v.clone());
        let mut d = self.prepare.backward(&below.projections, prepared);
        if let Some(dv) = dv {
            d.value = v_first.pass(dv.reshape(d.value.dims()), d.value, self.share.is_some());
        }
        let raised = OfEach {
            decay: d.decay,
            iclr: match diclr {
                Some(added) => d.iclr + added,
                None => d.iclr,
            },
            gate: dgate,
            share: d.share,
        };
        let low = OfEach {
            decay: Some(below.decay_low.clone()),
            iclr: None,
            gate: Some(below.gate_low.clone()),
            share: Some(None),
        };
        let dlow = raise_backward(self.low_ranks().with(raised.with(low)));
        let [dreceptance, dkey, dvalue] = linear_backward_each([
            (dr.clone(), &self.receptance),
            (d.key.clone(), &self.key),
            (d.value.clone(), &self.value),
        ]);
        let dvalue = adapters.through(AdapterTarget::Value, &d.value, dvalue);
        let onto = OfEach {
            decay: None,
            iclr: None,
            gate: None,
            share: Some(Some(dvalue.clone())),
        };
        let lowered = lower_backward(self.low_ranks().with(dlow.with(onto)));
        [
            adapters.through(AdapterTarget::Receptance, &dr, dreceptance),
            lowered.decay,
            adapters.through(AdapterTarget::Key, &d.key, dkey),
            lowered.share.unwrap_or(dvalue),
            lowered.iclr,
            lowered.gate,
        ]
    }
}
