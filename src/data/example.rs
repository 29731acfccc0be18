//! One training example in tokens, and which of them the loss counts.

// The places of an example are several, and of some examples only one.
#![allow(clippy::single_range_in_vec_init)]

use std::ops::Range;

use serde::{Deserialize, Serialize};

use super::tokens::Tokens;
use crate::model::tokenizer::END_OF_DOCUMENT;

/// Which tokens the loss counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum LossOn {
    /// The completion; of a chat every assistant turn; of segments those to be trained.
    #[default]
    Answer,
    /// Of a chat the last assistant turn alone.
    LastAnswer,
    /// Only what the data mark: turns with `"train": true` or `"weight": 1`,
    /// whoever speaks, and segments with `"train": true`.
    Marked,
    /// Every token after the first.
    Everything,
}

/// Who speaks in a part of an example.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Role {
    /// A text that is given, with no speaker.
    Given,
    /// A text that is learnt, with no speaker.
    Text,
    /// What a conversation is about.
    System,
    /// The one who asks.
    User,
    /// The one who answers.
    Assistant,
}

impl Role {
    /// As the user reads it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Given => "given",
            Self::Text => "text",
            Self::System => "system",
            Self::User => "user",
            Self::Assistant => "assistant",
        }
    }
}

/// A part of an example: what one speaker says, with what the template puts around it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Turn {
    /// How many tokens it has.
    pub n_tokens: usize,
    /// Who speaks.
    pub role: Role,
    /// Whether the data say that it is to be trained, or is not.
    pub mark: Option<bool>,
}

/// One training example in tokens. Token 0, which starts a document, is not in
/// it: batching puts it in front.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Example {
    /// All of it: `[n_tokens]`.
    pub tokens: Tokens,
    /// What it is made of, in order; none is empty.
    pub turns: Vec<Turn>,
}

impl Example {
    /// What is given, possibly nothing, and what is to be learnt.
    pub fn new(context: Vec<u32>, target: Vec<u32>) -> Self {
        let mut example = Self {
            tokens: Tokens::default(),
            turns: Vec::new(),
        };
        example.add(context, Role::Given, None);
        example.add(target, Role::Text, None);
        example
    }

    /// An example of parts, in order.
    pub fn of_turns(turns: impl IntoIterator<Item = (Vec<u32>, Role, Option<bool>)>) -> Self {
        let mut example = Self::new(Vec::new(), Vec::new());
        for (tokens, role, mark) in turns {
            example.add(tokens, role, mark);
        }
        example
    }

    fn add(&mut self, tokens: Vec<u32>, role: Role, mark: Option<bool>) {
        if tokens.is_empty() {
            return;
        }
        self.turns.push(Turn {
            n_tokens: tokens.len(),
            role,
            mark,
        });
        if self.tokens.is_empty() {
            self.tokens = tokens.into();
        } else {
            self.tokens.extend(&tokens);
        }
    }

    /// Lets the last part end in token 0, which ends a document.
    pub fn append_end(&mut self) {
        match self.turns.last_mut() {
            Some(turn) => turn.n_tokens += 1,
            None => self.turns.push(Turn {
                n_tokens: 1,
                role: Role::Text,
                mark: None,
            }),
        }
        self.tokens.extend(&[END_OF_DOCUMENT]);
    }

    /// How many tokens it has.
    pub fn n_tokens(&self) -> usize {
        self.tokens.len()
    }

    /// The parts with their places among the tokens.
    pub fn places(&self) -> impl Iterator<Item = (Turn, Range<usize>)> {
        let mut start = 0;
        self.turns.iter().map(move |turn| {
            let place = start..start + turn.n_tokens;
            start = place.end;
            (*turn, place)
        })
    }

    /// The places of the tokens that the loss counts, in order.
    pub fn counted(&self, loss_on: LossOn) -> Vec<Range<usize>> {
        let is_answer = |turn: &Turn| {
            matches!(turn.role, Role::Text | Role::Assistant) && turn.mark != Some(false)
        };
        let places = self.places();
        match loss_on {
            LossOn::Answer => places
                .filter(|(turn, _)| is_answer(turn))
                .map(|(_, place)| place)
                .collect(),
            LossOn::LastAnswer => {
                let last = places.filter(|(turn, _)| is_answer(turn)).last();
                last.map(|(_, place)| place).into_iter().collect()
            }
            LossOn::Marked => places
                .filter(|(turn, _)| turn.mark == Some(true))
                .map(|(_, place)| place)
                .collect(),
            LossOn::Everything => vec![0..self.n_tokens()],
        }
    }

    /// How many tokens the loss counts.
    pub fn n_counted(&self, loss_on: LossOn) -> usize {
        let ranges = self.counted(loss_on);
        ranges.iter().map(ExactSizeIterator::len).sum()
    }

    /// Its first `n_tokens` tokens.
    pub fn truncate(&mut self, n_tokens: usize) {
        self.tokens.truncate(n_tokens);
        let mut n_left = self.tokens.len();
        self.turns.retain_mut(|turn| {
            turn.n_tokens = turn.n_tokens.min(n_left);
            n_left -= turn.n_tokens;
            turn.n_tokens > 0
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chat() -> Example {
        Example::of_turns([
            (vec![1, 2], Role::System, None),
            (vec![3], Role::User, Some(true)),
            (vec![4, 5], Role::Assistant, Some(false)),
            (vec![], Role::Given, None),
            (vec![6], Role::User, None),
            (vec![7, 8, 9], Role::Assistant, None),
            (vec![10], Role::User, None),
            (vec![11], Role::Assistant, Some(true)),
        ])
    }

    #[test]
    fn the_loss_counts_what_it_is_told_to() {
        let chat = chat();
        assert_eq!(chat.tokens, (1..12).collect::<Vec<u32>>());
        assert_eq!(chat.counted(LossOn::Answer), [6..9, 10..11]);
        assert_eq!(chat.counted(LossOn::LastAnswer), [10..11]);
        assert_eq!(chat.counted(LossOn::Marked), [2..3, 10..11]);
        assert_eq!(chat.counted(LossOn::Everything), [0..11]);
        assert_eq!(chat.n_counted(LossOn::Answer), 4);
        let plain = Example::new(vec![], vec![1, 2]);
        assert_eq!(plain.counted(LossOn::Answer), [0..2]);
        assert_eq!(plain.n_counted(LossOn::Marked), 0);
        assert_eq!(Example::new(vec![1], vec![]).n_counted(LossOn::Answer), 0);
    }

    #[test]
    fn an_end_belongs_to_the_last_part() {
        let mut chat = chat();
        chat.append_end();
        assert_eq!(chat.counted(LossOn::LastAnswer), [10..12]);
        assert_eq!(chat.tokens[11], END_OF_DOCUMENT);
    }

    #[test]
    fn what_is_cut_off_belongs_to_no_part() {
        let mut cut = chat();
        cut.truncate(7);
        assert_eq!(cut.n_tokens(), 7);
        assert_eq!(cut.counted(LossOn::Answer), [6..7]);
        cut.truncate(100);
        assert_eq!(cut.n_tokens(), 7);
    }
}
