//! The architecture and the dimensions of a model. Those of RWKV-7 (x070) are read
//! from the names and shapes of its tensors and from nothing else: file names lie, and
//! the ranks of released models follow no formula. Gated DeltaNet has a `config.json`
//! too, for what no shape says.

use std::collections::BTreeSet;
use std::fmt;

use crate::error::{Error, Result};
use crate::model::checkpoint::{Checkpoint, shown};

mod architecture;
mod delta_net;
mod sizes;
mod variants;

pub use architecture::Architecture;
pub(super) use delta_net::Settings as DeltaNetSettings;
pub use sizes::Keys;

/// The dimensions of a model. Names as in the glossary; sizes in elements.
#[derive(Clone, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
pub struct ModelConfig {
    /// Which recurrence it is, and what is around it.
    #[serde(default)]
    pub architecture: Architecture,
    /// L, the number of blocks.
    pub n_layer: usize,
    /// C, the width; `n_head` times `head_size` in RWKV-7.
    pub n_embd: usize,
    /// H, the heads of a layer.
    pub n_head: usize,
    /// N, the value channels of a head, the rows of its state. In RWKV-7 its keys are as
    /// many: one of [`HEAD_SIZES`].
    pub head_size: usize,
    /// The keys, where they are other than the values.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keys: Option<Keys>,
    /// The id of the token that ends a document in the model's files. In Gosling that is
    /// token 0 in every model, so the two exchange their numbers as a model and its
    /// vocabulary are read. 0 in RWKV-7.
    #[serde(default, skip_serializing_if = "sizes::is_zero")]
    pub end_of_document: u32,
    /// V, the rows of the embedding, which may be more than the tokens.
    pub vocab_size: usize,
    /// The width inside channel mixing, or SwiGLU; 4 C in released RWKV-7 models.
    pub n_ffn: usize,
    /// Rank of the decay's low-rank matrices `w1`, `w2`; 0 in other architectures.
    pub decay_rank: usize,
    /// Rank of the in-context learning rate's `a1`, `a2`; 0 in other architectures.
    pub iclr_rank: usize,
    /// Rank of the value residual's `v1`, `v2`; 0 for a model of one layer and in
    /// other architectures.
    pub value_rank: usize,
    /// Rank of the gate's `g1`, `g2`; 0 in other architectures.
    pub gate_rank: usize,
}

/// The head sizes that can be run. Released models have 64.
pub const HEAD_SIZES: [usize; 4] = [16, 32, 64, 128];

/// The most layers that are believed. The largest released model has 61.
const MAX_LAYERS: usize = 1024;

/// How many wrong tensors one message lists.
const MAX_LISTED: usize = 12;

/// The tensors from which the dimensions are read.
const EMBEDDING: &str = "emb.weight";
const HEAD: &str = "head.weight";
const BONUS: &str = "blocks.0.att.r_k";
const DECAY: &str = "blocks.0.att.w1";
const ICLR: &str = "blocks.0.att.a1";
const GATE: &str = "blocks.0.att.g1";
const VALUE: &str = "blocks.1.att.v1";
const FFN: &str = "blocks.0.ffn.key.weight";

