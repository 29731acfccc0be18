//! Alpha scales what a run made: 0 is the untuned model exactly, whatever the
//! method, and 1 is the run's own.

use burn::tensor::Device;
use gosling::model::Model;
use gosling::model::generate::Generation;
use gosling::tuning::method::tuned::Tuned;
use gosling::tuning::spec::{
    DecorrelationSpec, Dynamics, FeatureSpec, LiftSpec, LossOn, Method, StandardSpec,
    SupportVectors, TrainingSpec,
};
use gosling::tuning::states::lift_bundle::{read_tuned, write_bundle};
use gosling::tuning::states::state_file::{Metadata, TunedState, write_safetensors};
use gosling::tuning::train::batch::Batch;
use gosling::tuning::train::trainer::Trainer;

use crate::{examples, model};

fn methods() -> Vec<Method> {
    let features = FeatureSpec {
        upscaled_size: 64,
        support_vectors: SupportVectors::Random,
        ..FeatureSpec::default()
    };
    let lifted = |dynamics, decorrelation| {
        Method::Lifted(LiftSpec {
            features,
            dynamics,
            decorrelation,
            ..LiftSpec::default()
        })
    };
    let centred = DecorrelationSpec {
        center: true,
        ..DecorrelationSpec::default()
    };
    vec![
        Method::Standard(StandardSpec::default()),
        lifted(Dynamics::Constant, None),
        lifted(Dynamics::Constant, Some(centred)),
        lifted(Dynamics::Decayed, Some(centred)),
    ]
}

/// What two steps make of the mini model.
fn tuned(model: &Model, device: &Device, method: &Method) -> Tuned {
    let training = TrainingSpec {
        warmup_steps: 1,
        ..TrainingSpec::default()
    };
    let (start, examples) = (TunedState::zero(model.config()), examples());
    let mut trainer = Trainer::new(model, device, method, &training, &start, &examples).unwrap();
    let batch: Vec<_> = examples.iter().collect();
    for _ in 0..2 {
        trainer.step(&[Batch::new(&batch, LossOn::Answer)]).unwrap();
    }
    trainer.read_steps().unwrap();
    trainer.tuned().unwrap()
}

/// The bits of the logits after a few tokens.
fn bits(model: &Model, device: &Device, tuned: Option<Tuned>) -> Vec<u32> {
    let start = tuned.map(|tuned| tuned.start(device));
    let mut text = Generation::new(model, device, start.as_ref(), &[40, 41, 42]).unwrap();
    text.push(43).unwrap();
    text.logits().iter().map(|x| x.to_bits()).collect()
}

#[test]
fn alpha_of_0_is_the_untuned_model_and_of_1_the_run_for_every_method() {
    let device = Device::flex();
    let model = model(&device);
    let untuned = bits(&model, &device, None);
    let folder = tempfile::tempdir().unwrap();
    for (idx, method) in methods().iter().enumerate() {
        let tuned = tuned(&model, &device, method);
        // As it comes from the file that generate and eval read.
        let path = folder.path().join(format!("{idx}.safetensors"));
        let metadata = Metadata::default();
        match &tuned.lift {
            Some(_) => write_bundle(&tuned, &path, &metadata),
            None => write_safetensors(&tuned.state, &path, &metadata),
        }
        .unwrap();
        let (read, _) = read_tuned(&path, None).unwrap();
        assert_eq!(read, tuned, "{method:?}");
        let with = |alpha: f32| bits(&model, &device, Some(read.clone().scaled(alpha)));
        assert_eq!(with(0.0), untuned, "{method:?}");
        assert_eq!(with(1.0), bits(&model, &device, Some(tuned)), "{method:?}");
        assert_ne!(with(1.0), untuned, "{method:?}");
        assert_ne!(with(0.5), with(1.0), "{method:?}");
    }
}
