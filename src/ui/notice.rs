//! Messages in the window.

use crate::runs::LogLevel;

/// A message in the window.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// What happened and what to do.
    pub text: String,
    /// How much it matters.
    pub level: LogLevel,
    /// What can be done about it with one press.
    pub way_on: Option<WayOn>,
}

/// What can be done about a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WayOn {
    /// Start another worker in place of the one that is gone.
    RestartWorker,
    /// Put the runs back that were deleted last.
    Undelete,
}

impl Notice {
    /// Something could not be done.
    pub fn error(text: String) -> Self {
        Self {
            text,
            level: LogLevel::Error,
            way_on: None,
        }
    }

    /// Something was done.
    pub fn info(text: String) -> Self {
        Self {
            text,
            level: LogLevel::Info,
            way_on: None,
        }
    }

    /// Something people should look at.
    pub fn warning(text: String) -> Self {
        Self {
            text,
            level: LogLevel::Warning,
            way_on: None,
        }
    }

    /// The same with something that can be done about it.
    pub fn with(self, way_on: WayOn) -> Self {
        Self {
            way_on: Some(way_on),
            ..self
        }
    }
}
