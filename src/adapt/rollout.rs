//! Answers that the model writes from moving states, a group of them a question. A
//! prompt is read once a group, exactly to its end; no state sees padding.

use burn::tensor::activation::softmax;
use burn::tensor::{Int, Tensor, TensorData};

use super::cost::Cost;
use super::engine::Engine;
use super::prompts::Prompts;
use super::states::States;
use crate::bench::runner::lengths::BatchLayout;
use crate::bench::runner::reading::{ReadTexts, indices, read, step};
use crate::error::{Error, Result};
use crate::kernels::device::read_back::read_f32;
use crate::random::SplitMix64;

/// Bytes of the states of one batch of answers.
const BATCH_STATE_BYTES: usize = 2 << 30;
/// Answers that are written side by side.
const BATCH_ANSWERS: usize = 1024;
/// Tokens that are looked at together when one is drawn: a vocabulary is drawn from
/// in two strokes, a block and a token of it.
const MAX_BLOCK: usize = 128;

/// An answer that was written.
#[derive(Debug, Clone, PartialEq)]
pub struct Rollout {
    /// Its tokens, with those that end it.
    pub tokens: Vec<u32>,
    /// The log-probability of each, at the temperature that it was drawn at.
    pub log_p: Vec<f32>,
    /// Whether it came to its end; else it was cut.
    pub ended: bool,
}

impl Rollout {
    /// The mean log-probability of its tokens.
    pub fn mean_log_p(&self) -> f64 {
        let sum: f64 = self.log_p.iter().map(|x| f64::from(*x)).sum();
        sum / self.log_p.len().max(1) as f64
    }
}

/// A question that is answered.
pub struct RolloutPrompt {
    /// The state that it is read from.
    pub state: usize,
    /// What is read, without what texts begin with.
    pub prompt: Vec<u32>,
    /// Fixes the draws of its answers.
    pub seed: u64,
}

/// How answers are written.
#[derive(Debug, Clone, Copy)]
pub struct Writing {
    /// Answers of each question.
    pub group: usize,
    /// What logits are divided by; the likeliest token without one.
    pub temperature: Option<f32>,
}

/// One answer on its way.
#[derive(Clone, Copy)]
struct Live {
    /// Which answer.
    answer: usize,
    goes_on: bool,
}

/// Writes the answers to every question, a group each, and adds up the tokens.
/// `progress` hears how many answers are complete; its error ends the work.
///
/// # Errors
/// What the device or `progress` reports.
pub fn roll_out(
    engine: Engine<'_>,
    prompts: &Prompts<'_>,
    states: &States,
    asked: &[RolloutPrompt],
    writing: Writing,
    cost: &mut Cost,
    progress: &mut dyn FnMut(usize) -> Result<()>,
) -> Result<Vec<Vec<Rollout>>> {
    let config = engine.model.config();
    let per_row = config.n_layer * config.n_state() * size_of::<f32>();
    let most = (BATCH_STATE_BYTES / per_row).clamp(1, BATCH_ANSWERS);
    let n_questions = (most / writing.group).max(1);
    let mut order: Vec<usize> = (0..asked.len()).collect();
    order.sort_by_key(|idx| asked[*idx].prompt.len());
    let mut groups = vec![Vec::new(); asked.len()];
    let mut n_before = 0;
    for part in order.chunks(n_questions) {
        let questions: Vec<&RolloutPrompt> = part.iter().map(|idx| &asked[*idx]).collect();
        let batch = WrittenBatch {
            engine,
            prompts,
            writing,
        };
        let written = batch.write(states, &questions, &mut |n| progress(n_before + n))?;
        n_before += questions.len() * writing.group;
        let mut written = written.into_iter();
        for idx in part {
            groups[*idx] = written.by_ref().take(writing.group).collect();
        }
        for (question, idx) in questions.iter().zip(part) {
            let n_read = prompts.text_start.with(&question.prompt).len();
            let n_written: usize = groups[*idx]
                .iter()
                .map(|of: &Rollout| of.tokens.len())
                .sum();
            *cost += Cost::forward(n_read + n_written);
        }
    }
    Ok(groups)
}

struct WrittenBatch<'a> {
    engine: Engine<'a>,
    prompts: &'a Prompts<'a>,
    writing: Writing,
}

