//! Tests of the trainer on the mini model.

use super::*;
use crate::data::Example;
use crate::model::mini;
use crate::model::tokenizer::Tokenizer;
use crate::tuning::spec::{Layers, LossOn, StandardSpec, TunedParts};

pub(super) fn model(device: &Device) -> Model {
    Model::load(&mini::checkpoint().unwrap(), device, &mut |_| Ok(())).unwrap()
}

pub(super) fn batch() -> Batch {
    let examples = examples();
    let all: Vec<&Example> = examples.iter().collect();
    Batch::new(&all, LossOn::Answer)
}

pub(super) fn examples() -> Vec<Example> {
    let tokenizer = Tokenizer::mini().unwrap();
    let example = |context: &str, target: &str| {
        Example::new(tokenizer.encode(context), tokenizer.encode(target))
    };
    vec![
        example("Question: What is 2+3?\nAnswer:", " 5\n\n"),
        example(
            "Question: What is the capital of France?\nAnswer:",
            " Paris\n\n",
        ),
    ]
}

pub(super) fn training() -> TrainingSpec {
    TrainingSpec {
        steps: 8,
        warmup_steps: 0,
        learning_rate: 0.05,
        ..TrainingSpec::default()
    }
}

fn standard(layers: Layers) -> Method {
    Method::Standard(StandardSpec {
        layers,
        ..StandardSpec::default()
    })
}

#[test]
fn steps_lower_the_loss_and_touch_chosen_layers_only() {
    let device = Device::flex();
    let model = model(&device);
    let start = TunedState::zero(model.config());
    let method = standard(Layers::Only(vec![4, 2]));
    let mut trainer = Trainer::new(&model, &device, &method, &training(), &start, &[]).unwrap();
    let untuned = trainer.loss(&batch()).unwrap();
    for _ in 0..6 {
        trainer.step(&[batch()]).unwrap();
    }
    let numbers = trainer.read_steps().unwrap();
    assert_eq!(numbers.len(), 6);
    let first = numbers[0];
    assert!((first.loss - untuned.0 / untuned.1 as f64).abs() < 1e-5);
    assert!(numbers[5].loss < 0.8 * first.loss, "{numbers:?}");
    assert!(first.grad_norm > 0.0 && first.state_norm > 0.0);
    let state = trainer.state().unwrap();
    for (layer, values) in state.layers.iter().enumerate() {
        let touched = values.iter().any(|x| *x != 0.0);
        assert_eq!(touched, layer == 2 || layer == 4, "layer {layer}");
    }
    assert_eq!(trainer.divergence(), None);
}

fn with_shifts(layers: Layers) -> Method {
    Method::Standard(StandardSpec {
        layers,
        tune: TunedParts::S0AndShift,
        ..StandardSpec::default()
    })
}

#[test]
fn token_shifts_are_trained_beside_the_state_and_go_on_from_a_checkpoint() {
    let device = Device::flex();
    let model = model(&device);
    let start = TunedState::zero(model.config());
    let method = with_shifts(Layers::Only(vec![4, 2]));
    let new = || Trainer::new(&model, &device, &method, &training(), &start, &[]).unwrap();
    let mut trainer = new();
    let n_embd = model.config().n_embd;
    assert_eq!(trainer.n_trained(), 2 * (n_embd * 64 + 2 * n_embd));
    for _ in 0..3 {
        trainer.step(&[batch()]).unwrap();
    }
    let numbers = trainer.read_steps().unwrap();
    assert_eq!(trainer.divergence(), None);
    // The norm that clipping takes is of both.
    assert!(
        numbers[0].grad_norm > numbers[0].state_grad_norm,
        "{numbers:?}"
    );
    let shifts = trainer.state().unwrap().shifts.unwrap();
    for (layer, both) in shifts.iter().enumerate() {
        for of in both.chunks(n_embd) {
            let touched = of.iter().any(|x| *x != 0.0);
            assert_eq!(touched, layer == 2 || layer == 4, "layer {layer}");
        }
    }
    let mut resumed = new();
    resumed.restore(&trainer.checkpoint().unwrap()).unwrap();
    for trainer in [&mut trainer, &mut resumed] {
        trainer.step(&[batch()]).unwrap();
    }
    assert_eq!(trainer.state().unwrap(), resumed.state().unwrap());
    // A run without them does not go on from one that has them as trained numbers, nor
    // the other way round.
    let plain = standard(Layers::Only(vec![4, 2]));
    let plain = Trainer::new(&model, &device, &plain, &training(), &start, &[]).unwrap();
    let refused = resumed.restore(&plain.checkpoint().unwrap()).unwrap_err();
    assert!(refused.to_string().contains("no token shifts"), "{refused}");
}

