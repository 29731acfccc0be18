//! The gradient of the first layer's value, which every layer above mixes into its
//! own. It matters only where something tuned acts on that value: an adapter, or the
//! token shift of the first layer. No S_0 does.

use burn::tensor::Tensor;

/// The gradient of the first layer's value, collected on the way down.
pub(in crate::model) struct FirstValue {
    is_wanted: bool,
    /// [B, T, C], once a layer above has been passed.
    sum: Option<Tensor<3>>,
}

impl FirstValue {
    /// One that is collected if it `is_wanted`.
    pub fn new(is_wanted: bool) -> Self {
        Self {
            is_wanted,
            sum: None,
        }
    }

    /// Whether it is collected.
    pub fn is_wanted(&self) -> bool {
        self.is_wanted
    }

    /// `dv`: the gradient of the value that the operator read, `dvalue`: that of the
    /// layer's own projection, both [B, T, C]. Of `v = value + (v_first - value) s`
    /// the first layer's value has the rest, `dv s = dv - dv (1 - s)`. Gives the
    /// whole gradient of the projection: in the first layer, which mixes nothing in,
    /// with what was collected.
    pub(super) fn pass(&mut self, dv: Tensor<3>, dvalue: Tensor<3>, mixes: bool) -> Tensor<3> {
        if mixes {
            let rest = dv - dvalue.clone();
            self.sum = Some(match self.sum.take() {
                Some(sum) => sum + rest,
                None => rest,
            });
            return dvalue;
        }
        match self.sum.take() {
            Some(sum) => dvalue + sum,
            None => dvalue,
        }
    }
}
