//! Texts whose tokens are predicted from a state, in batches.

use burn::tensor::{Device, Int, Tensor, TensorData};

use crate::model::TextStart;

/// A text behind a state, and the tokens of it that are scored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// The state that it starts from.
    pub state: usize,
    /// What is read, with what texts begin with; the last scored token is not read.
    pub tokens: Vec<u32>,
    /// Pairs of the place in `tokens` after which a token is expected, and the token.
    /// Several tokens may be scored after one place.
    pub scored: Vec<(usize, u32)>,
}

impl Row {
    /// A text of a context and a continuation whose every token is scored.
    pub fn new(state: usize, start: TextStart, context: &[u32], continuation: &[u32]) -> Self {
        let mut tokens = start.with(context);
        let first = tokens.len() - 1;
        let scored = continuation.iter().enumerate();
        let scored = scored.map(|(t, token)| (first + t, *token)).collect();
        if let Some((_, read)) = continuation.split_last() {
            tokens.extend_from_slice(read);
        }
        Self {
            state,
            tokens,
            scored,
        }
    }

    /// A text after whose end every one of these tokens is scored.
    pub fn choosing(state: usize, start: TextStart, context: &[u32], choices: &[u32]) -> Self {
        let tokens = start.with(context);
        let last = tokens.len() - 1;
        Self {
            state,
            scored: choices.iter().map(|token| (last, *token)).collect(),
            tokens,
        }
    }
}

/// Rows as tensors. Padding stands behind all that is scored and changes nothing.
pub(super) struct Batch {
    /// [B, T].
    pub tokens: Tensor<2, Int>,
    /// 1 for tokens and 0 for padding, [B, T].
    pub real: Tensor<2>,
    /// The state of every row.
    pub states: Vec<usize>,
    /// The places that are scored, `row * T + t`, each once.
    pub at: Vec<u32>,
    /// The entry of `at` of every scored token, in the order of the rows.
    pub places: Vec<usize>,
    /// The scored tokens.
    pub targets: Vec<u32>,
}

/// Lengths are rounded up to a multiple of this, so that few shapes occur.
const LENGTH_STEP: usize = 16;

impl Batch {
    pub fn new(rows: &[Row], device: &Device) -> Self {
        let longest = rows.iter().map(|row| row.tokens.len()).max().unwrap_or(1);
        let n_tokens = longest.max(1).next_multiple_of(LENGTH_STEP);
        let mut tokens = vec![0_i32; rows.len() * n_tokens];
        let mut real = vec![0.0_f32; rows.len() * n_tokens];
        let (mut at, mut places, mut targets) = (Vec::<u32>::new(), Vec::new(), Vec::new());
        for (row_idx, row) in rows.iter().enumerate() {
            let first = row_idx * n_tokens;
            for (t, token) in row.tokens.iter().enumerate() {
                tokens[first + t] = token.cast_signed();
                real[first + t] = 1.0;
            }
            for (t, target) in &row.scored {
                let place = (first + t) as u32;
                // Tokens that are scored after one place follow each other.
                if at.last() != Some(&place) {
                    at.push(place);
                }
                places.push(at.len() - 1);
                targets.push(*target);
            }
        }
        let shape = [rows.len(), n_tokens];
        Self {
            tokens: Tensor::from_data(TensorData::new(tokens, shape), device),
            real: Tensor::from_data(TensorData::new(real, shape), device),
            states: rows.iter().map(|row| row.state).collect(),
            at,
            places,
            targets,
        }
    }
}

/// Splits rows where a batch has `most` tokens, padding included.
pub(super) fn batches(rows: &[Row], most: usize) -> Vec<&[Row]> {
    let mut batches = Vec::new();
    let mut rest = rows;
    while !rest.is_empty() {
        let mut longest = 0;
        let fits = rest.iter().enumerate().take_while(|(idx, row)| {
            longest = longest.max(row.tokens.len());
            *idx == 0 || (idx + 1) * longest.next_multiple_of(LENGTH_STEP) <= most
        });
        let n = fits.count();
        let (batch, others) = rest.split_at(n);
        batches.push(batch);
        rest = others;
    }
    batches
}

/// Tokens that are read.
pub fn n_tokens(rows: &[Row]) -> usize {
    rows.iter().map(|row| row.tokens.len()).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_scored_after_what_is_read_before_them() {
        let row = Row::new(0, TextStart::Zero, &[5, 6], &[7, 8]);
        assert_eq!(row.tokens, [0, 5, 6, 7]);
        assert_eq!(row.scored, [(2, 7), (3, 8)]);
        let row = Row::new(0, TextStart::None, &[5, 6], &[7]);
        assert_eq!((row.tokens, row.scored), (vec![5, 6], vec![(1, 7)]));
        let row = Row::choosing(1, TextStart::Zero, &[5], &[7, 9]);
        assert_eq!((row.tokens, row.scored), (vec![0, 5], vec![(1, 7), (1, 9)]));
    }

    #[test]
    fn a_place_that_several_tokens_follow_comes_once() {
        let rows = [
            Row::choosing(1, TextStart::Zero, &[5], &[7, 9]),
            Row::new(0, TextStart::Zero, &[5, 6], &[7, 8]),
        ];
        let batch = Batch::new(&rows, &Device::flex());
        assert_eq!(batch.at, [1, 16 + 2, 16 + 3]);
        assert_eq!(batch.places, [0, 0, 1, 2]);
        assert_eq!(batch.targets, [7, 9, 7, 8]);
        assert_eq!(batch.states, [1, 0]);
    }

    #[test]
    fn batches_are_bounded_and_lose_no_row() {
        let row = |n: u32| Row::new(0, TextStart::None, &(1..=n).collect::<Vec<_>>(), &[1]);
        let rows = [row(16), row(16), row(40), row(3)];
        let sizes = |most| -> Vec<usize> {
            let batches = batches(&rows, most);
            batches.iter().map(|batch| batch.len()).collect()
        };
        assert_eq!(sizes(32), [2, 1, 1]);
        assert_eq!(sizes(1), [1, 1, 1, 1]);
        assert_eq!(sizes(10_000), [4]);
        assert!(batches(&[], 10).is_empty());
    }
}
