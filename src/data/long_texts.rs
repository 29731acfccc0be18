//! What becomes of examples that are longer than the context.

use std::ops::Range;

use serde::{Deserialize, Serialize};

use super::example::{Example, LossOn, Role, Turn};

/// What becomes of examples that are longer than the context.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum LongTexts {
    /// Texts without speakers are split; chats, prompts and everything else left out.
    #[default]
    Auto,
    /// They are left out.
    Drop,
    /// They end where the context does.
    Cut,
    /// They become several examples, none longer than the context.
    Split,
}

impl LongTexts {
    /// Cuts or splits those of `examples` that have more than `longest` tokens, and
    /// says how many those are; what is to be left out stays. Of what they become,
    /// only that is kept of which the loss counts something. `of` is what the
    /// examples are, such as "training".
    pub(crate) fn apply(
        self,
        examples: &mut Vec<Example>,
        longest: usize,
        loss_on: LossOn,
        of: &str,
    ) -> Option<String> {
        let (n_before, mut n_long, mut n_made) = (examples.len(), 0, 0);
        let whole = std::mem::take(examples);
        for example in whole {
            // Nothing is made of what the loss counts nothing of: that is told elsewhere.
            let is_whole = example.n_tokens() <= longest
                || longest < 2
                || example.n_counted(loss_on) == 0
                || !self.changes(&example);
            if is_whole {
                examples.push(example);
                continue;
            }
            let made = match self {
                Self::Cut => vec![example.part(0..longest)],
                Self::Auto | Self::Drop | Self::Split => example.pieces(longest, loss_on),
            };
            let made = made.into_iter().filter(|it| it.n_counted(loss_on) > 0);
            let n_here = examples.len();
            examples.extend(made);
            n_long += 1;
            n_made += examples.len() - n_here;
        }
        if n_long == 0 {
            return None;
        }
        let long = tr!(
            "{n_long} of {n_before} {of} examples are longer than {longest} tokens",
            n_long,
            n_before,
            of,
            longest
        );
        Some(match self {
            Self::Cut => {
                let n_lost = n_long - n_made;
                let lost = match n_lost {
                    0 => String::new(),
                    n => tr!(
                        "; of {n} the loss then counts nothing, and they are left out",
                        n
                    ),
                };
                tr!("{long} and are cut there{lost}", long, lost)
            }
            Self::Auto | Self::Drop | Self::Split => {
                tr!("{long} and are split into {n_made}", long, n_made)
            }
        })
    }

    /// Whether it makes something else of an example that is too long.
    fn changes(self, example: &Example) -> bool {
        match self {
            Self::Auto => is_text(example),
            Self::Drop => false,
            Self::Cut | Self::Split => true,
        }
    }
}

/// Whether an example is a text without speakers.
fn is_text(example: &Example) -> bool {
    matches!(example.turns.as_slice(), [turn] if turn.role == Role::Text)
}

impl Example {
    /// The tokens at a place, with what they are parts of.
    fn part(&self, place: Range<usize>) -> Self {
        let turns = self.places().map(|(turn, of_turn)| {
            let start = of_turn.start.max(place.start);
            let n_tokens = of_turn.end.min(place.end).saturating_sub(start);
            Turn { n_tokens, ..turn }
        });
        Self {
            turns: turns.filter(|turn| turn.n_tokens > 0).collect(),
            tokens: self.tokens.part(place.clone()),
        }
    }

    /// Pieces of at most `longest` tokens. They end behind the last answer that fits
    /// where there is one, so that a turn stays whole, else where they must. Those of
    /// which the loss counts nothing in the whole example, and single tokens, are left
    /// out.
    fn pieces(&self, longest: usize, loss_on: LossOn) -> Vec<Self> {
        let counted = self.counted(loss_on);
        let is_counted = |piece: &Range<usize>| {
            let overlaps = |of: &Range<usize>| of.start < piece.end && piece.start < of.end;
            counted.iter().any(overlaps)
        };
        let ends = self.ends_of_answers();
        let (mut pieces, mut start) = (Vec::new(), 0);
        while start < self.n_tokens() {
            let furthest = (start + longest).min(self.n_tokens());
            let behind_answer = ends.iter().rev().find(|end| **end <= furthest);
            let end = match behind_answer {
                Some(end) if *end > start && furthest < self.n_tokens() => *end,
                _ => furthest,
            };
            let piece = start..end;
            if piece.len() > 1 && is_counted(&piece) {
                pieces.push(self.part(piece));
            }
            start = end;
        }
        pieces
    }

