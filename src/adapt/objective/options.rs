//! Objectives of the distribution over options.

use super::{Method, QuestionReadings, StepGradient, Target};
use crate::adapt::cost::Cost;
use crate::adapt::engine::Scores;
use crate::adapt::option_losses::{
    OptionLoss, cross_entropy, distribution, entropy, information, likeliest, option_entropy,
};
use crate::adapt::prompts::Prompts;
use crate::adapt::question::Question;
use crate::adapt::rows::{Row, n_tokens};
use crate::adapt::spec::Objective;
use crate::adapt::states::States;
use crate::data::Item;
use crate::error::Result;
use crate::random::SplitMix64;

/// The texts whose scores make the distribution over the options of a question.
#[derive(Debug, Clone, PartialEq)]
pub struct OptionRows {
    /// One for all options where each is one token behind the same text; else one
    /// each.
    pub rows: Vec<Row>,
    /// Scored tokens of each option, which follow each other.
    pub n_scored: Vec<usize>,
}

/// The texts of a question's options from a state, with solved questions in front.
pub fn option_rows(
    prompts: &Prompts<'_>,
    question: &Question,
    solved: &[&Item],
    state: usize,
) -> OptionRows {
    let requests = prompts.options(question, solved);
    let n_scored: Vec<usize> = requests.iter().map(|(_, of)| of.len()).collect();
    let is_alike = requests.windows(2).all(|pair| pair[0].0 == pair[1].0);
    let start = prompts.text_start;
    let rows = match requests.first() {
        Some((context, _)) if is_alike && n_scored.iter().all(|n| *n == 1) => {
            let choices: Vec<u32> = requests.iter().map(|(_, of)| of[0]).collect();
            vec![Row::choosing(state, start, context, &choices)]
        }
        _ => requests
            .iter()
            .map(|(context, of)| Row::new(state, start, context, of))
            .collect(),
    };
    OptionRows { rows, n_scored }
}

/// The distribution over the options of each question, from the log-probabilities of
/// all scored tokens.
pub fn distributions(of: &[OptionRows], log_p: &[f32]) -> Vec<Vec<f64>> {
    let mut log_p = log_p.iter();
    let mut sum = |n: usize| log_p.by_ref().take(n).map(|x| f64::from(*x)).sum();
    let of_question = |rows: &OptionRows| {
        let scores: Vec<f64> = rows.n_scored.iter().map(|n| sum(*n)).collect();
        distribution(&scores)
    };
    of.iter().map(of_question).collect()
}

/// The weight of the cross entropy of every scored token, for gradients in the
/// options' scores.
pub(super) fn weights(of: &[OptionRows], gradients: &[Vec<f64>]) -> Vec<f32> {
    let pairs = of.iter().zip(gradients);
    let weights = pairs.flat_map(|(rows, gradients)| {
        let pairs = rows.n_scored.iter().zip(gradients);
        pairs.flat_map(|(n, gradient)| std::iter::repeat_n(-*gradient as f32, *n))
    });
    weights.collect()
}

/// All texts behind each other.
pub fn all_rows(of: &[OptionRows]) -> Vec<Row> {
    of.iter().flat_map(|of| of.rows.iter().cloned()).collect()
}

/// The loss of the distributions of one state's targets, and which they are.
pub(super) type LossOf<'l> = &'l mut dyn FnMut(&[Vec<f64>], &[usize]) -> OptionLoss;

