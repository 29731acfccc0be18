use std::collections::BTreeMap;

use safetensors::tensor::{Dtype, TensorView};

use super::*;

type Shapes = BTreeMap<String, Vec<usize>>;

const TINY: ModelConfig = ModelConfig {
    architecture: Architecture::Rwkv7,
    n_layer: 2,
    n_embd: 32,
    n_head: 2,
    head_size: 16,
    keys: None,
    end_of_document: 0,
    vocab_size: 40,
    n_ffn: 128,
    decay_rank: 4,
    iclr_rank: 5,
    value_rank: 6,
    gate_rank: 7,
};

fn tiny_shapes() -> Shapes {
    TINY.expected_tensors().into_iter().collect()
}

fn checkpoint(shapes: &Shapes, dtype: Dtype) -> Checkpoint {
    let zeros = vec![0; 1 << 20];
    let views = shapes.iter().map(|(name, shape)| {
        let n_bytes = shape.iter().product::<usize>() * dtype.bitsize() / 8;
        let view = TensorView::new(dtype, shape.clone(), &zeros[..n_bytes]).unwrap();
        (name, view)
    });
    let bytes = safetensors::serialize(views, None).unwrap();
    Checkpoint::from_bytes("tiny", bytes).unwrap()
}

fn check_refused(shapes: &Shapes, wants: &[&str]) {
    let error = ModelConfig::from_checkpoint(&checkpoint(shapes, Dtype::F16)).unwrap_err();
    let error = error.to_string();
    for want in wants {
        assert!(error.contains(want), "{error}");
    }
    assert!(!error.contains('\n'), "{error}");
}

fn named(names: &[&str]) -> Shapes {
    names.iter().map(|name| ((*name).into(), vec![2])).collect()
}

#[test]
fn the_mini_model_has_its_dimensions() {
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/assets/mini/rwkv7-mini-7m-f16.pth"
    );
    let config = ModelConfig::from_checkpoint(&Checkpoint::open(path).unwrap()).unwrap();
    let want = ModelConfig {
        architecture: Architecture::Rwkv7,
        n_layer: 6,
        n_embd: 256,
        n_head: 4,
        head_size: 64,
        keys: None,
        end_of_document: 0,
        vocab_size: 4096,
        n_ffn: 1024,
        decay_rank: 32,
        iclr_rank: 32,
        value_rank: 32,
        gate_rank: 64,
    };
    assert_eq!(config, want);
    assert_eq!(
        config.to_string(),
        "RWKV-7 L6 C256 H4 N64, vocabulary 4096, ffn 1024, ranks 32/32/32/64, 7.3 M parameters"
    );
    assert_eq!(config.n_params(), 7_337_472);
}

#[test]
fn vectors_may_have_leading_ones() {
    let mut shapes = tiny_shapes();
    for shape in shapes.values_mut().filter(|shape| shape.len() == 1) {
        *shape = vec![1, 1, shape[0]];
    }
    let config = ModelConfig::from_checkpoint(&checkpoint(&shapes, Dtype::BF16));
    assert_eq!(config.unwrap(), TINY);
}

#[test]
fn layer_0_may_have_a_value_residual_and_a_model_one_layer() {
    let mut shapes = tiny_shapes();
    shapes.insert("blocks.0.att.v1".into(), vec![32, 9]);
    shapes.insert("blocks.0.att.time_state".into(), vec![2, 16, 16]);
    let config = ModelConfig::from_checkpoint(&checkpoint(&shapes, Dtype::F32));
    assert_eq!(config.unwrap(), TINY);
    let one = ModelConfig {
        architecture: Architecture::Rwkv7,
        n_layer: 1,
        value_rank: 0,
        ..TINY
    };
    let shapes = one.expected_tensors().into_iter().collect();
    let config = ModelConfig::from_checkpoint(&checkpoint(&shapes, Dtype::F32));
    assert_eq!(config.unwrap(), one);
}

