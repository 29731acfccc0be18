//! `gosling eval`: the accuracy of a model on a benchmark, untuned or from a
//! tuned state.

use std::io::{IsTerminal as _, Write as _, stderr};
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Instant;

use clap::{Args, ValueEnum};

use super::model_arguments::{LoadedModel, ModelArguments};
use crate::bench::{
    Conditions, Evaluation, FewShot, FewShotOrder, ItemSet, Reported, Rule, Runner, ScoreOptions,
    StepAccuracy, evaluate, fitting_shots, gold_answers, shared_prefix,
};
use crate::data::{Benchmark, Item, MmluTemplate, Protocol, Split, load, mini};
use crate::error::{Error, Result};
use crate::format::shown;
use crate::model::TextStart;
use crate::model::state::Start;
use crate::persist::evaluation_file::{Scored, later_name, write_evaluation};
use crate::protocol::fields::MAX_CONTEXT;
use crate::tuning::method::tuned::Tuned;
use crate::tuning::spec::StartState;
use crate::tuning::states::start::start_state;

/// What to score.
#[derive(Args)]
pub struct EvalArguments {
    /// Benchmark: gsm8k, arc, mmlu or winogrande.
    #[arg(default_value = "gsm8k")]
    benchmark: Benchmark,
    #[command(flatten)]
    model: ModelArguments,
    /// Folder with the benchmark's official files; default: the mini set.
    #[arg(long)]
    data: Option<PathBuf>,
    /// Split: train, validation or test.
    #[arg(long, default_value = "test")]
    split: Split,
    /// Score only this many items, from the start of the split.
    #[arg(long)]
    limit: Option<usize>,
    /// Number of few-shot examples: solved questions before every question; fit: as many
    /// of the first ones as every question has room for in the tokens of
    /// --context-length.
    #[arg(long, value_name = "N or fit", default_value = "0")]
    few_shot: Shots,
    /// Let the model read the few-shot examples once, and start every question from its
    /// state S behind them instead of putting them in front: what a tuned state has to
    /// beat. The questions follow without token 0.
    #[arg(long, conflicts_with = "state")]
    state_after_shots: bool,
    /// Choice of the few-shot examples; default: drawn for official GSM8K, ARC and
    /// WinoGrande, else the first.
    #[arg(long, value_enum, requires = "few_shot")]
    few_shot_order: Option<Order>,
    /// Leave out and list items of more tokens than this, answer included; default: as
    /// in the run of --state.
    #[arg(long, value_name = "TOKENS")]
    context_length: Option<usize>,
    /// Cut generated answers off after this many tokens; default: the longest gold
    /// answer of the training split plus a quarter.
    #[arg(long, value_name = "TOKENS", value_parser = clap::value_parser!(u32).range(1..=MAX_CONTEXT as i64))]
    max_new_tokens: Option<u32>,
    /// Prompt template of official MMLU questions; default: as in the run of --state,
    /// else lm-eval.
    #[arg(long, value_enum)]
    mmlu_template: Option<Wording>,
    /// File for the results of every item; default: in the folder eval of the run that
    /// --state names.
    #[arg(long, short, value_name = "FILE.jsonl")]
    out: Option<PathBuf>,
}

/// How many solved questions there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shots {
    /// So many.
    Count(usize),
    /// As many as fit.
    Fit,
}

impl FromStr for Shots {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "fit" {
            return Ok(Self::Fit);
        }
        let count = text.parse().map(Self::Count);
        count.map_err(|_| tr!("must be a whole number or fit").into())
    }
}

/// Which solved questions stand in front of a question.
#[derive(Clone, Copy, PartialEq, ValueEnum)]
enum Order {
    /// Different examples for every question, drawn as lm-evaluation-harness draws
    /// them.
    #[value(help = tr!("Different examples for every question, drawn as lm-evaluation-harness draws them"))]
    Drawn,
    /// The first examples of their split for all questions; a recurrent model reads
    /// them once.
    #[value(help = tr!("The first examples of their split for all questions; a recurrent model reads them once"))]
    First,
}

