//! Few launches a layer against the operators that they stand for, on the software adapter.

use burn::tensor::{Device, DeviceKind, Int, TensorData};

use super::*;
use crate::kernels::device::read_back::read_f32;
use crate::model::random::{SHAPE_0_1B, random_checkpoint};
use crate::model::state::Start;
use crate::model::{Model, ModelConfig, Precision, mini};
use crate::random::SplitMix64;

/// Ranks and hidden channels that fill no tile.
const SMALL: ModelConfig = ModelConfig {
    n_layer: 3,
    n_embd: 96,
    n_head: 3,
    head_size: 32,
    vocab_size: 136,
    n_ffn: 104,
    decay_rank: 8,
    iclr_rank: 24,
    value_rank: 16,
    gate_rank: 40,
    ..SHAPE_0_1B
};

fn gpu() -> Device {
    Device::wgpu(DeviceKind::Cpu)
}

fn model(config: &ModelConfig, precision: Precision) -> Model {
    let checkpoint = random_checkpoint(config, 3).unwrap();
    Model::load_stored(&checkpoint, &gpu(), precision, &mut |_| Ok(())).unwrap()
}

fn random<const D: usize>(seed: u64, shape: [usize; D]) -> Tensor<D> {
    let mut random = SplitMix64::new(seed);
    let values = (0..shape.iter().product()).map(|_| random.uniform());
    let values: Vec<f32> = values.collect();
    Tensor::from_data(TensorData::new(values, shape), &gpu())
}

/// A tuned start: an S_0 and token shifts that all texts share.
fn start(config: &ModelConfig) -> Start {
    let [h, n, k] = config.state_shape();
    let layers = 0..config.n_layer as u64;
    Start {
        shifts: (layers.clone())
            .map(|layer| random(50 + layer, [2, config.n_embd]))
            .collect(),
        ..Start::from(
            layers
                .map(|layer| random(layer, [1, h, n, k]) * 0.2)
                .collect::<Vec<_>>(),
        )
    }
}

fn ids(tokens: &[i32]) -> Tensor<2, Int> {
    Tensor::from_data(TensorData::new(tokens.to_vec(), [tokens.len(), 1]), &gpu())
}

fn close<const D: usize>(what: &str, got: &Tensor<D>, want: &Tensor<D>) {
    assert_eq!(got.dims(), want.dims(), "{what}");
    let [got, want] = [got, want].map(|x| read_f32(x.clone()).unwrap());
    let largest = want.iter().fold(0.0_f32, |most, x| most.max(x.abs()));
    assert!(largest > 0.0, "{what} is nothing");
    for (idx, (got, want)) in got.iter().zip(&want).enumerate() {
        let off = (got - want).abs() / largest;
        assert!(off <= 2e-5, "{what}[{idx}] is {got}, not {want}");
    }
}

/// Streams, logits and states behind every one of `n_tokens`.
fn check(model: &Model, n_texts: usize, n_tokens: usize) {
    let config = model.config();
    let mut few = start(config).state(config, n_texts, &gpu());
    let mut operators = few.clone();
    for token in 0..n_tokens {
        let tokens: Vec<i32> = (0..n_texts)
            .map(|text| ((11 * token + 5 * text) % 60) as i32)
            .collect();
        assert_eq!(model.takes_few_launches([n_texts, 1], &few), Ok(()));
        let (x, after) = model.stream(ids(&tokens), few);
        let (want, want_after) = model.by_operators(model.embed(ids(&tokens)), operators);
        let what = format!("{n_texts} texts, token {token}");
        close(&format!("{what}, stream"), &x, &want);
        for (layer, (got, want)) in after.layers.iter().zip(&want_after.layers).enumerate() {
            let what = format!("{what}, layer {layer}");
            close(&format!("{what}, S"), &got.wkv, &want.wkv);
            let [got_shift, want_shift] = [&got.time_shift, &want.time_shift];
            close(&format!("{what}, time shift"), got_shift, want_shift);
            let both = [got, want].map(|state| state.channel_shift.clone().unwrap());
            close(&format!("{what}, channel shift"), &both[0], &both[1]);
        }
        let rows = want.squeeze_dim::<2>(1);
        let logits = model.logits(model.ln_out.forward(rows.clone()));
        let by_operator = model.ln_out.forward(rows);
        let by_operator = by_operator.matmul(model.head.widened().transpose());
        close(&format!("{what}, logits"), &logits, &by_operator);
        (few, operators) = (after, want_after);
    }
}

