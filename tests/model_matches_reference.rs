//! Logits, states and gradients against those of the official `rwkv` package 0.8.32
//! and of PyTorch.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "model_matches_reference/delta_net.rs"]
mod delta_net;
#[path = "model_matches_reference/delta_net_training.rs"]
mod delta_net_training;
mod support;

use std::path::Path;

use burn::tensor::{Device, Int, Tensor, TensorData};
use gosling::model::adapter::{AdapterGradient, AdapterTarget};
use gosling::model::checkpoint::Checkpoint;
use gosling::model::state::ModelState;
use gosling::model::{LayerGradients, LossOptions, Model, ModelConfig, TapeOptions, mini};
use gosling::tuning::method::lora_values::{LoraFactors, LoraValues};
use gosling::tuning::method::tuned::Tuned;
use gosling::tuning::states::state_file::TunedState;
use support::{Golden, assert_close, values};

fn tokens(golden: &Golden, device: &Device) -> Tensor<2, Int> {
    let tokens = golden.i64("tokens");
    let n_tokens = tokens.len();
    Tensor::from_data(TensorData::new(tokens, [1, n_tokens]), device)
}

/// The formula state of `tests/golden/README.md`, or zero.
fn initial_state(case: &str, model: &Model, device: &Device) -> ModelState {
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
    let model = Model::load(checkpoint, device, &mut |_| Ok(())).unwrap();
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
        if let Some(shift) = &state.channel_shift {
            near("ffn", values(shift.clone()));
        }
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

/// The software adapter that stands for a GPU where there is none.
fn software_gpu() -> Device {
    Device::wgpu(burn::tensor::DeviceKind::Cpu)
}

#[test]
fn tiny_model_matches_the_rwkv_package_on_the_cpu() {
    check(&tiny(), &Golden::open("tiny.safetensors"), &Device::flex());
}

#[test]
fn tiny_model_matches_the_rwkv_package_on_a_gpu() {
    let device = software_gpu();
    check(&tiny(), &Golden::open("tiny.safetensors"), &device);
}

/// The loss of a golden's two texts from `state`, against PyTorch; its gradients.
fn check_loss(
    model: &Model,
    state: ModelState,
    golden: &Golden,
    device: &Device,
    recompute: bool,
) -> Vec<LayerGradients> {
    let ids: Vec<i32> = golden.i64("tokens").iter().map(|id| *id as i32).collect();
    let tokens = Tensor::from_data(TensorData::new(ids, [2, 48]), device);
    let mask = golden.f32("mask");
    let at: Vec<u32> = (0..96).filter(|at| mask[*at as usize] == 1.0).collect();
    let ids = golden.i64("targets");
    let targets: Vec<u32> = at.iter().map(|at| ids[*at as usize] as u32).collect();
    let options = TapeOptions {
        first_layer: 0,
        recompute,
        token_shifts: false,
    };
    let (x, tape) = model.forward_taped(tokens, state, options);
    let scale = 1.0 / at.len() as f32;
    let options = LossOptions {
        gradient_scale: Some(scale),
        l2wrap: false,
    };
    let loss = model.loss(x, &at, &targets, options);
    let gradients = model.backward(tape, loss.dx.unwrap(), None);
    let sum = values(loss.sum)[0] * scale;
    assert_close("loss", &[sum], &golden.f32("loss"), 1e-4, 1e-5);
    gradients
}

/// The loss and its gradients in S_0 of every layer, against PyTorch.
fn check_objective(device: &Device, recompute: bool) {
    let golden = Golden::open("objective.safetensors");
    let model = Model::load(&mini::checkpoint().unwrap(), device, &mut |_| Ok(())).unwrap();
    let config = model.config();
    let (h, n) = (config.n_head, config.head_size);
    let wkv = (0..config.n_layer).map(|layer| {
        let values: Vec<f32> = (0..h * n * n)
            .map(|i| (0.05 * (0.37 * i as f64 + layer as f64).sin()) as f32)
            .collect();
        Tensor::from_data(TensorData::new(values, [1, h, n, n]), device)
    });
    let state = ModelState::with_wkv(config, 2, wkv.collect(), device);
    let gradients = check_loss(&model, state, &golden, device, recompute);
    let norms = golden.f32("grad_norm");
    for (layer, gradient) in gradients.into_iter().enumerate() {
        let got = values(gradient.state);
        let norm = got.iter().map(|x| x * x).sum::<f32>().sqrt();
        let what = format!("gradient of layer {layer}");
        assert_close(&what, &[norm], &[norms[layer]], 0.0, 1e-4);
        if let Some(want) = golden.optional_f32(&format!("grad.{layer}")) {
            // The same in 64 bits differs by 1.7e-5 of the norm.
            assert_close(&what, &got, &want, 2e-5 * norms[layer], 1e-3);
        }
    }
}

#[test]
fn gradients_match_pytorch_on_the_cpu() {
    check_objective(&Device::flex(), false);
    check_objective(&Device::flex(), true);
}

#[test]
fn gradients_match_pytorch_on_a_gpu() {
    check_objective(&software_gpu(), false);
}

/// Adapters as `tests/golden/generate.py` makes them.
fn golden_adapters(config: &ModelConfig) -> LoraValues {
    let (layers, rank) = (vec![0_usize, 2, 5], 4);
    let factors = AdapterTarget::ALL.into_iter().enumerate();
    let factors = factors.map(|(idx, target)| {
        let [n_out, n_in] = target.dims(config);
        let (mut a, mut b) = (Vec::new(), Vec::new());
        for layer in &layers {
            let place = *layer as f64;
            let of_a = |n: usize| 0.06 * (0.37 * n as f64 + place + idx as f64).sin();
            let of_b = |n: usize| 0.03 * (0.53 * n as f64 + place - idx as f64).cos();
            a.extend((0..rank * n_in).map(|n| of_a(n) as f32));
            b.extend((0..n_out * rank).map(|n| of_b(n) as f32));
        }
        LoraFactors {
            target,
            n_out,
            n_in,
            a,
            b,
        }
    });
    LoraValues {
        factors: factors.collect(),
        layers,
        rank,
        alpha: 6.0,
    }
}

/// The loss with adapters and the gradients of A, B and S_0, against PyTorch.
fn check_lora(device: &Device, recompute: bool) {
    let golden = Golden::open("lora.safetensors");
    let model = Model::load(&mini::checkpoint().unwrap(), device, &mut |_| Ok(())).unwrap();
    let config = model.config();
    let mut tuned = Tuned::from(TunedState::zero(config));
    for (layer, values) in tuned.state.layers.iter_mut().enumerate() {
        for (i, value) in values.iter_mut().enumerate() {
            *value = (0.05 * (0.37 * i as f64 + layer as f64).sin()) as f32;
        }
    }
    tuned.lora = Some(golden_adapters(config));
    let state = tuned.start(device).state(config, 2, device);
    let gradients = check_loss(&model, state, &golden, device, recompute);
    let norm = |x: &[f32]| x.iter().map(|x| x * x).sum::<f32>().sqrt();
    let norms = golden.f32("state_grad_norm");
    for (layer, gradient) in gradients.into_iter().enumerate() {
        let got = norm(&values(gradient.state));
        let what = format!("gradient of layer {layer}");
        assert_close(&what, &[got], &[norms[layer]], 0.0, 1e-4);
        assert_eq!(gradient.adapters.is_some(), [0, 2, 5].contains(&layer));
        let all = gradient.adapters.into_iter().flatten();
        for (of, target) in all.zip(AdapterTarget::ALL) {
            let AdapterGradient { a, b } = of.unwrap();
            for (end, got) in [("a", values(a)), ("b", values(b))] {
                let name = format!("{layer}.{}.{end}", target.module());
                let Some(want) = golden.optional_f32(&name) else {
                    assert_eq!(layer, 2, "{name}");
                    continue;
                };
                assert_close(&name, &got, &want, 2e-5 * norm(&want), 1e-3);
            }
        }
    }
}

#[test]
fn gradients_of_adapters_match_pytorch_on_the_cpu() {
    check_lora(&Device::flex(), false);
    check_lora(&Device::flex(), true);
}

#[test]
fn gradients_of_adapters_match_pytorch_on_a_gpu() {
    check_lora(&software_gpu(), false);
}
