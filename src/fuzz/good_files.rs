//! Good files of each format, as their writers make them.

use std::collections::BTreeMap;
use std::path::Path;

use crate::data::Template;
use crate::model::adapter::AdapterTarget;
use crate::model::checkpoint::written_tests::{Stored, ggml, gguf, in_dialect, safetensors};
use crate::model::checkpoint::{BlockType, Dialect, TensorDType};
use crate::model::{LeadingToken, ModelConfig};
use crate::tuning::MomentValues;
use crate::tuning::method::lora_values::{LoraFactors, LoraValues};
use crate::tuning::method::tuned::{LiftValues, Tuned};
use crate::tuning::spec::LiftKind;
use crate::tuning::states::checkpoint_file::{TrainerCheckpoint, write_checkpoint};
use crate::tuning::states::state_file::{
    Metadata, PthDType, TunedState, VocabularyMark, write_pth, write_safetensors, write_st,
};

/// What a writer makes of a file in a folder of its own.
pub(super) fn written(name: &str, write: impl FnOnce(&Path)) -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    write(&path);
    std::fs::read(path).unwrap()
}

pub(super) fn state() -> TunedState {
    let layer = |layer: usize| (0..8).map(|i| (layer * 8 + i) as f32 * 0.25).collect();
    TunedState {
        n_layer: 2,
        n_head: 2,
        head_size: 2,
        key_size: 2,
        layers: (0..2).map(layer).collect(),
        shifts: None,
    }
}

pub(super) fn lift() -> LiftValues {
    LiftValues {
        layers: vec![1],
        n_head: 2,
        head_size: 2,
        upscaled_size: 3,
        kind: LiftKind::Recurrent,
        gate: Some(vec![0.5; 2]),
        projection_seed: 9,
        weights: vec![0.5; 12],
        support_vectors: vec![0.25; 12],
        gamma: vec![1.0; 2],
        decorrelation: Some(vec![1.0; 18]),
        mean: Some(vec![0.0; 6]),
    }
}

pub(super) fn tuned(lift: Option<LiftValues>) -> Tuned {
    Tuned {
        state: state(),
        lora: None,
        lift,
    }
}

/// What a LoRA run made.
pub(super) fn adapted() -> Tuned {
    Tuned {
        lora: Some(LoraValues {
            layers: vec![0, 1],
            rank: 2,
            alpha: 4.0,
            factors: vec![LoraFactors {
                target: AdapterTarget::FfnKey,
                n_out: 3,
                n_in: 2,
                a: vec![0.5; 8],
                b: vec![0.25; 12],
            }],
        }),
        ..tuned(None)
    }
}

pub(super) fn metadata() -> Metadata {
    Metadata {
        base_fingerprint: Some("ab".into()),
        spec_ron: Some("()".into()),
        metrics_json: Some("{}".into()),
        base_model: Some("m.pth".into()),
        leading_token: Some(LeadingToken::Both),
        template: Some(Template::UserAssistant.prompt_format().unwrap()),
        vocabulary: Some(VocabularyMark {
            name: "mini".into(),
            sha256: "ab".into(),
        }),
        ..Metadata::default()
    }
}

pub(super) fn torch_seeds() -> Vec<Vec<u8>> {
    let pth = |dtype| {
        written("a.pth", |path| {
            write_pth(&state(), path, dtype).unwrap();
        })
    };
    // What torch itself writes for trainers: `tests/golden/torch/make.py`.
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/torch");
    let foreign = [
        "lightning.ckpt",
        "mp_rank_00_model_states.pt",
        "attributes.pth",
        "package_list.pth",
    ];
    let foreign = foreign.map(|name| std::fs::read(golden.join(name)).unwrap());
    let mut seeds = vec![pth(PthDType::F32), pth(PthDType::BF16)];
    seeds.extend(foreign);
    seeds
}

pub(super) fn state_seeds() -> Vec<Vec<u8>> {
    let own = written("a.safetensors", |path| {
        write_safetensors(&state(), path, &metadata()).unwrap();
    });
    let other = written("a.st", |path| {
        write_st(&state(), path).unwrap();
    });
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/torch");
    let numbers = std::fs::read(golden.join("numbers.st")).unwrap();
    vec![own, other, numbers]
}

