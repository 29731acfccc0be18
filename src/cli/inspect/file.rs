//! What `gosling inspect` says of a model or a tuned state.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use super::adapters::adapters_table;
use super::metadata::{metadata_blocks, metadata_rows};
use crate::cli::table::table;
use crate::error::Result;
use crate::format::byte_size;
use crate::model::checkpoint::{
    Checkpoint, CheckpointFormat, Dialect, TensorDType, content_digits, is_model_folder,
};
use crate::model::config::Keys;
use crate::model::{Architecture, ModelConfig};
use crate::persist::known_weights;
use crate::text_file::Kind;
use crate::tuning::inspect::state_statistics::layer_statistics;
use crate::tuning::method::tuned::Tuned;
use crate::tuning::states::lift_bundle::read_tuned;
use crate::tuning::states::state_file::{
    Orientation, TunedState, is_state, left_out, locate_state, stored_orientation,
};

/// Names that checkpoints and states go by.
const ENDINGS: [&str; 6] = ["pth", "pt", "safetensors", "st", "state", "gguf"];

/// Whether a path is a checkpoint's or a state's rather than a data set's, by
/// its name or its first bytes; the folder of a run stands for its state, one with
/// the files of a model for that.
pub(super) fn is_checkpoint(path: &Path) -> bool {
    if path.is_dir() {
        return is_run(path) || is_model_folder(path);
    }
    let ending = path.extension().unwrap_or_default().to_string_lossy();
    ENDINGS.contains(&ending.to_ascii_lowercase().as_str()) || has_checkpoint_bytes(path)
}

fn is_run(folder: &Path) -> bool {
    locate_state(folder).is_ok()
}

/// Whether the file is no text. A zip archive is known by its first bytes and
/// everything else by a zero among them, which a `.safetensors` has in the
/// length that it begins with; the reader of checkpoints names other kinds.
fn has_checkpoint_bytes(path: &Path) -> bool {
    let mut start = Vec::new();
    let read = File::open(path).and_then(|file| file.take(16).read_to_end(&mut start));
    let is_binary =
        start.starts_with(b"PK\x03\x04") || start.starts_with(b"GGUF") || start.contains(&0);
    // Text may be packed, or be UTF-16, where zeros are.
    let is_foreign = matches!(Kind::of(&start), Kind::Foreign(_));
    read.is_ok() && is_binary && is_foreign && !is_data(path)
}

/// Whether the name is that of a data set, whatever the bytes are.
fn is_data(path: &Path) -> bool {
    const DATA: [&str; 8] = ["jsonl", "json", "csv", "tsv", "txt", "gz", "arrow", "idx"];
    let ending = path.extension().unwrap_or_default().to_string_lossy();
    DATA.contains(&ending.to_ascii_lowercase().as_str())
}

/// What a model or a state is, in lines.
///
/// # Errors
/// What is wrong with a file that is neither.
pub(super) fn describe(path: &Path, orientation: Option<Orientation>) -> Result<String> {
    let path = match path.is_dir() && !is_run(path) && is_model_folder(path) {
        true => path.to_path_buf(),
        false => locate_state(path)?,
    };
    let checkpoint = Checkpoint::open(&path)?;
    if is_state(&checkpoint) || is_part_of_a_run(&checkpoint) {
        describe_state(&checkpoint, orientation)
    } else {
        describe_model(&checkpoint)
    }
}

/// Whether it is a lifted state or a snapshot, which have other tensors than a
/// state.
fn is_part_of_a_run(checkpoint: &Checkpoint) -> bool {
    let format = checkpoint.metadata().get("format");
    format.is_some_and(|format| format.starts_with("gosling-"))
}

