//! Gated DeltaNet against PyTorch in 64 bits (`tests/golden/delta_net/make.py`).

use std::path::{Path, PathBuf};

use burn::tensor::{Device, Int, Tensor, TensorData};
use gosling::model::checkpoint::Checkpoint;
use gosling::model::state::ModelState;
use gosling::model::{Architecture, LayerGradients, LossOptions, Model, ModelConfig, TapeOptions};

use super::software_gpu;
use super::support::{Golden, assert_close, values};

/// Texts and tokens of the golden files.
pub(super) const SHAPE: [usize; 2] = [2, 37];
/// Two square models by how they are stored, one with values wider than its keys, and
/// one with more heads of values than of keys and another end of documents than token 0.
const MODELS: [&str; 4] = ["f32", "bf16", "wide", "grouped"];

fn folder(model: &str) -> PathBuf {
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    golden.join("delta_net").join(model)
}

pub(super) fn load(name: &str, device: &Device) -> (Model, Golden) {
    let checkpoint = Checkpoint::open(folder(name)).unwrap();
    let model = Model::load(&checkpoint, device, &mut |_| Ok(())).unwrap();
    let golden = Golden::open(&format!("delta_net/{name}/golden.safetensors"));
    (model, golden)
}

/// What Gosling calls a token of the model's files.
pub(super) fn own_id(model: &Model, id: i64) -> i64 {
    match (id, i64::from(model.config().end_of_document)) {
        (0, end) => end,
        (id, end) if id == end => 0,
        (id, _) => id,
    }
}

pub(super) fn tokens(model: &Model, golden: &Golden, device: &Device) -> Tensor<2, Int> {
    let ids = golden.i64("tokens").into_iter();
    let ids: Vec<i64> = ids.map(|id| own_id(model, id)).collect();
    Tensor::from_data(TensorData::new(ids, SHAPE), device)
}

/// Golden logits in the order of Gosling's tokens.
fn logits(model: &Model, golden: &Golden, case: &str) -> Vec<f32> {
    let n = model.config().vocab_size;
    let all = golden.f32(&format!("{case}.logits"));
    let rows = all.chunks_exact(n);
    rows.flat_map(|row| (0..n).map(move |id| row[own_id(model, id as i64) as usize]))
        .collect()
}

/// The formula state of `tests/golden/README.md`.
fn formula(config: &ModelConfig, device: &Device) -> Vec<Tensor<4>> {
    let [h, n, k] = config.state_shape();
    let layers = (0..config.n_layer).map(|layer| {
        let one = |i: usize| (0.1 * (0.37 * i as f64 + layer as f64).sin()) as f32;
        let numbers: Vec<f32> = (0..h * n * k).map(one).collect();
        Tensor::from_data(TensorData::new(numbers, [1, h, n, k]), device)
    });
    layers.collect()
}

#[test]
fn the_configuration_is_read_from_the_folder() {
    let checkpoint = Checkpoint::open(folder("f32")).unwrap();
    let config = ModelConfig::from_checkpoint(&checkpoint).unwrap();
    assert_eq!(config.architecture, Architecture::GatedDeltaNet);
    let sizes = (config.n_layer, config.n_embd, config.n_head);
    assert_eq!(sizes, (2, 32, 2));
    assert_eq!(
        (config.head_size, config.vocab_size, config.n_ffn),
        (16, 64, 48)
    );
    let of_layer = 2 * 32 + 5 * 32 * 32 + 2 * 2 * 32 + 2 * 2 + 3 * 32 * 4 + 16 + 3 * 48 * 32;
    let by_hand = 2 * 64 * 32 + 32 + 2 * of_layer;
    assert_eq!(config.n_params(), by_hand);
    for (name, shape, end, carried) in [
        ("f32", [2, 16, 16], 0, 3 * 96),
        ("wide", [2, 32, 16], 0, 3 * 128),
        ("grouped", [4, 32, 48], 5, 3 * 320),
    ] {
        let checkpoint = Checkpoint::open(folder(name)).unwrap();
        let config = ModelConfig::from_checkpoint(&checkpoint).unwrap();
        assert_eq!(config.state_shape(), shape, "{name}");
        assert_eq!(config.end_of_document, end, "{name}");
        assert_eq!(config.shift_sizes(), [carried, 0], "{name}");
    }
}

