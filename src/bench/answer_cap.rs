//! Where a written answer is cut off. A cap below what right answers need measures
//! brevity instead of skill, so that it follows from the gold answers.

use std::path::Path;

use super::evaluation::Conditions;
use crate::data::{Benchmark, Item, LossOn, Protocol, Split, Task, has_split, load, mini};
use crate::error::Result;
use crate::model::tokenizer::Tokenizer;

/// Where lm-evaluation-harness cuts, and where answers are cut whose gold answers
/// are not known.
pub(super) const HARNESS_CAP: usize = 256;
/// Where files of mini benchmarks were cut that do not say.
const OLD_MINI_CAP: usize = 48;

/// The longest gold answer of `train` in tokens, with the blank line that ends it,
/// and a quarter more; none where no answer is written.
pub fn answer_cap(protocol: Protocol, train: &[Item], tokenizer: &Tokenizer) -> Option<usize> {
    let written = train.iter().filter(|item| match item.task {
        Task::Generate { .. } => true,
        Task::Choose { .. } | Task::ChooseLetter { .. } | Task::FillIn { .. } => false,
    });
    let lengths = written.map(|item| {
        protocol
            .training_example(item, tokenizer)
            .n_counted(LossOn::Answer)
    });
    let longest = lengths.max()?;
    Some(longest + longest.div_ceil(4))
}

/// The training items whose gold answers a cap follows from: none where the
/// benchmark has options, or where the `official` files have no training split.
///
/// # Errors
/// Files that cannot be read.
pub fn gold_answers(benchmark: Benchmark, official: Option<&Path>) -> Result<Vec<Item>> {
    match (benchmark, official) {
        (Benchmark::Arc | Benchmark::Mmlu | Benchmark::WinoGrande, _) => Ok(Vec::new()),
        (Benchmark::Gsm8k, None) => mini(benchmark, Split::Train),
        (Benchmark::Gsm8k, Some(folder)) if has_split(benchmark, folder, Split::Train) => {
            Ok(load(benchmark, folder, Split::Train)?.items)
        }
        (Benchmark::Gsm8k, Some(_)) => Ok(Vec::new()),
    }
}

impl Conditions {
    /// The cap of a file that does not say: of a version that had a fixed one.
    pub fn with_older_cap(mut self) -> Self {
        if self.has_written_answers() && self.max_new_tokens.is_none() {
            self.max_new_tokens = Some(match self.protocol {
                Protocol::Mini => OLD_MINI_CAP,
                Protocol::LmEval { .. } => HARNESS_CAP,
            });
        }
        self
    }

    /// Whether the model writes its answers.
    pub fn has_written_answers(&self) -> bool {
        match self.benchmark {
            Benchmark::Gsm8k => true,
            Benchmark::Arc | Benchmark::Mmlu | Benchmark::WinoGrande => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(answer: &str) -> Item {
        Item {
            id: "train/1".into(),
            task: Task::Generate {
                question: "?".into(),
                answer: answer.into(),
            },
        }
    }

    /// One token a digit: a space, the digits and the blank line.
    #[test]
    fn the_cap_is_the_longest_gold_answer_and_a_quarter() {
        let tokenizer = Tokenizer::mini().unwrap();
        let n_tokens = tokenizer.encode(" 1234567\n\n").len();
        let items = [written("12"), written("1234567"), written("1")];
        let cap = answer_cap(Protocol::Mini, &items, &tokenizer).unwrap();
        assert_eq!(cap, (n_tokens as f64 * 1.25).ceil() as usize);
        assert_eq!(answer_cap(Protocol::Mini, &[], &tokenizer), None);
        let arc = mini(Benchmark::Arc, Split::Train).unwrap();
        assert_eq!(answer_cap(Protocol::Mini, &arc, &tokenizer), None);
        assert_eq!(gold_answers(Benchmark::Arc, None).unwrap(), []);
    }

    /// No gold answer of any split of the mini benchmark is cut.
    #[test]
    fn every_gold_answer_of_the_mini_benchmark_fits() {
        let tokenizer = Tokenizer::mini().unwrap();
        let train = gold_answers(Benchmark::Gsm8k, None).unwrap();
        let cap = answer_cap(Protocol::Mini, &train, &tokenizer).unwrap();
        for split in Split::ALL {
            for item in mini(Benchmark::Gsm8k, split).unwrap() {
                let Task::Generate { answer, .. } = &item.task else {
                    panic!("{}", item.id);
                };
                let n_tokens = tokenizer.encode(&format!(" {answer}\n\n")).len();
                assert!(n_tokens < cap, "{} has {n_tokens}, not {cap}", item.id);
            }
        }
    }

    #[test]
    fn official_files_without_a_training_split_give_no_cap() {
        let folder = tempfile::tempdir().unwrap();
        let line = r##"{"question": "What is 1 + 1?", "answer": "It is 2.\n#### 2"}"##;
        std::fs::write(folder.path().join("test.jsonl"), format!("{line}\n")).unwrap();
        let gold = || gold_answers(Benchmark::Gsm8k, Some(folder.path())).unwrap();
        assert_eq!(gold(), []);
        std::fs::write(folder.path().join("train.jsonl"), format!("{line}\n")).unwrap();
        assert_eq!(gold().len(), 1);
    }
}
