//! How two texts that follow each other become tokens.

use crate::model::tokenizer::Tokenizer;

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

#[cfg(test)]
mod tests {
    use super::*;

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
