//! The answers to all questions, batch by batch. What an answer is follows from its
//! question and the seed, so that it is the same after a stop.

use super::files::Files;
use super::question::{Kind, Question};
use super::settings::{Answer, Sampled, Settings};
use crate::adapt::cost::Cost;
use crate::adapt::engine::Engine;
use crate::adapt::prompts::Prompts;
use crate::adapt::rollout::{RolloutPrompt, Writing, roll_out};
use crate::adapt::rows::Row;
use crate::adapt::states::States;
use crate::error::{Error, Result};
use crate::random::SplitMix64;

/// Answers of one part, which is saved as a whole.
pub const ANSWERS_OF_A_PART: usize = 256;
/// Questions of one part whose options are weighed.
const QUESTIONS_OF_A_PART: usize = 128;

/// How far it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// Answers that are complete.
    pub done: usize,
    /// Answers in all.
    pub total: usize,
    /// Questions that are saved.
    pub questions: usize,
    /// Those of them with an answer that can be used.
    pub solved: usize,
}

/// A model that answers questions.
pub struct Job<'a> {
    /// The model.
    pub engine: Engine<'a>,
    /// One state, the one that it starts from.
    pub states: &'a States,
    /// How answers end.
    pub prompts: &'a Prompts<'a>,
    /// What is asked.
    pub questions: &'a [Question],
    /// How.
    pub settings: &'a Settings,
    /// About so many written answers are saved together: [`ANSWERS_OF_A_PART`].
    pub answers_of_a_part: usize,
}

impl Job<'_> {
    /// Answers what is not in `known` yet and saves it part by part. `tell` hears how
    /// far it is; its error ends the work, and what is saved stays.
    ///
    /// # Errors
    /// What the device, the disk or `tell` reports.
    pub fn run(
        &self,
        files: &Files,
        known: Vec<Sampled>,
        tell: &mut dyn FnMut(Progress) -> Result<()>,
    ) -> Result<Vec<Sampled>> {
        let mut all = known;
        let samples = self.settings.samples;
        while let Some(first) = self.questions.get(all.len()) {
            let rest = &self.questions[all.len()..];
            let is_written = matches!(first.kind, Kind::Written { .. });
            let most = match is_written {
                true => (self.answers_of_a_part / samples).max(1),
                false => QUESTIONS_OF_A_PART,
            };
            let part = &rest[..most.min(rest.len())];
            let mut progress = Progress {
                done: all.len() * samples,
                total: self.questions.len() * samples,
                questions: all.len(),
                solved: all.iter().filter(|of| !of.usable().is_empty()).count(),
            };
            tell(progress)?;
            let before = progress.done;
            let mut tell_part = |n_done: usize| {
                progress.done = before + n_done;
                tell(progress)
            };
            let sampled = match is_written {
                true => self.write(part, all.len(), &mut tell_part)?,
                false => self.choose(part, all.len())?,
            };
            files.add(&sampled)?;
            all.extend(sampled);
        }
        Ok(all)
    }

    /// The seed of the answers to the question at a place.
    fn seed(&self, place: usize) -> u64 {
        SplitMix64::mix(self.settings.seed, place as u64)
    }

    /// Written answers to questions, the first of which is at the place `first`.
    fn write(
        &self,
        questions: &[Question],
        first: usize,
        progress: &mut dyn FnMut(usize) -> Result<()>,
    ) -> Result<Vec<Sampled>> {
        let asked = questions
            .iter()
            .enumerate()
            .map(|(idx, question)| RolloutPrompt {
                state: 0,
                prompt: match &question.kind {
                    Kind::Written { asked, .. } => asked.clone(),
                    Kind::Options { .. } => Vec::new(),
                },
                seed: self.seed(first + idx),
            });
        let asked: Vec<RolloutPrompt> = asked.collect();
        let writing = Writing {
            group: self.settings.samples,
            temperature: Some(self.settings.temperature),
        };
        let mut cost = Cost::default();
        let groups = roll_out(
            self.engine,
            self.prompts,
            self.states,
            &asked,
            writing,
            &mut cost,
            progress,
        )?;
        let sampled = questions.iter().zip(groups).map(|(question, group)| {
            let answers = group.into_iter().map(|rollout| {
                let text = self.prompts.answer_text(&rollout.tokens);
                Answer {
                    right: question.is_right(&text),
                    ended: rollout.ended,
                    text,
                }
            });
            Sampled {
                id: question.id.clone(),
                answers: answers.collect(),
            }
        });
        Ok(sampled.collect())
    }

    /// Options that are drawn by their likelihoods.
    fn choose(&self, questions: &[Question], first: usize) -> Result<Vec<Sampled>> {
        let requests = questions.iter().flat_map(|question| match &question.kind {
            Kind::Options { requests, .. } => requests.as_slice(),
            Kind::Written { .. } => &[],
        });
        let start = self.prompts.text_start;
        let rows: Vec<Row> = requests
            .map(|(context, of)| Row::new(0, start, context, of))
            .collect();
        let scores = self.engine.scores(self.states, &rows, 1.0)?;
        let mut log_p = scores.log_p.into_iter().map(f64::from);
        let temperature = f64::from(self.settings.temperature);
        let sampled = questions
            .iter()
            .enumerate()
            .map(|(idx, question)| -> Result<Sampled> {
                let mut answers = Vec::new();
                if let Kind::Options {
                    requests,
                    options,
                    gold,
                    ..
                } = &question.kind
                {
                    let sums = requests
                        .iter()
                        .map(|(_, of)| log_p.by_ref().take(of.len()).sum::<f64>() / temperature);
                    let sums: Vec<f64> = sums.collect();
                    let mut draws = SplitMix64::new(self.seed(first + idx));
                    for _ in 0..self.settings.samples {
                        let option = drawn(&sums, draws.share())?;
                        answers.push(Answer {
                            text: options[option].clone(),
                            right: option == *gold,
                            ended: true,
                        });
                    }
                }
                Ok(Sampled {
                    id: question.id.clone(),
                    answers,
                })
            });
        sampled.collect()
    }
}

/// The place that `share`, from 0 to 1, falls on among weights with these logarithms.
fn drawn(logs: &[f64], share: f64) -> Result<usize> {
    let most = logs.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let weights: Vec<f64> = logs.iter().map(|log| (log - most).exp()).collect();
    let sum: f64 = weights.iter().sum();
    if !sum.is_finite() {
        let reason = tr!("the model's logits are not finite; a state that diverged can cause this");
        return Err(Error::Device(reason.into()));
    }
    let mut left = share * sum;
    for (idx, weight) in weights.iter().enumerate() {
        if left < *weight {
            return Ok(idx);
        }
        left -= weight;
    }
    Ok(logs.len().saturating_sub(1))
}

#[cfg(test)]
#[path = "job_tests.rs"]
mod tests;