/// How MMLU questions are worded.
#[derive(Clone, Copy, ValueEnum)]
enum Wording {
    /// The template of lm-evaluation-harness.
    #[value(help = tr!("The template of lm-evaluation-harness"))]
    LmEval,
    /// The template of RWKV's own evaluation.
    #[value(help = tr!("The template of RWKV's own evaluation"))]
    Rwkv,
}

/// Scores and prints the accuracies.
///
/// # Errors
/// Bad input: what it is, and where.
pub fn run(arguments: &EvalArguments) -> Result<()> {
    let (set, mut options) = arguments.items()?;
    let gold = arguments.gold_answers()?;
    let room = arguments.room_for_shots(options.context_length)?;
    arguments.check_out()?;
    let loaded = arguments.model.load()?;
    let as_tuned = arguments.model.run_spec()?.map(|spec| spec.evaluation);
    let asked = arguments.max_new_tokens.map(|cap| cap as usize);
    let asked = asked.or(as_tuned.and_then(|of| of.max_new_tokens));
    options.cut_answers(asked, &gold, &loaded.tokenizer);
    if let Some((pool, context)) = &room {
        let n = fitting_shots(pool, &set, &options, &loaded.tokenizer, *context);
        println!(
            "{}",
            tr!("{n} solved questions fit in {context} tokens", n, context)
        );
        options.few_shot = FewShot::first(pool, n);
    }
    let behind = match arguments.state_after_shots {
        true => Some(AfterShots::read(&set, &mut options, &loaded)?),
        false => None,
    };
    let start = Instant::now();
    let mut progress = |done, total| {
        show_progress(done, total, start);
        Ok(())
    };
    let device = &loaded.device.device;
    let is_tuned = loaded.start.is_some();
    let (from, start_name) = match behind {
        Some(AfterShots { start, name }) => (Some((start, TextStart::None)), name),
        None => {
            let tuned = loaded.start.map(|start| (start, loaded.text_start));
            (tuned, loaded.start_name)
        }
    };
    let mut runner = match from {
        Some((start, text_start)) => Runner::with_start(&loaded.model, device, start, text_start),
        None => Runner::new(&loaded.model, device),
    };
    let evaluation = evaluate(
        &mut runner,
        &loaded.tokenizer,
        &set,
        &options,
        &mut progress,
    )?;
    let scored = Scored {
        model: loaded.file,
        fingerprint: loaded.fingerprint,
        start: start_name,
        is_tuned,
        secs: start.elapsed().as_secs_f64(),
    };
    print_figures(&evaluation, &scored, &loaded.device.description);
    if let Some(path) = arguments.out_file(&evaluation) {
        write_evaluation(&path, &evaluation, &scored)?;
        println!(
            "{}",
            tr!("{}  every item, for gosling compare", shown(&path))
        );
    }
    Ok(())
}

/// The state behind solved questions that the model has read.
struct AfterShots {
    start: Start,
    /// For the user.
    name: String,
}

impl AfterShots {
    /// Reads what would stand in front of every question; from then on nothing does.
    ///
    /// # Errors
    /// [`Error::Spec`] where that is nothing, or not the same for every question.
    fn read(set: &ItemSet, options: &mut ScoreOptions, loaded: &LoadedModel) -> Result<Self> {
        let refuse = |reason: &str| Err(Error::spec("--state-after-shots", reason));
        let n = match &options.few_shot {
            FewShot::Same(solved) => solved.len(),
            FewShot::Drawn { .. } => {
                return refuse(tr!(
                    "needs the same examples for every question; choose --few-shot-order first"
                ));
            }
        };
        if n == 0 {
            return refuse(tr!("needs examples to read; say how many with --few-shot"));
        }
        let Some(text) = shared_prefix(set, options) else {
            return refuse(tr!(
                "needs the same examples for every question; those of this benchmark differ by subject"
            ));
        };
        options.few_shot = FewShot::default();
        let device = &loaded.device.device;
        let state = start_state(
            &StartState::Text(text),
            &loaded.model,
            device,
            &loaded.tokenizer,
            TextStart::Zero,
            false,
        )?;
        Ok(Self {
            start: Tuned::from(state).start(device),
            name: format!("the state after {n} solved questions"),
        })
    }
}

