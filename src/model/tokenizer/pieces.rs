//! How a text is cut into pieces, in each of which tokens are merged.

use std::borrow::Cow;

use regex::Regex;
use sha2::{Digest as _, Sha256};
use unicode_normalization::{UnicodeNormalization as _, is_nfc};

/// What stands for a space where a vocabulary has no space in its tokens.
pub(super) const SPACE: char = '\u{2581}';

/// The pattern of GPT-2, where a file names none.
pub(super) const GPT_2: &str =
    r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+";

/// How the patterns of this family end: white space, less its last character where
/// something follows, to which that belongs.
const SPACES: &str = r"|\s+(?!\S)|\s+";
/// The same without looking ahead, which is done by [`Pattern::end_of`].
const SPACES_ALONE: &str = r"|(?P<spaces>\s+)";
const GROUP: &str = "spaces";

/// How a text is cut.
#[derive(Debug, Default)]
pub(super) struct Pieces {
    /// Whether the text is brought into the composed form of Unicode first.
    pub is_composed: bool,
    /// One after the other, each cuts what those before it left whole.
    pub patterns: Vec<Pattern>,
    /// Whether every space begins a piece.
    pub at_spaces: bool,
}

/// A pattern whose matches are pieces, and so is what is between them.
#[derive(Debug)]
pub(super) struct Pattern {
    text: String,
    regex: Regex,
    looks_ahead: bool,
}

impl Pattern {
    /// Of a regular expression as tokenizers have it.
    ///
    /// # Errors
    /// Why it cannot be run: it looks around in another place than its end, or is no
    /// regular expression.
    pub fn new(text: &str) -> Result<Self, String> {
        let (plain, looks_ahead) = match text.strip_suffix(SPACES) {
            Some(before) => (format!("{before}{SPACES_ALONE}"), true),
            None => (text.to_owned(), false),
        };
        let regex = Regex::new(&plain).map_err(|error| {
            let reason = error.to_string();
            // The last line has the reason, those before it the place.
            reason.lines().last().unwrap_or_default().trim().to_owned()
        })?;
        Ok(Self {
            text: text.to_owned(),
            regex,
            looks_ahead,
        })
    }

    /// Gives the parts of `text` in their order.
    fn cut<'text>(&self, text: &'text str, parts: &mut Vec<&'text str>) {
        let (mut from, mut at) = (0, 0);
        while let Some(found) = self.regex.find_at(text, at) {
            let (start, end) = (found.start(), self.end_of(text, found.start(), found.end()));
            if end == start {
                // A pattern that matches nothing cuts nothing.
                let Some(c) = text[end..].chars().next() else {
                    break;
                };
                at = end + c.len_utf8();
                continue;
            }
            if from < start {
                parts.push(&text[from..start]);
            }
            parts.push(&text[start..end]);
            (from, at) = (end, end);
        }
        if from < text.len() {
            parts.push(&text[from..]);
        }
    }

    /// Where a match ends: white space in front of something leaves its last character
    /// to that, where it has more than one.
    fn end_of(&self, text: &str, start: usize, end: usize) -> usize {
        let found = &text[start..end];
        if !self.looks_ahead || end == text.len() || !found.chars().all(char::is_whitespace) {
            return end;
        }
        let Some((last, _)) = found.char_indices().last().filter(|(at, _)| *at > 0) else {
            return end;
        };
        // Other parts of the pattern may match white space too, and keep it.
        let by_end = self.regex.captures_at(text, start);
        match by_end.and_then(|captures| captures.name(GROUP)) {
            Some(_) => start + last,
            None => end,
        }
    }
}

impl Pieces {
    /// Hands the pieces of `text` to `take`, in their order.
    pub fn of(&self, text: &str, take: &mut dyn FnMut(&str)) {
        let text = match self.is_composed && !is_nfc(text) {
            true => Cow::Owned(text.nfc().collect::<String>()),
            false => Cow::Borrowed(text),
        };
        let mut parts = vec![&*text];
        for pattern in &self.patterns {
            let mut finer = Vec::with_capacity(parts.len());
            for part in parts {
                pattern.cut(part, &mut finer);
            }
            parts = finer;
        }
        for part in parts.into_iter().filter(|part| !part.is_empty()) {
            match self.at_spaces {
                false => take(part),
                true => at_spaces(part, take),
            }
        }
    }

    /// Adds to a hash what decides where a text is cut.
    pub fn hash_into(&self, hash: &mut Sha256) {
        hash.update([u8::from(self.is_composed), u8::from(self.at_spaces)]);
        for pattern in &self.patterns {
            hash.update((pattern.text.len() as u32).to_le_bytes());
            hash.update(&pattern.text);
        }
    }
}

fn at_spaces(text: &str, take: &mut dyn FnMut(&str)) {
    let mut from = 0;
    let starts = text.char_indices().skip(1);
    for (at, _) in starts.filter(|(_, c)| matches!(*c, ' ' | SPACE)) {
        take(&text[from..at]);
        from = at;
    }
    take(&text[from..]);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(pieces: &Pieces, text: &str, expected: &[&str]) {
        let mut got = Vec::new();
        pieces.of(text, &mut |piece| got.push(piece.to_owned()));
        assert_eq!(got, expected, "{text:?}");
    }

    fn by(patterns: &[&str]) -> Pieces {
        Pieces {
            patterns: patterns
                .iter()
                .map(|of| Pattern::new(of).unwrap())
                .collect(),
            ..Pieces::default()
        }
    }

    /// As the documentation of the pattern has it: white space goes with what follows,
    /// one character of it.
    #[test]
    fn the_last_space_belongs_to_what_follows() {
        let gpt_2 = by(&[GPT_2]);
        check(
            &gpt_2,
            "It's 12  birds",
            &["It", "'s", " 12", " ", " birds"],
        );
        check(&gpt_2, "a\n\nb ", &["a", "\n", "\n", "b", " "]);
        check(&gpt_2, "a   ", &["a", "   "]);
        check(&gpt_2, "", &[]);
        // Line ends that another part of the pattern takes are kept together.
        let lines = by(&[r"\p{L}+|\s*[\r\n]+|\s+(?!\S)|\s+"]);
        check(&lines, "a \n\n  b", &["a", " \n\n", " ", " ", "b"]);
    }

    #[test]
    fn patterns_cut_one_after_the_other_and_what_they_leave_is_a_piece() {
        check(&by(&[r"\p{N}"]), "ab12c", &["ab", "1", "2", "c"]);
        check(
            &by(&[r"[a-z]+", r"\d"]),
            "ab12 c",
            &["ab", "1", "2", " ", "c"],
        );
        check(&by(&["x*"]), "axb", &["a", "x", "b"]);
        let spaces = Pieces {
            at_spaces: true,
            ..Pieces::default()
        };
        check(&spaces, "a  b c", &["a", " ", " b", " c"]);
        let composed = Pieces {
            is_composed: true,
            ..Pieces::default()
        };
        check(&composed, "e\u{301}", &["\u{e9}"]);
    }

    #[test]
    fn a_pattern_that_looks_around_elsewhere_is_refused() {
        let reason = Pattern::new(r"(?<=a)b|c").unwrap_err();
        assert!(reason.contains("look-around"), "{reason}");
        assert!(Pattern::new("(").is_err());
    }
}