pub(super) fn checkpoint_seeds() -> Vec<Vec<u8>> {
    let seed = |lift: Option<LiftValues>| {
        let n_parameters = 1 + usize::from(lift.is_some());
        let moments = MomentValues {
            first: vec![0.1; 8],
            second: vec![0.2; 8],
        };
        let checkpoint = TrainerCheckpoint {
            step: 3,
            best: lift.is_some().then(|| tuned(lift.clone())),
            tuned: tuned(lift),
            layers: vec![0, 1],
            moments: vec![moments; n_parameters],
            extra: BTreeMap::from([("best_step".to_owned(), "2".to_owned())]),
        };
        written("step-000003.safetensors", |path| {
            write_checkpoint(path, &checkpoint).unwrap();
        })
    };
    let adapted = TrainerCheckpoint {
        step: 3,
        tuned: adapted(),
        best: Some(adapted()),
        layers: vec![0, 1],
        moments: Vec::new(),
        extra: BTreeMap::new(),
    };
    let adapted = written("step-000003.safetensors", |path| {
        write_checkpoint(path, &adapted).unwrap();
    });
    vec![seed(None), seed(Some(lift())), adapted]
}

/// One token for every byte, and a few more.
pub(super) fn vocabulary() -> Vec<u8> {
    let bytes = (0..256).map(|byte| format!("{} b'\\x{byte:02x}' 1\n", byte + 1));
    let more = "257 'ab' 2\n258 \"\\u00e9'\" 3\n259 b'\\xff\\n' 2\n260 '\\U0001f600' 4\n";
    bytes
        .chain([more.to_owned()])
        .collect::<String>()
        .into_bytes()
}

/// A model of one layer, small enough to be changed as a whole: official names, f16.
fn tiny_model() -> Vec<Stored> {
    let config = ModelConfig {
        architecture: crate::model::Architecture::Rwkv7,
        n_layer: 1,
        n_embd: 32,
        n_head: 2,
        head_size: 16,
        keys: None,
        end_of_document: 0,
        vocab_size: 4,
        n_ffn: 4,
        decay_rank: 1,
        iclr_rank: 1,
        value_rank: 0,
        gate_rank: 1,
    };
    let tensors = config.expected_tensors().into_iter().map(|(name, shape)| {
        let n_elements: usize = shape.iter().product();
        let is_square = shape == [32, 32];
        // Squares take most of the place.
        let (dtype, n_bytes) = match is_square {
            true => (TensorDType::Blocks(BlockType::Q4_0), n_elements / 32 * 18),
            false => (TensorDType::F16, 2 * n_elements),
        };
        let bytes = (0..n_bytes).map(|i| (i % 60) as u8).collect();
        Stored::new(&name, dtype, &shape, bytes)
    });
    tensors.collect()
}

/// In f16 throughout: safetensors has no blocks.
fn plain_tiny_model() -> Vec<Stored> {
    let mut tensors = tiny_model();
    for tensor in &mut tensors {
        let n_elements: usize = tensor.shape.iter().product();
        tensor.dtype = TensorDType::F16;
        tensor.bytes = (0..2 * n_elements).map(|i| (i % 60) as u8).collect();
    }
    tensors
}

pub(super) fn gguf_seeds() -> Vec<Vec<u8>> {
    vec![gguf(
        &in_dialect(Dialect::LlamaCpp, &tiny_model(), true),
        16,
    )]
}

pub(super) fn ggml_seeds() -> Vec<Vec<u8>> {
    let mut tensors = tiny_model();
    for tensor in &mut tensors {
        if tensor.dtype != TensorDType::F16 {
            tensor.dtype = TensorDType::Blocks(BlockType::Q8_0);
            tensor.bytes = (0..34 * 32).map(|i| (i % 60) as u8).collect();
        }
    }
    vec![ggml(&in_dialect(Dialect::RwkvCpp, &tensors, true))]
}

/// The names of Hugging Face and of web-rwkv, without the large matrices.
pub(super) fn dialect_seeds() -> Vec<Vec<u8>> {
    let mut whole = plain_tiny_model();
    let good = safetensors(&in_dialect(Dialect::Official, &whole, false));
    // What is left is no whole model, and short.
    whole.retain(|tensor| tensor.shape != [32, 32] || tensor.name.contains("receptance"));
    let mut seeds = vec![good];
    for (dialect, fused) in [
        (Dialect::Fla, true),
        (Dialect::TransformersRwkv, false),
        (Dialect::WebRwkv, false),
        (Dialect::Prefixed, false),
    ] {
        seeds.push(safetensors(&in_dialect(dialect, &whole, fused)));
    }
    seeds
}
