//! Steps of tuning on the device against the same on the CPU: the model's
//! gradient, the optimiser and what is read back.

use burn::tensor::Device;

use super::{Check, Named};
use crate::data::{Benchmark, Protocol, Split, mini as mini_set};
use crate::error::Result;
use crate::model::tokenizer::Tokenizer;
use crate::model::{Model, Precision, mini};
use crate::tuning::spec::{
    DecorrelationSpec, Dynamics, FeatureSpec, Gamma, LiftSpec, LoraSpec, LossOn, Method,
    OptimizerSpec, StandardSpec, SupportVectors, TrainingSpec, TunedParts,
};
use crate::tuning::states::state_file::TunedState;
use crate::tuning::train::batch::Batch;
use crate::tuning::train::trainer::{StepNumbers, Trainer};

/// Rounding through six layers, there and back, and two steps.
const BOUND: f64 = 2e-4;

const N_STEPS: usize = 2;
const N_EXAMPLES: usize = 2;

pub(super) fn checks() -> Vec<Check> {
    vec![
        Check {
            name: "two tuning steps of the mini model",
            bound: BOUND,
            is_needed: true,
            on_device: |device| standard_steps(device, Precision::F32),
            expected: || standard_steps(&Device::flex(), Precision::F32),
        },
        Check {
            name: "two steps of a lifted state with decorrelation",
            bound: BOUND,
            is_needed: true,
            on_device: lifted_steps,
            expected: || lifted_steps(&Device::flex()),
        },
        Check {
            name: "two steps of a lifted recurrence",
            bound: BOUND,
            is_needed: true,
            on_device: recurrent_steps,
            expected: || recurrent_steps(&Device::flex()),
        },
        Check {
            name: "two steps of a state and its token shifts",
            bound: BOUND,
            is_needed: true,
            on_device: shift_steps,
            expected: || shift_steps(&Device::flex()),
        },
        Check {
            name: "two steps of adapters and a state",
            bound: BOUND,
            is_needed: true,
            on_device: lora_steps,
            expected: || lora_steps(&Device::flex()),
        },
    ]
}

/// Factors of 11 bits through six layers, there and back, and two steps.
const BOUND_OF_HALVES: f64 = 3e-2;

/// With matrices in fewer bits, on a device with matrix units or without.
pub(super) fn checks_of_packed(has_units: bool) -> Vec<Check> {
    let bound = if has_units { BOUND_OF_HALVES } else { BOUND };
    vec![
        Check {
            name: "two tuning steps with 16-bit matrices",
            bound,
            is_needed: true,
            on_device: |device| standard_steps(device, Precision::F16),
            expected: || standard_steps(&Device::flex(), Precision::F16),
        },
        Check {
            name: "two tuning steps with 4-bit matrices",
            bound,
            is_needed: true,
            on_device: |device| standard_steps(device, Precision::NF4),
            expected: || standard_steps(&Device::flex(), Precision::NF4),
        },
    ]
}

fn standard_steps(device: &Device, precision: Precision) -> Result<Vec<Named>> {
    let method = Method::Standard(StandardSpec::default());
    steps(device, &method, precision)
}

fn shift_steps(device: &Device) -> Result<Vec<Named>> {
    let method = Method::Standard(StandardSpec {
        tune: TunedParts::S0AndShift,
        learning_rate_shift: 0.3,
        ..StandardSpec::default()
    });
    steps(device, &method, Precision::F32)
}

fn lifted_steps(device: &Device) -> Result<Vec<Named>> {
    let method = Method::Lifted(lifted(Dynamics::Decayed));
    steps(device, &method, Precision::F32)
}

fn recurrent_steps(device: &Device) -> Result<Vec<Named>> {
    let method = Method::Lifted(lifted(Dynamics::Recurrent));
    steps(device, &method, Precision::F32)
}

fn lora_steps(device: &Device) -> Result<Vec<Named>> {
    let method = Method::Lora(LoraSpec {
        tune_s0: true,
        rank: 8,
        alpha: 16.0,
        learning_rate_lora: 0.3,
        ..LoraSpec::default()
    });
    steps(device, &method, Precision::F32)
}

fn lifted(dynamics: Dynamics) -> LiftSpec {
    LiftSpec {
        features: FeatureSpec {
            upscaled_size: 80,
            // A centre may fall to either side of a tie by rounding.
            support_vectors: SupportVectors::Random,
            gamma: Gamma::Value(1.0),
        },
        dynamics,
        decorrelation: Some(DecorrelationSpec {
            center: true,
            ..DecorrelationSpec::default()
        }),
        learning_rate_lift: 0.3,
        ..LiftSpec::default()
    }
}

fn steps(device: &Device, method: &Method, precision: Precision) -> Result<Vec<Named>> {
    let model = Model::load_stored(&mini::checkpoint()?, device, precision, &mut |_| Ok(()))?;
    let tokenizer = Tokenizer::mini()?;
    let items = mini_set(Benchmark::Gsm8k, Split::Train)?;
    let examples: Vec<_> = items[..N_EXAMPLES]
        .iter()
        .map(|item| Protocol::Mini.training_example(item, &tokenizer))
        .collect();
    let batch = Batch::new(&examples.iter().collect::<Vec<_>>(), LossOn::Answer);
    let training = TrainingSpec {
        steps: N_STEPS,
        warmup_steps: 0,
        learning_rate: 1.0,
        // Adam divides by the gradient, and so makes rounding large where it is small.
        optimizer: OptimizerSpec::Sgd { momentum: 0.9 },
        ..TrainingSpec::default()
    };
    let start = TunedState::zero(model.config());
    let mut trainer = Trainer::new(&model, device, method, &training, &start, &examples)?;
    for _ in 0..N_STEPS {
        trainer.step(std::slice::from_ref(&batch))?;
    }
    let numbers = trainer.read_steps()?;
    let of = |f: fn(&StepNumbers) -> f64| numbers.iter().map(|step| f(step) as f32).collect();
    let tuned = trainer.tuned()?;
    let mut all = vec![
        Named {
            what: "losses",
            values: of(|step| step.loss),
        },
        Named {
            what: "gradient norms",
            values: of(|step| step.grad_norm),
        },
        Named {
            what: "state",
            values: tuned.state.layers.concat(),
        },
    ];
    if let Some(shifts) = tuned.state.shifts {
        all.push(Named {
            what: "token shifts",
            values: shifts.concat(),
        });
    }
    if let Some(lift) = tuned.lift {
        let mut add = |what, values| all.push(Named { what, values });
        add("lifted state", lift.weights);
        add("write gates", lift.gate.unwrap_or_default());
        add("decorrelation", lift.decorrelation.unwrap_or_default());
        add("mean of the features", lift.mean.unwrap_or_default());
    }
    if let Some(lora) = tuned.lora {
        let both = lora.factors.into_iter().map(|of| (of.a, of.b));
        let (a, b): (Vec<_>, Vec<_>) = both.unzip();
        for (what, values) in [("A of the adapters", a), ("B of the adapters", b)] {
            all.push(Named {
                what,
                values: values.concat(),
            });
        }
    }
    Ok(all)
}
