//! How much likelier a guide finds the tokens that the model drew.

use super::group::{Group, no_local_guide};
use super::{Method, QuestionReadings, Target};
use crate::adapt::cost::Cost;
use crate::adapt::distributions::TokenLoss;
use crate::adapt::states::States;
use crate::error::Result;

/// The largest magnitude of a log-probability ratio that is a reward.
const MAX_LOG_RATIO: f64 = 20.0;

/// Rewards of a group, and with a discount of 0 the divergence that they are compared
/// with.
pub(super) struct Ratios {
    pub rewards: Vec<Vec<f64>>,
    pub baseline: Option<Vec<Vec<f64>>>,
}

impl Method<'_> {
    /// How much likelier the guide finds every token than the model that drew it.
    pub(super) fn log_ratios(
        &self,
        states: &States,
        targets: &[Target<'_>],
        groups: &[Group],
        discount: f64,
        seen: &mut [QuestionReadings],
    ) -> Result<Vec<Ratios>> {
        let teacher = self.teacher(self.answered(targets, groups))?;
        let Some(guide_rows) = teacher.draws.first() else {
            return Err(no_local_guide());
        };
        let of_guide = teacher.engine.scores(teacher.states, guide_rows, 1.0)?;
        let mut of_guide = of_guide.log_p.into_iter();
        let (rows, of) = self.rows_of_all(targets, groups);
        for (own, of) in guide_rows.iter().zip(&of) {
            seen[*of].cost += Cost::guide(own.tokens.len());
        }
        let exact = if discount == 0.0 {
            for (row, of) in rows.iter().zip(&of) {
                seen[*of].cost += Cost::forward(row.tokens.len());
            }
            let loss = TokenLoss::ReverseKl(&teacher);
            let kl = self
                .engine
                .distribution_losses(states, &rows, self.temperature, &loss)?;
            Some(kl)
        } else {
            None
        };
        let mut exact = exact.map(Vec::into_iter);
        let mut of_group = |group: &Group| {
            let rewards = group.rollouts.iter().map(|of| {
                let pairs = of.log_p.iter().zip(of_guide.by_ref().take(of.log_p.len()));
                let ratios = pairs.map(|(own, guide)| log_ratio(*own, guide));
                ratios.collect::<Vec<f64>>()
            });
            let rewards: Vec<Vec<f64>> = rewards.collect();
            let baseline = exact.as_mut().map(|exact| {
                let of = rewards.iter().map(|of| {
                    let own = exact.by_ref().take(of.len());
                    own.map(f64::from).collect()
                });
                of.collect()
            });
            Ratios { rewards, baseline }
        };
        Ok(groups.iter().map(&mut of_group).collect())
    }
}

/// How much likelier the guide finds a token, from both log-probabilities.
fn log_ratio(own: f32, guide: f32) -> f64 {
    let ratio = f64::from(guide) - f64::from(own);
    ratio.clamp(-MAX_LOG_RATIO, MAX_LOG_RATIO)
}

/// The mean reward at a place is minus the divergence there.
pub(super) fn plus(rewards: &[Vec<f64>], divergence: &[Vec<f64>]) -> Vec<Vec<f64>> {
    let of_answer = |(rewards, divergence): (&Vec<f64>, &Vec<f64>)| {
        let pairs = rewards.iter().zip(divergence);
        pairs.map(|(reward, kl)| reward + kl).collect()
    };
    rewards.iter().zip(divergence).map(of_answer).collect()
}

#[cfg(test)]
mod tests {
    use burn::tensor::activation::log_softmax;
    use burn::tensor::{Device, Tensor, TensorData};

    use super::*;
    use crate::adapt::distributions::reverse_kl;
    use crate::adapt::engine::draw_tokens;
    use crate::random::SplitMix64;

    const N: usize = 8;

    fn log_p(of: impl Fn(f64) -> f64) -> Vec<f64> {
        let logits: Vec<f64> = (0..N).map(|idx| of(idx as f64)).collect();
        let total: f64 = logits.iter().map(|x| x.exp()).sum();
        logits.iter().map(|x| x - total.ln()).collect()
    }

    /// With a discount of 0 the mean over 100,000 drawn tokens is the gradient of the
    /// divergence in the logits, p (log p - log q - KL), within three and a half standard
    /// errors; and so is the closed form.
    #[test]
    fn rewards_of_one_token_have_the_gradient_of_the_divergence() {
        let own = log_p(|x| (1.7 * x).sin());
        let guide = log_p(|x| (0.9 * x + 1.0).cos());
        let p: Vec<f64> = own.iter().map(|x| x.exp()).collect();
        let gaps = || own.iter().zip(&guide).map(|(own, guide)| own - guide);
        let kl: f64 = gaps().zip(&p).map(|(gap, p)| p * gap).sum();
        let want: Vec<f64> = gaps().zip(&p).map(|(gap, p)| p * (gap - kl)).collect();
        let tensor = |of: &[f64]| -> Tensor<2> {
            let of: Vec<f32> = of.iter().map(|x| *x as f32).collect();
            log_softmax(
                Tensor::from_data(TensorData::new(of, [1, N]), &Device::flex()),
                1,
            )
        };
        let (_, exact) = reverse_kl(tensor(&own), tensor(&guide));
        let exact: Vec<f32> = exact.into_data().try_to_vec().unwrap();
        for (exact, want) in exact.iter().zip(&want) {
            assert!((f64::from(*exact) - want).abs() < 1e-6);
        }
        let floats: Vec<f32> = p.iter().map(|p| *p as f32).collect();
        let tokens = draw_tokens(&floats, 100_000, &mut SplitMix64::new(11));
        let rewards = tokens.iter().map(|token| {
            let token = *token as usize;
            log_ratio(own[token] as f32, guide[token] as f32)
        });
        let rewards = [rewards.collect::<Vec<f64>>()];
        let worth = plus(&rewards, &[vec![kl; tokens.len()]]);
        let n = tokens.len() as f64;
        for j in 0..N {
            // The loss is minus worth times log p of the token.
            let parts = tokens.iter().zip(&worth[0]).map(|(token, worth)| {
                let is_own = f64::from(u8::from(*token as usize == j));
                worth * (p[j] - is_own)
            });
            let parts: Vec<f64> = parts.collect();
            let mean = parts.iter().sum::<f64>() / n;
            let square = parts.iter().map(|x| x * x).sum::<f64>() / n;
            let error = ((square - mean * mean) / n).sqrt();
            let gap = (mean - want[j]).abs();
            assert!(gap <= 3.5 * error, "{j}: {mean}, not {}", want[j]);
        }
    }

    #[test]
    fn a_token_that_a_guide_never_says_is_bounded() {
        assert_eq!(log_ratio(-0.1, -90.0), -20.0);
        assert_eq!(log_ratio(-90.0, -0.1), 20.0);
        assert_eq!(log_ratio(-1.5, -0.5), 1.0);
    }
}
