//! `gosling adapt`, on the mini model and few questions.

use std::net::TcpListener;

use gosling::tuning::states::state_file::{Metadata, TunedState, write_safetensors};

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
    assert!(folder.join("over/002/spec.ron").is_file());
    for extension in ["csv", "md", "tex", "json", "txt", "jsonl"] {
        let file = folder.join(format!("over/over.{extension}"));
        assert!(file.is_file(), "{extension}");
    }
    // The folder is of this one only.
    let other = format!("adapt {FEW} --set update.learning_rate=0.3 --out adapted");
    check_refused(folder, &other, 2, "belongs to another adaptation");
}

/// The validation split chooses the number of steps; the test split is scored once, with
/// its baselines, and printed for a program.
#[test]
fn the_validation_split_chooses_among_combinations() {
    let folder = folder();
    let folder = folder.path();
    let command = format!(
        "adapt {FEW} --preset arc-information --over update.steps=1,2 --choose --format json --out chosen"
    );
    let output = gosling(folder, &command);
    let (text, errors) = texts(&output);
    assert!(output.status.success(), "{errors}");
    let rows: serde_json::Value = serde_json::from_str(&text).unwrap();
    let rows = rows.as_array().unwrap();
    let kinds: Vec<&str> = rows.iter().filter_map(|row| row["kind"].as_str()).collect();
    assert!(
        kinds.contains(&"adapted") && kinds.contains(&"baseline"),
        "{kinds:?}"
    );
    assert!(rows[0]["seconds"].is_number() && rows[0]["trained tokens a question"].is_number());
    let split = |path: &str| {
        let spec = std::fs::read_to_string(folder.join("chosen").join(path)).unwrap();
        let line = spec.lines().find(|line| line.contains("split:"));
        line.unwrap().trim().to_owned()
    };
    assert_eq!(split("001/spec.ron"), "split: validation,");
    assert_eq!(split("002/spec.ron"), "split: validation,");
    assert_eq!(split("chosen/spec.ron"), "split: test,");
    let trial = std::fs::read_to_string(folder.join("chosen/002/results.jsonl")).unwrap();
    assert!(!trial.contains("Baseline"), "{trial}");
    let refused = "adapt --over update.steps=1,2 --choose --set task.split=validation --out no";
    check_refused(folder, refused, 2, "the validation split chooses");
}

/// What a guide's choice is worth without a step stands beside what the state learned.
#[test]
fn a_guides_letters_are_counted_beside_the_models() {
    let folder = folder();
    let folder = folder.path();
    let command = "adapt --preset mmlu-guided-item --device cpu --quiet --set task.limit=3 \
                   --set update.steps=1 --set keep_states=2 --set baselines.examples=1 \
                   --set guide=Some(Simulated(right:1.0)) --out letters";
    check_output(
        folder,
        command,
        &[
            "simulated guide, right 1",
            "the guide itself",
            "the guide's answer in front",
            "the base, guide's answer as 0.25 of a vote",
            "the vote over 4 orders, guide's answer as 0.5 of a vote",
            "guide's answer where the base finds it likelier than chance",
            "copies of the guide",
        ],
    );
    let results = std::fs::read_to_string(folder.join("letters/results.jsonl")).unwrap();
    let guide = results
        .lines()
        .find(|line| line.contains("the guide itself"));
    assert!(guide.unwrap().contains("\"right\":\"111\""), "{results}");
    // Nothing is done twice.
    check_output(folder, command, &["the guide's answer in front"]);
    let again = std::fs::read_to_string(folder.join("letters/results.jsonl")).unwrap();
    assert_eq!(again, results);
}

/// A state of a model of other sizes.
#[test]
fn a_base_for_another_model_is_refused_with_both_sizes() {
    let folder = folder();
    let folder = folder.path();
    let state = TunedState {
        n_layer: 2,
        n_head: 1,
        head_size: 64,
        key_size: 64,
        layers: vec![vec![0.1; 64 * 64]; 2],
        shifts: None,
    };
    let path = folder.join("other.safetensors");
    write_safetensors(&state, &path, &Metadata::default()).unwrap();
    let command = format!("adapt {FEW} --base other.safetensors --out a");
    check_refused(folder, &command, 2, "2 layers of 1 heads of 64x64");
    check_refused(folder, &command, 2, "other.safetensors");
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
        "chooses among options, but gsm8k has none",
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
