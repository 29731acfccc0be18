//! Another RWKV in this process: the same vocabulary, other weights or another state.

use super::{GuideText, taken};
use crate::adapt::cost::Cost;
use crate::adapt::engine::Engine;
use crate::adapt::prompts::{Prompts, fitting};
use crate::adapt::question::Question;
use crate::adapt::rollout::{RolloutPrompt, Writing, roll_out};
use crate::adapt::rows::Row;
use crate::adapt::states::States;
use crate::atomic::sha256_hex;
use crate::data::Item;
use crate::error::Result;
use crate::model::TextStart;

/// Another RWKV in this process.
pub struct LocalGuide<'a> {
    /// Its weights.
    pub engine: Engine<'a>,
    /// What it starts from: one state.
    pub states: States,
    /// What its texts begin with.
    pub text_start: TextStart,
    /// Solved questions that go in front.
    pub solved: Vec<Item>,
    /// How many of them.
    pub examples: usize,
    /// What files call it.
    pub name: String,
}

impl LocalGuide<'_> {
    fn in_front<'s>(&'s self, question: &Question) -> Vec<&'s Item> {
        fitting(&self.solved, question, self.examples)
    }

    /// A question and an answer as the guide reads them.
    pub fn row(&self, prompts: &Prompts<'_>, question: &Question, tokens: &[u32]) -> Row {
        let context = prompts.written(question, &self.in_front(question));
        Row::new(0, self.text_start, &context, tokens)
    }

    /// The guide's likeliest answer to every question, as far as it can be used.
    ///
    /// # Errors
    /// What the device or `progress` reports.
    pub fn texts(
        &self,
        prompts: &Prompts<'_>,
        questions: &[Question],
        progress: &mut dyn FnMut(usize) -> Result<()>,
    ) -> Result<Vec<GuideText>> {
        // Its own texts begin as it was tuned, not as the adapted state does.
        let own = Prompts {
            text_start: self.text_start,
            ..*prompts
        };
        let asked: Vec<RolloutPrompt> = questions
            .iter()
            .map(|question| RolloutPrompt {
                state: 0,
                prompt: own.written(question, &self.in_front(question)),
                seed: 0,
            })
            .collect();
        let writing = Writing {
            group: 1,
            temperature: None,
        };
        let written = roll_out(
            self.engine,
            &own,
            &self.states,
            &asked,
            writing,
            &mut Cost::default(),
            progress,
        )?;
        let answered = questions.iter().zip(&asked).zip(&written);
        let texts = answered.filter_map(|((question, asked), written)| {
            let tokens = &written[0].tokens;
            let text = own.answer_text(tokens);
            let (text, answer, taught) = taken(prompts, question, &text).ok()?;
            let prompt = own.text(question, &self.in_front(question));
            Some(GuideText {
                id: question.id.clone(),
                prompt_hash: sha256_hex(prompt.as_bytes()),
                text,
                answer,
                tokens: taught,
                model: self.name.clone(),
                created: String::new(),
                n_tokens: asked.prompt.len() + tokens.len(),
            })
        });
        Ok(texts.collect())
    }
}
