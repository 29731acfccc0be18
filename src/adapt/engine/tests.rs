//! Gradients of texts against differences, against state tuning's own, and against
//! themselves in other batches.

use super::*;
use crate::data::Example;
use crate::kernels::device::read_back::read_f32;
use crate::model::state::ModelState;
use crate::model::{LossOptions, TextStart, mini};
use crate::tuning::method::tuned::Tuned;
use crate::tuning::spec::LossOn;
use crate::tuning::states::state_file::TunedState;
use crate::tuning::train::batch::Batch as TrainingBatch;

fn model() -> (Model, Device) {
    let device = Device::flex();
    let model = Model::load(&mini::checkpoint().unwrap(), &device, &mut |_| Ok(())).unwrap();
    (model, device)
}

/// A base that is not zero.
fn base(model: &Model) -> Tuned {
    let mut state = TunedState::zero(model.config());
    for (n, value) in state.layers.iter_mut().flatten().enumerate() {
        *value = 0.3 * (0.37 * n as f32).sin();
    }
    Tuned::from(state)
}

fn row(state: usize, seed: u32, n_context: u32, n_answer: u32) -> Row {
    let token = |t: u32| 1 + (t * 37 + seed * 11) % 900;
    let context: Vec<u32> = (0..n_context).map(token).collect();
    let answer: Vec<u32> = (0..n_answer).map(|t| token(t + 100)).collect();
    Row::new(state, TextStart::Zero, &context, &answer)
}

fn norm(x: &[f32]) -> f64 {
    x.iter().map(|x| f64::from(*x).powi(2)).sum::<f64>().sqrt()
}

/// Relative to the whole.
fn check_close(got: &[f32], want: &[f32], most: f64, what: &str) {
    assert_eq!(got.len(), want.len(), "{what}");
    let gap: Vec<f32> = got.iter().zip(want).map(|(a, b)| a - b).collect();
    let gap = norm(&gap) / norm(want);
    assert!(gap < most, "{what}: {gap}");
}

/// Weights of 1 over the number of tokens are the objective of state tuning.
#[test]
fn equal_weights_are_the_loss_and_gradient_of_tuning() {
    let (model, device) = model();
    let base = base(&model);
    let examples = [(9_u32, 7_u32), (20, 4)].map(|(n_context, n_answer)| {
        let of = row(0, n_context, n_context, n_answer);
        Example::new(
            of.tokens[1..1 + n_context as usize].to_vec(),
            of.scored.iter().map(|(_, token)| *token).collect(),
        )
    });
    let batch = TrainingBatch::new(&examples.iter().collect::<Vec<_>>(), LossOn::Answer);
    let n = batch.n_counted();
    let start = base.start(&device);
    let options = TapeOptions {
        first_layer: 0,
        recompute: false,
        token_shifts: false,
    };
    let tokens = TensorData::new(batch.tokens.clone(), batch.shape());
    let state: ModelState = start.state(model.config(), 2, &device);
    let (x, tape) = model.forward_taped(Tensor::from_data(tokens, &device), state, options);
    let targets: Vec<u32> = examples
        .iter()
        .zip([9, 20])
        .flat_map(|(of, n_context)| of.tokens[n_context..].to_vec())
        .collect();
    let loss = LossOptions {
        gradient_scale: Some(1.0 / n as f32),
        l2wrap: false,
    };
    let loss = model.loss(x, &batch.at, &targets, loss);
    let want_loss = read_f32(loss.sum).unwrap()[0] / n as f32;
    let gradients = model.backward(tape, loss.dx.unwrap(), None);
    let want: Vec<f32> = gradients
        .into_iter()
        .flat_map(|of| read_f32(of.state).unwrap())
        .collect();
    let rows = [row(0, 9, 9, 7), row(0, 20, 20, 4)];
    let engine = Engine::new(&model, &device);
    let states = States::new(&model, &device, &base, 1).unwrap();
    let mut weigh = |scores: &Scores| vec![1.0 / n as f32; scores.log_p.len()];
    let (scores, got) = engine.gradient(&states, &rows, 1.0, &mut weigh).unwrap();
    let loss = -scores.log_p.iter().sum::<f32>() / n as f32;
    assert!(
        (loss - want_loss).abs() < 1e-5 * want_loss,
        "{loss}, not {want_loss}"
    );
    check_close(&read_f32(got.unwrap()).unwrap(), &want, 1e-5, "gradient");
}

