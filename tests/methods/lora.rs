//! Low-rank adapters on the mini model: step 0, gradients, token by token, resuming.

use burn::tensor::{Device, DeviceKind};
use gosling::model::adapter::AdapterTarget;
use gosling::model::generate::Generation;
use gosling::model::state::ModelState;
use gosling::model::tokenizer::Tokenizer;
use gosling::model::{LossOptions, Model, Precision, TapeOptions, mini};
use gosling::tuning::method::lora_values::LoraValues;
use gosling::tuning::method::tuned::Tuned;
use gosling::tuning::spec::{
    Layers, LoraSpec, LoraTargets, LossOn, Method, OptimizerSpec, TrainingSpec,
};
use gosling::tuning::states::checkpoint_file::{read_checkpoint, write_checkpoint};
use gosling::tuning::states::state_file::TunedState;
use gosling::tuning::train::batch::Batch;
use gosling::tuning::train::trainer::Trainer;

use crate::reference::differentiate_adapters;
use crate::support::{assert_close, values};
use crate::{TEXT, at_step_0, examples, logits, model, tokens, wave};

pub fn spec(layers: Layers) -> LoraSpec {
    LoraSpec {
        layers,
        rank: 4,
        alpha: 6.0,
        ..LoraSpec::default()
    }
}

/// All matrices of all layers; a layer above the first; and some matrices of two
/// layers, the first and one between which others only pass its value on.
pub fn specs() -> [LoraSpec; 3] {
    let some = LoraTargets {
        receptance: false,
        output: false,
        ffn_value: false,
        ..LoraTargets::default()
    };
    [
        spec(Layers::All),
        spec(Layers::Only(vec![2])),
        LoraSpec {
            targets: some,
            rank: 3,
            ..spec(Layers::Only(vec![0, 3]))
        },
    ]
}

/// Adapters and a state far from step 0.
pub fn shaken(mut tuned: Tuned) -> Tuned {
    for (layer, state) in tuned.state.layers.iter_mut().enumerate() {
        *state = wave(state.len(), layer as f32, 0.05);
    }
    for (idx, of) in tuned.lora.as_mut().unwrap().factors.iter_mut().enumerate() {
        of.b = wave(of.b.len(), 0.3 + idx as f32, 0.03);
    }
    tuned
}

pub fn lora(tuned: &Tuned) -> &LoraValues {
    tuned.lora.as_ref().unwrap()
}

#[test]
fn step_zero_is_the_untuned_model_bit_for_bit() {
    let device = Device::flex();
    let model = model(&device);
    let zero = ModelState::zero(model.config(), 1, &device);
    let base = values(model.forward(tokens(&device), zero).0);
    let examples = examples();
    let batch = Batch::new(&examples.iter().collect::<Vec<_>>(), LossOn::Answer);
    let loss = |method: &Method| {
        let start = TunedState::zero(model.config());
        let training = TrainingSpec::default();
        let mut trainer =
            Trainer::new(&model, &device, method, &training, &start, &examples).unwrap();
        trainer.step(std::slice::from_ref(&batch)).unwrap();
        trainer.read_steps().unwrap()[0].loss
    };
    let untuned = loss(&Method::Standard(Default::default()));
    for spec in specs() {
        let what = format!("{spec:?}");
        let method = Method::Lora(spec);
        let tuned = at_step_0(&model, &device, method.clone());
        assert!(lora(&tuned).factors.iter().all(|of| {
            let bound = 1.0 / (of.n_in as f32).sqrt();
            let largest = of.a.iter().fold(0.0_f32, |most, a| most.max(a.abs()));
            largest <= bound && largest > 0.9 * bound && of.b.iter().all(|b| *b == 0.0)
        }));
        assert!(
            logits(&model, &tuned.start(&device), &device) == base,
            "{what}"
        );
        assert_eq!(loss(&method), untuned, "{what}");
        let moved = shaken(tuned);
        assert!(logits(&model, &moved.start(&device), &device) != base);
        let nothing = moved.scaled(0.0);
        assert!(logits(&model, &nothing.start(&device), &device) == base);
    }
}

