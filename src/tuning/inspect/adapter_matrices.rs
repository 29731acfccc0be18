//! What adapters add to their frozen matrices, `(alpha / rank) B A`, in a few numbers
//! and small pictures that never form the product: it is as large as the matrix, and
//! its singular values and its norm follow from the thin factors.

use faer::Mat;

use super::head_matrices::Matrix;
use super::trajectory::Place;
use crate::model::adapter::AdapterTarget;
use crate::tuning::method::lora_values::LoraValues;
use crate::tuning::method::tuned::Tuned;

/// The factors of one adapter.
#[derive(Debug, Clone, Copy)]
pub struct AdapterFactors<'a> {
    /// A, [rank, in].
    pub a: &'a [f32],
    /// B, [out, rank].
    pub b: &'a [f32],
    /// Rows of A and columns of B.
    pub rank: usize,
    /// alpha / rank.
    pub scale: f64,
}

impl<'a> AdapterFactors<'a> {
    /// Those beside one matrix of a layer of the model; none where there is no adapter.
    pub fn new(lora: &'a LoraValues, layer: usize, target: AdapterTarget) -> Option<Self> {
        let idx = lora.layers.iter().position(|of| *of == layer)?;
        let [a, b] = lora.factors_of(idx, target)?;
        Some(Self {
            a,
            b,
            rank: lora.rank,
            scale: lora.alpha / lora.rank as f64,
        })
    }

    /// Those at a place as [`super::head_matrices::MatrixKind`] counts the places of
    /// adapters.
    pub fn at(tuned: &'a Tuned, place: Place) -> Option<Self> {
        let target = *AdapterTarget::ALL.get(place.head)?;
        Self::new(tuned.lora.as_ref()?, place.layer, target)
    }

    /// The same with the product times -1.
    #[must_use]
    pub fn negated(mut self) -> Self {
        self.scale = -self.scale;
        self
    }

    /// Outputs and inputs of the matrix that it stands beside.
    pub fn dims(&self) -> [usize; 2] {
        [self.b.len() / self.rank, self.a.len() / self.rank]
    }
}

