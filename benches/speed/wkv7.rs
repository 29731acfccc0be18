//! The WKV-7 operator alone, 8 x 128 tokens of 4 heads of 64.

use burn::tensor::{Device, Distribution, Tensor};
use divan::Bencher;
use gosling::kernels::wkv7::{Wkv7Inputs, wkv7, wkv7_backward, wkv7_state_gradient};

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

#[divan::bench]
fn forward(bencher: Bencher) {
    let device = Device::flex();
    let inputs = inputs(&device);
    let state = Tensor::<4>::zeros([1, 4, 64, 64], &device);
    bencher.bench_local(|| wkv7(&inputs, state.clone(), true));
}

#[divan::bench]
fn backward(bencher: Bencher) {
    let device = Device::flex();
    let inputs = inputs(&device);
    let state = Tensor::<4>::zeros([1, 4, 64, 64], &device);
    let tape = wkv7(&inputs, state, true).tape.unwrap();
    let dy = Tensor::<4>::ones([8, 128, 4, 64], &device);
    bencher.bench_local(|| wkv7_backward(&inputs, &tape, dy.clone(), None, None));
}

#[divan::bench]
fn state_gradient(bencher: Bencher) {
    let device = Device::flex();
    let inputs = inputs(&device);
    let dy = Tensor::<4>::ones([8, 128, 4, 64], &device);
    bencher.bench_local(|| wkv7_state_gradient(&inputs, dy.clone(), None));
}
