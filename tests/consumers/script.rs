//! The script beside an exported state, run as a user runs it: the text that it
//! writes with the real `rwkv` package has to be ours.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::{env, fs};

use gosling::tuning::states::state_file::{PthDType, read_state, write_companions, write_pth};

use super::root;

/// Tokens that are written.
const N_TOKENS: usize = 40;
/// A prompt that the templates change in different ways.
const PROMPT: &str = "Tom has 3 apples and buys 4 more.\n\nHow many has he? ";

/// A run of a few steps at a rate at which they show.
fn tune(folder: &Path, name: &str, fields: &[&str]) -> PathBuf {
    let mut command = gosling(folder);
    command.args(["tune", "--preset", "cpu", "--device", "cpu", "--quiet"]);
    let name = format!("name={name}");
    let common = [
        name.as_str(),
        "training.steps=6",
        "training.batch=4",
        "training.warmup_steps=1",
        "training.learning_rate=0.4",
        "training.validate_every=0",
        "evaluation.before=false",
        "evaluation.after=false",
        "evaluation.few_shot=0",
    ];
    for field in common.iter().chain(fields) {
        command.args(["--set", field]);
    }
    succeeded(command.output().unwrap());
    let name = name.trim_start_matches("name=");
    folder.join("runs").join(format!("{name}-0001"))
}

pub(super) fn python() -> OsString {
    env::var_os("GOSLING_PYTHON").unwrap_or_else(|| "python3".into())
}

pub(super) fn gosling(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_gosling"));
    command.env("GOSLING_LANGUAGE", "en");
    command.current_dir(folder);
    command
}

pub(super) fn succeeded(output: Output) -> String {
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    String::from_utf8(output.stdout).unwrap()
}

/// What Gosling writes after `text`, before a blank line where one ends answers.
fn ours(folder: &Path, state: &Path, text: &str, ends_at_blank_line: bool) -> String {
    let mut command = gosling(folder);
    command
        .args(["generate", "--device", "cpu", "--max-tokens"])
        .arg(N_TOKENS.to_string())
        .arg("--state")
        .arg(state);
    if ends_at_blank_line {
        command.args(["--stop", "\\n\\n"]);
    }
    succeeded(command.args(["--", text]).output().unwrap())
}

/// What the script beside `pth` writes.
fn theirs(pth: &Path, arguments: &[&str]) -> String {
    let stem = pth.file_stem().unwrap().to_string_lossy();
    let mut command = Command::new(python());
    command
        .arg(pth.with_file_name(format!("{stem}_rwkv_pip.py")))
        .arg(root("assets/mini/rwkv7-mini-7m-f16.pth"))
        .arg(PROMPT)
        .arg("--max-tokens")
        .arg(N_TOKENS.to_string())
        .args(arguments)
        .env("RWKV_JIT_ON", "0");
    let text = succeeded(command.output().unwrap());
    text.strip_suffix('\n').unwrap().to_owned()
}

/// The shifts of the first layer as the script hands them to the package.
fn theirs_in_front(pth: &Path) -> String {
    let code = "import importlib.util, sys, types; \
                spec = importlib.util.spec_from_file_location('s', sys.argv[1]); \
                s = importlib.util.module_from_spec(spec); spec.loader.exec_module(s); \
                import torch; \
                like = torch.zeros(256); \
                model = types.SimpleNamespace(z={'blocks.0.ln1.weight': like}, \
                args=types.SimpleNamespace(n_layer=6)); \
                state = s.load_state(model); \
                print(state[0].tolist(), state[2].tolist(), state[15].tolist())";
    let stem = pth.file_stem().unwrap().to_string_lossy();
    let script = pth.with_file_name(format!("{stem}_rwkv_pip.py"));
    let mut command = Command::new(python());
    command.args(["-c", code]).arg(script);
    succeeded(command.output().unwrap())
}

