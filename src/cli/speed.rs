//! `gosling speed`: what a tuning step or an evaluation costs on a device.

use std::time::{Duration, Instant};

use clap::{Args, ValueEnum};

use super::speed_evaluation;
use crate::data::Example;
use crate::error::{Error, Result};
use crate::kernels::device::{DeviceChoice, open};
use crate::kernels::measure::{self, Measured};
use crate::model::random::{SHAPE_0_1B, SHAPE_0_4B, random_checkpoint};
use crate::model::{ModelConfig, Precision, Rwkv7, mini};
use crate::tuning::batch::Batch;
use crate::tuning::memory::{BranchShape, MemoryEstimate, StepShape};
use crate::tuning::spec::{
    DecorrelationSpec, Dynamics, FeatureSpec, LiftSpec, LossOn, Method, PaperLiteralSpec,
    StandardSpec, TrainingSpec,
};
use crate::tuning::state_file::TunedState;
use crate::tuning::trainer::Trainer;
use crate::worker::check_precision;

/// What is measured.
#[derive(Args)]
pub struct SpeedArguments {
    /// auto, cpu, gpu or gpu:N as `gosling devices` lists them.
    #[arg(long, default_value_t)]
    device: DeviceChoice,
    /// The mini model, or random weights of an official size.
    #[arg(long, value_enum, default_value_t = Shape::Mini)]
    shape: Shape,
    /// Examples a step.
    #[arg(long, default_value_t = 8)]
    batch: usize,
    /// Tokens of every example.
    #[arg(long, default_value_t = 128)]
    tokens: usize,
    /// Steps that are timed, after three that are not.
    #[arg(long, default_value_t = 12)]
    steps: usize,
    /// Storage of the frozen matrices; f16 needs a GPU that multiplies them.
    #[arg(long, value_enum, default_value_t = Storage::F32)]
    precision: Storage,
    /// Count the last fifth of the tokens only, as where answers are trained.
    #[arg(long)]
    answers: bool,
    /// Measure every kernel in three further steps and print where the time goes.
    #[arg(long)]
    kernels: bool,
    /// Compute activations again on the way back.
    #[arg(long)]
    recompute: bool,
    /// Add the branch of a lifted state with so many support vectors.
    #[arg(long, value_name = "M")]
    lifted: Option<usize>,
    /// What the lifted state does from token to token.
    #[arg(long, value_enum, requires = "lifted", default_value_t = Recurrence::Constant)]
    dynamics: Recurrence,
    /// Time evaluations of the mini benchmarks instead.
    #[arg(long)]
    evaluation: bool,
    /// Score so many items of each benchmark.
    #[arg(long, requires = "evaluation")]
    limit: Option<usize>,
    /// Decorrelate the features of the branch.
    #[arg(long, value_enum, requires = "lifted")]
    decorrelation: Option<Decorrelation>,
}

/// What a lifted state does from token to token.
#[derive(Clone, Copy, ValueEnum)]
enum Recurrence {
    /// Nothing: a readout.
    Constant,
    /// It decays.
    Decayed,
    /// It decays, removes and writes.
    Recurrent,
    /// The paper's recurrence, in the place of the model's own.
    PaperLiteral,
}

/// How often R follows the features.
#[derive(Clone, Copy, ValueEnum)]
enum Decorrelation {
    /// At every step, from every position.
    Full,
    /// At every fourth step, from a tenth of the positions.
    Sampled,
}

/// Storage of the frozen matrices.
#[derive(Clone, Copy, ValueEnum)]
enum Storage {
    /// 32-bit floats.
    F32,
    /// 16-bit floats.
    F16,
}

/// A size of model.
#[derive(Clone, Copy, ValueEnum)]
enum Shape {
    /// 7 M parameters, the model that ships with the program.
    Mini,
    /// 12 layers of 768 channels.
    #[value(name = "0.1b")]
    P1,
    /// 24 layers of 1024 channels.
    #[value(name = "0.4b")]
    P4,
}

/// Steps whose kernels are measured.
const MEASURED: usize = 3;

/// Untimed steps: the first of each shape compiles kernels.
const WARMUP: usize = 3;

/// Takes the steps and prints their times.
///
/// # Errors
/// A device that cannot be used, or numbers that cannot be run.
pub fn run(arguments: &SpeedArguments) -> Result<()> {
    for (field, value) in [
        ("--batch", arguments.batch),
        ("--tokens", arguments.tokens),
        ("--steps", arguments.steps),
    ] {
        if value == 0 {
            return Err(Error::spec(field, "must be at least 1"));
        }
    }
    let checkpoint = match arguments.shape {
        Shape::Mini => mini::checkpoint()?,
        Shape::P1 => random_checkpoint(&SHAPE_0_1B, 1)?,
        Shape::P4 => random_checkpoint(&SHAPE_0_4B, 1)?,
    };
    let config = ModelConfig::from_checkpoint(&checkpoint)?;
    let opened = open(arguments.device)?;
    config.check_device(&opened)?;
    println!("{}", opened.description);
    let start = Instant::now();
    let precision = match arguments.precision {
        Storage::F32 => Precision::F32,
        Storage::F16 => Precision::F16,
    };
    check_precision(precision, &opened)?;
    let model = Rwkv7::load(&checkpoint, &opened.device, &mut |_| Ok(()))?.stored_in(precision);
    drop(checkpoint);
    println!(
        "{} parameters loaded in {:.2} s",
        config.n_params(),
        start.elapsed().as_secs_f64()
    );
    if arguments.evaluation {
        return speed_evaluation::run(&model, &opened.device, arguments.limit);
    }
    let training = TrainingSpec {
        activation_checkpointing: arguments.recompute,
        ..TrainingSpec::default()
    };
    let method = arguments.method();
    let zero = TunedState::zero(&config);
    let examples = arguments.examples(&config);
    let mut trainer = Trainer::new(&model, &opened.device, &method, &training, &zero, &examples)?;
    let batch = [Batch::new(
        &examples.iter().collect::<Vec<_>>(),
        if arguments.answers {
            LossOn::Answer
        } else {
            LossOn::Everything
        },
    )];
    let start = Instant::now();
    let mut losses = Vec::new();
    for _ in 0..WARMUP {
        trainer.step_at(&batch, 0.01)?;
        losses.extend(trainer.read_steps()?.iter().map(|step| step.loss));
    }
    println!(
        "{WARMUP} steps to warm up took {:.2} s",
        start.elapsed().as_secs_f64()
    );
    let mut ms = Vec::with_capacity(arguments.steps);
    for _ in 0..arguments.steps {
        let start = Instant::now();
        trainer.step_at(&batch, 0.01)?;
        losses.extend(trainer.read_steps()?.iter().map(|step| step.loss));
        ms.push(1e3 * start.elapsed().as_secs_f64());
    }
    report(&ms, &losses, &config, arguments);
    if arguments.kernels {
        measure::start();
        for _ in 0..MEASURED {
            trainer.step_at(&batch, 0.01)?;
            trainer.read_steps()?;
        }
        report_kernels(&measure::stop());
    }
    Ok(())
}

