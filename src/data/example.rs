//! What a state is trained on.

use crate::model::generate::END_OF_DOCUMENT;

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

    /// Tokens of context and target together.
    pub fn n_tokens(&self) -> usize {
        self.context.len() + self.target.len()
    }
}
