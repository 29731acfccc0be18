//! What a state's file says about where it came from, laid out for a terminal.

use serde_json::Value;

use crate::cli::table::columns;
use crate::model::Architecture;
use crate::model::checkpoint::{content_digits, shown};
use crate::tuning::states::state_file::Metadata;

/// Figures that are printed at most; a run has some dozens.
const MAX_FIGURES: usize = 200;
/// Characters of a figure or of a specification's line that are printed at most.
const MAX_CHARS: usize = 100;
/// Lines of a specification that are printed at most.
const MAX_LINES: usize = 200;

/// What is short enough for a line: the program, the model, and how the state is used.
pub(super) fn metadata_rows(metadata: &Metadata) -> Vec<(&'static str, String)> {
    let Metadata {
        architecture,
        base_fingerprint,
        base_model,
        base_sha256,
        vocabulary,
        vocabulary_file: _,
        template,
        leading_token,
        method,
        data_fingerprint,
        spec_ron: _,
        metrics_json: _,
        gosling_version,
    } = metadata;
    let made_by = gosling_version.as_ref();
    let base = base_fingerprint.as_ref().map(|text| match base_model {
        Some(name) => format!("{} ({})", shown(name), shown(content_digits(text))),
        None => shown(content_digits(text)),
    });
    let template = template.as_ref();
    [
        (
            tr!("made by"),
            made_by.map(|version| format!("Gosling {}", shown(version))),
        ),
        (
            tr!("made for"),
            (*architecture != Architecture::Rwkv7).then(|| architecture.name().to_owned()),
        ),
        ("base model", base),
        (
            tr!("its SHA-256"),
            base_sha256.as_ref().map(|text| shown(text)),
        ),
        (
            tr!("vocabulary"),
            vocabulary.as_ref().map(|of| of.to_string()),
        ),
        (
            tr!("template"),
            template.map(|of| format!("{}, \"{}\"", shown(&of.name), shown(&of.around("…")))),
        ),
        (
            tr!("leading token"),
            leading_token.map(|of| tr!("{}, used {}", of.name(), of.in_use())),
        ),
        (tr!("method"), method.as_ref().map(|text| shown(text))),
        (
            tr!("data"),
            data_fingerprint.as_ref().map(|text| shown(text)),
        ),
    ]
    .into_iter()
    .filter_map(|(name, text)| Some((name, text?)))
    .collect()
}

/// The figures of the run, one a line, and its specification as it was written.
pub(super) fn metadata_blocks(metadata: &Metadata) -> String {
    let mut text = String::new();
    if let Some(json) = &metadata.metrics_json {
        text.push_str(tr!("  figures\n"));
        text.push_str(&indented(&figures(json)));
    }
    if let Some(ron) = &metadata.spec_ron {
        text.push_str(tr!("  specification\n"));
        let lines = ron.lines().filter(|line| !line.trim().starts_with("//"));
        let lines: Vec<&str> = lines.filter(|line| !line.trim().is_empty()).collect();
        text.push_str(&indented(&lines.join("\n")));
    }
    text
}

/// A figure a line, what lies in another named by both: `best.loss  1.5`,
/// `evaluations[0].accuracy  0.5`.
fn figures(json: &str) -> String {
    let Ok(value) = serde_json::from_str::<Value>(json) else {
        return json.to_owned();
    };
    let mut rows = Vec::new();
    add_figures("", &value, &mut rows);
    columns(&rows)
}

fn add_figures(name: &str, value: &Value, rows: &mut Vec<Vec<String>>) {
    if rows.len() == MAX_FIGURES {
        return;
    }
    match value {
        Value::Object(fields) if !fields.is_empty() => {
            for (key, value) in fields {
                let dot = if name.is_empty() { "" } else { "." };
                add_figures(&format!("{name}{dot}{}", shown(key)), value, rows);
            }
        }
        Value::Array(items) if items.iter().any(Value::is_object) => {
            for (at, value) in items.iter().enumerate() {
                add_figures(&format!("{name}[{at}]"), value, rows);
            }
        }
        Value::String(text) => rows.push(vec![name.to_owned(), cut(text)]),
        other => rows.push(vec![name.to_owned(), cut(&other.to_string())]),
    }
}

/// Lines behind a margin, none longer than [`MAX_CHARS`]. A foreign file shall
/// not speak to the terminal.
fn indented(text: &str) -> String {
    let n_lines = text.lines().count();
    let lines = text.lines().take(MAX_LINES).map(|line| {
        let line = line.replace(char::is_control, "");
        format!("    {}\n", cut(&line))
    });
    let mut text: String = lines.collect();
    if n_lines > MAX_LINES {
        text.push_str(&tr!("    … and {} lines more\n", n_lines - MAX_LINES));
    }
    text
}

fn cut(text: &str) -> String {
    match text.char_indices().nth(MAX_CHARS) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_short_whatever_is_in_the_file() {
        let metadata = Metadata {
            metrics_json: Some(format!("{{\"a\":\"{}\"}}", "x".repeat(5000))),
            spec_ron: Some(format!("({})\n", "y".repeat(5000)) + &"z\n".repeat(900)),
            ..Metadata::default()
        };
        let text = metadata_blocks(&metadata);
        assert!(
            text.lines().all(|line| line.chars().count() <= 110),
            "{text}"
        );
        assert!(text.contains("… and 701 lines more"), "{text}");
        let list = Metadata {
            metrics_json: Some("{\"e\":[{\"n\":1},{\"n\":2}],\"l\":[1,2]}".into()),
            ..Metadata::default()
        };
        let want = "  figures\n    e[0].n  1\n    e[1].n  2\n    l       [1,2]\n";
        assert_eq!(metadata_blocks(&list), want);
        let broken = Metadata {
            metrics_json: Some("{\"a\":\u{1b}[31m".into()),
            ..Metadata::default()
        };
        assert_eq!(metadata_blocks(&broken), "  figures\n    {\"a\":[31m\n");
    }
}
