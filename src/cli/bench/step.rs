//! `gosling bench step`: what a tuning step costs on a device, and what it is
//! spent on.

use std::time::Instant;

use clap::{Args, ValueEnum};

use super::report::{Spread, report};
use super::target::{ModelArguments, TargetArguments, check_counts};
use crate::data::Example;
use crate::error::Result;
use crate::kernels::measure::{self, KernelProfile};
use crate::model::ModelConfig;
use crate::report::{Cell, Table};
use crate::tuning::plan::memory::{AdapterShape, BranchShape, MemoryEstimate, StepShape};
use crate::tuning::spec::{
    DecorrelationSpec, Dynamics, FeatureSpec, LiftSpec, LoraSpec, LossOn, Method, PaperLiteralSpec,
    StandardSpec, TrainingSpec,
};
use crate::tuning::states::state_file::TunedState;
use crate::tuning::train::batch::Batch;
use crate::tuning::train::trainer::Trainer;

/// What is measured.
#[derive(Args)]
pub(super) struct StepArguments {
    #[command(flatten)]
    target: TargetArguments,
    #[command(flatten)]
    model: ModelArguments,
    /// Examples per step.
    #[arg(long, default_value_t = 8)]
    batch: usize,
    /// Tokens of every example.
    #[arg(long, default_value_t = 128)]
    tokens: usize,
    /// Steps that are timed, after three that are not.
    #[arg(long, default_value_t = 12)]
    steps: usize,
    /// Count only the last fifth of the tokens, as when answers are trained.
    #[arg(long)]
    answers: bool,
    /// Compute activations again in the backward pass.
    #[arg(long)]
    recompute: bool,
    /// Read the texts in windows of this many tokens, a multiple of 16.
    #[arg(long, value_name = "TOKENS")]
    window: Option<usize>,
    /// Add the branch of a lifted state with this many support vectors.
    #[arg(long, value_name = "M")]
    lifted: Option<usize>,
    /// How the lifted state changes from token to token.
    #[arg(long, value_enum, requires = "lifted", default_value_t = Recurrence::Constant)]
    dynamics: Recurrence,
    /// Decorrelate the features of the branch.
    #[arg(long, value_enum, requires = "lifted")]
    decorrelation: Option<Decorrelation>,
    /// Train adapters of this rank beside all matrices instead of the state.
    #[arg(long, value_name = "RANK", conflicts_with = "lifted")]
    lora: Option<usize>,
}

/// What a lifted state does from token to token.
#[derive(Clone, Copy, ValueEnum)]
enum Recurrence {
    /// Constant: a readout without memory.
    #[value(help = tr!("Constant: a readout without memory"))]
    Constant,
    /// It decays.
    #[value(help = tr!("It decays"))]
    Decayed,
    /// It decays, removes and writes.
    #[value(help = tr!("It decays, removes and writes"))]
    Recurrent,
    /// The paper's recurrence, in place of the model's own.
    #[value(help = tr!("The paper's recurrence, in place of the model's own"))]
    PaperLiteral,
}

/// How often R follows the features.
#[derive(Clone, Copy, ValueEnum)]
enum Decorrelation {
    /// At every step, from every position.
    #[value(help = tr!("At every step, from every position"))]
    Full,
    /// At every fourth step, from a tenth of the positions.
    #[value(help = tr!("At every fourth step, from a tenth of the positions"))]
    Sampled,
}

/// Steps whose kernels are measured.
const MEASURED: usize = 3;

/// Untimed steps: the first of each shape compiles kernels.
const WARMUP: usize = 3;

/// Takes the steps and prints their times.
///
/// # Errors
/// A device that cannot be used, or numbers that cannot be run.
pub(super) fn run(arguments: &StepArguments) -> Result<()> {
    check_counts([
        ("--batch", arguments.batch),
        ("--tokens", arguments.tokens),
        ("--steps", arguments.steps),
    ])?;
    let opened = arguments.target.open()?;
    let model = arguments.model.load(&opened)?;
    let config = model.config();
    let training = TrainingSpec {
        activation_checkpointing: arguments.recompute,
        window: arguments.window,
        ..TrainingSpec::default()
    };
    let method = arguments.method();
    let zero = TunedState::zero(config);
    let examples = arguments.examples(config);
    let mut trainer = Trainer::new(&model, &opened.device, &method, &training, &zero, &examples)?;
    let batch = [Batch::new(
        &examples.iter().collect::<Vec<_>>(),
        if arguments.answers {
            LossOn::Answer
        } else {
            LossOn::Everything
        },
    )];
    let mut losses = Vec::new();
    let mut step = || {
        trainer.step_at(&batch, 0.01)?;
        losses.extend(trainer.read_steps()?.iter().map(|step| step.loss));
        Ok(())
    };
    let start = Instant::now();
    let mut first_secs = 0.0;
    for idx in 0..WARMUP {
        step()?;
        if idx == 0 {
            first_secs = start.elapsed().as_secs_f64();
        }
    }
    println!(
        "{}",
        tr!(
            "{WARMUP} steps to warm up took {} s, the first of them {} s",
            format_args!("{:.2}", start.elapsed().as_secs_f64()),
            format_args!("{first_secs:.2}"),
            WARMUP
        )
    );
    let ms = Spread::of_calls(arguments.steps, &mut step)?;
    measure::start();
    for _ in 0..MEASURED {
        step()?;
    }
    let measured = measure::stop();
    let mut tables = vec![arguments.steps_table(ms, &losses, &measured, config)];
    if !measured.kernels.is_empty() {
        tables.extend([kinds_table(ms.median, &measured), kernels_table(&measured)]);
    }
    report(&arguments.target, &opened, &tables)
}