impl ModelConfig {
    /// Reads the dimensions and checks every tensor of the model against them.
    ///
    /// A `time_state` inside the model file is not looked at, as in the `rwkv`
    /// package; nor are `v0`, `v1`, `v2` of layer 0, which the model never uses.
    ///
    /// # Errors
    /// [`Error::Input`] in one line: which other kind of model the file holds,
    /// or all tensors that are missing, unknown or of another shape than the
    /// rest of the model asks for.
    pub fn from_checkpoint(checkpoint: &Checkpoint) -> Result<Self> {
        let architecture = Architecture::of(checkpoint.model_config(), checkpoint.names());
        if architecture == Architecture::GatedDeltaNet {
            return delta_net::read(checkpoint);
        }
        let refuse = |reason: String| Error::input(checkpoint.file(), tr!("tensors"), reason);
        if let Some(reason) = variants::refusal(checkpoint) {
            return Err(refuse(reason));
        }
        let Some(n_layer) = n_layer(checkpoint, "blocks.", "block").map_err(refuse)? else {
            return Err(refuse(tr!(
                "no tensor is named \"blocks.0…\", so this is not an RWKV-7 model (found {})",
                first_names(checkpoint)
            )));
        };
        let (config, unreadable) = Self::read_dimensions(checkpoint, n_layer);
        let mut problems = unreadable;
        if problems.is_empty() {
            config.check_dimensions().map_err(refuse)?;
            problems = config.wrong_tensors(checkpoint);
        } else {
            // Without dimensions only the names can be compared.
            let absent = |(name, _): &(String, Vec<usize>)| checkpoint.tensor(name).is_none();
            let missing = config.expected_tensors().into_iter().filter(absent);
            problems.extend(missing.map(|(name, _)| missing_tensor(checkpoint, &name)));
            problems.sort();
            problems.dedup();
        }
        if problems.is_empty() {
            Ok(config)
        } else {
            Err(refuse(listed(&problems)))
        }
    }

    /// Every tensor that the model needs, with its shape, in the order of the
    /// forward pass. Vectors are given as `[n_embd]`; files may hold them with
    /// leading dimensions of one, as `[1, 1, n_embd]`. Linear layers are
    /// [out, in]; `w1`, `a1`, `v1`, `g1` are [n_embd, rank] and their partners
    /// [rank, n_embd].
    pub fn expected_tensors(&self) -> Vec<(String, Vec<usize>)> {
        match self.architecture {
            Architecture::Rwkv7 => self.rwkv7_tensors(),
            Architecture::GatedDeltaNet => delta_net::tensors(self),
        }
    }

    fn rwkv7_tensors(&self) -> Vec<(String, Vec<usize>)> {
        let width = self.n_embd;
        let mut tensors = vec![
            (EMBEDDING.to_owned(), vec![self.vocab_size, width]),
            ("blocks.0.ln0.weight".to_owned(), vec![width]),
            ("blocks.0.ln0.bias".to_owned(), vec![width]),
        ];
        for layer in 0..self.n_layer {
            let named = |(name, shape)| (format!("blocks.{layer}.{name}"), shape);
            tensors.extend(self.time_mix_tensors(layer).into_iter().map(named));
            let channel_mix = [
                ("ln2.weight", vec![width]),
                ("ln2.bias", vec![width]),
                ("ffn.x_k", vec![width]),
                ("ffn.key.weight", vec![self.n_ffn, width]),
                ("ffn.value.weight", vec![width, self.n_ffn]),
            ];
            tensors.extend(channel_mix.into_iter().map(named));
        }
        tensors.extend([
            ("ln_out.weight".to_owned(), vec![width]),
            ("ln_out.bias".to_owned(), vec![width]),
            (HEAD.to_owned(), vec![self.vocab_size, width]),
        ]);
        tensors
    }

    /// How many numbers the model has, counted as its makers do: with the value
    /// residual of layer 0, which official files hold and the model never uses.
    pub fn n_params(&self) -> usize {
        let tensors = self.expected_tensors();
        let n_used: usize = tensors
            .iter()
            .map(|(_, s)| s.iter().product::<usize>())
            .sum();
        match self.architecture {
            Architecture::Rwkv7 => n_used + self.n_embd * (1 + 2 * self.value_rank),
            Architecture::GatedDeltaNet => n_used,
        }
    }