#[test]
fn few_launches_give_what_the_operators_give() {
    let single = model(&SMALL, Precision::F32);
    for n_texts in 1..=MOST_TEXTS {
        check(&single, n_texts, 3);
    }
    for precision in [Precision::F16, Precision::BF16] {
        let model = model(&SMALL, precision);
        for n_texts in [1, 5] {
            check(&model, n_texts, 3);
        }
    }
}

#[test]
fn heads_of_every_size_are_taken() {
    for (head_size, n_head) in [(16, 3), (64, 5), (128, 2)] {
        let config = ModelConfig {
            n_layer: 2,
            n_embd: head_size * n_head,
            n_head,
            head_size,
            n_ffn: 1096,
            decay_rank: 72,
            ..SMALL
        };
        check(&model(&config, Precision::F16), 2, 3);
    }
}

/// The greedy text of the mini model.
fn written(precision: Precision, prompt: &[i32], few: bool) -> Vec<u32> {
    let device = gpu();
    let checkpoint = mini::checkpoint().unwrap();
    let model = Model::load_stored(&checkpoint, &device, precision, &mut |_| Ok(())).unwrap();
    let mut state = ModelState::zero(model.config(), 1, &device);
    let mut text = Vec::new();
    for step in 0..prompt.len() + 24 {
        let token = match prompt.get(step) {
            Some(token) => *token,
            None => *text.last().unwrap() as i32,
        };
        let (x, after) = match few {
            true => model.stream(ids(&[token]), state),
            false => model.by_operators(model.embed(ids(&[token])), state),
        };
        let hidden = model.ln_out.forward(x.squeeze_dim(1));
        let next = model.logits(hidden).argmax(1).into_data();
        if step + 1 >= prompt.len() {
            text.extend(next.iter::<u32>());
        }
        state = after;
    }
    text
}

#[test]
fn the_mini_model_writes_the_same_text() {
    let prompt: Vec<i32> = (0..20).map(|idx| (idx * idx * 7) % 900 + 1).collect();
    for precision in [Precision::F32, Precision::F16] {
        let [text, want] = [true, false].map(|few| written(precision, &prompt, few));
        assert_eq!(text.len(), 25);
        assert_eq!(text, want);
    }
}

#[test]
fn what_is_not_taken_says_why() {
    let single = model(&SMALL, Precision::F32);
    let state = |n_texts| ModelState::zero(&SMALL, n_texts, &gpu());
    let why = |sizes: [usize; 2]| single.takes_few_launches(sizes, &state(sizes[0]));
    assert_eq!(why([MOST_TEXTS, 1]), Ok(()));
    assert_eq!(why([MOST_TEXTS + 1, 1]), Err(Declined::Texts));
    assert_eq!(why([1, 2]), Err(Declined::Tokens));
    let of = |model: &Model| model.takes_few_launches([1, 1], &state(1));
    for precision in [Precision::Int8, Precision::NF4] {
        assert_eq!(of(&model(&SMALL, precision)), Err(Declined::Storage));
    }
    let odd = ModelConfig {
        gate_rank: 12,
        ..SMALL
    };
    assert_eq!(of(&model(&odd, Precision::F32)), Err(Declined::Sizes));
    let checkpoint = random_checkpoint(&SMALL, 3).unwrap();
    let on_cpu = Model::load(&checkpoint, &Device::flex(), &mut |_| Ok(())).unwrap();
    assert_eq!(of(&on_cpu), Err(Declined::Cpu));
}
