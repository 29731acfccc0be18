//! The answers to a prompt, as they come.

use crate::protocol::event::{Answer, AnswerEnd, RunId};

/// Both answers to a prompt.
#[derive(Debug, Clone, PartialEq)]
pub struct GeneratedTexts {
    /// The name of the text.
    pub run: RunId,
    /// That of the untuned model.
    pub untuned: GeneratedText,
    /// That of the model with the tuned state; empty without one.
    pub tuned: GeneratedText,
}

/// An answer so far.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct GeneratedText {
    /// The text.
    pub text: String,
    /// Its tokens, once it is complete.
    pub n_tokens: usize,
    /// Seconds it took, once it is complete.
    pub secs: f64,
    /// Why it ended, once it has.
    pub end: Option<AnswerEnd>,
}

impl GeneratedTexts {
    /// No answers yet.
    pub fn new(run: RunId) -> Self {
        Self {
            run,
            untuned: GeneratedText::default(),
            tuned: GeneratedText::default(),
        }
    }

    /// The answers of this name, in place of others.
    pub(super) fn of(known: &mut Option<Self>, run: RunId) -> &mut Self {
        known.take_if(|known| known.run != run);
        known.get_or_insert_with(|| Self::new(run))
    }

    /// One of the answers.
    pub fn answer(&self, answer: Answer) -> &GeneratedText {
        match answer {
            Answer::Untuned => &self.untuned,
            Answer::Tuned => &self.tuned,
        }
    }

    fn answer_mut(&mut self, answer: Answer) -> &mut GeneratedText {
        match answer {
            Answer::Untuned => &mut self.untuned,
            Answer::Tuned => &mut self.tuned,
        }
    }

    pub(super) fn add(&mut self, answer: Answer, text: &str) {
        self.answer_mut(answer).text.push_str(text);
    }

    pub(super) fn end(&mut self, answer: Answer, n_tokens: usize, secs: f64, end: AnswerEnd) {
        let ended = self.answer_mut(answer);
        (ended.n_tokens, ended.secs, ended.end) = (n_tokens, secs, Some(end));
    }
}
