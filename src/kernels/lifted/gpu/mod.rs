//! [`crate::kernels::lifted`] on a GPU through CubeCL. Reference twin:
//! [`crate::kernels::wkv7::reference::lifted_wkv_reference`].

mod kernel;

use burn::backend::cubecl::dtype_to_storage_type;
use burn::tensor::{Shape, Tensor};
use cubecl::prelude::*;

use super::checkpoint_interval;
use crate::kernels::op::{arg, empty, from_gpu, on_gpu, queue};
use crate::kernels::wkv7::{
    DirectGradients, SegmentTape, Wkv7Forward, Wkv7Gradients, Wkv7Inputs, Wkv7Tape,
};

/// One dispatch of the forward pass.
pub(crate) fn forward(inputs: &Wkv7Inputs, state: Tensor<4>, keep_tape: bool) -> Wkv7Forward {
    let [b, t, h, m] = inputs.r.dims();
    let n = inputs.v.dims()[3];
    let shared_state = state.dims()[0] == 1;
    let interval = checkpoint_interval(n, m);
    let of_tokens = Shape::from([b, t, h, n]);
    let [checkpoints, removed] = if keep_tape {
        let n_chunks = t.div_ceil(interval);
        [Shape::from([b, h, n_chunks, n, m]), of_tokens.clone()]
    } else {
        [Shape::from([1, 1, 1, 1, 1]), Shape::from([1, 1, 1, 1])]
    };
    let outputs = [of_tokens, Shape::from([b, h, n, m]), checkpoints, removed];
    let mut inputs: Vec<_> = inputs.each().map(|x| on_gpu(x.clone())).into();
    inputs.push(on_gpu(state));
    let outputs = queue("lifted_wkv_forward", inputs, outputs, move |x, out| {
        let StateLayout { n_columns, n_rows } = StateLayout::new(n, m);
        kernel::forward::launch(
            &x[0].client,
            CubeCount::Static((b * h * n / n_rows) as u32, 1, 1),
            CubeDim::new_1d((m / n_columns) as u32),
            arg(&x[0]),
            arg(&x[1]),
            arg(&x[2]),
            arg(&x[3]),
            arg(&x[4]),
            arg(&x[5]),
            arg(&x[6]),
            arg(&out[0]),
            arg(&out[1]),
            arg(&out[2]),
            arg(&out[3]),
            n,
            m,
            n_columns,
            n_rows,
            interval,
            shared_state,
            keep_tape,
            dtype_to_storage_type(x[0].dtype),
        );
    });
    let [y, last_state, checkpoints, removed] = outputs;
    Wkv7Forward {
        y: from_gpu(y),
        last_state: from_gpu(last_state),
        tape: keep_tape.then(|| Wkv7Tape::one(from_gpu(checkpoints), from_gpu(removed))),
    }
}

/// One dispatch of the backward pass; `dlast`, [B, H, N, M], is the gradient of
/// the last state, where something reads it, and nothing reaches the inputs
/// past this operator (`direct`).
pub(crate) fn backward(
    inputs: &Wkv7Inputs,
    tape: &SegmentTape,
    dy: Tensor<4>,
    dlast: Option<Tensor<4>>,
    direct: Option<DirectGradients>,
) -> Wkv7Gradients {
    debug_assert!(direct.is_none(), "a lifted state adds none");
    let key_side = inputs.r.dims();
    let value_side = inputs.v.dims();
    let [b, _, h, m] = key_side;
    let n = value_side[3];
    let n_keys: usize = key_side.iter().product();
    let n_values: usize = value_side.iter().product();
    let has_dlast = dlast.is_some();
    let dlast = dlast.unwrap_or_else(|| dy.clone());
    // Those of r, w, k, removal and write, then that of v, flat.
    let outputs = [
        Shape::from([5 * n_keys + n_values]),
        Shape::from([b, h, n, m]),
    ];
    let mut inputs: Vec<_> = inputs.each().map(|x| on_gpu(x.clone())).into();
    inputs.push(on_gpu(tape.checkpoints.clone()));
    inputs.extend([tape.removed.clone(), dy, dlast].map(on_gpu));
    let outputs = queue("lifted_wkv_backward", inputs, outputs, move |x, out| {
        let interval = checkpoint_interval(n, m);
        let StateLayout { n_columns, n_rows } = StateLayout::new(n, m);
        let shape = Shape::from([b * h, interval, n_rows, m]);
        let scratch = empty("lifted_wkv_backward", &x[0], shape);
        kernel::backward::launch(
            &x[0].client,
            CubeCount::Static((b * h) as u32, 1, 1),
            CubeDim::new_1d((m / n_columns) as u32),
            arg(&x[0]),
            arg(&x[1]),
            arg(&x[2]),
            arg(&x[3]),
            arg(&x[4]),
            arg(&x[5]),
            arg(&x[6]),
            arg(&x[7]),
            arg(&x[8]),
            arg(&x[9]),
            arg(&out[0]),
            arg(&out[1]),
            arg(&scratch),
            n,
            m,
            n_columns,
            n_rows,
            interval,
            has_dlast,
            dtype_to_storage_type(x[0].dtype),
        );
    });
    let [gradients, state] = outputs;
    let packed: Tensor<1> = from_gpu(gradients);
    let [r, w, k, removal, write] = std::array::from_fn(|idx| {
        packed
            .clone()
            .narrow(0, idx * n_keys, n_keys)
            .reshape(key_side)
    });
    Wkv7Gradients {
        r,
        w,
        k,
        v: packed.narrow(0, 5 * n_keys, n_values).reshape(value_side),
        removal,
        write,
        state: from_gpu(state),
    }
}

/// How a cube is laid out: columns a unit and rows a cube.
#[derive(Clone, Copy)]
struct StateLayout {
    pub n_columns: usize,
    pub n_rows: usize,
}

/// Units of a cube that every adapter has.
const MAX_UNITS: usize = 256;

/// Numbers of the state that a unit holds.
const MAX_WIDTH: usize = 32;

impl StateLayout {
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
