//! What the base knows behind solved questions, learned without them.

use super::options::{all_rows, distributions, option_rows};
use super::{Method, QuestionReadings, StepGradient, Target, counts, mean, seed_of};
use crate::adapt::cost::Cost;
use crate::adapt::distributions::{Teacher, TokenLoss};
use crate::adapt::engine::Scores;
use crate::adapt::option_losses::cross_entropy;
use crate::adapt::prompts::fitting;
use crate::adapt::question::Question;
use crate::adapt::rollout::{RolloutPrompt, Writing, roll_out};
use crate::adapt::rows::{Row, n_tokens};
use crate::adapt::states::States;
use crate::data::Item;
use crate::error::Result;
use crate::random::SplitMix64;

impl Method<'_> {
    /// [`crate::adapt::spec::Objective::ContextDistillation`]. The teacher is the
    /// base, which stays, so that what it says of a question is always the same.
    pub(super) fn distilled(
        &self,
        states: &States,
        targets: &[Target<'_>],
        examples: usize,
        draws: usize,
        progress: &mut dyn FnMut() -> Result<()>,
    ) -> Result<StepGradient> {
        match targets.first() {
            Some(target) if target.question.options().is_empty() => {
                self.distilled_answers(states, targets, examples, draws, progress)
            }
            Some(_) | None => self.distilled_options(states, targets, examples, draws),
        }
    }

    fn distilled_options(
        &self,
        states: &States,
        targets: &[Target<'_>],
        examples: usize,
        draws: usize,
    ) -> Result<StepGradient> {
        let mut of_draws = Vec::new();
        for target in targets {
            for draw in 0..draws {
                let solved = self.drawn(target.question, examples, draw);
                of_draws.push(option_rows(self.prompts, target.question, &solved, 0));
            }
        }
        let rows = all_rows(&of_draws);
        let Scores { log_p, .. } = self.engine.scores(self.base, &rows, 1.0)?;
        let of_teacher = distributions(&of_draws, &log_p);
        let wanted: Vec<Vec<f64>> = of_teacher
            .chunks(draws)
            .map(crate::adapt::option_losses::mean)
            .collect();
        let own: Vec<_> = targets
            .iter()
            .map(|target| option_rows(self.prompts, target.question, &[], target.state))
            .collect();
        let mut found = self.by_options(states, targets, &own, &mut |p, chosen| {
            let wanted: Vec<_> = chosen.iter().map(|idx| wanted[*idx].clone()).collect();
            cross_entropy(p, &wanted)
        })?;
        for (seen, own) in found.seen.iter_mut().zip(of_draws.chunks(draws)) {
            seen.cost += Cost::forward(n_tokens(&all_rows(own)));
        }
        Ok(found)
    }

    fn distilled_answers(
        &self,
        states: &States,
        targets: &[Target<'_>],
        examples: usize,
        draws: usize,
        progress: &mut dyn FnMut() -> Result<()>,
    ) -> Result<StepGradient> {
        let prompts = |draw: usize| -> Vec<Vec<u32>> {
            let prompt = |target: &Target<'_>| {
                let solved = self.drawn(target.question, examples, draw);
                self.prompts.written(target.question, &solved)
            };
            targets.iter().map(prompt).collect()
        };
        let asked: Vec<RolloutPrompt> = prompts(0)
            .into_iter()
            .map(|prompt| RolloutPrompt {
                state: 0,
                prompt,
                seed: 0,
            })
            .collect();
        let writing = Writing {
            group: 1,
            temperature: None,
        };
        let answers = roll_out(
            self.engine,
            self.prompts,
            self.base,
            &asked,
            writing,
            &mut Cost::default(),
            &mut |_| progress(),
        )?;
        let answers: Vec<&[u32]> = answers.iter().map(|of| of[0].tokens.as_slice()).collect();
        // One group of one answer each.
        let written = asked.iter().zip(&answers);
        let written: Vec<usize> = written
            .map(|(asked, answer)| asked.prompt.len() + answer.len())
            .collect();
        let start = self.prompts.text_start;
        let rows: Vec<Row> = targets
            .iter()
            .zip(&answers)
            .map(|(target, answer)| {
                let context = self.prompts.written(target.question, &[]);
                Row::new(target.state, start, &context, answer)
            })
            .collect();
        let teacher = Teacher {
            engine: self.engine,
            states: self.base,
            draws: (0..draws)
                .map(|draw| {
                    let pairs = prompts(draw).into_iter().zip(&answers);
                    let rows = pairs.map(|(prompt, answer)| Row::new(0, start, &prompt, answer));
                    rows.collect()
                })
                .collect(),
        };
        let cost = |idx: usize| {
            let of_draws = teacher.draws.iter().map(|rows| rows[idx].tokens.len());
            let read = written[idx] + of_draws.sum::<usize>();
            Cost::forward(read) + Cost::trained(rows[idx].tokens.len())
        };
        let loss = TokenLoss::Soft(&teacher, None);
        let (losses, gradient) = self.of_distributions(states, targets, &rows, 1.0, &loss)?;
        let seen = losses
            .into_iter()
            .enumerate()
            .map(|(idx, loss)| QuestionReadings {
                has_gradient: loss.is_some(),
                loss,
                cost: cost(idx),
                ..QuestionReadings::default()
            });
        let seen = seen.collect();
        Ok(StepGradient { gradient, seen })
    }

    /// The gradient of the mean of a loss of the distributions over the scored places
    /// of each state, and the mean loss of each row.
    pub(super) fn of_distributions(
        &self,
        states: &States,
        targets: &[Target<'_>],
        rows: &[Row],
        temperature: f32,
        loss: &TokenLoss<'_>,
    ) -> Result<(Vec<Option<f64>>, Option<burn::tensor::Tensor<4>>)> {
        debug_assert!(targets.len() <= rows.len());
        let n = counts(
            states.len(),
            rows.iter().map(|row| (row.state, row.scored.len())),
        );
        let weights: Vec<f32> = rows
            .iter()
            .flat_map(|row| std::iter::repeat_n(1.0 / n[row.state], row.scored.len()))
            .collect();
        let (losses, gradient) =
            self.engine
                .distribution_gradient(states, rows, temperature, &weights, loss)?;
        let mut losses = losses.into_iter();
        let of_rows = rows.iter().map(|row| {
            let own = losses.by_ref().take(row.scored.len());
            mean(own.map(f64::from))
        });
        Ok((of_rows.collect(), gradient))
    }

    /// The solved questions of a draw.
    pub(super) fn drawn(&self, question: &Question, n: usize, draw: usize) -> Vec<&Item> {
        let all = fitting(self.solved, question, usize::MAX);
        // The same ones in front of all questions of a subject, another set a draw.
        let subject = question.subject().unwrap_or_default();
        let mut draws = SplitMix64::new(seed_of(self.seed, subject, draw));
        let mut left: Vec<&Item> = all;
        let mut drawn = Vec::new();
        while drawn.len() < n && !left.is_empty() {
            drawn.push(left.swap_remove(draws.below(left.len())));
        }
        drawn
    }
}