    fn time_mix_tensors(&self, layer: usize) -> Vec<(&'static str, Vec<usize>)> {
        let width = self.n_embd;
        let mut tensors: Vec<(&str, Vec<usize>)> = [
            "ln1.weight",
            "ln1.bias",
            "att.x_r",
            "att.x_w",
            "att.x_k",
            "att.x_v",
            "att.x_a",
            "att.x_g",
            "att.w0",
            "att.a0",
            "att.k_k",
            "att.k_a",
            "att.ln_x.weight",
            "att.ln_x.bias",
        ]
        .map(|name| (name, vec![width]))
        .into();
        let pairs = [
            ("att.w1", "att.w2", self.decay_rank),
            ("att.a1", "att.a2", self.iclr_rank),
            ("att.g1", "att.g2", self.gate_rank),
            ("att.v1", "att.v2", self.value_rank),
        ];
        // Layer 0 is where the value residual comes from, so it has none.
        let n_pairs = if layer == 0 { 3 } else { 4 };
        for (down, up, rank) in &pairs[..n_pairs] {
            tensors.push((down, vec![width, *rank]));
            tensors.push((up, vec![*rank, width]));
        }
        if layer > 0 {
            tensors.push(("att.v0", vec![width]));
        }
        tensors.push(("att.r_k", vec![self.n_head, self.head_size]));
        let squares = [
            "att.receptance.weight",
            "att.key.weight",
            "att.value.weight",
            "att.output.weight",
        ];
        tensors.extend(squares.map(|name| (name, vec![width, width])));
        tensors
    }

    /// The dimensions, and what is wrong with the tensors that give them; a
    /// dimension that cannot be read is 0.
    fn read_dimensions(checkpoint: &Checkpoint, n_layer: usize) -> (Self, Vec<String>) {
        let mut problems = Vec::new();
        let mut pair = |name: &str, want: &str| {
            match checkpoint.tensor(name).map(|tensor| tensor.shape) {
                Some([first, second]) => return (*first, *second),
                Some(shape) => {
                    let name = checkpoint.told_name(name);
                    problems.push(tr!(
                        "{name} is {shape}, wanted {want}",
                        name,
                        shape = format_args!("{shape:?}"),
                        want
                    ));
                }
                None => problems.push(missing_tensor(checkpoint, name)),
            }
            (0, 0)
        };
        let (vocab_size, n_embd) = pair(EMBEDDING, tr!("[vocabulary, width]"));
        let (n_head, head_size) = pair(BONUS, tr!("[heads, head size]"));
        let (_, decay_rank) = pair(DECAY, tr!("[width, rank]"));
        let (_, iclr_rank) = pair(ICLR, tr!("[width, rank]"));
        let (_, gate_rank) = pair(GATE, tr!("[width, rank]"));
        let (n_ffn, _) = pair(FFN, tr!("[inner width, width]"));
        let (_, value_rank) = if n_layer > 1 {
            pair(VALUE, tr!("[width, rank]"))
        } else {
            (0, 0)
        };
        let config = Self {
            architecture: Architecture::Rwkv7,
            n_layer,
            n_embd,
            n_head,
            head_size,
            keys: None,
            end_of_document: 0,
            vocab_size,
            n_ffn,
            decay_rank,
            iclr_rank,
            value_rank,
            gate_rank,
        };
        (config, problems)
    }

    fn check_dimensions(&self) -> Result<(), String> {
        if !HEAD_SIZES.contains(&self.head_size) {
            return Err(tr!(
                "the head size is {}; Gosling runs {HEAD_SIZES}",
                self.head_size,
                HEAD_SIZES = format_args!("{HEAD_SIZES:?}")
            ));
        }
        if self.n_head.checked_mul(self.head_size) != Some(self.n_embd) {
            return Err(tr!(
                "{EMBEDDING} has a width of {}, but {BONUS} has {} heads of {}",
                self.n_embd,
                self.n_head,
                self.head_size,
                EMBEDDING,
                BONUS
            ));
        }
        Ok(())
    }

