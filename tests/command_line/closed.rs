//! Output that nobody takes: a reader that has gone, as in `gosling .. | head -1`,
//! and a disk that is full.

use std::io::pipe;
use std::path::Path;
use std::process::{Command, Stdio};

use super::{folder, gosling};

/// What a shell sees of a program that SIGPIPE ended; Windows has no such code.
const UNREAD: i32 = if cfg!(unix) { 141 } else { 0 };

/// Every command that prints, short forms of them.
const COMMANDS: &[&str] = &[
    "--help",
    "--version",
    "tune --help",
    "devices",
    "get --device cpu",
    "inspect model.pth",
    "inspect mini.safetensors",
    "inspect good.jsonl",
    "inspect --show 1",
    "inspect mini.safetensors --layer 0 --head 0",
    "import raw.bin --device cpu --orientation key-value -o theirs.safetensors",
    "export mini.safetensors --to pth -o out.pth",
    "eval arc --device cpu --limit 2 -o items.jsonl",
    "compare one.jsonl two.jsonl --items 1",
    "generate --device cpu --max-tokens 3 The",
    "selftest --device cpu --only sums",
    "bench wkv --device cpu",
    "find-rate --preset cpu --data arc --batch 1 --steps 10",
    "tune --preset cpu --print-spec",
    "tune --preset cpu --data arc --steps 1 --batch 1 --set evaluation.limit=2 --set evaluation.few_shot=0 --quiet",
    "sweep four-runs --print-spec",
    "sweep four-runs --dry-run --untimed",
    "sweep four-runs --emit jobs",
];

fn command(folder: &Path, arguments: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_gosling"));
    command.env("GOSLING_LANGUAGE", "en");
    command
        .args(arguments.split_whitespace())
        .current_dir(folder)
        .stdin(Stdio::null());
    command
}

#[test]
fn a_reader_that_has_gone_ends_every_command_quietly() {
    let folder = folder();
    let folder = folder.path();
    for (name, limit) in [("one", "2"), ("two", "2")] {
        let eval = format!("eval arc --device cpu --limit {limit} -o {name}.jsonl");
        assert!(gosling(folder, &eval).status.success());
    }
    let raw = "export mini.safetensors --to bin -o raw.bin";
    assert!(gosling(folder, raw).status.success());
    for arguments in COMMANDS {
        let (reader, writer) = pipe().unwrap();
        drop(reader);
        let output = command(folder, arguments).stdout(writer).output().unwrap();
        let errors = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(UNREAD), "{arguments}: {errors}");
        let is_said = ["panicked", "gosling: "]
            .iter()
            .any(|it| errors.contains(it));
        assert!(!is_said, "{arguments}: {errors}");
    }
    // What a command is for is done, whoever reads what it says.
    for file in ["theirs.safetensors", "out.pth", "items.jsonl"] {
        assert!(folder.join(file).is_file(), "{file}");
    }
    let mut runs = std::fs::read_dir(folder.join("runs")).unwrap();
    let has_state = |run: std::io::Result<std::fs::DirEntry>| {
        run.unwrap().path().join("state.safetensors").is_file()
    };
    assert!(runs.any(has_state));
}

/// An error stream that nobody reads loses the words and not the exit code.
#[test]
fn a_closed_error_stream_changes_nothing() {
    let folder = folder();
    for (arguments, code) in [
        ("inspect junk", 2),
        ("inspect model.pth", 0),
        ("tune --nonsense", 2),
        ("export mini.safetensors --to st -o o.st --alpha inf", 2),
        ("generate --device cpu --max-tokens 2 The", 0),
    ] {
        let (reader, writer) = pipe().unwrap();
        drop(reader);
        let mut command = command(folder.path(), arguments);
        let status = command.stdout(Stdio::null()).stderr(writer).status();
        assert_eq!(status.unwrap().code(), Some(code), "{arguments}");
    }
}

/// A full disk is an error, for what was asked for is not there.
#[cfg(target_os = "linux")]
#[test]
fn an_output_that_cannot_be_written_is_an_error() {
    let folder = folder();
    let full = std::fs::File::options().write(true).open("/dev/full");
    let mut command = command(folder.path(), "inspect model.pth");
    let output = command.stdout(full.unwrap()).output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{errors}");
    let line = "gosling: cannot write the standard output: ";
    assert!(
        errors.starts_with(line) && errors.lines().count() == 1,
        "{errors}"
    );
}
