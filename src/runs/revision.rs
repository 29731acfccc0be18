//! Counts the changes of what is known, for views that are made anew only after one.

/// The number of changes. Two stores that know the same are equal, however often
/// they were changed on the way.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Revision(u64);

impl Revision {
    /// Notes a change.
    pub fn advance(&mut self) {
        self.0 += 1;
    }

    /// The number of changes so far.
    pub fn number(self) -> u64 {
        self.0
    }
}

impl PartialEq for Revision {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}
