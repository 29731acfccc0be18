//! Singular values of a matrix: the roots of the eigenvalues of the smaller of
//! its two Gram matrices, by Householder's tridiagonal form and the implicit QL
//! iteration (Golub and Van Loan, *Matrix Computations*, 8.3).

/// Rounds of the iteration for one eigenvalue; a handful do.
const MAX_ROUNDS: usize = 60;

/// The singular values of a row-major matrix, largest first; `min(rows,
/// columns)` of them. Those below 1e-8 of the largest are rounding. None where
/// a number is not finite.
pub fn singular_values(matrix: &[f32], columns: usize) -> Option<Vec<f64>> {
    let rows = matrix.len() / columns.max(1);
    let mut gram = gram(matrix, rows, columns);
    let n = rows.min(columns);
    let largest = gram.iter().fold(0.0, |most: f64, x| most.max(x.abs()));
    if !largest.is_finite() {
        return None;
    }
    let (mut diagonal, mut beside) = tridiagonal(&mut gram, n);
    eigenvalues(&mut diagonal, &mut beside)?;
    let mut values: Vec<f64> = diagonal.iter().map(|x| x.max(0.0).sqrt()).collect();
    values.sort_by(|a, b| b.total_cmp(a));
    Some(values)
}

/// `A A^T` or `A^T A`, the smaller one, row-major.
fn gram(matrix: &[f32], rows: usize, columns: usize) -> Vec<f64> {
    let n = rows.min(columns);
    let mut gram = vec![0.0; n * n];
    if rows <= columns {
        let wide: Vec<f64> = matrix.iter().map(|x| f64::from(*x)).collect();
        for i in 0..n {
            for j in 0..=i {
                let (a, b) = (
                    &wide[i * columns..][..columns],
                    &wide[j * columns..][..columns],
                );
                let dot = a.iter().zip(b).map(|(a, b)| a * b).sum();
                (gram[i * n + j], gram[j * n + i]) = (dot, dot);
            }
        }
        return gram;
    }
    for row in matrix.chunks_exact(columns) {
        for (sums, a) in gram.chunks_exact_mut(n).zip(row) {
            for (sum, b) in sums.iter_mut().zip(row) {
                *sum += f64::from(*a) * f64::from(*b);
            }
        }
    }
    gram
}

/// Reduces a symmetric matrix [n, n] to a tridiagonal one with the same
/// eigenvalues: its diagonal, and what stands beside it (the last is 0).
fn tridiagonal(a: &mut [f64], n: usize) -> (Vec<f64>, Vec<f64>) {
    let mut beside = vec![0.0; n];
    for k in 0..n.saturating_sub(2) {
        let column = |a: &[f64], i: usize| a[i * n + k];
        let square: f64 = (k + 1..n).map(|i| column(a, i).powi(2)).sum();
        let first = column(a, k + 1);
        let alpha = -square.sqrt().copysign(first);
        beside[k] = alpha;
        // v is the column with its first number moved by alpha; v^T v = 2 half.
        let half = square - first * alpha;
        if half <= 0.0 {
            continue;
        }
        let mut v: Vec<f64> = (k + 1..n).map(|i| column(a, i)).collect();
        v[0] -= alpha;
        let part = |i: usize| i * n + k + 1;
        let mut p: Vec<f64> = (k + 1..n)
            .map(|i| {
                let row = &a[part(i)..(i + 1) * n];
                row.iter().zip(&v).map(|(a, v)| a * v).sum::<f64>() / half
            })
            .collect();
        let along = p.iter().zip(&v).map(|(p, v)| p * v).sum::<f64>() / (2.0 * half);
        p.iter_mut().zip(&v).for_each(|(p, v)| *p -= along * v);
        for (idx, i) in (k + 1..n).enumerate() {
            let row = &mut a[i * n + k + 1..(i + 1) * n];
            for ((a, p_j), v_j) in row.iter_mut().zip(&p).zip(&v) {
                *a -= v[idx] * p_j + p[idx] * v_j;
            }
        }
    }
    if n > 1 {
        beside[n - 2] = a[(n - 1) * n + n - 2];
    }
    ((0..n).map(|i| a[i * n + i]).collect(), beside)
}

/// Turns the diagonal of a tridiagonal matrix into its eigenvalues.
fn eigenvalues(d: &mut [f64], e: &mut [f64]) -> Option<()> {
    let n = d.len();
    for l in 0..n {
        for round in 0.. {
            let is_small = |m: &usize| {
                let scale = d[*m].abs() + d[m + 1].abs();
                e[*m].abs() <= f64::EPSILON * scale
            };
            let m = (l..n - 1).find(is_small).unwrap_or(n - 1);
            if m == l {
                break;
            }
            if round == MAX_ROUNDS {
                return None;
            }
            let g = (d[l + 1] - d[l]) / (2.0 * e[l]);
            let mut g = d[m] - d[l] + e[l] / (g + g.hypot(1.0).copysign(g));
            let (mut s, mut c, mut p) = (1.0, 1.0, 0.0);
            let mut is_whole = true;
            for i in (l..m).rev() {
                let (f, b) = (s * e[i], c * e[i]);
                let r = f.hypot(g);
                e[i + 1] = r;
                if r == 0.0 {
                    d[i + 1] -= p;
                    e[m] = 0.0;
                    is_whole = false;
                    break;
                }
                (s, c) = (f / r, g / r);
                let shifted = d[i + 1] - p;
                let r = (d[i] - shifted) * s + 2.0 * c * b;
                p = s * r;
                d[i + 1] = shifted + p;
                g = c * r - b;
            }
            if is_whole {
                d[l] -= p;
                e[l] = g;
                e[m] = 0.0;
            }
        }
    }
    Some(())
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

    #[test]
    fn singular_values_of_known_matrices() {
        check(&[3.0, 0.0, 0.0, -4.0], 2, &[4.0, 3.0]);
        check(&[0.0; 9], 3, &[0.0; 3]);
        check(&[1.0; 6], 3, &[6.0_f64.sqrt(), 0.0]);
        check(&[1.0; 6], 2, &[6.0_f64.sqrt(), 0.0]);
        check(&[5.0], 1, &[5.0]);
        check(&[], 4, &[]);
        assert_eq!(singular_values(&[f32::NAN; 4], 2), None);
        assert_eq!(singular_values(&[f32::INFINITY, 1.0], 2), None);
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
