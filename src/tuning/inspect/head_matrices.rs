//! The matrices of one head, or of one adapter, that the user looks at.

use super::trajectory::Place;
use crate::error::{Error, Result};
use crate::model::adapter::AdapterTarget;
use crate::tuning::method::lora_values::LoraValues;
use crate::tuning::method::projection_matrix::ProjectionMatrix;
use crate::tuning::method::tuned::Tuned;

/// A matrix of a head, or of the adapter beside a frozen matrix.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, Default, serde::Serialize, serde::Deserialize,
)]
pub enum MatrixKind {
    /// S_0, [value channel, key channel].
    #[default]
    S0,
    /// Z, [value channel, feature].
    Z,
    /// Q^T Z = L_0, [lifted channel, feature], of rank N at most.
    Lifted,
    /// R, [feature, feature].
    R,
    /// A of an adapter, [rank, input].
    A,
    /// B of an adapter, [output, rank].
    B,
    /// (alpha / rank) B A of an adapter, [output, input]: what is added to the frozen
    /// matrix.
    Product,
}

/// A matrix with its rows below each other.
#[derive(Debug, Clone, PartialEq)]
pub struct Matrix {
    /// Row-major.
    pub values: Vec<f32>,
    /// Numbers a row.
    pub columns: usize,
}

impl MatrixKind {
    /// Every kind, in the order in which they are shown.
    pub const ALL: [Self; 7] = [
        Self::S0,
        Self::Z,
        Self::Lifted,
        Self::R,
        Self::A,
        Self::B,
        Self::Product,
    ];
    /// Those of heads.
    pub const OF_HEADS: [Self; 4] = [Self::S0, Self::Z, Self::Lifted, Self::R];
    /// Those of adapters.
    pub const OF_ADAPTERS: [Self; 3] = [Self::A, Self::B, Self::Product];

    /// Whether it is of an adapter; then [`Place::head`] is the number of the frozen
    /// matrix in [`AdapterTarget::ALL`].
    pub fn is_of_adapter(self) -> bool {
        match self {
            Self::S0 | Self::Z | Self::Lifted | Self::R => false,
            Self::A | Self::B | Self::Product => true,
        }
    }

    /// The symbol, in letters that every system has.
    pub fn symbol(self) -> &'static str {
        match self {
            Self::S0 => "S_0",
            Self::Z => "Z",
            Self::Lifted => "Q^T Z",
            Self::R => "R",
            Self::A => "A",
            Self::B => "B",
            Self::Product => "B A",
        }
    }

    /// The symbol as a part of a file's name.
    pub fn file_name(self) -> &'static str {
        match self {
            Self::S0 => "S0",
            Self::Z => "Z",
            Self::Lifted => "QtZ",
            Self::R => "R",
            Self::A => "A",
            Self::B => "B",
            Self::Product => "BA",
        }
    }

    /// What its rows and columns are, to be translated where it is shown.
    pub fn axes(self) -> [&'static str; 2] {
        match self {
            Self::S0 => [mark!("value channel"), mark!("key channel")],
            Self::Z => [mark!("value channel"), mark!("feature")],
            Self::Lifted => [mark!("lifted channel"), mark!("feature")],
            Self::R => [mark!("feature"), mark!("feature")],
            Self::A => [mark!("rank"), mark!("input")],
            Self::B => [mark!("output"), mark!("rank")],
            Self::Product => [mark!("output"), mark!("input")],
        }
    }

    /// Layers, and heads of each or matrices that can have an adapter.
    pub fn places(self, tuned: &Tuned) -> [usize; 2] {
        let across = match self.is_of_adapter() {
            true => AdapterTarget::ALL.len(),
            false => tuned.state.n_head,
        };
        [tuned.state.n_layer, across]
    }

    /// The matrix of a head; none where this state has none there.
    ///
    /// # Errors
    /// [`Error::Spec`] for a place that the model does not have.
    pub fn of(self, tuned: &Tuned, place: Place) -> Result<Option<Matrix>> {
        let Tuned { state, lift, lora } = tuned;
        let Place { layer, head } = place;
        let [n_layer, n_across] = self.places(tuned);
        let across = match self.is_of_adapter() {
            true => "matrix",
            false => "head",
        };
        for (name, idx, n) in [("layer", layer, n_layer), (across, head, n_across)] {
            if idx >= n {
                let reason = tr!("must be 0 to {}, is {idx}", n.saturating_sub(1), idx);
                return Err(Error::spec(name, reason));
            }
        }
        let matrix = |values: &[f32], columns| Matrix {
            values: values.to_vec(),
            columns,
        };
        if self.is_of_adapter() {
            return Ok(lora.as_ref().and_then(|lora| self.of_adapter(lora, place)));
        }
        if self == Self::S0 {
            let values = state.head(layer, head);
            return Ok(values.map(|values| matrix(values, state.key_size)));
        }
        let Some(lift) = lift else { return Ok(None) };
        let Some(idx) = lift.layers.iter().position(|of| *of == layer) else {
            return Ok(None);
        };
        let m = lift.upscaled_size;
        Ok(match self {
            Self::S0 | Self::A | Self::B | Self::Product => None,
            Self::Z => lift.head_weights(idx, head).map(|z| matrix(z, m)),
            Self::R => lift.head_decorrelation(idx, head).map(|r| matrix(r, m)),
            Self::Lifted => match lift.head_weights(idx, head) {
                Some(z) => Some(lifted(z, lift.head_size, m, lift.projection_seed)?),
                None => None,
            },
        })
    }
}

