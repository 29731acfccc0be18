//! Gated DeltaNet: its dimensions by its tensors, and what no tensor says by its
//! `config.json` (fla, `models/gated_deltanet/configuration_gated_deltanet.py`).

use serde_json::Value;

use super::sizes::{CONV_TAPS, Keys};
use super::{Architecture, ModelConfig, listed, n_layer};
use crate::error::{Error, Result};
use crate::kernels::rectangular::{Blocks, MAX_KEY_SIZE};
use crate::model::checkpoint::{Checkpoint, shown};

const EMBEDDING: &str = "model.embeddings.weight";
const HEAD: &str = "lm_head.weight";

/// What no shape says.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(in crate::model) struct Settings {
    /// Added to the mean of the squares in every RMSNorm.
    pub norm_epsilon: f64,
    /// The largest rate beta.
    pub largest_rate: f32,
    /// Heads of keys, where it is said.
    n_key_head: Option<usize>,
    /// Key channels of a head, where it is said.
    key_size: Option<usize>,
    /// The id of the token that ends a document, where it is said.
    end_of_document: Option<u32>,
}

impl Settings {
    /// Reads and checks what `config.json` beside the weights says.
    ///
    /// # Errors
    /// [`Error::Input`] where it is missing, or says what cannot be run.
    pub fn of(checkpoint: &Checkpoint) -> Result<Self> {
        let refuse = |key: &str, reason: &str| {
            Error::input(checkpoint.file(), format!("config.json, {key}"), reason)
        };
        let Some(config) = checkpoint.model_config() else {
            let reason = tr!(
                "is missing; a Gated DeltaNet needs its config.json in the same folder, for \
                 the epsilon of its norms is in no tensor"
            );
            return Err(Error::input(checkpoint.file(), "config.json", reason));
        };
        let get = |key: &str| config.get(key).filter(|value| !value.is_null());
        let is_false = |key: &str| get(key) == Some(&Value::Bool(false));
        let is_true = |key: &str| get(key) == Some(&Value::Bool(true));
        let number = |key: &str| get(key).and_then(Value::as_u64);
        if get("attn").is_some_and(|attn| attn != &Value::Bool(false)) {
            let reason = tr!(
                "lists attention layers, so the model is a hybrid, which Gosling does not \
                 run; use a model of Gated DeltaNet layers alone"
            );
            return Err(refuse("attn", reason));
        }
        if is_true("tie_word_embeddings") {
            let reason = tr!(
                "is true: the head is tied to the embedding; save the model with its own \
                 lm_head.weight"
            );
            return Err(refuse("tie_word_embeddings", reason));
        }
        for key in ["use_gate", "use_short_conv"] {
            if is_false(key) {
                let reason = tr!(
                    "is false; Gosling runs Gated DeltaNet with its gate and its short \
                     convolutions"
                );
                return Err(refuse(key, reason));
            }
        }
        if number("conv_size").is_some_and(|taps| taps != CONV_TAPS as u64) {
            return Err(refuse(
                "conv_size",
                tr!("is not 4, which is what Gosling runs"),
            ));
        }
        if let Some(act) = get("hidden_act")
            && act != "swish"
            && act != "silu"
        {
            return Err(refuse(
                "hidden_act",
                tr!("is not swish, which is what Gosling runs"),
            ));
        }
        // A list where several tokens end a text: the first of them.
        let end = get("eos_token_id").map(|it| it.get(0).unwrap_or(it));
        let end = end.map(|it| it.as_u64().and_then(|id| u32::try_from(id).ok()));
        if end == Some(None) {
            return Err(refuse("eos_token_id", tr!("must be the id of a token")));
        }
        // fla's own default where the key is absent.
        let norm_epsilon = get("norm_eps").map_or(Some(1e-6), Value::as_f64);
        let Some(norm_epsilon) = norm_epsilon.filter(|it| (0.0..1.0).contains(it)) else {
            return Err(refuse("norm_eps", tr!("must be a number from 0 to 1")));
        };
        Ok(Self {
            norm_epsilon,
            largest_rate: if is_true("allow_neg_eigval") {
                2.0
            } else {
                1.0
            },
            n_key_head: number("num_heads").map(|n| n as usize),
            key_size: number("head_dim").map(|n| n as usize),
            end_of_document: end.flatten(),
        })
    }
}

