//! How a benchmark is scored.

use std::collections::BTreeMap;
use std::path::Path;

use super::answer_cap::{HARNESS_CAP, answer_cap};
use super::evaluation::FewShotOrder;
use crate::data::{Benchmark, Item, Protocol, few_shot, few_shot_draws, mini_few_shot};
use crate::error::{Error, Result};
use crate::model::tokenizer::Tokenizer;

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
    /// `n` solved questions of official files, in `order` or as
    /// lm-evaluation-harness has them: the first of each subject of MMLU, others
    /// drawn for every question else.
    ///
    /// # Errors
    /// Files that cannot be read. [`Error::Spec`] of `evaluation.few_shot` where
    /// there are fewer than `n`, and of `evaluation.few_shot_order` where MMLU's
    /// are to be drawn.
    pub fn official(
        benchmark: Benchmark,
        folder: &Path,
        n: usize,
        order: Option<FewShotOrder>,
    ) -> Result<Self> {
        let order = order.unwrap_or(match benchmark {
            Benchmark::Mmlu => FewShotOrder::First,
            Benchmark::Gsm8k | Benchmark::Arc | Benchmark::WinoGrande => FewShotOrder::Drawn,
        });
        Self::of(benchmark, n, order, |n| few_shot(benchmark, folder, n))
    }

    /// As [`Self::official`], of a mini benchmark, which has the first ones without
    /// an `order`.
    ///
    /// # Errors
    /// As [`Self::official`].
    pub fn mini(benchmark: Benchmark, n: usize, order: Option<FewShotOrder>) -> Result<Self> {
        let order = order.unwrap_or(FewShotOrder::First);
        Self::of(benchmark, n, order, |n| mini_few_shot(benchmark, n))
    }

    /// The first `n` of `pool`, of each subject where there are subjects.
    pub fn first(pool: &[Item], n: usize) -> Self {
        let mut counts = BTreeMap::new();
        let mut first = Vec::new();
        for item in pool {
            let count = counts.entry(item.subject()).or_insert(0);
            *count += 1;
            if *count <= n {
                first.push(item.clone());
            }
        }
        Self::Same(first)
    }

    /// All that [`Self::first`] can take from the official files of a benchmark.
    ///
    /// # Errors
    /// Files that cannot be read.
    pub fn official_pool(benchmark: Benchmark, folder: &Path) -> Result<Vec<Item>> {
        few_shot(benchmark, folder, usize::MAX)
    }

    /// The same of a mini benchmark.
    ///
    /// # Errors
    /// A set that is damaged.
    pub fn mini_pool(benchmark: Benchmark) -> Result<Vec<Item>> {
        mini_few_shot(benchmark, usize::MAX)
    }

    /// Which ones they are.
    pub(super) fn order(&self) -> FewShotOrder {
        match self {
            Self::Same(_) => FewShotOrder::First,
            Self::Drawn { .. } => FewShotOrder::Drawn,
        }
    }

    /// `first` reads the first so many, of each subject where there are subjects.
    fn of(
        benchmark: Benchmark,
        n: usize,
        order: FewShotOrder,
        first: impl FnOnce(usize) -> Result<Vec<Item>>,
    ) -> Result<Self> {
        if n == 0 {
            return Ok(Self::default());
        }
        let has_subjects = benchmark == Benchmark::Mmlu;
        let solved = match order {
            FewShotOrder::First => first(n)?,
            FewShotOrder::Drawn if has_subjects => {
                let reason = tr!("lm-evaluation-harness takes the first of each subject for MMLU");
                return Err(Error::spec("evaluation.few_shot_order", reason));
            }
            FewShotOrder::Drawn => first(usize::MAX)?,
        };
        let has = fewest_of_a_subject(&solved);
        if has < n {
            let of_each = if has_subjects {
                tr!(" of a subject")
            } else {
                ""
            };
            let reason = tr!(
                "there are {has} solved questions{of_each}, asked for {n}",
                has,
                of_each,
                n
            );
            return Err(Error::spec("evaluation.few_shot", reason));
        }
        Ok(match order {
            FewShotOrder::First => Self::Same(solved),
            FewShotOrder::Drawn => Self::Drawn { pool: solved, n },
        })
    }
}