#[test]
#[ignore = "needs Python with rwkv and torch; tests/consumers/run has it"]
fn the_exported_script_writes_what_gosling_writes() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let question =
        "Question: Tom has 3 apples and buys 4 more.\n\nHow many has he? \nAnswer:".to_owned();
    let chat = "User: Tom has 3 apples and buys 4 more.\nHow many has he?\n\nAssistant:".to_owned();
    let rows: String = (1..9)
        .map(|n| {
            format!(
                "{{\"prompt\": \"{n} and {n}?\", \"completion\": \"That is {}.\"}}\n",
                n + n
            )
        })
        .collect();
    fs::write(folder.join("train.jsonl"), rows).unwrap();
    let jsonl = |template: &str| {
        format!("data.source=Jsonl(train:\"train.jsonl\",validation:None,template:{template})")
    };
    // Two words of the mini vocabulary have each other's place.
    let mini = fs::read_to_string(root("assets/vocab/rwkv_vocab_mini.txt")).unwrap();
    fs::write(
        folder.join("own.txt"),
        exchanged(&mini, "' apples'", "' buys'"),
    )
    .unwrap();
    let own = "model.vocabulary=File(\"own.txt\")";
    let (chat_rows, plain_rows) = (jsonl("UserAssistant"), jsonl("Plain"));
    let cases: [(&str, &[&str], &str, bool); 6] = [
        ("behind", &["data.leading_token=Zero"], &question, true),
        ("straight", &["data.leading_token=None"], &question, true),
        (
            "chat",
            &["data.leading_token=Both", &chat_rows],
            &chat,
            true,
        ),
        (
            "plain",
            &["data.leading_token=None", &plain_rows],
            PROMPT,
            false,
        ),
        ("own", &["data.leading_token=None", own], &question, true),
        // Token shifts too, at a rate at which they show.
        (
            "shifts",
            &[
                "data.leading_token=None",
                "method.tune=S0AndShift",
                "method.learning_rate_shift=0.4",
            ],
            &question,
            true,
        ),
    ];
    let mut written = BTreeSet::new();
    for (name, fields, text, ends_at_blank_line) in cases {
        let run = tune(folder, name, fields);
        let expected = ours(folder, &run, text, ends_at_blank_line);
        assert_eq!(theirs(&run.join("state.pth"), &[]), expected, "{name}");
        // As an export writes it elsewhere, and with a prompt that is whole already.
        let elsewhere = folder.join(format!("{name}.pth"));
        let mut export = gosling(folder);
        export.arg("export").arg(&run).args(["--to", "pth", "-o"]);
        succeeded(export.arg(&elsewhere).output().unwrap());
        let whole = ours(folder, &elsewhere, PROMPT, ends_at_blank_line);
        assert_eq!(theirs(&elsewhere, &["--plain"]), whole, "{name}");
        println!("{name}: {expected:?}, {whole:?}");
        written.extend([expected, whole]);
    }
    // The script hands the token shifts to the package.
    let with_shifts = folder.join("shifts.pth");
    let (mut state, metadata) = read_state(&with_shifts, None).unwrap();
    assert!(state.has_shifts());
    let all = theirs_in_front(&with_shifts);
    state.shifts = None;
    let without = folder.join("without.pth");
    write_pth(&state, &without, PthDType::F32).unwrap();
    write_companions(&without, &metadata).unwrap();
    assert_ne!(theirs_in_front(&without), all);
    // What is fed decides what is written.
    assert!(written.len() >= 7, "{written:?}");
    // Another vocabulary under the name that the script reads is told.
    fs::write(folder.join("own_vocab.txt"), mini).unwrap();
    let mut script = Command::new(python());
    script.arg(folder.join("own_rwkv_pip.py"));
    let output = script.args(["model.pth", "a"]).output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{errors}");
    assert!(errors.contains("its hash differs"), "{errors}");
}

/// The vocabulary with the ids of two tokens exchanged.
fn exchanged(vocabulary: &str, one: &str, other: &str) -> String {
    let id_of = |literal: &str| {
        let line = vocabulary.lines().find(|line| {
            let token = line.split_once(' ').unwrap().1.rsplit_once(' ').unwrap().0;
            token == literal
        });
        line.unwrap().split(' ').next().unwrap()
    };
    let (a, b) = (id_of(one), id_of(other));
    let lines = vocabulary.lines().map(|line| {
        let (id, rest) = line.split_once(' ').unwrap();
        let id = match id {
            id if id == a => b,
            id if id == b => a,
            id => id,
        };
        format!("{id} {rest}\n")
    });
    lines.collect()
}
