//! A question without its answer: all that an adaptation sees of an item.

use crate::data::{Item, Task};

/// A question without its answer. What was right of the item that it was made from
/// is not in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    /// The item's id.
    pub id: String,
    /// The item, its label written over: the first option, or no answer.
    unlabelled: Item,
}

impl Question {
    /// The question of an item.
    pub fn of(item: &Item) -> Self {
        let mut unlabelled = item.clone();
        match &mut unlabelled.task {
            Task::Generate { answer, .. } => answer.clear(),
            Task::Choose { gold, .. }
            | Task::ChooseLetter { gold, .. }
            | Task::FillIn { gold, .. } => *gold = 0,
        }
        Self {
            id: item.id.clone(),
            unlabelled,
        }
    }

    /// The item as prompts are made of it.
    pub(super) fn item(&self) -> &Item {
        &self.unlabelled
    }

    /// The same with lettered options in the cyclic order `order`: behind letter i
    /// stands option i + `order`. Other questions have one order only.
    pub fn in_order(&self, order: usize) -> Self {
        let mut turned = self.clone();
        if let Task::ChooseLetter { options, .. } = &mut turned.unlabelled.task {
            let n = options.len();
            options.rotate_left(order % n);
        }
        turned
    }

    /// The options' texts; none where the answer is written.
    pub fn options(&self) -> Vec<String> {
        match &self.unlabelled.task {
            Task::Generate { .. } => Vec::new(),
            Task::Choose { options, .. } => options.clone(),
            Task::ChooseLetter { options, .. } => options.to_vec(),
            Task::FillIn { options, .. } => options.to_vec(),
        }
    }

    /// Whether its options have letters, so that they can be reordered.
    pub fn has_letters(&self) -> bool {
        matches!(self.unlabelled.task, Task::ChooseLetter { .. })
    }

    /// The subject, where the benchmark has subjects.
    pub fn subject(&self) -> Option<&str> {
        self.unlabelled.subject()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::{Benchmark, Split, mini};

    /// Any other label, or another answer, gives the same question.
    #[test]
    fn a_question_does_not_depend_on_its_label() {
        for benchmark in Benchmark::ALL {
            for item in mini(benchmark, Split::Validation).unwrap() {
                let mut other = item.clone();
                match &mut other.task {
                    Task::Generate { answer, .. } => *answer = "#### 12345678".into(),
                    Task::Choose { gold, options, .. } => *gold = (*gold + 1) % options.len(),
                    Task::ChooseLetter { gold, .. } => *gold = (*gold + 1) % 4,
                    Task::FillIn { gold, .. } => *gold = 1 - *gold,
                }
                assert_ne!(item, other);
                assert_eq!(Question::of(&item), Question::of(&other));
            }
        }
    }

    #[test]
    fn orders_turn_the_options_around() {
        let item = Item {
            id: "x".into(),
            task: Task::ChooseLetter {
                subject: "s".into(),
                question: "?".into(),
                options: ["a", "b", "c", "d"].map(String::from),
                gold: 2,
            },
        };
        let question = Question::of(&item);
        assert_eq!(question.in_order(0), question);
        assert_eq!(question.in_order(1).options(), ["b", "c", "d", "a"]);
        assert_eq!(question.in_order(4), question);
    }
}
