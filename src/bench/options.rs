//! How a benchmark is scored.

use std::path::Path;

use crate::data::{Benchmark, Item, Protocol, few_shot, few_shot_draws};
use crate::error::{Error, Result};

/// Where lm-evaluation-harness ends an answer to GSM8K.
const LM_EVAL_STOPS: [&str; 3] = ["Question:", "</s>", "<|im_end|>"];
/// Where the mini protocol does.
const MINI_STOPS: [&str; 1] = ["\n\n"];

/// The solved questions in front of prompts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FewShot {
    /// The same in front of every question, those of its own subject where it
    /// has one. A recurrent model reads them once.
    Same(Vec<Item>),
    /// Others in front of every question, drawn as lm-evaluation-harness draws
    /// them (GSM8K, ARC, WinoGrande).
    Drawn {
        /// What is drawn from.
        pool: Vec<Item>,
        /// How many of it.
        n: usize,
    },
}

impl Default for FewShot {
    /// None at all.
    fn default() -> Self {
        Self::Same(Vec::new())
    }
}

impl FewShot {
    /// `n` solved questions of official files as lm-evaluation-harness has them:
    /// the first of each subject of MMLU, others drawn for every question else.
    ///
    /// # Errors
    /// Files that cannot be read, and fewer solved questions to draw from than `n`.
    pub fn official(benchmark: Benchmark, folder: &Path, n: usize) -> Result<Self> {
        match benchmark {
            _ if n == 0 => Ok(Self::default()),
            Benchmark::Mmlu => few_shot(benchmark, folder, n).map(Self::Same),
            Benchmark::Gsm8k | Benchmark::Arc | Benchmark::WinoGrande => {
                let pool = few_shot(benchmark, folder, usize::MAX)?;
                let has = pool.len();
                if has < n {
                    let reason = format!("there are {has} solved questions, asked for {n}");
                    return Err(Error::spec("evaluation.few_shot", reason));
                }
                Ok(Self::Drawn { pool, n })
            }
        }
    }
}

/// How a benchmark is scored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScoreOptions {
    /// Solved questions in front of each prompt.
    pub few_shot: FewShot,
    /// The rules.
    pub protocol: Protocol,
    /// Where a written answer is cut off, in tokens.
    pub max_new_tokens: usize,
    /// Items of more tokens than this, token 0 and the answer included, are
    /// left out and listed; without it an item has any length.
    pub context_length: Option<usize>,
}

impl ScoreOptions {
    /// A protocol's own options, without solved questions.
    pub fn new(protocol: Protocol) -> Self {
        Self {
            few_shot: FewShot::default(),
            protocol,
            max_new_tokens: match protocol {
                Protocol::Mini => 48,
                Protocol::LmEval { .. } => 256,
            },
            context_length: None,
        }
    }

    /// The solved questions that go in front of each of `items`.
    pub(super) fn few_shot_of(&self, items: &[Item]) -> Vec<Vec<&Item>> {
        match &self.few_shot {
            FewShot::Same(solved) => items
                .iter()
                .map(|item| {
                    let is_alike = |solved: &&Item| solved.subject() == item.subject();
                    solved.iter().filter(is_alike).collect()
                })
                .collect(),
            FewShot::Drawn { pool, n } => few_shot_draws(pool.len(), *n, items.len())
                .into_iter()
                .map(|drawn| drawn.into_iter().map(|idx| &pool[idx]).collect())
                .collect(),
        }
    }

    /// What ends a written answer.
    pub(super) fn stops(&self) -> &'static [&'static str] {
        match self.protocol {
            Protocol::Mini => &MINI_STOPS,
            Protocol::LmEval { .. } => &LM_EVAL_STOPS,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn official_examples_are_drawn_from_all_and_too_few_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let line = r##"{"question": "What is 1 + 1?", "answer": "It is 2.\n#### 2"}"##;
        std::fs::write(
            folder.path().join("train.jsonl"),
            format!("{line}\n{line}\n{line}\n"),
        )
        .unwrap();
        let official = |n| FewShot::official(Benchmark::Gsm8k, folder.path(), n);
        let FewShot::Drawn { pool, n } = official(2).unwrap() else {
            panic!("the same in front of every question");
        };
        assert_eq!((pool.len(), n), (3, 2));
        assert_eq!(official(0).unwrap(), FewShot::default());
        let error = official(4).unwrap_err().to_string();
        assert!(
            error.contains("there are 3 solved questions, asked for 4"),
            "{error}"
        );
    }
}