/// The singular values of a sum of products of adapters beside one matrix, the largest
/// first: as many as the ranks together, which is the most that are not zero, or as the
/// smaller side where that is less. Worked out in 64 bits. None where a number is not
/// finite or the sizes differ.
///
/// With `B = Q R` and `A^T = P T`, `B A = Q (R T^T) P^T` has the singular values of the
/// small matrix in the middle.
pub fn sum_singular_values(sum: &[AdapterFactors<'_>]) -> Option<Vec<f64>> {
    let [n_out, n_in] = sum.first()?.dims();
    let mut numbers = sum.iter().flat_map(|of| of.a.iter().chain(of.b));
    if !numbers.all(|x| x.is_finite()) || sum.iter().any(|of| of.dims() != [n_out, n_in]) {
        return None;
    }
    let rank = sum.iter().map(|of| of.rank).sum();
    // Where a column of the sum is: whose it is, and which of its own.
    let columns = sum
        .iter()
        .flat_map(|of| (0..of.rank).map(move |idx| (of, idx)));
    let columns: Vec<(&AdapterFactors<'_>, usize)> = columns.collect();
    let b = Mat::from_fn(n_out, rank, |row: usize, column: usize| {
        let (of, idx) = columns[column];
        of.scale * f64::from(of.b[row * of.rank + idx])
    });
    let a = Mat::from_fn(n_in, rank, |row: usize, column: usize| {
        let (of, idx) = columns[column];
        f64::from(of.a[idx * n_in + row])
    });
    let (b, a) = (b.qr(), a.qr());
    let middle: Mat<f64> = b.thin_R() * a.thin_R().transpose();
    middle.singular_values().ok()
}

/// The norm of what has these singular values.
pub fn norm_of(singular_values: &[f64]) -> f64 {
    singular_values.iter().map(|of| of * of).sum::<f64>().sqrt()
}

/// A sum of products of adapters beside one matrix in `side` x `side` cells or as many
/// as it has: each is the number in the middle of its part.
pub fn sampled_sum(sum: &[AdapterFactors<'_>], side: usize) -> Option<Matrix> {
    let [n_out, n_in] = sum.first()?.dims();
    if sum.iter().any(|of| of.dims() != [n_out, n_in]) {
        return None;
    }
    let middles = |n: usize| -> Vec<usize> {
        let n_cells = side.min(n);
        (0..n_cells)
            .map(|idx| (2 * idx + 1) * n / (2 * n_cells))
            .collect()
    };
    let (rows, columns) = (middles(n_out), middles(n_in));
    let number = |row: usize, column: usize| -> f32 {
        let of_one = |of: &AdapterFactors<'_>| {
            let b = &of.b[row * of.rank..(row + 1) * of.rank];
            let a = of.a.iter().skip(column).step_by(n_in);
            let products = b.iter().zip(a).map(|(b, a)| f64::from(*b) * f64::from(*a));
            of.scale * products.sum::<f64>()
        };
        sum.iter().map(of_one).sum::<f64>() as f32
    };
    let cells = rows
        .iter()
        .flat_map(|row| columns.iter().map(move |column| (*row, *column)));
    Some(Matrix {
        values: cells.map(|(row, column)| number(row, column)).collect(),
        columns: columns.len(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::SplitMix64;
    use crate::tuning::inspect::singular_values::singular_values;

    struct Own {
        a: Vec<f32>,
        b: Vec<f32>,
        rank: usize,
        scale: f64,
    }

    impl Own {
        fn random(seed: u64, [n_out, n_in]: [usize; 2], rank: usize, scale: f64) -> Self {
            let mut random = SplitMix64::new(seed);
            let mut numbers = |n: usize| (0..n).map(|_| random.uniform()).collect();
            Self {
                a: numbers(rank * n_in),
                b: numbers(n_out * rank),
                rank,
                scale,
            }
        }

        fn factors(&self) -> AdapterFactors<'_> {
            let Self { a, b, rank, scale } = self;
            AdapterFactors {
                a,
                b,
                rank: *rank,
                scale: *scale,
            }
        }
    }

    /// The product, number by number.
    fn product(sum: &[&Own], [n_out, n_in]: [usize; 2]) -> Vec<f32> {
        let mut all = vec![0.0_f64; n_out * n_in];
        for of in sum {
            for (place, number) in all.iter_mut().enumerate() {
                let (row, column) = (place / n_in, place % n_in);
                for idx in 0..of.rank {
                    let (b, a) = (of.b[row * of.rank + idx], of.a[idx * n_in + column]);
                    *number += of.scale * f64::from(b) * f64::from(a);
                }
            }
        }
        all.into_iter().map(|x| x as f32).collect()
    }

    /// The thin way finds what the whole product has, and the rest of that is zero.
    fn check(sum: &[&Own], dims: [usize; 2]) {
        let factors: Vec<_> = sum.iter().map(|of| of.factors()).collect();
        let got = sum_singular_values(&factors).unwrap();
        let whole = product(sum, dims);
        let want = singular_values(&whole, dims[1]).unwrap();
        let rank: usize = sum.iter().map(|of| of.rank).sum();
        assert_eq!(got.len(), rank.min(dims[0]).min(dims[1]));
        for (idx, want) in want.iter().enumerate() {
            let got = got.get(idx).copied().unwrap_or(0.0);
            assert!(
                (got - want).abs() < 1e-5 * want.max(1.0),
                "{idx}: {got} {want}"
            );
        }
        let square: f64 = whole.iter().map(|x| f64::from(*x).powi(2)).sum();
        assert!((norm_of(&got) - square.sqrt()).abs() < 1e-4);
    }

    #[test]
    fn singular_values_of_the_factors_are_those_of_the_product() {
        for (dims, rank) in [([9, 6], 2), ([6, 9], 3), ([5, 4], 1), ([3, 8], 5)] {
            let own = Own::random(dims[0] as u64, dims, rank, 1.5);
            check(&[&own], dims);
            let mut other = Own::random(77, dims, 2, 0.5);
            other.scale = -other.scale;
            check(&[&own, &other], dims);
        }
        // What is taken from itself is nothing.
        let own = Own::random(5, [7, 6], 2, 2.0);
        let nothing = [own.factors(), own.factors().negated()];
        assert!(norm_of(&sum_singular_values(&nothing).unwrap()) < 1e-9);
        let mut broken = Own::random(5, [7, 6], 2, 2.0);
        broken.b[3] = f32::NAN;
        assert_eq!(sum_singular_values(&[broken.factors()]), None);
        let other = Own::random(5, [6, 7], 2, 2.0);
        assert_eq!(sum_singular_values(&[own.factors(), other.factors()]), None);
        assert_eq!(sum_singular_values(&[]), None);
    }

    #[test]
    fn a_sample_holds_numbers_of_the_product() {
        let dims = [6, 10];
        let own = Own::random(3, dims, 2, 0.25);
        let whole = product(&[&own], dims);
        // Two rows and two columns: the middles of the halves.
        let small = sampled_sum(&[own.factors()], 2).unwrap();
        let want = [(1, 2), (1, 7), (4, 2), (4, 7)].map(|(row, column)| whole[row * 10 + column]);
        assert_eq!((small.values.as_slice(), small.columns), (&want[..], 2));
        // A small one is all there.
        let all = sampled_sum(&[own.factors()], 64).unwrap();
        assert_eq!((all.values, all.columns), (whole, 10));
    }
}
