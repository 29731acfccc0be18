use burn::tensor::{Device, Int, Tensor, TensorData};

use super::super::blocks::BlockType;
use super::super::{Checkpoint, TensorDType, TensorView};
use super::quantising_tests::quantised;
use super::written_tests::{Stored, Value, ggml, gguf, gguf_of, in_dialect, official, safetensors};
use super::*;
use crate::model::state::ModelState;
use crate::model::{Model, ModelConfig, mini};

const ALL: [Dialect; 7] = [
    Dialect::Official,
    Dialect::Prefixed,
    Dialect::Fla,
    Dialect::TransformersRwkv,
    Dialect::WebRwkv,
    Dialect::RwkvCpp,
    Dialect::LlamaCpp,
];

/// The mini model in a dialect, as a file.
pub(super) fn file_in(dialect: Dialect, tensors: &[Stored], fused: bool) -> Vec<u8> {
    let tensors = in_dialect(dialect, tensors, fused);
    match dialect {
        Dialect::LlamaCpp => gguf(&tensors, 64),
        Dialect::RwkvCpp => ggml(&tensors),
        _ => safetensors(&tensors),
    }
}

pub(super) fn mini_tensors() -> Vec<Stored> {
    official(&mini::checkpoint().unwrap())
}

pub(super) fn opened(bytes: Vec<u8>) -> Checkpoint {
    Checkpoint::from_bytes("f", bytes).unwrap()
}

/// The logits of a few tokens on the CPU.
pub(super) fn logits(checkpoint: &Checkpoint) -> Vec<f32> {
    let device = Device::flex();
    let model = Model::load(checkpoint, &device, &mut |_| Ok(())).unwrap();
    let ids = TensorData::new(vec![0_i32, 261, 7, 99, 1024, 31], [1, 6]);
    let ids = Tensor::<2, Int>::from_data(ids, &device);
    let (logits, _) = model.forward(ids, ModelState::zero(model.config(), 1, &device));
    logits.into_data().try_to_vec().unwrap()
}

#[test]
fn every_dialect_gives_the_same_model() {
    let tensors = mini_tensors();
    let want = mini::checkpoint().unwrap();
    let config = ModelConfig::from_checkpoint(&want).unwrap();
    assert_eq!(want.dialect(), Some(Dialect::Official));
    let of_want = logits(&want);
    for (dialect, fused) in ALL
        .map(|dialect| (dialect, false))
        .into_iter()
        .chain([(Dialect::Fla, true)])
    {
        let got = opened(file_in(dialect, &tensors, fused));
        assert_eq!(got.dialect(), Some(dialect));
        assert_eq!(ModelConfig::from_checkpoint(&got).unwrap(), config);
        for (name, shape) in config.expected_tensors() {
            let (got, want) = (got.tensor(&name).unwrap(), want.tensor(&name).unwrap());
            let n_leading = got.shape.iter().take_while(|size| **size == 1).count();
            assert_eq!(got.shape[n_leading..], shape, "{dialect:?} {name}");
            assert_eq!(got.to_f32(), want.to_f32(), "{dialect:?} {name}");
            if got.dtype == want.dtype {
                assert_eq!(
                    got.ordered_bytes(),
                    want.ordered_bytes(),
                    "{dialect:?} {name}"
                );
            }
        }
        assert_eq!(logits(&got), of_want, "{dialect:?}");
    }
}

#[test]
fn the_same_names_and_bytes_have_the_same_fingerprint() {
    let tensors = mini_tensors();
    let of = |dialect| opened(file_in(dialect, &tensors, false)).fingerprint();
    assert_eq!(
        of(Dialect::Official),
        mini::checkpoint().unwrap().fingerprint()
    );
    assert_eq!(of(Dialect::Official), of(Dialect::Prefixed));
    assert_ne!(of(Dialect::Official), of(Dialect::Fla));
}

