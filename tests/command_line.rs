//! The program as a user runs it: what it prints, and that bad input ends in one
//! line and exit code 2.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "command_line/travel.rs"]
mod travel;

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

#[path = "command_line/adapting.rs"]
mod adapting;
#[cfg(unix)]
#[path = "command_line/asking.rs"]
mod asking;
#[path = "command_line/closed.rs"]
mod closed;
#[path = "command_line/data.rs"]
mod data;
#[path = "command_line/dialects.rs"]
mod dialects;
#[path = "command_line/events.rs"]
mod events;
#[path = "command_line/importing.rs"]
mod importing;
#[path = "command_line/languages.rs"]
mod languages;
#[path = "command_line/many.rs"]
mod many;
#[path = "command_line/options.rs"]
mod options;
#[path = "command_line/sampling.rs"]
mod sampling;
#[path = "command_line/serving.rs"]
mod serving;
#[path = "command_line/shots.rs"]
mod shots;
#[path = "command_line/storage.rs"]
mod storage;
#[path = "command_line/watching.rs"]
mod watching;

fn root(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// Runs the program in `folder`; `arguments` are split at spaces.
fn gosling(folder: &Path, arguments: &str) -> Output {
    Command::new(env!("CARGO_BIN_EXE_gosling"))
        .env("GOSLING_LANGUAGE", "en")
        .args(arguments.split_whitespace())
        .current_dir(folder)
        .output()
        .unwrap()
}

fn check_output(folder: &Path, arguments: &str, parts: &[&str]) {
    let output = gosling(folder, arguments);
    let (text, errors) = texts(&output);
    assert!(output.status.success(), "{arguments}: {errors}");
    for part in parts {
        assert!(text.contains(part), "{arguments}: no {part:?} in {text}");
    }
}

fn check_refused(folder: &Path, arguments: &str, code: i32, line: &str) {
    let output = gosling(folder, arguments);
    let (text, errors) = texts(&output);
    assert_eq!(output.status.code(), Some(code), "{arguments}: {errors}");
    assert_eq!(text, "", "{arguments}");
    // Drivers have their say on the error stream too.
    let said: Vec<&str> = errors
        .lines()
        .filter(|line| line.starts_with("gosling: "))
        .collect();
    assert_eq!(said.len(), 1, "{arguments}: {errors}");
    assert!(said[0].contains(line), "{arguments}: {errors}");
    assert!(!errors.contains("panicked"), "{arguments}: {errors}");
}

fn texts(output: &Output) -> (String, String) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (text(&output.stdout), text(&output.stderr))
}

/// A folder with files of every kind.
fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let mini = root("assets/mini/rwkv7-mini-7m-f16.pth");
    std::fs::copy(mini, folder.path().join("model.pth")).unwrap();
    std::fs::copy(
        root("tests/golden/tiny.pth"),
        folder.path().join("tiny.pth"),
    )
    .unwrap();
    let write = |name: &str, bytes: &[u8]| std::fs::write(folder.path().join(name), bytes).unwrap();
    write("junk", b"\xff\xfd\x12\x34\x56 junk");
    write("cut.pth", b"PK\x03\x04 and no more");
    write("broken.jsonl", b"{\"text\": \"a\"");
    write(
        "good.jsonl",
        b"{\"prompt\": \"a\", \"completion\": \"b\"}\n",
    );
    write("model.gguf", b"GGUF\x03\0\0\0\0\0\0\0");
    write("mini.safetensors", &state(6, 4, 64));
    write("small.safetensors", &state(2, 1, 16));
    folder
}

/// A state file: a header and zeros.
fn state(n_layer: usize, n_head: usize, size: usize) -> Vec<u8> {
    let metadata = "\"__metadata__\":{\"orientation\":\"value,key\"},";
    state_with(metadata, n_layer, n_head, size)
}

/// The same, which does not say which way round it is.
fn state_without_a_word(n_layer: usize, n_head: usize, size: usize) -> Vec<u8> {
    state_with("", n_layer, n_head, size)
}

fn state_with(metadata: &str, n_layer: usize, n_head: usize, size: usize) -> Vec<u8> {
    let n_bytes = 4 * n_head * size * size;
    let tensor = |layer: usize| {
        let (start, end) = (layer * n_bytes, (layer + 1) * n_bytes);
        format!(
            "\"blocks.{layer}.att.time_state\":{{\"dtype\":\"F32\",\"shape\":[{n_head},{size},{size}],\"data_offsets\":[{start},{end}]}}"
        )
    };
    let tensors: Vec<String> = (0..n_layer).map(tensor).collect();
    let header = format!("{{{metadata}{}}}", tensors.join(","));
    let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
    bytes.extend(header.as_bytes());
    bytes.resize(bytes.len() + n_layer * n_bytes, 0);
    bytes
}

