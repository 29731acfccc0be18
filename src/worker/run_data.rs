//! What a run learns from and is measured on, in tokens.

use std::path::Path;

use super::held_out::{hold_out, is_held_out};
use super::own_data::{OwnData, nothing_left};
use crate::bench::{FewShot, ItemSet, ScoreOptions};
use crate::data::{
    Benchmark, Example, Item, Loaded, PromptFormat, Protocol, Split, leave_out_single_tokens, load,
    mini,
};
use crate::error::{Error, Result};
use crate::model::tokenizer::Tokenizer;
use crate::protocol::event::EvaluationPhase;
use crate::protocol::run_spec::{DataSource, DataSpec, EvaluationSpec, EvaluationSplit, RunSpec};

/// The sets of a run.
#[derive(Debug)]
pub(super) struct RunData {
    pub train: Vec<Example>,
    /// Empty where nothing is held out.
    pub validation: Vec<Example>,
    /// What accuracy is measured on; none for a set of texts.
    pub benchmark: Option<BenchmarkSet>,
    /// The held-out items, for runs that select by their accuracy.
    pub held_out: Option<BenchmarkSet>,
    /// What stands around prompts.
    pub prompt_format: PromptFormat,
    /// Whether the number of steps is to be chosen by cross-validation.
    pub is_small: bool,
    /// What was left out, and other things the user should know.
    pub notes: Vec<String>,
    /// Those of the notes that say what became of examples longer than the context.
    pub of_length: Vec<String>,
}

/// The items of a benchmark that are scored.
#[derive(Debug)]
pub(super) struct BenchmarkSet {
    pub items: ItemSet,
    protocol: Protocol,
    few_shot: FewShot,
    context_length: Option<usize>,
    /// Where written answers are cut off, in tokens.
    max_new_tokens: usize,
}

/// The items of a benchmark before they are tokens.
struct Items {
    train: Loaded<Item>,
    validation: Vec<Item>,
    set: BenchmarkSet,
}

impl RunData {
    /// Reads and tokenises the sets of a run.
    ///
    /// # Errors
    /// Files that cannot be used, and sets of which nothing is left.
    pub fn load(spec: &RunSpec, tokenizer: &Tokenizer) -> Result<Self> {
        let (mut notes, mut of_length) = (Vec::new(), Vec::new());
        let mut is_small = false;
        let mut n_validation = spec.training.validation_limit.unwrap_or(usize::MAX);
        let (mut train, mut validation, benchmarks) = match &spec.data.source {
            DataSource::Mini(benchmark) => {
                let items = mini_items(*benchmark, spec, tokenizer)?;
                tokenised(items, tokenizer, &mut notes)
            }
            DataSource::Official { benchmark, folder } => {
                let items = official_items(*benchmark, folder, spec, tokenizer, &mut notes)?;
                tokenised(items, tokenizer, &mut notes)
            }
            DataSource::Jsonl {
                train,
                validation,
                template,
            } => {
                notes.push(tr!("texts have no correct answer; only the loss is measured").into());
                let paths = (train.as_path(), validation.as_deref());
                let format = template.prompt_format()?;
                let own = OwnData::load(paths, &format, spec, tokenizer)?;
                of_length = own.of_length;
                note_loaded(&own.train, &mut notes);
                is_small = own.is_small;
                n_validation = match validation {
                    Some(_) => n_validation,
                    None => usize::MAX,
                };
                (own.train.items, own.validation, (None, None))
            }
        };
        let is_own = matches!(spec.data.source, DataSource::Jsonl { .. });
        if spec.data.append_end && !is_own {
            let all = train.iter_mut().chain(&mut validation);
            all.for_each(Example::append_end);
        }
        let (benchmark, held_out) = benchmarks;
        let mut data = Self {
            train,
            validation,
            benchmark,
            held_out,
            prompt_format: spec.prompt_format()?,
            is_small,
            notes,
            of_length,
        };
        data.keep(spec, n_validation)?;
        Ok(data)
    }

