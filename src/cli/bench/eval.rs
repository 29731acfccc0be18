//! `gosling bench eval`: what scoring the mini benchmarks costs on a device, and
//! four options against one forward pass over their contexts.

use std::time::Instant;

use clap::Args;

use super::report::report;
use super::target::{ModelArguments, TargetArguments};
use crate::bench::{
    FewShot, ItemSet, LanguageModel as _, Request, Runner, ScoreOptions, evaluate, gold_answers,
};
use crate::data::{Benchmark, Item, Protocol, Split, mini};
use crate::error::Result;
use crate::model::tokenizer::Tokenizer;
use crate::report::{Cell, Table};

/// Passes that are timed, after one that is told apart.
const N_WARM: usize = 5;

/// What is measured.
#[derive(Args)]
pub(super) struct EvalArguments {
    #[command(flatten)]
    target: TargetArguments,
    #[command(flatten)]
    model: ModelArguments,
    /// Number of items to score of each benchmark.
    #[arg(long)]
    limit: Option<usize>,
}

/// Scores the first `limit` test items of every mini benchmark and prints the times.
///
/// # Errors
/// What the device reports.
pub(super) fn run(arguments: &EvalArguments) -> Result<()> {
    let limit = arguments.limit;
    let opened = arguments.target.open()?;
    let model = arguments.model.load(&opened)?;
    let tokenizer = Tokenizer::for_embedding(model.config().vocab_size)?;
    let mut runner = Runner::new(&model, &opened.device);
    let columns = ["evaluation", "items", "first, s", "then, s", "items/s"];
    let mut table = Table::new("", columns);
    for benchmark in [
        Benchmark::Arc,
        Benchmark::Mmlu,
        Benchmark::WinoGrande,
        Benchmark::Gsm8k,
    ] {
        for n_solved in [0, 5] {
            let set = ItemSet::new(benchmark, Split::Test, mini(benchmark, Split::Test)?, limit);
            let mut options = ScoreOptions::new(Protocol::Mini);
            options.few_shot = FewShot::mini(benchmark, n_solved, None)?;
            options.cut_answers(None, &gold_answers(benchmark, None)?, &tokenizer);
            let mut score = || {
                evaluate(&mut runner, &tokenizer, &set, &options, &mut |_, _| Ok(())).map(|_| ())
            };
            let (first, warm) = times(&mut score)?;
            let n_items = set.items.len();
            let name = match n_solved {
                0 => benchmark.mini_name().to_owned(),
                n => format!("{}, {n}-shot", benchmark.mini_name()),
            };
            table.push([
                Cell::text(name),
                Cell::Count(n_items as u64),
                Cell::number(first, 3),
                Cell::number(warm, 3),
                Cell::number(n_items as f64 / warm, 0),
            ]);
        }
    }
    let note = options_against_contexts(&mut runner, &tokenizer, limit)?;
    table.notes.push(note);
    report(&arguments.target, &opened, &[table])
}

/// The requests of the items, as they are scored without solved questions.
fn requests(tokenizer: &Tokenizer, items: &[Item]) -> Vec<Vec<Request>> {
    let protocol = Protocol::Mini;
    let of_item = |item: &Item| {
        let prefix = protocol.prefix(item, &[]);
        let pairs = protocol.pairs(item).into_iter();
        let pairs = pairs.map(|(context, continuation)| {
            let context = format!("{prefix}{context}");
            protocol
                .pairing()
                .encode(tokenizer, &context, &continuation)
        });
        pairs.collect()
    };
    items.iter().map(of_item).collect()
}

fn options_against_contexts(
    runner: &mut Runner<'_>,
    tokenizer: &Tokenizer,
    limit: Option<usize>,
) -> Result<String> {
    let mut items = mini(Benchmark::Mmlu, Split::Test)?;
    items.truncate(limit.unwrap_or(usize::MAX));
    let groups = requests(tokenizer, &items);
    let contexts = groups.iter().filter_map(|group| group.first());
    let contexts: Vec<Vec<u32>> = contexts
        .map(|(context, _)| [&[0], context.as_slice()].concat())
        .collect();
    let n_tokens: usize = contexts.iter().map(Vec::len).sum();
    let (_, forward) = times(&mut || runner.forward_only(&contexts))?;
    let mut score = || {
        runner
            .log_likelihoods(&groups, &mut |_, _| Ok(()))
            .map(|_| ())
    };
    let (_, options) = times(&mut score)?;
    Ok(format!(
        "mmlu-mini: one forward pass over the {} contexts ({n_tokens} tokens) {forward:.3} s, four \
         options of each {options:.3} s, {:.2} times as long",
        contexts.len(),
        options / forward
    ))
}

/// Seconds of the first time, and the median of those that follow.
fn times(work: &mut dyn FnMut() -> Result<()>) -> Result<(f64, f64)> {
    let mut timed = || {
        let start = Instant::now();
        work().map(|()| start.elapsed().as_secs_f64())
    };
    let first = timed()?;
    let mut warm: Vec<f64> = (0..N_WARM).map(|_| timed()).collect::<Result<_>>()?;
    warm.sort_by(f64::total_cmp);
    Ok((first, warm[N_WARM / 2]))
}
