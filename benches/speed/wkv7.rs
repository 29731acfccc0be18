//! The WKV-7 operator alone, 8 x 128 tokens of 4 heads of 64.

use burn::tensor::{Device, Distribution, Tensor};
use criterion::Criterion;
use gosling::kernels::wkv7::{Wkv7Inputs, Wkv7Tape, wkv7, wkv7_backward, wkv7_state_gradient};

fn inputs(device: &Device) -> Wkv7Inputs {
    let random =
        |low, high| Tensor::<4>::random([8, 128, 4, 64], Distribution::Uniform(low, high), device);
    Wkv7Inputs {
        r: random(-1.0, 1.0),
        w: random(0.6, 1.0),
        k: random(-1.0, 1.0),
        v: random(-1.0, 1.0),
        removal: random(-0.1, 0.1),
        write: random(-0.1, 0.1),
    }
}

pub fn operator(criterion: &mut Criterion) {
    let device = Device::flex();
    let inputs = inputs(&device);
    let state = Tensor::<4>::zeros([1, 4, 64, 64], &device);
    criterion.bench_function("wkv7 forward, 8 x 128 x 4 x 64", |bencher| {
        bencher.iter(|| forward(&inputs, &state));
    });
    let tape = forward(&inputs, &state);
    let dy = Tensor::<4>::ones([8, 128, 4, 64], &device);
    criterion.bench_function("wkv7 backward, 8 x 128 x 4 x 64", |bencher| {
        bencher.iter(|| wkv7_backward(&inputs, &tape, dy.clone()));
    });
    criterion.bench_function("wkv7 state gradient, 8 x 128 x 4 x 64", |bencher| {
        bencher.iter(|| wkv7_state_gradient(&inputs, dy.clone()));
    });
}

fn forward(inputs: &Wkv7Inputs, state: &Tensor<4>) -> Wkv7Tape {
    wkv7(inputs, state.clone(), true).tape.unwrap()
}
