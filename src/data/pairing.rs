//! Examples in tokens, and how two texts that follow each other become tokens.

use super::loaded::Loaded;
use crate::model::tokenizer::END_OF_DOCUMENT;
use crate::model::tokenizer::Tokenizer;
use crate::model::{LeadingToken, TextStart};

/// How a context and a continuation become tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pairing {
    /// Each for itself.
    Separate,
    /// As one text, cut where the context's own tokens end.
    Joint,
}

impl Pairing {
    /// The tokens of a context and of its continuation. Jointly, spaces at the
    /// end of the context move to the continuation, and tokens that reach over
    /// the boundary belong to the continuation (lm-evaluation-harness
    /// `_encode_pair`).
    pub fn encode(
        self,
        tokenizer: &Tokenizer,
        context: &str,
        continuation: &str,
    ) -> (Vec<u32>, Vec<u32>) {
        match self {
            Self::Separate => (tokenizer.encode(context), tokenizer.encode(continuation)),
            Self::Joint => {
                let trimmed = context.trim_end_matches(is_python_space);
                let context_ids = tokenizer.encode(trimmed);
                let mut whole = tokenizer.encode(&format!("{context}{continuation}"));
                let continuation_ids = whole.split_off(context_ids.len().min(whole.len()));
                (context_ids, continuation_ids)
            }
        }
    }
}

/// What Python's `str.strip` takes off: white space and the four separators.
pub(super) fn is_python_space(c: char) -> bool {
    c.is_whitespace() || ('\x1c'..='\x1f').contains(&c)
}

/// One training example in tokens. Token 0, which starts a document, is not in
/// it: batching puts it in front.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Example {
    /// What is given: `[n_context]`, possibly empty.
    pub context: Vec<u32>,
    /// What is to be learned: `[n_target]`.
    pub target: Vec<u32>,
}

impl Example {
    /// Lets the target end in token 0, which ends a document.
    pub fn append_end(&mut self) {
        self.target.push(END_OF_DOCUMENT);
    }

    /// The example as it is learnt from behind this: a first token that nothing stands
    /// in front of is read and not predicted, so it is no part of the target.
    #[must_use]
    pub fn behind(&self, start: TextStart) -> Self {
        let mut learnt = self.clone();
        if let (TextStart::None, [], [first, ..]) = (start, &self.context[..], &self.target[..]) {
            learnt.context.push(*first);
            learnt.target.remove(0);
        }
        learnt
    }

    /// Tokens of context and target together.
    pub fn n_tokens(&self) -> usize {
        self.context.len() + self.target.len()
    }
}

/// Leaves out examples of one token where nothing may stand in front of it, since
/// nothing can be learnt of them; what there is to say of that. `of` is what the
/// examples are, such as "training".
pub(crate) fn leave_out_single_tokens(
    examples: &mut Vec<Example>,
    leading: LeadingToken,
    of: &str,
) -> Option<String> {
    let n_before = examples.len();
    match leading {
        LeadingToken::Zero => {}
        LeadingToken::None | LeadingToken::Both => {
            examples.retain(|example| example.n_tokens() > 1);
        }
    }
    let n = n_before - examples.len();
    (n > 0).then(|| {
        format!(
            "{n} of {n_before} {of} examples have a single token and nothing to predict with \
             data.leading_token {}",
            leading.name()
        )
    })
}

impl Loaded<Example> {
    /// The examples as they are learnt from with this in front: those of which nothing
    /// can be learnt are left out, which is noted, and a first token that is never
    /// predicted is no part of a target. Where token 0 stands in front of some, every
    /// token may be predicted.
    pub fn learn_behind(&mut self, leading: LeadingToken) {
        let left_out = leave_out_single_tokens(&mut self.items, leading, "training");
        self.notes
            .extend(left_out.map(|reason| reason + ", and are left out"));
        if leading == LeadingToken::None {
            for example in &mut self.items {
                *example = example.behind(TextStart::None);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_nothing_stands_in_front_of_is_not_learnt() {
        let example = |context: &[u32], target: &[u32]| Example {
            context: context.to_vec(),
            target: target.to_vec(),
        };
        let (whole, answer) = (example(&[], &[5, 6, 7]), example(&[4], &[8]));
        assert_eq!(whole.behind(TextStart::Zero), whole);
        assert_eq!(whole.behind(TextStart::None), example(&[5], &[6, 7]));
        assert_eq!(answer.behind(TextStart::None), answer);
        let learnt = |leading| {
            let mut loaded = Loaded {
                items: vec![whole.clone(), answer.clone(), example(&[], &[9])],
                ..Loaded::default()
            };
            loaded.learn_behind(leading);
            (loaded.items, loaded.notes)
        };
        let all = vec![whole.clone(), answer.clone(), example(&[], &[9])];
        assert_eq!(learnt(LeadingToken::Zero), (all, Vec::new()));
        let note = |form: &str| {
            format!(
                "1 of 3 training examples have a single token and nothing to predict with \
                 data.leading_token {form}, and are left out"
            )
        };
        assert_eq!(
            learnt(LeadingToken::None),
            (
                vec![example(&[5], &[6, 7]), answer.clone()],
                vec![note("Nothing")]
            )
        );
        assert_eq!(
            learnt(LeadingToken::Both),
            (vec![whole.clone(), answer.clone()], vec![note("Both")])
        );
    }

    #[test]
    fn joint_pairs_move_spaces_and_keep_every_byte() {
        let tokenizer = Tokenizer::world().unwrap();
        let check = |context: &str, continuation: &str, expected_context: &str| {
            let (left, right) = Pairing::Joint.encode(&tokenizer, context, continuation);
            assert_eq!(left, tokenizer.encode(expected_context));
            let whole = tokenizer.encode(&format!("{context}{continuation}"));
            assert_eq!(right, whole[left.len()..]);
        };
        check("Question: x\nAnswer:", " yes", "Question: x\nAnswer:");
        check("Answer: ", "yes", "Answer:");
        check("Answer:\n\n \t", "yes", "Answer:");
        check("", "yes", "");
        check("  ", "yes", "");
        // A token that reaches over the boundary belongs to the continuation.
        check("the wo", "rld", "the wo");
        let (left, right) = Pairing::Separate.encode(&tokenizer, "Answer: ", "yes");
        assert_eq!(left, tokenizer.encode("Answer: "));
        assert_eq!(right, tokenizer.encode("yes"));
    }
}
