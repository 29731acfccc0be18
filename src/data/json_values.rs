//! JSON values that are not one to a line: the elements of an array, and objects
//! over several lines that follow each other.

use std::io::BufRead as _;
use std::path::Path;

use super::lines::{MAX_LINE_BYTES, Source, TOO_LONG};
use crate::error::{Error, Result};
use crate::language;
use crate::text_file::not_utf8;

/// What is said of an array without an end.
const NO_END: &str = mark!("the array has no end, so the file may be cut short");

/// Calls `visit` with the place and the text, or what is wrong with it, of every
/// element of an array, or of every value where the file is none.
///
/// # Errors
/// [`Error::Io`].
pub(super) fn for_each_value(
    mut source: Source<'_>,
    mut visit: impl FnMut(&Path, EntryPlace, Result<&str, String>),
) -> Result<()> {
    let mut splitter = Splitter::default();
    loop {
        let piece = source
            .text
            .fill_buf()
            .map_err(|error| Error::io("read", &source.file, error))?;
        let n_bytes = piece.len();
        for byte in piece {
            splitter.push(*byte, &mut |place, text| visit(&source.file, place, text));
        }
        if n_bytes == 0 {
            break;
        }
        source.text.consume(n_bytes);
    }
    splitter.end(&mut |place, text| visit(&source.file, place, text));
    Ok(())
}

/// What happens to a value.
type Visit<'a> = &'a mut dyn FnMut(EntryPlace, Result<&str, String>);

/// Finds where values begin and end.
#[derive(Default)]
struct Splitter {
    /// The value under way; it has started where there is something in it.
    value: Vec<u8>,
    is_too_long: bool,
    /// The line that it began in.
    first_line: u64,
    /// Brackets that are open in it.
    depth: usize,
    is_in_string: bool,
    is_escaped: bool,
    /// The last byte of it that is no space.
    last: u8,
    /// Whether it stands in an array.
    is_in_array: bool,
    /// Lines that have ended.
    n_lines: u64,
    /// Whether the last byte ended a line.
    is_line_start: bool,
    n_values: u64,
}

impl Splitter {
    fn push(&mut self, byte: u8, visit: Visit<'_>) {
        let is_line_start = std::mem::replace(&mut self.is_line_start, byte == b'\n');
        if self.value.is_empty() {
            self.between(byte);
        } else if self.depth == 0 {
            self.bare(byte, visit);
        } else if is_line_start && byte == b'{' && self.is_torn() {
            self.finish(visit);
            self.between(byte);
        } else {
            self.within(byte, visit);
        }
        self.n_lines += u64::from(byte == b'\n');
    }

    /// Whether a value that continues in a line that begins with a brace has lost
    /// its end: nothing that it ends in can continue so.
    fn is_torn(&self) -> bool {
        !self.is_in_array && !matches!(self.last, b'{' | b'[' | b',' | b':')
    }

    /// A byte where no value is under way.
    fn between(&mut self, byte: u8) {
        match byte {
            b' ' | b'\t' | b'\r' | b'\n' | b',' => {}
            b'[' if !self.is_in_array => self.is_in_array = true,
            b']' if self.is_in_array => self.is_in_array = false,
            _ => {
                self.first_line = self.n_lines + 1;
                self.value.push(byte);
                self.last = byte;
                self.depth = usize::from(matches!(byte, b'{' | b'['));
                self.is_in_string = byte == b'"';
                self.is_escaped = false;
            }
        }
    }

    /// A byte of a value that is neither an object nor a list.
    fn bare(&mut self, byte: u8, visit: Visit<'_>) {
        let is_end = match self.is_in_string {
            true => byte == b'\n',
            false => matches!(byte, b',' | b']' | b'\n'),
        };
        if !is_end {
            self.keep(byte);
            return self.note_string(byte);
        }
        self.finish(visit);
        self.between(byte);
    }

    /// A byte of an object or a list.
    fn within(&mut self, byte: u8, visit: Visit<'_>) {
        self.keep(byte);
        if self.is_in_string || byte == b'"' {
            return self.note_string(byte);
        }
        match byte {
            b'{' | b'[' => self.depth += 1,
            b'}' | b']' => self.depth -= 1,
            _ => {}
        }
        if self.depth == 0 {
            self.finish(visit);
        }
    }

