//! What a tensor is called in each dialect, and how it lies there.
//!
//! Sources: RWKV-LM `RWKV-v7` (official names); flash-linear-attention
//! `utils/convert_from_rwkv7.py` and `fla/layers/rwkv7.py`; rwkv7-hf
//! `converter.py`; transformers-rwkv `rwkv_pth2st.py`; llama.cpp
//! `conversion/rwkv.py` (`Rwkv7Model`); web-rwkv
//! `assets/scripts/convert_safetensors.py`; rwkv.cpp (`att.x_rwkvag`).

/// How an official tensor is read from a stored one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum How {
    AsIs,
    /// The two dimensions change places.
    Transposed,
    /// This row of six.
    Share(usize),
    /// [C] is [H, N].
    Heads,
}

/// A stored name, the official name, and how the one is read from the other.
type Rule = (&'static str, &'static str, How);

/// The rules of a dialect. Names stand without prefixes.
pub(super) struct Table {
    /// Of tensors outside the layers, and of those that only one layer has.
    outside: &'static [Rule],
    /// What stands before the number of a layer.
    layers: &'static str,
    /// Of tensors of a layer, without what stands before them.
    inside: &'static [&'static [Rule]],
}

impl Table {
    /// Every official tensor that is read from the stored one, and how. One that
    /// no rule is about keeps its name.
    pub fn officials(&self, stored: &str) -> Vec<(String, How)> {
        let outside = self.outside.iter().filter(|rule| rule.0 == stored);
        let mut found: Vec<_> = outside
            .map(|(_, official, how)| ((*official).to_owned(), *how))
            .collect();
        if let Some((layer, rest)) = numbered(stored, self.layers) {
            let inside = self.inside.iter().copied().flatten();
            let inside = inside.filter(|rule| rule.0 == rest);
            found.extend(
                inside.map(|(_, official, how)| (format!("blocks.{layer}.{official}"), *how)),
            );
        }
        if found.is_empty() {
            found.push((stored.to_owned(), How::AsIs));
        }
        found
    }

    /// The name of the tensor in the file; none where no rule is about it.
    pub fn stored_name(&self, official: &str) -> Option<String> {
        if let Some(rule) = self.outside.iter().find(|rule| rule.1 == official) {
            return Some(rule.0.to_owned());
        }
        let (layer, rest) = numbered(official, "blocks.")?;
        let mut inside = self.inside.iter().copied().flatten();
        let rule = inside.find(|rule| rule.1 == rest)?;
        Some(format!("{}{layer}.{}", self.layers, rule.0))
    }
}

/// The number behind `before`, and what stands behind the number.
fn numbered<'a>(name: &'a str, before: &str) -> Option<(&'a str, &'a str)> {
    let (layer, rest) = name.strip_prefix(before)?.split_once('.')?;
    // As it is written out, so that no two texts are one layer.
    let is_number = layer.parse::<u32>().is_ok_and(|n| n.to_string() == layer);
    is_number.then_some((layer, rest))
}

use How::{AsIs, Heads, Share, Transposed};

/// The six shares in one tensor, in the order of r, w, k, v, a and g.
const fn shares(stored: &'static str) -> [Rule; 6] {
    [
        (stored, "att.x_r", Share(0)),
        (stored, "att.x_w", Share(1)),
        (stored, "att.x_k", Share(2)),
        (stored, "att.x_v", Share(3)),
        (stored, "att.x_a", Share(4)),
        (stored, "att.x_g", Share(5)),
    ]
}

/// Nothing has another name.
pub(super) static OFFICIAL: Table = Table {
    outside: &[],
    layers: "blocks.",
    inside: &[],
};

/// Official names; the low-rank matrices are [rank, C] and [C, rank]. rwkv.cpp has
/// the shares in one.
pub(super) static WEB_RWKV: Table = Table {
    outside: &[],
    layers: "blocks.",
    inside: &[&WEB_RWKV_LOW_RANK, &shares("att.x_rwkvag")],
};

const WEB_RWKV_LOW_RANK: [Rule; 8] = [
    ("att.w1", "att.w1", Transposed),
    ("att.w2", "att.w2", Transposed),
    ("att.a1", "att.a1", Transposed),
    ("att.a2", "att.a2", Transposed),
    ("att.v1", "att.v1", Transposed),
    ("att.v2", "att.v2", Transposed),
    ("att.g1", "att.g1", Transposed),
    ("att.g2", "att.g2", Transposed),
];

