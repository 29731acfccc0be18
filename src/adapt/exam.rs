//! What is right: the labels, and the marks that answers get. Nothing that moves a
//! state names this file; questions leave it without their labels.

use super::question::Question;
use crate::bench::{
    Answer, Evaluation, FewShot, ItemSet, LanguageModel, Request, ScoreOptions, evaluate, extract,
    written_answer,
};
use crate::data::{Item, Task};
use crate::error::Result;
use crate::model::TextStart;
use crate::model::tokenizer::Tokenizer;

use super::cost::Cost;

/// The items that are scored, with their labels.
pub struct Exam<'a> {
    set: ItemSet,
    options: ScoreOptions,
    tokenizer: &'a Tokenizer,
}

/// How a model did.
#[derive(Debug, Clone)]
pub struct Marks {
    /// Whether each item is right, in their order.
    pub right: Vec<bool>,
    /// What was answered: the number, or the place of the option.
    pub answers: Vec<Option<String>>,
    /// The share of items that have an answer.
    pub valid: f64,
    /// What answering cost.
    pub cost: Cost,
    /// All that is known of each item.
    pub evaluation: Evaluation,
}

impl<'a> Exam<'a> {
    /// Of these items, by these rules.
    pub fn new(set: ItemSet, options: ScoreOptions, tokenizer: &'a Tokenizer) -> Self {
        Self {
            set,
            options,
            tokenizer,
        }
    }

    /// How many items there are.
    pub fn n_items(&self) -> usize {
        self.set.items.len()
    }

    /// The questions, without what is right of them.
    pub fn questions(&self) -> Vec<Question> {
        self.set.items.iter().map(Question::of).collect()
    }

    /// Where written answers are cut.
    pub fn max_new_tokens(&self) -> usize {
        self.options.max_new_tokens
    }

    /// The same with the items in `range` alone.
    pub fn part(&self, range: std::ops::Range<usize>) -> Self {
        let items = self.set.items[range].to_vec();
        Self {
            set: ItemSet::new(self.set.benchmark, self.set.split, items, None),
            options: self.options.clone(),
            tokenizer: self.tokenizer,
        }
    }

    /// Lets a model answer, with solved questions in front or without. `progress` is
    /// told how many items are done; its error ends the work.
    ///
    /// # Errors
    /// What the model or `progress` reports.
    pub fn mark(
        &self,
        model: &mut dyn LanguageModel,
        few_shot: FewShot,
        progress: &mut dyn FnMut(usize, usize) -> Result<()>,
    ) -> Result<Marks> {
        let options = ScoreOptions {
            few_shot,
            ..self.options.clone()
        };
        let mut counted = CountedModel {
            model,
            cost: Cost::default(),
        };
        let evaluation = evaluate(&mut counted, self.tokenizer, &self.set, &options, progress)?;
        Ok(marks_of(evaluation, counted.cost))
    }

    /// Whether `text` is the right answer to item `idx`, which is written.
    pub fn is_right_text(&self, idx: usize, text: &str) -> bool {
        match &self.set.items[idx].task {
            Task::Generate { answer, .. } => extract(self.options.protocol, text, answer).correct,
            Task::Choose { .. } | Task::ChooseLetter { .. } | Task::FillIn { .. } => false,
        }
    }

    /// Whether option `option` of item `idx` is right.
    pub fn is_right_option(&self, idx: usize, option: usize) -> bool {
        match &self.set.items[idx].task {
            Task::Generate { .. } => false,
            Task::Choose { gold, .. }
            | Task::ChooseLetter { gold, .. }
            | Task::FillIn { gold, .. } => *gold == option,
        }
    }

    /// Whether a guide's text, or the place of the option that it names, is right.
    pub fn is_right(&self, idx: usize, text: &str, answer: Option<&str>) -> bool {
        match &self.set.items[idx].task {
            Task::Generate { .. } => self.is_right_text(idx, text),
            Task::Choose { .. } | Task::ChooseLetter { .. } | Task::FillIn { .. } => {
                let option = answer.and_then(|answer| answer.parse().ok());
                option.is_some_and(|option| self.is_right_option(idx, option))
            }
        }
    }

