//! How the units of a cube share a state.

/// How a cube is laid out: columns a unit and rows a cube.
#[derive(Clone, Copy)]
pub(super) struct Layout {
    pub n_columns: usize,
    pub n_rows: usize,
}

/// Units of a cube that every adapter has.
const MAX_UNITS: usize = 256;
/// Numbers of the state that a unit holds.
const MAX_WIDTH: usize = 32;

impl Layout {
    /// For a state of n x m, n a multiple of 16 and m one up to 1024.
    pub fn new(n: usize, m: usize) -> Self {
        let n_columns = m.div_ceil(MAX_UNITS).next_power_of_two();
        let fits = |rows: &usize| {
            rows * n_columns <= MAX_WIDTH
                && (m / n_columns).is_multiple_of(*rows)
                && n.is_multiple_of(*rows)
        };
        let n_rows = [32, 16, 8, 4].into_iter().find(fits).unwrap_or(1);
        Self { n_columns, n_rows }
    }
}
