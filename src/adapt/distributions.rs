//! Losses of the whole distribution at a place, and their gradients in the logits.

use std::ops::Range;

use burn::tensor::activation::log_softmax;
use burn::tensor::{IndexingUpdateOp, Tensor};

use super::engine::{Engine, add};
use super::rows::{Batch, Row};
use super::states::States;
use crate::error::Result;
use crate::kernels::device::read_back::read_f32;

/// A probability of all the tokens that are not among the likeliest is at least
/// this.
const MIN_REST: f64 = 1e-6;

/// Whose distribution is learned: a model that reads the same tokens, behind another
/// state or another text.
pub struct Teacher<'a> {
    /// The teacher.
    pub engine: Engine<'a>,
    /// What it starts from: one state.
    pub states: &'a States,
    /// Its texts, one for each row that is taught, with as many scored places; of
    /// several draws the distributions are averaged.
    pub draws: Vec<Vec<Row>>,
}

/// A loss of the distribution at a place.
pub enum TokenLoss<'a> {
    /// Its entropy.
    Entropy,
    /// The cross entropy to a teacher's, and of all but its likeliest tokens as one
    /// bucket where there is a number.
    Soft(&'a Teacher<'a>, Option<usize>),
    /// Its divergence from a teacher's.
    ReverseKl(&'a Teacher<'a>),
}

/// The loss at the places of some rows.
pub(super) enum TaughtLoss<'a> {
    Entropy,
    Soft(Taught<'a>, Option<usize>),
    ReverseKl(Taught<'a>),
}

/// A teacher's streams of some rows.
pub(super) struct Taught<'a> {
    teacher: &'a Teacher<'a>,
    /// The stream and the scored places of every draw.
    draws: Vec<(Tensor<3>, Vec<u32>)>,
}

impl<'a> TokenLoss<'a> {
    /// The same for the rows in `range` alone.
    pub(super) fn of_rows(&self, range: Range<usize>) -> TaughtLoss<'a> {
        match self {
            Self::Entropy => TaughtLoss::Entropy,
            Self::Soft(teacher, top) => TaughtLoss::Soft(teacher.of_rows(range), *top),
            Self::ReverseKl(teacher) => TaughtLoss::ReverseKl(teacher.of_rows(range)),
        }
    }
}

impl Teacher<'_> {
    fn of_rows(&self, range: Range<usize>) -> Taught<'_> {
        let n_layer = self.engine.model.config().n_layer;
        let draws = self.draws.iter().map(|rows| {
            let batch = Batch::new(&rows[range.clone()], self.engine.device);
            let (x, _) = self.engine.forward(self.states, &batch, n_layer);
            (x, batch.at)
        });
        Taught {
            teacher: self,
            draws: draws.collect(),
        }
    }

    /// Tokens that it reads.
    pub fn n_tokens(&self) -> usize {
        let rows = self.draws.iter().flatten();
        rows.map(|row| row.tokens.len()).sum()
    }
}

impl Taught<'_> {
    /// Log-probabilities [places, V], the mean probability of the draws.
    fn log_q(&self, part: &Range<usize>) -> Tensor<2> {
        let mut of_draws = Vec::new();
        for (x, at) in &self.draws {
            let model = self.teacher.engine.model;
            model.each_logits(x, &at[part.clone()], &mut |_, logits| {
                of_draws.push(log_softmax(logits, 1));
            });
        }
        let n = of_draws.len() as f64;
        let mut draws = of_draws.into_iter();
        let first = draws
            .next()
            .unwrap_or_else(|| unreachable!("a teacher reads some text"));
        if n == 1.0 {
            return first;
        }
        let sum = draws.fold(first.exp(), |sum, draw| sum + draw.exp());
        (sum / n).clamp_min(f32::MIN_POSITIVE).log()
    }
}

impl TaughtLoss<'_> {
    /// The loss at each of the places in `part`, and its gradient in the logits,
    /// for the log-probabilities `log_p` there, [places, V].
    pub fn of_part(&self, part: Range<usize>, log_p: Tensor<2>) -> (Tensor<1>, Tensor<2>) {
        match self {
            Self::Entropy => entropy(log_p),
            Self::Soft(taught, None) => cross_entropy(log_p, taught.log_q(&part)),
            Self::Soft(taught, Some(top)) => bucketed(log_p, taught.log_q(&part), *top),
            Self::ReverseKl(taught) => reverse_kl(log_p, taught.log_q(&part)),
        }
    }
}

