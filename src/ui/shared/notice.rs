//! Messages in the window.

use super::queue::QueueRequest;
use crate::protocol::event::RunId;
use crate::runs::LogLevel;

/// A message in the window.
#[derive(Debug, Clone, PartialEq)]
pub struct Notice {
    /// What happened and what to do.
    pub text: String,
    /// How much it matters.
    pub level: LogLevel,
    /// What can be done about it with one press.
    pub remedy: Option<Remedy>,
    /// How much of it is done, 0 to 1, where it is under way.
    pub share: Option<f32>,
}

/// What can be done about a message.
#[derive(Debug, Clone, PartialEq)]
pub enum Remedy {
    /// Start another worker in place of the one that is gone.
    RestartWorker,
    /// Put the runs back that were deleted last.
    Undelete,
    /// Ask once more for a run that was refused since something is not what it was
    /// made from, and accept that.
    AcceptChanges(QueueRequest),
    /// Have the state of this run no longer brought here.
    CallOff(RunId),
}

impl Notice {
    /// Something could not be done.
    pub fn error(text: String) -> Self {
        Self {
            text,
            level: LogLevel::Error,
            remedy: None,
            share: None,
        }
    }

    /// Something was done.
    pub fn info(text: String) -> Self {
        Self {
            text,
            level: LogLevel::Info,
            remedy: None,
            share: None,
        }
    }

    /// Something the user should look at.
    pub fn warning(text: String) -> Self {
        Self {
            text,
            level: LogLevel::Warning,
            remedy: None,
            share: None,
        }
    }

    /// The same with something that can be done about it.
    pub fn with(self, remedy: Remedy) -> Self {
        Self {
            remedy: Some(remedy),
            ..self
        }
    }
}
