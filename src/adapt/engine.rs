//! A frozen model that reads texts from moving states: what it finds likely, and
//! which way a state has to move for that to change.

use std::ops::Range;

use burn::tensor::activation::log_softmax;
use burn::tensor::{Device, IndexingUpdateOp, Int, Tensor, TensorData};

use super::rows::{Batch, Row, batches};
use super::states::States;
use crate::error::Result;
use crate::kernels::device::read_back::read_f32;
use crate::model::{Model, Tape, TapeOptions};
use crate::random::SplitMix64;

/// Bytes of activations of one batch, roughly: bounds it for large models.
const BATCH_BYTES: usize = 4 << 30;
/// Numbers that a layer keeps of a token, in widths of the model, roughly.
const KEPT_WIDTHS: usize = 40;
/// The least and the most tokens of a batch.
const BATCH_TOKENS: Range<usize> = 256..16_384;

/// What a model finds of scored tokens, in the order of the rows.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Scores {
    /// The log-probability of each.
    pub log_p: Vec<f32>,
    /// Whether none is likelier at its place.
    pub is_likeliest: Vec<bool>,
    /// The entropy of the distribution at its place, nats.
    pub entropy: Vec<f32>,
}

impl Scores {
    fn extend(&mut self, other: Self) {
        self.log_p.extend(other.log_p);
        self.is_likeliest.extend(other.is_likeliest);
        self.entropy.extend(other.entropy);
    }
}

/// A frozen model on its device.
#[derive(Debug, Clone, Copy)]
pub struct Engine<'a> {
    /// The model.
    pub model: &'a Model,
    /// Where it lives.
    pub device: &'a Device,
    /// Tokens of one batch, padding included.
    most_tokens: usize,
}

impl<'a> Engine<'a> {
    /// Of `model`, which lives on `device`.
    pub fn new(model: &'a Model, device: &'a Device) -> Self {
        let config = model.config();
        let of_token = config.n_layer * config.n_embd * KEPT_WIDTHS * size_of::<f32>();
        let most_tokens = BATCH_BYTES / of_token.max(1);
        Self {
            model,
            device,
            most_tokens: most_tokens.clamp(BATCH_TOKENS.start, BATCH_TOKENS.end),
        }
    }

    /// The same with batches of at most so many tokens.
    #[cfg(test)]
    pub(super) fn with_most_tokens(self, most_tokens: usize) -> Self {
        Self {
            most_tokens,
            ..self
        }
    }

    /// What the model finds of the scored tokens, its logits divided by
    /// `temperature`.
    ///
    /// # Errors
    /// [`crate::Error::Device`] if the numbers cannot be read.
    pub fn scores(&self, states: &States, rows: &[Row], temperature: f32) -> Result<Scores> {
        let mut scores = Scores::default();
        for rows in self.batches(rows) {
            let batch = Batch::new(rows, self.device);
            let (x, _) = self.forward(states, &batch, self.model.config().n_layer);
            scores.extend(self.read_scores(&x, &batch, temperature)?);
        }
        Ok(scores)
    }

    /// The gradient [I, L H, N, N] of the sum of the scored tokens' cross entropies,
    /// each times a weight; `weigh` gives the weights for what the model finds at
    /// present. A reward is a weight below 0.
    ///
    /// # Errors
    /// [`crate::Error::Device`] if the numbers cannot be read.
    pub fn gradient(
        &self,
        states: &States,
        rows: &[Row],
        temperature: f32,
        weigh: &mut dyn FnMut(&Scores) -> Vec<f32>,
    ) -> Result<(Scores, Option<Tensor<4>>)> {
        let batches = self.batches(rows);
        if let [rows] = batches[..] {
            let batch = Batch::new(rows, self.device);
            let (x, tape) = self.forward(states, &batch, 0);
            let scores = self.read_scores(&x, &batch, temperature)?;
            let weights = weigh(&scores);
            let gradient = self.weighted(states, &batch, x, tape, &weights, temperature);
            return Ok((scores, gradient));
        }
        // What one token is worth may depend on all of them.
        let scores = self.scores(states, rows, temperature)?;
        let weights = weigh(&scores);
        let mut weights = weights.as_slice();
        let mut sum: Option<Tensor<4>> = None;
        for rows in batches {
            let batch = Batch::new(rows, self.device);
            let (own, others) = weights.split_at(batch.targets.len());
            weights = others;
            if own.iter().all(|weight| *weight == 0.0) {
                continue;
            }
            let (x, tape) = self.forward(states, &batch, 0);
            let gradient = self.weighted(states, &batch, x, tape, own, temperature);
            sum = add(sum, gradient);
        }
        Ok((scores, sum))
    }

