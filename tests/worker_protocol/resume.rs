//! A run that goes on is the run that never stopped, bit for bit on the CPU;
//! and it is not where any part of what it continues from is left out.

use std::fs;

use gosling::data::{Benchmark, Example, Protocol, Split, mini};
use gosling::kernels::device::{DeviceChoice, open};
use gosling::model::checkpoint::Checkpoint;
use gosling::model::tokenizer::Tokenizer;
use gosling::model::{Model, mini as mini_model};
use gosling::protocol::event::RunOutcome;
use gosling::tuning::MomentValues;
use gosling::tuning::spec::{
    DecorrelationRule, DecorrelationSpec, LiftSpec, LossOn, Method, StandardSpec, TrainingSpec,
};
use gosling::tuning::states::state_file::TunedState;
use gosling::tuning::train::batch::{Batch, DataOrder};
use gosling::tuning::train::schedule::learning_rate;
use gosling::tuning::train::trainer::Trainer;

use crate::client::*;

const N_STEPS: usize = 7;
const BATCH: usize = 2;

/// Stops that no pattern has, the last ones at the start and before the end.
const STOPS: [&[usize]; 5] = [&[3], &[2, 5], &[1, 2, 6], &[4, 5], &[1, 6]];

/// What a step's numbers are, as bits.
type Bits = [u64; 4];

struct Setting {
    device: burn::tensor::Device,
    model: Model,
    examples: Vec<Example>,
    method: Method,
    training: TrainingSpec,
}

impl Setting {
    fn new(choice: DeviceChoice, method: Method) -> Self {
        let device = open(choice).unwrap().device;
        let checkpoint: Checkpoint = mini_model::checkpoint().unwrap();
        let model = Model::load(&checkpoint, &device, &mut |_| Ok(())).unwrap();
        let tokenizer = Tokenizer::mini().unwrap();
        let items = mini(Benchmark::Arc, Split::Train).unwrap();
        let examples = items[..5]
            .iter()
            .map(|item| Protocol::Mini.training_example(item, &tokenizer));
        Self {
            device,
            model,
            examples: examples.collect(),
            method,
            training: TrainingSpec {
                steps: N_STEPS,
                batch: BATCH,
                warmup_steps: 3,
                learning_rate: 0.05,
                ..TrainingSpec::default()
            },
        }
    }

    fn trainer(&self, training: &TrainingSpec) -> Trainer<'_> {
        let start = TunedState::zero(self.model.config());
        let (model, device, method) = (&self.model, &self.device, &self.method);
        Trainer::new(model, device, method, training, &start, &self.examples).unwrap()
    }

    fn batch(&self, idx: usize) -> Batch {
        let order = DataOrder::new(self.examples.len(), BATCH, self.training.seed);
        let chosen = order.batch(idx);
        let examples: Vec<&Example> = chosen.iter().map(|idx| &self.examples[*idx]).collect();
        Batch::new(&examples, LossOn::Answer)
    }

    /// Takes the steps up to `last`, and gives what they measured.
    fn go(&self, trainer: &mut Trainer<'_>, last: usize) -> Vec<Bits> {
        while trainer.steps_taken() < last {
            trainer.step(&[self.batch(trainer.steps_taken())]).unwrap();
        }
        bits_of(trainer)
    }

    fn straight(&self) -> (Vec<Bits>, Vec<Vec<f32>>) {
        let mut trainer = self.trainer(&self.training);
        let bits = self.go(&mut trainer, N_STEPS);
        (bits, trainer.state().unwrap().layers)
    }

    /// The run with stops, each of which continues in a fresh trainer.
    fn stopped(&self, stops: &[usize]) -> (Vec<Bits>, Vec<Vec<f32>>) {
        let mut trainer = self.trainer(&self.training);
        let mut bits = Vec::new();
        for stop in stops {
            bits.extend(self.go(&mut trainer, *stop));
            let checkpoint = trainer.checkpoint().unwrap();
            trainer = self.trainer(&self.training);
            trainer.restore(&checkpoint).unwrap();
        }
        bits.extend(self.go(&mut trainer, N_STEPS));
        (bits, trainer.state().unwrap().layers)
    }
}

