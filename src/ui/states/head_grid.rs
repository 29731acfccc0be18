//! The grid of all heads, or of all adapters.

use std::sync::Arc;

use super::images::{difference, sum_of, thumbnail};
use crate::colormap::{Limits, Scale};
use crate::error::Result;
use crate::tuning::inspect::adapter_matrices::{norm_of, sampled_sum, sum_singular_values};
use crate::tuning::inspect::every_head::EveryHead;
use crate::tuning::inspect::head_matrices::{Matrix, MatrixKind};
use crate::tuning::inspect::trajectory::Place;
use crate::tuning::method::tuned::Tuned;
use crate::ui::widgets::heatmap_data::HeatmapData;

/// Cells of a head in the grid of all, a side.
const THUMB_SIDE: usize = 64;
/// Cells that every GPU can have at a side of a texture.
const MAX_SIDE: usize = 8192;

/// Every head at once.
#[derive(Debug)]
pub(crate) struct HeadGrid {
    pub data: Arc<HeatmapData>,
    /// Norm and limits of every head on both scales, layer by layer; none where
    /// a layer has no such matrix.
    pub heads: Vec<Option<GridHead>>,
    pub n_layer: usize,
    pub n_head: usize,
    /// Norm over all heads.
    pub norm: f64,
    /// Whether a head shows some of its numbers and not the largest of each part.
    pub is_sample: bool,
}

/// A head of the grid.
#[derive(Debug, Clone, Copy)]
pub(crate) struct GridHead {
    pub norm: f64,
    pub symmetric: Limits,
    pub sequential: Limits,
}

impl GridHead {
    /// The limits of a scale.
    pub fn limits(&self, scale: Scale) -> Limits {
        match scale {
            Scale::Symmetric => self.symmetric,
            Scale::Sequential => self.sequential,
        }
    }
}

impl HeadGrid {
    /// Every adapter's product, or its difference from another, by a sample of its
    /// numbers: all products together are as large as the model.
    ///
    /// # Errors
    /// None.
    fn of_products(tuned: &Tuned, less: Option<&Tuned>) -> Result<Self> {
        let sizes = MatrixKind::Product.places(tuned);
        let of = |place| {
            let Some(sum) = sum_of(tuned, less, place) else {
                return Ok(None);
            };
            let values = sum_singular_values(&sum);
            let norm = values.map_or(f64::NAN, |values| norm_of(&values));
            let sample = sampled_sum(&sum, THUMB_SIDE);
            Ok(sample.map(|sample| (sample, Some(norm))))
        };
        let mut grid = Self::of_heads(sizes, of)?;
        grid.is_sample = true;
        Ok(grid)
    }

    /// Every head of a state, or of its difference from another.
    ///
    /// # Errors
    /// None that a state which was read could have.
    pub fn new(tuned: &Tuned, less: Option<&Tuned>, kind: MatrixKind) -> Result<Self> {
        if kind == MatrixKind::Product {
            return Self::of_products(tuned, less);
        }
        // Q^T Z has the norm of Z and no more in it, but costs M / N times as much; so
        // the grid shows Z.
        let kind = match kind {
            MatrixKind::Lifted => MatrixKind::Z,
            other => other,
        };
        let head = |place| {
            let matrix = difference(tuned, less, place, kind)?;
            Ok(matrix.map(|matrix| (matrix, None)))
        };
        Self::of_heads(kind.places(tuned), head)
    }

    /// Every head after so many tokens of a text, which are those of a state that is
    /// known.
    ///
    /// # Errors
    /// None.
    pub fn of_text(heads: &EveryHead, n_tokens: usize) -> Result<Self> {
        Self::of_heads([heads.n_layer, heads.n_head], |Place { layer, head }| {
            let values = heads.head(n_tokens, layer, head);
            let matrix = values.map(|values| Matrix {
                values,
                columns: heads.key_size,
            });
            Ok(matrix.map(|matrix| (matrix, None)))
        })
    }

    /// Of what `matrix` gives for a place, with its norm where the numbers do not tell it.
    fn of_heads(
        [n_layer, n_head]: [usize; 2],
        matrix: impl Fn(Place) -> Result<Option<(Matrix, Option<f64>)>>,
    ) -> Result<Self> {
        let side = THUMB_SIDE.min(MAX_SIDE / n_layer.max(n_head).max(1)).max(1);
        let width = n_head * side;
        let mut values = vec![0.0; width * n_layer * side];
        let mut heads = Vec::with_capacity(n_layer * n_head);
        let mut square = 0.0;
        for layer in 0..n_layer {
            for head in 0..n_head {
                heads.push(matrix(Place { layer, head })?.map(|(matrix, norm)| {
                    let thumb = thumbnail(&matrix, [side, side]);
                    for (row, cells) in thumb.chunks_exact(side).enumerate() {
                        let start = (layer * side + row) * width + head * side;
                        values[start..start + side].copy_from_slice(cells);
                    }
                    let finite = matrix.values.iter().filter(|x| x.is_finite());
                    let own = || finite.map(|x| f64::from(*x).powi(2)).sum::<f64>().sqrt();
                    let norm = norm.unwrap_or_else(own);
                    square += norm * norm;
                    GridHead {
                        norm,
                        symmetric: Limits::of(Scale::Symmetric, &matrix.values),
                        sequential: Limits::of(Scale::Sequential, &matrix.values),
                    }
                }));
            }
        }
        Ok(Self {
            data: Arc::new(HeatmapData::tiles(values, width, [side, side])),
            heads,
            n_layer,
            n_head,
            norm: square.sqrt(),
            is_sample: false,
        })
    }