/// Those of the state that a run starts from stay as they are.
#[test]
fn token_shifts_that_are_not_trained_stay() {
    let device = Device::flex();
    let model = model(&device);
    let config = model.config();
    let mut start = TunedState::zero(config);
    let shifts = |layer: usize| vec![0.25 * (layer as f32 + 1.0); 2 * config.n_embd];
    start.shifts = Some((0..config.n_layer).map(shifts).collect());
    let method = standard(Layers::All);
    let mut trainer = Trainer::new(&model, &device, &method, &training(), &start, &[]).unwrap();
    let zero = TunedState::zero(config);
    let other = Trainer::new(&model, &device, &method, &training(), &zero, &[]).unwrap();
    assert_ne!(
        trainer.loss(&batch()).unwrap(),
        other.loss(&batch()).unwrap()
    );
    trainer.step(&[batch()]).unwrap();
    let after = trainer.state().unwrap();
    assert_eq!(after.shifts, start.shifts);
    assert_ne!(after.layers, start.layers);
}

#[test]
fn token_shifts_that_explode_are_named() {
    let device = Device::flex();
    let model = model(&device);
    let start = TunedState::zero(model.config());
    let mut method = with_shifts(Layers::All);
    if let Method::Standard(standard) = &mut method {
        standard.learning_rate_shift = 1e9;
    }
    let training = TrainingSpec {
        learning_rate: 1e-3,
        ..training()
    };
    let mut trainer = Trainer::new(&model, &device, &method, &training, &start, &[]).unwrap();
    trainer.step(&[batch()]).unwrap();
    trainer.read_steps().unwrap();
    let divergence = trainer.divergence().unwrap();
    assert!(
        divergence.detail.contains("learning_rate_shift"),
        "{divergence:?}"
    );
    assert_eq!(trainer.state().unwrap().shifts.unwrap()[0][0], 0.0);
}

#[test]
fn micro_batches_add_up_to_one() {
    let device = Device::flex();
    let model = model(&device);
    let start = TunedState::zero(model.config());
    let method = standard(Layers::All);
    let tokenizer = Tokenizer::mini().unwrap();
    let examples = [" 5\n\n", " seven\n\n", " nothing at all\n\n"].map(|target| {
        let context = tokenizer.encode("Question: What is 2+3?\nAnswer:");
        Example::new(context, tokenizer.encode(target))
    });
    let [a, b, c] = &examples;
    let whole = [Batch::new(&[a, b, c], LossOn::Answer)];
    let parts = [
        Batch::new(&[a], LossOn::Answer),
        Batch::new(&[b, c], LossOn::Answer),
    ];
    let norms = [&whole[..], &parts[..]].map(|batches| {
        let mut trainer = Trainer::new(&model, &device, &method, &training(), &start, &[]).unwrap();
        trainer.step(batches).unwrap();
        trainer.read_steps().unwrap()[0]
    });
    assert!((norms[0].loss - norms[1].loss).abs() < 1e-5, "{norms:?}");
    let gap = (norms[0].grad_norm - norms[1].grad_norm).abs();
    assert!(gap < 1e-4 * norms[0].grad_norm, "{norms:?}");
}

