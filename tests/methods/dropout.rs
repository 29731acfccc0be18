//! Dropout in front of adapters: the same mask wherever it is asked for, gradients of
//! the model with it, and none of it where a model is evaluated.

use burn::tensor::{Device, DeviceKind};
use gosling::kernels::dropout::Dropout;
use gosling::model::state::Start;
use gosling::model::{LossOptions, Model, TapeOptions};
use gosling::tuning::method::tuned::Tuned;
use gosling::tuning::spec::{Layers, LoraSpec, LossOn, Method, TrainingSpec};
use gosling::tuning::states::state_file::TunedState;
use gosling::tuning::train::batch::Batch;
use gosling::tuning::train::trainer::{StepNumbers, Trainer};

use crate::lora::{lora, shaken, spec};
use crate::support::values;
use crate::{at_step_0, examples, model, tokens};

fn dropping(rate: f64) -> Method {
    Method::Lora(LoraSpec {
        dropout: rate,
        learning_rate_lora: 0.01,
        ..spec(Layers::All)
    })
}

/// A start whose adapters drop a third, with a mask for each layer.
fn thinned(tuned: &Tuned, device: &Device) -> Start {
    let mut start = tuned.start(device);
    for (layer, adapters) in start.adapters.iter_mut().enumerate() {
        let own = adapters.take().unwrap();
        *adapters = Some(own.dropping(Dropout::new(0.33, 900 + layer as u32, 0)));
    }
    start
}

/// The loss of predicting the text, and the gradients of A and B of all adapters in the
/// order of [`numbers_of`].
fn objective(model: &Model, device: &Device, tuned: &Tuned) -> (f64, Vec<f32>) {
    let ids = tokens(device);
    let all = values(ids.clone().float());
    let targets: Vec<u32> = all[1..].iter().map(|id| *id as u32).collect();
    let at: Vec<u32> = (0..targets.len() as u32).collect();
    let options = TapeOptions {
        first_layer: 0,
        recompute: false,
        token_shifts: false,
    };
    let state = thinned(tuned, device).state(model.config(), 1, device);
    let (x, tape) = model.forward_taped(ids, state, options);
    let options = LossOptions {
        gradient_scale: Some(1.0),
        l2wrap: false,
    };
    let loss = model.loss(x, &at, &targets, options);
    let gradients = model.backward(tape, loss.dx.unwrap(), None);
    let n_targets = lora(tuned).factors.len();
    let mut flat = Vec::new();
    for target in 0..n_targets {
        for is_b in [false, true] {
            for layer in &gradients {
                let of = layer.adapters.as_ref().unwrap()[target].as_ref().unwrap();
                let own = if is_b { &of.b } else { &of.a };
                flat.extend(values(own.clone()));
            }
        }
    }
    (f64::from(values(loss.sum)[0]), flat)
}

/// A and B of every matrix, all layers of each.
fn numbers_of(tuned: &mut Tuned) -> Vec<&mut f32> {
    let factors = tuned.lora.as_mut().unwrap().factors.iter_mut();
    factors
        .flat_map(|of| of.a.iter_mut().chain(&mut of.b))
        .collect()
}

/// The slope of the loss along its gradient, by central differences with the same mask.
fn check_slope(device: &Device) {
    let model = model(device);
    let tuned = shaken(at_step_0(&model, device, Method::Lora(spec(Layers::All))));
    let (_, gradient) = objective(&model, device, &tuned);
    let square: f64 = gradient.iter().map(|g| f64::from(*g).powi(2)).sum();
    assert!(square > 0.0);
    let step = 0.02 / square;
    let moved = |sign: f64| {
        let mut tuned = tuned.clone();
        let numbers = numbers_of(&mut tuned);
        assert_eq!(numbers.len(), gradient.len());
        for (value, g) in numbers.into_iter().zip(&gradient) {
            *value += (sign * step * f64::from(*g)) as f32;
        }
        objective(&model, device, &tuned).0
    };
    let slope = (moved(1.0) - moved(-1.0)) / (2.0 * step);
    let gap = (slope / square - 1.0).abs();
    assert!(gap < 0.02, "slope {slope}, not {square}");
}

#[test]
fn gradients_with_dropout_are_slopes() {
    check_slope(&Device::flex());
}

#[test]
fn gradients_with_dropout_are_slopes_on_a_gpu() {
    check_slope(&Device::wgpu(DeviceKind::Cpu));
}

fn batches(parts: &[usize]) -> Vec<Batch> {
    let examples = examples();
    let mut rest = examples.iter().collect::<Vec<_>>();
    let parts = parts.iter().map(|n| {
        let part: Vec<_> = rest.drain(..*n).collect();
        Batch::new(&part, LossOn::Answer)
    });
    parts.collect()
}

