//! The numbers of heatmaps.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::tuning::inspect::head_matrices::Matrix;

/// Numbers on their way to the GPU, told apart by their own number.
#[derive(Debug)]
pub struct HeatmapData {
    /// Its own.
    pub(super) id: u64,
    /// Cells across.
    pub width: usize,
    /// Cells down.
    pub height: usize,
    /// Row-major.
    pub(super) values: Vec<f32>,
    /// Cells of a tile, across and down.
    pub(super) tile: [usize; 2],
}

impl HeatmapData {
    /// A matrix.
    pub fn new(matrix: &Matrix) -> Self {
        let tile = [matrix.columns.max(1), matrix.rows().max(1)];
        Self::tiles(matrix.values.clone(), matrix.columns, tile)
    }

    /// Matrices of one size, side by side and below each other.
    pub fn tiles(values: Vec<f32>, width: usize, tile: [usize; 2]) -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        Self {
            id: NEXT.fetch_add(1, Ordering::Relaxed),
            width,
            height: values.len() / width.max(1),
            values,
            tile,
        }
    }

    /// Tiles across and down.
    pub(super) fn n_tiles(&self) -> [usize; 2] {
        [self.width / self.tile[0], self.height / self.tile[1]]
    }
}