#[test]
fn files_are_recognised() {
    let folder = folder();
    let check = |arguments: &str, parts: &[&str]| check_output(folder.path(), arguments, parts);
    check(
        "inspect model.pth",
        &["model.pth: an RWKV-7 model", "7,337,472", "F16"],
    );
    check("inspect --checkpoint tiny.pth", &["L3 C96 H3 N32"]);
    check(
        "inspect mini.safetensors",
        &["a tuned state", "head,value,key", "effective rank"],
    );
    check(
        "inspect good.jsonl",
        &["good.jsonl: prompts and completions, JSON lines", "a[b]"],
    );
}

#[test]
fn states_are_exported_and_not_overwritten() {
    let folder = folder();
    let check = |arguments: &str, parts: &[&str]| check_output(folder.path(), arguments, parts);
    check(
        "export mini.safetensors --to pth -o out.pth",
        &["saved out.pth", "read back and equal", "out_rwkv_pip.py"],
    );
    check("inspect out.pth", &["6 layers of 4 heads of 64x64"]);
    check(
        "export out.pth --to st -o out.st --alpha 0.5",
        &["saved out.st (the state times 0.5)"],
    );
    check("inspect out.st", &["head,key,value", "F16"]);
    let refused = |arguments: &str, line: &str| check_refused(folder.path(), arguments, 2, line);
    refused(
        "export out.st --to pth -o out.pth",
        "out.pth: file: exists already",
    );
    check(
        "export out.st --to pth -o out.pth --force --bf16",
        &["saved out.pth"],
    );
    refused(
        "export mini.safetensors --to st -o new.pth",
        "new.pth: name: must end in .st",
    );
    refused(
        "export model.pth --to st -o new.st",
        "model.pth: tensors: holds blocks.0.att.a0; it is a model",
    );
    refused(
        "export mini.safetensors --to st -o new.st --orientation key-value",
        "mini.safetensors: orientation: the file itself says value,key",
    );
    refused(
        "export . --to st -o new.st",
        "state.safetensors: is not in the folder",
    );
    assert!(!folder.path().join("new.st").exists());
}

#[test]
fn states_of_other_programs_are_taken_over() {
    let folder = folder();
    let check = |arguments: &str, parts: &[&str]| check_output(folder.path(), arguments, parts);
    check(
        "export mini.safetensors --to bin -o raw.bin",
        &["saved raw.bin"],
    );
    // It is zero, so that its loss says nothing; every .bin is value-key. The
    // description that stands beside an export would say it too.
    std::fs::remove_file(folder.path().join("raw.bin.json")).unwrap();
    check(
        "import raw.bin --device cpu",
        &[
            "zero, the untuned model",
            "as it is, value-key",
            "transposed, key-value",
            "the last two axes are value,key, as every .bin (rwkv.cpp) holds them",
            "name a file with -o",
        ],
    );
    // The format has no convention, and the built-in text only advises.
    std::fs::write(
        folder.path().join("silent.safetensors"),
        state_without_a_word(6, 4, 64),
    )
    .unwrap();
    let output = gosling(
        folder.path(),
        "import silent.safetensors --device cpu -o out.safetensors",
    );
    let (_, errors) = texts(&output);
    assert_eq!(output.status.code(), Some(2), "{errors}");
    assert!(
        errors.contains("silent.safetensors: orientation: the file does not state it, its format has no convention, and the built-in text is only a hint"),
        "{errors}"
    );
    assert!(!folder.path().join("out.safetensors").exists());
    check(
        "import raw.bin --device cpu --orientation key-value -o theirs.safetensors",
        &[
            "saved theirs.safetensors",
            "gosling tune --start theirs.safetensors",
        ],
    );
    check("inspect theirs.safetensors", &["head,value,key"]);
    check(
        "tune --start theirs.safetensors --preset cpu --print-spec",
        &["start: File(\"theirs.safetensors\")"],
    );
    check_refused(
        folder.path(),
        "import small.safetensors",
        2,
        "small.safetensors: state: has 2 layers of 1 heads of 16x16",
    );
    check_refused(
        folder.path(),
        "import junk.bin",
        2,
        "junk.bin: no such file or folder",
    );
}

