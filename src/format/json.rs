//! What a reader of JSON says of a file, in the chosen language. Its words are those of
//! serde and serde_json; what they do not have here stays as it is.

use crate::language;

/// The sentences that have no places.
const _: &[&str] = &[
    mark!("EOF while parsing a list"),
    mark!("EOF while parsing an object"),
    mark!("EOF while parsing a string"),
    mark!("EOF while parsing a value"),
    mark!("expected `:`"),
    mark!("expected `,` or `]`"),
    mark!("expected `,` or `}`"),
    mark!("expected ident"),
    mark!("expected value"),
    mark!("expected `\"`"),
    mark!("invalid escape"),
    mark!("invalid number"),
    mark!("number out of range"),
    mark!("invalid unicode code point"),
    mark!("control character (\\u0000-\\u001F) found while parsing a string"),
    mark!("key must be a string"),
    mark!("lone leading surrogate in hex escape"),
    mark!("trailing comma"),
    mark!("trailing characters"),
    mark!("unexpected end of hex escape"),
    mark!("recursion limit exceeded"),
];

/// The kinds of values, as they are found and as they are wanted.
const _: &[&str] = &[
    mark!("boolean"),
    mark!("integer"),
    mark!("floating point"),
    mark!("string"),
    mark!("null"),
    mark!("map"),
    mark!("sequence"),
    mark!("a boolean"),
    mark!("a string"),
    mark!("a map"),
    mark!("a sequence"),
];

/// What is wrong, and where: `EOF while parsing a value at line 1 column 0`.
pub(crate) fn json_words(error: &serde_json::Error) -> String {
    let said = error.to_string();
    let (line, column) = (error.line(), error.column());
    match said.strip_suffix(&format!(" at line {line} column {column}")) {
        Some(what) => tr!(
            "{what} at line {line} column {column}",
            what = json_fault(what),
            line,
            column
        ),
        None => json_fault(&said),
    }
}

/// What is wrong, without the place: `missing field "x"`.
pub(crate) fn json_fault(what: &str) -> String {
    let rest = |front: &str| what.strip_prefix(front);
    let both = |front: &str| rest(front)?.split_once(", expected ");
    if let Some(name) = rest("missing field ") {
        tr!("missing field {name}", name)
    } else if let Some(name) = rest("duplicate field ") {
        tr!("duplicate field {name}", name)
    } else if let Some((name, names)) = both("unknown field ") {
        tr!(
            "unknown field {name}, expected {names}",
            name,
            names = names_of(names)
        )
    } else if let Some((name, names)) = both("unknown variant ") {
        tr!(
            "unknown variant {name}, expected {names}",
            name,
            names = names_of(names)
        )
    } else if let Some((found, wanted)) = both("invalid type: ") {
        tr!(
            "invalid type: {found}, expected {wanted}",
            found = kind_of(found),
            wanted = language::text(wanted)
        )
    } else if let Some((found, wanted)) = both("invalid value: ") {
        tr!(
            "invalid value: {found}, expected {wanted}",
            found = kind_of(found),
            wanted = language::text(wanted)
        )
    } else {
        language::text(what).to_owned()
    }
}

/// Names of which one is right.
fn names_of(names: &str) -> String {
    match names.strip_prefix("one of ") {
        Some(names) => tr!("one of {names}", names),
        None => names.to_owned(),
    }
}

/// What was found: its kind, and its value if that is quoted.
fn kind_of(found: &str) -> String {
    let (kind, value) = found.split_at(found.find(['`', '"']).unwrap_or(found.len()));
    let words = kind.trim_end();
    let space = &kind[words.len()..];
    format!("{}{space}{value}", language::text(words))
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Shape {
        #[expect(dead_code, reason = "only what is wrong is looked at")]
        name: String,
        #[expect(dead_code, reason = "only what is wrong is looked at")]
        size: u8,
    }

    /// English is what the reader says, to the letter.
    #[test]
    fn english_is_the_readers_own() {
        for text in [
            "",
            "{",
            "[1,",
            r#"{"name": }"#,
            r#"{"name": "a" "b"}"#,
            r#"{"name": "a"}"#,
            r#"{"name": "a", "name": "b", "size": 1}"#,
            r#"{"name": 3, "size": 1}"#,
            r#"{"name": "a", "size": 1.5}"#,
            r#"{"name": "a", "size": "a b"}"#,
            r#"{"name": "a", "size": 300}"#,
            r#"{"name": null, "size": 1}"#,
            r#"{"name": "a", "size": 1, "sise": 2}"#,
            r#"{"name": "a", "size": 1} x"#,
            "{\"name\": \"a\nb\"}",
        ] {
            let error = serde_json::from_str::<Shape>(text).unwrap_err();
            assert_eq!(json_words(&error), error.to_string(), "{text:?}");
        }
    }
}
