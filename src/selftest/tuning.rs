//! Tuning steps on the device against the same on the CPU.

use burn::tensor::Device;

use super::{Check, Named};
use crate::data::Example;
use crate::error::Result;
use crate::model::tokenizer::Tokenizer;
use crate::model::{Rwkv7, mini};
use crate::tuning::batch::Batch;
use crate::tuning::spec::{LossOn, Method, OptimizerSpec, StandardSpec, TrainingSpec};
use crate::tuning::state_file::TunedState;
use crate::tuning::trainer::Trainer;

/// Two passes through six layers, forward and back.
const BOUND: f64 = 2e-4;

pub(super) fn checks() -> Vec<Check> {
    vec![Check {
        name: "two tuning steps of the mini model",
        bound: BOUND,
        is_needed: true,
        on_device: two_steps,
        expected: || two_steps(&Device::flex()),
    }]
}

/// Plain descent, whose steps are as large as the gradients: Adam's would be of
/// one size and hide them.
fn two_steps(device: &Device) -> Result<Vec<Named>> {
    let model = Rwkv7::load(&mini::checkpoint()?, device, &mut |_| Ok(()))?;
    let training = TrainingSpec {
        steps: 2,
        warmup_steps: 0,
        optimizer: OptimizerSpec::Sgd { momentum: 0.9 },
        l2wrap: true,
        ..TrainingSpec::default()
    };
    let method = Method::Standard(StandardSpec::default());
    let start = TunedState::zero(model.config());
    let mut trainer = Trainer::new(&model, device, &method, &training, &start)?;
    for _ in 0..2 {
        trainer.step_at(&[batch()?], 0.5)?;
    }
    let steps = trainer.read_steps()?;
    let of = |what, number: fn(&crate::tuning::trainer::StepNumbers) -> f64| Named {
        what,
        values: steps.iter().map(|step| number(step) as f32).collect(),
    };
    let mut numbers = vec![
        of("losses", |step| step.loss),
        of("gradient norms", |step| step.grad_norm),
    ];
    let values = trainer.state()?.layers.concat();
    numbers.push(Named {
        what: "state",
        values,
    });
    Ok(numbers)
}

fn batch() -> Result<Batch> {
    let tokenizer = Tokenizer::mini()?;
    let example = |context: &str, target: &str| Example {
        context: tokenizer.encode(context),
        target: tokenizer.encode(target),
    };
    let examples = [
        example("Question: What is 7+5?\nAnswer:", " 7+5 = 12\n\n"),
        example(
            "Question: Tom has 3 apples and buys 4 more. How many has he?\nAnswer:",
            " 7\n\n",
        ),
    ];
    Ok(Batch::new(&examples.each_ref(), LossOn::Answer))
}
