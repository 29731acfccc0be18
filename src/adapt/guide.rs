//! Texts of another model, and what is taken from them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::prompts::Prompts;
use super::question::Question;
use crate::bench::written_answer;

mod host;
mod http;
mod letters;
mod local;
#[cfg(test)]
pub(super) mod played;
mod recorded;
mod server;

pub use http::{HttpGuide, ServerTexts};
pub use local::LocalGuide;
pub use recorded::{recorded, simulated};

/// The text of a guide for one question, after everything that is not taken from it
/// was cut off.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct GuideText {
    /// The question's id.
    pub id: String,
    /// SHA-256 of what the guide was asked.
    pub prompt_hash: String,
    /// The answer as it is taught, without the space in front.
    pub text: String,
    /// What the guide wrote, its first characters; empty where all of it is taught.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub written: String,
    /// What is read out of it: the number, or the place of the option.
    #[serde(default)]
    pub answer: Option<String>,
    /// How likely it finds each option; none where it does not say.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub shares: Vec<f64>,
    /// The text in the model's tokens, with what ends it.
    #[serde(default)]
    pub tokens: Vec<u32>,
    /// Whose text it is.
    pub model: String,
    /// When it came, UTC.
    #[serde(default)]
    pub created: String,
    /// Tokens that the guide read and wrote for it.
    #[serde(default)]
    pub n_tokens: usize,
}

/// Why a text of a guide is not used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Unusable {
    /// There is none.
    Empty,
    /// No answer can be read out of it.
    NoAnswer,
    /// It has more tokens than an answer may have.
    TooLong,
}

impl Unusable {
    /// In words.
    pub fn name(self) -> &'static str {
        match self {
            Self::Empty => tr!("is empty"),
            Self::NoAnswer => tr!("has no answer that can be read"),
            Self::TooLong => tr!("is longer than an answer may be"),
        }
    }
}

/// Texts by question, and the model that wrote them where it is at hand.
#[derive(Default)]
pub struct Guide<'a> {
    texts: BTreeMap<String, GuideText>,
    local: Option<LocalGuide<'a>>,
    n_tokens: usize,
}

impl<'a> Guide<'a> {
    /// Of these texts.
    pub fn new(texts: impl IntoIterator<Item = GuideText>, local: Option<LocalGuide<'a>>) -> Self {
        let texts = texts.into_iter().map(|text| (text.id.clone(), text));
        let mut texts: BTreeMap<String, GuideText> = texts.collect();
        let n_tokens = texts.values().map(|text| text.n_tokens).sum();
        // Those without tokens are kept in files, so that they are not asked for again.
        texts.retain(|_, text| !text.tokens.is_empty());
        Self {
            texts,
            local,
            n_tokens,
        }
    }

    /// Tokens that it read and wrote for its texts, those that cannot be used included.
    pub fn n_tokens(&self) -> usize {
        self.n_tokens
    }

    /// The text for a question, where there is one.
    pub fn text(&self, question: &Question) -> Option<&GuideText> {
        self.texts.get(&question.id)
    }

    /// The model that wrote them.
    pub fn local(&self) -> Option<&LocalGuide<'a>> {
        self.local.as_ref()
    }

    /// Every text.
    pub fn texts(&self) -> impl Iterator<Item = &GuideText> {
        self.texts.values()
    }
}

/// What is taken of what a guide wrote: line ends made one kind, cut at what ends an
/// answer, an option's text in its own letters.
///
/// # Errors
/// Why nothing can be taken.
pub fn taken(
    prompts: &Prompts<'_>,
    question: &Question,
    written: &str,
) -> Result<(String, Option<String>, Vec<u32>), Unusable> {
    let text = written.replace("\r\n", "\n").replace('\r', "\n");
    let text = text.trim_start_matches(['\u{feff}', ' ', '\n', '\t']);
    let ends = prompts.stops.iter().filter_map(|stop| text.find(stop));
    let text = text[..ends.min().unwrap_or(text.len())].trim();
    if text.is_empty() {
        return Err(Unusable::Empty);
    }
    let options = question.options();
    let (text, answer) = if options.is_empty() {
        let answer = written_answer(text).ok_or(Unusable::NoAnswer)?;
        (text.to_owned(), answer)
    } else {
        let idx = option_of(question, &options, text).ok_or(Unusable::NoAnswer)?;
        (option_text(question, &options, idx), idx.to_string())
    };
    // A text of megabytes is not worth its tokens.
    let too_long = text.len() > 64 * prompts.max_new_tokens.max(16);
    let tokens = match too_long {
        true => return Err(Unusable::TooLong),
        false => prompts.answer_tokens(&text),
    };
    if options.is_empty() && tokens.len() > prompts.max_new_tokens {
        return Err(Unusable::TooLong);
    }
    Ok((text, Some(answer), tokens))
}

/// What is taught of an option: its letter, where options have letters, else its text.
fn option_text(question: &Question, options: &[String], idx: usize) -> String {
    match question.has_letters() {
        true => LETTERS[idx].to_string(),
        false => options[idx].clone(),
    }
}

/// A question as a server reads it: with its options, where they have no letters that
/// would show them. What is scored does not show them; a guide has to choose among them.
fn with_options(question: &Question, text: &str) -> String {
    const END: &str = "\nAnswer:";
    let options = question.options();
    match text.strip_suffix(END) {
        Some(front) if !options.is_empty() && !question.has_letters() => {
            format!("{front}\nOptions: {}{END}", options.join("; "))
        }
        Some(_) | None => text.to_owned(),
    }
}

/// The first characters of what a guide wrote; none where `taught` is all of it.
fn kept(written: &str, taught: &str) -> String {
    match written.trim() == taught {
        true => String::new(),
        false => written.chars().take(KEPT_CHARS).collect(),
    }
}

/// Characters of a guide's own words that are kept.
const KEPT_CHARS: usize = 2000;

const LETTERS: [char; 26] = [
    'A', 'B', 'C', 'D', 'E', 'F', 'G', 'H', 'I', 'J', 'K', 'L', 'M', 'N', 'O', 'P', 'Q', 'R', 'S',
    'T', 'U', 'V', 'W', 'X', 'Y', 'Z',
];

/// The place of the option that a text begins with: its letter, where options have
/// letters, else the longest option that stands there.
fn option_of(question: &Question, options: &[String], text: &str) -> Option<usize> {
    let line = text.lines().next()?.trim();
    if question.has_letters() {
        let bare = line.trim_start_matches(['(', '[', '*']);
        let mut chars = bare.chars();
        let letter = chars.next()?;
        let is_over = chars.next().is_none_or(|next| !next.is_alphanumeric());
        let idx = LETTERS[..options.len()].iter().position(|of| *of == letter);
        return idx.filter(|_| is_over);
    }
    let line = line.to_lowercase();
    let begins = options.iter().enumerate().filter(|(_, option)| {
        let option = option.trim().to_lowercase();
        let rest = line.strip_prefix(&option);
        rest.is_some_and(|rest| !rest.starts_with(char::is_alphanumeric))
    });
    begins
        .max_by_key(|(_, option)| option.len())
        .map(|(idx, _)| idx)
}

#[cfg(test)]
mod tests;
