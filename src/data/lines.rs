//! Reading lines from untrusted files.

use std::io::{BufRead as _, Read as _};
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};
use crate::language;
use crate::text_file::{Text, not_utf8};

/// The longest line, or entry of a list, that is read.
pub(super) const MAX_LINE_BYTES: u64 = 16 << 20;
/// What is said of a longer one.
pub(super) const TOO_LONG: &str =
    mark!("longer than 16 MiB; each example belongs on a line of its own");

/// A text file on disk or in memory, whatever it is packed in.
pub(crate) struct Source<'a> {
    /// What messages call it.
    pub(super) file: PathBuf,
    pub(super) text: Text<'a>,
}

impl<'a> Source<'a> {
    /// Opens a file of at most 1 TiB.
    ///
    /// # Errors
    /// [`Error::Io`] where it cannot be opened, [`Error::Input`] where it is too
    /// large, a folder, or no text.
    pub(crate) fn open(path: &Path) -> Result<Source<'static>> {
        Ok(Source {
            file: path.to_path_buf(),
            text: Text::open(path)?,
        })
    }

    /// A file that is in memory; `name` stands for it in messages.
    ///
    /// # Errors
    /// As [`Self::open`], less those of the system.
    pub(super) fn held(name: impl Into<PathBuf>, bytes: &'a [u8]) -> Result<Self> {
        let file = name.into();
        let text = Text::of_bytes(&file, bytes)?;
        Ok(Self { file, text })
    }

    /// Calls `visit` with the number and the text, or what is wrong with it, of
    /// every line that is not blank. Line ends are dropped. Of a line above
    /// 16 MiB only that is told.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub(crate) fn for_each_line(
        mut self,
        mut visit: impl FnMut(&Path, u64, Result<&str, String>),
    ) -> Result<()> {
        let fail = |file: &Path, source| Error::io("read", file, source);
        let mut bytes = Vec::new();
        for line in 1.. {
            bytes.clear();
            let n_read = (&mut self.text)
                .take(MAX_LINE_BYTES + 1)
                .read_until(b'\n', &mut bytes)
                .map_err(|source| fail(&self.file, source))?;
            if n_read == 0 {
                break;
            }
            if n_read as u64 > MAX_LINE_BYTES {
                let has_ended = bytes.ends_with(b"\n");
                bytes = Vec::new();
                if !has_ended {
                    let skipped = self.text.skip_until(b'\n');
                    skipped.map_err(|source| fail(&self.file, source))?;
                }
                visit(&self.file, line, Err(language::text(TOO_LONG).into()));
                continue;
            }
            match std::str::from_utf8(&bytes) {
                Ok(text) if text.trim().is_empty() => {}
                Ok(text) => visit(&self.file, line, Ok(text.trim_end_matches(['\n', '\r']))),
                Err(error) => {
                    let reason = not_utf8(&bytes, error.valid_up_to());
                    visit(&self.file, line, Err(reason));
                }
            }
        }
        Ok(())
    }
}

/// `text` on one line of at most 80 characters, for use in a reason.
pub(super) fn shorten(text: &str) -> String {
    let mut short: String = text
        .chars()
        .take(80)
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect();
    if text.chars().nth(80).is_some() {
        short.push('…');
    }
    short
}

/// A reason where a text that has to hold something is blank.
pub(super) fn require(name: &str, text: &str) -> Result<(), String> {
    if text.trim().is_empty() {
        return Err(tr!("`{name}` is empty", name));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(bytes: &[u8]) -> Vec<(u64, Result<String, String>)> {
        let mut lines = Vec::new();
        let source = Source::held("set.jsonl", bytes).unwrap();
        source
            .for_each_line(|_, line, text| lines.push((line, text.map(str::to_owned))))
            .unwrap();
        lines
    }

    #[test]
    fn byte_order_mark_line_ends_and_blank_lines_do_not_matter() {
        let got = lines(b"\xef\xbb\xbfa\r\n\r\n  \nb");
        assert_eq!(got, [(1, Ok("a".into())), (4, Ok("b".into()))]);
    }

    #[test]
    fn a_line_that_is_too_long_is_told_and_the_others_are_read() {
        let mut bytes = b"first\n".to_vec();
        bytes.resize(bytes.len() + MAX_LINE_BYTES as usize + 5, b'x');
        bytes.extend(b"\nlast");
        let got = lines(&bytes);
        let expected = [
            (1, Ok("first".into())),
            (2, Err(TOO_LONG.into())),
            (3, Ok("last".into())),
        ];
        assert_eq!(got, expected);
        // The longest one that is read, and one whose end is just beyond.
        let limit = MAX_LINE_BYTES as usize;
        let just = [vec![b'x'; limit - 1], b"\nlast".to_vec()].concat();
        assert_eq!(lines(&just)[0].1.as_ref().unwrap().len(), limit - 1);
        let over = [vec![b'x'; limit], b"\nlast".to_vec()].concat();
        assert_eq!(lines(&over)[0], (1, Err(TOO_LONG.into())));
        assert_eq!(lines(&over)[1], (2, Ok("last".into())));
    }
}
