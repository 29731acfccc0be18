//! The readers of models in every dialect.

use super::super::dictionary::{DIALECT_WORDS, GGML_WORDS, GGUF_WORDS, JSON_WORDS};
use super::super::good_files::{dialect_seeds, ggml_seeds, gguf_seeds};
use super::{check, texts};
use crate::model::ModelConfig;
use crate::model::checkpoint::{Checkpoint, files_of};

/// Reads every tensor of a model, and as a model.
fn read_model(bytes: &[u8]) -> bool {
    let Ok(file) = Checkpoint::from_bytes("a", bytes.to_vec()) else {
        return false;
    };
    for tensor in file.tensors() {
        assert_eq!(tensor.to_f32().len(), tensor.n_elements());
        if let Some(ordered) = tensor.ordered_bytes() {
            assert_eq!(ordered.len(), tensor.stored_bytes().len());
        }
    }
    let _ = file.fingerprint();
    ModelConfig::from_checkpoint(&file).is_ok()
}

#[test]
fn gguf() {
    check("gguf", gguf_seeds(), &GGUF_WORDS, &read_model);
}

#[test]
fn rwkv_cpp() {
    check("rwkv-cpp", ggml_seeds(), &GGML_WORDS, &read_model);
}

#[test]
fn dialects() {
    let seeds = dialect_seeds();
    check("dialect", seeds, &DIALECT_WORDS, &read_model);
}

#[test]
fn lists_of_files() {
    let seeds = texts(&[
        r#"{"metadata":{"total_size":8},"weight_map":{"a":"model-00001-of-00002.safetensors","b":"model-00002-of-00002.safetensors"}}"#,
        r#"{"weight_map":{"a":"b"}}"#,
    ]);
    check("index", seeds, &JSON_WORDS, &|bytes| {
        files_of(bytes).is_ok_and(|(file_of, names)| {
            assert!(file_of.values().all(|place| *place < names.len()));
            assert!(names.iter().all(|name| !name.contains('/')));
            true
        })
    });
}