/// Reads the dimensions and checks every tensor of the model against them.
///
/// # Errors
/// [`Error::Input`] with all tensors that are missing, unknown or of another shape,
/// and with what Gosling does not run.
pub(super) fn read(checkpoint: &Checkpoint) -> Result<ModelConfig> {
    let refuse = |reason: String| Error::input(checkpoint.file(), tr!("tensors"), reason);
    if let Some(name) = checkpoint.names().find(|name| name.contains(".self_attn.")) {
        return Err(refuse(tr!(
            "{} is of an attention layer, so the model is a hybrid, which Gosling does \
             not run",
            shown(name)
        )));
    }
    let settings = Settings::of(checkpoint)?;
    let Some(n_layer) = n_layer(checkpoint, "model.layers.", "layer").map_err(refuse)? else {
        let reason = tr!("no tensor is named \"model.layers.0…\", so this is no Gated DeltaNet");
        return Err(refuse(reason.into()));
    };
    let shape = |name: &str| {
        let missing = || refuse(tr!("{name} is missing", name));
        checkpoint
            .tensor(name)
            .map(|it| it.shape)
            .ok_or_else(missing)
    };
    let pair = |name: &str| match *shape(name)? {
        [first, second] => Ok([first, second]),
        ref other => Err(refuse(tr!(
            "{name} is {other}, wanted a matrix",
            name,
            other = format_args!("{other:?}")
        ))),
    };
    let vector = |name: &str| match *shape(name)? {
        [len] => Ok(len),
        ref other => Err(refuse(tr!(
            "{name} is {other}, wanted a vector",
            name,
            other = format_args!("{other:?}")
        ))),
    };
    let [vocab_size, n_embd] = pair(EMBEDDING)?;
    let n_head = vector("model.layers.0.attn.A_log")?;
    let n_value = vector("model.layers.0.attn.o_norm.weight")?;
    let [key_width, _] = pair("model.layers.0.attn.q_proj.weight")?;
    let [n_ffn, _] = pair("model.layers.0.mlp.gate_proj.weight")?;
    let n_key_head = settings.n_key_head.unwrap_or(n_head);
    if n_key_head == 0 || !n_head.is_multiple_of(n_key_head) {
        return Err(refuse(tr!(
            "the model has {n_head} heads of values and {n_key_head} of keys; Gosling runs \
             as many of both, or a multiple of the keys' heads",
            n_head,
            n_key_head
        )));
    }
    let n_key = key_width / n_key_head;
    if settings.key_size.is_some_and(|said| said != n_key) {
        return Err(refuse(tr!(
            "{} has {key_width} rows, which are not {n_key_head} heads of {said}, as \
             config.json says",
            "model.layers.0.attn.q_proj.weight",
            key_width,
            n_key_head,
            said = settings.key_size.unwrap_or(0)
        )));
    }
    if Blocks::of(n_value, n_key).is_none() {
        return Err(refuse(tr!(
            "a head has {n_value} values and {n_key} keys; Gosling runs multiples of 16, with \
             at most {} keys",
            MAX_KEY_SIZE,
            n_value,
            n_key
        )));
    }
    let keys = Keys {
        n_head: n_key_head,
        size: n_key,
    };
    let is_square = n_key_head == n_head && n_key == n_value;
    let end_of_document = settings.end_of_document.unwrap_or(0);
    if end_of_document as usize >= vocab_size {
        return Err(refuse(tr!(
            "config.json says that token {end_of_document} ends a document, but {} has \
             {vocab_size} rows",
            EMBEDDING,
            end_of_document,
            vocab_size
        )));
    }
    let config = ModelConfig {
        architecture: Architecture::GatedDeltaNet,
        n_layer,
        n_embd,
        n_head,
        head_size: n_value,
        keys: (!is_square).then_some(keys),
        end_of_document,
        vocab_size,
        n_ffn,
        decay_rank: 0,
        iclr_rank: 0,
        value_rank: 0,
        gate_rank: 0,
    };
    let problems = config.wrong_tensors(checkpoint);
    match problems.is_empty() {
        true => Ok(config),
        false => Err(refuse(listed(&problems))),
    }
}

