//! A Python script that loads an exported `.pth` into the `rwkv` package,
//! which has no loader for RWKV-7 states. The package's own examples transpose
//! the state, which is right for RWKV-6 and wrong here. The script feeds texts as
//! the run did: with what stood in front of them and around prompts, and in its
//! vocabulary.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use super::{Metadata, exported_vocabulary};
use crate::atomic::write_atomic;
use crate::data::PromptFormat;
use crate::error::{Error, Result};
use crate::model::TextStart;
use crate::model::checkpoint::shown;
use crate::model::tokenizer::{MINI_FINGERPRINT, Tokenizer, WORLD_FINGERPRINT};

const TEMPLATE: &str = include_str!("snippet.py");

/// The script for the `.pth` at `pth`, to be kept in the same folder as
/// `{stem}_rwkv_pip.py`. It needs `rwkv` 0.8 or newer. Where the vocabulary is not
/// World's it reads that from [`exported_vocabulary`].
pub fn python_snippet(pth: &Path, metadata: &Metadata) -> String {
    let file_name = name_of(pth);
    let plain = PromptFormat {
        name: "Plain".into(),
        ..PromptFormat::default()
    };
    let format = metadata.template.as_ref().unwrap_or(&plain);
    let PromptFormat {
        name,
        before,
        after,
        one_paragraph,
        stops,
        ..
    } = format;
    let model = metadata.base_model.as_ref();
    let model = model.map_or(String::new(), |model| format!(", {}", shown(model)));
    let mark = metadata.vocabulary.as_ref();
    let vocabulary = mark.filter(|mark| mark.sha256 != WORLD_FINGERPRINT);
    let stops: Vec<String> = stops.iter().map(|stop| python_string(stop)).collect();
    let none = || "None".to_owned();
    let start = metadata.text_start();
    let start_in_words = match start {
        TextStart::Zero => "with token 0",
        TextStart::None => "without token 0",
    };
    let example = match before.as_str() {
        "User: " => "Hello",
        _ => "a prompt",
    };
    let values = [
        ("@FILE@", text_in_docstring(&file_name)),
        ("@SCRIPT@", text_in_docstring(&script_name(pth))),
        ("@EXAMPLE@", example.to_owned()),
        ("@MODEL@", text_in_docstring(&model)),
        ("@TEMPLATE@", text_in_docstring(&shown(name))),
        ("@START@", start_in_words.to_owned()),
        ("@FILE_LITERAL@", python_string(&file_name)),
        ("@IN_FRONT@", format!("{:?}", start.tokens())),
        ("@BEFORE@", python_string(before)),
        ("@AFTER@", python_string(after)),
        (
            "@ONE_PARAGRAPH@",
            if *one_paragraph { "True" } else { "False" }.to_owned(),
        ),
        ("@STOPS@", format!("[{}]", stops.join(", "))),
        (
            "@VOCABULARY@",
            vocabulary.map_or_else(none, |_| python_string(&name_of(&exported_vocabulary(pth)))),
        ),
        (
            "@VOCABULARY_SHA256@",
            mark.map_or_else(none, |mark| python_string(&mark.sha256)),
        ),
    ];
    filled(&values)
}

/// The template with its places filled; a value is never looked into.
fn filled(values: &[(&str, String)]) -> String {
    let mut script = String::new();
    let mut rest = TEMPLATE;
    while let Some(at) = rest.find('@') {
        script.push_str(&rest[..at]);
        rest = &rest[at..];
        match values.iter().find(|(place, _)| rest.starts_with(place)) {
            Some((place, value)) => {
                script.push_str(value);
                rest = &rest[place.len()..];
            }
            None => {
                script.push('@');
                rest = &rest[1..];
            }
        }
    }
    script + rest
}

/// Writes [`python_snippet`] beside the `.pth`, and the vocabulary that it reads
/// where that is known and not World's; gives the script's path.
///
/// # Errors
/// [`Error::Input`] when `pth` has no file name, [`Error::Io`] when a file cannot
/// be written.
pub fn write_python_snippet(pth: impl AsRef<Path>, metadata: &Metadata) -> Result<PathBuf> {
    let pth = pth.as_ref();
    if pth.file_name().is_none() {
        return Err(Error::input(pth, tr!("path"), tr!("ends in no file name")));
    }
    let path = pth.with_file_name(script_name(pth));
    let script = python_snippet(pth, metadata);
    write_atomic(&path, |file| file.write_all(script.as_bytes()))?;
    if let Some(tokenizer) = own_vocabulary(metadata)? {
        let text = tokenizer.to_text();
        write_atomic(exported_vocabulary(pth), |file| {
            file.write_all(text.as_bytes())
        })?;
    }
    Ok(path)
}