    fn wrong_tensors(&self, checkpoint: &Checkpoint) -> Vec<String> {
        let expected = self.expected_tensors();
        let mut problems = Vec::new();
        for (name, want) in &expected {
            match checkpoint.tensor(name) {
                None => problems.push(missing_tensor(checkpoint, name)),
                Some(tensor) if squeezed(tensor.shape) != squeezed(want) => {
                    let (name, shape) = (checkpoint.told_name(name), tensor.shape);
                    problems.push(tr!(
                        "{name} is {shape}, wanted {want}",
                        name,
                        shape = format_args!("{shape:?}"),
                        want = format_args!("{want:?}")
                    ));
                }
                Some(tensor) if !tensor.dtype.is_float() => problems.push(tr!(
                    "{} holds {}, wanted F16, BF16 or F32",
                    checkpoint.told_name(name),
                    tensor.dtype.name()
                )),
                Some(_) => {}
            }
        }
        let known: BTreeSet<&str> = expected.iter().map(|(name, _)| name.as_str()).collect();
        let unknown = |name: &&str| !known.contains(name) && !is_unused(name);
        let unknown = checkpoint.names().filter(unknown);
        let not_part = |name| {
            tr!(
                "{} is not part of {}",
                shown(name),
                self.architecture.name()
            )
        };
        problems.extend(unknown.map(not_part));
        problems
    }
}

impl fmt::Display for ModelConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} L{} C{} H{} N{}",
            self.architecture.name(),
            self.n_layer,
            self.n_embd,
            self.n_head,
            self.head_size,
        )?;
        if let Some(Keys { n_head, size }) = self.keys {
            write!(f, ", keys H{n_head} N{size}")?;
        }
        write!(f, ", vocabulary {}, ffn {}", self.vocab_size, self.n_ffn)?;
        if self.architecture == Architecture::Rwkv7 {
            write!(
                f,
                ", ranks {}/{}/{}/{}",
                self.decay_rank, self.iclr_rank, self.value_rank, self.gate_rank,
            )?;
        }
        write!(f, ", {:.1} M parameters", self.n_params() as f64 / 1e6)
    }
}

/// The highest index behind `prefix` plus one, where a tensor has one. `part` is what a
/// layer is called.
fn n_layer(checkpoint: &Checkpoint, prefix: &str, part: &str) -> Result<Option<usize>, String> {
    let index_of = |name: &str| -> Option<usize> {
        let (index, _) = name.strip_prefix(prefix)?.split_once('.')?;
        index.parse().ok()
    };
    let n_tensors = checkpoint.names().len();
    match checkpoint.names().filter_map(index_of).max() {
        // Each has many tensors, so more of them than tensors is no model.
        Some(highest) if highest >= MAX_LAYERS.min(n_tensors) => Err(tr!(
            "has a {part} {highest}, but only {n_tensors} tensors",
            part,
            highest,
            n_tensors
        )),
        highest => Ok(highest.map(|highest| highest + 1)),
    }
}

fn first_names(checkpoint: &Checkpoint) -> String {
    let names: Vec<String> = checkpoint.names().take(3).map(shown).collect();
    names.join(", ")
}

/// Tensors that some files hold and the model does not use.
fn is_unused(name: &str) -> bool {
    let layer_0 = ["blocks.0.att.v0", "blocks.0.att.v1", "blocks.0.att.v2"];
    layer_0.contains(&name)
        || name.ends_with(".att.time_state")
        || name.ends_with(".ln0.weight")
        || name.ends_with(".ln0.bias")
}

/// A shape without its leading dimensions of one.
fn squeezed(shape: &[usize]) -> &[usize] {
    let n_leading = shape.iter().take_while(|size| **size == 1).count();
    &shape[n_leading..]
}

/// Says that a tensor is missing, and under which name.
fn missing_tensor(checkpoint: &Checkpoint, name: &str) -> String {
    let told = checkpoint.told_name(name);
    match name {
        HEAD => tr!(
            "{told} is missing; if the head is tied to the embedding, save the model \
             with its own head.weight",
            told
        ),
        _ => tr!("{told} is missing", told),
    }
}

fn listed(problems: &[String]) -> String {
    let list = problems[..problems.len().min(MAX_LISTED)].join("; ");
    match problems.len().checked_sub(MAX_LISTED) {
        Some(n_more) if n_more > 0 => tr!("{list}; and {n_more} more", list, n_more),
        Some(_) | None => list,
    }
}

#[cfg(test)]
mod tests;