#[test]
fn everything_wrong_is_said_at_once() {
    let mut shapes = tiny_shapes();
    shapes.remove("blocks.1.att.k_k");
    shapes.insert("blocks.1.att.w2".into(), vec![32, 4]);
    shapes.insert("head.weight".into(), vec![41, 32]);
    shapes.insert("blocks.1.att.odd".into(), vec![1]);
    check_refused(
        &shapes,
        &[
            "tiny: tensors: ",
            "blocks.1.att.k_k is missing",
            "blocks.1.att.w2 is [32, 4], wanted [4, 32]",
            "head.weight is [41, 32], wanted [40, 32]",
            "blocks.1.att.odd is not part of RWKV-7",
        ],
    );
    let mut shapes = tiny_shapes();
    shapes.remove("emb.weight");
    shapes.remove("ln_out.bias");
    shapes.insert("blocks.0.att.g1".into(), vec![3]);
    check_refused(
        &shapes,
        &[
            "emb.weight is missing",
            "ln_out.bias is missing",
            "blocks.0.att.g1 is [3], wanted [width, rank]",
        ],
    );
    let mut shapes = tiny_shapes();
    shapes.retain(|name, _| !name.starts_with("blocks.1.att.x_") && !name.contains("ln"));
    check_refused(&shapes, &["; and ", " more"]);
    let integers = checkpoint(&tiny_shapes(), Dtype::I8);
    let error = ModelConfig::from_checkpoint(&integers).unwrap_err();
    assert!(error.to_string().contains("holds I8"), "{error}");
}

#[test]
fn impossible_dimensions_are_refused() {
    let with = |name: &str, shape: &[usize]| {
        let mut shapes = tiny_shapes();
        shapes.insert(name.into(), shape.into());
        shapes
    };
    check_refused(&with("blocks.0.att.r_k", &[1, 24]), &["head size is 24"]);
    check_refused(
        &with("blocks.0.att.r_k", &[1, 16]),
        &["width of 32", "1 heads of 16"],
    );
    check_refused(&with("blocks.999.x", &[1]), &["has a block 999, but only"]);
}

#[test]
fn other_models_are_named() {
    check_refused(&named(&[]), &["holds no tensors"]);
    check_refused(&named(&["blocks.0.att.time_state"]), &["is a tuned state"]);
    let hybrid = ["layers.0.attn.r_proj.weight", "layers.1.attn.q_proj.weight"];
    check_refused(&named(&hybrid), &["is a hybrid"]);
    let qwen = ["model.layers.0.self_attn.time_mixer.receptance.weight"];
    check_refused(&named(&qwen), &["is a hybrid"]);
    let mlx = ["layers.0.attn.r_proj.weight", "layers.0.attn.r_proj.scales"];
    check_refused(&named(&mlx), &["quantised by MLX"]);
    check_refused(
        &named(&["rwkv.blocks.0.attention.key.weight"]),
        &["Hugging Face"],
    );
    check_refused(
        &named(&["model.layers.0.self_attn.q_proj.weight"]),
        &["transformer"],
    );
    check_refused(&named(&["blocks.0.att.key.lora_A"]), &["LoRA"]);
    let rwkv4 = ["blocks.0.att.time_decay", "blocks.0.att.time_mix_k"];
    check_refused(&named(&rwkv4), &["RWKV-4"]);
    let rwkv5 = [
        "blocks.0.att.time_decay",
        "blocks.0.att.time_faaaa",
        "blocks.0.att.ln_x.bias",
    ];
    check_refused(&named(&rwkv5), &["RWKV-5"]);
    let rwkv6 = [
        "blocks.0.att.time_decay",
        "blocks.0.att.time_maa_x",
        "blocks.0.att.ln_x.bias",
    ];
    check_refused(&named(&rwkv6), &["RWKV-6"]);
    check_refused(&named(&["blocks.0.rosa.q.weight"]), &["RWKV-8"]);
    check_refused(
        &named(&["bert.embeddings"]),
        &["not an RWKV-7 model", "bert.embeddings"],
    );
    let mut deep = tiny_shapes();
    deep.insert("blocks.0.ffn.s_emb.weight".into(), vec![40, 4]);
    check_refused(&deep, &["DeepEmbed"]);
    deep.insert("blocks.0.qkv.k_emb.weight".into(), vec![40, 4]);
    check_refused(&deep, &["RWKV-7b"]);
}
