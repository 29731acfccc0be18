//! Adapters in files: the tensors, and what the metadata says of them.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::lift_file::NamedValues;
use crate::error::{Error, Result};
use crate::model::adapter::AdapterTarget;
use crate::tuning::method::lora_values::{LoraFactors, LoraValues};

/// What the metadata says of the adapters.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct LoraHeader {
    layers: Vec<usize>,
    rank: usize,
    alpha: f64,
    targets: Vec<TargetHeader>,
}

/// A matrix that has adapters.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct TargetHeader {
    /// [`AdapterTarget::module`].
    name: String,
    n_out: usize,
    n_in: usize,
}

impl LoraHeader {
    pub fn new(lora: &LoraValues) -> Self {
        let targets = lora.factors.iter().map(|of| TargetHeader {
            name: of.target.module().to_owned(),
            n_out: of.n_out,
            n_in: of.n_in,
        });
        Self {
            layers: lora.layers.clone(),
            rank: lora.rank,
            alpha: lora.alpha,
            targets: targets.collect(),
        }
    }

    /// Reads the tensors that [`lora_tensors`] names.
    ///
    /// # Errors
    /// What `values` reports, and [`Error::Input`] where a matrix is not known or
    /// the sizes do not fit the header.
    pub fn read(
        self,
        path: &Path,
        prefix: &str,
        values: &dyn Fn(&str) -> Result<Vec<f32>>,
    ) -> Result<LoraValues> {
        let factors = self.targets.into_iter().map(|of| {
            let TargetHeader { name, n_out, n_in } = of;
            let Some(target) = AdapterTarget::by_module(&name) else {
                let reason = tr!("is not a matrix that can have an adapter");
                return Err(Error::input(path, name, reason));
            };
            Ok(LoraFactors {
                target,
                n_out,
                n_in,
                a: values(&format!("{prefix}.{name}.a"))?,
                b: values(&format!("{prefix}.{name}.b"))?,
            })
        });
        let lora = LoraValues {
            factors: factors.collect::<Result<_>>()?,
            layers: self.layers,
            rank: self.rank,
            alpha: self.alpha,
        };
        if !lora.has_right_sizes() || !lora.alpha.is_finite() {
            let reason = tr!("tensors do not have the sizes that the header says");
            return Err(Error::input(path, prefix, reason));
        }
        Ok(lora)
    }
}

/// The tensors of the adapters.
pub(super) fn lora_tensors<'a>(prefix: &str, lora: &'a LoraValues) -> Vec<NamedValues<'a>> {
    let (n_layer, rank) = (lora.layers.len(), lora.rank);
    let both = lora.factors.iter().flat_map(|of| {
        let name = of.target.module();
        [
            (
                format!("{prefix}.{name}.a"),
                vec![n_layer, rank, of.n_in],
                of.a.as_slice(),
            ),
            (
                format!("{prefix}.{name}.b"),
                vec![n_layer, of.n_out, rank],
                of.b.as_slice(),
            ),
        ]
    });
    both.collect()
}
