//! Solved questions as the baselines of a tuned state: as many as fit in front, and the
//! state behind them.

use std::fs;

use crate::{check_refused, folder, gosling, texts};

/// The first line of a file of items.
fn about(folder: &std::path::Path, file: &str) -> serde_json::Value {
    let text = fs::read_to_string(folder.join(file)).unwrap();
    serde_json::from_str::<serde_json::Value>(text.lines().next().unwrap()).unwrap()["evaluation"]
        .clone()
}

#[test]
fn solved_questions_fit_and_leave_their_state() {
    let folder = folder();
    let eval = "eval arc --device cpu --limit 6 --context-length 260 --few-shot";
    let output = gosling(folder.path(), &format!("{eval} fit --out shown.jsonl"));
    let (text, errors) = texts(&output);
    assert!(output.status.success(), "{errors}");
    let line = text.lines().next().unwrap();
    let n: usize = line.split(' ').next().unwrap().parse().unwrap();
    assert!(
        n > 0 && line.ends_with("solved questions fit in 260 tokens"),
        "{line}"
    );
    let shown = about(folder.path(), "shown.jsonl");
    assert_eq!(shown["few_shot"], n);
    assert_eq!(shown["start"], "untuned");
    let read = format!("{eval} {n} --state-after-shots --out state.jsonl");
    let output = gosling(folder.path(), &read);
    let (text, errors) = texts(&output);
    assert!(output.status.success(), "{errors}");
    let start = format!("the state after {n} solved questions");
    assert!(text.contains(&start), "{text}");
    let state = about(folder.path(), "state.jsonl");
    // Nothing stands in front of a question, and it follows without token 0.
    assert_eq!(state["few_shot"], 0);
    assert_eq!(state["leading_token"], "none");
    assert_eq!(state["start"], start);
    assert_eq!(state["is_tuned"], false);
    // It is another baseline than the untuned model without anything.
    let of_items = |file: &str| -> Vec<String> {
        let text = fs::read_to_string(folder.path().join(file)).unwrap();
        text.lines().skip(1).map(str::to_owned).collect()
    };
    let plain = "eval arc --device cpu --limit 6 --context-length 260 --out plain.jsonl";
    assert!(gosling(folder.path(), plain).status.success());
    assert_ne!(of_items("state.jsonl"), of_items("plain.jsonl"));
}

#[test]
fn baselines_that_cannot_be_are_refused_in_one_line() {
    let folder = folder();
    for (arguments, line) in [
        (
            "eval arc --few-shot fit",
            "--few-shot: fit needs --context-length, which says how much has room",
        ),
        (
            "eval arc --few-shot fit --few-shot-order drawn --context-length 512",
            "--few-shot: fit takes the first examples; leave --few-shot-order drawn out",
        ),
    ] {
        check_refused(folder.path(), arguments, 2, line);
    }
    let arguments = "eval arc --device cpu --limit 2 --state-after-shots";
    let line = "--state-after-shots: needs examples to read; say how many with --few-shot";
    check_refused(folder.path(), arguments, 2, line);
}
