//! The one error type of the library: every message is one line that names
//! the file, the place in it and the reason.

use std::io;
use std::path::{Path, PathBuf};

use crate::format::{Visible, shown};
use crate::language;

/// A result whose error is [`enum@Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why something could not be done.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file from outside cannot be used.
    #[error("{}", Visible(format_args!("{}: {place}: {reason}", file.display())))]
    Input {
        /// The file.
        file: PathBuf,
        /// Where in the file: a line, a tensor, a field.
        place: String,
        /// What is wrong there, and what would be right.
        reason: String,
    },
    /// A run goes on, or starts from a state, with something else than it was made
    /// from, and nobody has accepted that.
    #[error("{}", Visible(format_args!("{}: {place}: {reason}", file.display())))]
    Changed {
        /// The run's folder or the state.
        file: PathBuf,
        /// What was compared.
        place: &'static str,
        /// What it was and what it is.
        reason: String,
    },
    /// The operating system refused a file operation.
    #[error("{}", io_sentence(doing, file, source))]
    Io {
        /// What was being done, as a verb phrase: "read", "create".
        doing: &'static str,
        /// The file or folder.
        file: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A field of a specification has a value that cannot be run.
    #[error("{}", Visible(format_args!("{field}: {reason}")))]
    Spec {
        /// The field's path, such as `training.batch`.
        field: String,
        /// What is wrong and what would be right.
        reason: String,
    },
    /// The compute device cannot do what was asked.
    #[error("{}", device_sentence(.0))]
    Device(String),
    /// The work was cancelled by the user; not a failure.
    #[error("{}", tr!("stopped"))]
    Stopped,
}

impl Error {
    /// An [`Error::Input`].
    pub fn input(
        file: impl AsRef<Path>,
        place: impl Into<String>,
        reason: impl Into<String>,
    ) -> Self {
        Self::Input {
            file: file.as_ref().to_path_buf(),
            place: place.into(),
            reason: reason.into(),
        }
    }

    /// An [`Error::Changed`].
    pub fn changed(file: impl AsRef<Path>, place: &'static str, reason: String) -> Self {
        Self::Changed {
            file: file.as_ref().to_path_buf(),
            place,
            reason,
        }
    }

    /// An [`Error::Io`].
    pub fn io(doing: &'static str, file: impl AsRef<Path>, source: io::Error) -> Self {
        Self::Io {
            doing,
            file: file.as_ref().to_path_buf(),
            source,
        }
    }

    /// The same, naming the file that a field of a specification came from.
    #[must_use]
    pub fn at_file(self, file: impl AsRef<Path>) -> Self {
        match self {
            Self::Spec { field, reason } => Self::input(file, field, reason),
            other @ (Self::Input { .. }
            | Self::Changed { .. }
            | Self::Io { .. }
            | Self::Device(_)
            | Self::Stopped) => other,
        }
    }

    /// An [`Error::Spec`].
    pub fn spec(field: impl Into<String>, reason: impl Into<String>) -> Self {
        Self::Spec {
            field: field.into(),
            reason: reason.into(),
        }
    }
}

/// What could not be done with a file, and why.
fn io_sentence(doing: &str, file: &Path, source: &io::Error) -> String {
    tr!(
        "cannot {doing} {}: {}",
        shown(file),
        Visible(io_reason(source)),
        doing = language::text_of("doing", doing)
    )
}

/// What is wrong with the device.
fn device_sentence(reason: &str) -> String {
    tr!("device: {}", Visible(reason))
}

/// Whether a code of Windows says that another program is in the way: what is open or
/// mapped elsewhere cannot be replaced, and what is locked cannot be read. Denied access
/// is most often that too.
pub(crate) fn is_in_use(code: Option<i32>) -> bool {
    const ACCESS_DENIED: i32 = 5;
    code == Some(ACCESS_DENIED) || is_held(code)
}

/// The same, where Windows says that it is nothing else.
fn is_held(code: Option<i32>) -> bool {
    const SHARING_VIOLATION: i32 = 32;
    const LOCK_VIOLATION: i32 = 33;
    const USER_MAPPED_FILE: i32 = 1224;
    matches!(
        code,
        Some(SHARING_VIOLATION | LOCK_VIOLATION | USER_MAPPED_FILE)
    )
}

/// The system's words, with what to do about the common cases.
fn io_reason(error: &io::Error) -> String {
    reason_on(cfg!(windows), error)
}

fn reason_on(is_windows: bool, error: &io::Error) -> String {
    if is_windows && is_held(error.raw_os_error()) {
        return tr!("another program has it open; close it there and try again").into();
    }
    match error.kind() {
        io::ErrorKind::StorageFull => tr!("the disk is full; free some space and resume").into(),
        io::ErrorKind::ReadOnlyFilesystem => {
            tr!("the disk is read-only; choose a folder that can be written").into()
        }
        io::ErrorKind::PermissionDenied if is_windows => tr!(
            "permission denied; close it in other programs, make it writable or readable for this user, or choose another place"
        )
        .into(),
        io::ErrorKind::PermissionDenied => tr!(
            "permission denied; make it writable or readable for this user, or choose another place"
        )
        .into(),
        io::ErrorKind::NotFound => tr!("no such file or folder").into(),
        _ => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_message_is_one_line() {
        let file = "a\tb\n.pth";
        for (error, expected) in [
            (
                Error::input(file, "tensor `x\n`", "is\x1b[2J wrong"),
                "a\\u{9}b\\u{a}.pth: tensor `x\\u{a}`: is\\u{1b}[2J wrong",
            ),
            (
                Error::io("read", file, io::ErrorKind::NotFound.into()),
                "cannot read a\\u{9}b\\u{a}.pth: no such file or folder",
            ),
            (Error::spec("na\rme", "x\ny"), "na\\u{d}me: x\\u{a}y"),
            (Error::Device("lost\n".into()), "device: lost\\u{a}"),
        ] {
            assert_eq!(error.to_string(), expected);
        }
    }

    #[test]
    fn windows_says_that_another_program_has_it() {
        // `ERROR_SHARING_VIOLATION`, `ERROR_USER_MAPPED_FILE`; elsewhere they are others.
        for code in [32, 1224] {
            let error = io::Error::from_raw_os_error(code);
            let reason = reason_on(true, &error);
            assert!(
                reason.starts_with("another program has it open"),
                "{reason}"
            );
            assert_eq!(reason_on(false, &error), error.to_string());
        }
        let denied = io::ErrorKind::PermissionDenied.into();
        assert!(reason_on(true, &denied).contains("close it in other programs"));
        assert!(!reason_on(false, &denied).contains("close it"));
    }
}
