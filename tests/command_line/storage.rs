//! How weights are stored: the memory that loading takes, what fits, and the
//! comparison of all storages.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

use gosling::model::ModelConfig;
use gosling::model::Precision;
use gosling::model::random::SHAPE_0_1B;

use crate::{check_output, gosling, texts};

/// A model of 100 M numbers as a sparse file of zeros in bfloat16.
fn write_zeros(path: &Path, config: &ModelConfig) {
    let mut header = serde_json::Map::new();
    let mut offset = 0_u64;
    for (name, shape) in config.expected_tensors() {
        let end = offset + 2 * shape.iter().product::<usize>() as u64;
        let entry =
            serde_json::json!({"dtype": "BF16", "shape": shape, "data_offsets": [offset, end]});
        header.insert(name, entry);
        offset = end;
    }
    let text = serde_json::to_string(&header).unwrap();
    let mut bytes = (text.len() as u64).to_le_bytes().to_vec();
    bytes.extend(text.as_bytes());
    fs::write(path, &bytes).unwrap();
    let file = fs::OpenOptions::new().write(true).open(path).unwrap();
    file.set_len(bytes.len() as u64 + offset).unwrap();
}

/// The most bytes, pages of files aside, that a process has while it writes a token.
#[cfg(target_os = "linux")]
fn peak(folder: &Path, model: &[&str]) -> u64 {
    let mut child = Command::new(env!("CARGO_BIN_EXE_gosling"))
        .env("GOSLING_LANGUAGE", "en")
        .args([
            "bench", "decode", "--device", "cpu", "--batch", "1", "--tokens", "1",
        ])
        .args(model)
        .current_dir(folder)
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let status = format!("/proc/{}/status", child.id());
    let mut most = 0;
    loop {
        let text = fs::read_to_string(&status).unwrap_or_default();
        let line = text.lines().find_map(|line| line.strip_prefix("RssAnon:"));
        let kilobytes = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
        most = most.max(1024 * kilobytes.unwrap_or(0));
        if let Some(ended) = child.try_wait().unwrap() {
            assert!(ended.success());
            return most;
        }
        sleep(Duration::from_millis(1));
    }
}

/// What stays, the largest tensor, and what the program takes without a model.
#[test]
#[cfg(target_os = "linux")]
fn loading_takes_what_stays_and_the_largest_tensor() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let config = ModelConfig {
        n_layer: 8,
        vocab_size: 16_384,
        ..SHAPE_0_1B
    };
    write_zeros(&folder.join("zeros.safetensors"), &config);
    let mini = peak(folder, &["--shape", "mini"]);
    for (precision, name) in [
        (Precision::BF16, "bf16"),
        (Precision::Int8, "int8"),
        (Precision::NF4, "nf4"),
    ] {
        let model = ["--checkpoint", "zeros.safetensors", "--precision", name];
        let got = peak(folder, &model).saturating_sub(mini);
        let stays = precision.weight_bytes(&config);
        let sizes = config.expected_tensors();
        let largest = sizes
            .iter()
            .map(|(_, shape)| shape.iter().product::<usize>());
        // In 32 bits, wider than anything is held.
        let largest = 4 * largest.max().unwrap() as u64;
        println!("{name}: {got} bytes more than the mini model, {stays} stay");
        assert!(
            got < stays + largest,
            "{name}: {got} for {stays} and {largest}"
        );
    }
}

#[test]
fn what_does_not_fit_is_refused_with_what_does_and_fit_takes_it() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let tune = |gigabytes: &str, arguments: &str| {
        Command::new(env!("CARGO_BIN_EXE_gosling"))
            .env("GOSLING_LANGUAGE", "en")
            .args(["tune", "--device", "cpu", "--data", "arc", "--steps", "1"])
            .args(["--set", "training.batch=64", "--set", "evaluation.limit=1"])
            .args(arguments.split_whitespace())
            .env("GOSLING_DEVICE_MEMORY_GB", gigabytes)
            .current_dir(folder)
            .output()
            .unwrap()
    };
    let (_, errors) = texts(&tune("0.06", "--quiet"));
    assert!(errors.contains("training.batch: needs about "), "{errors}");
    assert!(errors.contains(" fits, and --fit takes it"), "{errors}");
    assert_eq!(errors.trim().lines().count(), 1, "{errors}");
    // What is shown is what the run has.
    let output = tune("0.06", "--fit --print-spec");
    let (spec, said) = texts(&output);
    assert!(output.status.success(), "{said}");
    assert!(said.contains("training.accumulate="), "{said}");
    for assignment in said
        .split([' ', ':'])
        .filter(|part| part.starts_with("training."))
    {
        let (field, value) = assignment.split_once('=').unwrap();
        let field = field.trim_start_matches("training.");
        assert!(
            spec.contains(&format!("{field}: {value}")),
            "{assignment}: {spec}"
        );
    }
    assert!(tune("0.06", "--fit").status.success());
    let (_, errors) = texts(&tune("0.0001", "--fit"));
    assert!(
        errors.contains("--fit: ") && errors.contains("fits in no setting"),
        "{errors}"
    );
}

#[test]
fn predictions_are_compared_in_every_storage() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    check_output(
        folder,
        "bench storage --device cpu --texts 2",
        &["F32", "BF16", "F16", "Int8", "NF4"],
    );
    let output = gosling(folder, "eval arc --device cpu --limit 4 --precision int4");
    let (_, errors) = texts(&output);
    assert!(
        errors.contains("choose auto, f32, bf16, f16, int8 or nf4"),
        "{errors}"
    );
    check_output(
        folder,
        "eval arc --device cpu --limit 4 --precision nf4",
        &["arc"],
    );
}
