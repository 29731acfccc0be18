//! Votes over written answers: as many as the adaptation's tokens buy.

use std::time::Instant;

use super::{Baselines, OnBaseline};
use crate::adapt::cost::Cost;
use crate::adapt::objective::seed_of;
use crate::adapt::outcome::{Kind, Outcome};
use crate::adapt::rollout::{Rollout, RolloutPrompt, Writing, roll_out};
use crate::adapt::votes::{Ballot, majority};
use crate::error::Result;

/// Temperatures that votes are taken at, with their names.
const TEMPERATURES: [(f32, &str); 2] = [(1.0, "1"), (0.7, "0.7")];

/// Answers of every question, and what the first so many cost.
pub(super) struct VoteSamples {
    pub groups: Vec<Vec<Rollout>>,
    /// Tokens of the prompts.
    n_read: usize,
    pub secs: f64,
}

impl VoteSamples {
    /// What the first `n` answers of each question cost.
    pub fn cost(&self, n: usize) -> Cost {
        let written = self.groups.iter().flat_map(|group| &group[..n]);
        let written: usize = written.map(|of| of.tokens.len()).sum();
        Cost::forward(self.n_read + written)
    }
}

impl Baselines<'_> {
    pub(super) fn votes(
        &self,
        done: OnBaseline<'_>,
        progress: &mut dyn FnMut() -> Result<()>,
    ) -> Result<()> {
        for (temperature, name) in TEMPERATURES {
            let n = self.n_votes();
            let last = format!("vote of {n}, temperature {name}");
            if (self.is_known)(&last) {
                continue;
            }
            let drawn = self.draw(n, temperature, progress)?;
            for n in sizes(n) {
                let vote = self.vote(&drawn, n, &format!("vote of {n}, temperature {name}"));
                if !(self.is_known)(&vote.name) && vote.name != last {
                    done(vote)?;
                }
            }
            if temperature == 1.0 {
                for of in [self.likeliest(&drawn, n), self.ceiling(&drawn, n)] {
                    if !(self.is_known)(&of.name) {
                        done(of)?;
                    }
                }
            }
            // The largest one last: where it is known, all of them are.
            done(Outcome {
                is_capped: self.n_bought() > n,
                ..self.vote(&drawn, n, &last)
            })?;
        }
        Ok(())
    }

    /// How many answers are taken: what the adaptation's tokens buy, up to a limit.
    pub(super) fn n_votes(&self) -> usize {
        self.n_bought().min(self.spec.baselines.max_votes)
    }

    /// How many answers the adaptation's tokens buy.
    fn n_bought(&self) -> usize {
        let n_items = self.questions.len().max(1) as f64;
        let of_base = self.of_base.cost.total() / n_items;
        let prompt = |question| self.prompts.written(question, &[]).len() as f64;
        let read = self.questions.iter().map(prompt).sum::<f64>() / n_items;
        let one = (of_base - read).max(1.0);
        ((self.tokens - read) / one).floor().max(1.0) as usize
    }

    pub(super) fn draw(
        &self,
        n: usize,
        temperature: f32,
        progress: &mut dyn FnMut() -> Result<()>,
    ) -> Result<VoteSamples> {
        let start = Instant::now();
        let asked: Vec<RolloutPrompt> = self
            .questions
            .iter()
            .map(|question| RolloutPrompt {
                state: 0,
                prompt: self.prompts.written(question, &[]),
                // Not the answers that an adaptation of this seed would draw.
                seed: seed_of(!self.spec.seed, &question.id, 0),
            })
            .collect();
        let writing = Writing {
            group: n,
            temperature: Some(temperature),
        };
        let mut cost = Cost::default();
        let groups = roll_out(
            self.engine,
            self.prompts,
            self.base,
            &asked,
            writing,
            &mut cost,
            &mut |_| progress(),
        )?;
        let n_read = asked
            .iter()
            .map(|of| self.prompts.text_start.with(&of.prompt).len());
        Ok(VoteSamples {
            groups,
            n_read: n_read.sum(),
            secs: start.elapsed().as_secs_f64(),
        })
    }

    fn vote(&self, drawn: &VoteSamples, n: usize, name: &str) -> Outcome {
        let chosen = |group: &Vec<Rollout>| {
            let ballots = self.ballots(&group[..n]);
            majority(&ballots).map(|of| of.first)
        };
        self.of_choice(drawn, n, name, chosen)
    }

    /// The likeliest of the answers that are over, token by token.
    fn likeliest(&self, drawn: &VoteSamples, n: usize) -> Outcome {
        let chosen = |group: &Vec<Rollout>| {
            let ballots = self.ballots(&group[..n]);
            let valid = ballots
                .iter()
                .enumerate()
                .filter(|(_, of)| of.answer.is_some());
            let best = valid.max_by(|(_, a), (_, b)| a.mean_log_p.total_cmp(&b.mean_log_p));
            best.map(|(idx, _)| idx)
        };
        self.of_choice(drawn, n, &format!("likeliest of {n}"), chosen)
    }

    /// Whether any of the answers is right.
    fn ceiling(&self, drawn: &VoteSamples, n: usize) -> Outcome {
        let right = drawn.groups.iter().enumerate().map(|(idx, group)| {
            let mut texts = group[..n]
                .iter()
                .map(|of| self.prompts.answer_text(&of.tokens));
            texts.any(|text| self.exam.is_right_text(idx, &text))
        });
        let name = format!("any of {n} right");
        let mut outcome = self.chosen(&name, Kind::Ceiling, right.collect(), 1.0, drawn.cost(n));
        outcome.secs = drawn.secs;
        outcome
    }

    pub(super) fn ballots(&self, group: &[Rollout]) -> Vec<Ballot> {
        group
            .iter()
            .map(|of| Ballot::of(of, self.prompts))
            .collect()
    }

    fn of_choice(
        &self,
        drawn: &VoteSamples,
        n: usize,
        name: &str,
        chosen: impl Fn(&Vec<Rollout>) -> Option<usize>,
    ) -> Outcome {
        let (mut right, mut n_valid) = (Vec::new(), 0);
        for (idx, group) in drawn.groups.iter().enumerate() {
            let chosen = chosen(group);
            n_valid += usize::from(chosen.is_some());
            right.push(chosen.is_some_and(|of| {
                let text = self.prompts.answer_text(&group[of].tokens);
                self.exam.is_right_text(idx, &text)
            }));
        }
        let valid = n_valid as f64 / right.len().max(1) as f64;
        let mut outcome = self.chosen(name, Kind::Baseline, right, valid, drawn.cost(n));
        outcome.secs = drawn.secs;
        outcome
    }
}

/// 1, 2, 4, 8 … and `n` itself.
fn sizes(n: usize) -> Vec<usize> {
    let powers = (0..usize::BITS).map(|bit| 1_usize << bit);
    let mut sizes: Vec<usize> = powers.take_while(|size| *size < n).collect();
    sizes.push(n);
    sizes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn votes_are_counted_at_powers_of_two_and_at_the_end() {
        assert_eq!(sizes(1), [1]);
        assert_eq!(sizes(8), [1, 2, 4, 8]);
        assert_eq!(sizes(11), [1, 2, 4, 8, 11]);
    }
}