impl MatrixKind {
    /// That of one adapter; none where there is no adapter, or it is of a head.
    fn of_adapter(self, lora: &LoraValues, place: Place) -> Option<Matrix> {
        let target = *AdapterTarget::ALL.get(place.head)?;
        let idx = lora.layers.iter().position(|of| *of == place.layer)?;
        let [a, b] = lora.factors_of(idx, target)?;
        let n_in = a.len() / lora.rank;
        let (values, columns) = match self {
            Self::S0 | Self::Z | Self::Lifted | Self::R => return None,
            Self::A => (a.to_vec(), n_in),
            Self::B => (b.to_vec(), lora.rank),
            Self::Product => (lora.product(idx, target)?, n_in),
        };
        Some(Matrix { values, columns })
    }
}

/// Q^T Z, [M, M], of Z [N, M].
///
/// # Errors
/// [`Error::Spec`] where M is below N.
pub fn lifted(z: &[f32], head_size: usize, upscaled_size: usize, seed: u64) -> Result<Matrix> {
    let projection = ProjectionMatrix::new(head_size, upscaled_size, seed)?;
    Ok(Matrix {
        values: projection.lifted_picture(z),
        columns: upscaled_size,
    })
}

impl Matrix {
    /// How many rows it has.
    pub fn rows(&self) -> usize {
        self.values.len() / self.columns.max(1)
    }

