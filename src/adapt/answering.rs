//! Adapted states as a model that answers a benchmark: item i from state i, or all
//! from one.

use super::cost::Cost;
use super::engine::Engine;
use super::prompts::Prompts;
use super::rollout::{RolloutPrompt, Writing, roll_out};
use super::rows::Row;
use super::states::States;
use crate::bench::{LanguageModel, Request};
use crate::error::Result;
use crate::model::TextStart;

/// A model whose every item has a state of its own.
pub struct Answering<'a> {
    /// The model.
    pub engine: Engine<'a>,
    /// One state, or as many as there are items.
    pub states: &'a States,
    /// How answers end.
    pub prompts: &'a Prompts<'a>,
}

impl Answering<'_> {
    fn state_of(&self, item: usize) -> usize {
        if self.states.len() == 1 { 0 } else { item }
    }
}

impl LanguageModel for Answering<'_> {
    fn text_start(&self) -> Option<TextStart> {
        Some(self.prompts.text_start)
    }

    fn log_likelihoods(
        &mut self,
        groups: &[Vec<Request>],
        progress: &mut dyn FnMut(usize, usize) -> Result<()>,
    ) -> Result<Vec<Vec<f64>>> {
        let mut all = Vec::with_capacity(groups.len());
        // Parts, so that an interrupt is heard.
        for (part_idx, part) in groups.chunks(256).enumerate() {
            progress(part_idx * 256, groups.len())?;
            let first = part_idx * 256;
            let rows: Vec<Row> = part
                .iter()
                .enumerate()
                .flat_map(|(idx, group)| {
                    let state = self.state_of(first + idx);
                    let start = self.prompts.text_start;
                    let rows = group.iter();
                    rows.map(move |(context, of)| Row::new(state, start, context, of))
                })
                .collect();
            let scores = self.engine.scores(self.states, &rows, 1.0)?;
            let mut log_p = scores.log_p.into_iter();
            for group in part {
                let sums = group.iter().map(|(_, of)| {
                    let own = log_p.by_ref().take(of.len());
                    own.map(f64::from).sum()
                });
                all.push(sums.collect());
            }
        }
        progress(groups.len(), groups.len())?;
        Ok(all)
    }

    fn generate(
        &mut self,
        prompts: &[Vec<u32>],
        max_new_tokens: usize,
        _stop: &dyn Fn(&[u32]) -> bool,
        progress: &mut dyn FnMut(usize, usize) -> Result<()>,
    ) -> Result<Vec<Vec<u32>>> {
        let asked: Vec<RolloutPrompt> = prompts
            .iter()
            .enumerate()
            .map(|(idx, prompt)| RolloutPrompt {
                state: self.state_of(idx),
                prompt: prompt.clone(),
                seed: 0,
            })
            .collect();
        let writing = Writing {
            group: 1,
            temperature: None,
        };
        // What ends an answer is the same as `stop` says.
        let own = Prompts {
            max_new_tokens,
            ..*self.prompts
        };
        let mut told = |n_done| progress(n_done, asked.len());
        let mut cost = Cost::default();
        let written = roll_out(
            self.engine,
            &own,
            self.states,
            &asked,
            writing,
            &mut cost,
            &mut told,
        )?;
        Ok(written
            .into_iter()
            .map(|mut of| of.swap_remove(0).tokens)
            .collect())
    }
}
