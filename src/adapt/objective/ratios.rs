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
                let ratios = pairs.map(|(own, guide)| {
                    let ratio = f64::from(guide) - f64::from(*own);
                    ratio.clamp(-MAX_LOG_RATIO, MAX_LOG_RATIO)
                });
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

/// The mean reward at a place is minus the divergence there.
pub(super) fn plus(rewards: &[Vec<f64>], divergence: &[Vec<f64>]) -> Vec<Vec<f64>> {
    let of_answer = |(rewards, divergence): (&Vec<f64>, &Vec<f64>)| {
        let pairs = rewards.iter().zip(divergence);
        pairs.map(|(reward, kl)| reward + kl).collect()
    };
    rewards.iter().zip(divergence).map(of_answer).collect()
}
