//! The paper's methods on the mini model: what a lifted state does at step 0,
//! in parallel and token by token.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod alpha;
mod dropout;
mod gradients;
mod lora;
mod lora_files;
mod presets;
mod recurrence;
mod reference;
mod shift;
#[path = "../support/mod.rs"]
mod support;

use burn::tensor::{Device, Int, Tensor, TensorData};
use gosling::data::Example;
use gosling::model::generate::Generation;
use gosling::model::state::{ModelState, Start};
use gosling::model::tokenizer::Tokenizer;
use gosling::model::{Model, mini};
use gosling::tuning::method::tuned::Tuned;
use gosling::tuning::spec::{
    DecorrelationRule, DecorrelationSpec, Dynamics, FeatureSpec, Gamma, LiftSpec, Method,
    PaperLiteralSpec, SupportVectors, TrainingSpec,
};
use gosling::tuning::states::state_file::TunedState;
use gosling::tuning::train::trainer::Trainer;

use support::values;

const TEXT: &str = "Question: What is the capital of France?\nAnswer: Paris\n\n";

fn model(device: &Device) -> Model {
    Model::load(&mini::checkpoint().unwrap(), device, &mut |_| Ok(())).unwrap()
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
    .map(|question| {
        let context = tokenizer.encode(&format!("Question: {question}\nAnswer:"));
        Example::new(context, tokenizer.encode(" 5\n\n"))
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

fn joint() -> Option<DecorrelationSpec> {
    Some(DecorrelationSpec {
        rule: DecorrelationRule::Joint {
            lambda: 1.0,
            kappa: 0.5,
            learning_rate: 0.01,
        },
        ..DecorrelationSpec::default()
    })
}

fn scalar() -> Option<DecorrelationSpec> {
    Some(DecorrelationSpec {
        rule: DecorrelationRule::ScalarRms { eta: 0.05 },
        shared: true,
        ..DecorrelationSpec::default()
    })
}

fn centred() -> Option<DecorrelationSpec> {
    Some(DecorrelationSpec {
        center: true,
        ..DecorrelationSpec::default()
    })
}

/// What a lifted run starts from.
fn at_step_0(model: &Model, device: &Device, method: Method) -> Tuned {
    let start = TunedState::zero(model.config());
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
    if let Some(gate) = &mut lift.gate {
        *gate = wave(gate.len(), 0.9, 0.3);
    }
    if let Some(r) = &mut lift.decorrelation {
        let noise = wave(r.len(), 0.7, 0.02);
        r.iter_mut().zip(noise).for_each(|(r, noise)| *r += noise);
    }
    tuned
}

fn logits(model: &Model, start: &Start, device: &Device) -> Vec<f32> {
    let state = start.state(model.config(), 1, device);
    values(model.forward(tokens(device), state).0)
}

/// Every residual method: each dynamics without R and with R by each rule.
fn residual_methods() -> Vec<Method> {
    let local = Some(DecorrelationSpec::default());
    [
        spec(Dynamics::Constant, None),
        spec(Dynamics::Constant, centred()),
        spec(Dynamics::Constant, joint()),
        spec(Dynamics::Decayed, None),
        spec(Dynamics::Decayed, local),
        spec(Dynamics::Recurrent, None),
        spec(Dynamics::Recurrent, centred()),
        spec(Dynamics::Recurrent, joint()),
        spec(Dynamics::Recurrent, scalar()),
    ]
    .map(Method::Lifted)
    .to_vec()
}

fn paper_literal() -> Method {
    let mut literal = PaperLiteralSpec::default();
    literal.features.upscaled_size = 96;
    // Wide enough that vectors which are no unit vectors reach the kernels.
    literal.features.gamma = Gamma::Value(0.05);
    Method::PaperLiteral(literal)
}

fn all_methods() -> Vec<Method> {
    let mut all = residual_methods();
    all.push(paper_literal());
    all
}

#[test]
fn step_zero_equals_base() {
    let device = Device::flex();
    let model = model(&device);
    let zero = ModelState::zero(model.config(), 1, &device);
    let base = values(model.forward(tokens(&device), zero).0);
    for method in residual_methods() {
        let what = format!("{method:?}");
        let tuned = at_step_0(&model, &device, method);
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

/// The paper's recurrence throws the model's own away.
#[test]
fn the_literal_paper_does_not_start_from_the_base() {
    let device = Device::flex();
    let model = model(&device);
    let zero = ModelState::zero(model.config(), 1, &device);
    let base = values(model.forward(tokens(&device), zero).0);
    let tuned = at_step_0(&model, &device, paper_literal());
    let got = logits(&model, &tuned.start(&device), &device);
    assert!(got != base && got.iter().all(|x| x.is_finite()));
}

#[test]
fn parallel_is_token_by_token() {
    let device = Device::flex();
    let model = model(&device);
    let ids = Tokenizer::mini().unwrap().encode(TEXT);
    for method in all_methods() {
        let what = format!("{method:?}");
        let start = shaken(at_step_0(&model, &device, method)).start(&device);
        let whole = logits(&model, &start, &device);
        let mut text = Generation::new(&model, &device, Some(&start), &[]).unwrap();
        let n_vocab = model.config().vocab_size;
        for (t, id) in ids.iter().enumerate() {
            for (got, want) in text.logits().iter().zip(&whole[t * n_vocab..]) {
                let gap = (got - want).abs();
                assert!(
                    gap < 1e-4 * (1.0 + want.abs()),
                    "{what}, token {t}: {got}, not {want}"
                );
            }
            text.push(*id).unwrap();
        }
    }
}