    /// This one less another of the same shape; none where the shapes differ.
    pub fn less(&self, other: &Self) -> Option<Self> {
        let is_alike = self.columns == other.columns && self.values.len() == other.values.len();
        is_alike.then(|| Self {
            values: (self.values.iter().zip(&other.values))
                .map(|(a, b)| a - b)
                .collect(),
            columns: self.columns,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tuning::inspect::matrix_statistics::MatrixStatistics;
    use crate::tuning::method::lora_values::LoraFactors;
    use crate::tuning::method::tuned::LiftValues;
    use crate::tuning::spec::LiftKind;
    use crate::tuning::states::state_file::TunedState;

    fn tuned(shares_r: bool) -> Tuned {
        let numbers = |n: usize, from: f32| (0..n).map(|i| from + i as f32).collect::<Vec<_>>();
        let (h, n, m) = (2, 2, 3);
        let n_matrices = if shares_r { 1 } else { h };
        Tuned {
            state: TunedState {
                n_layer: 2,
                n_head: h,
                head_size: n,
                key_size: n,
                layers: vec![numbers(8, 0.0), numbers(8, 100.0)],
                shifts: None,
            },
            lora: None,
            lift: Some(LiftValues {
                layers: vec![1],
                n_head: h,
                head_size: n,
                upscaled_size: m,
                kind: LiftKind::Constant,
                gate: None,
                projection_seed: 4,
                weights: numbers(h * n * m, 0.0),
                support_vectors: numbers(h * n * m, 0.0),
                gamma: vec![1.0; h],
                decorrelation: Some(numbers(n_matrices * m * m, 50.0)),
                mean: None,
            }),
        }
    }

    #[test]
    fn the_matrices_of_a_head_are_found() {
        let place = |layer, head| Place { layer, head };
        let own = tuned(false);
        let of = |kind: MatrixKind, tuned: &Tuned, layer, head| {
            kind.of(tuned, place(layer, head)).unwrap()
        };
        let first = |matrix: Option<Matrix>| matrix.map(|of| (of.values[0], of.rows(), of.columns));
        assert_eq!(first(of(MatrixKind::S0, &own, 1, 1)), Some((104.0, 2, 2)));
        assert_eq!(first(of(MatrixKind::Z, &own, 1, 1)), Some((6.0, 2, 3)));
        assert_eq!(first(of(MatrixKind::R, &own, 1, 1)), Some((59.0, 3, 3)));
        assert_eq!(
            first(of(MatrixKind::R, &tuned(true), 1, 1)),
            Some((50.0, 3, 3))
        );
        // Layer 0 has no branch.
        assert_eq!(of(MatrixKind::Z, &own, 0, 1), None);
        let error = MatrixKind::R.of(&own, place(1, 2)).unwrap_err().to_string();
        assert_eq!(error, "head: must be 0 to 1, is 2");
    }

    #[test]
    fn the_matrices_of_an_adapter_are_found_by_layer_and_name() {
        let mut own = tuned(false);
        own.lora = Some(LoraValues {
            layers: vec![1],
            rank: 2,
            alpha: 4.0,
            factors: vec![LoraFactors {
                target: AdapterTarget::FfnKey,
                n_out: 3,
                n_in: 2,
                a: vec![1.0, 2.0, 3.0, 4.0],
                b: vec![1.0, 0.0, 0.0, 1.0, -1.0, 2.0],
            }],
        });
        let of = |kind: MatrixKind, layer, target: AdapterTarget| {
            let head = target as usize;
            kind.of(&own, Place { layer, head }).unwrap()
        };
        let key = AdapterTarget::FfnKey;
        let sizes = MatrixKind::OF_ADAPTERS.map(|kind| {
            let matrix = of(kind, 1, key).unwrap();
            [matrix.rows(), matrix.columns]
        });
        assert_eq!(sizes, [[2, 2], [3, 2], [3, 2]]);
        // Rows of B times A, times alpha / rank = 2.
        let product = of(MatrixKind::Product, 1, key).unwrap();
        assert_eq!(product.values, [2.0, 4.0, 6.0, 8.0, 10.0, 12.0]);
        // Neither layer 0 nor another matrix has one, and a head is no adapter.
        assert_eq!(of(MatrixKind::A, 0, key), None);
        assert_eq!(of(MatrixKind::A, 1, AdapterTarget::FfnValue), None);
        assert_eq!(MatrixKind::A.places(&own), [2, 6]);
        assert_eq!(MatrixKind::S0.places(&own), [2, 2]);
        let error = MatrixKind::B.of(&own, Place { layer: 1, head: 6 });
        assert_eq!(
            error.unwrap_err().to_string(),
            "matrix: must be 0 to 5, is 6"
        );
        // A run without adapters has none.
        let place = Place { layer: 1, head: 0 };
        assert_eq!(MatrixKind::Product.of(&tuned(false), place).unwrap(), None);
    }

    #[test]
    fn the_lifted_picture_has_the_norm_of_z_and_at_most_its_rank() {
        let place = Place { layer: 1, head: 0 };
        let lifted = MatrixKind::Lifted
            .of(&tuned(false), place)
            .unwrap()
            .unwrap();
        let z = MatrixKind::Z.of(&tuned(false), place).unwrap().unwrap();
        let lifted = MatrixStatistics::of(&lifted.values, 3);
        let z = MatrixStatistics::of(&z.values, 3);
        assert!((lifted.norm - z.norm).abs() < 1e-5);
        assert_eq!(z.singular_values.len(), 2);
        assert!(lifted.singular_values[2] < 1e-6 * lifted.singular_values[0]);
    }

    #[test]
    fn a_difference_needs_one_shape() {
        let matrix = |values: [f32; 4], columns| Matrix {
            values: values.to_vec(),
            columns,
        };
        let a = matrix([1.0, 2.0, 3.0, 4.0], 2);
        let got = a.less(&matrix([1.0, 1.0, 1.0, 1.0], 2)).unwrap();
        assert_eq!(got.values, [0.0, 1.0, 2.0, 3.0]);
        assert_eq!(a.less(&matrix([1.0; 4], 4)), None);
    }
}
