//! What is said of the runs of a folder, one JSON object a line.

use serde::{Deserialize, Serialize};

/// Which version of these messages this is.
pub(super) const VERSION: u32 = 1;
/// Bytes of numbers in one message.
pub(super) const MAX_TEXT_BYTES: u64 = 1 << 20;
/// A longer line is no message: in JSON a byte takes six at most.
pub(super) const MAX_LINE_BYTES: u64 = 7 * MAX_TEXT_BYTES;

/// One message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub(super) enum Message {
    /// The first one.
    Hello {
        /// Of the messages.
        version: u32,
        /// Of the program.
        program: String,
    },
    /// A run's specification, at first and when it has changed.
    Spec {
        /// The run's name.
        run: String,
        /// The whole file.
        text: String,
    },
    /// Whole lines of a run's numbers.
    Metrics {
        /// The run's name.
        run: String,
        /// The byte that they begin at; 0 takes the place of what was said before.
        from: u64,
        /// The lines.
        text: String,
    },
    /// Whether a process works on a run, at first and when that has changed.
    Held {
        /// The run's name.
        run: String,
        /// Whether one does.
        is_held: bool,
    },
    /// A run is not there any more.
    Removed {
        /// The run's name.
        run: String,
    },
    /// Everything that is there has been said.
    Caught,
}

impl Message {
    /// The run that it is about.
    pub fn run(&self) -> Option<&str> {
        match self {
            Self::Hello { .. } | Self::Caught => None,
            Self::Spec { run, .. }
            | Self::Metrics { run, .. }
            | Self::Held { run, .. }
            | Self::Removed { run } => Some(run),
        }
    }

    /// What is wrong with it. A name that is a path could lead anywhere.
    pub fn check(&self) -> Result<(), String> {
        match self.run() {
            Some(run) if !is_name(run) => Err(tr!(
                "{run} is not the name of a run",
                run = format_args!("{run:?}")
            )),
            Some(_) | None => Ok(()),
        }
    }
}

/// Whether a name is that of a folder within another one.
pub(super) fn is_name(name: &str) -> bool {
    let fits = |c: char| c.is_alphanumeric() || " -_.+()".contains(c);
    !name.is_empty() && name.len() <= 200 && !name.starts_with('.') && name.chars().all(fits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_lead_nowhere() {
        for right in ["standard-0001", "sweep.03-2", "微调-0001", "a b (2)"] {
            assert!(is_name(right), "{right}");
        }
        for wrong in ["", "..", ".x", "a/b", "a\\b", "C:", "a\nb", "\u{202e}x"] {
            assert!(!is_name(wrong), "{wrong}");
            let run = wrong.into();
            assert!(Message::Removed { run }.check().is_err());
        }
    }
}
