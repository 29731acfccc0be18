//! Another RWKV in this process: the same vocabulary, other weights or another state.

use super::{GuideText, kept, option_text, taken};
use crate::adapt::cost::Cost;
use crate::adapt::engine::Engine;
use crate::adapt::objective::{OptionRows, option_rows};
use crate::adapt::option_losses::likeliest;
use crate::adapt::prompts::{Prompts, fitting};
use crate::adapt::question::Question;
use crate::adapt::rollout::{Asked, Writing, roll_out};
use crate::adapt::rows::{Row, n_tokens};
use crate::adapt::states::States;
use crate::atomic::sha256_hex;
use crate::data::Item;
use crate::error::Result;
use crate::model::TextStart;

/// Questions whose options are scored before an interrupt is heard.
const QUESTIONS_OF_A_PART: usize = 64;

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

    /// The guide's likeliest answer to every question: the option that it finds
    /// likeliest by the benchmark's own scores, else what it writes. Of an answer that
    /// cannot be used there are no tokens.
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
        let has_options = |of: &&Question| !of.options().is_empty();
        let (choosing, writing): (Vec<&Question>, Vec<&Question>) =
            questions.iter().partition(has_options);
        let mut texts = self.chosen(&own, &choosing, progress)?;
        texts.extend(self.written(prompts, &own, &writing, progress)?);
        Ok(texts)
    }

    /// The option that it finds likeliest.
    fn chosen(
        &self,
        own: &Prompts<'_>,
        questions: &[&Question],
        progress: &mut dyn FnMut(usize) -> Result<()>,
    ) -> Result<Vec<GuideText>> {
        let mut texts = Vec::with_capacity(questions.len());
        for part in questions.chunks(QUESTIONS_OF_A_PART) {
            progress(texts.len())?;
            let of: Vec<OptionRows> = part
                .iter()
                .map(|question| option_rows(own, question, &self.in_front(question), 0))
                .collect();
            let rows: Vec<Row> = of.iter().flat_map(|of| of.rows.clone()).collect();
            let scores = self.engine.scores(&self.states, &rows, 1.0)?;
            let mut log_p = scores.log_p.into_iter();
            for (question, of) in part.iter().zip(&of) {
                let sum = |n: &usize| log_p.by_ref().take(*n).map(f64::from).sum();
                let scores: Vec<f64> = of.n_scored.iter().map(sum).collect();
                let idx = likeliest(&scores);
                let text = option_text(question, &question.options(), idx);
                let tokens = own.answer_tokens(&text);
                texts.push(GuideText {
                    n_tokens: n_tokens(&of.rows),
                    ..self.text(own, question, text, Some(idx.to_string()), tokens)
                });
            }
        }
        Ok(texts)
    }

    /// What it writes.
    fn written(
        &self,
        prompts: &Prompts<'_>,
        own: &Prompts<'_>,
        questions: &[&Question],
        progress: &mut dyn FnMut(usize) -> Result<()>,
    ) -> Result<Vec<GuideText>> {
        let asked: Vec<Asked> = questions
            .iter()
            .map(|question| Asked {
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
            own,
            &self.states,
            &asked,
            writing,
            &mut Cost::default(),
            progress,
        )?;
        let answered = questions.iter().zip(&asked).zip(&written);
        let texts = answered.map(|((question, asked), written)| {
            let written_tokens = &written[0].tokens;
            let wrote = own.answer_text(written_tokens);
            let used = taken(prompts, question, &wrote);
            let (text, answer, tokens) = used.unwrap_or_default();
            GuideText {
                written: kept(&wrote, &text),
                n_tokens: asked.prompt.len() + written_tokens.len(),
                ..self.text(own, question, text, answer, tokens)
            }
        });
        Ok(texts.collect())
    }

    fn text(
        &self,
        own: &Prompts<'_>,
        question: &Question,
        text: String,
        answer: Option<String>,
        tokens: Vec<u32>,
    ) -> GuideText {
        let prompt = own.text(question, &self.in_front(question));
        GuideText {
            id: question.id.clone(),
            prompt_hash: sha256_hex(prompt.as_bytes()),
            text,
            written: String::new(),
            answer,
            tokens,
            model: self.name.clone(),
            created: String::new(),
            n_tokens: 0,
        }
    }
}
