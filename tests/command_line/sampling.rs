//! Training data from the model itself, and a lifted run as a plain state.

use super::{check_output, check_refused, folder};

#[test]
fn right_answers_become_training_data_and_the_command_goes_on() {
    let folder = folder();
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    // Whatever is written holds some letter or sign; nothing holds this word.
    write(
        "prompts.jsonl",
        "{\"prompt\": \"Question: What is 2+3?\", \"pattern\": \"(?s).\"}\n\
         {\"prompt\": \"Question: What flies?\", \"answer\": \"zyzzyva\"}\n",
    );
    // Answers end at the first e, which comes soon.
    write(
        "e.ron",
        r#"(name: "E", before: "", after: "\nAnswer:", answer_before: " ", answer_after: "\n\n", stops: ["e"])"#,
    );
    let command = "sample-data prompts.jsonl -o own.jsonl --samples 3 --template e.ron \
                   --max-new-tokens 100 --device cpu";
    let counts = [
        "prompts.jsonl, 2 questions",
        "answers drawn          6",
        "solved questions       0.500",
        "questions with none    1",
        "kept                   1",
        "gosling tune --data own.jsonl --template e.ron",
    ];
    check_output(folder.path(), command, &counts);
    let read = |name: &str| std::fs::read_to_string(folder.path().join(name)).unwrap();
    let first = (read("own.jsonl"), read("own.samples.jsonl"));
    assert_eq!(first.1.lines().count(), 3);
    let said: serde_json::Value = serde_json::from_str(&read("own.jsonl.json")).unwrap();
    assert_eq!(said["settings"]["samples"], 3);
    assert_eq!(said["counts"]["kept"], 1);
    // One answer is lost, as by a process that was killed, and is drawn again.
    let lines: Vec<&str> = first.1.lines().collect();
    write(
        "own.samples.jsonl",
        &format!("{}\n{}\n{{\"id\"", lines[0], lines[1]),
    );
    check_output(folder.path(), command, &counts);
    assert_eq!((read("own.jsonl"), read("own.samples.jsonl")), first);
    check_refused(
        folder.path(),
        &format!("{command} --seed 4"),
        2,
        "drawn with seed 0, not 4",
    );
    check_output(
        folder.path(),
        "inspect own.jsonl",
        &["prompts and completions", "1 examples"],
    );
}

#[test]
fn what_cannot_be_sampled_is_refused_in_a_line() {
    let folder = folder();
    let refused = |arguments: &str, line: &str| {
        check_refused(folder.path(), &format!("sample-data {arguments}"), 2, line);
    };
    refused("nothing -o a.jsonl", "no benchmark of that name");
    refused("arc -o no/a.jsonl", "no such folder");
    refused("arc -o a.jsonl --temperature 0", "must be a number above 0");
    refused(
        "arc -o a.jsonl --template Plain",
        "a benchmark has its own form",
    );
    let refused = |arguments: &str, line: &str| {
        check_refused(folder.path(), &format!("export {arguments}"), 2, line);
    };
    refused(
        "tiny.pth --fold --to pth -o a.pth --alpha 2",
        "leave --alpha",
    );
}
