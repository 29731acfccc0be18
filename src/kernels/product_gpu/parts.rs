//! Sums of the parts of a product whose terms were cut up.

use cubecl::prelude::*;

/// Four columns of a row.
type Four = Vector<f32, Const<4>>;

/// Units of a cube.
pub const UNITS: usize = 256;

/// `parts` [n_parts, total fours] → `out` [total fours].
#[cube(launch_unchecked)]
pub fn add_up(parts: &Tensor<Four>, out: &mut Tensor<Four>, total: usize, n_parts: usize) {
    let place = CUBE_POS * UNITS + UNIT_POS_X as usize;
    if place < total {
        let mut sum = parts[place];
        for part in 1..n_parts {
            sum += parts[part * total + place];
        }
        out[place] = sum;
    }
}
