//! Long texts on a GPU: the recurrence over stretches of tokens, one dispatch
//! each, the state handed from one to the next and its gradient back. `once` is
//! such a dispatch.

use burn::tensor::Tensor;

use super::{DirectGradients, SegmentTape, Wkv7Forward, Wkv7Gradients, Wkv7Inputs, Wkv7Tape};

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

pub(crate) fn forward_of_segments(
    inputs: &Wkv7Inputs,
    state: Tensor<4>,
    keep_tape: bool,
    longest: usize,
    once: impl Fn(&Wkv7Inputs, Tensor<4>, bool) -> Wkv7Forward,
) -> Wkv7Forward {
    let n_tokens = inputs.r.dims()[1];
    if n_tokens <= longest {
        return once(inputs, state, keep_tape);
    }
    let mut last_state = state;
    let (mut outputs, mut tapes) = (Vec::new(), Vec::new());
    for at in segments(n_tokens, longest) {
        let forward = once(&inputs.map(|x| part(x, at)), last_state, keep_tape);
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

pub(crate) fn backward_of_segments(
    inputs: &Wkv7Inputs,
    tape: &Wkv7Tape,
    dy: Tensor<4>,
    dlast: Option<Tensor<4>>,
    direct: Option<DirectGradients>,
    longest: usize,
    once: impl Fn(
        &Wkv7Inputs,
        &SegmentTape,
        Tensor<4>,
        Option<Tensor<4>>,
        Option<DirectGradients>,
    ) -> Wkv7Gradients,
) -> Wkv7Gradients {
    let n_tokens = inputs.r.dims()[1];
    if n_tokens <= longest {
        return once(inputs, &tape.segments[0], dy, dlast, direct);
    }
    let mut dlast = dlast;
    let mut parts: [Vec<Tensor<4>>; 6] = Default::default();
    let backwards = segments(n_tokens, longest).rev();
    for (at, tape) in backwards.zip(tape.segments.iter().rev()) {
        let inputs = inputs.map(|x| part(x, at));
        let direct = direct
            .as_ref()
            .map(|DirectGradients { r, k, v }| DirectGradients {
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
        } = once(&inputs, tape, part(&dy, at), dlast, direct);
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

pub(super) fn state_of_segments(
    inputs: &Wkv7Inputs,
    dy: Tensor<4>,
    dlast: Option<Tensor<4>>,
    longest: usize,
    once: impl Fn(&Wkv7Inputs, Tensor<4>, Option<Tensor<4>>) -> Tensor<4>,
) -> Tensor<4> {
    let n_tokens = inputs.r.dims()[1];
    if n_tokens <= longest {
        return once(inputs, dy, dlast);
    }
    let mut dlast = dlast;
    for at in segments(n_tokens, longest).rev() {
        let inputs = inputs.map(|x| part(x, at));
        dlast = Some(once(&inputs, part(&dy, at), dlast));
    }
    dlast.unwrap_or_else(|| unreachable!("there is a token"))
}

#[cfg(test)]
mod tests {
    use burn::tensor::{Device, DeviceKind, Distribution};

    use super::*;
    use crate::kernels::lifted::gpu;

    fn values(x: Tensor<4>) -> Vec<f32> {
        x.into_data().try_to_vec().unwrap()
    }

    fn random(size: usize, n_tokens: usize, low: f64, high: f64) -> Tensor<4> {
        let device = Device::wgpu(DeviceKind::Cpu);
        let shape = [2, n_tokens, 2, size];
        Tensor::random(shape, Distribution::Uniform(low, high), &device)
    }

    /// For a state of 16 value channels by `m` key channels.
    fn inputs(m: usize, n_tokens: usize) -> (Wkv7Inputs, Tensor<4>, Tensor<4>) {
        let inputs = Wkv7Inputs {
            r: random(m, n_tokens, -1.0, 1.0),
            w: random(m, n_tokens, 0.7, 1.0),
            k: random(m, n_tokens, -1.0, 1.0),
            v: random(16, n_tokens, -1.0, 1.0),
            removal: random(m, n_tokens, -0.2, 0.2),
            write: random(m, n_tokens, -0.2, 0.2),
        };
        let dy = random(16, n_tokens, -1.0, 1.0);
        let state = Tensor::<4>::ones([1, 2, 16, m], &dy.device()) * 0.1;
        (inputs, state, dy)
    }

    fn all(forward: Wkv7Forward, g: Wkv7Gradients) -> Vec<Tensor<4>> {
        let (y, last) = (forward.y, forward.last_state);
        vec![y, last, g.r, g.w, g.k, g.v, g.removal, g.write, g.state]
    }

    fn check_equal(whole: Vec<Tensor<4>>, parts: Vec<Tensor<4>>) {
        assert_eq!(whole.len(), parts.len());
        for (idx, (whole, parts)) in whole.into_iter().zip(parts).enumerate() {
            let (whole, parts) = (values(whole), values(parts));
            assert_eq!(whole.len(), parts.len(), "{idx}");
            for (whole, part) in whole.iter().zip(parts) {
                assert!((whole - part).abs() <= 1e-5, "{idx}: {part}, not {whole}");
            }
        }
    }

    /// 80 tokens in stretches of 32 against one dispatch.
    #[test]
    fn stretches_give_what_one_dispatch_gives() {
        let (inputs, state, dy) = inputs(16, 80);
        let direct = Some(DirectGradients {
            r: random(16, 80, -1.0, 1.0),
            k: random(16, 80, -1.0, 1.0),
            v: random(16, 80, -1.0, 1.0),
        });
        let dlast = Tensor::random(
            [2, 2, 16, 16],
            Distribution::Uniform(-1.0, 1.0),
            &dy.device(),
        );
        let run = |longest| {
            let once = gpu::forward;
            let forward = forward_of_segments(&inputs, state.clone(), true, longest, once);
            let tape = forward.tape.clone().unwrap();
            let (dy, direct, once) = (dy.clone(), direct.clone(), gpu::backward);
            let dlast = Some(dlast.clone());
            let g = backward_of_segments(
                &inputs,
                &tape,
                dy.clone(),
                dlast.clone(),
                direct,
                longest,
                once,
            );
            let mut all = all(forward, g);
            let once = crate::kernels::wkv7::gpu::state_gradient;
            all.push(state_of_segments(&inputs, dy, dlast, longest, once));
            all
        };
        check_equal(run(80), run(32));
    }

    /// 70 tokens of a state of 16 x 32 in stretches of 32 against one dispatch.
    #[test]
    fn stretches_of_a_lifted_state_give_what_one_dispatch_gives() {
        let (inputs, state, dy) = inputs(32, 70);
        let dlast = Tensor::random(
            [2, 2, 16, 32],
            Distribution::Uniform(-1.0, 1.0),
            &dy.device(),
        );
        let run = |longest| {
            let once = gpu::forward;
            let forward = forward_of_segments(&inputs, state.clone(), true, longest, once);
            let tape = forward.tape.clone().unwrap();
            let once = gpu::backward;
            let dlast = Some(dlast.clone());
            let g = backward_of_segments(&inputs, &tape, dy.clone(), dlast, None, longest, once);
            all(forward, g)
        };
        check_equal(run(70), run(32));
    }
}
