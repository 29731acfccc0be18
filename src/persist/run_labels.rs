//! What the user writes on a run: a title, tags and a note, beside its other files.

use std::fs;
use std::io::{self, Write as _};
use std::path::Path;

use ron::ser::PrettyConfig;

use crate::atomic::write_atomic;
use crate::error::{Error, Result};
pub use crate::runs::run::RunLabels;

/// The file of the labels in a run's folder.
pub(crate) const LABELS_FILE: &str = "labels.ron";
/// Labels are short; what is longer is no file of ours.
const MAX_BYTES: u64 = 1 << 20;

impl RunLabels {
    /// Reads the labels of a run; none where there is no file.
    ///
    /// # Errors
    /// [`Error::Io`], and [`Error::Input`] for a file that is no labels.
    pub fn read(folder: &Path) -> Result<Self> {
        let path = folder.join(LABELS_FILE);
        match fs::metadata(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Self::default()),
            Err(error) => return Err(Error::io("read", &path, error)),
            Ok(metadata) if metadata.len() > MAX_BYTES => {
                return Err(Error::input(
                    &path,
                    tr!("size"),
                    tr!("is too large for labels"),
                ));
            }
            Ok(_) => {}
        }
        let text = fs::read_to_string(&path).map_err(|error| Error::io("read", &path, error))?;
        ron::from_str(&text).map_err(|error| {
            let place = tr!("line {}", error.span.start.line);
            Error::input(&path, place, error.code.to_string())
        })
    }

    /// Writes them.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn write(&self, folder: &Path) -> Result<()> {
        let path = folder.join(LABELS_FILE);
        let text = ron::ser::to_string_pretty(self, PrettyConfig::default())
            .map_err(|error| Error::io("write", &path, io::Error::other(error)))?;
        write_atomic(&path, |file| file.write_all(text.as_bytes()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::event::RunId;

    #[test]
    fn labels_are_read_as_they_were_written() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(
            RunLabels::read(folder.path()).unwrap(),
            RunLabels::default()
        );
        let mut labels = RunLabels {
            title: "the \"good\" one".into(),
            note: "two\nlines".into(),
            made_of: Some(RunId("first-0001".into())),
            ..RunLabels::default()
        };
        labels.set_tags(" paper,, M=256 ,paper");
        assert_eq!(labels.tags, ["paper", "M=256"]);
        assert_eq!(labels.tags_text(), "paper, M=256");
        labels.write(folder.path()).unwrap();
        assert_eq!(RunLabels::read(folder.path()).unwrap(), labels);
    }

    #[test]
    fn labels_without_a_run_that_they_were_made_of_are_as_they_were() {
        let folder = tempfile::tempdir().unwrap();
        let text = "(title: \"a\", tags: [\"b\"], note: \"c\")";
        fs::write(folder.path().join(LABELS_FILE), text).unwrap();
        let labels = RunLabels::read(folder.path()).unwrap();
        assert_eq!((labels.title.as_str(), &labels.made_of), ("a", &None));
        labels.write(folder.path()).unwrap();
        let written = fs::read_to_string(folder.path().join(LABELS_FILE)).unwrap();
        assert!(!written.contains("made_of"), "{written}");
    }

    #[test]
    fn a_file_that_is_none_is_refused_by_name_and_place() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join(LABELS_FILE), "(title: 3)").unwrap();
        let message = RunLabels::read(folder.path()).unwrap_err().to_string();
        assert!(message.contains("labels.ron"), "{message}");
        assert!(message.contains("line 1"), "{message}");
    }
}
