//! Files that are something else than an official RWKV-7 model, recognised by
//! the names of their tensors, each with its own sentence.
//!
//! Names: RWKV-LM `RWKV-v4neo` to `RWKV-v8` (model definitions), `fla`
//! `models/rwkv7`, RWKV hybrids (`time_mixer`), MLX (`scales`).

use crate::model::checkpoint::Checkpoint;

/// Why the file is not an RWKV-7 model; `None` when it may be one.
pub(super) fn refusal(checkpoint: &Checkpoint) -> Option<String> {
    let has = |part: &str| checkpoint.names().any(|name| name.contains(part));
    let ends = |end: &str| checkpoint.names().any(|name| name.ends_with(end));
    let is_rwkv_7 = checkpoint.dialect().is_some();
    let sentence = if checkpoint.names().len() == 0 {
        tr!("holds no tensors")
    } else if ends(".att.time_state") && !ends("emb.weight") {
        tr!(
            "is a tuned state, not a model; choose the model it was tuned for, and this \
             as its state"
        )
    } else if has("self_attn.time_mixer.")
        || (is_rwkv_7 && (has("attn.q_proj.") || has("self_attn.")))
    {
        tr!(
            "is a hybrid of RWKV-7 and attention layers, which have no state to tune; \
             Gosling runs plain RWKV-7 (x070)"
        )
    } else if is_rwkv_7 && ends(".scales") {
        tr!("is quantised by MLX (\".scales\"); get the model in F16 or BF16, or as GGUF")
    } else if has("rwkv.blocks.") {
        tr!("is RWKV-4 or RWKV-5 in the Hugging Face naming; Gosling runs RWKV-7 (x070)")
    } else if has("self_attn.") || has("transformer.h.") || has("gpt_neox.") {
        tr!("is a transformer, not RWKV-7")
    } else if has("lora_A") || has("lora_B") || has(".lora.") {
        tr!("is a LoRA adapter; merge it into its model first")
    } else if has(".att.time_maa") || has(".att.time_mix_w1") {
        tr!("is RWKV-6 (x060), which has another recurrence; Gosling runs RWKV-7 (x070)")
    } else if has(".att.time_decay") && has(".att.ln_x.") {
        tr!(
            "is RWKV-5 (x050 to x052), which has another recurrence; Gosling runs RWKV-7 \
             (x070)"
        )
    } else if has(".att.time_decay") {
        tr!("is RWKV-4, which has no matrix state to tune; Gosling runs RWKV-7 (x070)")
    } else if has(".rosa.") {
        tr!("is RWKV-8 with ROSA, which has no state to tune; Gosling runs RWKV-7 (x070)")
    } else if has(".qkv.") {
        tr!(
            "is RWKV-7b with DeepEmbed attention (\"qkv\" tensors), which Gosling does \
             not run; use a plain x070 model"
        )
    } else if has(".ffn.s_emb") || has(".ffn.s0") || has(".ffn.s1") || has(".ffn.s2") {
        tr!(
            "is RWKV-7a or RWKV-8 with DeepEmbed (\"s_emb\" tensors), which Gosling does \
             not run; use a plain x070 model"
        )
    } else {
        return None;
    };
    Some(sentence.into())
}