/// Every tensor that the model needs, with its shape, in the order of the forward
/// pass. Linear layers are [out, in].
pub(super) fn tensors(config: &ModelConfig) -> Vec<(String, Vec<usize>)> {
    let (width, n_head, inner) = (config.n_embd, config.n_head, config.n_ffn);
    let (values, keys) = (
        config.head_channels(),
        config.n_key_head() * config.key_size(),
    );
    let mut tensors = vec![(EMBEDDING.to_owned(), vec![config.vocab_size, width])];
    for layer in 0..config.n_layer {
        let of_layer = [
            ("attn_norm.weight", vec![width]),
            ("attn.q_proj.weight", vec![keys, width]),
            ("attn.k_proj.weight", vec![keys, width]),
            ("attn.v_proj.weight", vec![values, width]),
            ("attn.a_proj.weight", vec![n_head, width]),
            ("attn.b_proj.weight", vec![n_head, width]),
            ("attn.A_log", vec![n_head]),
            ("attn.dt_bias", vec![n_head]),
            ("attn.q_conv1d.weight", vec![keys, 1, CONV_TAPS]),
            ("attn.k_conv1d.weight", vec![keys, 1, CONV_TAPS]),
            ("attn.v_conv1d.weight", vec![values, 1, CONV_TAPS]),
            ("attn.g_proj.weight", vec![values, width]),
            ("attn.o_norm.weight", vec![config.head_size]),
            ("attn.o_proj.weight", vec![width, values]),
            ("mlp_norm.weight", vec![width]),
            ("mlp.gate_proj.weight", vec![inner, width]),
            ("mlp.up_proj.weight", vec![inner, width]),
            ("mlp.down_proj.weight", vec![width, inner]),
        ];
        let named = |(name, shape): (&str, _)| (format!("model.layers.{layer}.{name}"), shape);
        tensors.extend(of_layer.map(named));
    }
    tensors.extend([
        ("model.norm.weight".to_owned(), vec![width]),
        (HEAD.to_owned(), vec![config.vocab_size, width]),
    ]);
    tensors
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use safetensors::tensor::{Dtype, TensorView};
    use serde_json::json;

    use super::*;

    const TINY: ModelConfig = ModelConfig {
        architecture: Architecture::GatedDeltaNet,
        n_layer: 2,
        n_embd: 24,
        n_head: 2,
        head_size: 16,
        keys: None,
        end_of_document: 0,
        vocab_size: 40,
        n_ffn: 48,
        decay_rank: 0,
        iclr_rank: 0,
        value_rank: 0,
        gate_rank: 0,
    };

    type Shapes = BTreeMap<String, Vec<usize>>;

    fn checkpoint(shapes: &Shapes, config: Option<Value>) -> Checkpoint {
        let zeros = vec![0; 1 << 16];
        let views = shapes.iter().map(|(name, shape)| {
            let n_bytes = 2 * shape.iter().product::<usize>();
            let view = TensorView::new(Dtype::BF16, shape.clone(), &zeros[..n_bytes]);
            (name, view.unwrap())
        });
        let bytes = safetensors::serialize(views, None).unwrap();
        Checkpoint::from_bytes("tiny", bytes)
            .unwrap()
            .beside(config)
    }

    fn shapes() -> Shapes {
        tensors(&TINY).into_iter().collect()
    }

    fn refused(checkpoint: &Checkpoint, want: &str) {
        let error = ModelConfig::from_checkpoint(checkpoint).unwrap_err();
        let error = error.to_string();
        assert!(error.contains(want), "{want}: {error}");
        assert!(!error.contains('\n'), "{error}");
    }

    #[test]
    fn dimensions_come_from_the_tensors() {
        // The width need not be that of all heads.
        let checkpoint = checkpoint(&shapes(), Some(json!({"norm_eps": 1e-5})));
        let read = ModelConfig::from_checkpoint(&checkpoint).unwrap();
        assert_eq!(read, TINY);
        assert_eq!(read.shift_sizes(), [3 * 3 * 32, 0]);
        let settings = Settings::of(&checkpoint).unwrap();
        assert_eq!((settings.norm_epsilon, settings.largest_rate), (1e-5, 1.0));
    }

    /// Two heads of 16 keys and four of 32 values, and token 2 in front of texts.
    #[test]
    fn keys_may_be_of_another_size_and_number() {
        let config = ModelConfig {
            n_head: 4,
            head_size: 32,
            keys: Some(Keys {
                n_head: 2,
                size: 16,
            }),
            end_of_document: 2,
            ..TINY
        };
        let shapes: Shapes = tensors(&config).into_iter().collect();
        let says =
            json!({"num_heads": 2, "num_v_heads": 4, "head_dim": 16, "eos_token_id": [2, 7]});
        let read = ModelConfig::from_checkpoint(&checkpoint(&shapes, Some(says))).unwrap();
        assert_eq!(read, config);
        assert_eq!(read.state_shape(), [4, 32, 16]);
        assert_eq!(read.shift_sizes(), [3 * (2 * 32 + 128), 0]);
        assert!(read.to_string().contains("H4 N32, keys H2 N16"), "{read}");
        // What no file said before has no place in one.
        let text = serde_json::to_string(&TINY).unwrap();
        assert!(!text.contains("keys") && !text.contains("end_of"), "{text}");
    }

    #[test]
    fn what_cannot_be_run_says_why() {
        refused(&checkpoint(&shapes(), None), "config.json: is missing");
        for (config, want) in [
            (
                json!({"attn": {"layers": [3]}}),
                "attn: lists attention layers",
            ),
            (
                json!({"tie_word_embeddings": true}),
                "tied to the embedding",
            ),
            (json!({"use_gate": false}), "use_gate: is false"),
            (json!({"use_short_conv": false}), "use_short_conv: is false"),
            (json!({"conv_size": 3}), "conv_size: is not 4"),
            (json!({"hidden_act": "relu"}), "hidden_act: is not swish"),
            (json!({"num_heads": 3}), "2 heads of values and 3 of keys"),
            (json!({"head_dim": 8}), "which are not 2 heads of 8"),
            (json!({"eos_token_id": "end"}), "eos_token_id: must be"),
            (json!({"eos_token_id": 40}), "token 40 ends a document"),
            (json!({"norm_eps": "tiny"}), "norm_eps: must be a number"),
        ] {
            refused(&checkpoint(&shapes(), Some(config)), want);
        }
        let plain = || Some(json!({"allow_neg_eigval": true, "attn": null, "num_v_heads": null}));
        let settings = Settings::of(&checkpoint(&shapes(), plain())).unwrap();
        assert_eq!((settings.norm_epsilon, settings.largest_rate), (1e-6, 2.0));
        let odd = ModelConfig {
            head_size: 40,
            ..TINY
        };
        let odd = tensors(&odd).into_iter().collect();
        refused(
            &checkpoint(&odd, plain()),
            "a head has 40 values and 40 keys",
        );
        let mut other = shapes();
        let name = "model.layers.0.attn.o_norm.weight";
        other.insert(name.into(), vec![32]);
        refused(
            &checkpoint(&other, plain()),
            "model.layers.0.attn.v_proj.weight is [32, 24], wanted [64, 24]",
        );
        let mut other = shapes();
        other.remove("model.layers.1.attn.dt_bias");
        refused(
            &checkpoint(&other, plain()),
            "model.layers.1.attn.dt_bias is missing",
        );
        let mut other = shapes();
        other.insert("model.layers.1.attn.extra".into(), vec![2]);
        refused(
            &checkpoint(&other, plain()),
            "is not part of Gated DeltaNet",
        );
        let mut other = shapes();
        other.insert("model.layers.1.self_attn.q_proj.weight".into(), vec![2, 2]);
        refused(&checkpoint(&other, plain()), "is of an attention layer");
    }
}
