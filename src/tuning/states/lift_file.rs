//! Lifted states in files: the tensors, and what the metadata says of them.

use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::tuning::method::tuned::LiftValues;
use crate::tuning::spec::LiftKind;

/// A tensor in a file: name, shape, numbers.
pub(super) type NamedValues<'a> = (String, Vec<usize>, &'a [f32]);

/// What the metadata says of a lifted state.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct LiftHeader {
    layers: Vec<usize>,
    n_head: usize,
    head_size: usize,
    upscaled_size: usize,
    #[serde(rename = "dynamics")]
    kind: LiftKind,
    projection_seed: u64,
    has_decorrelation: bool,
    has_mean: bool,
    #[serde(default)]
    has_gate: bool,
}

impl LiftHeader {
    pub fn new(lift: &LiftValues) -> Self {
        Self {
            layers: lift.layers.clone(),
            n_head: lift.n_head,
            head_size: lift.head_size,
            upscaled_size: lift.upscaled_size,
            kind: lift.kind,
            projection_seed: lift.projection_seed,
            has_decorrelation: lift.decorrelation.is_some(),
            has_mean: lift.mean.is_some(),
            has_gate: lift.gate.is_some(),
        }
    }

    /// Reads the tensors that [`lift_tensors`] names.
    ///
    /// # Errors
    /// What `values` reports, and [`Error::Input`] where their sizes do not fit
    /// the header.
    pub fn read(
        self,
        path: &Path,
        prefix: &str,
        values: &dyn Fn(&str) -> Result<Vec<f32>>,
    ) -> Result<LiftValues> {
        let named = |name: &str| values(&format!("{prefix}.{name}"));
        let optional = |has: bool, name: &str| has.then(|| named(name)).transpose();
        let lift = LiftValues {
            weights: named("z")?,
            gate: optional(self.has_gate, "gate")?,
            support_vectors: named("support_vectors")?,
            gamma: named("gamma")?,
            decorrelation: optional(self.has_decorrelation, "decorrelation")?,
            mean: optional(self.has_mean, "mean")?,
            layers: self.layers,
            n_head: self.n_head,
            head_size: self.head_size,
            upscaled_size: self.upscaled_size,
            kind: self.kind,
            projection_seed: self.projection_seed,
        };
        if !lift.has_right_sizes() {
            let reason = tr!("tensors do not have the sizes that the header says");
            return Err(Error::input(path, prefix, reason));
        }
        Ok(lift)
    }
}

/// The tensors of a lifted state.
pub(super) fn lift_tensors<'a>(prefix: &str, lift: &'a LiftValues) -> Vec<NamedValues<'a>> {
    let [l, h, n, m] = lift.sizes();
    let named = |name: &str, shape: &[usize], values: &'a [f32]| {
        (format!("{prefix}.{name}"), shape.to_vec(), values)
    };
    let mut tensors = vec![
        named("z", &[l, h, n, m], &lift.weights),
        named("support_vectors", &[l, h, m, n], &lift.support_vectors),
        named("gamma", &[l, h], &lift.gamma),
    ];
    if let Some(gate) = &lift.gate {
        tensors.push(named("gate", &[l, h], gate));
    }
    if let Some(r) = &lift.decorrelation {
        let n_matrices = r.len() / (l * m * m).max(1);
        tensors.push(named("decorrelation", &[l, n_matrices, m, m], r));
    }
    if let Some(mean) = &lift.mean {
        tensors.push(named("mean", &[l, h, m], mean));
    }
    tensors
}
