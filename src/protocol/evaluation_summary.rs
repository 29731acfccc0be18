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
    /// Items that the split has; more than were scored where a part was.
    #[serde(default)]
    pub n_total: usize,
    /// Items left out because they exceed the context, if any.
    pub left_out: usize,
    /// Wall time.
    pub secs: f64,
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
