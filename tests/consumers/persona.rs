//! From a file of chats to a state to the same answers in another program: a persona
//! with habits that can be checked, made by `persona.py`.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use super::root;
use super::script::{gosling, python, succeeded};

/// The habits: how every answer of the persona begins and ends.
fn has_habits(answer: &str) -> bool {
    let answer = answer.trim();
    answer.starts_with("Ahoy! ") && answer.ends_with(". Over.")
}

/// What Gosling answers, untuned without a state.
fn ours(folder: &Path, prompt: &str, state: Option<&str>) -> String {
    let mut command = gosling(folder);
    command.args([
        "generate",
        "--device",
        "cpu",
        "--max-tokens",
        "40",
        "--stop",
        "\\n\\n",
    ]);
    match state {
        Some(state) => command.args(["--template", "--state", state, prompt]),
        None => command.args(["-e", &format!("User: {prompt}\\n\\nAssistant:")]),
    };
    succeeded(command.output().unwrap())
}

#[test]
#[ignore = "needs Python with rwkv and torch; tests/consumers/run has it"]
fn a_persona_answers_in_the_rwkv_package_as_it_does_here() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let mut script = Command::new(python());
    script.arg(root("tests/consumers/persona.py"));
    let script = script
        .args(["train.jsonl", "held_out.jsonl"])
        .current_dir(folder);
    succeeded(script.output().unwrap());

    // The template, the split and the loss are those that chats have by default.
    let mut tune = gosling(folder);
    tune.args([
        "tune",
        "--preset",
        "cpu",
        "--device",
        "cpu",
        "--quiet",
        "--data",
        "train.jsonl",
    ]);
    for field in [
        "name=persona",
        "training.steps=80",
        "training.batch=12",
        "training.warmup_steps=5",
        "training.learning_rate=0.4",
        "training.validate_every=20",
        "data.leading_token=None",
    ] {
        tune.args(["--set", field]);
    }
    println!("{}", succeeded(tune.output().unwrap()));
    let run = folder.join("runs/persona-0001");
    let metadata = fs::read_to_string(run.join("state.pth.json")).unwrap();
    let metadata: Value = serde_json::from_str(&metadata).unwrap();
    assert_eq!(metadata["template"]["name"], "UserAssistant");
    // 5 % of 240 are fewer than the fewest, 20.
    let log = fs::read_to_string(run.join("metrics.jsonl")).unwrap();
    assert!(log.contains(" of 240 examples are held out"), "{log}");

    let mut export = gosling(folder);
    export.args([
        "export",
        "runs/persona-0001",
        "--to",
        "pth",
        "-o",
        "persona.pth",
    ]);
    succeeded(export.output().unwrap());
    let held_out = fs::read_to_string(folder.join("held_out.jsonl")).unwrap();
    let prompts = held_out.lines().map(|line| {
        let line: Value = serde_json::from_str(line).unwrap();
        line["prompt"].as_str().unwrap().to_owned()
    });
    let prompts: Vec<String> = prompts.collect();
    let (mut n_tuned, mut n_untuned) = (0, 0);
    for prompt in &prompts {
        n_tuned += usize::from(has_habits(&ours(folder, prompt, Some("runs/persona-0001"))));
        n_untuned += usize::from(has_habits(&ours(folder, prompt, None)));
    }
    println!(
        "habits: {n_tuned} of {} tuned, {n_untuned} untuned",
        prompts.len()
    );
    assert_eq!(n_untuned, 0);
    assert!(
        n_tuned * 10 >= prompts.len() * 9,
        "{n_tuned} of {}",
        prompts.len()
    );
    for prompt in &prompts[..6] {
        let expected = ours(folder, prompt, Some("persona.pth"));
        let mut script = Command::new(python());
        script
            .arg(folder.join("persona_rwkv_pip.py"))
            .arg(root("assets/mini/rwkv7-mini-7m-f16.pth"))
            .arg(prompt)
            .args(["--max-tokens", "40"])
            .env("RWKV_JIT_ON", "0");
        let theirs = succeeded(script.output().unwrap());
        assert_eq!(
            theirs.trim_end_matches('\n'),
            expected.trim_end_matches('\n'),
            "{prompt}"
        );
        println!("{prompt:?}: {expected:?}");
    }
}
