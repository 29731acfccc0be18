//! `gosling compare`: evaluations of the same items side by side.

use std::path::PathBuf;

use clap::Args;

use crate::bench::{Answer, Change, ItemRecord, Rule};
use crate::error::{Error, Result};
use crate::report::TableFormat;
use crate::report::compared::{against, compared, reported};
use crate::report::contender::{Contender, Side};

/// What to compare.
#[derive(Args)]
pub struct CompareArguments {
    /// Run folders or files of gosling eval; each is compared with the first. A single
    /// run is compared with its untuned model.
    #[arg(required = true, value_name = "RUN or FILE.jsonl")]
    evaluations: Vec<PathBuf>,
    /// The second of two groups, such as the seeds of one method; the runs before this
    /// option are the first group. Without it, runs that differ only in their seed form
    /// a group.
    #[arg(long, num_args = 1.., value_name = "RUN or FILE.jsonl")]
    with: Vec<PathBuf>,
    /// Compare only the items that both have, if the items differ.
    #[arg(long)]
    common: bool,
    /// Print this many fixed and broken items of the last evaluation against the first.
    #[arg(long, value_name = "N", default_value_t = 0)]
    items: usize,
    /// Also write the table: .csv, .json, .tex, .md or .txt.
    #[arg(long, short, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Output format: text, markdown, latex, csv or json.
    #[arg(long, default_value = "text")]
    format: TableFormat,
}

/// Compares and prints.
///
/// # Errors
/// Bad input, and the reason why evaluations do not compare.
pub fn run(arguments: &CompareArguments) -> Result<()> {
    let CompareArguments {
        evaluations,
        with,
        common,
        items,
        out,
        format,
    } = arguments;
    if let Some(path) = out {
        TableFormat::of_path(path)?;
    }
    let contenders = match evaluations.as_slice() {
        [only] if only.is_dir() && with.is_empty() => vec![
            Contender::open(only, Side::Untuned)?,
            Contender::open(only, Side::Tuned)?,
        ],
        [only] if with.is_empty() => {
            let reason = tr!("name a second evaluation to compare it with");
            return Err(Error::input(only, "comparison", reason));
        }
        several => several
            .iter()
            .chain(with)
            .map(|path| Contender::open(path, Side::Tuned))
            .collect::<Result<_>>()?,
    };
    let n_first = (!with.is_empty()).then_some(evaluations.len());
    let table = compared(&contenders, *common, n_first)?;
    print!("{}", table.render(*format));
    let is_for_people = matches!(format, TableFormat::Text | TableFormat::Markdown);
    if let (true, Some(reported)) = (is_for_people, reported(&contenders[0])) {
        print!("\n{}", reported.render(*format));
    }
    if let (Some(first), Some(last)) = (contenders.first(), contenders.last())
        && *items > 0
    {
        print_items(first, last, *common, *items)?;
    }
    if let Some(path) = out {
        table.write(path)?;
    }
    Ok(())
}

fn print_items(first: &Contender, last: &Contender, common: bool, n: usize) -> Result<()> {
    let comparison = against(first, last, Rule::Headline, common)?;
    let (a, b) = match common {
        true => crate::bench::common_items(&first.file.evaluation, &last.file.evaluation),
        false => (first.file.evaluation.clone(), last.file.evaluation.clone()),
    };
    for wanted in [Change::Fixed, Change::Broken] {
        println!(
            "{}",
            tr!("\n{}, {} items", wanted.name(), comparison.count(wanted))
        );
        let changed = comparison
            .changes
            .iter()
            .zip(a.records.iter().zip(&b.records));
        for (_, (before, after)) in changed.filter(|(change, _)| **change == wanted).take(n) {
            println!("  {}  {}", before.id, on_one_line(&before.prompt));
            println!("    {}: {}", first.name, answer(before));
            println!("    {}: {}", last.name, answer(after));
        }
    }
    Ok(())
}

/// What the model answered, on one line.
fn answer(record: &ItemRecord) -> String {
    match &record.answer {
        Answer::Written { output, gold, .. } => {
            tr!("{}  [correct: {gold}]", on_one_line(output), gold)
        }
        Answer::Chosen {
            options,
            log_likelihoods,
            gold,
            chosen,
            ..
        } => {
            let text = |idx: usize| options.get(idx).map_or("?", String::as_str);
            let chosen = chosen.map_or(tr!("nothing").into(), |idx| {
                let likelihood = log_likelihoods.get(idx).copied().unwrap_or(f64::NAN);
                tr!(
                    "{} ({likelihood} nats)",
                    on_one_line(text(idx)),
                    likelihood = format_args!("{likelihood:.2}")
                )
            });
            let likelihood = log_likelihoods.get(*gold).copied().unwrap_or(f64::NAN);
            tr!(
                "{chosen}  [correct: {}, {likelihood} nats]",
                on_one_line(text(*gold)),
                chosen,
                likelihood = format_args!("{likelihood:.2}")
            )
        }
    }
}

fn on_one_line(text: &str) -> String {
    text.replace(|c: char| c.is_control(), " ")
        .trim()
        .to_owned()
}
