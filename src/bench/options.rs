//! How a benchmark is scored.

use crate::data::{Item, Protocol, few_shot_draws};

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
