//! From items to requests, and from the model's replies to records.

use super::evaluation::{Conditions, Evaluation, ItemRecord, LeftOut};
use super::options::{FewShot, ScoreOptions};
use super::{LanguageModel, Request, judge};
use crate::data::{Benchmark, Item, Split};
use crate::error::{Error, Result};
use crate::model::tokenizer::{END_OF_DOCUMENT, Tokenizer};

/// The items of a split that are scored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ItemSet {
    /// Which benchmark.
    pub benchmark: Benchmark,
    /// Which part of it.
    pub split: Split,
    /// The items; the first of the split where there is a limit.
    pub items: Vec<Item>,
    /// Items that the split has.
    pub n_total: usize,
}

impl ItemSet {
    /// All items of a split, or the first `limit` of them.
    pub fn new(
        benchmark: Benchmark,
        split: Split,
        mut items: Vec<Item>,
        limit: Option<usize>,
    ) -> Self {
        let n_total = items.len();
        items.truncate(limit.unwrap_or(usize::MAX));
        Self {
            benchmark,
            split,
            items,
            n_total,
        }
    }
}

/// Scores `model` on the items of `set`. `progress` is told how many tokens are
/// done, and of how many at most; its error ends the work, as [`Error::Stopped`] does.
///
/// # Errors
/// What the model or `progress` reports, and [`Error::Spec`] where there are no
/// items or none that fits the context.
pub fn evaluate(
    model: &mut dyn LanguageModel,
    tokenizer: &Tokenizer,
    set: &ItemSet,
    options: &ScoreOptions,
    progress: &mut dyn FnMut(usize, usize) -> Result<()>,
) -> Result<Evaluation> {
    if set.items.is_empty() {
        return Err(Error::spec(
            "evaluation",
            tr!("there are no items to score"),
        ));
    }
    let solved = options.few_shot_of(&set.items);
    let few_shot = solved.iter().map(Vec::len).max().unwrap_or(0);
    let items = set.items.iter().zip(&solved);
    let prompted = items.map(|(item, solved)| PromptedItem::new(item, solved, tokenizer, options));
    let (mut fitting, mut left_out) = (Vec::new(), Vec::new());
    let mut first_too_long = None;
    for prompted in prompted {
        match (options.context_length, prompted.n_tokens(options)) {
            (Some(most), n_tokens) if n_tokens > most => {
                first_too_long.get_or_insert((&prompted.item.id, n_tokens, most));
                left_out.push(LeftOut {
                    id: prompted.item.id.clone(),
                    // In the file of an evaluation, and so in English.
                    reason: format!("{n_tokens} tokens with its answer, the context has {most}"),
                });
            }
            (Some(_) | None, _) => fitting.push(prompted),
        }
    }
    if let (true, Some((id, n_tokens, most))) = (fitting.is_empty(), first_too_long) {
        let reason = tr!(
            "none of the {} items fits; {id} has {n_tokens} tokens with its answer, the context \
             has {most}",
            left_out.len(),
            id,
            n_tokens,
            most
        );
        return Err(Error::spec("evaluation.context_length", reason));
    }
    let records = match set.benchmark {
        Benchmark::Gsm8k => write_answers(model, tokenizer, fitting, options, progress)?,
        Benchmark::Arc | Benchmark::Mmlu | Benchmark::WinoGrande => {
            choose_answers(model, fitting, progress)?
        }
    };
    Ok(Evaluation {
        conditions: Conditions {
            benchmark: set.benchmark,
            protocol: options.protocol,
            split: set.split,
            few_shot,
            few_shot_order: (few_shot > 0).then(|| options.few_shot.order()),
            leading_token: model.text_start(),
            max_new_tokens: match set.benchmark {
                Benchmark::Gsm8k => Some(options.max_new_tokens),
                Benchmark::Arc | Benchmark::Mmlu | Benchmark::WinoGrande => None,
            },
            n_total: set.n_total,
            left_out,
        },
        records,
    })
}

/// How many of `pool`, the first ones, of each subject where there are subjects, fit in
/// front of every question of `set` into `context` tokens, answers included; questions
/// that do not fit by themselves are not asked.
pub fn fitting_shots(
    pool: &[Item],
    set: &ItemSet,
    options: &ScoreOptions,
    tokenizer: &Tokenizer,
    context: usize,
) -> usize {
    let fits = |items: &[Item], n: usize| {
        let options = ScoreOptions {
            few_shot: FewShot::first(pool, n),
            ..options.clone()
        };
        let solved = options.few_shot_of(items);
        let fits = items.iter().zip(&solved).map(|(item, solved)| {
            let prompted = PromptedItem::new(item, solved, tokenizer, &options);
            prompted.n_tokens(&options) <= context
        });
        fits.collect::<Vec<bool>>()
    };
    let alone = fits(&set.items, 0);
    let items = set.items.iter().zip(alone).filter(|(_, fits)| *fits);
    let items: Vec<Item> = items.map(|(item, _)| item.clone()).collect();
    if items.is_empty() {
        return 0;
    }
    let all_fit = |n: usize| fits(&items, n).into_iter().all(|fits| fits);
    // More solved questions take more room. So many are known to fit, and so many are
    // known not to, or are more than there are.
    let (mut fit, mut too_many) = (0, 1);
    while too_many <= pool.len() && all_fit(too_many) {
        (fit, too_many) = (too_many, 2 * too_many);
    }
    too_many = too_many.min(pool.len() + 1);
    while fit + 1 < too_many {
        let middle = usize::midpoint(fit, too_many);
        match all_fit(middle) {
            true => fit = middle,
            false => too_many = middle,
        }
    }
    fit
}

