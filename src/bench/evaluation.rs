//! The result of an evaluation: one record per item, and the accuracies.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use super::accuracy::Accuracy;
use super::extract::INVALID;
use crate::data::{Benchmark, MmluTemplate, Protocol, Split};
use crate::model::TextStart;

/// A scored benchmark.
#[derive(Debug, Clone, PartialEq)]
pub struct Evaluation {
    /// What was scored, and how.
    pub conditions: Conditions,
    /// One record per scored item, in the order of the items.
    pub records: Vec<ItemRecord>,
}

/// What was scored, and how: figures compare only under the same conditions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Conditions {
    /// Which benchmark.
    pub benchmark: Benchmark,
    /// By which rules.
    pub protocol: Protocol,
    /// Which part of it.
    pub split: Split,
    /// Solved questions in front of each prompt; with subjects, the most that
    /// any item had.
    pub few_shot: usize,
    /// Which ones; none without any, and in files of versions that did not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub few_shot_order: Option<FewShotOrder>,
    /// What texts began with behind a tuned state; none for the untuned model,
    /// which always reads token 0 first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub leading_token: Option<TextStart>,
    /// Where written answers were cut off, in tokens; none where options were
    /// chosen from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_new_tokens: Option<usize>,
    /// Items that the split has, scored or not.
    pub n_total: usize,
    /// Items that were to be scored and could not be.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub left_out: Vec<LeftOut>,
}

/// An item that could not be scored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeftOut {
    /// The item's id.
    pub id: String,
    /// Why.
    pub reason: String,
}

/// What came of one item.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ItemRecord {
    /// The item's id.
    pub id: String,
    /// The item's subject, where it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// The text that the model read; where options have contexts of their own,
    /// that of the first.
    pub prompt: String,
    /// Steps of the gold answer, where it is worked out; none in files of versions
    /// that did not count them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub n_steps: Option<usize>,
    /// The model's answer.
    pub answer: Answer,
    /// Whether the headline figure counts it.
    pub correct: bool,
}

/// What a model answered.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// Text that the model wrote.
    Written {
        /// The text.
        output: String,
        /// The number after `####`, or `[invalid]`.
        extracted: String,
        /// The last number, or `[invalid]`.
        extracted_flexible: String,
        /// The right number.
        gold: String,
        /// Whether the last number is right.
        correct_flexible: bool,
        /// Whether the model ended it; else it was cut off. None in files of
        /// versions that did not say.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        ended: Option<bool>,
    },
    /// The likeliest of some options.
    Chosen {
        /// The options' texts: `[n_options]`.
        options: Vec<String>,
        /// Summed log-likelihood of each, nats: `[n_options]`. NaN is written as
        /// null.
        #[serde(with = "nan_as_null")]
        log_likelihoods: Vec<f64>,
        /// Index of the right one.
        gold: usize,
        /// Index of the likeliest; none where every likelihood is NaN.
        chosen: Option<usize>,
        /// Index of the likeliest per character (ARC).
        #[serde(default, skip_serializing_if = "Option::is_none")]
        chosen_norm: Option<usize>,
        /// Whether that one is right.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        correct_norm: Option<bool>,
    },
}

/// One figure of an evaluation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Figure {
    /// As the user knows it: "strict", "acc_norm", or a subject.
    pub name: String,
    /// The figure.
    pub accuracy: Accuracy,
}

impl Conditions {
    /// The benchmark's name, with `-mini` where it is the mini one.
    pub fn name(&self) -> &'static str {
        match self.protocol {
            Protocol::Mini => self.benchmark.mini_name(),
            Protocol::LmEval { .. } => self.benchmark.name(),
        }
    }

    /// The name of the figure that stands for the evaluation.
    pub fn headline(&self) -> &'static str {
        match self.benchmark {
            Benchmark::Gsm8k => "strict",
            Benchmark::Arc | Benchmark::Mmlu | Benchmark::WinoGrande => "acc",
        }
    }

    /// The name of the second figure, where there is one.
    pub fn secondary(&self) -> Option<&'static str> {
        match self.benchmark {
            Benchmark::Gsm8k => Some("flexible"),
            Benchmark::Arc => Some("acc_norm"),
            Benchmark::Mmlu | Benchmark::WinoGrande => None,
        }
    }

    /// Whether both are of tuned states whose texts did not begin alike. The
    /// untuned model has one form only and is the baseline of either.
    pub fn has_other_leading_token(&self, other: &Self) -> bool {
        match (self.leading_token, other.leading_token) {
            (Some(own), Some(other)) => own != other,
            (None, _) | (_, None) => false,
        }
    }

    /// Whether other solved questions stood in front, as far as both say which.
    /// Where one does not say, the prompts of the items tell.
    pub fn has_other_examples(&self, other: &Self) -> bool {
        let are_others = match (self.few_shot_order, other.few_shot_order) {
            (Some(own), Some(other)) => own != other,
            (None, _) | (_, None) => false,
        };
        self.few_shot != other.few_shot || (self.few_shot > 0 && are_others)
    }
}

