//! The paper's methods on the mini model: what a lifted state does at step 0,
//! in parallel and token by token, and its gradients through the whole
//! objective.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod alpha;
mod presets;
mod recurrence;
#[path = "../support/mod.rs"]
mod support;

use burn::tensor::{Device, Int, Tensor, TensorData};
use gosling::data::Example;
use gosling::model::generate::Generation;
use gosling::model::state::{ModelState, Start};
use gosling::model::tokenizer::Tokenizer;
use gosling::model::{LossOptions, Rwkv7, TapeOptions, mini};
use gosling::tuning::decorrelation_matrix::DecorrelationMatrix;
use gosling::tuning::spec::{
    DecorrelationRule, DecorrelationSpec, Dynamics, FeatureSpec, Gamma, Layers, LiftKind, LiftSpec,
    Method, PaperLiteralSpec, SupportVectors, TrainingSpec,
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
fn at_step_0(model: &Rwkv7, device: &Device, method: Method) -> Tuned {
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

fn logits(model: &Rwkv7, start: &Start, device: &Device) -> Vec<f32> {
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
                assert!(gap < 2e-3, "{what}, token {t}: {got}, not {want}");
            }
            text.push(*id).unwrap();
        }
    }
}

/// Loss of predicting the text, and gradients where they are wanted: of S_0,
/// of Z, of the write gates and of R, as in a step.
struct Objective {
    loss: f64,
    state: Vec<f32>,
    weights: Vec<f32>,
    gate: Vec<f32>,
    r: Vec<f32>,
}

