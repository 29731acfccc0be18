//! Objectives of answers that the model writes itself.

use burn::tensor::Tensor;

use super::group::Group;
use super::ratios::{Ratios, plus};
use super::{Method, QuestionReadings, StepGradient, Target, counts, mean};
use crate::adapt::advantage::{of_answers, of_tokens, shared_prefix};
use crate::adapt::cost::Cost;
use crate::adapt::distributions::TokenLoss;
use crate::adapt::rollout::Rollout;
use crate::adapt::rows::Row;
use crate::adapt::spec::Objective;
use crate::adapt::states::States;
use crate::adapt::votes::{majority, n_alike};
use crate::error::Result;

/// What every token of every answer of a group is worth; none of a group that tells
/// nothing.
type Worth = Option<Vec<Vec<f64>>>;

impl Method<'_> {
    pub(super) fn written(
        &self,
        states: &States,
        targets: &[Target<'_>],
        step: usize,
        progress: &mut dyn FnMut() -> Result<()>,
    ) -> Result<StepGradient> {
        let groups = self.groups(states, targets, step, progress)?;
        let mut seen: Vec<QuestionReadings> = groups.iter().map(|group| self.seen(group)).collect();
        match self.objective {
            Objective::Entropy => {
                let (rows, of) = self.rows_of_all(targets, &groups);
                let loss = TokenLoss::Entropy;
                let gradient = self.all_alike(states, targets, &rows, &of, &loss, &mut seen)?;
                for seen in &mut seen {
                    seen.entropy = seen.loss;
                }
                Ok(StepGradient { gradient, seen })
            }
            Objective::ReverseKlExact => {
                let (rows, of) = self.rows_of_all(targets, &groups);
                let teacher = self.teacher(self.answered(targets, &groups))?;
                for (of, row) in of.iter().zip(&teacher.draws[0]) {
                    seen[*of].cost += Cost::guide(row.tokens.len());
                }
                let loss = TokenLoss::ReverseKl(&teacher);
                let gradient = self.all_alike(states, targets, &rows, &of, &loss, &mut seen)?;
                Ok(StepGradient { gradient, seen })
            }
            _ => {
                let worths = self.worths(states, targets, &groups, &mut seen)?;
                self.by_worth(states, targets, &groups, &worths, seen)
            }
        }
    }

    /// What tokens are worth, and the mean reward.
    fn worths(
        &self,
        states: &States,
        targets: &[Target<'_>],
        groups: &[Group],
        seen: &mut [QuestionReadings],
    ) -> Result<Vec<Worth>> {
        let ratios = match self.objective {
            Objective::ReverseKl { discount } => {
                Some(self.log_ratios(states, targets, groups, discount, seen)?)
            }
            _ => None,
        };
        let mut worths = Vec::with_capacity(groups.len());
        for (idx, group) in groups.iter().enumerate() {
            let lengths: Vec<usize> = group.rollouts.iter().map(|of| of.tokens.len()).collect();
            let text = || {
                self.guide
                    .and_then(|guide| guide.text(targets[idx].question))
            };
            let of_group = |rewards: Vec<f64>, seen: &mut QuestionReadings| {
                seen.reward = mean(rewards.iter().copied());
                let worth = of_answers(&rewards);
                let tells = worth.iter().any(|worth| *worth != 0.0);
                tells.then(|| {
                    let of = worth.iter().zip(&lengths);
                    of.map(|(worth, n)| vec![*worth; *n]).collect::<Vec<_>>()
                })
            };
            let seen = &mut seen[idx];
            worths.push(match self.objective {
                Objective::Majority => majority(&group.ballots).and_then(|of| {
                    let rewards = group.ballots.iter().map(|ballot| {
                        f64::from(u8::from(ballot.answer.as_ref() == Some(&of.answer)))
                    });
                    of_group(rewards.collect(), seen)
                }),
                Objective::Share => {
                    let n = group.ballots.len() as f64;
                    let alike = n_alike(&group.ballots).into_iter();
                    of_group(alike.map(|alike| alike as f64 / n).collect(), seen)
                }
                Objective::Confidence => {
                    let rewards = group.rollouts.iter().map(Rollout::mean_log_p);
                    of_group(rewards.collect(), seen)
                }
                Objective::MajorityImitation => majority(&group.ballots).map(|of| {
                    let imitated = group.ballots.iter().map(|ballot| {
                        f64::from(u8::from(ballot.answer.as_ref() == Some(&of.answer)))
                    });
                    let imitated: Vec<f64> = imitated.collect();
                    seen.reward = mean(imitated.iter().copied());
                    let of = imitated.iter().zip(&lengths);
                    of.map(|(worth, n)| vec![*worth; *n]).collect()
                }),
                Objective::Answer => text().and_then(|text| {
                    let answer = text.answer.as_ref()?;
                    let rewards = group
                        .ballots
                        .iter()
                        .map(|ballot| f64::from(u8::from(ballot.answer.as_ref() == Some(answer))));
                    of_group(rewards.collect(), seen)
                }),
                Objective::Agreement { discount } => text().and_then(|text| {
                    let rewards: Vec<Vec<f64>> = group
                        .rollouts
                        .iter()
                        .map(|of| shared_prefix(&of.tokens, &text.tokens))
                        .collect();
                    seen.reward = mean(rewards.iter().map(|of| of.iter().sum()));
                    let worth = of_tokens(&rewards, discount);
                    let tells = worth.iter().flatten().any(|worth| *worth != 0.0);
                    tells.then_some(worth)
                }),
                Objective::ReverseKl { discount } => ratios.as_ref().map(|ratios| {
                    let Ratios { rewards, baseline } = &ratios[idx];
                    seen.reward = mean(rewards.iter().flatten().copied());
                    match baseline {
                        Some(baseline) => plus(rewards, baseline),
                        None => of_tokens(rewards, discount),
                    }
                }),
                Objective::OptionEntropy
                | Objective::Information
                | Objective::Views { .. }
                | Objective::ContextDistillation { .. }
                | Objective::Entropy
                | Objective::SingleStep { .. }
                | Objective::Soft { .. }
                | Objective::ReverseKlExact => None,
            });
        }
        Ok(worths)
    }

    /// The policy gradient, or with worths of 1 the cross entropy.
    fn by_worth(
        &self,
        states: &States,
        targets: &[Target<'_>],
        groups: &[Group],
        worths: &[Worth],
        mut seen: Vec<QuestionReadings>,
    ) -> Result<StepGradient> {
        let (mut rows, mut worth_of_rows) = (Vec::new(), Vec::new());
        for (idx, (group, worth)) in groups.iter().zip(worths).enumerate() {
            let Some(worth) = worth else { continue };
            seen[idx].has_gradient = true;
            for (rollout, worth) in group.rollouts.iter().zip(worth) {
                // What is not imitated is not read again.
                let is_left_out = worth.iter().all(|worth| *worth == 0.0);
                if is_left_out && self.objective == Objective::MajorityImitation {
                    continue;
                }
                let row = self.row(&targets[idx], group, rollout);
                seen[idx].cost += Cost::trained(row.tokens.len());
                rows.push(row);
                worth_of_rows.push(worth);
            }
        }
        let n = counts(
            states.len(),
            rows.iter().map(|row| (row.state, row.scored.len())),
        );
        let weights: Vec<f32> = rows
            .iter()
            .zip(worth_of_rows)
            .flat_map(|(row, worth)| {
                let n = n[row.state];
                worth.iter().map(move |worth| *worth as f32 / n)
            })
            .collect();
        let temperature = self.temperature;
        let (scores, gradient) = self
            .engine
            .gradient(states, &rows, temperature, &mut |_| weights.clone())?;
        if let Some(entropy) = mean(scores.entropy.iter().map(|x| f64::from(*x))) {
            for seen in seen.iter_mut().filter(|seen| seen.has_gradient) {
                seen.entropy = Some(entropy);
            }
        }
        Ok(StepGradient { gradient, seen })
    }

    /// The gradient of a loss of the distributions along all answers.
    fn all_alike(
        &self,
        states: &States,
        targets: &[Target<'_>],
        rows: &[Row],
        of: &[usize],
        loss: &TokenLoss<'_>,
        seen: &mut [QuestionReadings],
    ) -> Result<Option<Tensor<4>>> {
        let temperature = self.temperature;
        let (losses, gradient) = self.of_distributions(states, targets, rows, temperature, loss)?;
        for (idx, seen) in seen.iter_mut().enumerate() {
            let own = of.iter().zip(&losses).filter(|(of, _)| **of == idx);
            seen.loss = mean(own.filter_map(|(_, loss)| *loss));
            seen.has_gradient = seen.loss.is_some();
        }
        for (row, of) in rows.iter().zip(of) {
            seen[*of].cost += Cost::trained(row.tokens.len());
        }
        Ok(gradient)
    }
}
