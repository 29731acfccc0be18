//! What a result depends on travels with the state: its vocabulary, what stood in
//! front of texts and around prompts. A state scored later is scored as its run
//! scored it, from wherever it lies.

use std::fs;
use std::path::Path;

use super::{check_output, gosling, root, texts};

/// A short run on one of the mini benchmarks with more `fields`.
fn tune(folder: &Path, name: &str, fields: &str) {
    let arguments = format!(
        "tune --preset cpu --device cpu --quiet --set name={name} --set data.source=Mini(arc) \
         --set training.steps=4 --set training.batch=4 --set training.warmup_steps=1 \
         --set training.learning_rate=0.4 --set training.validate_every=0 \
         --set evaluation.before=false --set evaluation.few_shot=0 --set evaluation.limit=12 {fields}"
    );
    succeeded(folder, &arguments);
}

/// The two output streams of a command that succeeds.
fn succeeded(folder: &Path, arguments: &str) -> (String, String) {
    let output = gosling(folder, arguments);
    let (text, errors) = texts(&output);
    assert!(output.status.success(), "{arguments}: {errors}");
    (text, errors)
}

fn refused(folder: &Path, arguments: &str) -> String {
    let output = gosling(folder, arguments);
    let (_, errors) = texts(&output);
    assert_eq!(output.status.code(), Some(2), "{arguments}: {errors}");
    errors
}

/// What was measured of each item, and under which conditions.
fn items(file: &Path) -> (String, Vec<String>) {
    let text = fs::read_to_string(file).unwrap();
    let mut lines = text.lines().map(str::to_owned);
    (lines.next().unwrap(), lines.collect())
}

/// Scores a state on what its run was scored on.
fn scored(folder: &Path, state: &str, options: &str) -> (String, Vec<String>) {
    let arguments =
        format!("eval arc --limit 12 --device cpu --state {state} -o items.jsonl {options}");
    succeeded(folder, &arguments);
    items(&folder.join("items.jsonl"))
}

/// The mini vocabulary with every two neighbours of a stretch exchanged.
fn own_vocabulary() -> String {
    let mini = fs::read_to_string(root("assets/vocab/rwkv_vocab_mini.txt")).unwrap();
    let mut lines: Vec<(String, String)> = mini
        .lines()
        .map(|line| line.split_once(' ').unwrap())
        .map(|(id, token)| (id.to_owned(), token.to_owned()))
        .collect();
    for pair in lines[600..1000].chunks_exact_mut(2) {
        let [one, other] = pair else { continue };
        std::mem::swap(&mut one.1, &mut other.1);
    }
    let lines = lines.iter().map(|(id, token)| format!("{id} {token}\n"));
    lines.collect()
}

#[test]
fn a_vocabulary_of_its_own_follows_a_state_wherever_it_goes() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    fs::write(folder.join("own.txt"), own_vocabulary()).unwrap();
    tune(folder, "own", "--set model.vocabulary=File(\"own.txt\")");
    let (_, by_tune) = items(&folder.join("runs/own-0001/eval/after.jsonl"));
    fs::rename(folder.join("own.txt"), folder.join("renamed.txt")).unwrap();
    assert_eq!(scored(folder, "runs/own-0001", "").1, by_tune);
    let other = scored(folder, "runs/own-0001", "--vocabulary mini");
    assert_ne!(other.1, by_tune, "the vocabulary says nothing here");
    let arguments =
        "generate --device cpu --max-tokens 2 --state runs/own-0001 --vocabulary mini a";
    let (_, told) = succeeded(folder, arguments);
    let expected = "vocabulary: the state was tuned with the vocabulary own.txt (sha256 ";
    assert!(told.contains(expected), "{told}");
    // As other programs get it, in another place.
    fs::create_dir(folder.join("away")).unwrap();
    for (format, name) in [
        ("pth", "a.pth"),
        ("st", "b.st"),
        ("safetensors", "c.safetensors"),
    ] {
        succeeded(
            folder,
            &format!("export runs/own-0001 --to {format} -o away/{name}"),
        );
    }
    assert_eq!(scored(folder, "away/a.pth", "").1, by_tune);
    let message = refused(
        folder,
        "eval arc --limit 2 --device cpu --state away/c.safetensors",
    );
    let expected = "which is not next to it; name the file with --vocabulary";
    assert!(message.contains(expected), "{message}");
    let named = scored(folder, "away/c.safetensors", "--vocabulary renamed.txt");
    assert_eq!(named.1, by_tune);
    // 16 bits of a state are other numbers, but the same vocabulary is asked for.
    let message = refused(folder, "generate --device cpu --state away/b.st a");
    assert!(message.contains(expected), "{message}");
}