/// Logits and last states from zero and from the formula state, all at once and
/// token by token.
fn check_logits(name: &str, device: &Device, by_tokens: bool) {
    let (model, golden) = load(name, device);
    let tokens = tokens(&model, &golden, device);
    for case in ["zero", "formula"] {
        let start = match case {
            "zero" => ModelState::zero(model.config(), SHAPE[0], device),
            _ => ModelState::with_wkv(
                model.config(),
                SHAPE[0],
                formula(model.config(), device),
                device,
            ),
        };
        let (logits, last) = if by_tokens {
            let mut state = start;
            let mut all = Vec::new();
            for t in 0..SHAPE[1] {
                let (logits, after) = model.forward(tokens.clone().narrow(1, t, 1), state);
                all.push(logits);
                state = after;
            }
            (Tensor::cat(all, 1), state)
        } else {
            model.forward(tokens.clone(), start)
        };
        let want = self::logits(&model, &golden, case);
        let what = format!("{name} {case} logits");
        assert_close(&what, &values(logits), &want, 1e-4, 1e-4);
        for (layer, state) in last.layers.iter().enumerate() {
            let want = golden.f32(&format!("{case}.state.{layer}"));
            let what = format!("{name} {case} state {layer}");
            assert_close(&what, &values(state.wkv.clone()), &want, 2e-5, 1e-4);
        }
    }
}

#[test]
fn logits_and_states_match_pytorch_on_the_cpu() {
    for name in MODELS {
        check_logits(name, &Device::flex(), false);
        check_logits(name, &Device::flex(), true);
    }
}

#[test]
fn logits_and_states_match_pytorch_on_a_gpu() {
    check_logits("f32", &software_gpu(), false);
    check_logits("bf16", &software_gpu(), false);
    check_logits("wide", &software_gpu(), false);
    check_logits("grouped", &software_gpu(), false);
    check_logits("f32", &software_gpu(), true);
}

/// Positions that count, `batch_idx * T + t`, and their targets.
fn counted(model: &Model, golden: &Golden) -> (Vec<u32>, Vec<u32>) {
    let mask = golden.f32("mask");
    let n = (SHAPE[0] * SHAPE[1]) as u32;
    let at: Vec<u32> = (0..n).filter(|at| mask[*at as usize] == 1.0).collect();
    let all = golden.i64("targets");
    let target = |at: &u32| own_id(model, all[*at as usize]) as u32;
    let targets = at.iter().map(target).collect();
    (at, targets)
}

/// The mean loss of the golden texts from this state, and its gradients.
fn loss_of(
    model: &Model,
    golden: &Golden,
    wkv: Vec<Tensor<4>>,
    options: TapeOptions,
    device: &Device,
) -> (f32, Vec<LayerGradients>) {
    let (at, targets) = counted(model, golden);
    let state = ModelState::with_wkv(model.config(), SHAPE[0], wkv, device);
    let (x, tape) = model.forward_taped(tokens(model, golden, device), state, options);
    let scale = 1.0 / at.len() as f32;
    let asked = LossOptions {
        gradient_scale: Some(scale),
        l2wrap: false,
    };
    let loss = model.loss(x, &at, &targets, asked);
    let gradients = model.backward(tape, loss.dx.unwrap(), None);
    (values(loss.sum)[0] * scale, gradients)
}

fn check_gradients(name: &str, device: &Device) {
    let (model, golden) = load(name, device);
    for (first_layer, recompute) in [(0, false), (0, true), (1, false)] {
        let options = TapeOptions {
            first_layer,
            token_shifts: false,
            recompute,
        };
        let wkv = formula(model.config(), device);
        let (loss, gradients) = loss_of(&model, &golden, wkv, options, device);
        assert_close("loss", &[loss], &golden.f32("loss"), 1e-5, 1e-5);
        assert_eq!(gradients.len(), model.config().n_layer - first_layer);
        for (layer, gradient) in (first_layer..).zip(gradients) {
            let want = golden.f32(&format!("grad.{layer}"));
            let largest = want.iter().fold(0.0_f32, |most, x| most.max(x.abs()));
            assert!(largest > 1e-5, "the golden gradient is not zero: {largest}");
            let what = format!("{name} gradient of layer {layer}, {options:?}");
            assert_close(&what, &values(gradient.state), &want, 1e-4 * largest, 1e-3);
        }
    }
}

#[test]
fn gradients_of_the_state_match_pytorch_on_the_cpu() {
    for name in MODELS {
        check_gradients(name, &Device::flex());
    }
}

#[test]
fn gradients_of_the_state_match_pytorch_on_a_gpu() {
    for name in MODELS {
        check_gradients(name, &software_gpu());
    }
}

/// Along its own gradient the loss changes as the gradient says.
#[test]
fn the_gradient_is_that_of_finite_differences() {
    for name in ["f32", "grouped"] {
        check_finite_differences(name);
    }
}

