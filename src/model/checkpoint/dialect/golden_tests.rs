//! A toy model as other people's programs write it: `tests/golden/dialects/make.py`.

use std::path::{Path, PathBuf};

use super::super::{BlockType, Checkpoint, Dialect, TensorDType, TensorView};
use crate::model::ModelConfig;

fn golden(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/dialects");
    folder.join(name)
}

fn opened(name: &str) -> Checkpoint {
    Checkpoint::open(golden(name)).unwrap()
}

#[test]
fn what_rwkv7_hf_and_gguf_write_is_the_official_model() {
    let want = opened("official.safetensors");
    let config = ModelConfig::from_checkpoint(&want).unwrap();
    assert_eq!(
        (config.n_layer, config.n_head, config.head_size),
        (2, 2, 32)
    );
    for (name, dialect, n_files) in [
        ("rwkv7-hf", Dialect::Fla, 3),
        ("f16.gguf", Dialect::LlamaCpp, 1),
    ] {
        let got = opened(name);
        assert_eq!((got.dialect(), got.n_files()), (Some(dialect), n_files));
        assert_eq!(ModelConfig::from_checkpoint(&got).unwrap(), config);
        for (tensor, _) in config.expected_tensors() {
            let (got, want) = (got.tensor(&tensor).unwrap(), want.tensor(&tensor).unwrap());
            assert_eq!(got.to_f32(), want.to_f32(), "{name} {tensor}");
        }
    }
}

#[test]
fn quantised_tensors_of_gguf_have_the_values_that_it_gives_them() {
    let (got, want) = (opened("mixed.gguf"), opened("mixed.safetensors"));
    let config = ModelConfig::from_checkpoint(&got).unwrap();
    let mut n_compared = 0;
    for (name, _) in config.expected_tensors() {
        let stored = Dialect::LlamaCpp.stored_name(&name).unwrap_or_default();
        if let Some(want) = want.tensor(&stored) {
            assert_eq!(got.tensor(&name).unwrap().to_f32(), want.to_f32(), "{name}");
            n_compared += 1;
        }
    }
    assert_eq!(n_compared, 2 + 2 * 6);
}

#[test]
fn blocks_of_every_type_have_the_values_that_gguf_gives_them() {
    let file = opened("blocks.safetensors");
    for kind in [
        BlockType::Q4_0,
        BlockType::Q4_1,
        BlockType::Q5_0,
        BlockType::Q5_1,
        BlockType::Q8_0,
        BlockType::Q4K,
        BlockType::Q5K,
        BlockType::Q6K,
    ] {
        let part = |part: &str| file.tensor(&format!("{}.{part}", kind.name())).unwrap();
        let (blocks, want) = (part("blocks"), part("values"));
        let bytes = blocks.plain_bytes().unwrap();
        let got = TensorView::new("x", TensorDType::Blocks(kind), want.shape, bytes);
        assert_eq!(got.n_elements(), want.n_elements());
        assert_eq!(got.to_f32(), want.to_f32(), "{kind:?}");
        let of_row = want.shape[1];
        let mut row = vec![0.0; of_row];
        got.write_f32_rows(4..5, &mut row);
        assert_eq!(row, want.to_f32()[4 * of_row..5 * of_row], "{kind:?}");
    }
}
