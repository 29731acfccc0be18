//! Models of several files, and in folders.

use std::fs;
use std::path::Path;

use super::super::{Checkpoint, is_model_folder};
use super::Dialect;
use super::tests::{logits, mini_tensors};
use super::written_tests::{in_dialect, safetensors};
use crate::model::mini;

/// A folder with the mini model in two files and their index.
fn sharded(dialect: Dialect, folder: &Path) {
    let mut tensors = in_dialect(dialect, &mini_tensors(), false);
    let rest = tensors.split_off(tensors.len() / 2);
    let names = [
        "model-00001-of-00002.safetensors",
        "model-00002-of-00002.safetensors",
    ];
    let mut map = serde_json::Map::new();
    for (name, part) in names.iter().zip([tensors, rest]) {
        fs::write(folder.join(name), safetensors(&part)).unwrap();
        map.extend(part.into_iter().map(|tensor| (tensor.name, (*name).into())));
    }
    let index = serde_json::json!({ "metadata": { "total_size": 1 }, "weight_map": map });
    fs::write(
        folder.join("model.safetensors.index.json"),
        index.to_string(),
    )
    .unwrap();
    fs::write(
        folder.join("config.json"),
        r#"{"architectures":["RWKV7ForCausalLM"]}"#,
    )
    .unwrap();
}

#[test]
fn a_folder_its_index_and_each_of_its_files_are_the_model() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    sharded(Dialect::Fla, folder);
    let want = logits(&mini::checkpoint().unwrap());
    let names = [
        "",
        "model.safetensors.index.json",
        "model-00002-of-00002.safetensors",
    ];
    for name in names {
        let got = Checkpoint::open(folder.join(name)).unwrap();
        assert_eq!((got.n_files(), got.dialect()), (2, Some(Dialect::Fla)));
        assert_eq!(logits(&got), want, "{name}");
    }
    let refused = |want: &str| {
        let error = Checkpoint::open(folder).unwrap_err().to_string();
        assert!(
            error.contains(want) && !error.contains('\n'),
            "{want}: {error}"
        );
    };
    fs::write(folder.join("config.json"), r#"{"attn":{"layers":[1]}}"#).unwrap();
    refused("config.json: attn: lists attention layers");
    fs::write(
        folder.join("config.json"),
        r#"{"tie_word_embeddings":true}"#,
    )
    .unwrap();
    refused("config.json: tie_word_embeddings");
    fs::write(
        folder.join("config.json"),
        r#"{"architectures":["LlamaForCausalLM"]}"#,
    )
    .unwrap();
    refused("config.json: architectures: is LlamaForCausalLM, another architecture");
    fs::remove_file(folder.join("config.json")).unwrap();
    // Both files are the first.
    let [first, second] =
        [1, 2].map(|n| folder.join(format!("model-0000{n}-of-00002.safetensors")));
    fs::copy(&first, &second).unwrap();
    refused("model-00002-of-00002.safetensors: tensor ");
    fs::remove_file(&second).unwrap();
    refused("lists files that are not in the folder, 1 of 2 (model-00002-of-00002.safetensors)");
    fs::remove_file(folder.join("model.safetensors.index.json")).unwrap();
    let error = Checkpoint::open(&first).unwrap_err().to_string();
    assert!(
        error.contains("its index model.safetensors.index.json is not in the folder"),
        "{error}"
    );
    let error = Checkpoint::open(folder).unwrap_err().to_string();
    assert!(error.contains("its index"), "{error}");
}

#[test]
fn a_folder_stands_for_the_one_file_of_weights_in_it() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    assert!(!is_model_folder(folder));
    let error = Checkpoint::open(folder).unwrap_err().to_string();
    assert!(error.contains("a folder without a model"), "{error}");
    fs::write(folder.join("state.safetensors"), "").unwrap();
    assert!(!is_model_folder(folder));
    let tensors = mini_tensors();
    fs::write(folder.join("a.pth"), safetensors(&tensors)).unwrap();
    assert!(is_model_folder(folder));
    assert_eq!(Checkpoint::open(folder).unwrap().n_files(), 1);
    fs::write(folder.join("b.gguf"), "").unwrap();
    let error = Checkpoint::open(folder).unwrap_err().to_string();
    assert!(
        error.contains("2 files of weights (a.pth, b.gguf, …)"),
        "{error}"
    );
    fs::write(folder.join("model.safetensors"), safetensors(&tensors)).unwrap();
    assert_eq!(
        Checkpoint::open(folder).unwrap().dialect(),
        Some(Dialect::Official)
    );
}