#[test]
fn texts_are_continued() {
    let folder = folder();
    let check = |arguments: &str, parts: &[&str]| check_output(folder.path(), arguments, parts);
    check(
        "generate --device cpu --max-tokens 3 -e Capital\\nof",
        &[""],
    );
    // The state is zero and of a run behind token 0, so the text is that of the untuned
    // model.
    let untuned = gosling(folder.path(), "generate --device cpu --max-tokens 9 The");
    let (untuned, _) = texts(&untuned);
    assert!(!untuned.is_empty());
    check(
        "import mini.safetensors --leading-token zero -o behind.safetensors",
        &["behind.safetensors"],
    );
    check(
        "generate --device cpu --max-tokens 9 The --state behind.safetensors",
        &[&untuned],
    );
    check(
        "eval arc --device cpu --limit 5 --state mini.safetensors --alpha 0.5",
        &[
            "arc-mini, test, without token 0, mini.safetensors times 0.5",
            "n = 5",
            "CPU",
        ],
    );
}

#[test]
fn evaluations_are_kept_and_compared() {
    let folder = folder();
    let check = |arguments: &str, parts: &[&str]| check_output(folder.path(), arguments, parts);
    let eval = "eval arc --device cpu --limit 6";
    check(
        &format!("{eval} -o untuned.jsonl"),
        &["a part: the first 6 of 500", "untuned.jsonl  every item"],
    );
    // The state is zero, so nothing changes.
    check(
        &format!("{eval} --state mini.safetensors -o tuned.jsonl"),
        &["n = 6"],
    );
    let name = "mini.safetensors (tuned.jsonl)";
    check(
        "compare untuned.jsonl tuned.jsonl --items 1 -o table.csv",
        &[
            "arc-mini, test",
            name,
            "+0.000 [+0.000, +0.000] n = 6 of 500",
            "1.000",
            "fixed, 0 items",
        ],
    );
    let table = std::fs::read_to_string(folder.path().join("table.csv")).unwrap();
    assert!(
        table.starts_with("name,figure,accuracy,accuracy_low"),
        "{table}"
    );
    check("eval arc --device cpu --limit 5 -o fewer.jsonl", &["n = 5"]);
    check_refused(
        folder.path(),
        "compare untuned.jsonl fewer.jsonl",
        2,
        "different items: 6 against 5",
    );
    check(
        "compare untuned.jsonl fewer.jsonl --common",
        &["n = 5 of 500"],
    );
    check_refused(
        folder.path(),
        "eval arc --limit 5 --device cpu --context-length 4",
        2,
        "evaluation.context_length: none of the 5 items fits",
    );
    check_refused(
        folder.path(),
        "compare good.jsonl tuned.jsonl",
        2,
        "line 1: not an evaluation",
    );
}

#[test]
fn bad_input_ends_in_one_line() {
    let folder = folder();
    let refused = |arguments: &str, line: &str| check_refused(folder.path(), arguments, 2, line);
    refused("inspect junk", "junk: line 1: not UTF-8 text");
    refused("inspect cut.pth", "cut.pth: ");
    refused("inspect broken.jsonl", "broken.jsonl: line 1: ");
    refused("inspect model.gguf", "header: the file ends here");
    refused("inspect absent.pth", "cannot open absent.pth: no such file");
    refused("eval --model junk", "junk: content: is neither");
    refused(
        "eval --state small.safetensors",
        "small.safetensors: state: has 2 layers of 1 heads of 16x16, the model 6",
    );
    refused("eval --state model.pth", "it is a model, not a tuned state");
    refused(
        "eval --state mini.safetensors --alpha inf",
        "--alpha: must be a number",
    );
    refused(
        "generate x --model tiny.pth",
        "vocabulary: the model has 97 tokens",
    );
    refused(
        "generate x --temperature -1",
        "temperature: must be above 0",
    );
    refused(
        "eval gsm8k --data good.jsonl --split test --few-shot 1",
        "good.jsonl: line 1: ",
    );
    refused(
        "eval arc --few-shot 2001",
        "gosling: --few-shot: there are 2000 solved questions, asked for 2001",
    );
    refused(
        "eval mmlu --few-shot 1 --few-shot-order drawn",
        "gosling: --few-shot-order: lm-evaluation-harness takes the first of each subject",
    );
}

#[test]
fn devices_are_listed_and_a_missing_one_is_named() {
    let folder = folder();
    check_output(
        folder.path(),
        "devices",
        &["device", "cpu", "thread", "auto selects "],
    );
    check_refused(folder.path(), "selftest --device gpu:99", 1, "device: ");
    let output = gosling(folder.path(), "eval --device cuda");
    let (_, errors) = texts(&output);
    assert_eq!(output.status.code(), Some(2));
    assert!(
        errors.contains("choose auto, cpu, gpu or gpu:N"),
        "{errors}"
    );
}