#[test]
fn what_stood_in_front_of_texts_is_recorded_and_followed() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    for (name, form, used) in [
        ("behind", "Zero", "zero"),
        ("straight", "None", "none"),
        ("both", "Both", "none"),
    ] {
        tune(folder, name, &format!("--set data.leading_token={form}"));
        let run = format!("runs/{name}-0001");
        let of_run = |file: &str| folder.join(&run).join(file);
        let (about, by_tune) = items(&of_run("eval/after.jsonl"));
        let said = format!("\"leading_token\":\"{used}\"");
        assert!(about.contains(&said), "{about}");
        let (about, later) = scored(folder, &run, "");
        assert_eq!(later, by_tune, "{name}");
        assert!(about.contains(&said), "{about}");
        // The other form is another evaluation.
        let other = if used == "zero" { "none" } else { "zero" };
        let (about, otherwise) = scored(folder, &run, &format!("--leading-token {other}"));
        assert_ne!(otherwise, by_tune, "{name}");
        assert!(
            about.contains(&format!("\"leading_token\":\"{other}\"")),
            "{about}"
        );
        fs::rename(folder.join("items.jsonl"), folder.join("other.jsonl")).unwrap();
        let message = refused(folder, &format!("compare {run} other.jsonl"));
        assert!(message.contains("different leading tokens"), "{message}");
        // The untuned model is the baseline of either.
        succeeded(folder, "eval arc --limit 12 --device cpu -o untuned.jsonl");
        succeeded(folder, &format!("compare untuned.jsonl {run}"));
        succeeded(folder, "compare untuned.jsonl other.jsonl");
        // With the description beside it a .pth is fed as it was trained; without,
        // as most trainers have it.
        let pth = format!("{name}.pth");
        fs::copy(of_run("state.pth"), folder.join(&pth)).unwrap();
        let json = format!("{name}.pth.json");
        fs::copy(of_run("state.pth.json"), folder.join(&json)).unwrap();
        assert_eq!(scored(folder, &pth, "").1, by_tune, "{name}");
        fs::remove_file(folder.join(&json)).unwrap();
        let (about, _) = scored(folder, &pth, "");
        assert!(about.contains("\"leading_token\":\"none\""), "{about}");
        let script = fs::read_to_string(of_run("state_rwkv_pip.py")).unwrap();
        let in_front = if used == "zero" {
            "IN_FRONT = [0]"
        } else {
            "IN_FRONT = []"
        };
        assert!(script.contains(in_front), "{name}");
    }
    // Three forms of training are three states.
    let state = |name: &str| fs::read(folder.join(format!("{name}.pth"))).unwrap();
    assert_ne!(state("behind"), state("straight"));
    assert_ne!(state("both"), state("straight"));
    assert_ne!(state("both"), state("behind"));
    check_output(
        folder,
        "inspect runs/straight-0001",
        &[
            "Nothing, used without token 0",
            "arc-mini, \"Question: …\\nAnswer:\"",
        ],
    );
}

#[test]
fn a_prompt_that_reads_otherwise_than_in_training_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    tune(folder, "a", "--set evaluation.after=false");
    let generate = |options: &str, prompt: &str| {
        let arguments =
            format!("generate --device cpu --max-tokens 12 --state runs/a-0001 {options} {prompt}");
        succeeded(folder, &arguments)
    };
    let (_, told) = generate("", "Why?");
    assert!(
        told.contains("prompts had the form \"Question: …\\nAnswer:\""),
        "{told}"
    );
    let (wrapped, told) = generate("--template", "Why?");
    assert!(!told.contains("prompts had the form"), "{told}");
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_gosling"))
        .env("GOSLING_LANGUAGE", "en")
        .args(["generate", "--device", "cpu", "--max-tokens", "12"])
        .args(["--state", "runs/a-0001", "Question: Why?\nAnswer:"])
        .current_dir(folder)
        .output()
        .unwrap();
    let (by_hand, told) = texts(&output);
    assert_eq!(wrapped, by_hand);
    assert!(!told.contains("prompts had the form"), "{told}");
}

#[test]
fn the_model_of_a_state_is_found_where_it_was_or_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let model = root("assets/mini/rwkv7-mini-7m-f16.pth");
    fs::copy(model, folder.join("model.pth")).unwrap();
    tune(
        folder,
        "a",
        "--set model.checkpoint=File(\"model.pth\") --set evaluation.after=false",
    );
    scored(folder, "runs/a-0001", "");
    fs::rename(folder.join("model.pth"), folder.join("moved.pth")).unwrap();
    let message = refused(
        folder,
        "eval arc --limit 2 --device cpu --state runs/a-0001",
    );
    assert!(
        message.contains("which is missing; name its file with --model"),
        "{message}"
    );
    scored(folder, "runs/a-0001", "--model moved.pth");
}
