//! [`super::Dropout`] on a GPU: a unit for every number.

use burn_cubecl::tensor::CubeTensor;
use cubecl::prelude::*;

use super::{Dropout, MIX_1, MIX_2};
use crate::kernels::op::{arg, cubes};

/// Units of a cube.
const UNITS: usize = 256;

/// `x` and `y` [B, T, C].
pub(super) fn dropped(dropout: &Dropout, shape: [usize; 3], x: &CubeTensor, y: &CubeTensor) {
    let [_, n_tokens, width] = shape;
    let n_values = shape.iter().product::<usize>();
    // SAFETY: units behind the last number touch nothing.
    unsafe {
        of_numbers::launch_unchecked(
            &x.client,
            cubes(n_values.div_ceil(UNITS)),
            CubeDim::new_1d(UNITS as u32),
            arg(x),
            arg(y),
            n_values,
            n_tokens,
            width,
            dropout.key,
            dropout.first_text,
            dropout.first_token,
            dropout.threshold(),
            dropout.scale(),
        );
    }
}

#[cube]
fn mixed(x: u32) -> u32 {
    let a = (x ^ (x >> 16u32)) * MIX_1;
    let b = (a ^ (a >> 15u32)) * MIX_2;
    b ^ (b >> 16u32)
}

#[cube(launch_unchecked)]
#[allow(
    clippy::too_many_arguments,
    reason = "a kernel's arguments are what it binds"
)]
fn of_numbers(
    x: &Tensor<f32>,
    y: &mut Tensor<f32>,
    n_values: usize,
    n_tokens: usize,
    width: usize,
    key: u32,
    first_text: u32,
    first_token: u32,
    threshold: u32,
    scale: f32,
) {
    let idx = CUBE_POS * UNITS + UNIT_POS_X as usize;
    if idx < n_values {
        let row = idx / width;
        let channel = (idx % width) as u32;
        let text = first_text + (row / n_tokens) as u32;
        let token = first_token + (row % n_tokens) as u32;
        let hash = mixed(mixed(mixed(key ^ text) ^ token) ^ channel);
        let mut left = 0.0f32;
        if hash >= threshold {
            left = x[idx] * scale;
        }
        y[idx] = left;
    }
}