    /// The items, for a guide that is simulated: it reads labels and says so.
    pub fn labelled(&self) -> &[Item] {
        &self.set.items
    }
}

/// The marks of an evaluation.
pub fn marks_of(evaluation: Evaluation, cost: Cost) -> Marks {
    let answers: Vec<Option<String>> = evaluation
        .records
        .iter()
        .map(|record| match &record.answer {
            Answer::Written { output, ended, .. } => {
                written_answer(output).filter(|_| *ended != Some(false))
            }
            Answer::Chosen { chosen, .. } => chosen.map(|chosen| chosen.to_string()),
        })
        .collect();
    let n_valid = answers.iter().filter(|answer| answer.is_some()).count();
    Marks {
        right: evaluation.records.iter().map(|of| of.correct).collect(),
        valid: n_valid as f64 / answers.len().max(1) as f64,
        answers,
        cost,
        evaluation,
    }
}

/// A model whose tokens are counted. What the contexts of a question share counts
/// once.
struct CountedModel<'m> {
    model: &'m mut dyn LanguageModel,
    cost: Cost,
}

impl LanguageModel for CountedModel<'_> {
    fn text_start(&self) -> Option<TextStart> {
        self.model.text_start()
    }

    fn log_likelihoods(
        &mut self,
        groups: &[Vec<Request>],
        progress: &mut dyn FnMut(usize, usize) -> Result<()>,
    ) -> Result<Vec<Vec<f64>>> {
        let of_group = |group: &Vec<Request>| {
            let Some((first, _)) = group.first() else {
                return 0;
            };
            let common = |context: &[u32]| {
                let same = first.iter().zip(context).take_while(|(a, b)| a == b);
                same.count()
            };
            let shared = group.iter().map(|(context, _)| common(context));
            let shared = shared.min().unwrap_or(0);
            let own = group.iter().map(|(context, of)| {
                // The last scored token is not read.
                (context.len() - shared + of.len()).saturating_sub(1)
            });
            shared + own.sum::<usize>()
        };
        self.cost += Cost::forward(groups.iter().map(of_group).sum());
        self.model.log_likelihoods(groups, progress)
    }

    fn generate(
        &mut self,
        prompts: &[Vec<u32>],
        max_new_tokens: usize,
        stop: &dyn Fn(&[u32]) -> bool,
        progress: &mut dyn FnMut(usize, usize) -> Result<()>,
    ) -> Result<Vec<Vec<u32>>> {
        let written = self
            .model
            .generate(prompts, max_new_tokens, stop, progress)?;
        let texts = prompts.iter().chain(&written);
        self.cost += Cost::forward(texts.map(Vec::len).sum());
        Ok(written)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::{Path, PathBuf};

    fn files(folder: &Path, found: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                files(&path, found);
            } else if !path.ends_with("tests.rs") {
                found.push(path);
            }
        }
    }

    /// What computes a gradient of states or takes a step with one has no way to a label:
    /// its code has neither the file nor the type of labels in it.
    #[test]
    fn nothing_that_moves_a_state_names_the_labels() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/adapt");
        let mut all = Vec::new();
        files(&root, &mut all);
        let names_labels = regex::Regex::new(r"\b[eE]xam\b|\blabelled\b").unwrap();
        let mut n_moving = 0;
        for path in all {
            let code = fs::read_to_string(&path).unwrap();
            let own = code.split("#[cfg(test)]\nmod tests {").next().unwrap();
            let lines = own.lines().map(str::trim_start);
            let own: String = lines
                .filter(|line| !line.starts_with("//"))
                .map(|line| format!("{line}\n"))
                .collect();
            let moves = [".gradient(", "distribution_gradient(", "states.step("];
            if moves.iter().any(|call| own.contains(call)) {
                n_moving += 1;
                assert!(!names_labels.is_match(&own), "{}", path.display());
            }
        }
        assert!(n_moving >= 4, "only {n_moving} files move a state");
    }
}