/// The expected reward of a single step, the mean of p_t, along one direction of the
/// state.
#[test]
fn weights_of_the_probability_have_the_gradient_of_the_mean_probability() {
    let (model, device) = model();
    let base = base(&model);
    let engine = Engine::new(&model, &device);
    let rows = [row(0, 5, 12, 6)];
    let states = States::new(&model, &device, &base, 1).unwrap();
    let mut weigh = |scores: &Scores| -> Vec<f32> {
        let n = scores.log_p.len() as f32;
        scores.log_p.iter().map(|log_p| log_p.exp() / n).collect()
    };
    let (_, gradient) = engine.gradient(&states, &rows, 1.0, &mut weigh).unwrap();
    let gradient = read_f32(gradient.unwrap()).unwrap();
    // Along the gradient itself the difference is largest, and rounding least.
    let length = norm(&gradient);
    let mean_p = |by: f64| {
        let mut moved = base.clone();
        let values = moved.state.layers.iter_mut().flatten();
        for (value, gradient) in values.zip(&gradient) {
            *value += (by * f64::from(*gradient) / length) as f32;
        }
        let states = States::new(&model, &device, &moved, 1).unwrap();
        let scores = engine.scores(&states, &rows, 1.0).unwrap();
        let p = scores.log_p.iter().map(|log_p| f64::from(*log_p).exp());
        p.sum::<f64>() / scores.log_p.len() as f64
    };
    let step = 0.02;
    let want = (mean_p(step) - mean_p(-step)) / (2.0 * step);
    // The gradient is that of the loss, minus the reward.
    assert!(
        (want + length).abs() < 0.03 * length,
        "{want}, not {}",
        -length
    );
}

#[test]
fn a_text_has_its_gradient_in_every_batch() {
    let (model, device) = model();
    let base = base(&model);
    let engine = Engine::new(&model, &device);
    let rows = [
        row(2, 1, 9, 3),
        row(0, 2, 30, 5),
        row(1, 3, 4, 8),
        row(0, 4, 11, 2),
    ];
    let mut weigh = |scores: &Scores| -> Vec<f32> {
        scores
            .log_p
            .iter()
            .map(|log_p| (0.5 * log_p).exp())
            .collect()
    };
    let states = States::new(&model, &device, &base, 3).unwrap();
    let (scores, all) = engine.gradient(&states, &rows, 0.7, &mut weigh).unwrap();
    let all = read_f32(all.unwrap()).unwrap();
    let small = engine.with_most_tokens(32);
    let (apart_scores, apart) = small.gradient(&states, &rows, 0.7, &mut weigh).unwrap();
    check_close(&apart_scores.log_p, &scores.log_p, 1e-5, "scores");
    check_close(&read_f32(apart.unwrap()).unwrap(), &all, 1e-5, "parts");
    let n = all.len() / 3;
    for state in 0..3 {
        let own: Vec<Row> = rows
            .iter()
            .filter(|row| row.state == state)
            .map(|row| Row {
                state: 0,
                ..row.clone()
            })
            .collect();
        let one = States::new(&model, &device, &base, 1).unwrap();
        let (_, alone) = engine.gradient(&one, &own, 0.7, &mut weigh).unwrap();
        let alone = read_f32(alone.unwrap()).unwrap();
        check_close(&alone, &all[state * n..(state + 1) * n], 1e-5, "a state");
    }
}

/// Several tokens after one place, as letters are: the same as one text each.
#[test]
fn choices_after_one_place_are_texts_of_one_token() {
    let (model, device) = model();
    let engine = Engine::new(&model, &device);
    let states = States::new(&model, &device, &base(&model), 1).unwrap();
    let context: Vec<u32> = (1..20).collect();
    let together = [Row::choosing(0, TextStart::Zero, &context, &[7, 9, 7])];
    let apart = [7, 9, 7].map(|token| Row::new(0, TextStart::Zero, &context, &[token]));
    let mut weigh = |_: &Scores| vec![0.5, -0.3, 0.1];
    let (scores, got) = engine
        .gradient(&states, &together, 1.0, &mut weigh)
        .unwrap();
    let (others, want) = engine.gradient(&states, &apart, 1.0, &mut weigh).unwrap();
    check_close(&scores.log_p, &others.log_p, 1e-5, "scores");
    let (got, want) = (
        read_f32(got.unwrap()).unwrap(),
        read_f32(want.unwrap()).unwrap(),
    );
    check_close(&got, &want, 1e-5, "gradient");
}