    /// How many examples there are, and what became of those that are too long.
    pub fn line(&self) -> String {
        let (n_train, n_held_out) = (self.train.len(), self.validation.len());
        let mut line = tr!(
            "data: {n_train} training and {n_held_out} validation examples",
            n_train,
            n_held_out
        );
        for note in &self.of_length {
            line = line + "; " + note;
        }
        line
    }

    /// Cuts or leaves out what is too long or beyond the limits.
    fn keep(&mut self, spec: &RunSpec, n_validation: usize) -> Result<()> {
        let DataSpec {
            train_limit,
            context_length,
            ..
        } = spec.data;
        self.train.truncate(train_limit.unwrap_or(usize::MAX));
        let sets = [
            (tr!("training"), &mut self.train),
            (tr!("validation"), &mut self.validation),
        ];
        for (name, examples) in sets {
            let leading = spec.data.leading_token;
            if let Some(reason) = leave_out_single_tokens(examples, leading, name) {
                if examples.is_empty() {
                    return Err(Error::spec(
                        "data.leading_token",
                        reason + tr!("; choose Zero"),
                    ));
                }
                self.notes.push(reason + tr!(", and are left out"));
            }
            // Room for token 0, so that every form is trained on the same examples.
            let (longest, loss_on) = (context_length.saturating_sub(1), spec.data.loss_on);
            let told = spec.data.long_texts.apply(examples, longest, loss_on, name);
            if let (Some(told), true) = (&told, examples.is_empty()) {
                return Err(nothing_left(told));
            }
            self.of_length.extend(told.clone());
            self.notes.extend(told);
            let n_before = examples.len();
            let shortest = examples.iter().map(Example::n_tokens).min();
            examples.retain(|example| example.n_tokens() <= longest);
            let n_long = n_before - examples.len();
            if let (true, Some(shortest)) = (examples.is_empty(), shortest) {
                let reason = tr!(
                    "all {n_before} {name} examples have more than {context_length} tokens, \
                     the shortest {}; raise it, or let data.long_texts cut or split them (Cut, \
                     Split)",
                    shortest + 1,
                    n_before,
                    name,
                    context_length
                );
                return Err(Error::spec("data.context_length", reason));
            }
            if n_long > 0 {
                let note = tr!(
                    "{n_long} of {n_before} {name} examples have more than {context_length} \
                     tokens and are left out",
                    n_long,
                    n_before,
                    name,
                    context_length
                );
                self.of_length.push(note.clone());
                self.notes.push(note);
            }
        }
        self.validation.truncate(n_validation);
        if let Some(held_out) = &mut self.held_out {
            held_out.items.items.truncate(n_validation);
        }
        if self.validation.is_empty() && !self.is_small && spec.training.validate_every > 0 {
            let reason = tr!(
                "there are no validation examples, so over-fitting is not noticed and \
                          the last state is kept"
            );
            self.notes.push(reason.into());
        }
        Ok(())
    }
}

impl BenchmarkSet {
    /// By which rules, and with which solved questions in front.
    pub fn options(&self, phase: EvaluationPhase) -> ScoreOptions {
        let mut options = ScoreOptions::new(self.protocol);
        options.context_length = self.context_length;
        options.max_new_tokens = self.max_new_tokens;
        match phase {
            EvaluationPhase::Before | EvaluationPhase::After => {}
            EvaluationPhase::FewShot => options.few_shot = self.few_shot.clone(),
        }
        options
    }
}

/// What is scored at the end, and what is scored on the way.
type Sets = (Option<BenchmarkSet>, Option<BenchmarkSet>);

