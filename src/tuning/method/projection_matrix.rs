//! Q: the fixed random map from the M lifted channels back to the N value
//! channels of a head (arXiv 2504.05097, section 3.2, step 5).

use crate::error::{Error, Result};
use crate::random::SplitMix64;

/// Stirred into the seed, so that Q and the support vectors of one seed differ.
const STREAM: u64 = 0x51D0_7E2A_9C44_B1F7;

/// Q [N, M] with orthonormal rows, `Q Q^T = I`, the same for all heads. It acts
/// on rows of a lifted state only, so Z = Q L [N, M] holds all that a run
/// trains, and Q itself is needed only to show `Q^T Z`, the M x M picture,
/// whose rank is at most N.
#[derive(Debug, Clone, PartialEq)]
pub struct ProjectionMatrix {
    /// N.
    pub head_size: usize,
    /// M.
    pub upscaled_size: usize,
    /// Row-major, [N, M].
    pub values: Vec<f32>,
}

impl ProjectionMatrix {
    /// The matrix of a seed: rows of normal numbers, made orthonormal.
    ///
    /// # Errors
    /// [`Error::Spec`] where M is below N, so that no such rows exist.
    pub fn new(head_size: usize, upscaled_size: usize, seed: u64) -> Result<Self> {
        if upscaled_size < head_size {
            let reason = tr!(
                "must be at least the head size, {head_size}, is {upscaled_size}",
                head_size,
                upscaled_size
            );
            return Err(Error::spec("method.features.upscaled_size", reason));
        }
        let mut random = SplitMix64::new(seed ^ STREAM);
        let mut rows: Vec<Vec<f64>> = Vec::with_capacity(head_size);
        while rows.len() < head_size {
            let drawn = (0..upscaled_size).map(|_| random.normal()).collect();
            // Of what lies in the others' span nothing is left; draw again.
            rows.extend(orthonormal(drawn, &rows));
        }
        let values = rows.iter().flatten().map(|x| *x as f32).collect();
        Ok(Self {
            head_size,
            upscaled_size,
            values,
        })
    }

    /// `Q^T Z`, [M, M] row-major, of one head's Z [N, M]: for viewing.
    pub fn lifted_picture(&self, z: &[f32]) -> Vec<f32> {
        let m = self.upscaled_size;
        let mut picture = vec![0.0; m * m];
        for (q, z) in self.values.chunks_exact(m).zip(z.chunks_exact(m)) {
            for (row, q) in picture.chunks_exact_mut(m).zip(q) {
                for (out, z) in row.iter_mut().zip(z) {
                    *out += q * z;
                }
            }
        }
        picture
    }
}

/// `row` of length 1 at right angles to `others`; none where it is in their span.
fn orthonormal(mut row: Vec<f64>, others: &[Vec<f64>]) -> Option<Vec<f64>> {
    // Twice, for the first pass leaves rounding errors of the size of |row|.
    for _ in 0..2 {
        for other in others {
            let along: f64 = row.iter().zip(other).map(|(a, b)| a * b).sum();
            for (x, other) in row.iter_mut().zip(other) {
                *x -= along * other;
            }
        }
    }
    let norm = row.iter().map(|x| x * x).sum::<f64>().sqrt();
    (norm > 1e-6).then(|| row.iter().map(|x| x / norm).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_orthonormal_and_fixed_by_the_seed() {
        for (n, m) in [(16, 16), (16, 64), (64, 256)] {
            let q = ProjectionMatrix::new(n, m, 7).unwrap();
            for i in 0..n {
                for j in 0..=i {
                    let of = |row: usize| &q.values[row * m..][..m];
                    let dot: f32 = of(i).iter().zip(of(j)).map(|(a, b)| a * b).sum();
                    let want = if i == j { 1.0 } else { 0.0 };
                    assert!((dot - want).abs() < 1e-5, "{n} {m}: {i} {j} {dot}");
                }
            }
            assert_eq!(q, ProjectionMatrix::new(n, m, 7).unwrap());
            assert_ne!(q, ProjectionMatrix::new(n, m, 8).unwrap());
        }
    }

    #[test]
    fn the_projection_of_the_picture_is_z() {
        let (n, m) = (16, 32);
        let q = ProjectionMatrix::new(n, m, 1).unwrap();
        let z: Vec<f32> = (0..n * m).map(|i| (i as f32).sin()).collect();
        let picture = q.lifted_picture(&z);
        for row in 0..n {
            for column in 0..m {
                let back: f32 = (0..m)
                    .map(|k| q.values[row * m + k] * picture[k * m + column])
                    .sum();
                assert!((back - z[row * m + column]).abs() < 1e-5);
            }
        }
    }

    #[test]
    fn fewer_features_than_channels_are_refused() {
        let error = ProjectionMatrix::new(64, 48, 0).unwrap_err().to_string();
        let want = "method.features.upscaled_size: must be at least the head size, 64, is 48";
        assert_eq!(error, want);
    }
}
