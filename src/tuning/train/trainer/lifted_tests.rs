//! Tests of the trainer of a lifted state on the mini model.

use super::tests::{batch, examples, model, training};
use super::*;
use crate::tuning::spec::{
    DecorrelationRule, DecorrelationSpec, Dynamics, FeatureSpec, Gamma, Layers, LiftKind, LiftSpec,
    PaperLiteralSpec, SupportVectors,
};

fn lifted() -> LiftSpec {
    LiftSpec {
        features: FeatureSpec {
            upscaled_size: 64,
            support_vectors: SupportVectors::Random,
            gamma: Gamma::Value(1.0),
        },
        decorrelation: Some(DecorrelationSpec::default()),
        learning_rate_lift: 0.02,
        ..LiftSpec::default()
    }
}

fn joint() -> LiftSpec {
    LiftSpec {
        dynamics: Dynamics::Decayed,
        decorrelation: Some(DecorrelationSpec {
            rule: DecorrelationRule::Joint {
                lambda: 1.0,
                kappa: 0.5,
                learning_rate: 1e-3,
            },
            center: true,
            interval: 2,
            sample: 0.5,
            shared: true,
        }),
        ..lifted()
    }
}

fn recurrent() -> LiftSpec {
    LiftSpec {
        dynamics: Dynamics::Recurrent,
        ..lifted()
    }
}

/// The paper's recurrence, which runs away where many kernels fire and is dead
/// where none does.
pub(super) fn literal(gamma: f64) -> Method {
    Method::PaperLiteral(PaperLiteralSpec {
        features: FeatureSpec {
            gamma: Gamma::Value(gamma),
            ..lifted().features
        },
        ..PaperLiteralSpec::default()
    })
}

/// The scalar control, and R by both rules, for every dynamics.
pub(super) fn methods() -> Vec<Method> {
    let mut scalar = lifted();
    if let Some(decorrelation) = &mut scalar.decorrelation {
        decorrelation.rule = DecorrelationRule::ScalarRms { eta: 0.05 };
    }
    let joint_of = |dynamics| LiftSpec {
        dynamics,
        ..joint()
    };
    let residual = [
        lifted(),
        scalar,
        joint(),
        recurrent(),
        joint_of(Dynamics::Constant),
        joint_of(Dynamics::Recurrent),
    ];
    residual.into_iter().map(Method::Lifted).collect()
}

fn trainer<'a>(model: &'a Model, device: &'a Device, spec: &LiftSpec) -> Trainer<'a> {
    trainer_of(model, device, &Method::Lifted(spec.clone()))
}

fn trainer_of<'a>(model: &'a Model, device: &'a Device, method: &Method) -> Trainer<'a> {
    let start = TunedState::zero(model.config());
    Trainer::new(model, device, method, &training(), &start, &examples()).unwrap()
}

#[test]
fn lifted_steps_lower_the_loss_and_report_the_features() {
    let device = Device::flex();
    let model = model(&device);
    for method in methods() {
        let mut trainer = trainer_of(&model, &device, &method);
        let untuned = trainer.loss(&batch()).unwrap();
        for _ in 0..6 {
            trainer.step(&[batch()]).unwrap();
        }
        let numbers = trainer.read_steps().unwrap();
        assert!((numbers[0].loss - untuned.0 / untuned.1 as f64).abs() < 1e-5);
        assert!(numbers[5].loss < 0.8 * numbers[0].loss, "{numbers:?}");
        let of_lift: Vec<LiftNumbers> = numbers.iter().map(|n| n.lift.unwrap()).collect();
        assert!(of_lift.iter().all(|of| of.norm > 0.0), "{of_lift:?}");
        let lifting = method.lifting().unwrap();
        let interval = lifting.decorrelation.unwrap().interval;
        for (idx, of) in of_lift.iter().enumerate() {
            let is_due = idx % interval == 0;
            assert_eq!(of.decorrelation.is_some(), is_due, "step {idx}");
            let is_recurrent = lifting.kind == LiftKind::Recurrent;
            assert_eq!(of.gate.is_some_and(|gate| gate > 0.0), is_recurrent);
            assert_eq!(of.literal, None);
        }
        let condition = trainer.condition_number(&mut Conditions::default(), false);
        let condition = condition.unwrap().unwrap();
        assert!((1.0..100.0).contains(&condition), "{condition}");
        assert_eq!(trainer.divergence(), None);
    }
}

#[test]
fn the_branch_alone_can_be_trained_in_chosen_layers() {
    let device = Device::flex();
    let model = model(&device);
    let spec = LiftSpec {
        tune_s0: false,
        layers: Layers::Only(vec![4, 1]),
        ..lifted()
    };
    let mut trainer = trainer(&model, &device, &spec);
    for _ in 0..4 {
        trainer.step(&[batch()]).unwrap();
    }
    let numbers = trainer.read_steps().unwrap();
    assert!(numbers[3].loss < numbers[0].loss, "{numbers:?}");
    assert_eq!(numbers[3].state_norm, 0.0);
    let tuned = trainer.tuned().unwrap();
    assert_eq!(tuned.state, TunedState::zero(model.config()));
    let lift = tuned.lift.unwrap();
    assert_eq!(lift.layers, [1, 4]);
    assert!(lift.weights.iter().any(|z| *z != 0.0));
}

