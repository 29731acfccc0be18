//! Groups of answers that the model writes itself.

use super::{Method, QuestionReadings, Target, mean};
use crate::adapt::cost::Cost;
use crate::adapt::distributions::Teacher;
use crate::adapt::question::Question;
use crate::adapt::rollout::{Rollout, RolloutPrompt, Writing, roll_out};
use crate::adapt::rows::Row;
use crate::adapt::states::States;
use crate::adapt::votes::{Ballot, majority, n_different};
use crate::error::{Error, Result};

/// The answers to a question.
pub(super) struct Group {
    pub rollouts: Vec<Rollout>,
    pub ballots: Vec<Ballot>,
    pub prompt: Vec<u32>,
}

impl Method<'_> {
    pub(super) fn groups(
        &self,
        states: &States,
        targets: &[Target<'_>],
        step: usize,
        progress: &mut dyn FnMut() -> Result<()>,
    ) -> Result<Vec<Group>> {
        let asked: Vec<RolloutPrompt> = targets
            .iter()
            .map(|target| RolloutPrompt {
                state: target.state,
                prompt: self.prompts.written(target.question, &[]),
                seed: self.seed_of(target.question, step),
            })
            .collect();
        let writing = Writing {
            group: self.group,
            temperature: Some(self.temperature),
        };
        let written = roll_out(
            self.engine,
            self.prompts,
            states,
            &asked,
            writing,
            &mut Cost::default(),
            &mut |_| progress(),
        )?;
        let groups = written
            .into_iter()
            .zip(asked)
            .map(|(rollouts, asked)| Group {
                ballots: rollouts
                    .iter()
                    .map(|of| Ballot::of(of, self.prompts))
                    .collect(),
                rollouts,
                prompt: asked.prompt,
            });
        Ok(groups.collect())
    }

    /// What can be seen of a group without any objective.
    pub(super) fn seen(&self, group: &Group) -> QuestionReadings {
        let n = group.ballots.len() as f64;
        let n_valid = group
            .ballots
            .iter()
            .filter(|of| of.answer.is_some())
            .count();
        let of_most = majority(&group.ballots).map_or(0, |of| of.n_votes);
        let rollouts = group.rollouts.iter();
        let n_read = self.prompts.text_start.with(&group.prompt).len();
        let n_written: usize = rollouts.clone().map(|of| of.tokens.len()).sum();
        QuestionReadings {
            cost: Cost::forward(n_read + n_written),
            majority: Some(of_most as f64 / n),
            n_different: Some(n_different(&group.ballots) as f64),
            length: mean(rollouts.clone().map(|of| of.tokens.len() as f64)),
            valid: Some(n_valid as f64 / n),
            answers: rollouts
                .map(|of| self.prompts.answer_text(&of.tokens))
                .collect(),
            ..QuestionReadings::default()
        }
    }

    pub(super) fn row(&self, target: &Target<'_>, group: &Group, rollout: &Rollout) -> Row {
        let start = self.prompts.text_start;
        Row::new(target.state, start, &group.prompt, &rollout.tokens)
    }

    /// A row of every answer, and the target that it belongs to.
    pub(super) fn rows_of_all(
        &self,
        targets: &[Target<'_>],
        groups: &[Group],
    ) -> (Vec<Row>, Vec<usize>) {
        let (mut rows, mut of) = (Vec::new(), Vec::new());
        for (idx, group) in groups.iter().enumerate() {
            for rollout in &group.rollouts {
                rows.push(self.row(&targets[idx], group, rollout));
                of.push(idx);
            }
        }
        (rows, of)
    }

    pub(super) fn answered<'t>(
        &self,
        targets: &'t [Target<'_>],
        groups: &'t [Group],
    ) -> impl Iterator<Item = (&'t Question, Vec<u32>)> {
        let pairs = targets.iter().zip(groups);
        pairs.flat_map(|(target, group)| {
            let rollouts = group.rollouts.iter();
            rollouts.map(|of| (target.question, of.tokens.clone()))
        })
    }

    /// The local guide as it reads these answers.
    pub(super) fn teacher<'q>(
        &self,
        answers: impl Iterator<Item = (&'q Question, Vec<u32>)>,
    ) -> Result<Teacher<'_>> {
        let guide = self.guide.and_then(|guide| guide.local());
        let local = guide.ok_or_else(no_local_guide)?;
        let rows = answers.map(|(question, tokens)| local.row(self.prompts, question, &tokens));
        Ok(Teacher {
            engine: local.engine,
            states: &local.states,
            draws: vec![rows.collect()],
        })
    }
}

pub(super) fn no_local_guide() -> Error {
    Error::spec("guide", tr!("this objective needs a local guide"))
}
