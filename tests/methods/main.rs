//! The paper's methods on the mini model: what a lifted state does at step 0,
//! in parallel and token by token, and its gradients through the whole
//! objective.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod alpha;
mod recurrence;
#[path = "../support/mod.rs"]
mod support;

use burn::tensor::{Device, Int, Tensor, TensorData};
use gosling::data::Example;
use gosling::model::generate::Generation;
use gosling::model::state::{ModelState, Start};
use gosling::model::tokenizer::Tokenizer;
use gosling::model::{LossOptions, Rwkv7, TapeOptions, mini};
use gosling::tuning::spec::{
    DecorrelationSpec, Dynamics, FeatureSpec, Gamma, LiftSpec, Method, SupportVectors, TrainingSpec,
};
use gosling::tuning::state_file::TunedState;
use gosling::tuning::trainer::Trainer;
use gosling::tuning::tuned::{LiftValues, Tuned};

use support::values;

const TEXT: &str = "Question: What is the capital of France?\nAnswer: Paris\n\n";

fn model(device: &Device) -> Rwkv7 {
    Rwkv7::load(&mini::checkpoint().unwrap(), device, &mut |_| Ok(())).unwrap()
}

fn tokens(device: &Device) -> Tensor<2, Int> {
    let ids = Tokenizer::mini().unwrap().encode(TEXT);
    let ids: Vec<i32> = std::iter::once(0)
        .chain(ids.iter().map(|id| *id as i32))
        .collect();
    let shape = [1, ids.len()];
    Tensor::from_data(TensorData::new(ids, shape), device)
}

fn examples() -> Vec<Example> {
    let tokenizer = Tokenizer::mini().unwrap();
    [
        "What is 2+3?",
        "Who wrote Emma?",
        "How many legs has a spider?",
    ]
    .map(|question| Example {
        context: tokenizer.encode(&format!("Question: {question}\nAnswer:")),
        target: tokenizer.encode(" 5\n\n"),
    })
    .to_vec()
}

fn spec(dynamics: Dynamics, decorrelation: Option<DecorrelationSpec>) -> LiftSpec {
    LiftSpec {
        features: FeatureSpec {
            upscaled_size: 96,
            support_vectors: SupportVectors::Cluster,
            gamma: Gamma::Median,
        },
        dynamics,
        decorrelation,
        ..LiftSpec::default()
    }
}

fn centred() -> Option<DecorrelationSpec> {
    Some(DecorrelationSpec {
        center: true,
        ..DecorrelationSpec::default()
    })
}

/// What a lifted run starts from.
fn at_step_0(model: &Rwkv7, device: &Device, spec: LiftSpec) -> Tuned {
    let start = TunedState::zero(model.config());
    let method = Method::Lifted(spec);
    let training = TrainingSpec::default();
    let trainer = Trainer::new(model, device, &method, &training, &start, &examples());
    trainer.unwrap().tuned().unwrap()
}

/// The formula of the golden files as a source of numbers.
fn wave(n: usize, q: f32, scale: f32) -> Vec<f32> {
    (0..n)
        .map(|i| scale * (q + 1.37 * i as f32).sin())
        .collect()
}

/// A lifted state far from step 0.
fn shaken(mut tuned: Tuned) -> Tuned {
    for (layer, state) in tuned.state.layers.iter_mut().enumerate() {
        *state = wave(state.len(), layer as f32, 0.05);
    }
    let lift = tuned.lift.as_mut().unwrap();
    lift.weights = wave(lift.weights.len(), 0.3, 0.05);
    if let Some(r) = &mut lift.decorrelation {
        let noise = wave(r.len(), 0.7, 0.02);
        r.iter_mut().zip(noise).for_each(|(r, noise)| *r += noise);
    }
    tuned
}

fn logits(model: &Rwkv7, start: &Start, device: &Device) -> Vec<f32> {
    let state = start.state(model.config(), 1, device);
    values(model.forward(tokens(device), state).0)
}

fn all_specs() -> [LiftSpec; 4] {
    [
        spec(Dynamics::Constant, None),
        spec(Dynamics::Constant, centred()),
        spec(Dynamics::Decayed, None),
        spec(Dynamics::Decayed, Some(DecorrelationSpec::default())),
    ]
}

#[test]
fn step_zero_equals_base() {
    let device = Device::flex();
    let model = model(&device);
    let zero = ModelState::zero(model.config(), 1, &device);
    let base = values(model.forward(tokens(&device), zero).0);
    for spec in all_specs() {
        let what = format!("{spec:?}");
        let tuned = at_step_0(&model, &device, spec);
        let got = logits(&model, &tuned.start(&device), &device);
        assert!(got == base, "{what}");
        // And so does any lifted state times 0.
        let nothing = shaken(tuned.clone()).scaled(0.0);
        assert!(
            logits(&model, &nothing.start(&device), &device) == base,
            "{what}"
        );
        let shaken = logits(&model, &shaken(tuned).start(&device), &device);
        assert!(shaken != base, "{what}");
    }
}

