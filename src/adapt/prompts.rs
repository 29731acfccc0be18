//! What is read of a question: tokens, with or without solved questions in front.

use super::question::Question;
use crate::bench::Request;
use crate::data::{Item, Protocol, Task};
use crate::model::TextStart;
use crate::model::tokenizer::{END_OF_DOCUMENT, Tokenizer};

/// Tokens that are looked at for what ends an answer; more where that is longer, for a
/// token may be one byte.
const STOP_WINDOW: usize = 16;

/// How questions become tokens, and where written answers end.
pub struct Prompts<'a> {
    /// The model's vocabulary.
    pub tokenizer: &'a Tokenizer,
    /// The rules of the benchmark.
    pub protocol: Protocol,
    /// What texts begin with behind the state.
    pub text_start: TextStart,
    /// What ends a written answer.
    pub stops: &'a [&'a str],
    /// Where a written answer is cut, in tokens.
    pub max_new_tokens: usize,
}

impl Prompts<'_> {
    /// What the model reads before it writes an answer, with `solved` questions in
    /// front; without what texts begin with.
    pub fn written(&self, question: &Question, solved: &[&Item]) -> Vec<u32> {
        let item = question.item();
        let prefix = self.protocol.prefix(item, solved);
        let text = format!("{prefix}{}", self.protocol.question(item));
        self.tokenizer.encode(&text)
    }

    /// Context and continuation of every option, with `solved` questions in front.
    pub fn options(&self, question: &Question, solved: &[&Item]) -> Vec<Request> {
        let item = question.item();
        let prefix = self.protocol.prefix(item, solved);
        let pairs = self.protocol.pairs(item);
        let encoded = pairs.iter().map(|(context, continuation)| {
            let context = format!("{prefix}{context}");
            let pairing = self.protocol.pairing();
            pairing.encode(self.tokenizer, &context, continuation)
        });
        encoded.collect()
    }

    /// The text in front of every question, as a person or a server reads it, and the
    /// question.
    pub fn text(&self, question: &Question, solved: &[&Item]) -> String {
        let item = question.item();
        let prefix = self.protocol.prefix(item, solved);
        format!("{prefix}{}", self.protocol.question(item))
    }

    /// An answer as training has it: with the space in front and the blank line
    /// behind.
    pub fn answer_tokens(&self, answer: &str) -> Vec<u32> {
        let answer = answer.trim();
        self.tokenizer.encode(&format!(" {answer}\n\n"))
    }

    /// Whether an answer that ends in `tokens` is over.
    pub fn has_ended(&self, tokens: &[u32]) -> bool {
        if tokens.last() == Some(&END_OF_DOCUMENT) {
            return true;
        }
        // A stop may begin some tokens earlier, but not as many as bytes.
        let longest = self.stops.iter().map(|stop| stop.len()).max();
        let window = longest.unwrap_or(0).max(STOP_WINDOW);
        let tail = &tokens[tokens.len().saturating_sub(window)..];
        let text = self.tokenizer.decode(tail);
        self.stops.iter().any(|stop| text.contains(stop))
    }

    /// The text of an answer, up to what ends it.
    pub fn answer_text(&self, tokens: &[u32]) -> String {
        let tokens = match tokens.split_last() {
            Some((last, rest)) if *last == END_OF_DOCUMENT => rest,
            _ => tokens,
        };
        let mut text = self.tokenizer.decode(tokens);
        let ends = self.stops.iter().filter_map(|stop| text.find(stop));
        if let Some(end) = ends.min() {
            text.truncate(end);
        }
        text
    }
}

/// Solved questions that go with a question: those of its subject, where there are
/// subjects.
pub(super) fn fitting<'a>(solved: &'a [Item], question: &Question, n: usize) -> Vec<&'a Item> {
    let fits = |item: &&Item| match &item.task {
        Task::ChooseLetter { subject, .. } => Some(subject.as_str()) == question.subject(),
        Task::Generate { .. } | Task::Choose { .. } | Task::FillIn { .. } => true,
    };
    solved.iter().filter(fits).take(n).collect()
}
