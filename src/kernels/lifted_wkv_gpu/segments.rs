//! Long texts: the recurrence over stretches of tokens, one dispatch each, the
//! state handed from one to the next and its gradient back.

use burn::tensor::Tensor;

use super::{backward_once, forward_once};
use crate::kernels::lifted_wkv::{LiftedForward, LiftedGradients, LiftedInputs, LiftedTape};

/// Tokens of one dispatch: drivers end dispatches that take seconds, and some
/// software adapters stop counting loops at 65,535.
const MAX_DISPATCH_TOKENS: usize = 1024;

/// Start and length of every stretch of at most `longest` tokens.
fn stretches(n_tokens: usize, longest: usize) -> impl DoubleEndedIterator<Item = (usize, usize)> {
    let n_stretches = n_tokens.div_ceil(longest);
    (0..n_stretches).map(move |idx| {
        let start = idx * longest;
        (start, longest.min(n_tokens - start))
    })
}

fn part(x: &Tensor<4>, (start, len): (usize, usize)) -> Tensor<4> {
    x.clone().narrow(1, start, len)
}

fn part_of_inputs(inputs: &LiftedInputs, at: (usize, usize)) -> LiftedInputs {
    let LiftedInputs {
        r,
        w,
        k,
        v,
        removal,
        write,
    } = inputs;
    let [r, w, k, v, removal, write] = [r, w, k, v, removal, write].map(|x| part(x, at));
    LiftedInputs {
        r,
        w,
        k,
        v,
        removal,
        write,
    }
}

pub(in crate::kernels) fn forward(
    inputs: &LiftedInputs,
    state: Tensor<4>,
    keep_tape: bool,
) -> LiftedForward {
    forward_of(inputs, state, keep_tape, MAX_DISPATCH_TOKENS)
}

pub(in crate::kernels) fn backward(
    inputs: &LiftedInputs,
    tape: &LiftedTape,
    dy: Tensor<4>,
) -> LiftedGradients {
    backward_of(inputs, tape, dy, MAX_DISPATCH_TOKENS)
}

fn forward_of(
    inputs: &LiftedInputs,
    state: Tensor<4>,
    keep_tape: bool,
    longest: usize,
) -> LiftedForward {
    let n_tokens = inputs.r.dims()[1];
    if n_tokens <= longest {
        return forward_once(inputs, state, keep_tape);
    }
    let mut last_state = state;
    let (mut outputs, mut tapes) = (Vec::new(), Vec::new());
    for at in stretches(n_tokens, longest) {
        let forward = forward_once(&part_of_inputs(inputs, at), last_state, keep_tape);
        last_state = forward.last_state;
        outputs.push(forward.y);
        tapes.extend(forward.tape.into_iter().flat_map(|tape| tape.segments));
    }
    LiftedForward {
        y: Tensor::cat(outputs, 1),
        last_state,
        tape: keep_tape.then_some(LiftedTape { segments: tapes }),
    }
}

fn backward_of(
    inputs: &LiftedInputs,
    tape: &LiftedTape,
    dy: Tensor<4>,
    longest: usize,
) -> LiftedGradients {
    let n_tokens = inputs.r.dims()[1];
    if n_tokens <= longest {
        return backward_once(inputs, &tape.segments[0], dy, None);
    }
    let mut dlast = None;
    let mut parts: [Vec<Tensor<4>>; 6] = Default::default();
    let backwards = stretches(n_tokens, longest).rev();
    for (at, tape) in backwards.zip(tape.segments.iter().rev()) {
        let LiftedGradients {
            r,
            w,
            k,
            v,
            removal,
            write,
            state,
        } = backward_once(&part_of_inputs(inputs, at), tape, part(&dy, at), dlast);
        dlast = Some(state);
        for (parts, gradient) in parts.iter_mut().zip([r, w, k, v, removal, write]) {
            parts.push(gradient);
        }
    }
    let [r, w, k, v, removal, write] = parts.map(|mut parts| {
        parts.reverse();
        Tensor::cat(parts, 1)
    });
    let Some(state) = dlast else {
        unreachable!("there is a token")
    };
    LiftedGradients {
        r,
        w,
        k,
        v,
        removal,
        write,
        state,
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::{Device, DeviceKind, Distribution};

    use super::*;

    fn values(x: Tensor<4>) -> Vec<f32> {
        x.into_data().try_to_vec().unwrap()
    }

    /// 70 tokens in stretches of 32 against one dispatch.
    #[test]
    fn stretches_give_what_one_dispatch_gives() {
        let device = Device::wgpu(DeviceKind::Cpu);
        let random = |size, low, high| {
            Tensor::<4>::random([2, 70, 2, size], Distribution::Uniform(low, high), &device)
        };
        let inputs = LiftedInputs {
            r: random(32, -1.0, 1.0),
            w: random(32, 0.7, 1.0),
            k: random(32, -1.0, 1.0),
            v: random(16, -1.0, 1.0),
            removal: random(32, -0.2, 0.2),
            write: random(32, -0.2, 0.2),
        };
        let dy = random(16, -1.0, 1.0);
        let state = Tensor::<4>::ones([1, 2, 16, 32], &device) * 0.1;
        let run = |longest| {
            let forward = forward_of(&inputs, state.clone(), true, longest);
            let tape = forward.tape.unwrap();
            let g = backward_of(&inputs, &tape, dy.clone(), longest);
            let inputs = [g.r, g.w, g.k, g.v, g.removal, g.write, g.state];
            let mut all = inputs.map(values).to_vec();
            all.extend([forward.y, forward.last_state].map(values));
            all
        };
        for (idx, (whole, parts)) in run(70).iter().zip(run(32)).enumerate() {
            for (whole, part) in whole.iter().zip(parts) {
                assert!((whole - part).abs() <= 1e-5, "{idx}: {part}, not {whole}");
            }
        }
    }
}