fn bits_of(trainer: &mut Trainer<'_>) -> Vec<Bits> {
    let steps = trainer.read_steps().unwrap();
    let bits = steps.iter().map(|step| {
        [
            step.step as u64,
            step.loss.to_bits(),
            step.grad_norm.to_bits(),
            step.state_norm.to_bits(),
        ]
    });
    bits.collect()
}

fn standard() -> Method {
    Method::Standard(StandardSpec::default())
}

/// With positions that are drawn at random in every step.
fn lifted() -> Method {
    let mut lift = LiftSpec {
        decorrelation: Some(DecorrelationSpec {
            rule: DecorrelationRule::LocalRule {
                eta: 0.05,
                kappa: 0.5,
            },
            sample: 0.5,
            ..DecorrelationSpec::default()
        }),
        ..LiftSpec::default()
    };
    lift.features.upscaled_size = 64;
    Method::Lifted(lift)
}

#[test]
fn stops_change_no_bit_on_the_cpu() {
    for (method, stops) in [(standard(), &STOPS[..]), (lifted(), &STOPS[1..3])] {
        let setting = Setting::new(DeviceChoice::Cpu, method);
        let straight = setting.straight();
        for stops in stops {
            assert!(setting.stopped(stops) == straight, "{stops:?}");
        }
    }
}

/// Each part left out on its own, after the same stop.
#[test]
fn every_part_of_a_checkpoint_matters() {
    const STOP: usize = 4;
    let setting = Setting::new(DeviceChoice::Cpu, standard());
    let (straight, _) = setting.straight();
    let rest = &straight[STOP..];
    let mut trainer = setting.trainer(&setting.training);
    setting.go(&mut trainer, STOP);
    let whole = trainer.checkpoint().unwrap();
    let resumed =
        |change: &dyn Fn(&mut gosling::tuning::states::checkpoint_file::TrainerCheckpoint)| {
            let mut checkpoint = whole.clone();
            change(&mut checkpoint);
            let mut trainer = setting.trainer(&setting.training);
            trainer.restore(&checkpoint).unwrap();
            trainer
        };
    let mut with_all = resumed(&|_| ());
    assert_eq!(setting.go(&mut with_all, N_STEPS), rest);
    // The optimiser's moments, the first and the second.
    for forgets_first in [true, false] {
        let mut forgetful = resumed(&|checkpoint| {
            let MomentValues { first, second } = &mut checkpoint.moments[0];
            if forgets_first { first } else { second }.fill(0.0);
        });
        assert_ne!(setting.go(&mut forgetful, N_STEPS), rest, "{forgets_first}");
    }
    // The state itself.
    let mut untuned = resumed(&|checkpoint| {
        checkpoint
            .tuned
            .state
            .layers
            .iter_mut()
            .for_each(|layer| layer.fill(0.0));
    });
    assert_ne!(setting.go(&mut untuned, N_STEPS), rest);
    // The order of the data: it begins again, all else continues.
    let mut again = resumed(&|_| ());
    for idx in 0..N_STEPS - STOP {
        again.step(&[setting.batch(idx)]).unwrap();
    }
    assert_ne!(bits_of(&mut again), rest);
    // The schedule: the rate begins again, all else continues.
    let mut fast = resumed(&|_| ());
    for idx in STOP..N_STEPS {
        let rate = learning_rate(&setting.training, idx - STOP);
        fast.step_at(&[setting.batch(idx)], rate).unwrap();
    }
    assert_ne!(bits_of(&mut fast), rest);
    // The number of steps, which Adam corrects its moments by.
    let mut young = resumed(&|checkpoint| checkpoint.step = 0);
    for idx in STOP..N_STEPS {
        let rate = learning_rate(&setting.training, idx);
        young.step_at(&[setting.batch(idx)], rate).unwrap();
    }
    assert_ne!(bits_of(&mut young)[1..], rest[1..]);
}