impl Engine<'_> {
    /// The gradient [I, L H, N, N] of the sum of a loss of the distributions at the
    /// scored places, each times its weight, and that loss of each. Every place has
    /// one scored token.
    ///
    /// # Errors
    /// [`crate::Error::Device`] if the numbers cannot be read.
    pub fn distribution_gradient(
        &self,
        states: &States,
        rows: &[Row],
        temperature: f32,
        weights: &[f32],
        loss: &TokenLoss<'_>,
    ) -> Result<(Vec<f32>, Option<Tensor<4>>)> {
        let (mut losses, mut sum) = (Vec::new(), None);
        let mut weights = weights;
        let mut first_row = 0;
        for rows in self.batches(rows) {
            let batch = Batch::new(rows, self.device);
            let taught = loss.of_rows(first_row..first_row + rows.len());
            first_row += rows.len();
            let (own, others) = weights.split_at(batch.at.len());
            weights = others;
            if own.is_empty() {
                continue;
            }
            let (x, tape) = self.forward(states, &batch, 0);
            let mut parts = Vec::new();
            let dx = self.model.through_head(x, &batch.at, &mut |part, logits| {
                let log_p = log_softmax(logits / temperature, 1);
                let (losses, dlogits) = taught.of_part(part.clone(), log_p);
                parts.push(losses);
                dlogits * self.column(&own[part]) / temperature
            });
            losses.extend(read_f32(Tensor::cat(parts, 0))?);
            let gradients = self.model.backward_of_texts(tape, dx);
            sum = add(sum, Some(states.gathered(gradients, &batch.states)));
        }
        Ok((losses, sum))
    }

    /// A loss of the distributions at the scored places, without a gradient.
    ///
    /// # Errors
    /// [`crate::Error::Device`] if the numbers cannot be read.
    pub fn distribution_losses(
        &self,
        states: &States,
        rows: &[Row],
        temperature: f32,
        loss: &TokenLoss<'_>,
    ) -> Result<Vec<f32>> {
        let mut losses = Vec::new();
        let mut first_row = 0;
        for rows in self.batches(rows) {
            let batch = Batch::new(rows, self.device);
            let taught = loss.of_rows(first_row..first_row + rows.len());
            first_row += rows.len();
            let (x, _) = self.forward(states, &batch, self.model.config().n_layer);
            let mut parts = Vec::new();
            self.model.each_logits(&x, &batch.at, &mut |part, logits| {
                let log_p = log_softmax(logits / temperature, 1);
                parts.push(taught.of_part(part, log_p).0);
            });
            if !parts.is_empty() {
                losses.extend(read_f32(Tensor::cat(parts, 0))?);
            }
        }
        Ok(losses)
    }
}

fn sum(x: Tensor<2>) -> Tensor<2> {
    x.sum_dim(1)
}

fn flat(x: Tensor<2>) -> Tensor<1> {
    x.squeeze_dim(1)
}

/// H = -sum p log p; dH / dlogit = -p (log p + H).
fn entropy(log_p: Tensor<2>) -> (Tensor<1>, Tensor<2>) {
    let p = log_p.clone().exp();
    let h = -sum(p.clone() * log_p.clone());
    (flat(h.clone()), -(p * (log_p + h)))
}

/// -sum q log p; p - q.
fn cross_entropy(log_p: Tensor<2>, log_q: Tensor<2>) -> (Tensor<1>, Tensor<2>) {
    let q = log_q.exp();
    let loss = -sum(q.clone() * log_p.clone());
    (flat(loss), log_p.exp() - q)
}

/// KL(p, q) = sum p (log p - log q); p (log p - log q - KL).
pub(super) fn reverse_kl(log_p: Tensor<2>, log_q: Tensor<2>) -> (Tensor<1>, Tensor<2>) {
    let p = log_p.clone().exp();
    let gap = log_p - log_q;
    let kl = sum(p.clone() * gap.clone());
    (flat(kl.clone()), p * (gap - kl))
}

/// The cross entropy with the likeliest `top` tokens of q, and all others as one
/// bucket: a bound of the whole one for any number.
fn bucketed(log_p: Tensor<2>, log_q: Tensor<2>, top: usize) -> (Tensor<1>, Tensor<2>) {
    let [n, n_vocab] = log_q.dims();
    if top >= n_vocab {
        return cross_entropy(log_p, log_q);
    }
    let (largest, at) = log_q.clone().topk_with_indices(top, 1);
    let of_top = |values: Tensor<2>| {
        let zero = Tensor::<2>::zeros([n, n_vocab], &values.device());
        zero.scatter(1, at.clone(), values, IndexingUpdateOp::Add)
    };
    let is_top = of_top(largest.ones_like());
    let q = of_top(largest.exp());
    let p = log_p.clone().exp();
    let rest = |x: &Tensor<2>| (-sum(x.clone() * is_top.clone()) + 1.0).clamp_min(MIN_REST);
    let (p_rest, q_rest) = (rest(&p), rest(&q));
    let loss = -sum(q.clone() * log_p) - q_rest.clone() * p_rest.clone().log();
    // Where the rest of p is clamped, it has no gradient.
    let is_free = p_rest.clone().greater_elem(MIN_REST * 1.01).float();
    let outside = -is_top + 1.0;
    let of_rest = q_rest * is_free;
    let whole = sum(q.clone()) + of_rest.clone();
    let gradient = p.clone() * whole - q - p * outside * of_rest / p_rest;
    (flat(loss), gradient)
}