#[test]
fn parallel_is_token_by_token() {
    let device = Device::flex();
    let model = model(&device);
    let ids = Tokenizer::mini().unwrap().encode(TEXT);
    for spec in all_specs() {
        let what = format!("{spec:?}");
        let start = shaken(at_step_0(&model, &device, spec)).start(&device);
        let whole = logits(&model, &start, &device);
        let mut text = Generation::new(&model, &device, Some(&start), &[]).unwrap();
        let n_vocab = model.config().vocab_size;
        for (t, id) in ids.iter().enumerate() {
            for (got, want) in text.logits().iter().zip(&whole[t * n_vocab..]) {
                let gap = (got - want).abs();
                assert!(gap < 2e-3, "{what}, token {t}: {got}, not {want}");
            }
            text.push(*id).unwrap();
        }
    }
}

/// Loss of predicting the text, and gradients where they are wanted: of S_0,
/// of Z and of R, as in a step.
struct Objective {
    loss: f64,
    state: Vec<f32>,
    weights: Vec<f32>,
    r: Vec<f32>,
}

fn objective(model: &Rwkv7, device: &Device, tuned: &Tuned) -> Objective {
    let ids = tokens(device);
    let [_, n] = ids.dims();
    let all = values(ids.clone().float());
    let targets: Vec<u32> = all[1..].iter().map(|id| *id as u32).collect();
    let at: Vec<u32> = (0..n as u32 - 1).collect();
    let state = tuned.start(device).state(model.config(), 1, device);
    let options = TapeOptions {
        first_layer: 0,
        recompute: false,
    };
    let (x, tape) = model.forward_taped(ids, state, options);
    let options = LossOptions {
        gradient_scale: Some(1.0),
        l2wrap: false,
    };
    let loss = model.loss(x, &at, &targets, options);
    let gradients = model.backward(tape, loss.dx.unwrap(), None);
    let lift = tuned.lift.as_ref().unwrap();
    let tensors = lift.tensors(device);
    let mut all = Objective {
        loss: f64::from(values(loss.sum)[0]),
        state: Vec::new(),
        weights: Vec::new(),
        r: Vec::new(),
    };
    for (layer, gradient) in gradients.into_iter().enumerate() {
        all.state.extend(values(gradient.state));
        let branch = gradient.branch.unwrap();
        let z: Tensor<3> = tensors.weights.clone().narrow(0, layer, 1).squeeze_dim(0);
        let r = tensors.r.as_ref();
        let r = r.map(|r| r.clone().narrow(0, layer, 1).squeeze_dim::<3>(0));
        match (lift.dynamics, r) {
            (Dynamics::Constant, Some(r)) => {
                let folded = branch.weights;
                all.weights
                    .extend(values(folded.clone().matmul(r.swap_dims(1, 2))));
                all.r.extend(values(z.swap_dims(1, 2).matmul(folded)));
            }
            (Dynamics::Constant | Dynamics::Decayed, _) => {
                all.weights.extend(values(branch.weights));
                all.r.extend(branch.mixing.map(values).unwrap_or_default());
            }
        }
    }
    all
}

/// The slope of the loss along its own gradient, by central differences.
fn check_slope(what: &str, gradient: &[f32], loss_at: impl Fn(&dyn Fn(&mut [f32])) -> f64) {
    let square: f64 = gradient.iter().map(|g| f64::from(*g).powi(2)).sum();
    assert!(square > 0.0, "{what}");
    let step = 0.02 / square;
    let moved = |sign: f64| {
        loss_at(&|values: &mut [f32]| {
            for (value, g) in values.iter_mut().zip(gradient) {
                *value += (sign * step * f64::from(*g)) as f32;
            }
        })
    };
    let slope = (moved(1.0) - moved(-1.0)) / (2.0 * step);
    let gap = (slope / square - 1.0).abs();
    assert!(gap < 0.02, "{what}: slope {slope}, not {square}");
}

fn of_lift(tuned: &mut Tuned) -> &mut LiftValues {
    tuned.lift.as_mut().unwrap()
}

#[test]
fn gradients_are_slopes_of_the_whole_objective() {
    let device = Device::flex();
    let model = model(&device);
    for spec in all_specs() {
        let what = format!("{spec:?}");
        let tuned = shaken(at_step_0(&model, &device, spec));
        let gradients = objective(&model, &device, &tuned);
        check_slope(&format!("S_0, {what}"), &gradients.state, |change| {
            let mut tuned = tuned.clone();
            let mut all = tuned.state.layers.concat();
            change(&mut all);
            let n = tuned.state.n_per_layer();
            tuned.state.layers = all.chunks(n).map(<[f32]>::to_vec).collect();
            objective(&model, &device, &tuned).loss
        });
        check_slope(&format!("Z, {what}"), &gradients.weights, |change| {
            let mut tuned = tuned.clone();
            change(&mut of_lift(&mut tuned).weights);
            objective(&model, &device, &tuned).loss
        });
        if gradients.r.is_empty() {
            continue;
        }
        check_slope(&format!("R, {what}"), &gradients.r, |change| {
            let mut tuned = tuned.clone();
            change(of_lift(&mut tuned).decorrelation.as_mut().unwrap());
            objective(&model, &device, &tuned).loss
        });
    }
}
