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
    for ending in ["pth", "st", "bin", "safetensors"] {
        let back = format!("back-{ending}.safetensors");
        check(
            &format!("import a.{ending} --device cpu -o {back}"),
            &["the last two axes are ", "saved back-"],
        );
        assert_eq!(accuracy(&format!("--state {back}")), tuned, "{ending}");
    }
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
