//! Long texts on a GPU: the recurrence over stretches of tokens, one dispatch
//! each, the state handed from one to the next and its gradient back.

use burn::tensor::Tensor;

use super::wkv7::{Beside, Wkv7Forward, Wkv7Gradients, Wkv7Inputs, Wkv7Tape};
use super::wkv7_gpu;

/// Start and length of every stretch of at most `longest` tokens.
fn segments(n_tokens: usize, longest: usize) -> impl DoubleEndedIterator<Item = (usize, usize)> {
    let n_segments = n_tokens.div_ceil(longest);
    (0..n_segments).map(move |idx| {
        let start = idx * longest;
        (start, longest.min(n_tokens - start))
    })
}

fn part(x: &Tensor<4>, (start, len): (usize, usize)) -> Tensor<4> {
    x.clone().narrow(1, start, len)
}

fn part_of_inputs(inputs: &Wkv7Inputs, at: (usize, usize)) -> Wkv7Inputs {
    let Wkv7Inputs {
        r,
        w,
        k,
        v,
        removal,
        write,
    } = inputs;
    let [r, w, k, v, removal, write] = [r, w, k, v, removal, write].map(|x| part(x, at));
    Wkv7Inputs {
        r,
        w,
        k,
        v,
        removal,
        write,
    }
}

pub(super) fn forward_of_segments(
    inputs: &Wkv7Inputs,
    state: Tensor<4>,
    keep_tape: bool,
    longest: usize,
) -> Wkv7Forward {
    let n_tokens = inputs.r.dims()[1];
    if n_tokens <= longest {
        return wkv7_gpu::forward(inputs, state, keep_tape);
    }
    let mut last_state = state;
    let (mut outputs, mut tapes) = (Vec::new(), Vec::new());
    for at in segments(n_tokens, longest) {
        let forward = wkv7_gpu::forward(&part_of_inputs(inputs, at), last_state, keep_tape);
        last_state = forward.last_state;
        outputs.push(forward.y);
        tapes.extend(forward.tape.into_iter().flat_map(|tape| tape.segments));
    }
    Wkv7Forward {
        y: Tensor::cat(outputs, 1),
        last_state,
        tape: keep_tape.then_some(Wkv7Tape { segments: tapes }),
    }
}

pub(super) fn backward_of_segments(
    inputs: &Wkv7Inputs,
    tape: &Wkv7Tape,
    dy: Tensor<4>,
    beside: Option<Beside>,
    longest: usize,
) -> Wkv7Gradients {
    let n_tokens = inputs.r.dims()[1];
    if n_tokens <= longest {
        return wkv7_gpu::backward(inputs, &tape.segments[0], dy, None, beside);
    }
    let mut dlast = None;
    let mut parts: [Vec<Tensor<4>>; 6] = Default::default();
    let backwards = segments(n_tokens, longest).rev();
    for (at, tape) in backwards.zip(tape.segments.iter().rev()) {
        let inputs = part_of_inputs(inputs, at);
        let beside = beside.as_ref().map(|Beside { r, k, v }| Beside {
            r: part(r, at),
            k: part(k, at),
            v: part(v, at),
        });
        let Wkv7Gradients {
            r,
            w,
            k,
            v,
            removal,
            write,
            state,
        } = wkv7_gpu::backward(&inputs, tape, part(&dy, at), dlast, beside);
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
    Wkv7Gradients {
        r,
        w,
        k,
        v,
        removal,
        write,
        state,
    }
}

pub(super) fn state_of_segments(inputs: &Wkv7Inputs, dy: Tensor<4>, longest: usize) -> Tensor<4> {
    let n_tokens = inputs.r.dims()[1];
    if n_tokens <= longest {
        return wkv7_gpu::state_gradient(inputs, dy, None);
    }
    let mut dlast = None;
    for at in segments(n_tokens, longest).rev() {
        let inputs = part_of_inputs(inputs, at);
        dlast = Some(wkv7_gpu::state_gradient(&inputs, part(&dy, at), dlast));
    }
    dlast.unwrap_or_else(|| unreachable!("there is a token"))
}

#[cfg(test)]
mod tests {
    use burn::tensor::{Device, DeviceKind, Distribution};

    use super::*;

    fn values(x: Tensor<4>) -> Vec<f32> {
        x.into_data().try_to_vec().unwrap()
    }

    /// 80 tokens in stretches of 32 against one dispatch.
    #[test]
    fn stretches_give_what_one_dispatch_gives() {
        let device = Device::wgpu(DeviceKind::Cpu);
        let random = |low, high| {
            Tensor::<4>::random([2, 80, 2, 16], Distribution::Uniform(low, high), &device)
        };
        let inputs = Wkv7Inputs {
            r: random(-1.0, 1.0),
            w: random(0.7, 1.0),
            k: random(-1.0, 1.0),
            v: random(-1.0, 1.0),
            removal: random(-0.2, 0.2),
            write: random(-0.2, 0.2),
        };
        let dy = random(-1.0, 1.0);
        let state = Tensor::<4>::ones([1, 2, 16, 16], &device) * 0.1;
        let beside = Some(Beside {
            r: random(-1.0, 1.0),
            k: random(-1.0, 1.0),
            v: random(-1.0, 1.0),
        });
        let run = |longest| {
            let forward = forward_of_segments(&inputs, state.clone(), true, longest);
            let tape = forward.tape.unwrap();
            let g = backward_of_segments(&inputs, &tape, dy.clone(), beside.clone(), longest);
            let alone = state_of_segments(&inputs, dy.clone(), longest);
            let all = [
                forward.y,
                forward.last_state,
                g.r,
                g.w,
                g.k,
                g.v,
                g.removal,
                g.write,
                g.state,
                alone,
            ];
            all.map(values)
        };
        for (idx, (whole, parts)) in run(80).iter().zip(run(32)).enumerate() {
            for (whole, part) in whole.iter().zip(parts) {
                assert!((whole - part).abs() <= 1e-5, "{idx}: {part}, not {whole}");
            }
        }
    }
}