/// Milliseconds a step of the kernels of `measured` that are chosen.
fn ms_a_step(measured: &KernelProfile, is_chosen: impl Fn(&str) -> bool) -> f64 {
    let chosen = measured.kernels.iter().filter(|(name, _)| is_chosen(name));
    let secs: f64 = chosen.map(|(_, kernel)| kernel.time.as_secs_f64()).sum();
    1e3 * secs / MEASURED as f64
}

/// What a kernel belongs to.
fn kind(kernel: &str) -> &'static str {
    match kernel {
        "product" => "matrix products",
        "cross_entropy" => "loss",
        "wkv7_forward"
        | "wkv7_rows_backward"
        | "wkv7_columns_backward"
        | "wkv7_chunks_prepare"
        | "wkv7_chunks_walk"
        | "wkv7_chunks_starts"
        | "wkv7_chunks_back"
        | "wkv7_chunks_gradients" => "recurrence",
        "lifted_wkv_forward" | "lifted_wkv_backward" => "lifted recurrence",
        _ => "norms, token shift and other work on each number",
    }
}

/// Where the `wall` milliseconds of a step go, by kind of kernel.
fn kinds_table(wall: f64, measured: &KernelProfile) -> Table {
    let mut table = Table::new("By kind", ["kind", "ms a step", "share of a step, %"]);
    let mut kinds: Vec<&str> = measured.kernels.keys().map(|name| kind(name)).collect();
    kinds.sort_unstable();
    kinds.dedup();
    let all = ms_a_step(measured, |_| true);
    let of_kind = |name| (name, ms_a_step(measured, |kernel| kind(kernel) == name));
    let mut rows: Vec<(&str, f64)> = kinds.into_iter().map(of_kind).collect();
    rows.sort_by(|a, b| b.1.total_cmp(&a.1));
    // Burn's kernels are few: the optimiser, and sums of gradients.
    rows.push(("gaps between launches, and Burn's own kernels", wall - all));
    for (name, ms) in rows {
        table.push([
            Cell::text(name),
            Cell::number(ms, 3),
            Cell::number(100.0 * ms / wall, 1),
        ]);
    }
    table
}

/// Where the time of a step goes, by kernel.
fn kernels_table(measured: &KernelProfile) -> Table {
    let columns = ["kernel", "launches", "ms a step", "share of kernels, %"];
    let mut table = Table::new("By kernel", columns);
    let all = ms_a_step(measured, |_| true);
    let mut kernels: Vec<_> = measured.kernels.iter().collect();
    kernels.sort_by_key(|(_, kernel)| std::cmp::Reverse(kernel.time));
    for (name, kernel) in kernels {
        let ms = ms_a_step(measured, |other| other == *name);
        table.push([
            Cell::text(*name),
            Cell::Count((kernel.n_launches / MEASURED) as u64),
            Cell::number(ms, 3),
            Cell::number(100.0 * ms / all, 1),
        ]);
    }
    table
}

impl StepArguments {
    fn steps_table(
        &self,
        ms: Spread,
        losses: &[f64],
        measured: &KernelProfile,
        config: &ModelConfig,
    ) -> Table {
        let estimate = MemoryEstimate::new(
            config,
            &StepShape {
                batch: self.batch,
                tokens: self.tokens.next_multiple_of(16),
                counted: self.n_counted(),
                first_layer: 0,
                tuned_layers: config.n_layer,
                recompute: self.recompute,
                window: self.window,
                precision: self.model.precision(),
                branch: BranchShape::of(&self.method()),
                adapters: AdapterShape::of(&self.method()),
                token_shifts: self.method().shift_rate().is_some(),
            },
        );
        let columns = [
            "batch x tokens",
            "counted",
            "median, ms",
            "lower quartile",
            "upper quartile",
            "tokens/s",
            "first loss",
            "last loss",
            "most in use, MB",
            "most reserved, MB",
            "by arithmetic, MB",
        ];
        let mut table = Table::new("Steps", columns);
        let loss = |loss: Option<&f64>| loss.map_or(Cell::Empty, |x| Cell::number(*x, 4));
        let megabytes = |bytes: u64| match bytes {
            0 => Cell::Empty,
            bytes => Cell::number(bytes as f64 / 1e6, 0),
        };
        let [median, lower, upper] = ms.cells(2);
        table.push([
            Cell::text(format!("{} x {}", self.batch, self.tokens)),
            Cell::Count(self.n_counted() as u64),
            median,
            lower,
            upper,
            Cell::number((self.batch * self.tokens) as f64 / ms.median * 1e3, 0),
            loss(losses.first()),
            loss(losses.last()),
            megabytes(measured.peak_bytes),
            megabytes(measured.reserved_bytes),
            Cell::number(estimate.total() as f64 / 1e6, 0),
        ]);
        table
            .notes
            .push(tr!("memory by arithmetic: {estimate}", estimate));
        table
    }

    /// Texts without a pattern.
    fn examples(&self, config: &ModelConfig) -> Vec<Example> {
        let id = |row: usize, t: usize| 1 + (row * 7919 + t * 104_729) % (config.vocab_size - 1);
        let n_context = if self.answers { 4 * self.tokens / 5 } else { 0 };
        let example = |row| {
            let mut context: Vec<u32> = (0..self.tokens).map(|t| id(row, t) as u32).collect();
            let target = context.split_off(n_context);
            Example::new(context, target)
        };
        (0..self.batch).map(example).collect()
    }

    /// Predictions that the loss counts.
    fn n_counted(&self) -> usize {
        let skipped = if self.answers { 4 * self.tokens / 5 } else { 0 };
        self.batch * (self.tokens - skipped)
    }

    fn method(&self) -> Method {
        if let Some(rank) = self.lora {
            return Method::Lora(LoraSpec {
                rank,
                ..LoraSpec::default()
            });
        }
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