fn print_figures(evaluation: &Evaluation, scored: &Scored, device: &str) {
    let Conditions {
        benchmark,
        protocol,
        n_total,
        left_out,
        ..
    } = &evaluation.conditions;
    println!(
        "{}",
        tr!(
            "{}, {}, {} s on {device}",
            evaluation.conditions,
            scored.start,
            format_args!("{:.1}", scored.secs),
            device
        )
    );
    let n_scored = evaluation.records.len();
    if n_scored + left_out.len() < *n_total {
        println!(
            "{}",
            tr!(
                "  a part: the first {} of {n_total} items",
                n_scored + left_out.len(),
                n_total
            )
        );
    }
    for item in left_out.iter().take(10) {
        println!("{}", tr!("  left out: {}, {}", item.id, item.reason));
    }
    if left_out.len() > 10 {
        println!(
            "{}",
            tr!(
                "  left out: {} items in all; the file of items lists them",
                left_out.len()
            )
        );
    }
    for figure in evaluation.figures() {
        let error = 100.0 * figure.accuracy.standard_error();
        println!(
            "{}",
            tr!(
                "  {} {}, s.e. {error} points",
                format_args!("{:<14}", figure.name),
                figure.accuracy,
                error = format_args!("{error:.2}")
            )
        );
    }
    for (name, share) in [
        (tr!("ended"), evaluation.ended()),
        (tr!("extracted"), evaluation.extracted()),
    ] {
        if let Some(share) = share {
            println!("  {name:<14} {share}");
        }
    }
    for StepAccuracy { n_steps, accuracy } in evaluation.by_steps(Rule::Headline) {
        let steps = tr!("{n} step" | "{n} steps" % n_steps);
        println!("  {steps:<14} {accuracy}");
    }
    let reported = Reported::of(*benchmark).filter(|_| *protocol != Protocol::Mini);
    if let Some(Reported {
        untuned: Some(untuned),
        best: Some(best),
        ..
    }) = reported
    {
        println!(
            "{}",
            tr!(
                "  the paper reports {untuned}% untuned and {best}% at best, for another model and without n (not measured here)",
                untuned = format_args!("{untuned:.1}"),
                best = format_args!("{best:.1}")
            )
        );
    }
}

impl EvalArguments {
    /// The split that is scored.
    fn scored_split(&self) -> Split {
        if !self.data.as_deref().is_some_and(Path::is_dir) {
            return self.split;
        }
        let scored = self.benchmark.scored_split(self.split);
        if scored != self.split {
            eprintln!(
                "{}",
                tr!(
                    "gosling: the answers to WinoGrande's test split are not public; the \
                 validation split is scored, as in lm-evaluation-harness"
                )
            );
        }
        scored
    }

    /// The items, and how they are scored.
    fn items(&self) -> Result<(ItemSet, ScoreOptions)> {
        let split = self.scored_split();
        let as_tuned = self.model.run_spec()?.map(|spec| spec.evaluation);
        let as_tuned = as_tuned.unwrap_or_default();
        let (items, protocol) = match &self.data {
            Some(path) => {
                let mmlu = match self.mmlu_template {
                    Some(Wording::LmEval) => MmluTemplate::LmEval,
                    Some(Wording::Rwkv) => MmluTemplate::Rwkv,
                    None => as_tuned.mmlu,
                };
                let items = official(self.benchmark, path, split)?;
                (items, Protocol::LmEval { mmlu })
            }
            None => (mini(self.benchmark, split)?, Protocol::Mini),
        };
        let mut options = ScoreOptions::new(protocol);
        options.context_length = self.context_length.or(as_tuned.context_length);
        options.few_shot = self.few_shot()?;
        let set = ItemSet::new(self.benchmark, split, items, self.limit);
        Ok((set, options))
    }

    /// What the cap of written answers follows from.
    fn gold_answers(&self) -> Result<Vec<Item>> {
        match self.max_new_tokens {
            Some(_) => Ok(Vec::new()),
            None => gold_answers(self.benchmark, self.data.as_deref().map(folder_of)),
        }
    }

