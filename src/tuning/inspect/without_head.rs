//! A state with one head set to zero: what the head is worth shows in the loss.

use super::trajectory::Place;
use crate::tuning::method::tuned::Tuned;

impl Tuned {
    /// The same without what it changes of a head: S_0, and Z and the write gate of a
    /// lifted run, are zero there.
    #[must_use]
    pub fn without_head(mut self, place: Place) -> Self {
        let Place { layer, head } = place;
        let n = self.state.n_per_head();
        if let Some(values) = self.state.layers.get_mut(layer) {
            zero(values, head, n);
        }
        if let Some(lift) = &mut self.lift
            && let Some(idx) = lift.layers.iter().position(|of| *of == layer)
        {
            let [_, h, n, m] = lift.sizes();
            zero(&mut lift.weights, idx * h + head, n * m);
            if let Some(gate) = &mut lift.gate {
                zero(gate, idx * h + head, 1);
            }
        }
        self
    }
}

/// Sets the `idx`-th part of `len` numbers to zero.
fn zero(values: &mut [f32], idx: usize, len: usize) {
    if let Some(part) = values.get_mut(idx * len..(idx + 1) * len) {
        part.fill(0.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tuning::method::tuned::LiftValues;
    use crate::tuning::spec::LiftKind;
    use crate::tuning::states::state_file::TunedState;

    #[test]
    fn one_head_and_nothing_else_is_zero() {
        let ones = |n: usize| vec![1.0_f32; n];
        let (l, h, n, m) = (2, 2, 2, 3);
        let tuned = Tuned {
            state: TunedState {
                n_layer: l,
                n_head: h,
                head_size: n,
                key_size: n,
                layers: vec![ones(h * n * n), ones(h * n * n)],
                shifts: None,
            },
            lift: Some(LiftValues {
                layers: vec![1],
                n_head: h,
                head_size: n,
                upscaled_size: m,
                kind: LiftKind::Recurrent,
                gate: Some(ones(h)),
                projection_seed: 0,
                weights: ones(h * n * m),
                support_vectors: ones(h * m * n),
                gamma: ones(h),
                decorrelation: None,
                mean: None,
            }),
            lora: None,
        };
        let got = tuned.clone().without_head(Place { layer: 1, head: 0 });
        assert_eq!(got.state.layers[0], tuned.state.layers[0]);
        assert_eq!(got.state.layers[1], [vec![0.0; 4], vec![1.0; 4]].concat());
        let lift = got.lift.unwrap();
        assert_eq!(lift.weights, [vec![0.0; 6], vec![1.0; 6]].concat());
        assert_eq!(lift.gate, Some(vec![0.0, 1.0]));
        assert_eq!(lift.support_vectors, ones(12), "what is frozen stays");
        // A layer without a branch, and a head that there is none of.
        let first = tuned.clone().without_head(Place { layer: 0, head: 1 });
        assert_eq!(first.lift, tuned.lift);
        let none = tuned.clone().without_head(Place { layer: 5, head: 9 });
        assert_eq!(none, tuned);
    }
}