#[test]
fn recomputing_gives_the_same_step() {
    let device = Device::flex();
    let model = model(&device);
    let start = TunedState::zero(model.config());
    let method = standard(Layers::All);
    let states = [false, true].map(|activation_checkpointing| {
        let training = TrainingSpec {
            activation_checkpointing,
            ..training()
        };
        let mut trainer = Trainer::new(&model, &device, &method, &training, &start, &[]).unwrap();
        trainer.step(&[batch()]).unwrap();
        trainer.state().unwrap()
    });
    assert_eq!(states[0], states[1]);
}

#[test]
fn a_step_that_explodes_changes_nothing() {
    let device = Device::flex();
    let model = model(&device);
    let mut start = TunedState::zero(model.config());
    let method = standard(Layers::All);
    let mut trainer = Trainer::new(&model, &device, &method, &training(), &start, &[]).unwrap();
    trainer.step(&[batch()]).unwrap();
    let good = trainer.state().unwrap();
    trainer.step_at(&[batch()], 1e9).unwrap();
    trainer.step(&[batch()]).unwrap();
    assert_eq!(trainer.read_steps().unwrap().len(), 3);
    let divergence = trainer.divergence().unwrap();
    assert_eq!(divergence.step, 2);
    assert!(
        divergence.detail.contains("layer 0, head 0"),
        "{divergence:?}"
    );
    assert_eq!(trainer.state().unwrap(), good);

    start.layers[3][2 * 64 * 64] = f32::NAN;
    let mut trainer = Trainer::new(&model, &device, &method, &training(), &start, &[]).unwrap();
    trainer.step(&[batch()]).unwrap();
    trainer.read_steps().unwrap();
    let divergence = trainer.divergence().unwrap();
    assert_eq!(divergence.step, 1);
    assert!(divergence.detail.contains("gradient"), "{divergence:?}");
}

#[test]
fn a_restored_trainer_goes_on_bit_for_bit() {
    let device = Device::flex();
    let model = model(&device);
    let start = TunedState::zero(model.config());
    let method = standard(Layers::All);
    let new = || Trainer::new(&model, &device, &method, &training(), &start, &[]).unwrap();
    let mut straight = new();
    let mut halfway = None;
    for step in 0..4 {
        if step == 2 {
            halfway = Some(straight.checkpoint().unwrap());
        }
        straight.step(&[batch()]).unwrap();
    }
    let mut resumed = new();
    resumed.restore(&halfway.unwrap()).unwrap();
    for _ in 2..4 {
        resumed.step(&[batch()]).unwrap();
    }
    let numbers = straight.read_steps().unwrap();
    assert_eq!(resumed.read_steps().unwrap(), numbers[2..]);
    assert_eq!(resumed.state().unwrap(), straight.state().unwrap());

    // Without the moments the run would go another way.
    let mut forgetful = straight.checkpoint().unwrap();
    forgetful.moments[0].first.fill(0.0);
    let mut other = new();
    other.restore(&forgetful).unwrap();
    other.step(&[batch()]).unwrap();
    straight.step(&[batch()]).unwrap();
    assert_ne!(other.state().unwrap(), straight.state().unwrap());
}

#[test]
fn layers_that_are_not_there_are_refused() {
    let device = Device::flex();
    let model = model(&device);
    let start = TunedState::zero(model.config());
    let method = standard(Layers::Only(vec![6]));
    let error = Trainer::new(&model, &device, &method, &training(), &start, &[]).unwrap_err();
    assert_eq!(
        error.to_string(),
        "method.layers: has layer 6; the model has layers 0 to 5"
    );
}

/// Small numbers that differ from place to place.
fn wavy(model: &Model, scale: f32) -> TunedState {
    let mut state = TunedState::zero(model.config());
    for (n, value) in state.layers.iter_mut().flatten().enumerate() {
        *value = scale * (0.37 * n as f32).sin();
    }
    state
}

