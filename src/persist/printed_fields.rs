//! The fields of a printed specification and where they stand.

use std::ops::Range;

/// A field's dotted path and the place of its value in a printed specification.
pub(super) type Field = (String, Range<usize>);

/// Whether a path leads below another.
pub(super) fn is_below(path: &str, parent: &str) -> bool {
    path.strip_prefix(parent)
        .is_some_and(|rest| rest.starts_with('.'))
}

/// Every field's dotted path and the place of its value, for text that
/// [`ron::Options::to_string`] printed: no spaces, comments or raw strings.
pub(super) fn printed_fields(printed: &str) -> Vec<Field> {
    let mut fields: Vec<Field> = Vec::new();
    // The paths of the parentheses that are open, and the field under way.
    let mut open: Vec<String> = Vec::new();
    let mut under_way: Vec<Option<(String, usize)>> = Vec::new();
    let mut word_start = 0;
    let mut chars = printed.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => skip_string(&mut chars),
            ':' => {
                let name = &printed[word_start..at];
                let path = match open.last().map(String::as_str) {
                    None | Some("") => name.to_owned(),
                    Some(parent) => format!("{parent}.{name}"),
                };
                if let Some(field) = under_way.last_mut() {
                    *field = Some((path, at + 1));
                }
            }
            '(' | '[' => {
                let parent = under_way.last().cloned().flatten();
                open.push(parent.map(|(path, _)| path).unwrap_or_default());
                under_way.push(None);
                word_start = at + 1;
            }
            ',' | ')' | ']' => {
                if let Some((path, start)) = under_way.last_mut().and_then(Option::take) {
                    fields.push((path, start..at));
                }
                if c != ',' {
                    under_way.pop();
                    open.pop();
                }
                word_start = at + 1;
            }
            _ => {}
        }
    }
    fields
}

/// Goes past the closing quote of a string whose opening quote was taken.
fn skip_string(chars: &mut std::str::CharIndices<'_>) {
    while let Some((_, c)) = chars.next() {
        match c {
            '\\' => {
                chars.next();
            }
            '"' => return,
            _ => {}
        }
    }
}
