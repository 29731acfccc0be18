//! Objectives of a guide's text.

use super::options::{OptionRows, option_rows};
use super::{Method, QuestionReadings, StepGradient, Target, counts, mean};
use crate::adapt::cost::Cost;
use crate::adapt::distributions::TokenLoss;
use crate::adapt::engine::Scores;
use crate::adapt::option_losses::cross_entropy;
use crate::adapt::rows::Row;
use crate::adapt::spec::Estimator;
use crate::adapt::states::States;
use crate::error::{Error, Result};

impl Method<'_> {
    /// The guide's text behind every question that has one, and which these are.
    fn guided_rows(&self, targets: &[Target<'_>]) -> (Vec<Row>, Vec<usize>) {
        let (mut rows, mut of) = (Vec::new(), Vec::new());
        for (idx, target) in targets.iter().enumerate() {
            let text = self.guide.and_then(|guide| guide.text(target.question));
            if let Some(text) = text {
                let context = self.prompts.written(target.question, &[]);
                let start = self.prompts.text_start;
                rows.push(Row::new(target.state, start, &context, &text.tokens));
                of.push(idx);
            }
        }
        (rows, of)
    }

    /// [`crate::adapt::spec::Objective::SingleStep`].
    pub(super) fn single_step(
        &self,
        states: &States,
        targets: &[Target<'_>],
        estimator: Estimator,
        step: usize,
    ) -> Result<StepGradient> {
        let (rows, of) = self.guided_rows(targets);
        let n = counts(
            states.len(),
            rows.iter().map(|row| (row.state, row.scored.len())),
        );
        let (scores, gradient) = match estimator {
            Estimator::Exact => {
                let mut weigh = |scores: &Scores| -> Vec<f32> {
                    let mut log_p = scores.log_p.iter();
                    let weights = rows.iter().flat_map(|row| {
                        let own: Vec<&f32> = log_p.by_ref().take(row.scored.len()).collect();
                        own.into_iter()
                            .map(|log_p| single_step_weight(*log_p, self.exponent) / n[row.state])
                            .collect::<Vec<_>>()
                    });
                    weights.collect()
                };
                self.engine.gradient(states, &rows, 1.0, &mut weigh)?
            }
            Estimator::Sampled { samples } => {
                let scores = self.engine.scores(states, &rows, 1.0)?;
                let ids: Vec<u64> = of
                    .iter()
                    .map(|idx| self.seed_of(targets[*idx].question, step))
                    .collect();
                let (rows, weights) = self.sampled(states, &rows, samples, &ids, &n)?;
                let (_, gradient) = self
                    .engine
                    .gradient(states, &rows, 1.0, &mut |_| weights.clone())?;
                (scores, gradient)
            }
        };
        // Samples are drawn in a pass of their own.
        let n_before = usize::from(estimator != Estimator::Exact);
        let mut seen = vec![QuestionReadings::default(); targets.len()];
        let mut first = 0;
        for (row, idx) in rows.iter().zip(of) {
            let own = first..first + row.scored.len();
            first = own.end;
            let log_p = || scores.log_p[own.clone()].iter().map(|x| f64::from(*x));
            seen[idx] = QuestionReadings {
                loss: mean(log_p().map(|log_p| -log_p)),
                reward: mean(log_p().map(f64::exp)),
                agreement: mean(likeliest(&scores.is_likeliest[own.clone()])),
                entropy: mean(scores.entropy[own].iter().map(|x| f64::from(*x))),
                has_gradient: true,
                cost: Cost::trained(row.tokens.len()) + Cost::forward(n_before * row.tokens.len()),
                ..QuestionReadings::default()
            };
        }
        Ok(StepGradient { gradient, seen })
    }

    /// Rows whose every place is scored with tokens that are drawn there, and what each
    /// is worth: REINFORCE with the mean of the others as its baseline.
    fn sampled(
        &self,
        states: &States,
        rows: &[Row],
        samples: usize,
        seeds: &[u64],
        n: &[f32],
    ) -> Result<(Vec<Row>, Vec<f32>)> {
        let drawn = self.engine.draw(states, rows, samples, seeds)?;
        let mut drawn = drawn.into_iter();
        let (mut sampled, mut weights) = (Vec::new(), Vec::new());
        for row in rows {
            let mut scored = Vec::new();
            for (place, wanted) in &row.scored {
                let Some(tokens) = drawn.next() else {
                    return Err(Error::Device(tr!("a place has no drawn tokens").into()));
                };
                weights.extend(sample_weights(&tokens, *wanted, 1.0 / n[row.state]));
                scored.extend(tokens.iter().map(|token| (*place, *token)));
            }
            sampled.push(Row {
                scored,
                ..row.clone()
            });
        }
        Ok((sampled, weights))
    }

    /// [`crate::adapt::spec::Objective::Soft`]: of options the distribution over them, of
    /// written answers that of every token.
    pub(super) fn soft(
        &self,
        states: &States,
        targets: &[Target<'_>],
        top: Option<usize>,
    ) -> Result<StepGradient> {
        let first = targets.first();
        if first.is_some_and(|of| !of.question.options().is_empty()) {
            return self.soft_options(states, targets);
        }
        let (rows, of) = self.guided_rows(targets);
        let mut seen = vec![QuestionReadings::default(); targets.len()];
        if rows.is_empty() {
            return Ok(StepGradient {
                gradient: None,
                seen,
            });
        }
        let answers = rows.iter().zip(&of).map(|(row, idx)| {
            let tokens: Vec<u32> = row.scored.iter().map(|(_, token)| *token).collect();
            (targets[*idx].question, tokens)
        });
        let teacher = self.teacher(answers)?;
        let own: Vec<Target<'_>> = of.iter().map(|idx| targets[*idx]).collect();
        let loss = TokenLoss::Soft(&teacher, top);
        let (losses, gradient) = self.of_distributions(states, &own, &rows, 1.0, &loss)?;
        for ((idx, loss), (row, own)) in of
            .into_iter()
            .zip(losses)
            .zip(rows.iter().zip(&teacher.draws[0]))
        {
            seen[idx] = QuestionReadings {
                loss,
                has_gradient: true,
                cost: Cost::trained(row.tokens.len()) + Cost::guide(own.tokens.len()),
                ..QuestionReadings::default()
            };
        }
        Ok(StepGradient { gradient, seen })
    }

    /// The cross entropy to what the guide finds of the options.
    fn soft_options(&self, states: &States, targets: &[Target<'_>]) -> Result<StepGradient> {
        let (mut told, mut wanted) = (Vec::new(), Vec::new());
        for (idx, target) in targets.iter().enumerate() {
            let text = self.guide.and_then(|guide| guide.text(target.question));
            let n = target.question.options().len();
            if let Some(shares) = text.and_then(|text| usable_shares(&text.shares, n)) {
                told.push(idx);
                wanted.push(shares);
            }
        }
        let mut seen = vec![QuestionReadings::default(); targets.len()];
        let own: Vec<Target<'_>> = told.iter().map(|idx| targets[*idx]).collect();
        let rows: Vec<OptionRows> = own
            .iter()
            .map(|target| option_rows(self.prompts, target.question, &[], target.state))
            .collect();
        if rows.is_empty() {
            return Ok(StepGradient {
                gradient: None,
                seen,
            });
        }
        let found = self.by_options(states, &own, &rows, &mut |p, chosen| {
            let wanted: Vec<_> = chosen.iter().map(|idx| wanted[*idx].clone()).collect();
            cross_entropy(p, &wanted)
        })?;
        for (idx, of) in told.into_iter().zip(found.seen) {
            seen[idx] = of;
        }
        Ok(StepGradient {
            gradient: found.gradient,
            seen,
        })
    }
}

/// A guide's distribution over `n` options; none where it is none. Files round, so that
/// it is rounded always: an adaptation that is gone on with ends in the same bits.
fn usable_shares(shares: &[f64], n: usize) -> Option<Vec<f64>> {
    const STEPS: f64 = 1e6;
    let is_one = |share: &f64| share.is_finite() && *share >= 0.0;
    if shares.len() != n || !shares.iter().all(is_one) {
        return None;
    }
    let rounded: Vec<f64> = shares.iter().map(|x| (x * STEPS).round()).collect();
    let total: f64 = rounded.iter().sum();
    (total > 0.0).then(|| rounded.iter().map(|x| x / total).collect())
}

fn likeliest(is: &[bool]) -> impl Iterator<Item = f64> {
    is.iter().map(|is| f64::from(u8::from(*is)))
}

/// What the cross entropy of a token counts: p^x.
fn single_step_weight(log_p: f32, exponent: f64) -> f32 {
    if exponent == 0.0 {
        return 1.0;
    }
    (exponent * f64::from(log_p)).exp() as f32
}

/// What the cross entropy of each drawn token counts, times `scale`: the reward less
/// the mean of the others', over their number.
fn sample_weights(tokens: &[u32], wanted: u32, scale: f32) -> Vec<f32> {
    let k = tokens.len() as f32;
    let reward = |token: &u32| f32::from(u8::from(*token == wanted));
    let total: f32 = tokens.iter().map(reward).sum();
    let weight = |token: &u32| {
        let own = reward(token);
        (own - (total - own) / (k - 1.0)) / k * scale
    };
    tokens.iter().map(weight).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::adapt::engine::draw_tokens;
    use crate::random::SplitMix64;

    /// The gradient that samples give in the logits is that of the expected reward,
    /// in the mean over 200,000 samples of a distribution over 16 tokens: each of its
    /// parts within three standard errors and a little.
    #[test]
    fn samples_have_the_exact_gradient_as_their_mean() {
        const N: usize = 16;
        let logits: Vec<f64> = (0..N).map(|idx| (1.7 * idx as f64).sin()).collect();
        let total: f64 = logits.iter().map(|x| x.exp()).sum();
        let p: Vec<f64> = logits.iter().map(|x| x.exp() / total).collect();
        let of_floats: Vec<f32> = p.iter().map(|p| *p as f32).collect();
        let wanted = 5_usize;
        // The gradient of -p: minus p times that of log p.
        let weight = f64::from(single_step_weight(p[wanted].ln() as f32, 1.0));
        let one = |a: usize, b: usize| f64::from(u8::from(a == b));
        let exact: Vec<f64> = (0..N).map(|j| weight * (p[j] - one(j, wanted))).collect();
        let expected: Vec<f64> = (0..N)
            .map(|j| -p[wanted] * (one(j, wanted) - p[j]))
            .collect();
        for (exact, expected) in exact.iter().zip(&expected) {
            assert!((exact - expected).abs() < 1e-7);
        }
        let mut draws = SplitMix64::new(3);
        let n_groups = 50_000;
        let (mut sum, mut squares) = ([0.0; N], [0.0; N]);
        for _ in 0..n_groups {
            let tokens = draw_tokens(&of_floats, 4, &mut draws);
            let weights = sample_weights(&tokens, wanted as u32, 1.0);
            for j in 0..N {
                let pairs = tokens.iter().zip(&weights);
                let own: f64 = pairs
                    .map(|(token, weight)| f64::from(*weight) * (p[j] - one(j, *token as usize)))
                    .sum();
                sum[j] += own;
                squares[j] += own * own;
            }
        }
        let n = f64::from(n_groups);
        for j in 0..N {
            let mean = sum[j] / n;
            let error = ((squares[j] / n - mean * mean) / n).sqrt();
            let gap = (mean - exact[j]).abs();
            assert!(gap <= 3.5 * error, "{j}: {mean}, not {}", exact[j]);
        }
    }

    #[test]
    fn only_a_distribution_over_all_options_is_learned() {
        assert_eq!(
            usable_shares(&[0.5, 0.25, 0.25], 3),
            Some(vec![0.5, 0.25, 0.25])
        );
        // Not of one length, not numbers, or nothing at all.
        assert_eq!(usable_shares(&[0.5, 0.5], 3), None);
        assert_eq!(usable_shares(&[], 3), None);
        assert_eq!(usable_shares(&[0.5, f64::NAN, 0.5], 3), None);
        assert_eq!(usable_shares(&[0.5, -0.5, 1.0], 3), None);
        assert_eq!(usable_shares(&[0.0, 0.0], 2), None);
        // What a file rounds off makes no difference.
        let third = 1.0 / 3.0;
        let read = [0.333_333_333_333_333_26, third, third + 1e-15];
        assert_eq!(usable_shares(&read, 3), usable_shares(&[third; 3], 3));
    }

    #[test]
    fn the_exponent_leads_from_cross_entropy_to_the_reward() {
        let log_p = 0.2_f32.ln();
        assert_eq!(single_step_weight(log_p, 0.0), 1.0);
        assert!((single_step_weight(log_p, 1.0) - 0.2).abs() < 1e-7);
        assert!((single_step_weight(log_p, 0.5) - 0.2_f32.sqrt()).abs() < 1e-7);
    }
}