impl Method<'_> {
    /// [`Objective::OptionEntropy`] and [`Objective::Information`].
    pub(super) fn sure(&self, states: &States, targets: &[Target<'_>]) -> Result<StepGradient> {
        let of: Vec<OptionRows> = targets
            .iter()
            .map(|target| option_rows(self.prompts, target.question, &[], target.state))
            .collect();
        let loss: fn(&[Vec<f64>]) -> OptionLoss = match self.objective {
            Objective::Information => information,
            _ => option_entropy,
        };
        self.by_options(states, targets, &of, &mut |p, _| loss(p))
    }

    /// [`Objective::Views`]: what is likeliest over all orders is the target of one
    /// that is drawn.
    pub(super) fn views(
        &self,
        states: &States,
        targets: &[Target<'_>],
        n_orders: usize,
        step: usize,
    ) -> Result<StepGradient> {
        let mut of_orders = Vec::new();
        for target in targets {
            for order in 0..n_orders {
                let turned = target.question.in_order(order);
                of_orders.push(option_rows(self.prompts, &turned, &[], target.state));
            }
        }
        let rows = all_rows(&of_orders);
        let Scores { log_p, .. } = self.engine.scores(states, &rows, 1.0)?;
        let views = distributions(&of_orders, &log_p);
        let (mut trained, mut wanted) = (Vec::new(), Vec::new());
        for (idx, target) in targets.iter().enumerate() {
            let own = idx * n_orders..(idx + 1) * n_orders;
            let content = likeliest(&mean_view(&views[own.clone()]));
            let mut draws = SplitMix64::new(self.seed_of(target.question, step));
            let order = draws.below(n_orders);
            let n = views[own.start].len();
            let mut one = vec![0.0; n];
            one[(content + n - order % n) % n] = 1.0;
            trained.push(of_orders[own.start + order].clone());
            wanted.push(one);
        }
        let mut found = self.by_options(states, targets, &trained, &mut |p, chosen| {
            let wanted: Vec<_> = chosen.iter().map(|idx| wanted[*idx].clone()).collect();
            cross_entropy(p, &wanted)
        })?;
        for (seen, orders) in found.seen.iter_mut().zip(of_orders.chunks(n_orders)) {
            seen.cost += Cost::forward(n_tokens(&all_rows(orders)));
        }
        Ok(found)
    }

    /// The gradient of a loss of the distributions over options. `loss` is given
    /// those of the targets of one state, and which they are.
    pub(super) fn by_options(
        &self,
        states: &States,
        targets: &[Target<'_>],
        of: &[OptionRows],
        loss: LossOf<'_>,
    ) -> Result<StepGradient> {
        let rows = all_rows(of);
        let mut seen = vec![QuestionReadings::default(); targets.len()];
        let mut weigh = |scores: &Scores| {
            let all = distributions(of, &scores.log_p);
            let mut gradients: Vec<Vec<f64>> = all.iter().map(|p| vec![0.0; p.len()]).collect();
            for state in 0..states.len() {
                let own = targets.iter().enumerate();
                let own = own.filter(|(_, target)| target.state == state);
                let own: Vec<usize> = own.map(|(idx, _)| idx).collect();
                if own.is_empty() {
                    continue;
                }
                let p: Vec<Vec<f64>> = own.iter().map(|idx| all[*idx].clone()).collect();
                let found = loss(&p, &own);
                for (idx, gradient) in own.iter().zip(found.gradient) {
                    seen[*idx] = QuestionReadings {
                        loss: Some(found.loss),
                        entropy: Some(entropy(&all[*idx])),
                        has_gradient: true,
                        cost: Cost::trained(n_tokens(&of[*idx].rows)),
                        ..QuestionReadings::default()
                    };
                    gradients[*idx] = gradient;
                }
            }
            weights(of, &gradients)
        };
        let (_, gradient) = self.engine.gradient(states, &rows, 1.0, &mut weigh)?;
        Ok(StepGradient { gradient, seen })
    }
}

/// The mean distribution over contents of cyclic orders: behind letter i of order k
/// stands content i + k.
pub fn mean_view(views: &[Vec<f64>]) -> Vec<f64> {
    let n = views.first().map_or(0, Vec::len);
    let mut mean = vec![0.0; n];
    for (order, view) in views.iter().enumerate() {
        for (letter, p) in view.iter().enumerate() {
            mean[(letter + order) % n] += p / views.len() as f64;
        }
    }
    mean
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A model that always says A spreads over all contents; one that knows content 2
    /// finds it behind another letter of every order.
    #[test]
    fn views_are_averaged_by_what_stands_behind_a_letter() {
        let always_a = vec![vec![1.0, 0.0, 0.0, 0.0]; 4];
        assert_eq!(mean_view(&always_a), [0.25; 4]);
        let knows_2: Vec<Vec<f64>> = (0..4_usize)
            .map(|order| {
                let mut p = vec![0.0; 4];
                p[(2 + 4 - order) % 4] = 1.0;
                p
            })
            .collect();
        assert_eq!(mean_view(&knows_2), [0.0, 0.0, 1.0, 0.0]);
    }
}
