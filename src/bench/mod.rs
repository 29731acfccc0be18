//! Scoring a model on a benchmark. No training here, and no compute: the model
//! is a [`LanguageModel`].
//!
//! | file | what |
//! |---|---|
//! | `options.rs` | solved questions, rules and limits |
//! | `answer_cap.rs` | where a written answer is cut off |
//! | `scoring.rs` | [`evaluate`]: from items to requests |
//! | `judge.rs` | from a reply to the record of an item |
//! | `extract.rs` | the number in a written answer |
//! | `evaluation.rs` | the records of an evaluation and its figures |
//! | `steps.rs` | accuracy by the steps that an answer takes |
//! | `accuracy.rs` | a share of items with its uncertainty |
//! | `comparison.rs` | two evaluations item by item |
//! | `groups.rs` | two methods of several seeds each |
//! | `statistics.rs` | the tests and intervals of a comparison |
//! | `reported.rs` | figures that a paper reports, never mixed with measured ones |

mod accuracy;
mod answer_cap;
mod comparison;
mod evaluation;
mod extract;
mod groups;
#[cfg(test)]
mod harness_tests;
mod judge;
mod options;
mod reported;
pub(crate) mod runner;
mod scoring;
mod statistics;
mod steps;

use crate::error::Result;
use crate::model::TextStart;

pub use accuracy::Accuracy;
pub use answer_cap::{answer_cap, gold_answers};
pub use comparison::{Change, Comparison, Rule, common_items, compare};
pub use evaluation::{Answer, Conditions, Evaluation, FewShotOrder, Figure, ItemRecord, LeftOut};
pub use extract::{Extracted, extract, written_answer};
pub use groups::{GroupComparison, compare_groups};
pub use options::{FewShot, ScoreOptions};
pub use reported::{PAPER, Reported};
pub use runner::Runner;
pub use scoring::{ItemSet, evaluate, fitting_shots, shared_prefix};
pub use statistics::{MeanInterval, mcnemar_exact, mean_interval95, share_interval95};
pub use steps::{StepAccuracy, n_steps};

/// A context and the continuation that is scored after it, in tokens.
pub type Request = (Vec<u32>, Vec<u32>);

/// What a scorer needs from a model; what stands in front of every document is put
/// there by the implementation.
pub trait LanguageModel {
    /// What texts begin with where they start from a tuned state; none for the
    /// untuned model, which always reads token 0 first.
    fn text_start(&self) -> Option<TextStart>;

    /// Summed log-likelihood (nats) of each continuation given its context, in
    /// the order of `groups` and of what is in them. The requests of a group
    /// are the options of one question, whose contexts begin alike. `progress`
    /// is told how many tokens are read, and of how many; its error ends the
    /// work.
    ///
    /// # Errors
    /// What the device or `progress` reports.
    fn log_likelihoods(
        &mut self,
        groups: &[Vec<Request>],
        progress: &mut dyn FnMut(usize, usize) -> Result<()>,
    ) -> Result<Vec<Vec<f64>>>;

    /// Greedy continuation of each prompt until `stop`, which is shown the
    /// tokens written so far, says so, or token 0, or `max_new_tokens`. The
    /// token that ends it may be part of the result. `progress` is told how many tokens
    /// are read and written, and of how many at most.
    ///
    /// # Errors
    /// What the device or `progress` reports.
    fn generate(
        &mut self,
        prompts: &[Vec<u32>],
        max_new_tokens: usize,
        stop: &dyn Fn(&[u32]) -> bool,
        progress: &mut dyn FnMut(usize, usize) -> Result<()>,
    ) -> Result<Vec<Vec<u32>>>;
}
