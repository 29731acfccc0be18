//! Logits and states against those of the official `rwkv` package 0.8.32.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::path::Path;

use burn::tensor::{Device, Int, Tensor, TensorData};
use gosling::model::checkpoint::Checkpoint;
use gosling::model::state::ModelState;
use gosling::model::{Rwkv7, mini};
use support::{Golden, assert_close, values};

fn tokens(golden: &Golden, device: &Device) -> Tensor<2, Int> {
    let tokens = golden.i64("tokens");
    let n_tokens = tokens.len();
    Tensor::from_data(TensorData::new(tokens, [1, n_tokens]), device)
}

/// The formula state of `tests/golden/README.md`, or zero.
fn initial_state(case: &str, model: &Rwkv7, device: &Device) -> ModelState {
    let config = model.config();
    let (h, n) = (config.n_head, config.head_size);
    let mut state = ModelState::zero(config, 1, device);
    if case == "formula" {
        for (layer, state) in state.layers.iter_mut().enumerate() {
            let values: Vec<f32> = (0..h * n * n)
                .map(|i| (0.1 * (0.37 * i as f64 + layer as f64).sin()) as f32)
                .collect();
            state.wkv = Tensor::from_data(TensorData::new(values, [1, h, n, n]), device);
        }
    }
    state
}

/// Every logit and state of a golden file, in one pass over all tokens and
/// again token by token.
fn check(checkpoint: &Checkpoint, golden: &Golden, device: &Device) {
    let model = Rwkv7::load(checkpoint, device, &mut |_| Ok(())).unwrap();
    let tokens = tokens(golden, device);
    let [_, n_tokens] = tokens.dims();
    let positions = golden.positions(n_tokens);
    for case in ["zero", "formula"] {
        let start = initial_state(case, &model, device);
        let parallel = model.forward(tokens.clone(), start.clone());
        let mut state = start;
        let mut logits = Vec::new();
        for t in 0..n_tokens {
            let token = tokens.clone().narrow(1, t, 1);
            let (next, after) = model.forward(token, state);
            logits.push(next);
            state = after;
        }
        let recurrent = (Tensor::cat(logits, 1), state);
        for (path, (logits, state)) in [("parallel", parallel), ("recurrent", recurrent)] {
            let want = golden.f32(&format!("{case}.logits"));
            let got: Vec<f32> = positions
                .iter()
                .flat_map(|t| values(logits.clone().narrow(1, *t, 1)))
                .collect();
            assert_close(&format!("{case} {path} logits"), &got, &want, 2e-3, 1e-4);
            check_states(&format!("{case} {path}"), case, &state, golden);
        }
    }
}

fn check_states(what: &str, case: &str, state: &ModelState, golden: &Golden) {
    for (layer, state) in state.layers.iter().enumerate() {
        let near = |part: &str, got: Vec<f32>| {
            if let Some(want) = golden.optional_f32(&format!("{case}.state.{layer}.{part}")) {
                assert_close(&format!("{what} {part} {layer}"), &got, &want, 1e-3, 1e-4);
            }
        };
        near("att", values(state.time_shift.clone()));
        near("wkv", values(state.wkv.clone()));
        near("ffn", values(state.channel_shift.clone()));
    }
}

fn tiny() -> Checkpoint {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    Checkpoint::open(folder.join("tiny.pth")).unwrap()
}

#[test]
fn mini_model_matches_the_rwkv_package_on_the_cpu() {
    let golden = Golden::open("mini.safetensors");
    check(&mini::checkpoint().unwrap(), &golden, &Device::flex());
}

#[test]
fn tiny_model_matches_the_rwkv_package_on_the_cpu() {
    check(&tiny(), &Golden::open("tiny.safetensors"), &Device::flex());
}

#[test]
fn tiny_model_matches_the_rwkv_package_on_a_gpu() {
    let device = Device::wgpu(burn::tensor::DeviceKind::Cpu);
    check(&tiny(), &Golden::open("tiny.safetensors"), &device);
}