#[test]
fn prefixes_are_left_out_wherever_they_are() {
    let tensors = mini_tensors();
    for prefix in [
        "rwkv7.",
        "model.",
        "module.",
        "_orig_mod.",
        "module._orig_mod.model.",
    ] {
        let mut named = tensors.clone();
        for tensor in &mut named {
            tensor.name.insert_str(0, prefix);
        }
        let got = opened(safetensors(&named));
        assert_eq!(got.dialect(), Some(Dialect::Prefixed), "{prefix}");
        ModelConfig::from_checkpoint(&got).unwrap();
    }
    let mut twice = tensors;
    twice.push(Stored {
        name: "model.head.weight".into(),
        ..twice[0].clone()
    });
    let error = Checkpoint::from_bytes("f", safetensors(&twice)).unwrap_err();
    let want = "f: tensor model.head.weight: is head.weight, and so is another tensor";
    assert!(error.to_string().starts_with(want), "{error}");
}

/// The mini model with the matrices that llama.cpp quantises in blocks of `kind`,
/// and how far each of their values may be off.
pub(super) fn quantised_model(kind: BlockType) -> (Checkpoint, Vec<(String, Vec<f32>)>) {
    let mut bounds = Vec::new();
    let mut tensors = in_dialect(Dialect::LlamaCpp, &mini_tensors(), false);
    let names = [
        "receptance",
        "key",
        "value",
        "output",
        "token_embd.",
        "output.",
    ];
    for tensor in &mut tensors {
        let is_matrix = tensor.dtype == TensorDType::F16;
        if !is_matrix || !names.iter().any(|name| tensor.name.contains(name)) {
            continue;
        }
        let shape = tensor.shape.clone();
        let view = TensorView::new("x", TensorDType::F16, &shape, &tensor.bytes);
        let (bytes, bound) = quantised(kind, &view.to_f32());
        (tensor.bytes, tensor.dtype) = (bytes, TensorDType::Blocks(kind));
        bounds.push((tensor.name.clone(), bound));
    }
    (opened(gguf(&tensors, 64)), bounds)
}

#[test]
fn quantised_models_are_widened_within_half_a_step() {
    let exact = mini::checkpoint().unwrap();
    let want = logits(&exact);
    let spread = want.iter().fold(0.0_f32, |most, x| most.max(x.abs()));
    for (kind, share) in [
        (BlockType::Q8_0, 0.03),
        (BlockType::Q6K, 0.12),
        (BlockType::Q5_0, 0.25),
        (BlockType::Q5_1, 0.25),
        (BlockType::Q5K, 0.25),
        (BlockType::Q4_0, 0.5),
        (BlockType::Q4_1, 0.5),
        (BlockType::Q4K, 0.5),
    ] {
        let (got, bounds) = quantised_model(kind);
        assert_eq!(bounds.len(), 2 + 6 * 6, "{kind:?}");
        let config = ModelConfig::from_checkpoint(&got).unwrap();
        for (name, _) in config.expected_tensors() {
            let stored = got.dialect().unwrap().stored_name(&name).unwrap();
            let Some((_, bound)) = bounds.iter().find(|(of, _)| *of == stored) else {
                continue;
            };
            let (got, want) = (got.tensor(&name).unwrap(), exact.tensor(&name).unwrap());
            assert_eq!((got.dtype.name(), got.plain_bytes()), (kind.name(), None));
            let (got, want) = (got.to_f32(), want.to_f32());
            for ((got, want), bound) in got.iter().zip(&want).zip(bound) {
                assert!(
                    (got - want).abs() <= *bound,
                    "{kind:?} {name}: {got} {want}"
                );
            }
        }
        let off = logits(&got);
        let off = off.iter().zip(&want).map(|(a, b)| (a - b).abs());
        let off = off.fold(0.0, f32::max) / spread;
        assert!(off > 0.0 && off < share, "{kind:?}: {off}");
    }
}

