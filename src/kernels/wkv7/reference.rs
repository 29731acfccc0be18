//! The recurrence in plain Burn operations: the oracle of the tests.

use burn::tensor::Tensor;

use super::Wkv7Inputs;

/// Runs the recurrence from `state`, [B or 1, H, N, M], token by token in
/// plain, differentiable Burn operations. Gives y [B, T, H, N] and the last
/// state [B, H, N, M].
pub fn lifted_wkv_reference(inputs: &Wkv7Inputs, state: Tensor<4>) -> (Tensor<4>, Tensor<4>) {
    let [n_batch, n_tokens, n_head, n_keys] = inputs.r.dims();
    let n_values = inputs.v.dims()[3];
    // A vector of one token as a row, [B, H, 1, M], and as a column, [B, H, N, 1].
    let row = |x: &Tensor<4>, t| {
        x.clone()
            .narrow(1, t, 1)
            .reshape([n_batch, n_head, 1, n_keys])
    };
    let column = |x: &Tensor<4>, t| {
        x.clone()
            .narrow(1, t, 1)
            .reshape([n_batch, n_head, n_values, 1])
    };
    let mut z = state.expand([n_batch, n_head, n_values, n_keys]);
    let mut outputs = Vec::with_capacity(n_tokens);
    for t in 0..n_tokens {
        let removed = (z.clone() * row(&inputs.removal, t)).sum_dim(3);
        z = z * row(&inputs.w, t)
            + removed * row(&inputs.write, t)
            + column(&inputs.v, t) * row(&inputs.k, t);
        let y = (z.clone() * row(&inputs.r, t)).sum_dim(3);
        outputs.push(y.reshape([n_batch, 1, n_head, n_values]));
    }
    (Tensor::cat(outputs, 1), z)
}

/// The same outputs in plain, differentiable Burn operations, token by token:
/// slow, and the oracle of the tests. Gives y and the last state.
pub fn wkv7_reference(inputs: &Wkv7Inputs, state: Tensor<4>) -> (Tensor<4>, Tensor<4>) {
    lifted_wkv_reference(inputs, state)
}
