//! States against their format's convention, and all the way round.

use super::{check_output, folder, gosling, root, texts};

/// Validation questions of arc-mini as JSON lines, as the runs that made
/// `tests/golden/states` read theirs.
fn arc_lines(n_lines: usize) -> String {
    let file = std::fs::read_to_string(root("assets/mini/bench/arc/validation.jsonl")).unwrap();
    let lines = file.lines().take(n_lines).map(|line| {
        let item: serde_json::Value = serde_json::from_str(line).unwrap();
        let choices = item["question"]["choices"].as_array().unwrap();
        let right = choices
            .iter()
            .find(|choice| choice["label"] == item["answerKey"]);
        let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
        let line = serde_json::json!({
            "prompt": format!("Question: {}\nAnswer:", text(&item["question"]["stem"])),
            "completion": format!(" {}\n\n", text(&right.unwrap()["text"])),
        });
        format!("{line}\n")
    });
    lines.collect()
}

#[test]
fn a_state_against_its_formats_convention_is_asked_about() {
    use gosling::tuning::states::state_file::{Metadata, read_state, write_safetensors};
    let folder = folder();
    let file = |name: &str| folder.path().join(name);
    let (state, _) = read_state(root("tests/golden/states/arc-0.3.st"), None).unwrap();
    let write = |name: &str, state| {
        gosling::tuning::states::state_file::write_pth(state, file(name), Default::default())
            .unwrap();
    };
    write("usual.pth", &state);
    write("openmose.pth", &state.transposed());
    std::fs::write(file("arc.jsonl"), arc_lines(16)).unwrap();
    let import = |name: &str, more: &str| {
        let arguments =
            format!("import {name} --device cpu --text-file arc.jsonl -o out.safetensors {more}");
        let output = gosling(folder.path(), &arguments);
        let (text, errors) = texts(&output);
        (output.status.code(), text, errors)
    };
    let (code, text, errors) = import("openmose.pth", "");
    assert_eq!(code, Some(2), "{text} {errors}");
    assert!(text.contains("tokens of 16 texts"), "{text}");
    for part in [
        "openmose.pth: orientation: a .pth holds value,key, but the texts indicate key,value: better by ",
        "nothing is written. Use --orientation key-value if",
    ] {
        assert!(errors.contains(part), "{errors}");
    }
    assert!(!file("out.safetensors").exists());
    let (code, text, errors) = import("openmose.pth", "--orientation key-value");
    assert_eq!(code, Some(0), "{errors}");
    assert!(text.contains("key,value, as --orientation says"), "{text}");
    let (read, _) = read_state(file("out.safetensors"), None).unwrap();
    assert_eq!(read, state);
    let (code, text, errors) = import("usual.pth", "--force");
    assert_eq!(code, Some(0), "{errors}");
    assert!(
        text.contains("value,key, as every .pth holds them"),
        "{text}"
    );
    assert_eq!(read_state(file("out.safetensors"), None).unwrap().0, state);
    // A state that names other weights is told, and continues naming them.
    let metadata = Metadata {
        base_fingerprint: Some("0123456789abcdef".into()),
        ..Metadata::default()
    };
    write_safetensors(&state, file("other.safetensors"), &metadata).unwrap();
    let (code, _, errors) = import("other.safetensors", "--force");
    assert_eq!(code, Some(0), "{errors}");
    assert!(
        errors.contains("was tuned for other weights than this model's (fingerprint 0123456789ab…"),
        "{errors}"
    );
    let (_, written) = read_state(file("out.safetensors"), None).unwrap();
    assert_eq!(written.base_fingerprint, metadata.base_fingerprint);
}

