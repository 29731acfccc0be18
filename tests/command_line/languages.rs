//! The program in Chinese: the help, what is wrong with input, and what stays English.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Output};
use std::{env, fs, io};

use gosling::Error;
use gosling::language::{Language, choose, in_english};
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

/// The line in which the program says what is wrong.
fn complaint(language: &str, folder: &Path, arguments: &[&str]) -> String {
    let output = speaking(language, folder, arguments);
    let (_, errors) = texts(&output);
    assert_eq!(output.status.code(), Some(2), "{arguments:?}: {errors}");
    let mut lines = errors.lines().filter(|line| line.starts_with("gosling: "));
    let line = lines.next().map(str::to_owned);
    assert_eq!(lines.next(), None, "{arguments:?}: {errors}");
    line.unwrap_or_else(|| panic!("{arguments:?}: {errors}"))
}

/// Files that cannot be read, and what is said of them: in English to the letter, in
/// Chinese with these words and without a sentence in English.
#[test]
fn what_is_wrong_with_a_file_is_said_in_both_languages() {
    let folder = folder();
    let write = |name: &str, bytes: &[u8]| fs::write(folder.path().join(name), bytes).unwrap();
    let arguments = ["export", "--model", "tiny.pth", "--to", "safetensors"];
    let whole = [&arguments[..], &["--output", "whole.safetensors"]].concat();
    assert!(speaking("en", folder.path(), &whole).status.success());
    let whole = fs::read(folder.path().join("whole.safetensors")).unwrap();
    // One tensor has another name.
    let name = b"blocks.1.ln1.weight";
    let at = whole.windows(name.len()).position(|part| part == name);
    let mut renamed = whole.clone();
    renamed[at.unwrap() + name.len() - 1] = b'z';
    write("renamed.safetensors", &renamed);
    write("cut.safetensors", &whole[..whole.len() / 2]);
    write("page.safetensors", b"<!doctype html><p>no</p>");
    write("broken.jsonl", b"{\"prompt\": \"a\", \n");
    write("number.jsonl", b"{\"segments\": 3}\n");
    write("zip.jsonl", b"PK\x03\x04 and more");
    write("run.ron", b"(name: \"x\", training: (stepz: 3))");
    let preset = ["tune", "--preset", "cpu", "--print-spec", "--set"];
    let unknown = [&preset[..], &["trainin.steps=3"]].concat();
    let english = english();
    for (arguments, expected, words) in [
        (
            &["inspect", "renamed.safetensors"][..],
            "renamed.safetensors: tensors: blocks.1.ln1.weight is missing; blocks.1.ln1.weighz \
             is not part of RWKV-7",
            "缺少 blocks.1.ln1.weight",
        ),
        (
            &["inspect", "cut.safetensors"],
            "cut.safetensors: header: does not match the file's size, so the file is truncated \
             or damaged; download or copy it again",
            "文件被截断或已损坏",
        ),
        (
            &["inspect", "page.safetensors"],
            "page.safetensors: content: is a web page, so the download failed; open the address \
             in a browser to see why",
            "是网页",
        ),
        (
            &["inspect", "broken.jsonl"],
            "broken.jsonl: line 1: entry 1: not a JSON object: EOF while parsing a value at \
             column 15 (none of the 1 lines can be used)",
            "第 1 行: 第 1 项：不是 JSON 对象：第 15 列：值没有结束",
        ),
        (
            &["inspect", "number.jsonl"],
            "number.jsonl: line 1: `segments` is a number, not a list (none of the 1 lines can \
             be used)",
            "`segments` 是数值，不是列表",
        ),
        (
            &["inspect", "zip.jsonl"],
            "zip.jsonl: content: is a zip archive; unpack it and name the file in it",
            "是 zip 压缩包",
        ),
        (
            &["tune", "run.ron", "--print-spec"],
            "run.ron: line 1, column 24: unknown field `stepz`; did you mean `steps`?",
            "第 1 行第 24 列: 未知的字段 `stepz`；是指 `steps` 吗？",
        ),
        (
            &unknown[..],
            "trainin.steps: unknown field; did you mean `training.steps`?",
            "未知字段",
        ),
    ] {
        let told = complaint("en", folder.path(), arguments);
        assert_eq!(told, format!("gosling: {expected}"));
        assert!(english.is_match(&told), "{told}");
        let told = complaint("zh", folder.path(), arguments);
        assert!(told.contains(words), "no {words} in {told}");
        assert!(!english.is_match(&told), "{told}");
    }
}

/// Set where a test runs in a process of its own.
const ALONE: &str = "GOSLING_TEST_ALONE";

/// The disk that is full is that of an error: the language is one of the process.
#[test]
fn a_full_disk_is_told_of_in_both_languages() {
    if env::var_os(ALONE).is_none() {
        let this = "languages::a_full_disk_is_told_of_in_both_languages";
        let output = Command::new(env::current_exe().unwrap())
            .args(["--exact", this, "--nocapture"])
            .env(ALONE, "1")
            .output()
            .unwrap();
        let (text, errors) = texts(&output);
        assert!(output.status.success(), "{text}{errors}");
        assert!(text.contains("1 passed"), "{text}");
        return;
    }
    choose(Language::Chinese);
    let error = Error::io("write", "a.jsonl", io::ErrorKind::StorageFull.into());
    let told = error.to_string();
    assert!(told.contains("a.jsonl：磁盘已满"), "{told}");
    assert!(!english().is_match(&told), "{told}");
    assert_eq!(
        in_english(|| error.to_string()),
        "cannot write a.jsonl: the disk is full; free some space and resume"
    );
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