/// Of the subject that has the fewest items; of all where there are no subjects.
fn fewest_of_a_subject(items: &[Item]) -> usize {
    let mut counts = BTreeMap::new();
    for item in items {
        *counts.entry(item.subject()).or_insert(0) += 1;
    }
    counts.into_values().min().unwrap_or(0)
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
    /// A protocol's own options, without solved questions; answers are cut where
    /// lm-evaluation-harness cuts them.
    pub fn new(protocol: Protocol) -> Self {
        Self {
            few_shot: FewShot::default(),
            protocol,
            max_new_tokens: HARNESS_CAP,
            context_length: None,
        }
    }

    /// Cuts answers after `asked` tokens, or else where the gold answers of `train`
    /// say; see [`super::gold_answers`].
    pub fn cut_answers(&mut self, asked: Option<usize>, train: &[Item], tokenizer: &Tokenizer) {
        let cap = asked.or_else(|| answer_cap(self.protocol, train, tokenizer));
        self.max_new_tokens = cap.unwrap_or(HARNESS_CAP);
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
    pub fn stops(&self) -> &'static [&'static str] {
        match self.protocol {
            Protocol::Mini => &MINI_STOPS,
            Protocol::LmEval { .. } => &LM_EVAL_STOPS,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(asked: Result<FewShot>) -> String {
        asked.unwrap_err().to_string()
    }

    #[test]
    fn official_examples_are_drawn_from_all_and_too_few_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let line = r##"{"question": "What is 1 + 1?", "answer": "It is 2.\n#### 2"}"##;
        std::fs::write(
            folder.path().join("train.jsonl"),
            format!("{line}\n{line}\n{line}\n"),
        )
        .unwrap();
        let official = |n, order| FewShot::official(Benchmark::Gsm8k, folder.path(), n, order);
        for order in [None, Some(FewShotOrder::Drawn)] {
            let FewShot::Drawn { pool, n } = official(2, order).unwrap() else {
                panic!("the same in front of every question");
            };
            assert_eq!((pool.len(), n), (3, 2));
        }
        let FewShot::Same(first) = official(2, Some(FewShotOrder::First)).unwrap() else {
            panic!("drawn");
        };
        assert_eq!(first.len(), 2);
        assert_eq!(official(0, None).unwrap(), FewShot::default());
        for order in [None, Some(FewShotOrder::First)] {
            assert_eq!(
                refused(official(4, order)),
                "evaluation.few_shot: there are 3 solved questions, asked for 4"
            );
        }
    }

    #[test]
    fn mmlu_has_the_first_of_each_subject() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("dev")).unwrap();
        for (subject, n) in [("anatomy", 3), ("virology", 2)] {
            let table = "What?,a,b,c,d,A\n".repeat(n);
            let name = format!("dev/{subject}_dev.csv");
            std::fs::write(folder.path().join(name), table).unwrap();
        }
        let official = |n, order| FewShot::official(Benchmark::Mmlu, folder.path(), n, order);
        let FewShot::Same(solved) = official(2, None).unwrap() else {
            panic!("drawn");
        };
        assert_eq!(solved.len(), 4);
        assert_eq!(
            refused(official(3, None)),
            "evaluation.few_shot: there are 2 solved questions of a subject, asked for 3"
        );
        let reason = "lm-evaluation-harness takes the first of each subject for MMLU";
        assert_eq!(
            refused(official(1, Some(FewShotOrder::Drawn))),
            format!("evaluation.few_shot_order: {reason}")
        );
    }

    #[test]
    fn mini_examples_are_the_first_ones_where_nothing_else_is_asked() {
        let mini = |n, order| FewShot::mini(Benchmark::Gsm8k, n, order);
        let FewShot::Same(solved) = mini(5, None).unwrap() else {
            panic!("drawn");
        };
        assert_eq!(solved.len(), 5);
        let FewShot::Drawn { pool, n } = mini(5, Some(FewShotOrder::Drawn)).unwrap() else {
            panic!("the same in front of every question");
        };
        assert_eq!((pool.len(), n), (2_000, 5));
        assert_eq!(
            refused(mini(2_001, None)),
            "evaluation.few_shot: there are 2000 solved questions, asked for 2001"
        );
    }
}