/// Refused with a message of one line that has all of `wants`.
fn check_refused(bytes: Vec<u8>, wants: &[&str]) {
    let opened = Checkpoint::from_bytes("f", bytes);
    let error = opened
        .and_then(|it| ModelConfig::from_checkpoint(&it).map(drop))
        .unwrap_err();
    let error = error.to_string();
    for want in wants {
        assert!(error.contains(want), "{want}: {error}");
    }
    assert!(error.starts_with("f: ") && !error.contains('\n'), "{error}");
}

#[test]
fn tensors_that_do_not_fit_their_place_are_named() {
    let tensors = mini_tensors();
    let edited = |dialect, edit: &dyn Fn(&mut Vec<Stored>)| {
        let mut tensors = in_dialect(dialect, &tensors, true);
        edit(&mut tensors);
        match dialect {
            Dialect::LlamaCpp => gguf(&tensors, 64),
            _ => safetensors(&tensors),
        }
    };
    let at = |tensors: &[Stored], name: &str| {
        tensors
            .iter()
            .position(|tensor| tensor.name == name)
            .unwrap()
    };
    let lora = "model.layers.1.attn.w_lora.lora.0.weight";
    check_refused(
        edited(Dialect::Fla, &|it| {
            let at = at(it, lora);
            it[at].shape = vec![it[at].shape.iter().product()];
        }),
        &[lora, "must be a matrix"],
    );
    check_refused(
        edited(Dialect::Fla, &|it| {
            let at = at(it, lora);
            it[at].shape.reverse();
        }),
        &["blocks.1.att.w1 (layers.1.attn.w_lora.lora.0.weight) is [32, 256], wanted [256, 32]"],
    );
    check_refused(
        edited(Dialect::Fla, &|it| {
            let at = at(it, "model.layers.2.attn.x_x");
            it[at].shape = vec![3, 512];
        }),
        &["model.layers.2.attn.x_x", "[3, 512] and must be [6, ..]"],
    );
    check_refused(
        edited(Dialect::Fla, &|it| {
            it.remove(at(it, "model.layers.0.pre_norm.weight"));
        }),
        &["blocks.0.ln0.weight (layers.0.pre_norm.weight) is missing"],
    );
    check_refused(
        edited(Dialect::Fla, &|it| {
            it.remove(at(it, "lm_head.weight"));
        }),
        &["head.weight (lm_head.weight) is missing; if the head is tied"],
    );
    check_refused(
        edited(Dialect::Fla, &|it| {
            let mut query = it[0].clone();
            query.name = "model.layers.3.attn.q_proj.weight".into();
            it.push(query);
        }),
        &["is a hybrid of RWKV-7 and attention layers"],
    );
    check_refused(
        edited(Dialect::LlamaCpp, &|it| {
            it.retain(|tensor| !tensor.name.starts_with("blk.5.time_mix_k"));
        }),
        &["blocks.5.att.k_k (blk.5.time_mix_k_k.weight) is missing"],
    );
    check_refused(
        edited(Dialect::LlamaCpp, &|it| {
            let at = at(it, "blk.1.time_mix_r_k.weight");
            it[at].shape = vec![2, 128];
        }),
        &["blocks.1.att.r_k (blk.1.time_mix_r_k.weight) is [2, 128], wanted [4, 64]"],
    );
}

