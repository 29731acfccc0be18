//! Plain options, paths of Windows, and nothing said but by the program itself.

use std::fs;
use std::path::Path;
use std::process::Command;

use super::{check_output, check_refused, folder, texts};

/// The specification that options make.
fn printed(folder: &Path, options: &str) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_gosling"));
    command.env("GOSLING_LANGUAGE", "en");
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
        "--rate: is what find-rate searches for; set its bounds with --first and --last",
    );
    refused(
        "sweep four-runs --dry-run --untimed --rate 0.1",
        "--rate: sets training.learning_rate, which the sweep itself changes",
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
fn fields_are_explained_where_they_are_set() {
    let folder = folder();
    check_output(
        folder.path(),
        "tune --help",
        &[
            "Examples per step, computed together (training.batch)",
            "Batch size B, examples: 1 to 65536",
            "method.features.gamma",
            "Kernel sharpness γ: above 0 to 10000",
        ],
    );
    let text = printed(folder.path(), "--batch 3");
    let line = "batch: 3, // Batch size B, examples: 1 to 65536";
    assert!(text.contains(line), "{text}");
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
        .env("GOSLING_LANGUAGE", "en")
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
            .env("GOSLING_LANGUAGE", "en")
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

#[test]
fn a_report_says_what_the_machine_is_and_what_was_checked() {
    let folder = folder();
    let output = Command::new(env!("CARGO_BIN_EXE_gosling"))
        .env("GOSLING_LANGUAGE", "en")
        .args("selftest --device cpu --only sums --report report.json".split(' '))
        .current_dir(folder.path())
        .env("HOME", "/home/zebedee")
        .env("USER", "zebedee")
        .output()
        .unwrap();
    let (text, errors) = texts(&output);
    assert!(output.status.success(), "{errors}");
    assert!(text.contains("report written to report.json"), "{text}");
    let report = fs::read_to_string(folder.path().join("report.json")).unwrap();
    assert!(!report.contains("zebedee"), "{report}");
    assert!(
        !report.contains(folder.path().to_str().unwrap()),
        "{report}"
    );
    let report: serde_json::Value = serde_json::from_str(&report).unwrap();
    assert_eq!(report["passed"], true);
    // Only some checks ran.
    assert_eq!(report["is_complete"], false);
    assert_eq!(report["asked_for"], "cpu");
    assert!(report["running"].is_null());
    let threads = report["machine"]["processor"].as_str().unwrap();
    assert!(threads.starts_with("CPU, "), "{threads}");
    let checks = report["checks"].as_array().unwrap();
    assert!(!checks.is_empty());
    for check in checks {
        assert!(check["name"].as_str().unwrap().contains("sums"), "{check}");
        assert!(check["ms"].as_f64().unwrap() > 0.0, "{check}");
        let off = check["differences"][0]["max_difference"].as_f64().unwrap();
        assert!(off <= check["bound"].as_f64().unwrap(), "{check}");
    }
    for adapter in report["adapters"].as_array().unwrap() {
        let limit = &adapter["limits"]["max_storage_buffers_per_shader_stage"];
        assert!(limit.as_str().unwrap().parse::<u32>().is_ok(), "{adapter}");
        assert!(!adapter["driver"].is_null(), "{adapter}");
    }
    // A device that is not there is in the report too.
    let gone = "selftest --device gpu:99 --report gone.json";
    check_refused(folder.path(), gone, 1, "there is no gpu:99");
    let report = fs::read_to_string(folder.path().join("gone.json")).unwrap();
    let report: serde_json::Value = serde_json::from_str(&report).unwrap();
    assert_eq!(report["passed"], false);
    let error = report["error"].as_str().unwrap();
    assert!(error.contains("there is no gpu:99"), "{error}");
}
