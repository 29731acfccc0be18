//! One question of a benchmark.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

/// One question with its right answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Item {
    /// The file's own id, or `split/line` and `subject/row` where it has none.
    pub id: String,
    /// What is asked.
    pub task: Task,
}

/// What is asked, and what would be right.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Task {
    /// The answer is written freely (GSM8K).
    Generate {
        /// The question.
        question: String,
        /// The whole official answer, its last line `#### number`.
        answer: String,
    },
    /// One of three to five texts is right (ARC).
    Choose {
        /// The question.
        question: String,
        /// The texts.
        options: Vec<String>,
        /// Index of the right one.
        gold: usize,
    },
    /// One of four texts is right, and its letter is the answer (MMLU).
    ChooseLetter {
        /// As in the file's name: `high_school_biology`.
        subject: String,
        /// The question.
        question: String,
        /// The texts of A, B, C and D.
        options: [String; 4],
        /// Index of the right one.
        gold: usize,
    },
    /// One of two texts fills a blank (WinoGrande).
    FillIn {
        /// The sentence up to the blank.
        before: String,
        /// The texts.
        options: [String; 2],
        /// The sentence after the blank.
        after: String,
        /// Index of the right one.
        gold: usize,
    },
}

impl Item {
    /// The subject, where the benchmark has subjects.
    pub fn subject(&self) -> Option<&str> {
        match &self.task {
            Task::ChooseLetter { subject, .. } => Some(subject),
            Task::Generate { .. } | Task::Choose { .. } | Task::FillIn { .. } => None,
        }
    }
}

/// The first `n` items of each subject, in their order.
pub(super) fn first_of_each_subject(items: Vec<Item>, n: usize) -> Vec<Item> {
    let mut n_taken: HashMap<Option<String>, usize> = HashMap::new();
    items
        .into_iter()
        .filter(|item| {
            let n_of_subject = n_taken
                .entry(item.subject().map(str::to_owned))
                .or_default();
            *n_of_subject += 1;
            *n_of_subject <= n
        })
        .collect()
}
