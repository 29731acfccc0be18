//! The program in Chinese: the help, what is wrong with input, and what stays English.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use regex::Regex;

use super::{folder, texts};

const COMMANDS: [&str; 20] = [
    "adapt",
    "bench",
    "compare",
    "devices",
    "eval",
    "export",
    "find-rate",
    "generate",
    "get",
    "import",
    "inspect",
    "mix",
    "perplexity",
    "sample-data",
    "selftest",
    "serve",
    "sweep",
    "tune",
    "watch",
    "window",
];

/// The program in `folder` where the environment asks for `language`.
fn speaking(language: &str, folder: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_gosling"))
        .env("GOSLING_LANGUAGE", language)
        .args(arguments)
        .current_dir(folder)
        .output()
        .unwrap()
}

/// Three words in a row: a name has two, a sentence more.
fn english() -> Regex {
    Regex::new(r"\b[A-Za-z][a-z']+( [a-z']{2,}){2,}").unwrap()
}

#[test]
fn the_help_of_every_command_is_chinese() {
    let folder = tempfile::tempdir().unwrap();
    let english = english();
    let check = |arguments: &[&str]| {
        let (text, errors) = texts(&speaking("zh", folder.path(), arguments));
        assert_eq!(errors, "", "{arguments:?}");
        assert!(text.contains("用法："), "{arguments:?}: {text}");
        assert!(text.contains("选项"), "{arguments:?}: {text}");
        for line in text.lines() {
            assert!(!english.is_match(line), "{arguments:?}: {line}");
        }
    };
    check(&["--help"]);
    for command in COMMANDS {
        check(&[command, "--help"]);
    }
    // What the pattern is worth: the same help in English has such lines.
    let (text, _) = texts(&speaking("en", folder.path(), &["tune", "--help"]));
    assert!(text.lines().any(|line| english.is_match(line)), "{text}");
    assert!(text.contains("Usage:"), "{text}");
}

#[test]
fn an_option_comes_before_the_environment() {
    let folder = tempfile::tempdir().unwrap();
    for (language, arguments, word) in [
        ("zh", &["--language", "en", "--help"][..], "Usage:"),
        ("en", &["tune", "--language=zh", "--help"], "用法："),
        ("zh_CN.UTF-8", &["--help"], "用法："),
    ] {
        let (text, _) = texts(&speaking(language, folder.path(), arguments));
        assert!(text.contains(word), "{language} {arguments:?}: {text}");
    }
    let output = speaking("en", folder.path(), &["--language", "fr", "devices"]);
    let (_, errors) = texts(&output);
    assert_eq!(output.status.code(), Some(2), "{errors}");
    assert!(errors.contains("choose en or zh"), "{errors}");
}

#[test]
fn what_is_wrong_with_input_is_said_in_chinese() {
    let folder = folder();
    for (arguments, parts) in [
        (
            &["inspect", "gone.pth"][..],
            &["gosling: 无法", "gone.pth", "没有此文件或文件夹"][..],
        ),
        (
            &[
                "tune",
                "--preset",
                "cpu",
                "--print-spec",
                "--set",
                "training.steps=0",
            ],
            &["gosling: training.steps: 必须至少为 1，实际为 0"],
        ),
    ] {
        let output = speaking("zh", folder.path(), arguments);
        let (_, errors) = texts(&output);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {errors}");
        for part in parts {
            assert!(
                errors.contains(part),
                "{arguments:?}: no {part} in {errors}"
            );
        }
    }
}

#[test]
fn a_specification_is_the_same_but_for_its_comments() {
    let folder = tempfile::tempdir().unwrap();
    let arguments = ["tune", "--preset", "lifted", "--print-spec"];
    let printed = |language: &str| texts(&speaking(language, folder.path(), &arguments)).0;
    let (english, chinese) = (printed("en"), printed("zh"));
    assert!(chinese.contains("学习率"), "{chinese}");
    assert!(!english.contains("学习率"), "{english}");
    let values = |text: &str| -> Vec<String> {
        let line = |line: &str| line.split(" // ").next().unwrap().trim_end().to_owned();
        text.lines().map(line).collect()
    };
    assert_eq!(values(&english), values(&chinese));
    // It is read again.
    fs::write(folder.path().join("run.ron"), &chinese).unwrap();
    let arguments = ["tune", "run.ron", "--print-spec"];
    let again = texts(&speaking("zh", folder.path(), &arguments)).0;
    assert_eq!(again, chinese);
}

#[test]
fn the_manual_is_english() {
    let folder = tempfile::tempdir().unwrap();
    let pages = |language: &str| -> BTreeMap<String, String> {
        let output = speaking(language, folder.path(), &["manual", language]);
        let (_, errors) = texts(&output);
        assert!(output.status.success(), "{errors}");
        let entries = fs::read_dir(folder.path().join(language)).unwrap();
        let page = |entry: fs::DirEntry| {
            let name = entry.file_name().into_string().unwrap();
            (name, fs::read_to_string(entry.path()).unwrap())
        };
        entries.map(|entry| page(entry.unwrap())).collect()
    };
    let english = pages("en");
    assert!(english.len() > 10, "{:?}", english.keys());
    assert_eq!(english, pages("zh"));
}
