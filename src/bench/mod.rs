//! Scoring a model on a benchmark. No training here, and no compute: the model
//! is a [`LanguageModel`].
//!
//! | file | what |
//! |---|---|
//! | `options.rs` | solved questions, rules and limits |
//! | `scoring.rs` | [`evaluate`]: from items to requests |
//! | `judge.rs` | from a reply to the record of an item |
//! | `extract.rs` | the number in a written answer |
//! | `evaluation.rs` | the records of an evaluation and its figures |
//! | `accuracy.rs` | a share of items with its uncertainty |

mod accuracy;
mod evaluation;
mod extract;
mod judge;
mod options;
mod runner;
mod scoring;

use crate::error::Result;

pub use accuracy::Accuracy;
pub use evaluation::{Answer, Evaluation, Figure, ItemRecord};
pub use extract::{Extracted, extract};
pub use options::ScoreOptions;
pub use runner::Runner;
pub use scoring::evaluate;

/// What a scorer needs from a model; token 0 is put in front of every document
/// by the implementation.
pub trait LanguageModel {
    /// Summed log-likelihood (nats) of each continuation given its context, in
    /// the order of `requests`: `[n_requests]`. `progress` is told how many
    /// requests are done, and of how many; its error ends the work.
    ///
    /// # Errors
    /// What the device or `progress` reports.
    fn log_likelihoods(
        &mut self,
        requests: &[(Vec<u32>, Vec<u32>)],
        progress: &mut dyn FnMut(usize, usize) -> Result<()>,
    ) -> Result<Vec<f64>>;

    /// Greedy continuation of each prompt until `stop`, which is shown the
    /// tokens written so far, says so, or token 0, or `max_new_tokens`. The
    /// token that ends it may be part of the result.
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
