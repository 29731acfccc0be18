//! Run specifications as RON: read with errors that say where and what would
//! be right, printed so that they read back equal.

use std::ops::Range;
use std::path::Path;

use ron::error::{Error as RonError, Position, SpannedError};
use ron::extensions::Extensions;
use ron::ser::PrettyConfig;
use ron::value::RawValue;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::printed_fields::printed_fields;
use crate::error::{Error, Result};
use crate::format::with_first;
use crate::protocol::run_spec::RunSpec;
use crate::text_file;

mod comments;
pub(super) mod quotes;
mod suggest;

pub use comments::print_commented_spec;

use suggest::{no_such_path, unknown};

/// A specification is a page of text; more than this is some other file.
const MAX_BYTES: u64 = 1 << 20;

const HEADER: &str = "// A run of Gosling. Fields that are left out take their defaults.\n";

/// What to do about a path of Windows whose backslashes were read as escapes.
pub(crate) const PATH_HINT: &str = mark!(
    r#"in quotes a backslash begins an escape; write a path with /, or as r"C:\models\rwkv7.pth""#
);

/// Reads a specification from a file.
///
/// # Errors
/// [`Error::Io`] if the file cannot be read, else [`Error::Input`] with the
/// line and column of what is wrong. The values themselves are not judged;
/// [`RunSpec::check`] does that.
pub fn read_spec(path: impl AsRef<Path>) -> Result<RunSpec> {
    let path = path.as_ref();
    parse_spec(&read_text(path)?, path)
}

/// Reads a specification from text; `origin` names it in errors.
///
/// `Some(x)` may be written `x`, and `Standard((layers: All))` may be written
/// `Standard(layers: All)`.
///
/// # Errors
/// [`Error::Input`] with the line and column of what is wrong.
pub fn parse_spec(text: &str, origin: impl AsRef<Path>) -> Result<RunSpec> {
    parse_ron(text, origin)
}

/// The text of a short RON file, in UTF-8 or UTF-16.
///
/// # Errors
/// [`Error::Io`] if the file cannot be read, [`Error::Input`] if it is too
/// large, a folder, no text, or a data set.
pub(crate) fn read_text(path: &Path) -> Result<String> {
    let what = tr!("a run specification is a short RON file");
    let text = text_file::read_text(path, MAX_BYTES, what)?;
    if text.trim().is_empty() {
        let reason = tr!("is empty; a RON file of a run or a sweep is needed");
        return Err(Error::input(path, tr!("line 1"), reason));
    }
    // RON begins with a parenthesis, a name or a comment.
    if text.trim_start().starts_with(['{', '[']) {
        let reason = tr!(
            "is JSON; a run or a sweep is a RON file, and a data set is named in one or \
             with --set data.source='Jsonl(train: \"FILE\", template: Plain)'"
        );
        return Err(Error::input(path, tr!("line 1"), reason));
    }
    Ok(text)
}

/// Reads a document from text as [`parse_spec`] reads a run.
///
/// # Errors
/// [`Error::Input`] with the line and column of what is wrong.
pub(crate) fn parse_ron<T: DeserializeOwned>(text: &str, origin: impl AsRef<Path>) -> Result<T> {
    // Editors on Windows put a byte order mark in front.
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    parse(text).map_err(|error| {
        let Position { line, col } = place(text, &error.span.start);
        let place = tr!("line {line}, column {col}", line, col);
        Error::input(origin, place, reason(text, &error.code))
    })
}

/// The specification as RON that [`parse_spec`] reads back equal.
///
/// # Errors
/// [`Error::Spec`] if a path in it is not Unicode and so has no text.
pub fn print_spec(spec: &RunSpec) -> Result<String> {
    Ok(format!("{HEADER}{}\n", print_ron(spec)?))
}