/// The numbers of two steps.
fn two_steps(
    rate: f64,
    change: impl FnOnce(&mut TrainingSpec),
    parts: &[usize],
) -> [StepNumbers; 2] {
    let device = Device::flex();
    let model = model(&device);
    let mut training = TrainingSpec {
        warmup_steps: 0,
        ..TrainingSpec::default()
    };
    change(&mut training);
    let start = TunedState::zero(model.config());
    let method = dropping(rate);
    let mut trainer =
        Trainer::new(&model, &device, &method, &training, &start, &examples()).unwrap();
    let batches = batches(parts);
    trainer.step(&batches).unwrap();
    trainer.step(&batches).unwrap();
    let numbers: Vec<StepNumbers> = trainer.read_steps().unwrap();
    numbers.try_into().unwrap()
}

#[test]
fn the_mask_follows_from_seed_and_step_and_place() {
    let norm = |numbers: &[StepNumbers; 2]| numbers.each_ref().map(|of| of.lora.unwrap().grad_norm);
    let plain = two_steps(0.3, |_| (), &[3]);
    let again = two_steps(0.3, |_| (), &[3]);
    assert_eq!(norm(&plain), norm(&again));
    // Layers that are computed again have the masks that they had.
    let recomputed = two_steps(
        0.3,
        |training| training.activation_checkpointing = true,
        &[3],
    );
    assert_eq!(norm(&plain), norm(&recomputed));
    let close = |got: &[StepNumbers; 2]| {
        let pairs = norm(got).into_iter().zip(norm(&plain));
        let gaps = pairs.map(|(got, want)| (got / want - 1.0).abs());
        gaps.fold(0.0_f64, f64::max)
    };
    // Windows and parts of a batch change the order of sums and nothing else. Behind the
    // first step Adam makes much of the least, so that it alone is looked at.
    let first = |got: &[StepNumbers; 2]| (norm(got)[0] / norm(&plain)[0] - 1.0).abs();
    let windows = two_steps(0.3, |training| training.window = Some(16), &[3]);
    assert!(first(&windows) < 1e-4, "{}", first(&windows));
    let parts = two_steps(0.3, |_| (), &[1, 2]);
    assert!(first(&parts) < 1e-4, "{}", first(&parts));
    // Another seed draws another A too; so another step of the same is looked at: the
    // loss at step 2 with other masks is another one.
    let none = two_steps(0.0, |_| (), &[3]);
    assert_eq!(none[0].loss, plain[0].loss, "B is zero at step 0");
    assert!(first(&none) > 1e-3 && close(&none) > 1e-3);
    assert!(none[1].loss != plain[1].loss);
}

#[test]
fn a_run_with_dropout_resumes_bit_for_bit_and_is_evaluated_without() {
    let device = Device::flex();
    let model = model(&device);
    let start = TunedState::zero(model.config());
    let training = TrainingSpec {
        warmup_steps: 0,
        ..TrainingSpec::default()
    };
    let new = |rate: f64| {
        let method = dropping(rate);
        Trainer::new(&model, &device, &method, &training, &start, &examples()).unwrap()
    };
    let batch = batches(&[3]);
    let mut straight = new(0.3);
    straight.step(&batch).unwrap();
    let checkpoint = straight.checkpoint().unwrap();
    let of_mask = |trainer: &mut Trainer<'_>| {
        trainer.step(&batch).unwrap();
        trainer.read_steps().unwrap().pop().unwrap().loss
    };
    // The loss of an evaluation is that of the same adapters without dropout.
    let mut without = new(0.0);
    without.restore(&checkpoint).unwrap();
    let evaluated = straight.loss(&batch[0]).unwrap();
    assert_eq!(evaluated, without.loss(&batch[0]).unwrap());
    let mean = evaluated.0 / evaluated.1 as f64;
    let thinned = of_mask(&mut straight);
    assert!((thinned / mean - 1.0).abs() > 1e-6, "{thinned} {mean}");
    let mut resumed = new(0.3);
    resumed.restore(&checkpoint).unwrap();
    assert_eq!(of_mask(&mut resumed), thinned);
    // Every step has a mask of its own.
    let first = new(0.3).tuned().unwrap();
    assert_ne!(resumed.tuned().unwrap(), first);
    assert_eq!(resumed.tuned().unwrap(), straight.tuned().unwrap());
}

#[test]
fn a_share_that_drops_all_is_refused() {
    let device = Device::flex();
    let model = model(&device);
    let start = TunedState::zero(model.config());
    let training = TrainingSpec::default();
    for rate in [1.0, -0.1, f64::NAN] {
        let method = dropping(rate);
        let made = Trainer::new(&model, &device, &method, &training, &start, &examples());
        let error = made.unwrap_err().to_string();
        assert!(error.contains("method.dropout"), "{error}");
    }
}
