//! How a benchmark is scored.

use crate::data::{Item, Protocol};

/// Where lm-evaluation-harness ends an answer to GSM8K.
const LM_EVAL_STOPS: [&str; 3] = ["Question:", "</s>", "<|im_end|>"];
/// Where the mini protocol does.
const MINI_STOPS: [&str; 1] = ["\n\n"];

/// How a benchmark is scored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScoreOptions {
    /// Solved questions in front of each prompt, those of the item's own
    /// subject where it has one.
    pub few_shot: Vec<Item>,
    /// The rules.
    pub protocol: Protocol,
    /// Where a written answer is cut off, in tokens.
    pub max_new_tokens: usize,
}

impl ScoreOptions {
    /// A protocol's own options, without solved questions.
    pub fn new(protocol: Protocol) -> Self {
        Self {
            few_shot: Vec::new(),
            protocol,
            max_new_tokens: match protocol {
                Protocol::Mini => 48,
                Protocol::LmEval { .. } => 256,
            },
        }
    }

    /// The solved questions that go in front of `item`.
    pub(super) fn few_shot_of(&self, item: &Item) -> Vec<&Item> {
        let is_alike = |solved: &&Item| solved.subject() == item.subject();
        self.few_shot.iter().filter(is_alike).collect()
    }

    /// What ends a written answer.
    pub(super) fn stops(&self) -> &'static [&'static str] {
        match self.protocol {
            Protocol::Mini => &MINI_STOPS,
            Protocol::LmEval { .. } => &LM_EVAL_STOPS,
        }
    }
}
