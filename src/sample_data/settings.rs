//! All that decides which answers are drawn, and what came of them.

use serde::{Deserialize, Serialize};

use crate::atomic::sha256_hex;
use crate::bench::Accuracy;
use crate::model::TextStart;
use crate::tuning::method::tuned::Tuned;

/// The form of the file of answers.
pub(super) const FORMAT: &str = "gosling-samples-1";

/// All that decides which answers are drawn. The first line of the file of answers:
/// answers of other settings are not gone on with.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Settings {
    /// `FORMAT`.
    pub format: String,
    /// What is asked.
    pub source: SourceMark,
    /// Who answers.
    pub model: ModelMark,
    /// From which state; untuned without one.
    pub state: Option<StateMark>,
    /// What texts begin with.
    pub leading_token: TextStart,
    /// Answers of each question.
    pub samples: usize,
    /// What logits are divided by.
    pub temperature: f32,
    /// Solved training questions in front of each question while it is answered.
    pub shots: usize,
    /// Fixes all draws.
    pub seed: u64,
    /// Where answers are cut, in tokens.
    pub max_new_tokens: usize,
}

impl Settings {
    /// Of a model that answers questions from a state, by its name and numbers.
    pub fn new(
        source: SourceMark,
        max_new_tokens: usize,
        model: ModelMark,
        state: Option<(&str, &Tuned)>,
        leading_token: TextStart,
    ) -> Self {
        Self {
            format: FORMAT.into(),
            source,
            model,
            state: state.map(|(name, tuned)| StateMark {
                name: name.to_owned(),
                sha256: hash(tuned),
            }),
            leading_token,
            samples: 1,
            temperature: 1.0,
            shots: 0,
            seed: 0,
            max_new_tokens,
        }
    }

    /// The same with so many answers of a question, drawn like this.
    pub fn drawing(self, samples: usize, temperature: f32, shots: usize, seed: u64) -> Self {
        Self {
            samples,
            temperature,
            shots,
            seed,
            ..self
        }
    }
}

/// The hash of the numbers of S_0 with its token shifts, and of a lift where there is one.
fn hash(tuned: &Tuned) -> String {
    let mut values: Vec<&[f32]> = tuned.state.layers.iter().map(Vec::as_slice).collect();
    values.extend(tuned.state.shifts.iter().flatten().map(Vec::as_slice));
    if let Some(lift) = &tuned.lift {
        values.extend([&*lift.weights, &*lift.support_vectors, &*lift.gamma]);
        let others = [&lift.gate, &lift.decorrelation, &lift.mean];
        values.extend(others.into_iter().flatten().map(Vec::as_slice));
    }
    let numbers = values.into_iter().flatten();
    let bytes: Vec<u8> = numbers.flat_map(|x| x.to_le_bytes()).collect();
    sha256_hex(&bytes)
}

/// Which questions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceMark {
    /// The benchmark and its split, or the name of the file.
    pub name: String,
    /// Which template stands around prompts, for a file.
    pub template: Option<String>,
    /// Of the ids, prompts and checks of all questions.
    pub sha256: String,
    /// How many there are.
    pub questions: usize,
}

/// Which weights.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModelMark {
    /// The checkpoint's file name.
    pub file: String,
    /// Of its tensors, as states have it.
    pub fingerprint: String,
}

/// Which state.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StateMark {
    /// Its file, and the factor if there is one.
    pub name: String,
    /// Of the numbers that the model starts from.
    pub sha256: String,
}

/// One answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// What was written, or the text of the option.
    pub text: String,
    /// Whether it is right.
    pub right: bool,
    /// Whether it came to its end; else it was cut and is not kept.
    pub ended: bool,
}

/// The answers to one question: a line of the file of answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sampled {
    /// The question's id.
    pub id: String,
    /// In the order in which they were drawn.
    pub answers: Vec<Answer>,
}

impl Sampled {
    /// The answers that may be trained on: right, ended, each text once.
    pub fn usable(&self) -> Vec<&str> {
        let mut texts: Vec<&str> = Vec::new();
        for answer in &self.answers {
            let is_known = texts.iter().any(|text| text.trim() == answer.text.trim());
            if answer.right && answer.ended && !is_known {
                texts.push(&answer.text);
            }
        }
        texts
    }
}

/// What came of all questions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Counts {
    /// Questions that were asked.
    pub questions: usize,
    /// Answers that were drawn.
    pub sampled: usize,
    /// Those that are right, whether they ended or not.
    pub right: usize,
    /// Answers that were cut.
    pub cut: usize,
    /// Questions with an answer that can be used.
    pub questions_with_right: usize,
    /// Questions with none.
    pub questions_with_none: usize,
    /// Examples of the training file.
    pub kept: usize,
}

impl Counts {
    /// Of the answers, at most `keep` of which are kept a question.
    pub fn of(all: &[Sampled], keep: usize) -> Self {
        let mut counts = Self::default();
        for sampled in all {
            let n_usable = sampled.usable().len();
            counts.questions += 1;
            counts.sampled += sampled.answers.len();
            counts.right += sampled.answers.iter().filter(|of| of.right).count();
            counts.cut += sampled.answers.iter().filter(|of| !of.ended).count();
            counts.questions_with_right += usize::from(n_usable > 0);
            counts.questions_with_none += usize::from(n_usable == 0);
            counts.kept += n_usable.min(keep);
        }
        counts
    }

    /// The share of questions with a right answer, with its interval.
    pub fn solved(self) -> Accuracy {
        Accuracy {
            n_correct: self.questions_with_right,
            n_items: self.questions,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(text: &str, right: bool, ended: bool) -> Answer {
        Answer {
            text: text.into(),
            right,
            ended,
        }
    }

    #[test]
    fn only_right_answers_that_ended_are_kept_and_each_once() {
        let all = [
            Sampled {
                id: "a".into(),
                answers: vec![
                    answer(" 5", true, true),
                    answer("5 ", true, true),
                    answer("1+4=5", true, true),
                    answer("2+3=5", true, false),
                    answer("6", false, true),
                ],
            },
            Sampled {
                id: "b".into(),
                answers: vec![answer("7", false, true), answer("8", true, false)],
            },
        ];
        assert_eq!(all[0].usable(), [" 5", "1+4=5"]);
        assert_eq!(all[1].usable(), [""; 0]);
        let want = Counts {
            questions: 2,
            sampled: 7,
            right: 5,
            cut: 2,
            questions_with_right: 1,
            questions_with_none: 1,
            kept: 1,
        };
        assert_eq!(Counts::of(&all, 1), want);
        assert_eq!(Counts::of(&all, 9), Counts { kept: 2, ..want });
    }
}