#[cfg(test)]
mod tests {
    use burn::tensor::{Device, TensorData};

    use super::*;

    fn tensor(values: &[f32], n: usize) -> Tensor<2> {
        let data = TensorData::new(values.to_vec(), [values.len() / n, n]);
        Tensor::from_data(data, &Device::flex())
    }

    fn read<const D: usize>(x: Tensor<D>) -> Vec<f32> {
        x.into_data().try_to_vec().unwrap()
    }

    const LOGITS: [f32; 10] = [0.3, -1.2, 2.0, 0.1, -0.4, 1.0, 0.0, -2.0, 0.5, 0.2];
    const OTHERS: [f32; 10] = [1.3, 0.2, 0.7, -0.9, 0.0, -1.0, 1.5, 0.3, 0.0, -0.5];

    fn log_q() -> Tensor<2> {
        log_softmax(tensor(&OTHERS, 5), 1)
    }

    /// The gradient against differences of the loss, in f64 steps of the logits.
    fn check_gradient(name: &str, loss: impl Fn(Tensor<2>) -> (Tensor<1>, Tensor<2>)) {
        let of = |logits: &[f32]| loss(log_softmax(tensor(logits, 5), 1));
        let gradient = read(of(&LOGITS).1);
        for (idx, got) in gradient.iter().enumerate() {
            let moved = |by: f32| {
                let mut logits = LOGITS;
                logits[idx] += by;
                read(of(&logits).0)
                    .iter()
                    .map(|x| f64::from(*x))
                    .sum::<f64>()
            };
            let want = (moved(0.01) - moved(-0.01)) / 0.02;
            let gap = (f64::from(*got) - want).abs();
            assert!(gap < 2e-4, "{name}, logit {idx}: {got}, not {want}");
        }
    }

    #[test]
    fn gradients_are_those_of_the_losses() {
        check_gradient("entropy", entropy);
        check_gradient("soft", |log_p| cross_entropy(log_p, log_q()));
        check_gradient("reverse", |log_p| reverse_kl(log_p, log_q()));
        check_gradient("top 2", |log_p| bucketed(log_p, log_q(), 2));
        check_gradient("top 4", |log_p| bucketed(log_p, log_q(), 4));
    }

    /// With every token it is the divergence and the entropy of the teacher; with all
    /// but one the same, since a bucket of one is that token.
    #[test]
    fn a_bucket_of_one_token_is_that_token() {
        let log_p = || log_softmax(tensor(&LOGITS, 5), 1);
        let (whole, whole_gradient) = bucketed(log_p(), log_q(), 5);
        let q = read(log_q());
        let p = read(log_p());
        let kl_and_entropy = p.iter().zip(&q).map(|(p, q)| {
            let of = f64::from(*q).exp();
            of * (f64::from(*q) - f64::from(*p)) - of * f64::from(*q)
        });
        let want: f64 = kl_and_entropy.sum();
        let got: f64 = read(whole.clone()).iter().map(|x| f64::from(*x)).sum();
        assert!((got - want).abs() < 1e-5, "{got}, not {want}");
        let (loss, gradient) = bucketed(log_p(), log_q(), 4);
        for (got, want) in read(loss).iter().zip(read(whole)) {
            assert!((got - want).abs() < 1e-5, "{got}, not {want}");
        }
        for (got, want) in read(gradient).iter().zip(read(whole_gradient)) {
            assert!((got - want).abs() < 1e-5, "{got}, not {want}");
        }
    }

    #[test]
    fn fewer_tokens_bound_the_loss_from_below() {
        let log_p = || log_softmax(tensor(&LOGITS, 5), 1);
        let of = |top| read(bucketed(log_p(), log_q(), top).0);
        let whole = of(5);
        for top in 1..5 {
            for (part, whole) in of(top).iter().zip(&whole) {
                // Coarser events: by the inequality of the logarithms of sums, less
                // their entropies.
                assert!(part <= &(whole + 1e-5), "top {top}: {part}, {whole}");
            }
        }
    }
}
