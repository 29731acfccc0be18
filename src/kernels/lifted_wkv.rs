//! The recurrence of [`super::wkv7`] with a rectangular state: N value channels
//! by M key channels. Every lifted recurrence of the paper is one of its cases,
//! for they act on the key side alone:
//!
//! ```text
//! Z_t = Z_{t-1} diag(w_t) + (Z_{t-1} removal_t) write_t^T + v_t k_t^T
//! y_t = Z_t r_t
//! ```

use burn::tensor::Tensor;

/// The inputs of every token.
#[derive(Debug, Clone)]
pub struct LiftedInputs {
    /// Receptance, [B, T, H, M].
    pub r: Tensor<4>,
    /// Decay, [B, T, H, M].
    pub w: Tensor<4>,
    /// Key, [B, T, H, M].
    pub k: Tensor<4>,
    /// Value, [B, T, H, N].
    pub v: Tensor<4>,
    /// The direction that is read to be removed, [B, T, H, M].
    pub removal: Tensor<4>,
    /// Where the removed value is written, [B, T, H, M].
    pub write: Tensor<4>,
}

/// Runs the recurrence from `state`, [B or 1, H, N, M], token by token in
/// plain, differentiable Burn operations. Gives y [B, T, H, N] and the last
/// state [B, H, N, M].
pub fn lifted_wkv_reference(inputs: &LiftedInputs, state: Tensor<4>) -> (Tensor<4>, Tensor<4>) {
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