/// Loss of predicting the text, and gradients: of S_0, flat, and of A and B of every
/// adapter.
struct Objective {
    loss: f64,
    state: Vec<f32>,
    adapters: Vec<(usize, &'static str, [Vec<f32>; 2])>,
}

fn objective(model: &Model, device: &Device, tuned: &Tuned, recompute: bool) -> Objective {
    let ids = tokens(device);
    let all = values(ids.clone().float());
    let targets: Vec<u32> = all[1..].iter().map(|id| *id as u32).collect();
    let at: Vec<u32> = (0..targets.len() as u32).collect();
    let first_layer = lora(tuned).layers[0];
    let options = TapeOptions {
        first_layer,
        recompute,
        token_shifts: false,
    };
    let state = tuned.start(device).state(model.config(), 1, device);
    let (x, tape) = model.forward_taped(ids, state, options);
    let options = LossOptions {
        gradient_scale: Some(1.0),
        l2wrap: false,
    };
    let loss = model.loss(x, &at, &targets, options);
    let gradients = model.backward(tape, loss.dx.unwrap(), None);
    let mut all = Objective {
        loss: f64::from(values(loss.sum)[0]),
        state: Vec::new(),
        adapters: Vec::new(),
    };
    for (idx, gradient) in gradients.into_iter().enumerate() {
        all.state.extend(values(gradient.state));
        for (target, of) in AdapterTarget::ALL
            .into_iter()
            .zip(gradient.adapters.into_iter().flatten())
        {
            let Some(of) = of else { continue };
            let both = [of.a, of.b].map(values);
            all.adapters
                .push((first_layer + idx, target.module(), both));
        }
    }
    all
}

/// The same gradients as those that Burn finds where the adapters are merged into the
/// weights, whose layers above pass the first layer's value on.
fn check_autodiff(device: &Device, bound: f32) {
    let model = model(device);
    let cpu = Device::flex();
    let ids: Vec<i32> = tokens(&cpu).into_data().iter::<i32>().collect();
    for spec in specs() {
        let what = format!("{spec:?}");
        let tuned = shaken(at_step_0(&model, device, Method::Lora(spec)));
        let got = objective(&model, device, &tuned, false);
        let want = differentiate_adapters(&tuned, &ids);
        assert!((got.loss / want.loss - 1.0).abs() < 1e-5, "{what}");
        let check = |name: &str, got: &[f32], want: &[f32]| {
            let largest = want.iter().fold(0.0_f32, |most, x| most.max(x.abs()));
            assert!(largest > 0.0, "{name}, {what}");
            assert_close(&format!("{name}, {what}"), got, want, bound * largest, 0.0);
        };
        let skipped = want.state.len() - got.state.len();
        check("S_0", &got.state, &want.state[skipped..]);
        assert_eq!(got.adapters.len(), want.adapters.len(), "{what}");
        for (layer, module, [a, b]) in &want.adapters {
            let mut own = got.adapters.iter();
            let (_, _, [got_a, got_b]) = own
                .find(|(of, name, _)| of == layer && name == module)
                .unwrap();
            check(&format!("A of {layer} {module}"), got_a, a);
            check(&format!("B of {layer} {module}"), got_b, b);
        }
    }
}

#[test]
fn gradients_are_those_of_autodiff() {
    check_autodiff(&Device::flex(), 1e-4);
}

#[test]
fn gradients_are_those_of_autodiff_on_a_gpu() {
    check_autodiff(&Device::wgpu(DeviceKind::Cpu), 1e-4);
}

/// The slope of the loss along the gradient of each factor, by central differences;
/// with frozen matrices in 8 bits too, whose numbers no gradient rounds.
#[test]
fn gradients_are_slopes() {
    let device = Device::flex();
    let checkpoint = mini::checkpoint().unwrap();
    for precision in [Precision::F32, Precision::Int8] {
        let model = Model::load_stored(&checkpoint, &device, precision, &mut |_| Ok(())).unwrap();
        let tuned = shaken(at_step_0(&model, &device, Method::Lora(spec(Layers::All))));
        let gradients = objective(&model, &device, &tuned, false);
        for target in AdapterTarget::ALL {
            for is_b in [false, true] {
                let of_target = gradients.adapters.iter();
                let of_target = of_target.filter(|(_, module, _)| *module == target.module());
                let gradient: Vec<f32> = of_target
                    .flat_map(|(_, _, both)| both[usize::from(is_b)].clone())
                    .collect();
                let square: f64 = gradient.iter().map(|g| f64::from(*g).powi(2)).sum();
                assert!(square > 0.0, "{target:?}");
                let step = 0.02 / square;
                let moved = |sign: f64| {
                    let mut tuned = tuned.clone();
                    let lora = tuned.lora.as_mut().unwrap();
                    let mut all = lora.factors.iter_mut();
                    let of = all.find(|of| of.target == target).unwrap();
                    let values = if is_b { &mut of.b } else { &mut of.a };
                    assert_eq!(values.len(), gradient.len());
                    for (value, g) in values.iter_mut().zip(&gradient) {
                        *value += (sign * step * f64::from(*g)) as f32;
                    }
                    objective(&model, &device, &tuned, false).loss
                };
                let slope = (moved(1.0) - moved(-1.0)) / (2.0 * step);
                let gap = (slope / square - 1.0).abs();
                assert!(
                    gap < 0.02,
                    "{target:?}, B {is_b}, {precision:?}: slope {slope}, not {square}"
                );
            }
        }
    }
}

#[test]
fn recomputing_changes_no_gradient() {
    let device = Device::flex();
    let model = model(&device);
    for spec in specs() {
        let tuned = shaken(at_step_0(&model, &device, Method::Lora(spec)));
        let [kept, again] =
            [false, true].map(|recompute| objective(&model, &device, &tuned, recompute));
        assert_eq!(kept.state, again.state);
        assert_eq!(kept.adapters, again.adapters);
    }
}

#[test]
fn parallel_is_token_by_token() {
    let device = Device::flex();
    let model = model(&device);
    let ids = Tokenizer::mini().unwrap().encode(TEXT);
    let n_vocab = model.config().vocab_size;
    for spec in specs() {
        let start = shaken(at_step_0(&model, &device, Method::Lora(spec))).start(&device);
        let whole = logits(&model, &start, &device);
        let mut text = Generation::new(&model, &device, Some(&start), &[]).unwrap();
        for (t, id) in ids.iter().enumerate() {
            let want = &whole[t * n_vocab..][..n_vocab];
            assert_close("logits", text.logits(), want, 1e-4, 1e-4);
            text.push(*id).unwrap();
        }
    }
}

fn training() -> TrainingSpec {
    TrainingSpec {
        steps: 6,
        warmup_steps: 1,
        learning_rate: 0.05,
        optimizer: OptimizerSpec::Adam {
            beta1: 0.9,
            beta2: 0.99,
            epsilon: 1e-8,
        },
        ..TrainingSpec::default()
    }
}

/// Adapters alone leave S_0 where it starts; the loss falls; and a run that goes on
/// from a checkpoint's file ends bit for bit like one that was never stopped.
#[test]
fn a_run_learns_and_resumes_bit_for_bit() {
    let device = Device::flex();
    let model = model(&device);
    let folder = tempfile::tempdir().unwrap();
    let examples = examples();
    let batch = [Batch::new(
        &examples.iter().collect::<Vec<_>>(),
        LossOn::Answer,
    )];
    for tune_s0 in [false, true] {
        let method = Method::Lora(LoraSpec {
            tune_s0,
            learning_rate_lora: 0.01,
            ..spec(Layers::All)
        });
        let start = TunedState::zero(model.config());
        let training = training();
        let new = || Trainer::new(&model, &device, &method, &training, &start, &examples).unwrap();
        let mut straight = new();
        for _ in 0..3 {
            straight.step(&batch).unwrap();
        }
        let path = folder.path().join("checkpoint.safetensors");
        let checkpoint = straight.checkpoint().unwrap();
        write_checkpoint(&path, &checkpoint).unwrap();
        for _ in 0..3 {
            straight.step(&batch).unwrap();
        }
        let numbers = straight.read_steps().unwrap();
        assert_eq!(straight.divergence(), None);
        assert!(numbers[5].loss < 0.9 * numbers[0].loss, "{numbers:?}");
        let of_lora = numbers[5].lora.unwrap();
        assert!(of_lora.norm > 0.0 && of_lora.grad_norm > 0.0);
        assert_eq!(numbers[5].state_norm > 0.0, tune_s0);
        let mut resumed = new();
        let read = read_checkpoint(&path).unwrap();
        assert_eq!(read, checkpoint);
        resumed.restore(&read).unwrap();
        for _ in 0..3 {
            resumed.step(&batch).unwrap();
        }
        let end = straight.tuned().unwrap();
        assert_eq!(resumed.tuned().unwrap(), end);
        assert_eq!(end.state == start, !tune_s0);
        // A run with other adapters does not go on from it.
        let other = Method::Lora(LoraSpec {
            tune_s0,
            rank: 8,
            ..spec(Layers::All)
        });
        let mut other =
            Trainer::new(&model, &device, &other, &training, &start, &examples).unwrap();
        let error = other.restore(&read).unwrap_err().to_string();
        assert!(error.contains("other adapters"), "{error}");
        let standard = Method::Standard(Default::default());
        let mut other =
            Trainer::new(&model, &device, &standard, &training, &start, &examples).unwrap();
        assert!(other.restore(&read).is_err());
    }
}
