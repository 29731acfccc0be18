//! A matrix with its numbers, as the view of states draws it. Made beside the window,
//! for singular values take their time.

use std::sync::Arc;

use crate::colormap::{Limits, Scale};
use crate::error::Result;
use crate::report::{Cell, Table};
use crate::tuning::inspect::adapter_matrices::{AdapterFactors, sum_singular_values};
use crate::tuning::inspect::head_matrices::{Matrix, MatrixKind, lifted};
use crate::tuning::inspect::matrix_statistics::MatrixStatistics;
use crate::tuning::inspect::trajectory::{Place, Trajectory};
use crate::tuning::method::tuned::Tuned;
use crate::ui::widgets::heatmap_data::HeatmapData;

/// Cells that every GPU can have at a side of a texture.
const MAX_SIDE: usize = 8192;

/// A matrix and its numbers.
#[derive(Debug)]
pub(crate) struct MatrixImage {
    pub matrix: Matrix,
    pub statistics: MatrixStatistics,
    pub data: Arc<HeatmapData>,
    /// Root mean square of every row and column.
    pub rows: Vec<f32>,
    pub columns: Vec<f32>,
}

impl MatrixImage {
    pub fn new(matrix: Matrix) -> Self {
        let statistics = MatrixStatistics::of(&matrix.values, matrix.columns);
        Self::with(matrix, statistics)
    }

    fn with(matrix: Matrix, statistics: MatrixStatistics) -> Self {
        let (n_rows, n_columns) = (matrix.rows().max(1), matrix.columns.max(1));
        let square = |x: &f32| if x.is_finite() { x * x } else { 0.0 };
        let root = |sum: f32, n: usize| (sum / n as f32).sqrt();
        let mut columns = vec![0.0; n_columns];
        let mut rows = Vec::with_capacity(n_rows);
        for row in matrix.values.chunks_exact(n_columns) {
            rows.push(root(row.iter().map(square).sum(), n_columns));
            for (sum, x) in columns.iter_mut().zip(row) {
                *sum += square(x);
            }
        }
        columns.iter_mut().for_each(|sum| *sum = root(*sum, n_rows));
        Self {
            statistics,
            data: Arc::new(drawable(&matrix)),
            matrix,
            rows,
            columns,
        }
    }

    /// A head of a state, or its difference from another; none where there is
    /// no such matrix.
    pub fn of_state(
        tuned: &Tuned,
        less: Option<&Tuned>,
        place: Place,
        kind: MatrixKind,
    ) -> Result<Option<Self>> {
        let Some(matrix) = difference(tuned, less, place, kind)? else {
            return Ok(None);
        };
        if kind != MatrixKind::Product {
            return Ok(Some(Self::new(matrix)));
        }
        // Those of a matrix as large as a model's own would take seconds.
        let values = sum_of(tuned, less, place).and_then(|sum| sum_singular_values(&sum));
        let values = values.unwrap_or_default();
        let statistics = MatrixStatistics::with(&matrix.values, values);
        Ok(Some(Self::with(matrix, statistics)))
    }

    /// The state of a head after so many tokens: S_t, or L_t.
    pub fn of_text(of: &Trajectory, n_tokens: usize, kind: MatrixKind) -> Result<Option<Self>> {
        let matrix = match (kind, of.lifted_at(n_tokens), &of.lifted) {
            (MatrixKind::S0, ..) => of.states.get(n_tokens).map(|state| Matrix {
                values: state.clone(),
                columns: of.key_size,
            }),
            (MatrixKind::Z, Some(values), Some(own)) => Some(Matrix {
                values,
                columns: own.upscaled_size,
            }),
            (MatrixKind::Lifted, Some(z), Some(own)) => Some(lifted(
                &z,
                of.head_size,
                own.upscaled_size,
                own.projection_seed,
            )?),
            (MatrixKind::Z | MatrixKind::Lifted | MatrixKind::R, ..) => None,
            // They are the same after every token.
            (MatrixKind::A | MatrixKind::B | MatrixKind::Product, ..) => None,
        };
        Ok(matrix.map(Self::new))
    }

    /// The limits that show all of it.
    pub fn limits(&self, scale: Scale) -> Limits {
        Limits::of(scale, &self.matrix.values)
    }

    /// Every number, one row of the matrix a row, under the numbers of its columns.
    /// `title` says which matrix it is, `axes` what its rows and columns are.
    pub fn table(&self, title: &str, axes: [&str; 2]) -> Table {
        let [of_row, of_column] = axes;
        let columns = (0..self.matrix.columns).map(|column| column.to_string());
        let first = [format!("{of_row} \\ {of_column}")];
        let mut table = Table::new(title, first.into_iter().chain(columns));
        let rows = self.matrix.values.chunks_exact(self.matrix.columns.max(1));
        for (row, values) in rows.enumerate() {
            let numbers = values.iter().map(|x| Cell::number(f64::from(*x), 5));
            table.push([Cell::Count(row as u64)].into_iter().chain(numbers));
        }
        table
    }

    /// A number, where there is one.
    pub fn value(&self, row: usize, column: usize) -> Option<f32> {
        let idx = row * self.matrix.columns + column;
        self.matrix.values.get(idx).copied()
    }
}