    /// A head, where it has such a matrix.
    pub fn head(&self, layer: usize, head: usize) -> Option<&GridHead> {
        self.heads.get(layer * self.n_head + head)?.as_ref()
    }

    /// The limits that show every head.
    pub fn limits(&self, scale: Scale) -> Limits {
        let all = self.heads.iter().flatten().map(|head| head.limits(scale));
        all.reduce(Limits::with).unwrap_or(Limits::symmetric(0.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::adapter::AdapterTarget;
    use crate::tuning::method::lora_values::{LoraFactors, LoraValues};
    use crate::tuning::states::state_file::TunedState;

    #[test]
    fn the_grid_has_every_head_and_the_difference_of_two_states() {
        let state = |x: f32| TunedState {
            n_layer: 2,
            n_head: 2,
            head_size: 2,
            key_size: 2,
            layers: vec![vec![1.0, 2.0, 3.0, 4.0, 0.0, 0.0, 0.0, -5.0], vec![x; 8]],
            shifts: None,
        };
        let (now, before) = (Tuned::from(state(0.5)), Tuned::from(state(0.0)));
        let grid = HeadGrid::new(&now, None, MatrixKind::S0).unwrap();
        assert_eq!(grid.limits(Scale::Symmetric), Limits::symmetric(5.0));
        let quiet = grid.head(1, 1).unwrap();
        assert_eq!((quiet.norm, quiet.symmetric), (1.0, Limits::symmetric(0.5)));
        let grid = HeadGrid::new(&now, Some(&before), MatrixKind::S0).unwrap();
        assert_eq!(grid.limits(Scale::Symmetric), Limits::symmetric(0.5));
        // A standard run has no R.
        let grid = HeadGrid::new(&now, None, MatrixKind::R).unwrap();
        assert!(grid.head(0, 0).is_none());
    }

    #[test]
    fn the_grid_of_products_has_their_norms_and_no_more_than_a_sample() {
        let adapters = |b: f32| {
            let state = TunedState {
                n_layer: 2,
                n_head: 1,
                head_size: 1,
                key_size: 1,
                layers: vec![vec![0.0]; 2],
                shifts: None,
            };
            let mut tuned = Tuned::from(state);
            tuned.lora = Some(LoraValues {
                layers: vec![1],
                rank: 1,
                alpha: 2.0,
                factors: vec![LoraFactors {
                    target: AdapterTarget::Value,
                    n_out: 100,
                    n_in: 4,
                    a: vec![0.0, 3.0, 0.0, 4.0],
                    b: [[b, 0.0].repeat(49), vec![0.0, b]].concat(),
                }],
            });
            tuned
        };
        let now = adapters(0.5);
        let grid = HeadGrid::new(&now, None, MatrixKind::Product).unwrap();
        assert_eq!((grid.n_layer, grid.n_head, grid.is_sample), (2, 6, true));
        let value = AdapterTarget::Value as usize;
        // alpha / rank |b| |a| with 50 numbers of one half in b.
        let want = 2.0 * (50.0_f64 * 0.25).sqrt() * 5.0;
        let norm = grid.head(1, value).unwrap().norm;
        assert!((norm - want).abs() < 1e-9 * want, "{norm} {want}");
        assert!((grid.norm - want).abs() < 1e-9 * want);
        assert!(grid.head(0, value).is_none() && grid.head(1, 0).is_none());
        // Less itself nothing is left, less a half of it the other half.
        let less = |other: &Tuned| {
            let grid = HeadGrid::new(&now, Some(other), MatrixKind::Product).unwrap();
            grid.head(1, value).unwrap().norm
        };
        assert!(less(&now) < 1e-9);
        assert!((less(&adapters(0.25)) - 0.5 * want).abs() < 1e-9 * want);
        // A and B are there with all their numbers.
        let grid = HeadGrid::new(&now, None, MatrixKind::A).unwrap();
        assert!(!grid.is_sample);
        assert_eq!(grid.head(1, value).unwrap().sequential.high, 4.0);
        assert_eq!(grid.head(1, value).unwrap().norm, 5.0);
    }
}