impl WrittenBatch<'_> {
    fn write(
        &self,
        states: &States,
        asked: &[&RolloutPrompt],
        progress: &mut dyn FnMut(usize) -> Result<()>,
    ) -> Result<Vec<Rollout>> {
        let Engine { model, device, .. } = self.engine;
        let group = self.writing.group;
        let texts: Vec<Vec<u32>> = asked
            .iter()
            .map(|of| self.prompts.text_start.with(&of.prompt))
            .collect();
        let texts: Vec<&[u32]> = texts.iter().map(Vec::as_slice).collect();
        let of: Vec<usize> = asked.iter().map(|of| of.state).collect();
        let reached = read(model, device, &texts, &states.before(&of));
        // Every answer of a group goes on from where its prompt ends.
        let spread: Vec<usize> = (0..asked.len())
            .flat_map(|idx| std::iter::repeat_n(idx, group))
            .collect();
        let mut hidden = reached.hidden.select(0, indices(&spread, device));
        let mut state = reached.state.select(indices(&spread, device));
        let n_answers = spread.len();
        let mut answers = vec![
            Rollout {
                tokens: Vec::new(),
                log_p: Vec::new(),
                ended: false,
            };
            n_answers
        ];
        let mut draws: Vec<SplitMix64> = (0..n_answers)
            .map(|idx| {
                let seed = asked[idx / group].seed;
                SplitMix64::new(SplitMix64::mix(seed, (idx % group) as u64))
            })
            .collect();
        let mut rows: Vec<Live> = (0..n_answers)
            .map(|answer| Live {
                answer,
                goes_on: true,
            })
            .collect();
        let layout = BatchLayout::of(device);
        let most = self.prompts.max_new_tokens;
        for n_written in 1..=most {
            let shares: Vec<f64> = rows
                .iter()
                .map(|row| match row.goes_on {
                    true => draws[row.answer].share(),
                    false => 0.0,
                })
                .collect();
            let next = self.next(hidden, &shares)?;
            for (row, (token, log_p)) in rows.iter_mut().zip(next) {
                if row.goes_on {
                    let answer = &mut answers[row.answer];
                    answer.tokens.push(token);
                    answer.log_p.push(log_p);
                    answer.ended = self.prompts.has_ended(&answer.tokens);
                    row.goes_on = !answer.ended;
                }
            }
            let n_live = rows.iter().filter(|row| row.goes_on).count();
            progress(n_answers - n_live)?;
            if n_live == 0 || n_written == most {
                break;
            }
            let size = layout.kept(rows.len(), n_live);
            if size < rows.len() {
                let mut kept: Vec<usize> = (0..rows.len()).collect();
                kept.sort_by_key(|row| !rows[*row].goes_on);
                kept.truncate(size);
                state = state.select(indices(&kept, device));
                rows = kept.iter().map(|row| rows[*row]).collect();
            }
            let last: Vec<&[u32]> = rows
                .iter()
                .map(|row| {
                    let tokens = &answers[row.answer].tokens;
                    &tokens[tokens.len() - 1..]
                })
                .collect();
            ReadTexts { hidden, state } = step(model, device, &last, state);
        }
        Ok(answers)
    }

    /// The next token of every row and its log-probability; `shares` are draws from 0
    /// to 1.
    fn next(&self, hidden: Tensor<2>, shares: &[f64]) -> Result<Vec<(u32, f32)>> {
        let logits = self.engine.model.logits(hidden);
        let Some(temperature) = self.writing.temperature else {
            return likeliest(logits);
        };
        drawn(logits / temperature, shares)
    }
}

fn likeliest(logits: Tensor<2>) -> Result<Vec<(u32, f32)>> {
    let n = logits.dims()[0];
    let p = softmax(logits.clone(), 1).max_dim(1).reshape([n]);
    let tokens = logits.argmax(1).into_data();
    let tokens: Vec<u32> = tokens.iter::<u32>().collect();
    let p = read_f32(p)?;
    Ok(tokens.into_iter().zip(p.iter().map(|p| p.ln())).collect())
}