/// A step of a rate eta of plain descent moves S_0 by -eta times the gradient, which
/// differences of the divergence have to agree with.
#[test]
fn the_gradient_of_the_divergence_is_that_of_differences() {
    let device = Device::flex();
    let model = model(&device);
    let (start, taught) = (wavy(&model, 0.1), wavy(&model, 0.3));
    let training = TrainingSpec {
        optimizer: crate::tuning::spec::OptimizerSpec::Sgd { momentum: 0.0 },
        clip_norm: None,
        ..training()
    };
    let trainer_from = |start: &TunedState| {
        let method = standard(Layers::All);
        let mut trainer = Trainer::new(&model, &device, &method, &training, start, &[]).unwrap();
        trainer.imitate(Tuned::from(taught.clone()).start(&device));
        trainer
    };
    let mut trainer = trainer_from(&start);
    let mean = |trainer: &Trainer<'_>| {
        let (nats, n) = trainer.divergence_from_teacher(&batch()).unwrap();
        nats / n as f64
    };
    let before = mean(&trainer);
    trainer.step_at(&[batch()], 1.0).unwrap();
    let told = trainer.read_steps().unwrap()[0].loss;
    assert!(
        before > 1e-4 && (told - before).abs() < 1e-5,
        "{told}, {before}"
    );
    let after = trainer.state().unwrap();
    // Along the gradient itself, and along one layer's part of it.
    for layers in [0..start.layers.len(), 2..3] {
        let mut direction = TunedState::zero(model.config());
        let mut square = 0.0_f64;
        for layer in layers {
            let pairs = start.layers[layer].iter().zip(&after.layers[layer]);
            for (to, (a, b)) in direction.layers[layer].iter_mut().zip(pairs) {
                *to = a - b;
                square += f64::from(*to).powi(2);
            }
        }
        let norm = square.sqrt();
        let moved = |by: f64| {
            let mut state = start.clone();
            for (values, of) in state.layers.iter_mut().zip(&direction.layers) {
                for (value, of) in values.iter_mut().zip(of) {
                    *value += (by / norm) as f32 * of;
                }
            }
            mean(&trainer_from(&state))
        };
        let by = 0.05;
        let slope = (moved(by) - moved(-by)) / (2.0 * by);
        assert!((slope - norm).abs() < 0.02 * norm, "{slope}, not {norm}");
    }
}

/// Behind the teacher's own state there is nothing to learn, and another state comes
/// to predict what the teacher does, whatever the examples say.
#[test]
fn a_state_learns_what_its_teacher_predicts() {
    let device = Device::flex();
    let model = model(&device);
    let method = standard(Layers::All);
    // A teacher that answers otherwise than the untuned model.
    let zero = TunedState::zero(model.config());
    let mut tuned = Trainer::new(&model, &device, &method, &training(), &zero, &[]).unwrap();
    for _ in 0..6 {
        tuned.step(&[batch()]).unwrap();
    }
    let taught = tuned.state().unwrap();
    let trainer_from = |start: &TunedState| {
        let mut trainer = Trainer::new(&model, &device, &method, &training(), start, &[]).unwrap();
        trainer.imitate(Tuned::from(taught.clone()).start(&device));
        trainer
    };
    let same = trainer_from(&taught);
    let (nats, n) = same.divergence_from_teacher(&batch()).unwrap();
    assert!(nats.abs() < 1e-4 && n > 0, "{nats}");
    let mut other = trainer_from(&zero);
    let (before, _) = other.divergence_from_teacher(&batch()).unwrap();
    for _ in 0..12 {
        other.step(&[batch()]).unwrap();
    }
    other.read_steps().unwrap();
    let (after, _) = other.divergence_from_teacher(&batch()).unwrap();
    assert!(before > 1.0 && after < 0.3 * before, "{before} to {after}");
}
