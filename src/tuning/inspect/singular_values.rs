//! Singular values of a matrix.

use faer::MatRef;

/// The singular values of a row-major matrix, largest first; `min(rows,
/// columns)` of them, worked out in 64 bits. None where a number is not finite.
pub fn singular_values(matrix: &[f32], columns: usize) -> Option<Vec<f64>> {
    if matrix.iter().any(|x| !x.is_finite()) {
        return None;
    }
    let rows = matrix.len() / columns.max(1);
    let wide: Vec<f64> = matrix.iter().map(|x| f64::from(*x)).collect();
    let matrix = MatRef::from_row_major_slice(&wide, rows, columns);
    matrix.singular_values().ok()
}

/// The singular values of a row-major matrix with their left singular vectors, each of
/// as many numbers as there are rows; largest first, worked out in 64 bits. None where a
/// number is not finite.
pub fn singular_vectors(matrix: &[f32], columns: usize) -> Option<Vec<(f64, Vec<f32>)>> {
    if matrix.iter().any(|x| !x.is_finite()) {
        return None;
    }
    let rows = matrix.len() / columns.max(1);
    let wide: Vec<f64> = matrix.iter().map(|x| f64::from(*x)).collect();
    let matrix = MatRef::from_row_major_slice(&wide, rows, columns);
    let svd = matrix.thin_svd().ok()?;
    let (left, values) = (svd.U(), svd.S().column_vector());
    let vector = |idx: usize| (0..rows).map(|row| left[(row, idx)] as f32).collect();
    Some(
        (0..values.nrows())
            .map(|idx| (values[idx], vector(idx)))
            .collect(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::SplitMix64;

    fn check(matrix: &[f32], columns: usize, want: &[f64]) {
        let got = singular_values(matrix, columns).unwrap();
        assert_eq!(got.len(), want.len());
        for (got, want) in got.iter().zip(want) {
            assert!((got - want).abs() < 1e-6 * want.max(1.0), "{got} {want}");
        }
    }

    /// To a share of every value, however small it is.
    fn check_share(matrix: &[f32], columns: usize, want: &[f64]) {
        let got = singular_values(matrix, columns).unwrap();
        assert_eq!(got.len(), want.len());
        for (got, want) in got.iter().zip(want) {
            assert!((got / want - 1.0).abs() < 1e-12, "{got} {want}");
        }
    }

    #[test]
    fn singular_values_of_known_matrices() {
        check(&[3.0, 0.0, 0.0, -4.0], 2, &[4.0, 3.0]);
        check(&[0.0; 9], 3, &[0.0; 3]);
        check(&[1.0; 6], 3, &[6.0_f64.sqrt(), 0.0]);
        check(&[1.0; 6], 2, &[6.0_f64.sqrt(), 0.0]);
        check(&[5.0], 1, &[5.0]);
        check(&[], 4, &[]);
        // What is far below the largest one is no rounding.
        let small = 0.5_f32.powi(40);
        check_share(&[0.0, small, 1.0, 0.0], 2, &[1.0, f64::from(small)]);
        // Of [[1, 1], [0, 1]]: the golden ratio and its inverse.
        let golden = (1.0 + 5.0_f64.sqrt()) / 2.0;
        check_share(&[1.0, 1.0, 0.0, 1.0], 2, &[golden, 1.0 / golden]);
        assert_eq!(singular_values(&[f32::NAN; 4], 2), None);
        assert_eq!(singular_values(&[f32::INFINITY, 1.0], 2), None);
    }

    #[test]
    fn left_vectors_span_what_the_matrix_gives() {
        let mut random = SplitMix64::new(5);
        let (rows, columns) = (4, 7);
        let matrix: Vec<f32> = (0..rows * columns)
            .map(|_| random.share() as f32 - 0.5)
            .collect();
        let found = singular_vectors(&matrix, columns).unwrap();
        let values: Vec<f64> = found.iter().map(|(value, _)| *value).collect();
        let alone = singular_values(&matrix, columns).unwrap();
        for (a, b) in values.iter().zip(&alone) {
            assert!((a - b).abs() < 1e-9, "{a} {b}");
        }
        for (value, vector) in &found {
            // |u| = 1, and A^T u is as long as the singular value.
            let length: f32 = vector.iter().map(|x| x * x).sum();
            assert!((length - 1.0).abs() < 1e-5);
            let through = (0..columns).map(|column| {
                let of_row = |row: usize| vector[row] * matrix[row * columns + column];
                (0..rows).map(of_row).sum::<f32>().powi(2)
            });
            let through = f64::from(through.sum::<f32>()).sqrt();
            assert!((through - value).abs() < 1e-5, "{through} {value}");
        }
        assert!(singular_vectors(&[f32::NAN; 4], 2).is_none());
    }

    #[test]
    fn a_product_of_rotations_keeps_what_stands_between_them() {
        // Plane rotations of a diagonal matrix, so that its values are known.
        let (n, mut random) = (40, SplitMix64::new(3));
        let want: Vec<f64> = (0..n).map(|i| 1.5_f64.powi(-i)).collect();
        let n = n as usize;
        let mut matrix = vec![0.0_f64; n * n];
        for (i, value) in want.iter().enumerate() {
            matrix[i * n + i] = *value;
        }
        for _ in 0..400 {
            let (i, j) = (random.below(n), random.below(n));
            if i == j {
                continue;
            }
            let (s, c) = (random.share() * 6.0).sin_cos();
            for k in 0..n {
                let (a, b) = (matrix[i * n + k], matrix[j * n + k]);
                (matrix[i * n + k], matrix[j * n + k]) = (c * a - s * b, s * a + c * b);
            }
            for k in 0..n {
                let (a, b) = (matrix[k * n + j], matrix[k * n + i]);
                (matrix[k * n + j], matrix[k * n + i]) = (c * a - s * b, s * a + c * b);
            }
        }
        let matrix: Vec<f32> = matrix.iter().map(|x| *x as f32).collect();
        check(&matrix, n, &want);
        // A matrix and its transpose have the same ones.
        let wide = &matrix[..n * 8];
        let tall: Vec<f32> = (0..n * 8).map(|idx| wide[idx % 8 * n + idx / 8]).collect();
        check(&tall, 8, &singular_values(wide, n).unwrap());
    }
}
