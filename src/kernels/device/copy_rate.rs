//! How fast a GPU moves bytes: what a kernel that only reads or writes is
//! measured against.

use burn::tensor::{Device, Shape, Tensor};
use cubecl::prelude::*;

use super::is_cpu;
use crate::kernels::measure;
use crate::kernels::op::{arg, cubes, on_gpu, queue};

/// Four numbers.
type Four = Vector<f32, Const<4>>;

/// Units of a cube.
const UNITS: usize = 256;
/// Numbers that are copied: more than caches hold, and no more than the
/// smallest adapters bind.
const N_VALUES: usize = 1 << 25;
/// Copies; the fastest counts.
const N_COPIES: usize = 10;

#[cube(launch_unchecked)]
fn copy(x: &cubecl::prelude::Tensor<Four>, out: &mut cubecl::prelude::Tensor<Four>) {
    let place = CUBE_POS * UNITS + UNIT_POS_X as usize;
    out[place] = x[place];
}

/// Bytes a second, read and written, of a copy on the device; none on the CPU
/// and where nothing can be measured.
pub fn copy_rate(device: &Device) -> Option<f64> {
    if is_cpu(device) {
        return None;
    }
    let from = Tensor::<1>::ones([N_VALUES], device);
    let mut fastest: Option<f64> = None;
    for _ in 0..N_COPIES {
        measure::start();
        let inputs = vec![on_gpu(from.clone())];
        let [_copied] = queue("copy", inputs, [Shape::from([N_VALUES])], |x, out| {
            // SAFETY: the cubes have as many units as there are fours.
            unsafe {
                copy::launch_unchecked(
                    &x[0].client,
                    cubes(N_VALUES / 4 / UNITS),
                    CubeDim::new_1d(UNITS as u32),
                    arg(&x[0]),
                    arg(&out[0]),
                );
            }
        });
        // A failure shows as a copy that was not measured.
        let _ = device.sync();
        let measured = measure::stop();
        let secs = measured.kernels.get("copy")?.time.as_secs_f64();
        if secs > 0.0 {
            let rate = (2 * N_VALUES * size_of::<f32>()) as f64 / secs;
            fastest = Some(fastest.map_or(rate, |other| other.max(rate)));
        }
    }
    fastest
}