    /// Draws `n` tokens at every scored place of the rows, each row with its own seed.
    ///
    /// # Errors
    /// [`crate::Error::Device`] if the probabilities cannot be read.
    pub fn draw(
        &self,
        states: &States,
        rows: &[Row],
        n: usize,
        seeds: &[u64],
    ) -> Result<Vec<Vec<u32>>> {
        let mut drawn = Vec::new();
        let mut seeds = seeds.iter();
        for rows in self.batches(rows) {
            let batch = Batch::new(rows, self.device);
            let (x, _) = self.forward(states, &batch, self.model.config().n_layer);
            let mut parts = Vec::new();
            self.model.each_logits(&x, &batch.at, &mut |_, logits| {
                parts.push(log_softmax(logits, 1).exp());
            });
            let p = match parts.is_empty() {
                true => Vec::new(),
                false => read_f32(Tensor::cat(parts, 0))?,
            };
            let mut p = p.chunks_exact(self.model.config().vocab_size);
            for (row, seed) in rows.iter().zip(seeds.by_ref()) {
                let mut draws = SplitMix64::new(*seed);
                for p in p.by_ref().take(row.scored.len()) {
                    drawn.push(draw_tokens(p, n, &mut draws));
                }
            }
        }
        Ok(drawn)
    }