/// Where the time of a step goes, by kernel.
fn report_kernels(measured: &Measured) {
    let Measured {
        kernels,
        peak_bytes,
    } = measured;
    let ms = |time: Duration| 1e3 * time.as_secs_f64() / MEASURED as f64;
    let total: Duration = kernels.values().map(|kernel| kernel.time).sum();
    let mut kernels: Vec<_> = kernels.iter().collect();
    kernels.sort_by_key(|(_, kernel)| std::cmp::Reverse(kernel.time));
    println!(
        "{:26}{:>10}{:>10}{:>8}",
        "kernel", "launches", "ms a step", "share"
    );
    for (name, kernel) in kernels {
        println!(
            "{name:26}{:>10}{:>10.3}{:>7.1}%",
            kernel.n_launches / MEASURED,
            ms(kernel.time),
            100.0 * kernel.time.as_secs_f64() / total.as_secs_f64()
        );
    }
    println!("{:26}{:>10}{:>10.3}", "all of them", "", ms(total));
    println!("most memory in use: {:.0} MB", *peak_bytes as f64 / 1e6);
}

fn report(ms: &[f64], losses: &[f64], config: &ModelConfig, arguments: &SpeedArguments) {
    let mut sorted = ms.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    let at = |share: f64| sorted[((sorted.len() - 1) as f64 * share).round() as usize];
    let n_tokens = arguments.batch * arguments.tokens;
    println!(
        "{} x {} tokens, {} counted: median {:.1} ms a step, quartiles {:.1} and {:.1}, {:.0} tokens/s",
        arguments.batch,
        arguments.tokens,
        arguments.n_counted(),
        at(0.5),
        at(0.25),
        at(0.75),
        n_tokens as f64 / at(0.5) * 1e3
    );
    if let (Some(first), Some(last)) = (losses.first(), losses.last()) {
        println!("loss {first:.4} at the first step, {last:.4} at the last");
    }
    let memory = MemoryEstimate::new(
        config,
        &StepShape {
            batch: arguments.batch,
            tokens: arguments.tokens.next_multiple_of(16),
            counted: arguments.n_counted(),
            first_layer: 0,
            tuned_layers: config.n_layer,
            recompute: arguments.recompute,
            branch: BranchShape::of(&arguments.method()),
        },
    );
    println!("memory by arithmetic: {memory}");
}

impl SpeedArguments {
    /// Texts without a pattern.
    fn examples(&self, config: &ModelConfig) -> Vec<Example> {
        let id = |row: usize, t: usize| 1 + (row * 7919 + t * 104_729) % (config.vocab_size - 1);
        let n_context = if self.answers { 4 * self.tokens / 5 } else { 0 };
        let example = |row| {
            let mut context: Vec<u32> = (0..self.tokens).map(|t| id(row, t) as u32).collect();
            let target = context.split_off(n_context);
            Example { context, target }
        };
        (0..self.batch).map(example).collect()
    }

    /// Predictions that the loss counts.
    fn n_counted(&self) -> usize {
        let skipped = if self.answers { 4 * self.tokens / 5 } else { 0 };
        self.batch * (self.tokens - skipped)
    }

    fn method(&self) -> Method {
        let Some(upscaled_size) = self.lifted else {
            return Method::Standard(StandardSpec::default());
        };
        let decorrelation = self.decorrelation.map(|often| match often {
            Decorrelation::Full => DecorrelationSpec::default(),
            Decorrelation::Sampled => DecorrelationSpec {
                interval: 4,
                sample: 0.1,
                ..DecorrelationSpec::default()
            },
        });
        let residual = |dynamics| {
            Method::Lifted(LiftSpec {
                features: FeatureSpec {
                    upscaled_size,
                    ..FeatureSpec::default()
                },
                dynamics,
                decorrelation,
                ..LiftSpec::default()
            })
        };
        match self.dynamics {
            Recurrence::Constant => residual(Dynamics::Constant),
            Recurrence::Decayed => residual(Dynamics::Decayed),
            Recurrence::Recurrent => residual(Dynamics::Recurrent),
            Recurrence::PaperLiteral => {
                let mut literal = PaperLiteralSpec {
                    decorrelation,
                    ..PaperLiteralSpec::default()
                };
                literal.features.upscaled_size = upscaled_size;
                Method::PaperLiteral(literal)
            }
        }
    }
}