fn check_finite_differences(name: &str) {
    const STEP: f32 = 0.02;
    let device = Device::flex();
    let (model, golden) = load(name, &device);
    let options = TapeOptions {
        first_layer: 0,
        token_shifts: false,
        recompute: false,
    };
    let wkv = formula(model.config(), &device);
    let (_, gradients) = loss_of(&model, &golden, wkv.clone(), options, &device);
    for (layer, gradient) in gradients.iter().enumerate() {
        let along: Tensor<4> = gradient.state.clone().unsqueeze();
        let norm = values(along.clone().powi_scalar(2).sum())[0].sqrt();
        let unit = along / norm;
        let at = |step: f32| {
            let mut moved = wkv.clone();
            moved[layer] = moved[layer].clone() + unit.clone() * step;
            loss_of(&model, &golden, moved, options, &device).0
        };
        let slope = (at(STEP) - at(-STEP)) / (2.0 * STEP);
        assert!(
            (slope - norm).abs() < 0.01 * norm,
            "{name}, layer {layer}: {slope}, not {norm}"
        );
    }
}

/// Two windows, the second from what the first left, have the gradients of the whole:
/// what the convolutions carry is a part of it.
#[test]
fn windows_have_the_gradients_of_whole_texts() {
    for name in ["f32", "wide", "grouped"] {
        check_windows(name);
    }
}

fn check_windows(name: &str) {
    const CUT: usize = 21;
    let device = Device::flex();
    let (model, golden) = load(name, &device);
    let options = TapeOptions {
        first_layer: 0,
        token_shifts: false,
        recompute: false,
    };
    let wkv = formula(model.config(), &device);
    let (whole, want) = loss_of(&model, &golden, wkv.clone(), options, &device);
    let (at, targets) = counted(&model, &golden);
    let tokens = tokens(&model, &golden, &device);
    let scale = 1.0 / at.len() as f32;
    let start = ModelState::with_wkv(model.config(), SHAPE[0], wkv, &device);
    let between = model.advance(tokens.clone().narrow(1, 0, CUT), start.clone());
    let parts = [(0, CUT, start), (CUT, SHAPE[1] - CUT, between)];
    let (mut behind, mut sum, mut got) = (None, 0.0, Vec::new());
    for (first, n, state) in parts.into_iter().rev() {
        let inside = at.iter().zip(&targets).filter_map(|(at, target)| {
            let (row, t) = (*at as usize / SHAPE[1], *at as usize % SHAPE[1]);
            let is_inside = t >= first && t < first + n;
            is_inside.then(|| ((row * n + t - first) as u32, *target))
        });
        let (at, targets): (Vec<u32>, Vec<u32>) = inside.unzip();
        let ids = tokens.clone().narrow(1, first, n);
        let (x, tape) = model.forward_taped(ids, state, options);
        let asked = LossOptions {
            gradient_scale: Some(scale),
            l2wrap: false,
        };
        let loss = model.loss(x, &at, &targets, asked);
        sum += values(loss.sum)[0] * scale;
        let (gradients, carried) =
            model.backward_of_window(tape, loss.dx.unwrap(), behind.take(), None);
        behind = Some(carried);
        got = gradients;
    }
    assert!((sum - whole).abs() < 1e-5, "{sum}, not {whole}");
    for (layer, (got, want)) in got.iter().zip(&want).enumerate() {
        let want = values(want.state.clone());
        let largest = want.iter().fold(0.0_f32, |most, x| most.max(x.abs()));
        let what = format!("layer {layer}");
        assert_close(
            &what,
            &values(got.state.clone()),
            &want,
            1e-4 * largest,
            1e-3,
        );
    }
}

/// Forked and chosen states give what texts of their own give.
#[test]
fn texts_may_share_what_they_begin_with() {
    let device = Device::flex();
    let (model, golden) = load("f32", &device);
    let tokens = tokens(&model, &golden, &device);
    let one = tokens.clone().narrow(0, 0, 1);
    let start = ModelState::zero(model.config(), 1, &device);
    let begun = model.advance(one.clone().narrow(1, 0, 9), start.clone());
    let rest = one.clone().narrow(1, 9, 6);
    let both = Tensor::cat(
        vec![rest.clone(), tokens.clone().narrow(0, 1, 1).narrow(1, 9, 6)],
        0,
    );
    let (logits, after) = model.forward(both, begun.fork(2));
    let (want, _) = model.forward(one.clone().narrow(1, 0, 15), start);
    let got = values(logits.narrow(0, 0, 1));
    assert_close(
        "forked",
        &got,
        &values(want.clone().narrow(1, 9, 6)),
        1e-4,
        1e-4,
    );
    let rows = Tensor::<1, Int>::from_data([0_i32].as_slice(), &device);
    let next = one.clone().narrow(1, 15, 1);
    let (got, _) = model.forward(next.clone(), after.select(rows));
    let whole = ModelState::zero(model.config(), 1, &device);
    let (want, _) = model.forward(one.narrow(1, 0, 16), whole);
    assert_close(
        "chosen",
        &values(got),
        &values(want.narrow(1, 15, 1)),
        1e-4,
        1e-4,
    );
}