/// What stands in front of every question; none where that differs from one question to
/// another.
pub fn shared_prefix(set: &ItemSet, options: &ScoreOptions) -> Option<String> {
    let solved = options.few_shot_of(&set.items);
    let items = set.items.iter().zip(&solved);
    let mut prefixes = items.map(|(item, solved)| options.protocol.prefix(item, solved));
    let first = prefixes.next()?;
    prefixes.all(|prefix| prefix == first).then_some(first)
}

/// An item as the model is asked it.
struct PromptedItem<'a> {
    item: &'a Item,
    /// What it reads; where options have contexts of their own, the first.
    prompt: String,
    /// The tokens of the prompt and of nothing where the answer is written
    /// freely, else of context and continuation of every option.
    requests: Vec<Request>,
}

impl<'a> PromptedItem<'a> {
    fn new(
        item: &'a Item,
        solved: &[&Item],
        tokenizer: &Tokenizer,
        options: &ScoreOptions,
    ) -> Self {
        let protocol = options.protocol;
        let prefix = protocol.prefix(item, solved);
        let prompt = format!("{prefix}{}", protocol.question(item));
        let mut requests: Vec<_> = protocol
            .pairs(item)
            .iter()
            .map(|(context, continuation)| {
                let context = format!("{prefix}{context}");
                protocol.pairing().encode(tokenizer, &context, continuation)
            })
            .collect();
        if requests.is_empty() {
            requests.push((tokenizer.encode(&prompt), Vec::new()));
        }
        Self {
            item,
            prompt,
            requests,
        }
    }

    /// Tokens that the model has read or written in the end, with room for token 0,
    /// so that the same items are scored with and without it.
    fn n_tokens(&self, options: &ScoreOptions) -> usize {
        let longest =
            self.requests
                .iter()
                .map(|(context, continuation)| match continuation.len() {
                    0 => 1 + context.len() + options.max_new_tokens,
                    n => 1 + context.len() + n,
                });
        longest.max().unwrap_or(0)
    }
}

/// Lets the model write an answer to each item.
fn write_answers(
    model: &mut dyn LanguageModel,
    tokenizer: &Tokenizer,
    prompted: Vec<PromptedItem<'_>>,
    options: &ScoreOptions,
    progress: &mut dyn FnMut(usize, usize) -> Result<()>,
) -> Result<Vec<ItemRecord>> {
    let prompts: Vec<Vec<u32>> = prompted
        .iter()
        .flat_map(|prompted| prompted.requests.iter().map(|(prompt, _)| prompt.clone()))
        .collect();
    let stops = options.stops();
    let stop = |tokens: &[u32]| {
        let text = tokenizer.decode(tokens);
        stops.iter().any(|stop| text.contains(stop))
    };
    let outputs = model.generate(&prompts, options.max_new_tokens, &stop, progress)?;
    check_count(outputs.len(), prompted.len())?;
    prompted
        .into_iter()
        .zip(outputs)
        .map(|(PromptedItem { item, prompt, .. }, tokens)| {
            let output = tokenizer.decode(&tokens);
            // What came to its end at the last token that it may have was not cut.
            let ended = tokens.len() < options.max_new_tokens
                || tokens.last() == Some(&END_OF_DOCUMENT)
                || stop(&tokens);
            judge::written(item, prompt, output, ended, options)
        })
        .collect()
}

/// Lets the model weigh the options of each item.
fn choose_answers(
    model: &mut dyn LanguageModel,
    mut prompted: Vec<PromptedItem<'_>>,
    progress: &mut dyn FnMut(usize, usize) -> Result<()>,
) -> Result<Vec<ItemRecord>> {
    let groups: Vec<_> = prompted
        .iter_mut()
        .map(|prompted| std::mem::take(&mut prompted.requests))
        .collect();
    let scores = model.log_likelihoods(&groups, progress)?;
    check_count(scores.len(), prompted.len())?;
    prompted
        .into_iter()
        .zip(scores)
        .map(|(PromptedItem { item, prompt, .. }, scores)| judge::chosen(item, prompt, scores))
        .collect()
}

fn check_count(got: usize, expected: usize) -> Result<()> {
    if got == expected {
        return Ok(());
    }
    Err(Error::Device(tr!(
        "{got} replies came for {expected} requests",
        got,
        expected
    )))
}

#[cfg(test)]
mod tests;
