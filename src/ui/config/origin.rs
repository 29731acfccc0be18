//! The run that the configuration is a changed copy of.

use crate::protocol::event::RunId;
use crate::protocol::run_spec::RunSpec;

/// The run that the configuration was copied from.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct DraftOrigin {
    /// The run.
    pub run: RunId,
    /// The configuration before; nothing is known of it after a restart.
    before: Option<Box<RunSpec>>,
}

impl DraftOrigin {
    /// Of a run, in place of the configuration `before`.
    pub fn copied(run: RunId, before: &RunSpec) -> Self {
        Self {
            run,
            before: Some(Box::new(before.clone())),
        }
    }

    /// Of a run, as it was in the window before.
    pub fn kept(run: RunId) -> Self {
        Self { run, before: None }
    }

    /// Whether this is the configuration from before the copy, which undoing led to.
    pub fn is_undone(&self, draft: &RunSpec) -> bool {
        self.before.as_deref() == Some(draft)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_that_is_undone_is_none() {
        let before = RunSpec::default();
        let mut changed = before.clone();
        changed.training.seed += 1;
        let run = RunId("a-0001".into());
        let origin = DraftOrigin::copied(run.clone(), &before);
        assert!(origin.is_undone(&before) && !origin.is_undone(&changed));
        assert!(!DraftOrigin::kept(run).is_undone(&before));
    }
}
