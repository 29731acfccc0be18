//! `gosling adapt`, on the mini model and few questions.

use std::net::TcpListener;

use super::{check_output, check_refused, folder, gosling, texts};

const FEW: &str =
    "--device cpu --quiet --set task.limit=6 --set update.steps=2 --set update.batch=3";

#[test]
fn an_adaptation_has_its_baselines_and_goes_on() {
    let folder = folder();
    let folder = folder.path();
    check_output(
        folder,
        "adapt --list",
        &["mmlu-information", "gsm8k-guided-item"],
    );
    check_output(
        folder,
        "adapt --preset arc-information --set update.steps=7 --print-spec",
        &["benchmark: arc", "steps: 7", "objective: Information"],
    );
    let command = format!("adapt {FEW} --out adapted");
    let parts = [
        "the base",
        "Information, one state, transductive",
        "vote over 4 orders",
        "calibrated over the set",
        "3 solved questions in front",
        "transductive: saw 6 of 6 test questions",
        "at no more tokens",
    ];
    check_output(folder, &command, &parts);
    for file in [
        "spec.ron",
        "results.jsonl",
        "results.csv",
        "parts.jsonl",
        "curve.jsonl",
    ] {
        assert!(folder.join("adapted").join(file).is_file(), "{file}");
    }
    let results = folder.join("adapted/results.jsonl");
    let before = std::fs::read_to_string(&results).unwrap();
    assert_eq!(before.lines().count(), 6, "{before}");
    // The state is one that every other command takes.
    let state = "inspect adapted/state.safetensors";
    check_output(folder, state, &["adapted, Information"]);
    // Once more: nothing is left to do.
    check_output(folder, &command, &parts);
    assert_eq!(std::fs::read_to_string(&results).unwrap(), before);
    let over =
        format!("adapt {FEW} --set baselines.measure=false --over update.steps=1,2 --out over");
    check_output(folder, &over, &["update.steps", "001", "002"]);
    assert!(folder.join("over/over.csv").is_file() && folder.join("over/002/spec.ron").is_file());
    // The folder is of this one only.
    let other = format!("adapt {FEW} --set update.learning_rate=0.3 --out adapted");
    check_refused(folder, &other, 2, "belongs to another adaptation");
}

#[test]
fn a_state_for_each_question_and_its_guide_are_written_down() {
    let folder = folder();
    let folder = folder.path();
    let command = "adapt --preset gsm8k-guided-item --device cpu --quiet --set task.limit=2 \
                   --set update.steps=1 --set task.max_new_tokens=120 --set keep_states=1 \
                   --set baselines.max_votes=2 --set baselines.examples=1 \
                   --set guide=Some(Simulated(right:1.0)) --out guided";
    let output = gosling(folder, command);
    let (text, errors) = texts(&output);
    assert!(output.status.success(), "{errors}");
    for part in [
        "simulated guide",
        "the guide itself",
        "so these results are not evidence",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    assert!(!text.contains("adaptation gains"), "{text}");
    assert!(
        folder
            .join("guided/states/question-00001.safetensors")
            .is_file()
    );
    let parts = std::fs::read_to_string(folder.join("guided/parts.jsonl")).unwrap();
    assert!(parts.contains("\"guide\":\""), "{parts}");
}

#[test]
fn what_cannot_be_adapted_is_said_in_a_line() {
    let folder = folder();
    let folder = folder.path();
    check_refused(
        folder,
        "adapt --preset nothing",
        2,
        "is unknown; choose from mmlu-information",
    );
    check_refused(
        folder,
        "adapt --set objective=Majority",
        2,
        "needs written answers, but mmlu has options",
    );
    check_refused(
        folder,
        "adapt --set task.benchmark=gsm8k",
        2,
        "which gsm8k has not",
    );
    check_refused(folder, "adapt --set steps=3", 2, "steps");
    check_refused(folder, "adapt junk", 2, "junk");
    let other = format!("adapt {FEW} --base tiny.pth --out a");
    check_refused(folder, &other, 2, "tiny.pth");
    let guided = "adapt --preset gsm8k-guided-item --device cpu --set task.limit=1";
    let nobody = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let http = format!("--set guide=Some(Http((base_url:\"http://{nobody}/v1\")))");
    let line = "cannot be reached; is the server running?";
    check_refused(folder, &format!("{guided} {http} --out b"), 2, line);
    let far = "--set guide=Some(Http((base_url:\"http://example.com/v1\")))";
    check_refused(
        folder,
        &format!("{guided} {far} --out c"),
        2,
        "would be sent to example.com",
    );
    let missing = "--set guide=Some(Recorded(path:\"no.jsonl\"))";
    check_refused(
        folder,
        &format!("{guided} {missing} --out d"),
        2,
        "no such file",
    );
    let probabilities = "--set objective=Soft(top:None)";
    check_refused(
        folder,
        &format!("{guided} {probabilities} {http} --out e"),
        2,
        "choose Local",
    );
}
