//! What the view of states draws: a matrix with its numbers, and the grid of
//! all heads. Made beside the window, for singular values take their time.

use std::sync::Arc;

use crate::colormap::{Limits, Scale};
use crate::error::Result;
use crate::report::{Cell, Table};
use crate::tuning::inspect::every_head::EveryHead;
use crate::tuning::inspect::head_matrices::{Matrix, MatrixKind, lifted};
use crate::tuning::inspect::matrix_statistics::MatrixStatistics;
use crate::tuning::inspect::trajectory::{Place, Trajectory};
use crate::tuning::method::tuned::Tuned;
use crate::ui::widgets::heatmap_data::HeatmapData;

/// Cells of a head in the grid of all, a side.
const THUMB_SIDE: usize = 64;
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

impl MatrixImage {
    pub fn new(matrix: Matrix) -> Self {
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
            statistics: MatrixStatistics::of(&matrix.values, matrix.columns),
            data: Arc::new(HeatmapData::new(&matrix)),
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
        Ok(difference(tuned, less, place, kind)?.map(Self::new))
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

fn difference(
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

impl HeadGrid {
    /// Every head of a state, or of its difference from another.
    ///
    /// # Errors
    /// None that a state which was read could have.
    pub fn new(tuned: &Tuned, less: Option<&Tuned>, kind: MatrixKind) -> Result<Self> {
        let (n_layer, n_head) = (tuned.state.n_layer, tuned.state.n_head);
        // Q^T Z has the norm of Z and no more in it, but costs M / N times as much; so
        // the grid shows Z.
        let kind = match kind {
            MatrixKind::Lifted => MatrixKind::Z,
            other => other,
        };
        let head = |layer, head| difference(tuned, less, Place { layer, head }, kind);
        Self::of_heads(n_layer, n_head, head)
    }

    /// Every head after so many tokens of a text, which are those of a state that is
    /// known.
    ///
    /// # Errors
    /// None.
    pub fn of_text(heads: &EveryHead, n_tokens: usize) -> Result<Self> {
        Self::of_heads(heads.n_layer, heads.n_head, |layer, head| {
            let values = heads.head(n_tokens, layer, head);
            Ok(values.map(|values| Matrix {
                values,
                columns: heads.key_size,
            }))
        })
    }

    fn of_heads(
        n_layer: usize,
        n_head: usize,
        matrix: impl Fn(usize, usize) -> Result<Option<Matrix>>,
    ) -> Result<Self> {
        let side = THUMB_SIDE.min(MAX_SIDE / n_layer.max(n_head).max(1)).max(1);
        let width = n_head * side;
        let mut values = vec![0.0; width * n_layer * side];
        let mut heads = Vec::with_capacity(n_layer * n_head);
        let mut square = 0.0;
        for layer in 0..n_layer {
            for head in 0..n_head {
                heads.push(matrix(layer, head)?.map(|matrix| {
                    let thumb = thumbnail(&matrix, side);
                    for (row, cells) in thumb.chunks_exact(side).enumerate() {
                        let start = (layer * side + row) * width + head * side;
                        values[start..start + side].copy_from_slice(cells);
                    }
                    let finite = matrix.values.iter().filter(|x| x.is_finite());
                    let own: f64 = finite.map(|x| f64::from(*x).powi(2)).sum();
                    square += own;
                    GridHead {
                        norm: own.sqrt(),
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

/// A matrix in `side` x `side` cells, of which each shows the number of largest
/// magnitude in its part; smaller matrices are stretched.
fn thumbnail(matrix: &Matrix, side: usize) -> Vec<f32> {
    let (n_rows, n_columns) = (matrix.rows(), matrix.columns);
    let part = |idx: usize, n: usize| {
        let start = idx * n / side;
        start..((idx + 1) * n / side).max(start + 1)
    };
    let mut cells = Vec::with_capacity(side * side);
    for row in 0..side {
        for column in 0..side {
            let rows = part(row, n_rows);
            let all = rows.flat_map(|row| {
                let start = row * n_columns;
                part(column, n_columns).map(move |column| matrix.values[start + column])
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
    use crate::tuning::states::state_file::TunedState;

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
        let small = thumbnail(&matrix(&values, 6), 2);
        assert_eq!(small, [-7.0, 0.1, 0.1, 0.1]);
        let large = thumbnail(&matrix(&[1.0, 2.0, 3.0, 4.0], 2), 4);
        assert_eq!(large[..4], [1.0, 1.0, 2.0, 2.0]);
        assert!(thumbnail(&matrix(&[f32::NAN; 4], 2), 2)[0].is_nan());
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
}