impl fmt::Display for Conditions {
    /// `gsm8k, test, 5 drawn examples in front`; `gsm8k-mini, test, the first 5
    /// examples in front`; where that is not known `5 examples in front`. Where
    /// answers are written `gsm8k-mini, test, answers of at most 140 tokens`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            protocol,
            split,
            few_shot,
            few_shot_order,
            leading_token,
            max_new_tokens,
            ..
        } = self;
        write!(f, "{}, {split}", self.name())?;
        if let Some(start @ TextStart::None) = leading_token {
            write!(f, ", {start}")?;
        }
        if let Some(cap) = max_new_tokens {
            write!(f, ", answers of at most {cap} tokens")?;
        }
        if let (Benchmark::Mmlu, Protocol::LmEval { mmlu }) = (self.benchmark, protocol) {
            match mmlu {
                MmluTemplate::LmEval => {}
                MmluTemplate::Rwkv => f.write_str(", RWKV's wording")?,
            }
        }
        match (few_shot, few_shot_order) {
            (0, _) => Ok(()),
            (n, None) => write!(f, ", {n}-shot"),
            (n, Some(FewShotOrder::Drawn)) => write!(f, ", {n}-shot (drawn)"),
            (n, Some(FewShotOrder::First)) => write!(f, ", {n}-shot (the first)"),
        }
    }
}

impl ItemRecord {
    /// Whether the second figure counts it; none where there is no second one.
    pub fn correct_secondary(&self) -> Option<bool> {
        match &self.answer {
            Answer::Written {
                correct_flexible, ..
            } => Some(*correct_flexible),
            Answer::Chosen { correct_norm, .. } => *correct_norm,
        }
    }
}

impl Evaluation {
    /// The benchmark's name, with `-mini` where it is the mini one.
    pub fn name(&self) -> &'static str {
        self.conditions.name()
    }

    /// The figure that stands for the evaluation. Subjects are pooled, each
    /// item counting once.
    pub fn headline(&self) -> Figure {
        Figure {
            name: self.conditions.headline().into(),
            accuracy: Accuracy::of(self.records.iter().map(|record| record.correct)),
        }
    }

    /// The second figure, where there is one: the flexible match of GSM8K, the
    /// length-normalised accuracy of ARC.
    pub fn secondary(&self) -> Option<Figure> {
        let correct = self.records.iter().map(ItemRecord::correct_secondary);
        Some(Figure {
            name: self.conditions.secondary()?.into(),
            accuracy: Accuracy::of(correct.map(|correct| correct == Some(true))),
        })
    }

    /// The share of written answers that the model ended itself; the others were
    /// cut off. None where options were chosen from, and where items do not say.
    pub fn ended(&self) -> Option<Accuracy> {
        self.of_written(|answer| match answer {
            Answer::Written { ended, .. } => *ended,
            Answer::Chosen { .. } => None,
        })
    }

    /// The share of written answers that an answer could be read out of by the rule
    /// of the headline; none where options were chosen from.
    pub fn extracted(&self) -> Option<Accuracy> {
        self.of_written(|answer| match answer {
            Answer::Written { extracted, .. } => Some(extracted != INVALID),
            Answer::Chosen { .. } => None,
        })
    }

    fn of_written(&self, is: impl Fn(&Answer) -> Option<bool>) -> Option<Accuracy> {
        let said = self.records.iter().filter_map(|record| is(&record.answer));
        Some(Accuracy::of(said)).filter(|of| of.n_items > 0)
    }

    /// The headline of each subject, sorted by name; none without subjects.
    pub fn by_subject(&self) -> Vec<Figure> {
        let mut subjects: BTreeMap<&str, Vec<bool>> = BTreeMap::new();
        for record in &self.records {
            if let Some(subject) = &record.subject {
                subjects.entry(subject).or_default().push(record.correct);
            }
        }
        let figure = |(name, correct): (&str, Vec<bool>)| Figure {
            name: name.to_owned(),
            accuracy: Accuracy::of(correct),
        };
        subjects.into_iter().map(figure).collect()
    }

    /// The headline, the second figure and the subjects, in this order.
    pub fn figures(&self) -> Vec<Figure> {
        let first = [Some(self.headline()), self.secondary()];
        first
            .into_iter()
            .flatten()
            .chain(self.by_subject())
            .collect()
    }
}

/// JSON has no NaN, and a diverged model has nothing else.
mod nan_as_null {
    use serde::{Deserialize as _, Deserializer, Serialize as _, Serializer};

    pub(super) fn serialize<S: Serializer>(
        values: &[f64],
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        let values: Vec<_> = values
            .iter()
            .map(|value| value.is_finite().then_some(*value))
            .collect();
        values.serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Vec<f64>, D::Error> {
        let values = Vec::<Option<f64>>::deserialize(deserializer)?;
        Ok(values
            .into_iter()
            .map(|value| value.unwrap_or(f64::NAN))
            .collect())
    }
}

/// Which solved questions stand in front of a question.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FewShotOrder {
    /// Others in front of every question, drawn as lm-evaluation-harness draws them.
    Drawn,
    /// The first ones, of every subject where there are subjects, in front of all.
    First,
}

#[cfg(test)]
mod tests;
