//! Low-rank adapters as plain numbers.

use burn::tensor::{Device, Tensor, TensorData};
use rayon::prelude::*;

use crate::error::{Error, Result};
use crate::model::ModelConfig;
use crate::model::adapter::{Adapter, AdapterTarget, LayerAdapters};

/// The adapters of a run.
#[derive(Debug, Clone, PartialEq)]
pub struct LoraValues {
    /// The layers that have adapters, ascending.
    pub layers: Vec<usize>,
    /// Rows of A and columns of B.
    pub rank: usize,
    /// The product is taken times this over the rank.
    pub alpha: f64,
    /// Those of every matrix that has some, in the order of [`AdapterTarget::ALL`].
    pub factors: Vec<LoraFactors>,
}

/// The adapters beside one matrix of all layers.
#[derive(Debug, Clone, PartialEq)]
pub struct LoraFactors {
    /// The matrix.
    pub target: AdapterTarget,
    /// Its outputs.
    pub n_out: usize,
    /// Its inputs.
    pub n_in: usize,
    /// A, [layers, rank, in].
    pub a: Vec<f32>,
    /// B, [layers, out, rank].
    pub b: Vec<f32>,
}

impl LoraValues {
    /// Numbers that were trained.
    pub fn n_parameters(&self) -> usize {
        self.factors.iter().map(|of| of.a.len() + of.b.len()).sum()
    }

    /// A and B of one adapter, [rank, in] and [out, rank]; `idx` counts the layers
    /// that have adapters.
    pub fn factors_of(&self, idx: usize, target: AdapterTarget) -> Option<[&[f32]; 2]> {
        let of = self.factors.iter().find(|of| of.target == target)?;
        let a = of.a.chunks_exact(self.rank * of.n_in).nth(idx)?;
        let b = of.b.chunks_exact(of.n_out * self.rank).nth(idx)?;
        Some([a, b])
    }

    /// What one adapter adds to its frozen matrix, (alpha / rank) B A, [out, in]
    /// row-major.
    pub fn product(&self, idx: usize, target: AdapterTarget) -> Option<Vec<f32>> {
        let [a, b] = self.factors_of(idx, target)?;
        let n_in = a.len() / self.rank;
        let scale = scale(self.alpha, self.rank);
        let mut sum = vec![0.0; b.len() / self.rank * n_in];
        let rows = sum.par_chunks_mut(n_in).zip(b.par_chunks(self.rank));
        rows.for_each(|(row, b)| {
            for (b, a) in b.iter().zip(a.chunks_exact(n_in)) {
                for (sum, a) in row.iter_mut().zip(a) {
                    *sum += scale * b * a;
                }
            }
        });
        Some(sum)
    }

    /// The same adapters with the product times `alpha`.
    #[must_use]
    pub fn scaled(mut self, alpha: f32) -> Self {
        let b = self.factors.iter_mut().flat_map(|of| &mut of.b);
        b.for_each(|b| *b *= alpha);
        self
    }

    /// The adapters of every layer of a model of `n_layer` on a device.
    pub fn adapters(&self, n_layer: usize, device: &Device) -> Vec<Option<LayerAdapters>> {
        let scale = scale(self.alpha, self.rank);
        let matrix = |values: &[f32], n_columns: usize| {
            let shape = [values.len() / n_columns, n_columns];
            let data = TensorData::new(values.to_vec(), shape);
            Tensor::<2>::from_data(data, device).into()
        };
        let mut all = vec![None; n_layer];
        for (idx, layer) in self.layers.iter().enumerate() {
            all[*layer] = Some(LayerAdapters::new(|target| {
                let [a, b] = self.factors_of(idx, target)?;
                Some(Adapter {
                    a: matrix(a, a.len() / self.rank),
                    b: matrix(b, self.rank),
                    scale,
                })
            }));
        }
        all
    }

    /// Whether every factor has as many numbers as its shape says.
    pub fn has_right_sizes(&self) -> bool {
        let is = |len: usize, factors: [usize; 3]| {
            let mut factors = factors.iter();
            factors.try_fold(1_usize, |product, n| product.checked_mul(*n)) == Some(len)
        };
        let (n_layer, rank) = (self.layers.len(), self.rank);
        let fits = |of: &LoraFactors| {
            of.n_in > 0
                && of.n_out > 0
                && is(of.a.len(), [n_layer, rank, of.n_in])
                && is(of.b.len(), [n_layer, of.n_out, rank])
        };
        let ascends = self.layers.windows(2).all(|pair| pair[0] < pair[1]);
        n_layer > 0
            && rank > 0
            && ascends
            && !self.factors.is_empty()
            && self.factors.iter().all(fits)
    }

    /// Checks that it has the dimensions of the model.
    ///
    /// # Errors
    /// [`Error::Spec`] with both sets of dimensions.
    pub fn check_fits(&self, model: &ModelConfig) -> Result<()> {
        let last = self.layers.last().copied().unwrap_or(0);
        if last >= model.n_layer {
            let reason = tr!(
                "has adapters up to layer {last}, the model has {} layers",
                model.n_layer,
                last
            );
            return Err(Error::spec("lora", reason));
        }
        let other = |of: &&LoraFactors| of.target.dims(model) != [of.n_out, of.n_in];
        match self.factors.iter().find(other) {
            None => Ok(()),
            Some(of) => {
                let [n_out, n_in] = of.target.dims(model);
                let reason = tr!(
                    "has an adapter for {} of {} x {}, the model has {n_out} x {n_in}",
                    of.target.module(),
                    of.n_out,
                    of.n_in,
                    n_out,
                    n_in
                );
                Err(Error::spec("lora", reason))
            }
        }
    }
}

/// alpha / rank.
pub(super) fn scale(alpha: f64, rank: usize) -> f32 {
    (alpha / rank as f64) as f32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_product_is_that_of_the_factors() {
        let values = LoraValues {
            layers: vec![0, 3],
            rank: 2,
            alpha: 4.0,
            factors: vec![LoraFactors {
                target: AdapterTarget::FfnKey,
                n_out: 3,
                n_in: 2,
                a: vec![9.0, 9.0, 9.0, 9.0, 1.0, 2.0, 3.0, 4.0],
                b: vec![9.0, 9.0, 9.0, 9.0, 9.0, 9.0, 1.0, 0.0, 0.0, 1.0, -1.0, 2.0],
            }],
        };
        assert!(values.has_right_sizes());
        assert_eq!(values.n_parameters(), 20);
        // Rows of B times A, times alpha / rank = 2.
        let want = [2.0, 4.0, 6.0, 8.0, 10.0, 12.0];
        let got = values.product(1, AdapterTarget::FfnKey).unwrap();
        assert_eq!(got, want);
        let half = values.clone().scaled(0.5);
        let got = half.product(1, AdapterTarget::FfnKey).unwrap();
        assert_eq!(got, want.map(|x| 0.5 * x));
        assert_eq!(values.product(1, AdapterTarget::Key), None);
        assert_eq!(values.product(2, AdapterTarget::FfnKey), None);
    }
}
