//! What the user asks for in a blind test.

/// Something that the user asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BlindAction {
    /// Begin the test, or go on with it.
    Start,
    /// Have the prompt answered once more, of which the answers did not come.
    Ask,
    /// The left answer is better, or the right one, or neither.
    Judge(Option<bool>),
    /// Judge no more, and show what came out.
    End,
}