    fn note_string(&mut self, byte: u8) {
        match byte {
            _ if self.is_escaped => self.is_escaped = false,
            b'\\' if self.is_in_string => self.is_escaped = true,
            b'"' => self.is_in_string = !self.is_in_string,
            // A string has no line's end in it: its closing quote is missing.
            b'\n' => self.is_in_string = false,
            _ => {}
        }
    }

    fn keep(&mut self, byte: u8) {
        if !byte.is_ascii_whitespace() {
            self.last = byte;
        }
        if (self.value.len() as u64) < MAX_LINE_BYTES {
            self.value.push(byte);
        } else {
            self.is_too_long = true;
        }
    }

    fn finish(&mut self, visit: Visit<'_>) {
        self.n_values += 1;
        let place = EntryPlace {
            number: self.n_values,
            line: self.first_line,
            is_entry: true,
        };
        let text = match std::str::from_utf8(&self.value) {
            _ if self.is_too_long => Err(language::text(TOO_LONG).to_owned()),
            Ok(text) => Ok(text.trim_end()),
            Err(error) => Err(not_utf8(&self.value, error.valid_up_to())),
        };
        visit(place, text);
        // A long one gives its memory back.
        match self.value.len() > 64 << 10 {
            true => self.value = Vec::new(),
            false => self.value.clear(),
        }
        self.depth = 0;
        self.is_in_string = false;
        self.is_too_long = false;
    }

    fn end(&mut self, visit: Visit<'_>) {
        if !self.value.is_empty() {
            self.finish(visit);
        } else if self.is_in_array {
            let place = EntryPlace {
                number: self.n_values + 1,
                line: self.n_lines + 1,
                is_entry: false,
            };
            visit(place, Err(language::text(NO_END).into()));
        }
    }
}

/// Where an entry stands.
#[derive(Debug, Clone, Copy)]
pub(super) struct EntryPlace {
    /// From 1: the line of JSON lines, else which entry it is.
    pub number: u64,
    /// The line that it starts in, from 1.
    pub line: u64,
    /// Whether the line alone does not say which entry it is.
    pub is_entry: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &[(u64, &str)]) {
        let mut got = Vec::new();
        let source = Source::held("a.json", text.as_bytes()).unwrap();
        for_each_value(source, |_, place, value| {
            let value = value.map_or_else(|reason| format!("! {reason}"), str::to_owned);
            got.push((place.line, value));
        })
        .unwrap();
        let expected: Vec<_> = expected
            .iter()
            .map(|(n, s)| (*n, (*s).to_owned()))
            .collect();
        assert_eq!(got, expected, "{text}");
    }

    #[test]
    fn elements_and_objects_are_found() {
        check("", &[]);
        check("[]", &[]);
        check(
            r#"[{"a":"]}"},{"b":[{}]}]"#,
            &[(1, r#"{"a":"]}"}"#), (1, r#"{"b":[{}]}"#)],
        );
        check(
            "[\n  {\"a\": 1},\n\n  {\"b\":\n2}\n]\n",
            &[(2, "{\"a\": 1}"), (4, "{\"b\":\n2}")],
        );
        check(
            "{\n\"a\": \"\\\"}\"\n}\n{\n}",
            &[(1, "{\n\"a\": \"\\\"}\"\n}"), (4, "{\n}")],
        );
        check(
            r#"["x, y", 1, [2], null]"#,
            &[(1, "\"x, y\""), (1, "1"), (1, "[2]"), (1, "null")],
        );
        // One array after another.
        check("[{}]\n[{}]", &[(1, "{}"), (2, "{}")]);
    }

    #[test]
    fn what_is_torn_does_not_take_the_rest_along() {
        let torn = "{\n\"a\": \"x\n}\n{\n\"b\": 1\n}\n";
        check(torn, &[(1, "{\n\"a\": \"x\n}"), (4, "{\n\"b\": 1\n}")]);
        let torn = "{\n\"a\": 1\n{\n\"b\": 1\n}\n";
        check(torn, &[(1, "{\n\"a\": 1"), (3, "{\n\"b\": 1\n}")]);
        let cut = format!("! {NO_END}");
        check("[{},\n{}", &[(1, "{}"), (2, "{}"), (2, &cut)]);
        check("[{},\n{\"a", &[(1, "{}"), (2, "{\"a")]);
    }

    #[test]
    fn a_value_that_is_too_long_is_told_and_the_others_are_read() {
        let long = "x".repeat(MAX_LINE_BYTES as usize + 9);
        let told = format!("! {TOO_LONG}");
        check(&format!("[\"{long}\",\n{{}}]"), &[(1, &told), (2, "{}")]);
    }
}
