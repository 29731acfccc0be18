//! `gosling eval`: the accuracy of a model on a benchmark, untuned or from a
//! tuned state.

use std::io::{IsTerminal as _, Write as _, stderr};
use std::path::{Path, PathBuf};
use std::time::Instant;

use clap::Args;

use super::model_arguments::ModelArguments;
use crate::bench::{Runner, ScoreOptions, evaluate};
use crate::data::{Benchmark, Item, Protocol, Split, few_shot, load, mini, mini_few_shot};
use crate::error::Result;

/// What to score.
#[derive(Args)]
pub struct EvalArguments {
    /// gsm8k, arc, mmlu or winogrande.
    #[arg(default_value = "gsm8k")]
    benchmark: Benchmark,
    #[command(flatten)]
    model: ModelArguments,
    /// The benchmark's official files; without them its mini set.
    #[arg(long)]
    data: Option<PathBuf>,
    /// train, validation or test.
    #[arg(long, default_value = "test")]
    split: Split,
    /// Score the first so many items only.
    #[arg(long)]
    limit: Option<usize>,
    /// Solved questions in front of every question.
    #[arg(long, default_value_t = 0)]
    few_shot: usize,
}

/// Scores and prints the accuracies.
///
/// # Errors
/// Bad input: what it is, and where.
pub fn run(arguments: &EvalArguments) -> Result<()> {
    let benchmark = arguments.benchmark;
    let (items, options) = arguments.items()?;
    let loaded = arguments.model.load()?;
    let start = Instant::now();
    let mut progress = |done, total| {
        show_progress(done, total, start);
        Ok(())
    };
    let device = &loaded.device.device;
    let mut runner = match loaded.start {
        Some(start) => Runner::with_start(&loaded.model, device, start),
        None => Runner::new(&loaded.model, device),
    };
    let evaluation = evaluate(
        &mut runner,
        &loaded.tokenizer,
        benchmark,
        &items,
        &options,
        &mut progress,
    )?;
    println!(
        "{}, {}, {} examples in front, {:.1} s on {}",
        evaluation.name(),
        loaded.start_name,
        evaluation.few_shot,
        start.elapsed().as_secs_f64(),
        loaded.device.description,
    );
    for figure in evaluation.figures() {
        println!("  {:<14} {}", figure.name, figure.accuracy);
    }
    Ok(())
}

impl EvalArguments {
    /// The items, and how they are scored.
    fn items(&self) -> Result<(Vec<Item>, ScoreOptions)> {
        let Self {
            benchmark,
            data,
            split,
            limit,
            few_shot: n_solved,
            model: _,
        } = self;
        let (mut items, protocol) = match data {
            Some(path) => (official(*benchmark, path, *split)?, Protocol::LM_EVAL),
            None => (mini(*benchmark, *split)?, Protocol::Mini),
        };
        items.truncate(limit.unwrap_or(usize::MAX));
        let mut options = ScoreOptions::new(protocol);
        if *n_solved > 0 {
            options.few_shot = match data {
                Some(path) => few_shot(*benchmark, folder_of(path), *n_solved)?,
                None => mini_few_shot(*benchmark, *n_solved)?,
            };
        }
        Ok((items, options))
    }
}

/// The items of official files; lines that are left out are told.
fn official(benchmark: Benchmark, path: &Path, split: Split) -> Result<Vec<Item>> {
    let loaded = load(benchmark, path, split)?;
    if let Some(bad) = loaded.bad_lines.first() {
        let n_bad = loaded.n_bad_lines;
        eprintln!("gosling: {bad} (lines left out: {n_bad})");
    }
    Ok(loaded.items)
}

/// The folder that has the other splits too: solved questions never come from
/// the file that is scored.
fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if path.is_file() && folder.as_os_str().is_empty() => Path::new("."),
        Some(folder) if path.is_file() => folder,
        Some(_) | None => path,
    }
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