/// `fla`, and `rwkv7-hf` alike. Older ones have the shares in one.
pub(super) static HUGGING_FACE_FLA: Table = Table {
    outside: &[
        ("embeddings.weight", "emb.weight", AsIs),
        ("norm.weight", "ln_out.weight", AsIs),
        ("norm.bias", "ln_out.bias", AsIs),
        ("lm_head.weight", "head.weight", AsIs),
    ],
    layers: "layers.",
    inside: &[&HUGGING_FACE_FLA_LAYER, &shares("attn.x_x")],
};

const HUGGING_FACE_FLA_LAYER: [Rule; 35] = [
    ("pre_norm.weight", "ln0.weight", AsIs),
    ("pre_norm.bias", "ln0.bias", AsIs),
    ("attn_norm.weight", "ln1.weight", AsIs),
    ("attn_norm.bias", "ln1.bias", AsIs),
    ("ffn_norm.weight", "ln2.weight", AsIs),
    ("ffn_norm.bias", "ln2.bias", AsIs),
    ("attn.x_r", "att.x_r", AsIs),
    ("attn.x_w", "att.x_w", AsIs),
    ("attn.x_k", "att.x_k", AsIs),
    ("attn.x_v", "att.x_v", AsIs),
    ("attn.x_a", "att.x_a", AsIs),
    ("attn.x_g", "att.x_g", AsIs),
    ("attn.w_lora.lora.2.bias", "att.w0", AsIs),
    ("attn.a_lora.lora.2.bias", "att.a0", AsIs),
    ("attn.v_lora.lora.2.bias", "att.v0", AsIs),
    ("attn.w_lora.lora.0.weight", "att.w1", Transposed),
    ("attn.w_lora.lora.2.weight", "att.w2", Transposed),
    ("attn.a_lora.lora.0.weight", "att.a1", Transposed),
    ("attn.a_lora.lora.2.weight", "att.a2", Transposed),
    ("attn.v_lora.lora.0.weight", "att.v1", Transposed),
    ("attn.v_lora.lora.2.weight", "att.v2", Transposed),
    ("attn.g_lora.lora.0.weight", "att.g1", Transposed),
    ("attn.g_lora.lora.2.weight", "att.g2", Transposed),
    ("attn.k_k", "att.k_k", AsIs),
    ("attn.k_a", "att.k_a", AsIs),
    ("attn.r_k", "att.r_k", AsIs),
    ("attn.r_proj.weight", "att.receptance.weight", AsIs),
    ("attn.k_proj.weight", "att.key.weight", AsIs),
    ("attn.v_proj.weight", "att.value.weight", AsIs),
    ("attn.o_proj.weight", "att.output.weight", AsIs),
    ("attn.g_norm.weight", "att.ln_x.weight", AsIs),
    ("attn.g_norm.bias", "att.ln_x.bias", AsIs),
    ("ffn.x_k", "ffn.x_k", AsIs),
    ("ffn.key.weight", "ffn.key.weight", AsIs),
    ("ffn.value.weight", "ffn.value.weight", AsIs),
];

/// `transformers-rwkv`.
pub(super) static HUGGING_FACE_LINEAR: Table = Table {
    outside: &[
        ("embed_tokens.weight", "emb.weight", AsIs),
        ("embedding_norm.weight", "blocks.0.ln0.weight", AsIs),
        ("embedding_norm.bias", "blocks.0.ln0.bias", AsIs),
        ("norm.weight", "ln_out.weight", AsIs),
        ("norm.bias", "ln_out.bias", AsIs),
        ("lm_head.weight", "head.weight", AsIs),
    ],
    layers: "layers.",
    inside: &[&HUGGING_FACE_LINEAR_LAYER],
};