fn describe_model(checkpoint: &Checkpoint) -> Result<String> {
    let config = ModelConfig::from_checkpoint(checkpoint)?;
    let ModelConfig {
        architecture,
        n_layer,
        n_embd,
        n_head,
        head_size,
        keys,
        end_of_document: _,
        vocab_size,
        n_ffn,
        decay_rank,
        iclr_rank,
        value_rank,
        gate_rank,
    } = config;
    let n_state = n_layer * config.n_state();
    let tensors = config.expected_tensors();
    let sizes = tensors.iter().map(|(_, shape)| shape.iter().product());
    let largest: usize = sizes.max().unwrap_or(0);
    let ranks = match architecture {
        Architecture::Rwkv7 => tr!(
            "decay {decay_rank}, in-context rate {iclr_rank}, value {value_rank}, gate {gate_rank}",
            decay_rank,
            iclr_rank,
            value_rank,
            gate_rank
        ),
        Architecture::GatedDeltaNet => tr!("none").into(),
    };
    let mut rows = vec![
        (
            tr!("dimensions"),
            tr!(
                "L{n_layer} C{n_embd} H{n_head} N{head_size}, vocabulary {vocab_size}, ffn {n_ffn}",
                n_layer,
                n_embd,
                n_head,
                head_size,
                vocab_size,
                n_ffn
            ),
        ),
        (tr!("ranks"), ranks),
        ("parameters", grouped(config.n_params())),
        (
            tr!("stored as"),
            format!("{}, {}", dtypes(checkpoint), format_name(checkpoint)),
        ),
        (
            tr!("dialect"),
            match architecture {
                Architecture::Rwkv7 => checkpoint.dialect().map_or("", Dialect::name).into(),
                Architecture::GatedDeltaNet => "Hugging Face, fla".into(),
            },
        ),
        (
            tr!("fingerprint"),
            content_digits(&known_weights::fingerprint(checkpoint)).to_owned(),
        ),
        (
            "state",
            tr!(
                "{} numbers, {} in f32",
                grouped(n_state),
                byte_size(4 * n_state as u64)
            ),
        ),
        (
            tr!("in memory"),
            tr!(
                "{} in f32, the largest tensor {}",
                byte_size(4 * config.n_params() as u64),
                byte_size(4 * largest as u64)
            ),
        ),
    ];
    if let Some(Keys { n_head, size }) = keys {
        let keys = tr!("{n_head} heads of {size} channels", n_head, size);
        rows.insert(1, (tr!("keys"), keys));
    }
    let what = match architecture {
        Architecture::Rwkv7 => tr!("an RWKV-7 model"),
        Architecture::GatedDeltaNet => tr!("a Gated DeltaNet model"),
    };
    Ok(listed(checkpoint, what, &rows))
}

fn describe_state(checkpoint: &Checkpoint, told: Option<Orientation>) -> Result<String> {
    let (what, order) = if is_part_of_a_run(checkpoint) && !is_state(checkpoint) {
        (
            tr!("a state of a run of Gosling, with all that it trained"),
            None,
        )
    } else {
        (
            tr!("a tuned state"),
            Some(stored_orientation(checkpoint, told)?),
        )
    };
    let (Tuned { state, lift, lora }, metadata) = read_tuned(checkpoint.file(), told)?;
    let n_shifts = state
        .shifts
        .as_ref()
        .map(|_| state.n_layer * state.n_shifts_per_layer());
    let TunedState {
        n_layer,
        n_head,
        head_size,
        key_size,
        ..
    } = state;
    let n_numbers = n_layer * state.n_per_layer();
    let mut rows = vec![
        (
            tr!("dimensions"),
            tr!(
                "{n_layer} layers of {n_head} heads of {head_size}x{key_size}, {} numbers",
                grouped(n_numbers),
                n_layer,
                n_head,
                head_size,
                key_size
            ),
        ),
        (
            tr!("order of axes"),
            format!("head,{}", order.unwrap_or(Orientation::ValueKey).name()),
        ),
        (
            tr!("stored as"),
            format!("{}, {}", dtypes(checkpoint), format_name(checkpoint)),
        ),
        (
            tr!("fingerprint"),
            content_digits(&checkpoint.fingerprint()).to_owned(),
        ),
    ];
    if let Some(n_shifts) = n_shifts {
        let words = tr!("of time and channel mixing, {} numbers", grouped(n_shifts));
        rows.push((tr!("token shifts"), words));
    }
    if let Some(lift) = &lift {
        let [n_layer, _, _, m] = lift.sizes();
        let branches = tr!(
            "{} in {n_layer} layers, M {m}",
            format_args!("{:?}", lift.kind),
            n_layer,
            m
        );
        rows.push((tr!("lifted branch"), branches));
    }
    if let Some(lora) = &lora {
        let matrices: Vec<&str> = lora.factors.iter().map(|of| of.target.module()).collect();
        let adapters = tr!(
            "rank {}, alpha {}, {} layers, {}; {} numbers",
            lora.rank,
            lora.alpha,
            lora.layers.len(),
            matrices.join(", "),
            grouped(lora.n_parameters())
        );
        rows.push(("adapters", adapters));
    }
    if let Some(left_out) = left_out(checkpoint) {
        rows.push((tr!("left out"), left_out));
    }
    rows.extend(metadata_rows(&metadata));
    let mut text = listed(checkpoint, what, &rows);
    text.push_str(&metadata_blocks(&metadata));
    let layers = layer_statistics(&state);
    let rows: Vec<[String; 5]> = layers
        .iter()
        .enumerate()
        .map(|(layer, s)| {
            [
                layer.to_string(),
                format!("{:.4}", s.norm),
                format!("{:.4}", s.max_abs),
                format!("{:.5}", s.mean_abs),
                format!("{:.1}", s.effective_rank),
            ]
        })
        .collect();
    let heading = [
        tr!("layer"),
        tr!("norm"),
        "max |s|",
        "mean |s|",
        tr!("effective rank"),
    ];
    text.push_str(&table(heading, &rows, &[0, 1, 2, 3, 4]));
    if let Some(lora) = &lora {
        text.push_str(&adapters_table(lora));
    }
    Ok(text)
}