/// The loss counts `lambda` times L_decor, where `spec` says how.
fn objective(
    model: &Rwkv7,
    device: &Device,
    tuned: &Tuned,
    decorrelation: Option<(f64, DecorrelationSpec)>,
) -> Objective {
    let ids = tokens(device);
    let [_, n] = ids.dims();
    let all = values(ids.clone().float());
    let targets: Vec<u32> = all[1..].iter().map(|id| *id as u32).collect();
    let at: Vec<u32> = (0..n as u32 - 1).collect();
    let lift = tuned.lift.as_ref().unwrap();
    let mut tensors = lift.tensors(device);
    tensors.trains_r = tensors.r.is_some();
    let n_layer = model.config().n_layer;
    let start = Start {
        branches: tensors.branches(n_layer),
        ..tuned.start(device)
    };
    let options = TapeOptions {
        first_layer: lift.layers[0],
        recompute: false,
    };
    let (x, tape) = model.forward_taped(ids, start.state(model.config(), 1, device), options);
    let options = LossOptions {
        gradient_scale: Some(1.0),
        l2wrap: false,
    };
    let loss = model.loss(x, &at, &targets, options);
    let everywhere: Vec<i32> = (0..n as i32).collect();
    let everywhere = Tensor::from_data(TensorData::new(everywhere, [n]), device);
    let gradients = model.backward(tape, loss.dx.unwrap(), Some(&everywhere));
    let mut all = Objective {
        loss: f64::from(values(loss.sum)[0]),
        state: Vec::new(),
        weights: Vec::new(),
        gate: Vec::new(),
        r: Vec::new(),
    };
    let mut moments = Vec::new();
    let layers = gradients.into_iter().filter(|layer| layer.branch.is_some());
    for (idx, gradient) in layers.enumerate() {
        all.state.extend(values(gradient.state));
        let branch = gradient.branch.unwrap();
        moments.extend(branch.moments);
        all.gate.extend(branch.gate.map(values).unwrap_or_default());
        let z: Tensor<3> = tensors.weights.clone().narrow(0, idx, 1).squeeze_dim(0);
        let r = tensors.r.as_ref();
        let r = r.map(|r| r.clone().narrow(0, idx, 1).squeeze_dim::<3>(0));
        match (lift.kind, r) {
            (LiftKind::Constant, Some(r)) => {
                let folded = branch.weights;
                let [n_head, ..] = folded.dims();
                let [_, m, _] = r.dims();
                let r = r.expand([n_head, m, m]);
                all.weights
                    .extend(values(folded.clone().matmul(r.swap_dims(1, 2))));
                all.r.extend(values(z.swap_dims(1, 2).matmul(folded)));
            }
            (_, _) => {
                all.weights.extend(values(branch.weights));
                all.r.extend(branch.mixing.map(values).unwrap_or_default());
            }
        }
    }
    if let (Some((lambda, spec)), Some(r)) = (decorrelation, tensors.r) {
        let matrix = DecorrelationMatrix {
            spec,
            r,
            mean: tensors.mean,
        };
        let moments = matrix.second_moments(&moments);
        let a = matrix.decorrelated(&moments);
        let of_loss = values(matrix.loss(&a));
        all.loss += lambda * of_loss.iter().map(|x| f64::from(*x)).sum::<f64>();
        let own = values(matrix.loss_gradient(&a, &moments) * lambda);
        all.r.iter_mut().zip(own).for_each(|(r, own)| *r += own);
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

/// What is moved along its gradient.
type Part = fn(&mut LiftValues) -> Option<&mut Vec<f32>>;

#[test]
fn gradients_are_slopes_of_the_whole_objective() {
    let device = Device::flex();
    let model = model(&device);
    for method in all_methods() {
        let what = format!("{method:?}");
        let tuned = shaken(at_step_0(&model, &device, method.clone()));
        let gradients = objective(&model, &device, &tuned, None);
        let loss = |tuned: &Tuned| objective(&model, &device, tuned, None).loss;
        // A run of the paper's recurrence has no other state.
        if matches!(method, Method::Lifted(_)) {
            check_slope(&format!("S_0, {what}"), &gradients.state, |change| {
                let mut tuned = tuned.clone();
                let mut all = tuned.state.layers.concat();
                change(&mut all);
                let n = tuned.state.n_per_layer();
                tuned.state.layers = all.chunks(n).map(<[f32]>::to_vec).collect();
                loss(&tuned)
            });
        }
        let parts: [(&str, &[f32], Part); 3] = [
            ("Z", &gradients.weights, |lift| Some(&mut lift.weights)),
            ("beta", &gradients.gate, |lift| lift.gate.as_mut()),
            ("R", &gradients.r, |lift| lift.decorrelation.as_mut()),
        ];
        for (name, gradient, part) in parts {
            let mut probe = tuned.clone();
            // One R for all heads has the sum of their gradients, which a step takes.
            let len = part(of_lift(&mut probe)).map_or(0, |values| values.len());
            if len == 0 || gradient.len() != len {
                assert!(len == 0 || name == "R", "{name}, {what}");
                continue;
            }
            check_slope(&format!("{name}, {what}"), gradient, |change| {
                let mut tuned = tuned.clone();
                change(part(of_lift(&mut tuned)).unwrap());
                loss(&tuned)
            });
        }
    }
}

/// Joint with lambda above 0. One layer, for the features of those above it
/// follow its R, which the printed gradient of L_decor does not count.
#[test]
fn the_gradient_of_r_is_the_slope_of_the_joint_objective() {
    let device = Device::flex();
    let model = model(&device);
    for dynamics in [Dynamics::Constant, Dynamics::Decayed, Dynamics::Recurrent] {
        for lambda in [5.0, 5e3] {
            let spec = LiftSpec {
                layers: Layers::Only(vec![2]),
                ..spec(dynamics, joint())
            };
            let decorrelation = Some((lambda, spec.decorrelation.unwrap()));
            let tuned = shaken(at_step_0(&model, &device, Method::Lifted(spec)));
            let gradients = objective(&model, &device, &tuned, decorrelation);
            let what = format!("{dynamics:?}, lambda {lambda}");
            check_slope(&what, &gradients.r, |change| {
                let mut tuned = tuned.clone();
                change(of_lift(&mut tuned).decorrelation.as_mut().unwrap());
                objective(&model, &device, &tuned, decorrelation).loss
            });
        }
    }
}