/// Draws a token of each row of logits [rows, V] with its probability: first a block
/// of tokens by the sum of their probabilities, then a token of it.
fn drawn(logits: Tensor<2>, shares: &[f64]) -> Result<Vec<(u32, f32)>> {
    let [n, n_vocab] = logits.dims();
    let sizes = 1..=MAX_BLOCK.min(n_vocab);
    let block = sizes
        .rev()
        .find(|size| n_vocab.is_multiple_of(*size))
        .unwrap_or(1);
    let n_blocks = n_vocab / block;
    let device = logits.device();
    let p = softmax(logits, 1).reshape([n * n_blocks, block]);
    let sums = read_f32(p.clone().sum_dim(1).reshape([n * n_blocks]))?;
    let mut left = Vec::with_capacity(n);
    let mut chosen = Vec::with_capacity(n);
    for (row, (sums, share)) in sums.chunks_exact(n_blocks).zip(shares).enumerate() {
        let total: f64 = sums.iter().map(|sum| f64::from(*sum)).sum();
        if !total.is_finite() {
            return Err(no_numbers());
        }
        let (idx, rest) = pick(sums, share * total);
        chosen.push((row * n_blocks + idx) as i32);
        left.push(rest);
    }
    let places: Tensor<1, Int> = Tensor::from_data(TensorData::new(chosen.clone(), [n]), &device);
    let of_blocks = read_f32(p.select(0, places))?;
    let rows = of_blocks.chunks_exact(block).zip(&left).zip(&chosen);
    Ok(rows
        .enumerate()
        .map(|(row, ((p, left), chosen))| {
            let (idx, _) = pick(p, *left);
            let block_idx = *chosen as usize - row * n_blocks;
            ((block_idx * block + idx) as u32, p[idx].ln())
        })
        .collect())
}

/// The first place where the sum of `weights` exceeds `left`, and what is left of it
/// there. Rounding may leave a little over: the last that is above 0.
fn pick(weights: &[f32], mut left: f64) -> (usize, f64) {
    let mut last = 0;
    for (idx, weight) in weights.iter().enumerate() {
        let weight = f64::from(*weight);
        if weight > 0.0 {
            if left < weight {
                return (idx, left);
            }
            last = idx;
        }
        left -= weight;
    }
    (last, 0.0)
}

fn no_numbers() -> Error {
    Error::Device(
        tr!("the model's logits are not finite; a state that diverged can cause this").into(),
    )
}

#[cfg(test)]
mod tests {
    use burn::tensor::Device;

    use super::*;

    /// 20,000 draws of each row against its probabilities: within five standard
    /// errors, and the log-probability is that of the token.
    #[test]
    fn tokens_are_drawn_by_their_probabilities() {
        const N: usize = 20_000;
        let logits: [f32; 12] = [
            0.0, 1.0, -1.0, 2.0, 0.5, -3.0, 0.0, 0.0, 1.5, -0.5, -40.0, 0.2,
        ];
        let total: f64 = logits.iter().map(|x| f64::from(*x).exp()).sum();
        let data = TensorData::new(logits.repeat(N), [N, 12]);
        let mut draws = SplitMix64::new(7);
        let shares: Vec<f64> = (0..N).map(|_| draws.share()).collect();
        let got = drawn(Tensor::from_data(data, &Device::flex()), &shares).unwrap();
        let mut counts = [0_usize; 12];
        for (token, log_p) in got {
            counts[token as usize] += 1;
            let want = f64::from(logits[token as usize]) - total.ln();
            assert!((f64::from(log_p) - want).abs() < 1e-5);
        }
        for (token, count) in counts.iter().enumerate() {
            let p = f64::from(logits[token]).exp() / total;
            let error = (p * (1.0 - p) / N as f64).sqrt();
            let share = *count as f64 / N as f64;
            assert!(
                (share - p).abs() <= 5.0 * error + 1e-9,
                "{token}: {share}, {p}"
            );
        }
    }

    #[test]
    fn rounding_never_picks_what_cannot_be() {
        assert_eq!(pick(&[0.0, 0.5, 0.5, 0.0], 0.0), (1, 0.0));
        assert_eq!(pick(&[0.0, 0.5, 0.5, 0.0], 0.75), (2, 0.25));
        assert_eq!(pick(&[0.0, 0.5, 0.5, 0.0], 1.0), (2, 0.0));
    }
}
