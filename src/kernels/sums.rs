//! Sums over the units of a cube, through shared memory: planes are not to be
//! had on every device.

use cubecl::prelude::*;

/// Units of a cube of the element-wise kernels.
pub const UNITS: usize = 64;

/// Four sums at once over groups of `group` neighbouring units, given to every
/// unit of the group. `scratch` has a place for every unit and may be used
/// again behind the next barrier.
#[cube]
pub fn group_sums(
    values: Vector<f32, Const<4>>,
    scratch: &mut Shared<[Vector<f32, Const<4>>]>,
    #[comptime] group: usize,
) -> Vector<f32, Const<4>> {
    let unit = UNIT_POS_X as usize;
    scratch[unit] = values;
    sync_cube();
    let first = (unit / group) * group;
    let mut sum = Vector::<f32, Const<4>>::new(0.0f32);
    #[unroll]
    for idx in 0..group {
        sum += scratch[first + idx];
    }
    sum
}

/// Up to four numbers in a vector.
#[cube]
pub fn four(a: f32, b: f32, c: f32, d: f32) -> Vector<f32, Const<4>> {
    let mut values = Vector::<f32, Const<4>>::new(a);
    values.insert(1usize, b);
    values.insert(2usize, c);
    values.insert(3usize, d);
    values
}

/// `1 / (1 + exp -x)`.
#[cube]
pub fn sigmoid(x: Vector<f32, Const<4>>) -> Vector<f32, Const<4>> {
    let one = Vector::<f32, Const<4>>::new(1.0f32);
    one / (one + (-x).exp())
}
