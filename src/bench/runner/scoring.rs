//! Log-likelihoods of the options of a batch of questions.

use burn::tensor::{Tensor, activation::log_softmax};

use super::lengths::BatchLayout;
use super::questions::Question;
use super::reading::{indices, read, tokens};
use super::{Runner, read_floats};
use crate::error::Result;
use crate::model::state::ModelState;

/// Logits that are held at once: no device holds those of a whole batch and a
/// large vocabulary.
const MAX_LOGITS: usize = 1 << 24;

impl Runner<'_> {
    /// Summed log-likelihoods of the options of each question, whose first
    /// `n_read` tokens led to the state `prefix`. One value a scored token is
    /// read back, all at once.
    pub(super) fn score(
        &self,
        questions: &[&Question],
        n_read: usize,
        prefix: &ModelState,
    ) -> Result<Vec<Vec<f64>>> {
        let shared: Vec<&[u32]> = questions.iter().map(|q| &q.shared[n_read..]).collect();
        let n_inputs = questions.iter().map(|q| q.n_inputs()).max().unwrap_or(0);
        let (hidden, n_option_tokens) = match n_inputs {
            0 => (self.last_hidden(&shared, prefix), 0),
            longest => {
                let longest = BatchLayout::of(self.device).padded(longest);
                (
                    self.with_options(questions, &shared, longest, prefix),
                    longest,
                )
            }
        };
        // The row of `hidden` after which each scored token is expected: the end
        // of the shared part, or a token of the option.
        let (mut rows, mut targets) = (Vec::new(), Vec::new());
        let mut first = questions.len();
        for (question_idx, question) in questions.iter().enumerate() {
            for option in &question.options {
                for (t, target) in option.targets.iter().enumerate() {
                    rows.push(match option.n_unscored + t {
                        0 => question_idx,
                        n_before => first + n_before - 1,
                    });
                    targets.push(*target as usize);
                }
                first += n_option_tokens;
            }
        }
        let mut picked = self
            .log_probabilities(&hidden, &rows, &targets)?
            .into_iter();
        let mut sum = |n: usize| picked.by_ref().take(n).map(f64::from).sum();
        let sums = questions.iter().map(|question| {
            let options = question.options.iter();
            options.map(|option| sum(option.targets.len())).collect()
        });
        Ok(sums.collect())
    }

    /// [B, C] at the last token of texts after which nothing is read: padding
    /// behind them does no harm.
    fn last_hidden(&self, texts: &[&[u32]], prefix: &ModelState) -> Tensor<2> {
        let longest = texts.iter().map(|text| text.len()).max().unwrap_or(1);
        let n_tokens = BatchLayout::of(self.device).padded(longest);
        let ids = tokens(texts, n_tokens, self.device);
        let (hidden, _) = self.model.hidden(ids, prefix.fork(texts.len()));
        let [n_batch, _, n_embd] = hidden.dims();
        let rows: Vec<usize> = texts
            .iter()
            .enumerate()
            .map(|(row, text)| row * n_tokens + text.len() - 1)
            .collect();
        hidden
            .reshape([n_batch * n_tokens, n_embd])
            .select(0, indices(&rows, self.device))
    }

    /// The shared part of each question, then every option from the state there:
    /// [questions + options * T, C], the ends of the shared parts first.
    fn with_options(
        &self,
        questions: &[&Question],
        shared: &[&[u32]],
        n_tokens: usize,
        prefix: &ModelState,
    ) -> Tensor<2> {
        let reached = read(self.model, self.device, shared, prefix);
        let options: Vec<&[u32]> = questions
            .iter()
            .flat_map(|q| q.options.iter().map(|option| option.inputs.as_slice()))
            .collect();
        let of_question: Vec<usize> = questions
            .iter()
            .enumerate()
            .flat_map(|(idx, q)| std::iter::repeat_n(idx, q.options.len()))
            .collect();
        let state = reached.state.select(indices(&of_question, self.device));
        let ids = tokens(&options, n_tokens, self.device);
        let (hidden, _) = self.model.hidden(ids, state);
        let [n_options, _, n_embd] = hidden.dims();
        let hidden = hidden.reshape([n_options * n_tokens, n_embd]);
        Tensor::cat(vec![reached.hidden, hidden], 0)
    }

    /// The log-probability of `targets` after the positions `rows` of `hidden`.
    fn log_probabilities(
        &self,
        hidden: &Tensor<2>,
        rows: &[usize],
        targets: &[usize],
    ) -> Result<Vec<f32>> {
        if rows.is_empty() {
            return Ok(Vec::new());
        }
        let per_part = (MAX_LOGITS / self.model.config().vocab_size).max(1);
        let parts = rows.chunks(per_part).zip(targets.chunks(per_part));
        let parts = parts.map(|(rows, targets)| {
            // Options that share a position share its logits.
            let mut positions = rows.to_vec();
            positions.sort_unstable();
            positions.dedup();
            let place = |row: &usize| positions.partition_point(|position| position < row);
            let places: Vec<usize> = rows.iter().map(place).collect();
            let at = hidden.clone().select(0, indices(&positions, self.device));
            let logits = log_softmax(self.model.logits(at), 1);
            let [n_positions, n_vocab] = logits.dims();
            let flat: Vec<usize> = places
                .iter()
                .zip(targets)
                .map(|(place, target)| place * n_vocab + target)
                .collect();
            logits
                .reshape([n_positions * n_vocab])
                .select(0, indices(&flat, self.device))
        });
        read_floats(Tensor::cat(parts.collect(), 0))
    }
}