/// The file, what it is, and its properties.
fn listed(checkpoint: &Checkpoint, what: &str, rows: &[(&str, String)]) -> String {
    let mut text = format!("{}: {what}\n", crate::format::shown(checkpoint.file()));
    for (name, value) in rows {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "  {name:<14} {value}");
    }
    text
}

/// `F32` or `BF16 (120 tensors), F32 (3)`.
fn dtypes(checkpoint: &Checkpoint) -> String {
    let mut counts = BTreeMap::new();
    for tensor in checkpoint.tensors() {
        *counts.entry(tensor.dtype).or_insert(0) += 1;
    }
    let one = |(dtype, n): (&TensorDType, &i32)| tr!("{} ({n} tensors)", dtype.name(), n);
    counts.iter().map(one).collect::<Vec<_>>().join(", ")
}

fn format_name(checkpoint: &Checkpoint) -> String {
    let name = match checkpoint.format() {
        CheckpointFormat::Torch => "torch archive",
        CheckpointFormat::Safetensors => "safetensors",
        CheckpointFormat::Gguf => "GGUF",
        CheckpointFormat::Ggml => "ggml",
    };
    match checkpoint.n_files() {
        1 => name.into(),
        n => tr!("{name} in {n} files", name, n),
    }
}

/// `7,337,472`.
fn grouped(n: usize) -> String {
    let digits = n.to_string();
    let mut text = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tuning::states::state_file::Metadata;

    #[test]
    fn numbers_are_grouped() {
        for (n, want) in [
            (0, "0"),
            (999, "999"),
            (1000, "1,000"),
            (7_337_472, "7,337,472"),
        ] {
            assert_eq!(grouped(n), want);
        }
    }

    #[test]
    fn files_are_told_apart() {
        let folder = tempfile::tempdir().unwrap();
        let check = |name: &str, bytes: &[u8], want: bool| {
            let path = folder.path().join(name);
            std::fs::write(&path, bytes).unwrap();
            assert_eq!(is_checkpoint(&path), want, "{name}");
        };
        check("a.pth", b"", true);
        check("a.ST", b"", true);
        check("zip", b"PK\x03\x04.....", true);
        check("tensors", b"\x10\0\0\0\0\0\0\0{\"a\"", true);
        check("a.jsonl", b"{\"text\": \"a\"}", false);
        check("a.gz", b"\x1f\x8b\x08\0\0\0\0\0", false);
        check("b.jsonl", b"\xff\xfe{\0\"\0", false);
        check("a.gguf", b"", true);
        check("b.bin", b"fmgg\x65\0\0\0", true);
        check("c.jsonl", b"PK\x03\x04.....", false);
        check("d", b"PAR1\x15\0\0\0\0", false);
        check("short", b"{", false);
        let empty = tempfile::tempdir().unwrap();
        assert!(!is_checkpoint(empty.path()));
        std::fs::write(empty.path().join("a.gguf"), "").unwrap();
        assert!(is_checkpoint(empty.path()));
        check("state.safetensors", b"", true);
        assert!(is_checkpoint(folder.path()));
        assert!(!is_checkpoint(&folder.path().join("absent")));
    }

    #[test]
    fn a_model_and_a_state_are_described() {
        let golden = Path::new(env!("CARGO_MANIFEST_DIR"));
        let mini = golden.join("assets/mini/rwkv7-mini-7m-f16.pth");
        let text = describe(&mini, None).unwrap();
        for part in [
            "an RWKV-7 model",
            "dialect        official names",
            "L6 C256 H4 N64",
            "7,337,472",
            "98,304 numbers",
        ] {
            assert!(text.contains(part), "{part}: {text}");
        }
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state.safetensors");
        let state = TunedState {
            n_layer: 1,
            n_head: 1,
            head_size: 2,
            key_size: 2,
            layers: vec![vec![3.0, 0.0, 0.0, -3.0]],
            shifts: None,
        };
        let metadata = Metadata {
            spec_ron: Some("// A run.\n(\n  name: \"a\u{1b}\",\n)".into()),
            metrics_json: Some("{\"steps\":60,\"best\":{\"loss\":1.5},\"a\":[1,2]}".into()),
            ..Metadata::default()
        };
        crate::tuning::states::state_file::write_safetensors(&state, &path, &metadata).unwrap();
        let text = describe(folder.path(), None).unwrap();
        for part in [
            "a tuned state",
            "head,value,key",
            "figures\n    a          [1,2]\n    best.loss  1.5\n    steps      60\n",
            "specification\n    (\n      name: \"a\",\n    )\n",
            "4.2426   3.0000",
        ] {
            assert!(text.contains(part), "{part}: {text}");
        }
    }
}