#[test]
fn a_restored_lifted_trainer_goes_on_bit_for_bit() {
    let device = Device::flex();
    let model = model(&device);
    for method in methods() {
        let mut straight = trainer_of(&model, &device, &method);
        let mut halfway = None;
        for step in 0..4 {
            if step == 2 {
                halfway = Some(straight.checkpoint().unwrap());
            }
            straight.step(&[batch()]).unwrap();
        }
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("step.safetensors");
        crate::tuning::states::checkpoint_file::write_checkpoint(&path, &halfway.unwrap()).unwrap();
        let halfway = crate::tuning::states::checkpoint_file::read_checkpoint(&path).unwrap();
        let mut resumed = trainer_of(&model, &device, &method);
        resumed.restore(&halfway).unwrap();
        for _ in 2..4 {
            resumed.step(&[batch()]).unwrap();
        }
        assert_eq!(resumed.tuned().unwrap(), straight.tuned().unwrap());
        assert_eq!(
            resumed.read_steps().unwrap(),
            straight.read_steps().unwrap()[2..]
        );
        // The same seed gives the same bits from the start.
        let mut again = trainer_of(&model, &device, &method);
        for _ in 0..4 {
            again.step(&[batch()]).unwrap();
        }
        assert_eq!(again.tuned().unwrap(), straight.tuned().unwrap());

        let mut plain = lifted();
        plain.decorrelation = None;
        let mut other = trainer(&model, &device, &plain);
        assert!(other.restore(&halfway).is_err());
    }
}

#[test]
fn a_lifted_step_that_explodes_changes_nothing() {
    let device = Device::flex();
    let model = model(&device);
    let spec = LiftSpec {
        tune_s0: false,
        ..lifted()
    };
    let mut trainer = trainer(&model, &device, &spec);
    trainer.step(&[batch()]).unwrap();
    let good = trainer.tuned().unwrap();
    trainer.step_at(&[batch()], 1e9).unwrap();
    trainer.step(&[batch()]).unwrap();
    trainer.read_steps().unwrap();
    let divergence = trainer.divergence().unwrap();
    assert_eq!(divergence.step, 2);
    assert!(divergence.detail.contains("lifted state"), "{divergence:?}");
    assert_eq!(trainer.tuned().unwrap(), good);
}

/// The guard: a state above 1e4 while the texts are read ends the run.
#[test]
fn a_literal_recurrence_that_explodes_changes_nothing() {
    let device = Device::flex();
    let model = model(&device);
    let mut trainer = trainer_of(&model, &device, &literal(1.0));
    trainer.step(&[batch()]).unwrap();
    let mut checkpoint = trainer.checkpoint().unwrap();
    let lift = checkpoint.tuned.lift.as_mut().unwrap();
    // Of a norm that is no divergence by itself.
    lift.weights[0] = 2e4;
    trainer.restore(&checkpoint).unwrap();
    trainer.step(&[batch()]).unwrap();
    trainer.read_steps().unwrap();
    let divergence = trainer.divergence().unwrap();
    assert_eq!(divergence.step, 2);
    assert!(divergence.detail.contains("2.000e4"), "{divergence:?}");
    assert_eq!(trainer.tuned().unwrap(), checkpoint.tuned);
}

#[test]
fn micro_batches_of_a_lifted_run_add_up_to_one() {
    let device = Device::flex();
    let model = model(&device);
    let examples = examples();
    let all: Vec<&Example> = examples.iter().collect();
    let loss_on = crate::tuning::spec::LossOn::Answer;
    let whole = [Batch::new(&all, loss_on)];
    let parts = [
        Batch::new(&all[..1], loss_on),
        Batch::new(&all[1..], loss_on),
    ];
    for method in [
        Method::Lifted(lifted()),
        Method::Lifted(recurrent()),
        literal(0.05),
    ] {
        check_micro_batches(&model, &method, [&whole, &parts]);
    }
}

fn check_micro_batches(model: &Model, method: &Method, batches: [&[Batch]; 2]) {
    let device = Device::flex();
    let results = batches.map(|batches| {
        let mut trainer = trainer_of(model, &device, method);
        trainer.step(batches).unwrap();
        let r = trainer
            .tuned()
            .unwrap()
            .lift
            .unwrap()
            .decorrelation
            .unwrap();
        (trainer.read_steps().unwrap()[0], r)
    });
    let [(a, r), (b, other)] = &results;
    assert!((a.loss - b.loss).abs() < 1e-5, "{a:?} {b:?}");
    let gap = (a.grad_norm - b.grad_norm).abs();
    assert!(gap < 1e-4 * a.grad_norm, "{a:?} {b:?}");
    for (r, other) in r.iter().zip(other) {
        assert!((r - other).abs() < 1e-5, "{r} {other}");
    }
}

#[test]
fn fewer_features_than_channels_are_refused() {
    let device = Device::flex();
    let model = model(&device);
    let start = TunedState::zero(model.config());
    let mut spec = lifted();
    spec.features.upscaled_size = 48;
    let method = Method::Lifted(spec);
    let error = Trainer::new(&model, &device, &method, &training(), &start, &examples());
    let want = "method.features.upscaled_size: must be at least the model's head size, 64, is 48";
    assert_eq!(error.unwrap_err().to_string(), want);
}