/// Random numbers are made of the seed and the step: another seed differs.
#[test]
fn the_random_numbers_of_a_lifted_run_go_on() {
    const STOP: usize = 3;
    let setting = Setting::new(DeviceChoice::Cpu, lifted());
    let (straight, _) = setting.straight();
    let mut trainer = setting.trainer(&setting.training);
    setting.go(&mut trainer, STOP);
    let checkpoint = trainer.checkpoint().unwrap();
    for (seed, is_same) in [(0, true), (1, false)] {
        let training = TrainingSpec {
            seed,
            ..setting.training.clone()
        };
        let mut resumed = setting.trainer(&training);
        resumed.restore(&checkpoint).unwrap();
        let rest = setting.go(&mut resumed, N_STEPS);
        assert_eq!(rest == straight[STOP..], is_same, "seed {seed}");
    }
}

/// NaN where a step's rate is, so that it reaches all that the step would change.
#[test]
fn nan_at_a_step_leaves_what_was_there_before_it() {
    let setting = Setting::new(DeviceChoice::Cpu, standard());
    for bad in [1, 4] {
        let mut good = setting.trainer(&setting.training);
        setting.go(&mut good, bad - 1);
        let before = good.checkpoint().unwrap();
        let mut trainer = setting.trainer(&setting.training);
        setting.go(&mut trainer, bad - 1);
        trainer
            .step_at(&[setting.batch(bad - 1)], f64::NAN)
            .unwrap();
        // What is queued behind it changes nothing either.
        trainer.step(&[setting.batch(bad)]).unwrap();
        trainer.read_steps().unwrap();
        let divergence = trainer.divergence().unwrap();
        assert_eq!(divergence.step, bad);
        assert!(divergence.detail.contains("layer"), "{divergence:?}");
        let after = trainer.checkpoint().unwrap();
        assert_eq!(after.tuned, before.tuned, "step {bad}");
        assert_eq!(after.moments, before.moments, "step {bad}");
    }
}

/// On a GPU the order of additions is the driver's own: relative differences
/// of the loss stay below 1e-4, of the state below 1e-3 of its largest number.
#[test]
fn stops_change_little_on_a_gpu() {
    let _gpu = gpu();
    let mut setting = Setting::new(DeviceChoice::Gpu, standard());
    setting.examples.truncate(3);
    let (straight, state) = setting.straight();
    let (stopped, stopped_state) = setting.stopped(&[2]);
    assert_eq!(straight.len(), stopped.len());
    for (straight, stopped) in straight.iter().zip(&stopped) {
        let (want, got) = (f64::from_bits(straight[1]), f64::from_bits(stopped[1]));
        assert!((want - got).abs() <= 1e-4 * want.abs(), "{got}, not {want}");
    }
    let (state, stopped_state) = (state.concat(), stopped_state.concat());
    let largest = state.iter().fold(0.0_f32, |max, x| max.max(x.abs()));
    for (want, got) in state.iter().zip(&stopped_state) {
        assert!((want - got).abs() <= 1e-3 * largest, "{got}, not {want}");
    }
}

/// The same through the worker and its files, at every step.
#[test]
fn a_run_that_is_stopped_twice_ends_as_the_straight_one() {
    let mut client = Client::new();
    let mut spec = tiny();
    spec.training.steps = 5;
    spec.evaluation.before = false;
    spec.evaluation.after = false;
    client.start(&spec);
    let (_, straight) = client.until_ended();
    let (outcome, run) = client.stop_at(&spec, |event| is_step(event, 2));
    assert_eq!(outcome, RunOutcome::Stopped { step: 2 });
    client.resume(&run.folder);
    let id = client.until_started();
    client.until(|event| is_step(event, 4));
    client.send(gosling::protocol::command::Command::Stop(id));
    client.until_ended();
    // Without its newest checkpoint it continues from the one before.
    fs::remove_file(run.folder.join("checkpoints/step-000004.safetensors")).unwrap();
    client.resume(&run.folder);
    let (outcome, resumed) = client.until_ended();
    assert_eq!(outcome, RunOutcome::Finished);
    assert_eq!(bits(&resumed), bits(&straight));
    assert_eq!(state_of(&resumed), state_of(&straight));
}
