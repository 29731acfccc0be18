//! What a guide's answer is worth without moving a state.

use std::time::Instant;

use super::votes::VoteSamples;
use super::{Baselines, OnBaseline};
use crate::adapt::cost::Cost;
use crate::adapt::outcome::{Kind, Outcome};
use crate::adapt::rollout::{RolloutPrompt, Writing, roll_out};
use crate::adapt::votes::{Ballot, majority};
use crate::bench::FewShot;
use crate::error::Result;

/// How many votes a guide's answer counts, beside those that are drawn.
const GUIDE_VOTES: [usize; 2] = [4, 8];

impl Baselines<'_> {
    /// The guide's own answers, and combinations of them with the model's.
    pub(super) fn guided(
        &self,
        done: OnBaseline<'_>,
        progress: &mut dyn FnMut() -> Result<()>,
    ) -> Result<()> {
        let n = self.n_votes();
        let last = format!("guide's answer if it is among {n}");
        if (self.is_known)(&last) {
            return Ok(());
        }
        self.read_guide(done, progress)?;
        let drawn = self.draw(n, 0.7, progress)?;
        for votes in GUIDE_VOTES {
            let name = format!("vote of {n} and guide's answer as {votes}");
            if !(self.is_known)(&name) {
                done(self.with_guide(&drawn, n, &name, |ballots, answer| {
                    let guide = Ballot {
                        answer: Some(answer.to_owned()),
                        mean_log_p: 0.0,
                    };
                    let all = ballots.iter().cloned();
                    let all: Vec<Ballot> = all.chain(std::iter::repeat_n(guide, votes)).collect();
                    majority(&all).map(|of| of.answer)
                }))?;
            }
        }
        done(self.with_guide(&drawn, n, &last, |ballots, answer| {
            let is_among = ballots
                .iter()
                .any(|of| of.answer.as_deref() == Some(answer));
            match is_among {
                true => Some(answer.to_owned()),
                false => majority(ballots).map(|of| of.answer),
            }
        }))
    }

    /// The question and the guide's text as if solved before, then the question again.
    fn read_guide(
        &self,
        done: OnBaseline<'_>,
        progress: &mut dyn FnMut() -> Result<()>,
    ) -> Result<()> {
        const NAME: &str = "the guide's text in front";
        if (self.is_known)(NAME) {
            return Ok(());
        }
        let start = Instant::now();
        let asked: Vec<RolloutPrompt> = self
            .questions
            .iter()
            .map(|question| {
                let own = self.prompts.written(question, &[]);
                let text = self.guide.and_then(|guide| guide.text(question));
                let prompt = match text {
                    Some(text) => [own.as_slice(), &text.tokens, &own].concat(),
                    None => own,
                };
                RolloutPrompt {
                    state: 0,
                    prompt,
                    seed: 0,
                }
            })
            .collect();
        let writing = Writing {
            group: 1,
            temperature: None,
        };
        let mut cost = self.guide_cost();
        let written = roll_out(
            self.engine,
            self.prompts,
            self.base,
            &asked,
            writing,
            &mut cost,
            &mut |_| progress(),
        )?;
        let (mut right, mut n_valid) = (Vec::new(), 0);
        for (idx, group) in written.iter().enumerate() {
            let ballot = self.ballots(group);
            n_valid += usize::from(ballot[0].answer.is_some());
            let text = self.prompts.answer_text(&group[0].tokens);
            right.push(self.exam.is_right_text(idx, &text));
        }
        let valid = n_valid as f64 / right.len().max(1) as f64;
        let mut outcome = self.chosen(NAME, Kind::Baseline, right, valid, cost);
        outcome.secs = start.elapsed().as_secs_f64();
        done(outcome)
    }

    fn with_guide(
        &self,
        drawn: &VoteSamples,
        n: usize,
        name: &str,
        choose: impl Fn(&[Ballot], &str) -> Option<String>,
    ) -> Outcome {
        let (mut right, mut n_valid) = (Vec::new(), 0);
        for (idx, (question, group)) in self.questions.iter().zip(&drawn.groups).enumerate() {
            let ballots = self.ballots(&group[..n]);
            let text = self.guide.and_then(|guide| guide.text(question));
            let answer = text.and_then(|text| text.answer.as_deref());
            let chosen = match answer {
                Some(answer) => choose(&ballots, answer),
                None => majority(&ballots).map(|of| of.answer),
            };
            n_valid += usize::from(chosen.is_some());
            right.push(chosen.is_some_and(|answer| {
                // The first text that says so: of the model, else of the guide.
                let says = |ballot: &Ballot| ballot.answer.as_deref() == Some(&answer);
                let own = ballots.iter().position(says);
                let own = own.map(|of| self.prompts.answer_text(&group[of].tokens));
                let text = own.or_else(|| text.map(|of| of.text.clone()));
                text.is_some_and(|text| self.exam.is_right_text(idx, &text))
            }));
        }
        let valid = n_valid as f64 / right.len().max(1) as f64;
        let cost = drawn.cost(n) + self.guide_cost();
        let mut outcome = self.chosen(name, Kind::Baseline, right, valid, cost);
        outcome.secs = drawn.secs;
        outcome
    }

    /// The state after solved questions were read: what a recurrent model has for
    /// nothing.
    pub(super) fn read_state(
        &self,
        done: OnBaseline<'_>,
        progress: &mut dyn FnMut() -> Result<()>,
    ) -> Result<()> {
        let n = self.spec.baselines.examples;
        let name = format!("the state after {n} solved questions");
        if n == 0 || (self.is_known)(&name) {
            return Ok(());
        }
        progress()?;
        let start = Instant::now();
        let mut seen = std::collections::BTreeSet::new();
        // One of each subject first, where there are subjects.
        let first = self
            .solved
            .iter()
            .filter(|item| seen.insert(item.subject()));
        let rest = self.solved.iter();
        let solved: Vec<_> = match self.questions.first().and_then(|of| of.subject()) {
            Some(_) => first.take(n).collect(),
            None => rest.take(n).collect(),
        };
        let text: String = solved
            .iter()
            .map(|item| {
                let protocol = self.prompts.protocol;
                let example = protocol.training_example(item, self.prompts.tokenizer);
                self.prompts.tokenizer.decode(&example.tokens)
            })
            .collect();
        let tokens = self
            .prompts
            .text_start
            .with(&self.prompts.tokenizer.encode(&text));
        let states = self.base.after(self.engine.model, &tokens);
        let mut marks = self.marks(&states, FewShot::default(), progress)?;
        marks.cost += Cost::forward(tokens.len());
        let secs = start.elapsed().as_secs_f64();
        done(Outcome::new(name, Kind::Baseline, &marks, secs))
    }

    /// How the guide itself did; questions without a text of it are wrong.
    pub fn guides_own(&self) -> Option<Outcome> {
        let guide = self.guide?;
        let (mut right, mut n_valid) = (Vec::new(), 0);
        for (idx, question) in self.questions.iter().enumerate() {
            let text = guide.text(question);
            n_valid += usize::from(text.is_some());
            right.push(
                text.is_some_and(|of| self.exam.is_right(idx, &of.text, of.answer.as_deref())),
            );
        }
        let valid = n_valid as f64 / right.len().max(1) as f64;
        let cost = Cost::guide(guide.n_tokens());
        Some(self.chosen("the guide itself", Kind::Guide, right, valid, cost))
    }

    /// The share of `answers` that are the guide's.
    pub fn copies(&self, answers: &[Option<String>]) -> Option<f64> {
        let guide = self.guide?;
        let pairs = self.questions.iter().zip(answers);
        let pairs = pairs.filter_map(|(question, own)| {
            let of_guide = guide.text(question)?.answer.as_ref()?;
            Some(own.as_ref() == Some(of_guide))
        });
        let same: Vec<bool> = pairs.collect();
        let n = same.iter().filter(|same| **same).count();
        (!same.is_empty()).then(|| n as f64 / same.len() as f64)
    }
}