/// The vocabulary that has to lie beside the script; none for World's, which the
/// package has, and where it is not known.
fn own_vocabulary(metadata: &Metadata) -> Result<Option<Tokenizer>> {
    let mark = metadata.vocabulary.as_ref();
    match (mark.map(|of| of.sha256.as_str()), &metadata.vocabulary_file) {
        (None | Some(WORLD_FINGERPRINT), _) => Ok(None),
        (Some(MINI_FINGERPRINT), _) => Tokenizer::mini().map(Some),
        (Some(_), None) => Ok(None),
        (Some(_), Some(file)) => Tokenizer::from_file(file).map(Some),
    }
}

fn name_of(path: &Path) -> String {
    let name = path.file_name().unwrap_or_default();
    name.to_string_lossy().into_owned()
}

fn script_name(pth: &Path) -> String {
    let stem = pth.file_stem().unwrap_or_default();
    format!("{}_rwkv_pip.py", stem.to_string_lossy())
}

/// A Python literal for `text`, on one line and safe inside a docstring.
fn python_string(text: &str) -> String {
    format!("\"{}\"", text_in_docstring(text))
}

fn text_in_docstring(text: &str) -> String {
    let mut literal = String::new();
    for char in text.chars() {
        match char {
            '"' | '\\' => literal.extend(['\\', char]),
            '\n' => literal.push_str("\\n"),
            _ if char.is_control() => literal.push_str(&format!("\\x{:02x}", char as u32)),
            _ => literal.push(char),
        }
    }
    literal
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::Template;
    use crate::model::LeadingToken;
    use crate::tuning::states::state_file::VocabularyMark;

    #[test]
    fn awkward_names_stay_inside_their_literal() {
        let metadata = Metadata {
            template: Some(PromptFormat {
                before: "\"@FILE@\n".into(),
                ..Template::UserAssistant.prompt_format().unwrap()
            }),
            ..Metadata::default()
        };
        let script = python_snippet(Path::new("a\"b\\\n.pth"), &metadata);
        assert!(script.contains(r#"join(HERE, "a\"b\\\n.pth")"#), "{script}");
        assert!(script.contains(r#"python a\"b\\\n_rwkv_pip.py"#));
        assert!(script.contains(r#"BEFORE = "\"@FILE@\n""#), "{script}");
        assert_eq!(script.matches('@').count(), 2);
    }

    #[test]
    fn a_state_of_older_versions_is_fed_as_it_was_trained() {
        let older = Metadata {
            gosling_version: Some("0.1.0".into()),
            ..Metadata::default()
        };
        let script = python_snippet(Path::new("a.pth"), &older);
        for line in [
            "IN_FRONT = [0]",
            "BEFORE = \"\"",
            "STOPS = []",
            "VOCABULARY_FILE = None",
            "VOCABULARY_SHA256 = None",
        ] {
            assert!(script.contains(&format!("{line}\n")), "{line}");
        }
    }

    #[test]
    fn the_script_lies_beside_the_state_with_the_vocabulary_that_it_reads() {
        let folder = tempfile::tempdir().unwrap();
        let pth = folder.path().join("gsm8k.pth");
        let mut metadata = Metadata {
            vocabulary: Some(VocabularyMark {
                name: "mini".into(),
                sha256: MINI_FINGERPRINT.into(),
            }),
            leading_token: Some(LeadingToken::Both),
            template: Some(Template::UserAssistant.prompt_format().unwrap()),
            ..Metadata::default()
        };
        let path = write_python_snippet(&pth, &metadata).unwrap();
        assert_eq!(path, folder.path().join("gsm8k_rwkv_pip.py"));
        let script = std::fs::read_to_string(path).unwrap();
        for line in [
            "IN_FRONT = []",
            "AFTER = \"\\n\\nAssistant:\"",
            "ONE_PARAGRAPH = True",
            "STOPS = [\"\\n\\n\"]",
            "VOCABULARY_FILE = \"gsm8k_vocab.txt\"",
        ] {
            assert!(script.contains(&format!("{line}\n")), "{line}");
        }
        let vocabulary = folder.path().join("gsm8k_vocab.txt");
        let read = Tokenizer::from_file(&vocabulary).unwrap();
        assert_eq!(read.fingerprint(), MINI_FINGERPRINT);
        std::fs::remove_file(&vocabulary).unwrap();
        metadata.vocabulary = Some(VocabularyMark {
            name: "World".into(),
            sha256: WORLD_FINGERPRINT.into(),
        });
        write_python_snippet(&pth, &metadata).unwrap();
        assert!(!vocabulary.exists());
        assert!(python_snippet(&pth, &metadata).contains("VOCABULARY_FILE = None\n"));
    }
}