/// A matrix, or its difference from that of another; none where either is not there.
pub(super) fn difference(
    tuned: &Tuned,
    less: Option<&Tuned>,
    place: Place,
    kind: MatrixKind,
) -> Result<Option<Matrix>> {
    let Some(matrix) = kind.of(tuned, place)? else {
        return Ok(None);
    };
    let Some(less) = less else {
        return Ok(Some(matrix));
    };
    let other = kind.of(less, place)?;
    Ok(other.and_then(|other| matrix.less(&other)))
}

/// The factors of an adapter, and those of the one that is taken off it.
pub(super) fn sum_of<'a>(
    tuned: &'a Tuned,
    less: Option<&'a Tuned>,
    place: Place,
) -> Option<Vec<AdapterFactors<'a>>> {
    let own = AdapterFactors::at(tuned, place)?;
    match less {
        None => Some(vec![own]),
        Some(less) => Some(vec![own, AdapterFactors::at(less, place)?.negated()]),
    }
}

/// The numbers as a GPU can draw them: of sides that are too long, the number of largest
/// magnitude in each part.
fn drawable(matrix: &Matrix) -> HeatmapData {
    let sides = [matrix.rows(), matrix.columns];
    if sides.iter().all(|n| *n <= MAX_SIDE) {
        return HeatmapData::new(matrix);
    }
    let [rows, columns] = sides.map(|n| n.min(MAX_SIDE));
    let values = thumbnail(matrix, [rows, columns]);
    HeatmapData::new(&Matrix { values, columns })
}

/// A matrix in so many rows and columns of cells, of which each shows the number of
/// largest magnitude in its part; smaller matrices are stretched.
pub(super) fn thumbnail(matrix: &Matrix, [height, width]: [usize; 2]) -> Vec<f32> {
    let (n_rows, n_columns) = (matrix.rows(), matrix.columns);
    let part = |idx: usize, n: usize, n_parts: usize| {
        let start = idx * n / n_parts;
        start..((idx + 1) * n / n_parts).max(start + 1)
    };
    let mut cells = Vec::with_capacity(height * width);
    for row in 0..height {
        for column in 0..width {
            let rows = part(row, n_rows, height);
            let all = rows.flat_map(|row| {
                let start = row * n_columns;
                part(column, n_columns, width).map(move |column| matrix.values[start + column])
            });
            let most = |a: f32, b: f32| if b.abs() <= a.abs() { a } else { b };
            cells.push(all.fold(0.0, most));
        }
    }
    cells
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::TableFormat;

    fn matrix(values: &[f32], columns: usize) -> Matrix {
        Matrix {
            values: values.to_vec(),
            columns,
        }
    }

    #[test]
    fn thumbnails_never_lose_the_largest_number() {
        let mut values = vec![0.1; 36];
        values[14] = -7.0;
        let small = thumbnail(&matrix(&values, 6), [2, 2]);
        assert_eq!(small, [-7.0, 0.1, 0.1, 0.1]);
        let large = thumbnail(&matrix(&[1.0, 2.0, 3.0, 4.0], 2), [4, 4]);
        assert_eq!(large[..4], [1.0, 1.0, 2.0, 2.0]);
        assert!(thumbnail(&matrix(&[f32::NAN; 4], 2), [2, 2])[0].is_nan());
    }

    #[test]
    fn a_matrix_is_a_table_with_every_number_in_full() {
        let shown = MatrixImage::new(matrix(&[0.1, -2.5, f32::NAN, 1e-30], 2));
        let table = shown.table("S_0", ["value channel", "key channel"]);
        let csv = table.render(TableFormat::Csv);
        let lines: Vec<&str> = csv.lines().collect();
        assert_eq!(lines[0], "value channel \\ key channel,0,1");
        let numbers = |line: &str| -> Vec<f32> {
            let cells = line.split(',').skip(1);
            cells.map(|cell| cell.parse().unwrap_or(f32::NAN)).collect()
        };
        assert_eq!(numbers(lines[1]), [0.1, -2.5]);
        assert!(numbers(lines[2])[0].is_nan() && numbers(lines[2])[1] == 1e-30);
    }

    #[test]
    fn profiles_are_root_mean_squares() {
        let shown = MatrixImage::new(matrix(&[3.0, 4.0, 0.0, 0.0], 2));
        assert_eq!(shown.rows, [12.5_f32.sqrt(), 0.0]);
        assert_eq!(shown.columns, [4.5_f32.sqrt(), 8.0_f32.sqrt()]);
        assert_eq!(shown.value(0, 1), Some(4.0));
        assert_eq!(shown.value(2, 0), None);
    }

    #[test]
    fn sides_that_no_texture_has_are_drawn_in_parts() {
        let mut values = vec![0.0; MAX_SIDE + 2];
        values[MAX_SIDE] = -3.0;
        let image = MatrixImage::new(matrix(&values, MAX_SIDE + 2));
        assert_eq!((image.data.width, image.data.height), (MAX_SIDE, 1));
        assert_eq!(image.value(0, MAX_SIDE), Some(-3.0));
        let row = thumbnail(&image.matrix, [1, MAX_SIDE]);
        assert_eq!(row.iter().filter(|x| **x == -3.0).count(), 1);
    }
}
