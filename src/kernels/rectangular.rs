//! The recurrence of [`super::wkv7`] for heads of V value channels and K key channels,
//! whatever the two sizes are. Rows of the state, the value channels, do not see each
//! other, so a head is run as several of fewer rows that share its keys: on the square
//! operator where the key size is one that it has and the rows divide by it, else on
//! that of [`super::lifted`]. Reference twin:
//! [`super::wkv7::reference::lifted_wkv_reference`].

use burn::tensor::Tensor;

use super::lifted::{KEY_STEP, checkpoint_interval, lifted_wkv, lifted_wkv_backward};
use super::wkv7::{
    CHECKPOINT_INTERVAL, HEAD_SIZES, Wkv7Forward, Wkv7Gradients, Wkv7Inputs, Wkv7Tape, wkv7,
    wkv7_backward, wkv7_state_gradient,
};

/// The largest key size: a cube of the operator has no more units.
pub const MAX_KEY_SIZE: usize = 1024;

/// How the state of a head is cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Blocks {
    /// Blocks of a head.
    pub n: usize,
    /// Rows of each.
    pub rows: usize,
    /// Whether a block has as many rows as key channels.
    pub is_square: bool,
}

impl Blocks {
    /// Of heads of `n_values` by `n_keys`; none where the operators have no such sizes.
    pub fn of(n_values: usize, n_keys: usize) -> Option<Self> {
        if HEAD_SIZES.contains(&n_keys) && n_values > 0 && n_values.is_multiple_of(n_keys) {
            return Some(Self {
                n: n_values / n_keys,
                rows: n_keys,
                is_square: true,
            });
        }
        let has_keys = (KEY_STEP..=MAX_KEY_SIZE).contains(&n_keys);
        if !has_keys || !n_keys.is_multiple_of(KEY_STEP) || n_values == 0 {
            return None;
        }
        let divides = |rows: &usize| n_values.is_multiple_of(*rows);
        let rows = HEAD_SIZES.into_iter().rev().find(divides)?;
        Some(Self {
            n: n_values / rows,
            rows,
            is_square: false,
        })
    }

    /// Tokens between two stored states of a head with `n_keys`.
    pub fn checkpoint_interval(self, n_keys: usize) -> usize {
        match self.is_square {
            true => CHECKPOINT_INTERVAL,
            false => checkpoint_interval(self.rows, n_keys),
        }
    }

    /// That of inputs.
    fn of_inputs(inputs: &Wkv7Inputs) -> Self {
        let [_, _, _, n_keys] = inputs.k.dims();
        let [_, _, _, n_values] = inputs.v.dims();
        match Self::of(n_values, n_keys) {
            Some(blocks) => blocks,
            None => panic!("a head of {n_values} values and {n_keys} keys is not supported"),
        }
    }

    /// Every block as a head of its own.
    fn heads(self, inputs: &Wkv7Inputs) -> Wkv7Inputs {
        let keys = |x: &Tensor<4>| repeat_heads(x.clone(), self.n);
        let Wkv7Inputs {
            r,
            w,
            k,
            v,
            removal,
            write,
        } = inputs;
        Wkv7Inputs {
            r: keys(r),
            w: keys(w),
            k: keys(k),
            v: self.values(v.clone()),
            removal: keys(removal),
            write: keys(write),
        }
    }

    /// [B, T, H, V] as [B, T, n H, rows]: a block's rows are beside each other.
    fn values(self, x: Tensor<4>) -> Tensor<4> {
        let [n_batch, n_tokens, n_head, _] = x.dims();
        x.reshape([n_batch, n_tokens, n_head * self.n, self.rows])
    }

    /// [B, H, V, K] as [B, n H, rows, K].
    fn state(self, x: Tensor<4>) -> Tensor<4> {
        let [n_batch, n_head, _, n_keys] = x.dims();
        x.reshape([n_batch, n_head * self.n, self.rows, n_keys])
    }

    /// The way back from [`Self::state`].
    fn whole_state(self, x: Tensor<4>) -> Tensor<4> {
        let [n_batch, n_blocks, rows, n_keys] = x.dims();
        x.reshape([n_batch, n_blocks / self.n, rows * self.n, n_keys])
    }
}

/// Every head `times` times behind itself: [B, T, H, K] → [B, T, times H, K].
pub fn repeat_heads(x: Tensor<4>, times: usize) -> Tensor<4> {
    if times == 1 {
        return x;
    }
    let [n_batch, n_tokens, n_head, n] = x.dims();
    let each: Tensor<5> = x.unsqueeze_dim(3);
    each.expand([n_batch, n_tokens, n_head, times, n]).reshape([
        n_batch,
        n_tokens,
        n_head * times,
        n,
    ])
}

/// The gradient of what [`repeat_heads`] was given: [B, T, times H, K] → [B, T, H, K].
pub fn sum_heads(dx: Tensor<4>, times: usize) -> Tensor<4> {
    if times == 1 {
        return dx;
    }
    let [n_batch, n_tokens, n_repeated, n] = dx.dims();
    let n_head = n_repeated / times;
    dx.reshape([n_batch, n_tokens, n_head, times, n])
        .sum_dim(3)
        .reshape([n_batch, n_tokens, n_head, n])
}