    /// Where an answer ends and something else follows, ascending.
    fn ends_of_answers(&self) -> Vec<usize> {
        let is_answer = |role| matches!(role, Role::Text | Role::Assistant);
        let places: Vec<_> = self.places().collect();
        let pairs = places.windows(2).filter_map(|pair| {
            let [(turn, place), (next, _)] = pair else {
                return None;
            };
            (is_answer(turn.role) && !is_answer(next.role)).then_some(place.end)
        });
        pairs.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2 + 3 + 2 + 6 tokens.
    fn chat() -> Example {
        Example::of_turns([
            (vec![1, 2], Role::User, None),
            (vec![3, 4, 5], Role::Assistant, None),
            (vec![6, 7], Role::User, None),
            ((8..14).collect(), Role::Assistant, None),
        ])
    }

    fn tokens(examples: &[Example]) -> Vec<Vec<u32>> {
        examples.iter().map(|it| it.tokens.to_vec()).collect()
    }

    fn apply(how: LongTexts, examples: &[Example], longest: usize) -> (Vec<Example>, String) {
        let mut examples = examples.to_vec();
        let told = how.apply(&mut examples, longest, LossOn::Answer, "training");
        (examples, told.unwrap_or_default())
    }

    #[test]
    fn texts_are_split_and_chats_stay_unless_told_otherwise() {
        let text = Example::new(vec![], (1..=9).collect());
        let all = [text.clone(), chat()];
        let (made, told) = apply(LongTexts::Auto, &all, 4);
        // A single token behind nothing is left out.
        assert_eq!(tokens(&made[..2]), [vec![1, 2, 3, 4], vec![5, 6, 7, 8]]);
        assert_eq!(made[2..], [chat()]);
        assert_eq!(
            told,
            "1 of 2 training examples are longer than 4 tokens and are split into 2"
        );
        assert_eq!(
            apply(LongTexts::Auto, &all, 13),
            (all.to_vec(), String::new())
        );
        assert_eq!(
            apply(LongTexts::Drop, &all, 4),
            (all.to_vec(), String::new())
        );
    }

    #[test]
    fn chats_are_split_behind_answers_where_that_is_possible() {
        let (made, told) = apply(LongTexts::Split, &[chat()], 8);
        assert_eq!(
            tokens(&made),
            [(1..6).collect::<Vec<u32>>(), (6..14).collect()]
        );
        assert_eq!(made[1].counted(LossOn::Answer), vec![2..8]);
        assert!(told.ends_with("are split into 2"), "{told}");
        // The question alone is not learnt, and a long answer is taken apart.
        let (made, _) = apply(LongTexts::Split, &[chat()], 4);
        let want = [vec![1, 2, 3, 4], vec![6, 7, 8, 9], vec![10, 11, 12, 13]];
        assert_eq!(tokens(&made), want);
        assert_eq!(made[2].counted(LossOn::Answer), vec![0..4]);
    }

    #[test]
    fn the_last_answer_of_a_piece_is_not_that_of_the_chat() {
        let mut all = vec![chat()];
        let told = LongTexts::Split.apply(&mut all, 8, LossOn::LastAnswer, "training");
        assert_eq!(tokens(&all), [(6..14).collect::<Vec<u32>>()]);
        assert!(told.unwrap().ends_with("are split into 1"));
    }

    #[test]
    fn what_is_cut_ends_there() {
        let (made, told) = apply(LongTexts::Cut, &[chat(), chat()], 4);
        assert_eq!(tokens(&made), [[1, 2, 3, 4], [1, 2, 3, 4]]);
        assert_eq!(made[0].counted(LossOn::Answer), vec![2..4]);
        assert_eq!(
            told,
            "2 of 2 training examples are longer than 4 tokens and are cut there"
        );
        let (made, told) = apply(LongTexts::Cut, &[chat()], 2);
        assert!(made.is_empty());
        assert!(told.ends_with("of 1 the loss then counts nothing, and they are left out"));
    }
}