const HUGGING_FACE_LINEAR_LAYER: [Rule; 33] = [
    ("input_layernorm.weight", "ln1.weight", AsIs),
    ("input_layernorm.bias", "ln1.bias", AsIs),
    ("post_attention_layernorm.weight", "ln2.weight", AsIs),
    ("post_attention_layernorm.bias", "ln2.bias", AsIs),
    ("linear_attn.x_r", "att.x_r", AsIs),
    ("linear_attn.x_w", "att.x_w", AsIs),
    ("linear_attn.x_k", "att.x_k", AsIs),
    ("linear_attn.x_v", "att.x_v", AsIs),
    ("linear_attn.x_a", "att.x_a", AsIs),
    ("linear_attn.x_g", "att.x_g", AsIs),
    ("linear_attn.w0", "att.w0", AsIs),
    ("linear_attn.w1", "att.w1", AsIs),
    ("linear_attn.w2", "att.w2", AsIs),
    ("linear_attn.a0", "att.a0", AsIs),
    ("linear_attn.a1", "att.a1", AsIs),
    ("linear_attn.a2", "att.a2", AsIs),
    ("linear_attn.v0", "att.v0", AsIs),
    ("linear_attn.v1", "att.v1", AsIs),
    ("linear_attn.v2", "att.v2", AsIs),
    ("linear_attn.g1", "att.g1", AsIs),
    ("linear_attn.g2", "att.g2", AsIs),
    ("linear_attn.k_k", "att.k_k", AsIs),
    ("linear_attn.k_a", "att.k_a", AsIs),
    ("linear_attn.r_k", "att.r_k", AsIs),
    ("linear_attn.r_proj.weight", "att.receptance.weight", AsIs),
    ("linear_attn.k_proj.weight", "att.key.weight", AsIs),
    ("linear_attn.v_proj.weight", "att.value.weight", AsIs),
    ("linear_attn.o_proj.weight", "att.output.weight", AsIs),
    ("linear_attn.g_norm.weight", "att.ln_x.weight", AsIs),
    ("linear_attn.g_norm.bias", "att.ln_x.bias", AsIs),
    ("mlp.x_k", "ffn.x_k", AsIs),
    ("mlp.key.weight", "ffn.key.weight", AsIs),
    ("mlp.value.weight", "ffn.value.weight", AsIs),
];

/// GGUF of the architecture `rwkv7`, by shapes with the slowest dimension first.
pub(super) static LLAMA_CPP: Table = Table {
    outside: &[
        ("token_embd.weight", "emb.weight", AsIs),
        ("token_embd_norm.weight", "blocks.0.ln0.weight", AsIs),
        ("token_embd_norm.bias", "blocks.0.ln0.bias", AsIs),
        ("output_norm.weight", "ln_out.weight", AsIs),
        ("output_norm.bias", "ln_out.bias", AsIs),
        ("output.weight", "head.weight", AsIs),
    ],
    layers: "blk.",
    inside: &[&LLAMA_CPP_LAYER, &shares("time_mix_lerp_fused.weight")],
};

const LLAMA_CPP_LAYER: [Rule; 27] = [
    ("attn_norm.weight", "ln1.weight", AsIs),
    ("attn_norm.bias", "ln1.bias", AsIs),
    ("attn_norm_2.weight", "ln2.weight", AsIs),
    ("attn_norm_2.bias", "ln2.bias", AsIs),
    ("time_mix_w0.weight", "att.w0", AsIs),
    ("time_mix_a0.weight", "att.a0", AsIs),
    ("time_mix_v0.weight", "att.v0", AsIs),
    ("time_mix_w1.weight", "att.w1", Transposed),
    ("time_mix_w2.weight", "att.w2", Transposed),
    ("time_mix_a1.weight", "att.a1", Transposed),
    ("time_mix_a2.weight", "att.a2", Transposed),
    ("time_mix_v1.weight", "att.v1", Transposed),
    ("time_mix_v2.weight", "att.v2", Transposed),
    ("time_mix_g1.weight", "att.g1", Transposed),
    ("time_mix_g2.weight", "att.g2", Transposed),
    ("time_mix_k_k.weight", "att.k_k", AsIs),
    ("time_mix_k_a.weight", "att.k_a", AsIs),
    ("time_mix_r_k.weight", "att.r_k", Heads),
    ("time_mix_receptance.weight", "att.receptance.weight", AsIs),
    ("time_mix_key.weight", "att.key.weight", AsIs),
    ("time_mix_value.weight", "att.value.weight", AsIs),
    ("time_mix_output.weight", "att.output.weight", AsIs),
    ("time_mix_ln.weight", "att.ln_x.weight", AsIs),
    ("time_mix_ln.bias", "att.ln_x.bias", AsIs),
    ("channel_mix_lerp_k.weight", "ffn.x_k", AsIs),
    ("channel_mix_key.weight", "ffn.key.weight", AsIs),
    ("channel_mix_value.weight", "ffn.value.weight", AsIs),
];
