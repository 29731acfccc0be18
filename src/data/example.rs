//! What a state is trained on.

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
    /// Tokens of context and target together.
    pub fn n_tokens(&self) -> usize {
        self.context.len() + self.target.len()
    }
}
