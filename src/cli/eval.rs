//! `gosling eval`: the accuracy of the untuned model on a mini benchmark.

use std::io::{IsTerminal as _, Write as _, stderr};
use std::path::PathBuf;
use std::time::Instant;

use burn::tensor::Device;
use clap::Args;

use crate::bench::{Runner, ScoreOptions, evaluate};
use crate::data::{Benchmark, Protocol, Split, load, mini, mini_few_shot};
use crate::error::{Error, Result};
use crate::model::checkpoint::Checkpoint;
use crate::model::tokenizer::Tokenizer;
use crate::model::{Rwkv7, mini as mini_model};

/// What to score.
#[derive(Args)]
pub struct EvalArguments {
    /// gsm8k, arc, mmlu or winogrande.
    #[arg(default_value = "gsm8k")]
    benchmark: Benchmark,
    /// An official x070 checkpoint; without it the mini model.
    #[arg(long)]
    model: Option<PathBuf>,
    /// The benchmark's official files; without them its mini set.
    #[arg(long)]
    data: Option<PathBuf>,
    /// train, validation or test.
    #[arg(long, default_value = "test")]
    split: Split,
    /// Score the first so many items only.
    #[arg(long)]
    limit: Option<usize>,
    /// Examples in front of every question of a mini benchmark.
    #[arg(long, default_value_t = 0)]
    few_shot: usize,
}

/// Scores and prints the accuracies.
///
/// # Errors
/// Bad input: what it is, and where.
pub fn run(arguments: &EvalArguments) -> Result<()> {
    let benchmark = arguments.benchmark;
    let checkpoint = match &arguments.model {
        Some(path) => Checkpoint::open(path)?,
        None => mini_model::checkpoint()?,
    };
    let (mut items, protocol) = match &arguments.data {
        Some(folder) => (
            load(benchmark, folder, arguments.split)?.items,
            Protocol::LM_EVAL,
        ),
        None => (mini(benchmark, arguments.split)?, Protocol::Mini),
    };
    items.truncate(arguments.limit.unwrap_or(usize::MAX));
    let mut options = ScoreOptions::new(protocol);
    if arguments.few_shot > 0 {
        if arguments.data.is_some() {
            let reason = "works with the mini benchmarks only so far";
            return Err(Error::spec("--few-shot", reason));
        }
        options.few_shot = mini_few_shot(benchmark, arguments.few_shot)?;
    }
    let device = Device::flex();
    let model = Rwkv7::load(&checkpoint, &device, &mut |_| Ok(()))?;
    let tokenizer = Tokenizer::for_embedding(model.config().vocab_size)?;
    let start = Instant::now();
    let mut progress = |done, total| {
        show_progress(done, total, start);
        Ok(())
    };
    let mut runner = Runner::new(&model, &device);
    let evaluation = evaluate(
        &mut runner,
        &tokenizer,
        benchmark,
        &items,
        &options,
        &mut progress,
    )?;
    println!(
        "{}, untuned, {} examples in front, on the CPU, {:.1} s",
        evaluation.name(),
        evaluation.few_shot,
        start.elapsed().as_secs_f64()
    );
    for figure in evaluation.figures() {
        println!("  {:<14} {}", figure.name, figure.accuracy);
    }
    Ok(())
}

/// Items done and time left, on one line of a terminal.
fn show_progress(done: usize, total: usize, start: Instant) {
    if !stderr().is_terminal() || done == 0 {
        return;
    }
    let spent = start.elapsed().as_secs_f64();
    let left = spent / done as f64 * (total - done) as f64;
    let end = if done == total { "\n" } else { "" };
    eprint!("\r{done} of {total} items, {left:.0} s left {end}");
    // A progress line that cannot be shown is no reason to stop.
    let _ = stderr().flush();
}