fn tokenised(
    items: Items,
    tokenizer: &Tokenizer,
    notes: &mut Vec<String>,
) -> (Vec<Example>, Vec<Example>, Sets) {
    let Items {
        train,
        validation,
        set,
    } = items;
    note_loaded(&train, notes);
    let examples = |items: &[Item]| {
        let example = |item| set.protocol.training_example(item, tokenizer);
        items.iter().map(example).collect()
    };
    let (train, held_out) = (examples(&train.items), examples(&validation));
    let of_held_out = BenchmarkSet {
        items: ItemSet::new(set.items.benchmark, Split::Validation, validation, None),
        protocol: set.protocol,
        few_shot: FewShot::default(),
        context_length: None,
        max_new_tokens: set.max_new_tokens,
    };
    (train, held_out, (Some(set), Some(of_held_out)))
}

fn mini_items(benchmark: Benchmark, spec: &RunSpec, tokenizer: &Tokenizer) -> Result<Items> {
    let evaluation = &spec.evaluation;
    let split = split(evaluation.split);
    let train = mini(benchmark, Split::Train)?;
    let max_new_tokens = cap(Protocol::Mini, evaluation, &train, tokenizer);
    Ok(Items {
        train: Loaded {
            items: train,
            ..Loaded::default()
        },
        validation: mini(benchmark, Split::Validation)?,
        set: BenchmarkSet {
            items: ItemSet::new(benchmark, split, mini(benchmark, split)?, evaluation.limit),
            protocol: Protocol::Mini,
            few_shot: FewShot::mini(benchmark, evaluation.few_shot, None)?,
            context_length: evaluation.context_length,
            max_new_tokens,
        },
    })
}

fn official_items(
    benchmark: Benchmark,
    folder: &Path,
    spec: &RunSpec,
    tokenizer: &Tokenizer,
    notes: &mut Vec<String>,
) -> Result<Items> {
    let evaluation = &spec.evaluation;
    let protocol = Protocol::LmEval {
        mmlu: evaluation.mmlu,
    };
    let mut train = load(benchmark, folder, Split::Train)?;
    // Of all of them, as `gosling eval` has it, and before some are held out.
    let max_new_tokens = cap(protocol, evaluation, &train.items, tokenizer);
    let asked = split(evaluation.split);
    let scored_split = benchmark.scored_split(asked);
    if scored_split != asked {
        notes.push(
            tr!(
                "the answers to WinoGrande's test split are not public; the validation split is \
             scored, as in lm-evaluation-harness"
            )
            .into(),
        );
    }
    let scored = load(benchmark, folder, scored_split)?;
    note_loaded(&scored, notes);
    // GSM8K has no validation split, and what is scored is not held out.
    let validation = match is_held_out(benchmark, folder) {
        true => hold_out(&mut train.items, notes),
        false => load(benchmark, folder, Split::Validation)?.items,
    };
    let solved = FewShot::official(benchmark, folder, evaluation.few_shot, None)?;
    Ok(Items {
        train,
        validation,
        set: BenchmarkSet {
            items: ItemSet::new(benchmark, scored_split, scored.items, evaluation.limit),
            protocol,
            few_shot: solved,
            context_length: evaluation.context_length,
            max_new_tokens,
        },
    })
}

/// Where written answers are cut off, in tokens.
fn cap(
    protocol: Protocol,
    evaluation: &EvaluationSpec,
    train: &[Item],
    tokenizer: &Tokenizer,
) -> usize {
    let mut options = ScoreOptions::new(protocol);
    options.cut_answers(evaluation.max_new_tokens, train, tokenizer);
    options.max_new_tokens
}

fn split(split: EvaluationSplit) -> Split {
    match split {
        EvaluationSplit::Validation => Split::Validation,
        EvaluationSplit::Test => Split::Test,
    }
}

fn note_loaded<T>(loaded: &Loaded<T>, notes: &mut Vec<String>) {
    if let Some(first) = loaded.bad_lines.first() {
        let n_bad = loaded.n_bad_lines;
        notes.push(tr!(
            "{n_bad} lines cannot be used and are left out, the first is {first}",
            n_bad,
            first
        ));
    }
    notes.extend(loaded.notes.iter().cloned());
}

#[cfg(test)]
mod tests;