/// A document as RON that [`parse_ron`] reads back equal.
///
/// # Errors
/// [`Error::Spec`] if a path in it is not Unicode and so has no text.
pub(crate) fn print_ron<T: Serialize>(document: &T) -> Result<String> {
    let pretty = PrettyConfig::new().new_line("\n").compact_arrays(true);
    options()
        .to_string_pretty(document, pretty)
        .map_err(|error| unprintable(&error))
}

/// The specification on one line; equal ones have equal lines.
///
/// # Errors
/// [`Error::Spec`] if a path in it is not Unicode and so has no text.
pub fn print_compact<T: Serialize>(spec: &T) -> Result<String> {
    let text = options().to_string(spec);
    text.map_err(|error| unprintable(&error))
}

/// Sets one field by its dotted path, as in `training.batch=8` or
/// `training.optimizer=Sgd(momentum: 0.9)`. Paths also lead into the variant
/// that is set at present: `training.optimizer.momentum=0.5`. Quotes around
/// text and paths may be left out, or be single ones, in which a backslash is one.
///
/// # Errors
/// [`Error::Spec`] if there is no such field or the value does not fit it; the
/// specification is then as it was.
pub fn set_field<T: Serialize + DeserializeOwned>(spec: &mut T, assignment: &str) -> Result<()> {
    let Some((path, value)) = assignment.split_once('=') else {
        let reason = tr!("is not an assignment; use path=value, as in training.batch=8");
        return Err(Error::spec(shorten(assignment), reason));
    };
    let (path, value) = (path.trim(), value.trim());
    let printed = print_compact(spec)?;
    let old = locate(&printed, path)?;
    // `gamma=2` where gamma is `Value(1.0)`.
    let wrapped = newtype_of_number(&printed[old.clone()]).map(|name| format!("{name}({value})"));
    let with = |value: &str| {
        let text = [&printed[..old.start], value, &printed[old.end..]].concat();
        // One whole value, or it would end its field and begin another.
        RawValue::from_ron(value)
            .and_then(|_| parse(&text))
            .map_err(|error| reason(&text, &error.code))
    };
    let or_single = |reason: String| match quotes::from_single(value) {
        Some(raw) => with(&raw).map_err(|_| reason),
        None => Err(reason),
    };
    *spec = with(value)
        .or_else(or_single)
        .or_else(|unquoted| with(&format!("{value:?}")).map_err(|_| unquoted))
        .or_else(|reason| wrapped.map_or(Err(reason.clone()), |it| with(&it).map_err(|_| reason)))
        .map_err(|reason| Error::spec(path, format!("`{}`: {reason}", shorten(value))))?;
    Ok(())
}

/// The value of the field at a dotted path, as text that [`set_field`] takes.
///
/// # Errors
/// [`Error::Spec`] if there is no such field, with the one that was perhaps meant.
pub fn field_value(spec: &RunSpec, path: &str) -> Result<String> {
    let printed = print_compact(spec)?;
    Ok(printed[locate(&printed, path)?].to_owned())
}

/// Every field's dotted path and value, parents after what is below them.
///
/// # Errors
/// [`Error::Spec`] if a path in it is not Unicode and so has no text.
pub fn fields(spec: &RunSpec) -> Result<Vec<(String, String)>> {
    let printed = print_compact(spec)?;
    let fields = printed_fields(&printed).into_iter();
    Ok(fields
        .map(|(path, value)| (path, printed[value].to_owned()))
        .collect())
}

/// `Value` of `Value(1.0)`.
fn newtype_of_number(value: &str) -> Option<&str> {
    let (name, rest) = value.split_once('(')?;
    let number: f64 = rest.strip_suffix(')')?.parse().ok()?;
    number.is_finite().then_some(name)
}

pub(super) fn unprintable(error: &RonError) -> Error {
    Error::spec(
        "run",
        tr!("cannot be written as text: {}", lower_first(error)),
    )
}