    /// Whether the items can be written, before hours are spent on them.
    fn check_out(&self) -> Result<()> {
        let Some(folder) = self.out.as_deref().and_then(Path::parent) else {
            return Ok(());
        };
        if folder.as_os_str().is_empty() || folder.is_dir() {
            return Ok(());
        }
        Err(Error::input(
            folder,
            "--out",
            tr!("no such folder; create it first"),
        ))
    }

    /// Where the items are written.
    fn out_file(&self, evaluation: &Evaluation) -> Option<PathBuf> {
        if let Some(path) = &self.out {
            return Some(path.clone());
        }
        let folder = self.model.run_folder()?.join("eval");
        folder
            .is_dir()
            .then(|| folder.join(later_name(evaluation, true, self.limit)))
    }
}

impl EvalArguments {
    /// Where as many solved questions as fit are asked for: what they are taken from,
    /// and the tokens that they have to fit into.
    fn room_for_shots(&self, context: Option<usize>) -> Result<Option<(Vec<Item>, usize)>> {
        if self.few_shot != Shots::Fit {
            return Ok(None);
        }
        if self.few_shot_order == Some(Order::Drawn) {
            let reason = tr!("fit takes the first examples; leave --few-shot-order drawn out");
            return Err(Error::spec("--few-shot", reason));
        }
        let Some(context) = context else {
            let reason = tr!("fit needs --context-length, which says how much has room");
            return Err(Error::spec("--few-shot", reason));
        };
        let pool = match &self.data {
            Some(path) => FewShot::official_pool(self.benchmark, folder_of(path))?,
            None => FewShot::mini_pool(self.benchmark)?,
        };
        Ok(Some((pool, context)))
    }

    /// The solved questions in front of prompts, where they are counted.
    fn few_shot(&self) -> Result<FewShot> {
        let benchmark = self.benchmark;
        let n = match self.few_shot {
            Shots::Count(n) => n,
            Shots::Fit => 0,
        };
        let order = self.few_shot_order.map(|order| match order {
            Order::Drawn => FewShotOrder::Drawn,
            Order::First => FewShotOrder::First,
        });
        let asked = match &self.data {
            Some(path) => FewShot::official(benchmark, folder_of(path), n, order),
            None => FewShot::mini(benchmark, n, order),
        };
        asked.map_err(naming_flag)
    }
}

/// The same, naming the flag of `gosling eval` that stands for the field of a run.
fn naming_flag(error: Error) -> Error {
    match error {
        Error::Spec { field, reason } => {
            let name = field.trim_start_matches("evaluation.").replace('_', "-");
            Error::spec(format!("--{name}"), reason)
        }
        other @ (Error::Input { .. }
        | Error::Changed { .. }
        | Error::Io { .. }
        | Error::Device(_)
        | Error::Stopped) => other,
    }
}

/// The items of official files; lines that are left out are told.
pub(super) fn official(benchmark: Benchmark, path: &Path, split: Split) -> Result<Vec<Item>> {
    let loaded = load(benchmark, path, split)?;
    if let Some(bad) = loaded.bad_lines.first() {
        let n_bad = loaded.n_bad_lines;
        eprintln!(
            "{}",
            tr!("gosling: {bad} (lines left out: {n_bad})", bad, n_bad)
        );
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

/// Tokens done and time left, on one line of a terminal.
fn show_progress(done: usize, total: usize, start: Instant) {
    if !stderr().is_terminal() || done == 0 {
        return;
    }
    let spent = start.elapsed().as_secs_f64();
    let left = spent / done as f64 * (total - done) as f64;
    let end = if done == total { "\n" } else { "" };
    let share = 100.0 * done as f64 / total.max(1) as f64;
    eprint!(
        "\r{}",
        tr!(
            "{share}% of the tokens, {left} s left {end}",
            share = format_args!("{share:.0}"),
            left = format_args!("{left:.0}"),
            end
        )
    );
    // A progress line that cannot be shown is no reason to stop.
    let _ = stderr().flush();
}
