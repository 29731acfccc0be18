//! One entry of a file as named fields, and the message for an entry that is not one.

use serde_json::{Map, Value};

use super::lines::shorten;
use super::mended::mended;
use crate::format::json_fault;

/// How many names of fields a reason lists.
const MAX_NAMES: usize = 8;

/// The fields of one entry.
pub(super) struct Row {
    fields: Map<String, Value>,
    /// Whether half of a surrogate pair was read as U+FFFD.
    pub has_half_pairs: bool,
}

/// Why a text is no entry.
pub(super) struct Fault {
    pub reason: String,
    /// The line of the text that it shows in, from 1.
    pub line: u64,
}

impl Row {
    /// The fields of an object.
    pub fn of(fields: Map<String, Value>) -> Self {
        Self {
            fields,
            has_half_pairs: false,
        }
    }

    /// Reads a JSON object. NaN and the infinities, which Python writes, are
    /// nothing, and half of a surrogate pair is U+FFFD.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(text: &str) -> Result<Self, Fault> {
        let read = serde_json::from_str(text).map(|value| (value, false));
        let read = read.or_else(|error| match mended(text) {
            Some((text, has_half_pairs)) => {
                serde_json::from_str(&text).map(|value| (value, has_half_pairs))
            }
            None => Err(error),
        });
        match read {
            Ok((Value::Object(fields), has_half_pairs)) => Ok(Self {
                fields,
                has_half_pairs,
            }),
            Ok((other, _)) => Err(Fault {
                reason: tr!("{}, where a JSON object is needed", kind(&other)),
                line: 1,
            }),
            Err(error) => Err(Fault {
                reason: json_reason(text, &error),
                line: error.line().max(1) as u64,
            }),
        }
    }

    /// Whether there is a field of that name.
    pub fn has(&self, name: &str) -> bool {
        self.fields.contains_key(name)
    }

    /// Whether there is a field of that name without a value.
    pub fn is_null(&self, name: &str) -> bool {
        self.fields.get(name).is_some_and(Value::is_null)
    }

    /// Takes a field; none where it is not there or null.
    pub fn value(&mut self, name: &str) -> Option<Value> {
        // The name stays, for messages.
        let value = std::mem::take(self.fields.get_mut(name)?);
        (!value.is_null()).then_some(value)
    }

    /// Takes a text; none where it is not there or null.
    ///
    /// # Errors
    /// What it is instead.
    pub fn optional_text(&mut self, name: &str) -> Result<Option<String>, String> {
        match self.value(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(other) => Err(tr!("`{name}` is {}, not a text", kind(&other), name)),
        }
    }

    /// Takes a text.
    ///
    /// # Errors
    /// That it is not there, or what it is instead.
    pub fn text(&mut self, name: &str) -> Result<String, String> {
        let text = self.optional_text(name)?;
        text.ok_or_else(|| self.missing(name))
    }

    /// Takes a text, or a whole number as one; none where it is not there or null.
    ///
    /// # Errors
    /// What it is instead.
    pub fn label(&mut self, name: &str) -> Result<Option<String>, String> {
        match self.value(name) {
            None => Ok(None),
            Some(value) => label_of(value)
                .map(Some)
                .map_err(|is| tr!("`{name}` is {is}, not a text or a whole number", name, is)),
        }
    }

    /// What is said where a field is not there.
    pub fn missing(&self, name: &str) -> String {
        tr!("missing field `{name}`; it has {}", self.names(), name)
    }

    /// The names of the fields, in words.
    pub fn names(&self) -> String {
        let shown: Vec<String> = self
            .fields
            .keys()
            .take(MAX_NAMES)
            .map(|name| format!("`{}`", shorten(name)))
            .collect();
        match self.fields.len() {
            0 => tr!("no fields").into(),
            n if n > MAX_NAMES => tr!("{} and {} more", shown.join(", "), n - MAX_NAMES),
            _ => shown.join(", "),
        }
    }
}

/// A text, or a whole number as one.
///
/// # Errors
/// What it is instead.
pub(super) fn label_of(value: Value) -> Result<String, &'static str> {
    match value {
        Value::String(text) => Ok(text),
        Value::Number(number) if number.is_u64() || number.is_i64() => Ok(number.to_string()),
        other => Err(kind(&other)),
    }
}

/// What a value is, in words.
pub(super) fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => tr!("true or false"),
        Value::Number(_) => tr!("a number"),
        Value::String(_) => tr!("a text"),
        Value::Array(_) => tr!("a list"),
        Value::Object(_) => tr!("an object"),
    }
}

/// What a JSON error says, without the line that it believes to be in.
fn json_reason(text: &str, error: &serde_json::Error) -> String {
    let text = text.trim_start();
    if !text.starts_with(['{', '[']) {
        let start = shorten(&text.chars().take(20).collect::<String>());
        return tr!(
            "not a JSON object, which begins with a brace; it begins with `{start}`",
            start
        );
    }
    let message = error.to_string();
    let message = match message.rsplit_once(" at line ") {
        Some((message, _)) => shorten(&json_fault(message)),
        None => shorten(&json_fault(&message)),
    };
    tr!(
        "not a JSON object: {message} at column {}",
        error.column(),
        message
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(text: &str) -> Row {
        match Row::parse(text) {
            Ok(row) => row,
            Err(fault) => panic!("{}", fault.reason),
        }
    }

    fn check_fault(text: &str, expected: &str) {
        match Row::parse(text) {
            Ok(row) => panic!("{}", row.names()),
            Err(fault) => assert_eq!(fault.reason, expected),
        }
    }

    #[test]
    fn what_is_no_object_is_named() {
        check_fault("[\"a\", \"b\"]", "a list, where a JSON object is needed");
        check_fault("3", "a number, where a JSON object is needed");
        check_fault(
            "Once upon a time there was",
            "not a JSON object, which begins with a brace; it begins with `Once upon a time the`",
        );
        check_fault(
            "{\"text\": \"a",
            "not a JSON object: EOF while parsing a string at column 11",
        );
    }

    #[test]
    fn fields_are_taken_by_name_and_kind() {
        let mut it = row(r#"{"a": "x", "b": 7, "c": null, "d": [1], "e": 0.5}"#);
        assert_eq!(it.text("a").unwrap(), "x");
        assert_eq!(it.label("b").unwrap().unwrap(), "7");
        assert_eq!(it.optional_text("c").unwrap(), None);
        assert_eq!(it.text("d").unwrap_err(), "`d` is a list, not a text");
        assert_eq!(
            it.label("e").unwrap_err(),
            "`e` is a number, not a text or a whole number"
        );
        assert_eq!(
            it.text("f").unwrap_err(),
            "missing field `f`; it has `a`, `b`, `c`, `d`, `e`"
        );
        assert_eq!(
            row("{}").missing("x"),
            "missing field `x`; it has no fields"
        );
        let many: Vec<String> = (0..10).map(|n| format!("\"k{n}\": {n}")).collect();
        let many = row(&format!("{{{}}}", many.join(",")));
        assert!(
            many.names().ends_with("`k7` and 2 more"),
            "{}",
            many.names()
        );
    }

    #[test]
    fn what_python_writes_is_read() {
        let mut it = row(r#"{"a": "x NaN", "b": NaN, "c": [-Infinity, Infinity]}"#);
        assert_eq!(it.text("a").unwrap(), "x NaN");
        assert_eq!(it.value("b"), None);
        assert!(!it.has_half_pairs);
        let mut it = row(r#"{"a": "x\ud83d y"}"#);
        assert_eq!(it.text("a").unwrap(), "x\u{fffd} y");
        assert!(it.has_half_pairs);
    }
}
