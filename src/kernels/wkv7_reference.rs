//! The recurrence of [`super::wkv7`] in Burn operations.

use burn::tensor::Tensor;

use super::wkv7::Wkv7Inputs;

pub(super) fn forward(inputs: &Wkv7Inputs, state: Tensor<4>) -> (Tensor<4>, Tensor<4>) {
    let [n_batch, n_tokens, n_head, head_size] = inputs.r.dims();
    // A vector of one token as a row, [B, H, 1, N], and as a column, [B, H, N, 1].
    let row = |x: &Tensor<4>, t| {
        x.clone()
            .narrow(1, t, 1)
            .reshape([n_batch, n_head, 1, head_size])
    };
    let column = |x: &Tensor<4>, t| {
        x.clone()
            .narrow(1, t, 1)
            .reshape([n_batch, n_head, head_size, 1])
    };
    let mut s = state.expand([n_batch, n_head, head_size, head_size]);
    let mut outputs = Vec::with_capacity(n_tokens);
    for t in 0..n_tokens {
        let removed = (s.clone() * row(&inputs.removal, t)).sum_dim(3);
        s = s * row(&inputs.w, t)
            + removed * row(&inputs.write, t)
            + column(&inputs.v, t) * row(&inputs.k, t);
        let y = (s.clone() * row(&inputs.r, t)).sum_dim(3);
        outputs.push(y.reshape([n_batch, 1, n_head, head_size]));
    }
    (Tensor::cat(outputs, 1), s)
}
