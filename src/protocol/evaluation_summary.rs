//! What an evaluation measured, in numbers.

use serde::{Deserialize, Serialize};

/// Which evaluation of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum EvaluationPhase {
    /// The untuned model.
    Before,
    /// The untuned model with examples in front.
    FewShot,
    /// The tuned model.
    After,
}

/// What an evaluation measured.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EvaluationSummary {
    /// Name of the benchmark, "-mini" included where it is one.
    pub benchmark: String,
    /// Examples in front of every question.
    pub few_shot: usize,
    /// Named counts: the headline first, such as "strict" and "flexible".
    pub scores: Vec<Score>,
    /// What became of written answers; none where options were chosen from, and in
    /// files of versions that did not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub written: Option<WrittenAnswers>,
    /// Items that the split has; more than were scored where a part was.
    #[serde(default)]
    pub n_total: usize,
    /// Items left out because they exceed the context, if any.
    pub left_out: usize,
    /// Wall time.
    pub secs: f64,
}

/// What became of answers that the model wrote.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct WrittenAnswers {
    /// Tokens that an answer had at most.
    pub max_new_tokens: usize,
    /// Answers.
    pub n_items: usize,
    /// Those that the model ended; the others were cut off.
    pub n_ended: usize,
    /// Those that an answer could be read out of by the rule of the headline.
    pub n_extracted: usize,
}

impl WrittenAnswers {
    /// The share that the model ended.
    pub fn ended(&self) -> f64 {
        self.n_ended as f64 / self.n_items as f64
    }

    /// The share that an answer could be read out of.
    pub fn extracted(&self) -> f64 {
        self.n_extracted as f64 / self.n_items as f64
    }

    /// `498 of 500 ended within 140 tokens, 497 have an answer`.
    pub fn words(&self) -> String {
        let Self {
            max_new_tokens,
            n_items,
            n_ended,
            n_extracted,
        } = self;
        tr!(
            "{n_ended} of {n_items} ended within {max_new_tokens} tokens, {n_extracted} have an \
             answer",
            n_ended,
            n_items,
            max_new_tokens,
            n_extracted
        )
    }
}

/// Right answers among items.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Score {
    /// The rule, such as "strict".
    pub name: String,
    /// Items answered right.
    pub n_correct: usize,
    /// Items scored.
    pub n_items: usize,
}