/// What every specification is read and printed with.
pub(super) fn options() -> ron::Options {
    explicit_options().with_default_extension(Extensions::UNWRAP_VARIANT_NEWTYPES)
}

/// As [`options`], for `Standard((layers: All))`.
fn explicit_options() -> ron::Options {
    ron::Options::default().with_default_extension(Extensions::IMPLICIT_SOME)
}

/// Reads either way of writing variants; the error is that of the reading that
/// came further.
fn parse<T: DeserializeOwned>(text: &str) -> Result<T, SpannedError> {
    options().from_str(text).or_else(|error| {
        explicit_options().from_str(text).map_err(|other| {
            let reach = |error: &SpannedError| (error.span.start.line, error.span.start.col);
            if reach(&other) > reach(&error) {
                other
            } else {
                error
            }
        })
    })
}

/// Where the word at fault begins: RON's spans include the space before it.
fn place(text: &str, start: &Position) -> Position {
    let mut at = Position {
        line: start.line,
        col: start.col,
    };
    let line = text.split('\n').nth(start.line.saturating_sub(1));
    let before = start.col.saturating_sub(1);
    let rest = line.unwrap_or_default().chars().skip(before);
    let n_spaces = rest.clone().take_while(|c| c.is_whitespace()).count();
    if rest.count() > n_spaces {
        at.col += n_spaces;
    }
    at
}

/// One line for the user about an error of RON.
fn reason(text: &str, code: &RonError) -> String {
    let reason = match code {
        RonError::NoSuchStructField {
            expected, found, ..
        } => unknown(tr!("field"), found, expected),
        RonError::NoSuchEnumVariant {
            expected, found, ..
        } => unknown(tr!("choice"), found, expected),
        RonError::MissingStructField {
            field,
            outer: Some(outer),
        } => tr!("`{outer}` needs the field `{field}`", outer, field),
        RonError::MissingStructField { field, outer: None } => {
            tr!("the field `{field}` is missing", field)
        }
        RonError::DuplicateStructField { field, .. } => {
            tr!("the field `{field}` is set twice", field)
        }
        RonError::TrailingCharacters => tr!("unexpected text after the specification's end").into(),
        RonError::ExpectedInteger => tr!("expected a whole number").into(),
        RonError::IntegerOutOfBounds => {
            tr!("the number is too large or negative; expected a whole number from 0").into()
        }
        RonError::ExpectedFloat => tr!("expected a number").into(),
        RonError::ExpectedBoolean => tr!("expected true or false").into(),
        RonError::ExpectedString => tr!("expected text in double quotes").into(),
        RonError::InvalidEscape(_) => crate::language::text(PATH_HINT).into(),
        // Well-formed, so the value before the missing comma was cut short.
        RonError::ExpectedComma if RawValue::from_ron(text).is_ok() => tr!(
            "expected the value to end here; a whole number has no fraction, and a \
             choice without fields no parentheses"
        )
        .into(),
        other => lower_first(other),
    };
    shorten(&reason)
}

fn lower_first(message: &impl ToString) -> String {
    with_first(&message.to_string(), char::to_lowercase)
}

/// At most a line of a text that may be a whole file.
fn shorten(text: &str) -> String {
    const MAX_CHARS: usize = 300;
    let mut line: String = text
        .chars()
        .take(MAX_CHARS)
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect();
    if text.chars().nth(MAX_CHARS).is_some() {
        line.push('…');
    }
    line
}

/// Where the value of the field at `path` stands in a printed specification.
fn locate(printed: &str, path: &str) -> Result<Range<usize>> {
    let fields = printed_fields(printed);
    if let Some((_, value)) = fields.iter().find(|(name, _)| name == path) {
        return Ok(value.clone());
    }
    Err(Error::spec(
        shorten(path),
        no_such_path(printed, &fields, path),
    ))
}

#[cfg(test)]
mod lifted_tests;
#[cfg(test)]
mod set_tests;
#[cfg(test)]
mod tests;
