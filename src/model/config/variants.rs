//! Files that are something else than an official RWKV-7 model, recognised by
//! the names of their tensors, each with its own sentence.
//!
//! Names: RWKV-LM `RWKV-v4neo` to `RWKV-v8` (model definitions), `fla`
//! `models/rwkv7`, `web-rwkv` `assets/scripts/convert_safetensors.py`.

use super::{DECAY, ModelConfig};
use crate::model::checkpoint::{Checkpoint, shown};

/// Said of files that web-rwkv's converter wrote.
pub(super) const TRANSPOSED: &str = "has its low-rank matrices transposed, as files converted \
    for web-rwkv and Ai00 have; get the .pth it was made from";

/// Why the file is not an RWKV-7 model; `None` when it may be one.
pub(super) fn refusal(checkpoint: &Checkpoint) -> Option<String> {
    let has = |part: &str| checkpoint.names().any(|name| name.contains(part));
    let ends = |end: &str| checkpoint.names().any(|name| name.ends_with(end));
    let sentence = if checkpoint.names().len() == 0 {
        "holds no tensors"
    } else if ends(".att.time_state") && !ends("emb.weight") {
        "is a tuned state, not a model; choose the model it was tuned for, and this as its state"
    } else if has("layers.0.attn.r_proj") || has("layers.0.attn.w_lora") {
        "is RWKV-7 in the Hugging Face (fla) naming; get the official .pth, or convert it back"
    } else if has("rwkv.blocks.") {
        "is RWKV-4 or RWKV-5 in the Hugging Face naming; Gosling runs RWKV-7 (x070)"
    } else if has("self_attn.") || has("transformer.h.") || has("gpt_neox.") {
        "is a transformer, not RWKV-7"
    } else if has("lora_A") || has("lora_B") || has(".lora.") {
        "is a LoRA adapter; merge it into its model first"
    } else if let Some(prefix) = prefix(checkpoint) {
        return Some(format!(
            "its names begin with \"{prefix}\"; save it again without that (key.removeprefix(\"{prefix}\"))"
        ));
    } else if has(".att.time_maa") || has(".att.time_mix_w1") {
        "is RWKV-6 (x060), which has another recurrence; Gosling runs RWKV-7 (x070)"
    } else if has(".att.time_decay") && has(".att.ln_x.") {
        "is RWKV-5 (x050 to x052), which has another recurrence; Gosling runs RWKV-7 (x070)"
    } else if has(".att.time_decay") {
        "is RWKV-4, which has no matrix state to tune; Gosling runs RWKV-7 (x070)"
    } else if has(".rosa.") {
        "is RWKV-8 with ROSA, which has no state to tune; Gosling runs RWKV-7 (x070)"
    } else if has(".qkv.") {
        "is RWKV-7b with DeepEmbed attention (\"qkv\" tensors), which Gosling does not run; use a plain x070 model"
    } else if has(".ffn.s_emb") || has(".ffn.s0") || has(".ffn.s1") || has(".ffn.s2") {
        "is RWKV-7a or RWKV-8 with DeepEmbed (\"s_emb\" tensors), which Gosling does not run; use a plain x070 model"
    } else {
        return None;
    };
    Some(sentence.into())
}

/// Whether `w1` is [rank, n_embd] where the official files have [n_embd, rank].
pub(super) fn is_transposed(checkpoint: &Checkpoint, config: &ModelConfig) -> bool {
    let width = config.n_embd;
    checkpoint
        .tensor(DECAY)
        .is_some_and(|tensor| tensor.shape[0] != width && tensor.shape.last() == Some(&width))
}

/// What stands before the official names, such as `module.`.
fn prefix(checkpoint: &Checkpoint) -> Option<String> {
    checkpoint
        .names()
        .filter_map(|name| name.strip_suffix("blocks.0.att.r_k"))
        .find(|prefix| !prefix.is_empty())
        .map(shown)
}
