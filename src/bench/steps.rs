//! Accuracy by the number of steps that the gold answer takes: what a longer
//! chain of reasoning costs.

use std::collections::BTreeMap;

use super::accuracy::Accuracy;
use super::comparison::Rule;
use super::evaluation::Evaluation;

/// What stands in front of the final number of an answer to GSM8K.
const FINAL: &str = "####";

/// The accuracy on items whose gold answers take so many steps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StepAccuracy {
    /// Steps of the gold answer.
    pub n_steps: usize,
    /// The share of right answers.
    pub accuracy: Accuracy,
}

/// The steps of a worked answer: its calculator marks `<<1+1=2>>`, or the lines
/// above the final number where it has none.
pub fn n_steps(answer: &str) -> usize {
    let marks = answer
        .split("<<")
        .skip(1)
        .filter(|rest| rest.contains(">>"));
    match marks.count() {
        0 => {
            let worked = answer.lines().take_while(|line| !line.starts_with(FINAL));
            worked.filter(|line| !line.trim().is_empty()).count()
        }
        n => n,
    }
}

impl Evaluation {
    /// The accuracy by the number of steps, ascending; nothing where the items do
    /// not say how many they take.
    pub fn by_steps(&self, rule: Rule) -> Vec<StepAccuracy> {
        let mut groups: BTreeMap<usize, Accuracy> = BTreeMap::new();
        for record in &self.records {
            if let Some(n_steps) = record.n_steps {
                let of = groups.entry(n_steps).or_default();
                of.n_items += 1;
                of.n_correct += usize::from(rule.is_right(record));
            }
        }
        let groups = groups.into_iter();
        groups
            .map(|(n_steps, accuracy)| StepAccuracy { n_steps, accuracy })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::{Benchmark, Split, Task, mini};

    #[test]
    fn steps_are_marks_or_else_lines() {
        let check = |answer: &str, expected| assert_eq!(n_steps(answer), expected, "{answer}");
        check("13+15 = <<13+15=28>>28\n28+2 = <<28+2=30>>30\n#### 30", 2);
        check("He has 2*3=<<2*3=6>>6, so 6+1=<<6+1=7>>7 left.\n#### 7", 2);
        check("First 2 and 3.\n\nThen 5.\n#### 5", 2);
        check("#### 5", 0);
        check("", 0);
        check("a << b\n#### 1", 1);
    }

    /// Counted with grep over the file: `grep -o '<<' test.jsonl | wc -l` is 1244.
    #[test]
    fn the_mini_benchmark_takes_one_to_four_steps() {
        let items = mini(Benchmark::Gsm8k, Split::Test).unwrap();
        let mut counts = [0; 5];
        for item in &items {
            let Task::Generate { answer, .. } = &item.task else {
                panic!("{}", item.id);
            };
            counts[n_steps(answer)] += 1;
        }
        assert_eq!(counts, [0, 71, 221, 101, 107]);
    }
}