    /// Rows in parts that are read together.
    pub(super) fn batches<'r>(&self, rows: &'r [Row]) -> Vec<&'r [Row]> {
        batches(rows, self.most_tokens)
    }

    /// The residual stream behind the last layer [B, T, C]; the tape reaches down to
    /// `first_layer`.
    pub(super) fn forward(
        &self,
        states: &States,
        batch: &Batch,
        first_layer: usize,
    ) -> (Tensor<3>, Tape) {
        let options = TapeOptions {
            first_layer,
            recompute: false,
            token_shifts: false,
        };
        let state = states.before(&batch.states);
        let state = state.with_padding(batch.real.clone());
        self.model
            .forward_taped(batch.tokens.clone(), state, options)
    }

    fn weighted(
        &self,
        states: &States,
        batch: &Batch,
        x: Tensor<3>,
        tape: Tape,
        weights: &[f32],
        temperature: f32,
    ) -> Option<Tensor<4>> {
        if weights.iter().all(|weight| *weight == 0.0) {
            return None;
        }
        let dx = self.model.through_head(x, &batch.at, &mut |part, logits| {
            let p = log_softmax(logits / temperature, 1).exp();
            let scored = scored_in(&batch.places, &part);
            let width = widest(&batch.places[scored.clone()]);
            let mut columns = vec![0_i32; part.len() * width];
            let mut shares = vec![0.0_f32; part.len() * width];
            let mut of_places = vec![0.0_f32; part.len()];
            let mut n_of_place = vec![0; part.len()];
            for idx in scored {
                let place = batch.places[idx] - part.start;
                let slot = place * width + n_of_place[place];
                n_of_place[place] += 1;
                columns[slot] = batch.targets[idx].cast_signed();
                shares[slot] = -weights[idx];
                of_places[place] += weights[idx];
            }
            let shape = [part.len(), width];
            let columns: Tensor<2, Int> =
                Tensor::from_data(TensorData::new(columns, shape), self.device);
            let shares: Tensor<2> = Tensor::from_data(TensorData::new(shares, shape), self.device);
            let spread = p * self.column(&of_places);
            spread.scatter(1, columns, shares, IndexingUpdateOp::Add) / temperature
        });
        let gradients = self.model.backward_of_texts(tape, dx);
        Some(states.gathered(gradients, &batch.states))
    }

    fn read_scores(&self, x: &Tensor<3>, batch: &Batch, temperature: f32) -> Result<Scores> {
        let (mut log_p, mut tops, mut entropies) = (Vec::new(), Vec::new(), Vec::new());
        self.model.each_logits(x, &batch.at, &mut |part, logits| {
            let of_all = log_softmax(logits / temperature, 1);
            let [n, n_vocab] = of_all.dims();
            let scored = scored_in(&batch.places, &part);
            let local = batch.places[scored.clone()]
                .iter()
                .map(|place| place - part.start);
            let flat = local.clone().zip(&batch.targets[scored]);
            let flat = flat.map(|(place, target)| place * n_vocab + *target as usize);
            let picked = of_all.clone().reshape([n * n_vocab]);
            log_p.push(picked.select(0, self.indices(flat)));
            let top = of_all.clone().max_dim(1).reshape([n]);
            tops.push(top.select(0, self.indices(local.clone())));
            let entropy = -(of_all.clone().exp() * of_all).sum_dim(1).reshape([n]);
            entropies.push(entropy.select(0, self.indices(local)));
        });
        if log_p.is_empty() {
            return Ok(Scores::default());
        }
        let n = batch.targets.len();
        let all: Vec<Tensor<1>> = log_p.into_iter().chain(tops).chain(entropies).collect();
        let all = read_f32(Tensor::cat(all, 0))?;
        let (log_p, rest) = all.split_at(n);
        let (tops, entropies) = rest.split_at(n);
        Ok(Scores {
            log_p: log_p.to_vec(),
            is_likeliest: log_p
                .iter()
                .zip(tops)
                .map(|(own, top)| own >= top)
                .collect(),
            entropy: entropies.to_vec(),
        })
    }

    /// A number a row, [rows, 1].
    pub(super) fn column(&self, values: &[f32]) -> Tensor<2> {
        Tensor::from_data(
            TensorData::new(values.to_vec(), [values.len(), 1]),
            self.device,
        )
    }

    fn indices(&self, of: impl Iterator<Item = usize>) -> Tensor<1, Int> {
        let of: Vec<i32> = of.map(|idx| idx as i32).collect();
        Tensor::from_data(of.as_slice(), self.device)
    }
}

pub(super) fn add(sum: Option<Tensor<4>>, next: Option<Tensor<4>>) -> Option<Tensor<4>> {
    match (sum, next) {
        (Some(sum), Some(next)) => Some(sum + next),
        (one, None) | (None, one) => one,
    }
}

/// Draws `n` tokens of a distribution.
pub(super) fn draw_tokens(p: &[f32], n: usize, draws: &mut SplitMix64) -> Vec<u32> {
    let total: f64 = p.iter().map(|p| f64::from(*p)).sum();
    let draw = |_| {
        let mut left = draws.share() * total;
        let found = p.iter().position(|p| {
            left -= f64::from(*p);
            left < 0.0
        });
        found.unwrap_or(p.len() - 1) as u32
    };
    (0..n).map(draw).collect()
}

/// The scored tokens of the places in `part`; places ascend.
fn scored_in(places: &[usize], part: &Range<usize>) -> Range<usize> {
    let first = places.partition_point(|place| *place < part.start);
    let end = places.partition_point(|place| *place < part.end);
    first..end
}

/// The most tokens that are scored after one place.
fn widest(places: &[usize]) -> usize {
    let runs = places.chunk_by(|a, b| a == b).map(<[usize]>::len);
    runs.max().unwrap_or(1)
}

#[cfg(test)]
mod tests;