#[test]
fn a_gguf_of_something_else_or_with_a_fault_is_named() {
    let tensors = in_dialect(Dialect::LlamaCpp, &mini_tensors(), false);
    let rwkv7 = ("general.architecture", Value::Text("rwkv7"));
    let of = |keys: &[(&str, Value<'_>)]| gguf_of(keys, &tensors[..2], 32);
    for (name, want) in [
        ("rwkv6", "is RWKV-6"),
        ("arwkv7", "ARWKV-7"),
        ("rwkv6qwen2", "attention of Qwen2"),
        ("llama", "is llama, another architecture"),
    ] {
        let keys = [("general.architecture", Value::Text(name))];
        check_refused(of(&keys), &["general.architecture", want]);
    }
    check_refused(of(&[]), &["general.architecture: is not given"]);
    let split = [rwkv7.clone(), ("split.count", Value::U32(3))];
    check_refused(of(&split), &["one of 3 parts", "llama-gguf-split --merge"]);
    for alignment in [0, 3, 1 << 30] {
        let keys = [rwkv7.clone(), ("general.alignment", Value::U32(alignment))];
        check_refused(of(&keys), &["general.alignment", "not a power of two"]);
    }
    let whole = gguf_of(std::slice::from_ref(&rwkv7), &tensors[..2], 32);
    check_refused(
        whole[..whole.len() - 33].to_vec(),
        &["extends past the end of the file"],
    );
    check_refused(whole[..90].to_vec(), &["the file ends"]);
    let changed = |at: usize, bytes: &[u8]| {
        let mut changed = whole.clone();
        changed[at..at + bytes.len()].copy_from_slice(bytes);
        changed
    };
    check_refused(changed(4, &[1]), &["is of version 1"]);
    check_refused(changed(4, &[0, 0, 0, 3]), &["big-endian"]);
    check_refused(
        changed(8, &[0xff; 8]),
        &["claims 18446744073709551615 tensors"],
    );
    check_refused(changed(16, &[0xff; 8]), &["keys"]);
    // The first tensor: its name, dimensions, type and place.
    let name = tensors[0].name.as_bytes();
    let at = whole.windows(name.len()).position(|it| it == name).unwrap() + name.len();
    let n_dims = tensors[0].shape.len();
    check_refused(changed(at, &[9]), &["has 9 dimensions"]);
    check_refused(changed(at + 4, &[0xff; 8]), &["no memory can hold"]);
    let kind = at + 4 + 8 * n_dims;
    check_refused(
        changed(kind, &[10]),
        &[tensors[0].name.as_str(), "is stored as Q2_K"],
    );
    check_refused(changed(kind, &[99]), &["unknown type 99"]);
    check_refused(
        changed(kind + 4, &[0xff; 8]),
        &["extends past the end of the file"],
    );
    let second = kind + 4 + 8 + 8 + tensors[1].name.len() + 4 + 8 * tensors[1].shape.len() + 4;
    check_refused(changed(second, &[0; 8]), &["overlap"]);
}

#[test]
fn a_gguf_may_be_aligned_otherwise() {
    let tensors = in_dialect(Dialect::LlamaCpp, &mini_tensors(), false);
    let keys = [
        ("general.alignment", Value::U32(64)),
        ("general.architecture", Value::Text("rwkv7")),
    ];
    let got = opened(gguf_of(&keys, &tensors, 64));
    assert_eq!(logits(&got), logits(&mini::checkpoint().unwrap()));
    assert_eq!(got.metadata()["general.architecture"], "rwkv7");
}

#[test]
fn an_rwkv_cpp_file_with_a_fault_is_named() {
    let whole = ggml(&in_dialect(Dialect::RwkvCpp, &mini_tensors(), false)[..2]);
    let changed = |at: usize, bytes: &[u8]| {
        let mut changed = whole.clone();
        changed[at..at + bytes.len()].copy_from_slice(bytes);
        changed
    };
    check_refused(changed(4, &[102]), &["is of version 102"]);
    check_refused(
        changed(24, &[0xff]),
        &["tensor at byte 24", "claims 255 dimensions"],
    );
    check_refused(changed(28, &[0xff; 4]), &["a name of 4294967295 bytes"]);
    check_refused(changed(32, &[5]), &["unknown type 5"]);
    check_refused(changed(36, &[0xff; 4]), &["the file ends"]);
    check_refused(whole[..whole.len() - 1].to_vec(), &["the file ends"]);
    check_refused(whole[..20].to_vec(), &["header"]);
}
