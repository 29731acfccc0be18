//! What is said of the runs of a folder, one JSON object a line, and what is asked of
//! them the other way. The bytes of a part of a file follow its line as they are.

use serde::{Deserialize, Serialize};

use crate::file_names::is_name_everywhere;
use crate::persist::run_requests::{RequestOutcome, RunRequest};
use crate::tuning::states::state_file::{LIFTED_FILE, LORA_FILE, STATE_FILE};

/// Which version of these messages this is.
pub(super) const VERSION: u32 = 3;
/// Bytes of numbers in one message.
pub(super) const MAX_TEXT_BYTES: u64 = 1 << 20;
/// A longer line is no message: in JSON a byte takes six at most.
pub(super) const MAX_LINE_BYTES: u64 = 7 * MAX_TEXT_BYTES;
/// Bytes of a part of a file.
pub(super) const MAX_PART_BYTES: usize = 256 << 10;
/// Bytes of a file: the states of the largest models are far smaller.
pub(super) const MAX_FILE_BYTES: u64 = 64 << 30;
/// Bytes of an order: it is a name and a few words.
pub(super) const MAX_ORDER_BYTES: u64 = 4 << 10;
/// Bytes of a reason in an answer.
const MAX_REASON_BYTES: usize = 4 << 10;
/// The files that are a run's state, as far as it has them; no others are fetched.
pub(super) const STATE_FILES: [&str; 3] = [STATE_FILE, LIFTED_FILE, LORA_FILE];

/// What is asked of a run, down the input of the one that serves.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub(super) enum Order {
    /// Ask its process for something.
    Ask {
        /// Names the order in its answer.
        id: u64,
        /// The run's name.
        run: String,
        /// What.
        request: RunRequest,
    },
    /// Send the files of its state. A run that is on writes them first.
    Fetch {
        /// Names the order in its answer.
        id: u64,
        /// The run's name.
        run: String,
    },
    /// Do no more of an order.
    CallOff {
        /// Names that order.
        id: u64,
    },
}

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
    /// Whether a run that is on is paused, when that has changed.
    Paused {
        /// The run's name.
        run: String,
        /// After how many steps; none where it goes on.
        step: Option<usize>,
    },
    /// A run is not there any more.
    Removed {
        /// The run's name.
        run: String,
    },
    /// What came of an order; nothing more comes of it.
    Answer {
        /// Names the order.
        id: u64,
        /// The run's name.
        run: String,
        /// What came of it.
        outcome: RequestOutcome,
    },
    /// A file that was fetched begins. One after another of an order.
    File {
        /// Names the order.
        id: u64,
        /// The run's name.
        run: String,
        /// One of [`STATE_FILES`].
        name: String,
        /// Its size.
        bytes: u64,
        /// The size of all files of the order that come after it.
        after: u64,
    },
    /// More of that file: so many bytes follow this line.
    Part {
        /// Names the order.
        id: u64,
        /// The run's name.
        run: String,
        /// How many, [`MAX_PART_BYTES`] at most.
        bytes: usize,
    },
    /// That file is complete.
    FileEnd {
        /// Names the order.
        id: u64,
        /// The run's name.
        run: String,
        /// The SHA-256 of all of it, in hexadecimal digits.
        sha256: String,
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
            | Self::Paused { run, .. }
            | Self::Removed { run }
            | Self::Answer { run, .. }
            | Self::File { run, .. }
            | Self::Part { run, .. }
            | Self::FileEnd { run, .. } => Some(run),
        }
    }

    /// What is wrong with it. A name that is a path could lead anywhere, and a size could
    /// be any.
    pub fn check(&self) -> Result<(), String> {
        if let Some(run) = self.run() {
            check_name(run)?;
        }
        let is_sound = match self {
            Self::File {
                name, bytes, after, ..
            } => {
                let n_after = STATE_FILES.len() as u64 - 1;
                STATE_FILES.contains(&name.as_str())
                    && *bytes <= MAX_FILE_BYTES
                    && *after <= n_after * MAX_FILE_BYTES
            }
            Self::Part { bytes, .. } => *bytes <= MAX_PART_BYTES,
            Self::Answer {
                outcome: RequestOutcome::Failed { reason },
                ..
            } => reason.len() <= MAX_REASON_BYTES,
            Self::Hello { .. }
            | Self::Spec { .. }
            | Self::Metrics { .. }
            | Self::Held { .. }
            | Self::Paused { .. }
            | Self::Removed { .. }
            | Self::Answer { .. }
            | Self::FileEnd { .. }
            | Self::Caught => true,
        };
        match is_sound {
            true => Ok(()),
            false => Err(tr!("it sent a file that is no state, or too much of one").into()),
        }
    }
}

/// What is wrong with the name of a run.
pub(super) fn check_name(run: &str) -> Result<(), String> {
    match is_name(run) {
        true => Ok(()),
        false => Err(tr!(
            "{run} is not the name of a run",
            run = format_args!("{run:?}")
        )),
    }
}

/// Whether a name is that of a folder within another one, on either of two systems.
pub(super) fn is_name(name: &str) -> bool {
    let fits = |c: char| c.is_alphanumeric() || " -_.+()".contains(c);
    is_name_everywhere(name)
        && name.len() <= 200
        && !name.starts_with('.')
        && name.chars().all(fits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_lead_nowhere() {
        for right in ["standard-0001", "sweep.03-2", "微调-0001", "a b (2)"] {
            assert!(is_name(right), "{right}");
        }
        for wrong in [
            "",
            "..",
            ".x",
            "a/b",
            "a\\b",
            "C:",
            "a\nb",
            "\u{202e}x",
            "aux",
            "a.",
        ] {
            assert!(!is_name(wrong), "{wrong}");
            let run = wrong.into();
            assert!(Message::Removed { run }.check().is_err());
        }
    }

    #[test]
    fn only_states_are_taken_and_in_bounds() {
        let file = |name: &str, bytes| Message::File {
            id: 1,
            run: "a-0001".into(),
            name: name.into(),
            bytes,
            after: 0,
        };
        assert_eq!(file("state.safetensors", 100).check(), Ok(()));
        assert_eq!(file("lifted.safetensors", 0).check(), Ok(()));
        for wrong in ["spec.ron", "../state.safetensors", "/etc/passwd", ""] {
            assert!(file(wrong, 100).check().is_err(), "{wrong}");
        }
        assert!(file("state.safetensors", u64::MAX).check().is_err());
        let part = |bytes| Message::Part {
            id: 1,
            run: "a-0001".into(),
            bytes,
        };
        assert_eq!(part(MAX_PART_BYTES).check(), Ok(()));
        assert!(part(MAX_PART_BYTES + 1).check().is_err());
    }

    #[test]
    fn orders_are_read_as_they_are_written_and_others_are_none() {
        let order = Order::Ask {
            id: 3,
            run: "a-0001".into(),
            request: RunRequest::Pause,
        };
        let line = r#"{"kind":"ask","id":3,"run":"a-0001","request":"pause"}"#;
        assert_eq!(serde_json::to_string(&order).unwrap(), line);
        assert_eq!(serde_json::from_str::<Order>(line).unwrap(), order);
        for wrong in [
            r#"{"kind":"ask","id":3,"run":"a-0001","request":"erase"}"#,
            r#"{"kind":"run","id":3,"run":"a-0001"}"#,
            r#"{"kind":"fetch","id":3,"run":"a-0001","path":"/etc/passwd"}"#,
            r#"{"kind":"call_off"}"#,
            "pause",
        ] {
            assert!(serde_json::from_str::<Order>(wrong).is_err(), "{wrong}");
        }
    }
}