/// Runs the recurrence from `state`, [B, H, V, K] or [1, H, V, K] for one that the batch
/// shares. v and y are [B, T, H, V], all else of the inputs [B, T, H, K]. With
/// `keep_tape` the backward pass can follow.
///
/// # Panics
/// Where shapes disagree, or [`Blocks::of`] has none for the sizes.
pub fn rectangular_wkv(inputs: &Wkv7Inputs, state: Tensor<4>, keep_tape: bool) -> Wkv7Forward {
    let blocks = Blocks::of_inputs(inputs);
    if blocks.n == 1 && blocks.is_square {
        return wkv7(inputs, state, keep_tape);
    }
    let shape = inputs.v.dims();
    let (inputs, state) = (blocks.heads(inputs), blocks.state(state));
    let forward = match blocks.is_square {
        true => wkv7(&inputs, state, keep_tape),
        false => lifted_wkv(&inputs, state, keep_tape),
    };
    Wkv7Forward {
        y: forward.y.reshape(shape),
        last_state: blocks.whole_state(forward.last_state),
        tape: forward.tape,
    }
}

/// The gradients for `dy`, [B, T, H, V], of the loss by y, and for `dlast`,
/// [B, H, V, K], that by the last state, where something reads it.
pub fn rectangular_wkv_backward(
    inputs: &Wkv7Inputs,
    tape: &Wkv7Tape,
    dy: Tensor<4>,
    dlast: Option<Tensor<4>>,
) -> Wkv7Gradients {
    let blocks = Blocks::of_inputs(inputs);
    if blocks.n == 1 && blocks.is_square {
        return wkv7_backward(inputs, tape, dy, dlast, None);
    }
    let shape = inputs.v.dims();
    let inputs = blocks.heads(inputs);
    let dy = blocks.values(dy);
    let dlast = dlast.map(|dlast| blocks.state(dlast));
    let gradients = match blocks.is_square {
        true => wkv7_backward(&inputs, tape, dy, dlast, None),
        false => lifted_wkv_backward(&inputs, tape, dy, dlast),
    };
    let keys = |dx: Tensor<4>| sum_heads(dx, blocks.n);
    let Wkv7Gradients {
        r,
        w,
        k,
        v,
        removal,
        write,
        state,
    } = gradients;
    Wkv7Gradients {
        r: keys(r),
        w: keys(w),
        k: keys(k),
        v: v.reshape(shape),
        removal: keys(removal),
        write: keys(write),
        state: blocks.whole_state(state),
    }
}

/// The gradient of the initial state alone, [B, H, V, K]. It reads no tape.
pub fn rectangular_wkv_state_gradient(
    inputs: &Wkv7Inputs,
    dy: Tensor<4>,
    dlast: Option<Tensor<4>>,
) -> Tensor<4> {
    let blocks = Blocks::of_inputs(inputs);
    if blocks.n == 1 && blocks.is_square {
        return wkv7_state_gradient(inputs, dy, dlast);
    }
    let inputs = blocks.heads(inputs);
    let dy = blocks.values(dy);
    let dlast = dlast.map(|dlast| blocks.state(dlast));
    blocks.whole_state(match blocks.is_square {
        true => wkv7_state_gradient(&inputs, dy, dlast),
        false => backwards(&inputs, dy, dlast),
    })
}

/// The gradient of the initial state by the forward pass of the operator itself: with
/// G_t the gradient of S_t,
///
/// ```text
/// G_t-1 = G_t diag(w_t) + (G_t write_t) removal_t^T + dy_t-1 r_t-1^T
/// ```
///
/// is its recurrence from the last token to the first, in which removal and write have
/// changed places.
fn backwards(inputs: &Wkv7Inputs, dy: Tensor<4>, dlast: Option<Tensor<4>>) -> Tensor<4> {
    let [n_batch, n_tokens, n_head, n_rows] = dy.dims();
    let [_, _, _, n_keys] = inputs.r.dims();
    let last = |x: &Tensor<4>, shape: [usize; 4]| {
        let of_token = x.clone().narrow(1, n_tokens - 1, 1);
        of_token.reshape(shape)
    };
    let begin =
        last(&dy, [n_batch, n_head, n_rows, 1]) * last(&inputs.r, [n_batch, n_head, 1, n_keys]);
    let begin = match dlast {
        Some(dlast) => begin + dlast,
        None => begin,
    };
    let reversed = |x: &Tensor<4>| x.clone().flip([1]);
    // What the token before adds; in front of the first there is none.
    let before = |x: &Tensor<4>| {
        let [n_batch, _, n_head, n] = x.dims();
        let none = Tensor::zeros([n_batch, 1, n_head, n], &x.device());
        match n_tokens {
            1 => none,
            _ => Tensor::cat(
                vec![reversed(&x.clone().narrow(1, 0, n_tokens - 1)), none],
                1,
            ),
        }
    };
    let k = before(&inputs.r);
    let inputs = Wkv7Inputs {
        // Nothing reads y.
        r: k.clone(),
        w: reversed(&inputs.w),
        k,
        v: before(&dy),
        removal: reversed(&inputs.write),
        write: reversed(&inputs.removal),
    };
    lifted_wkv(&inputs, begin, false).last_state
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_is_cut_into_blocks_that_the_operators_have() {
        let of =
            |n_values, n_keys| Blocks::of(n_values, n_keys).map(|of| (of.n, of.rows, of.is_square));
        assert_eq!(of(64, 64), Some((1, 64, true)));
        assert_eq!(of(256, 128), Some((2, 128, true)));
        // fla's own sizes.
        assert_eq!(of(512, 256), Some((4, 128, false)));
        assert_eq!(of(32, 64), Some((1, 32, false)));
        assert_eq!(of(96, 96), Some((3, 32, false)));
        assert_eq!(of(48, 16), Some((3, 16, true)));
        for (n_values, n_keys) in [(8, 64), (64, 24), (40, 64), (64, 2048), (0, 64), (64, 0)] {
            assert_eq!(of(n_values, n_keys), None, "{n_values} x {n_keys}");
        }
    }
}
