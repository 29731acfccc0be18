//! Plain options, paths of Windows, and nothing said but by the program itself.

use std::fs;
use std::path::Path;
use std::process::Command;

use super::{check_output, check_refused, folder, texts};

/// The specification that options make.
fn printed(folder: &Path, options: &str) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_gosling"));
    let arguments = format!("tune --preset cpu --print-spec {options}");
    let output = command
        .args(arguments.split(' '))
        .current_dir(folder)
        .output()
        .unwrap();
    let (text, errors) = texts(&output);
    assert!(output.status.success(), "{options}: {errors}");
    text
}

#[test]
fn a_run_begins_without_ron() {
    let folder = folder();
    let folder = folder.path();
    let check = |options: &str, fields: &[&str]| {
        let text = printed(folder, options);
        for field in fields {
            assert!(text.contains(field), "{options}: no {field} in {text}");
        }
    };
    check(
        r"--model C:\new\rwkv7.pth --train good.jsonl --validation good.jsonl --rate 0.25 --steps 5 --batch 3 --name mine",
        &[
            r#"checkpoint: File("C:\\new\\rwkv7.pth")"#,
            "train: \"good.jsonl\"",
            "validation: \"good.jsonl\"",
            "template: Plain",
            "learning_rate: 0.25",
            "steps: 5,",
            "warmup_steps: 0",
            "batch: 3",
            "name: \"mine\"",
        ],
    );
    check("--data arc", &["source: Mini(arc)"]);
    check(
        "--data good.jsonl",
        &["train: \"good.jsonl\"", "validation: None"],
    );
    // --set comes after them.
    check("--steps 50 --set training.steps=60", &["steps: 60"]);
    check(
        "--train good.jsonl --set data.source.template=UserAssistant",
        &["template: UserAssistant"],
    );
    check(
        r"--set model.vocabulary=File('C:\new\v.txt')",
        &[r#"vocabulary: File("C:\\new\\v.txt")"#],
    );

    let refused = |arguments: &str, line: &str| check_refused(folder, arguments, 2, line);
    refused(
        "tune --preset cpu --validation good.jsonl",
        "--validation: a benchmark has a validation split of its own",
    );
    refused(
        "tune --preset cpu --data absent.jsonl",
        "--data: there is no file or folder absent.jsonl; for a mini set name one of gsm8k, arc",
    );
    refused(
        "tune --preset cpu --steps 0",
        "training.steps: must be at least 1, is 0",
    );
    refused(
        "find-rate --preset cpu --rate 0.1",
        "--rate: is what find-rate looks for; bound it with --first and --last",
    );
    refused(
        "sweep four-runs --dry-run --untimed --rate 0.1",
        "--rate: is training.learning_rate here, which the sweep itself changes",
    );
    check_output(
        folder,
        "sweep four-runs --print-spec --data gsm8k --batch 7",
        &["data.source=Mini(gsm8k)", "training.batch=7"],
    );
    for conflict in ["--data arc --train good.jsonl", "--resume x --rate 0.1"] {
        let output = super::gosling(folder, &format!("tune {conflict}"));
        let (_, errors) = texts(&output);
        assert_eq!(output.status.code(), Some(2), "{errors}");
        assert!(errors.contains("cannot be used with"), "{errors}");
    }
}

#[test]
fn paths_of_windows_are_told_what_is_wrong_with_them() {
    let folder = folder();
    let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
    let run = |path: &str| {
        format!(
            "(\n    name: \"win\",\n    device: Cpu,\n    model: (checkpoint: File({path})),\n)\n"
        )
    };
    let hint = r#"in quotes a backslash begins an escape; write a path with /, or as r"C:\models\rwkv7.pth""#;
    let refused = |name: &str, line: &str| {
        check_refused(folder.path(), &format!("tune {name}"), 2, line);
    };
    write("users.ron", &run(r#""C:\Users\me\rwkv7.pth""#));
    refused("users.ron", "users.ron: line 4, column ");
    refused("users.ron", hint);
    write("new.ron", &run(r#""D:\new\train\rwkv7.pth""#));
    let line = r"model.checkpoint: has control characters, is D:\u{a}ew\u{9}rain\u{d}wkv7.pth; ";
    refused("new.ron", &format!("{line}{hint}"));
    write("raw.ron", &run(r#"r"D:\new\train\rwkv7.pth""#));
    refused("raw.ron", r"cannot open ");
    // Nor does a name on the command line drive the terminal.
    let output = Command::new(env!("CARGO_BIN_EXE_gosling"))
        .args(["inspect", "a\x1b[2J\nb.pth"])
        .current_dir(folder.path())
        .output()
        .unwrap();
    let (_, errors) = texts(&output);
    assert_eq!(
        errors,
        "gosling: cannot open a\\u{1b}[2J\\u{a}b.pth: no such file or folder\n"
    );
}

/// On a machine without a display: drivers print nothing before the first line, and
/// what is printed is the program's own.
#[test]
fn nothing_is_said_but_by_the_program() {
    let folder = folder();
    let run = |arguments: &str| {
        let output = Command::new(env!("CARGO_BIN_EXE_gosling"))
            .args(arguments.split(' '))
            .current_dir(folder.path())
            .env_remove("XDG_RUNTIME_DIR")
            .env_remove("WAYLAND_DISPLAY")
            .env_remove("DISPLAY")
            .env_remove("NODEVICE_SELECT")
            .output()
            .unwrap();
        let (_, errors) = texts(&output);
        assert!(output.status.success(), "{arguments}: {errors}");
        errors
    };
    assert_eq!(run("devices"), "");
    let tune =
        "tune --data arc --steps 1 --batch 1 --set evaluation.limit=2 --set evaluation.few_shot=0";
    let said = run(tune);
    assert!(said.starts_with("preset "), "{said}");
    assert!(!said.contains("XDG_RUNTIME_DIR"), "{said}");
    assert_eq!(run(&format!("{tune} --quiet")), "");
}