#[test]
fn an_imported_state_says_what_it_was_trained_with() {
    use gosling::model::LeadingToken;
    use gosling::tuning::states::state_file::{
        Metadata, read_state, write_pth, write_safetensors, write_st,
    };
    let folder = folder();
    let file = |name: &str| folder.path().join(name);
    let (state, _) = read_state(root("tests/golden/states/arc-0.3.st"), None).unwrap();
    write_pth(&state, file("theirs.pth"), Default::default()).unwrap();
    write_st(&state, file("theirs.st")).unwrap();
    let said = Metadata {
        leading_token: Some(LeadingToken::Both),
        ..Metadata::default()
    };
    write_safetensors(&state, file("said.safetensors"), &said).unwrap();
    // As versions wrote it that put token 0 in front and did not say so.
    write_safetensors(&state, file("older.safetensors"), &Metadata::default()).unwrap();
    let import = |name: &str, more: &str| {
        let arguments = format!("import {name} --device cpu --force -o out.safetensors {more}");
        let output = gosling(folder.path(), &arguments);
        let (text, errors) = texts(&output);
        assert!(output.status.success(), "{arguments}: {errors}");
        let (_, written) = read_state(file("out.safetensors"), None).unwrap();
        (text, errors, written.leading_token.unwrap())
    };
    let unsaid = "since the file does not state it, and most trainers use none";
    for (name, more, expected, begins, why) in [
        (
            "theirs.pth",
            "",
            LeadingToken::None,
            "their first word",
            unsaid,
        ),
        (
            "theirs.st",
            "",
            LeadingToken::None,
            "their first word",
            unsaid,
        ),
        (
            "theirs.pth",
            "--leading-token zero",
            LeadingToken::Zero,
            "token 0",
            "as --leading-token says",
        ),
        (
            "theirs.pth",
            "--leading-token both",
            LeadingToken::Both,
            "their first word",
            "as --leading-token says",
        ),
        (
            "said.safetensors",
            "",
            LeadingToken::Both,
            "their first word",
            "as the file says",
        ),
        (
            "older.safetensors",
            "",
            LeadingToken::Zero,
            "token 0",
            "as in older versions of Gosling",
        ),
    ] {
        let (text, errors, written) = import(name, more);
        assert_eq!(written, expected, "{name} {more}");
        let line = format!("texts begin with {begins}, {why}");
        assert!(text.contains(&line), "{line} in {text}");
        assert!(
            !errors.contains("trained with data.leading_token"),
            "{errors}"
        );
    }
    let (_, errors, written) = import("said.safetensors", "--leading-token none");
    assert_eq!(written, LeadingToken::None);
    let told = "the state was trained with data.leading_token Both, not Nothing";
    assert!(errors.contains(told), "{errors}");
    // The form changes what the texts are found to cost, and not what no state does.
    let losses = |more: &str| {
        let (text, ..) = import("theirs.pth", more);
        let of_start = |start: &str| {
            let line = text
                .lines()
                .find(|line| line.trim_start().starts_with(start));
            line.unwrap_or_else(|| panic!("{text}")).to_owned()
        };
        ["zero,", "the state as it is,"].map(of_start)
    };
    std::fs::write(file("sum.txt"), "The sum of two and three is five.").unwrap();
    let text = "--text-file sum.txt";
    let [zero, state] = losses(&format!("{text} --leading-token zero"));
    let [zero_straight, state_straight] = losses(&format!("{text} --leading-token none"));
    assert_ne!(state, state_straight);
    // With token 0 in front the first word is predicted too, and so counted.
    assert_ne!(zero, zero_straight);
}

#[test]
fn a_state_goes_through_every_format_and_scores_the_same() {
    let folder = folder();
    let check = |arguments: &str, parts: &[&str]| check_output(folder.path(), arguments, parts);
    check(
        "tune --preset cpu --quiet --set name=\"a\" --set data.source=Mini(arc) \
         --set training.steps=16 --set training.batch=8 --set training.validate_every=0 \
         --set training.select_by=LastStep --set evaluation.before=false \
         --set evaluation.after=false --set evaluation.few_shot=0",
        &["a-0001"],
    );
    let accuracy = |state: &str| {
        let arguments = format!("eval arc --device cpu --limit 60 {state}");
        let output = gosling(folder.path(), &arguments);
        let (text, errors) = texts(&output);
        assert!(output.status.success(), "{arguments}: {errors}");
        let line = text.lines().find(|line| line.contains("n = 60"));
        line.unwrap_or_else(|| panic!("{text}")).to_owned()
    };
    let tuned = accuracy("--state runs/a-0001");
    assert_ne!(tuned, accuracy(""));
    // The wrong way round shows.
    check("export runs/a-0001 --to pth -o a.pth", &["saved a.pth"]);
    let alone = folder.path().join("alone.pth");
    std::fs::copy(folder.path().join("a.pth"), alone).unwrap();
    assert_ne!(tuned, accuracy("--state alone.pth --orientation key-value"));
    check("export runs/a-0001 --to st -o a.st", &["saved a.st"]);
    check("export runs/a-0001 --to bin -o a.bin", &["saved a.bin"]);
    check(
        "export runs/a-0001 --to safetensors -o a.safetensors",
        &["saved a.safetensors"],
    );
    std::fs::write(folder.path().join("short.bin"), [0; 400]).unwrap();
    for ending in ["pth", "st", "bin", "safetensors"] {
        let back = format!("back-{ending}.safetensors");
        check(
            &format!("import a.{ending} --device cpu -o {back}"),
            &["the last two axes are ", "saved back-"],
        );
        assert_eq!(accuracy(&format!("--state {back}")), tuned, "{ending}");
    }
    // What an export wrote is used as it is, too; the raw file has the model's dimensions.
    for ending in ["pth", "st", "bin", "safetensors"] {
        let state = format!("--state a.{ending}");
        assert_eq!(accuracy(&state), tuned, "{ending}");
    }
    let (_, errors) = texts(&gosling(
        folder.path(),
        "generate --device cpu --state short.bin a",
    ));
    assert!(
        errors.contains("short.bin: size: is not that of a raw f32 state"),
        "{errors}"
    );
    // What a run wrote is laid out in lines that a terminal holds.
    let (text, _) = texts(&gosling(folder.path(), "inspect runs/a-0001"));
    for part in ["  figures\n", "  specification\n", "batch: 8,"] {
        assert!(text.contains(part), "{part}: {text}");
    }
    assert!(
        text.lines().all(|line| line.chars().count() <= 110),
        "{text}"
    );
}
