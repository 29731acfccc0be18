//! Models written out in every dialect and container. What is written follows the
//! converters of the others, not the tables that are tested with it.

use super::super::blocks::BlockType;
use super::super::{Checkpoint, Dialect, TensorDType};
use half::f16;

/// A tensor as a file holds it.
#[derive(Clone, Debug)]
pub(crate) struct Stored {
    pub name: String,
    pub dtype: TensorDType,
    /// Row-major.
    pub shape: Vec<usize>,
    pub bytes: Vec<u8>,
}

impl Stored {
    pub fn new(name: &str, dtype: TensorDType, shape: &[usize], bytes: Vec<u8>) -> Self {
        let (name, shape) = (name.to_owned(), shape.to_vec());
        Self {
            name,
            dtype,
            shape,
            bytes,
        }
    }

    fn values(&self) -> Vec<f32> {
        assert_eq!(self.dtype, TensorDType::F16, "{}", self.name);
        let halves = self.bytes.chunks_exact(2);
        halves
            .map(|two| f16::from_le_bytes([two[0], two[1]]).to_f32())
            .collect()
    }

    fn transposed(mut self) -> Self {
        let [rows, columns] = self.shape[..] else {
            panic!("{} is no matrix", self.name);
        };
        let size = self.dtype.n_bytes();
        let element = |row: usize, column: usize| {
            let at = (row * columns + column) * size;
            &self.bytes[at..at + size]
        };
        let places = (0..columns).flat_map(|column| (0..rows).map(move |row| (row, column)));
        self.bytes = places
            .flat_map(|(row, column)| element(row, column).to_vec())
            .collect();
        self.shape = vec![columns, rows];
        self
    }

    /// In 32 bits, as converters keep small tensors.
    fn widened(mut self) -> Self {
        self.bytes = self.values().iter().flat_map(|x| x.to_le_bytes()).collect();
        self.dtype = TensorDType::F32;
        self
    }
}

/// The tensors of a checkpoint of official names in f16.
pub(crate) fn official(checkpoint: &Checkpoint) -> Vec<Stored> {
    let one = |view: super::super::TensorView<'_>| {
        let bytes = view.plain_bytes().unwrap().to_vec();
        Stored::new(view.name, view.dtype, view.shape, bytes)
    };
    checkpoint.tensors().map(one).collect()
}

/// The layer of an official name, and what stands behind it.
fn of_layer(name: &str) -> Option<(&str, &str)> {
    name.strip_prefix("blocks.")?.split_once('.')
}

/// w, a, v or g and 0, 1 or 2, as of `att.w1`.
fn low_rank(rest: &str) -> Option<(char, char)> {
    let mut chars = rest.strip_prefix("att.")?.chars();
    let (letter, number) = (chars.next()?, chars.next()?);
    let is_one = "wavg".contains(letter) && "012".contains(number);
    (is_one && chars.next().is_none()).then_some((letter, number))
}

/// The model in another dialect; `fused` has the shares of r, w, k, v, a and g in
/// one where the dialect has two ways.
pub(crate) fn in_dialect(dialect: Dialect, official: &[Stored], fused: bool) -> Vec<Stored> {
    let mut out: Vec<Stored> = match dialect {
        Dialect::Official => official.to_vec(),
        Dialect::Prefixed => official.iter().map(prefixed).collect(),
        Dialect::Fla => official.iter().filter_map(fla).collect(),
        Dialect::TransformersRwkv => official.iter().filter_map(transformers_rwkv).collect(),
        Dialect::WebRwkv | Dialect::RwkvCpp => official.iter().map(web_rwkv).collect(),
        Dialect::LlamaCpp => official.iter().filter_map(llama_cpp).collect(),
    };
    match dialect {
        Dialect::Fla if fused => fuse(&mut out, "attn.x_", "attn.x_x", &[6]),
        Dialect::RwkvCpp => fuse(&mut out, "att.x_", "att.x_rwkvag", &[6]),
        Dialect::LlamaCpp => {
            let name = "time_mix_lerp_fused.weight";
            fuse(&mut out, "time_mix_x_", name, &[6, 1, 1]);
        }
        _ => {}
    }
    out
}

/// As `convert_rwkv7_checkpoint_to_hf.py` of transformers.
fn prefixed(tensor: &Stored) -> Stored {
    let mut tensor = tensor.clone();
    if tensor.name != "head.weight" {
        tensor.name.insert_str(0, "rwkv7.");
    }
    tensor
}

/// As `convert_from_rwkv7.py` of flash-linear-attention.
fn fla(tensor: &Stored) -> Option<Stored> {
    let mut tensor = tensor.clone();
    let outside = match tensor.name.as_str() {
        "emb.weight" => Some("model.embeddings.weight"),
        "ln_out.weight" => Some("model.norm.weight"),
        "ln_out.bias" => Some("model.norm.bias"),
        "head.weight" => Some("lm_head.weight"),
        "blocks.0.att.v0" | "blocks.0.att.v1" | "blocks.0.att.v2" => return None,
        _ => None,
    };
    if let Some(name) = outside {
        tensor.name = name.into();
        return Some(tensor);
    }
    let (layer, rest) = of_layer(&tensor.name)?;
    let front = format!("model.layers.{layer}.");
    if let Some((letter, number)) = low_rank(rest) {
        let end = match number {
            '0' => "2.bias",
            '1' => "0.weight",
            _ => "2.weight",
        };
        tensor.name = format!("{front}attn.{letter}_lora.lora.{end}");
        if number != '0' {
            return Some(tensor.transposed());
        }
        tensor.shape = vec![*tensor.shape.last()?];
        return Some(tensor);
    }
    let rest = rest
        .replace("ln0", "pre_norm")
        .replace("ln1", "attn_norm")
        .replace("ln2", "ffn_norm")
        .replace("att.ln_x", "attn.g_norm")
        .replace("att.receptance", "attn.r_proj")
        .replace("att.key", "attn.k_proj")
        .replace("att.value", "attn.v_proj")
        .replace("att.output", "attn.o_proj")
        .replace("att.", "attn.");
    tensor.name = front + &rest;
    Some(tensor)
}

/// As `rwkv_pth2st.py` of transformers-rwkv.
fn transformers_rwkv(tensor: &Stored) -> Option<Stored> {
    let mut tensor = fla(tensor)?;
    if let Some((layer, rest)) = of_layer(&tensor.name.replace("model.layers.", "blocks.")) {
        let mut rest = rest.to_owned();
        for (from, to) in [
            ("_lora.lora.2.bias", "0"),
            ("_lora.lora.0.weight", "1"),
            ("_lora.lora.2.weight", "2"),
            ("attn_norm", "input_layernorm"),
            ("ffn_norm", "post_attention_layernorm"),
            ("attn.", "linear_attn."),
            ("ffn.", "mlp."),
        ] {
            rest = rest.replace(from, to);
        }
        let was_transposed = tensor.name.contains("_lora.lora.") && tensor.shape.len() == 2;
        tensor.name = match rest.strip_prefix("pre_norm") {
            Some(end) => format!("model.embedding_norm{end}"),
            None => format!("model.layers.{layer}.{rest}"),
        };
        if was_transposed {
            return Some(tensor.transposed());
        }
    }
    tensor.name = tensor.name.replace("embeddings", "embed_tokens");
    Some(tensor)
}

/// As `convert_safetensors.py` of web-rwkv; rwkv.cpp stores the same matrices so.
fn web_rwkv(tensor: &Stored) -> Stored {
    let is_matrix = |(_, number)| number != '0';
    let found = of_layer(&tensor.name).and_then(|(_, rest)| low_rank(rest));
    match found.filter(|it| is_matrix(*it)) {
        Some(_) => tensor.clone().transposed(),
        None => tensor.clone(),
    }
}

/// As `conversion/rwkv.py` of llama.cpp; the shares are fused behind.
fn llama_cpp(tensor: &Stored) -> Option<Stored> {
    let mut tensor = tensor.clone();
    if tensor.shape.len() != 2 {
        tensor = tensor.widened();
        tensor.shape = vec![*tensor.shape.last()?];
    }
    let outside = match tensor.name.as_str() {
        "emb.weight" => Some("token_embd.weight"),
        "blocks.0.ln0.weight" => Some("token_embd_norm.weight"),
        "blocks.0.ln0.bias" => Some("token_embd_norm.bias"),
        "ln_out.weight" => Some("output_norm.weight"),
        "ln_out.bias" => Some("output_norm.bias"),
        "head.weight" => Some("output.weight"),
        _ => None,
    };
    if let Some(name) = outside {
        tensor.name = name.into();
        return Some(tensor);
    }
    let (layer, rest) = of_layer(&tensor.name)?;
    let (front, rest) = (format!("blk.{layer}."), rest.to_owned());
    if let Some((letter, number)) = low_rank(&rest) {
        tensor.name = format!("{front}time_mix_{letter}{number}.weight");
        return Some(match number {
            '0' => tensor,
            _ => tensor.transposed().widened(),
        });
    }
    if rest == "att.r_k" {
        tensor = tensor.widened();
        tensor.shape = vec![tensor.shape.iter().product()];
    }
    let rest = rest
        .replace("ln1", "attn_norm")
        .replace("ln2", "attn_norm_2")
        .replace("att.ln_x", "time_mix_ln")
        .replace("ffn.x_k", "channel_mix_lerp_k")
        .replace("ffn.", "channel_mix_")
        .replace("att.", "time_mix_");
    let has_end = rest.ends_with(".weight") || rest.ends_with(".bias");
    let end = if has_end || rest.starts_with("time_mix_x_") {
        ""
    } else {
        ".weight"
    };
    tensor.name = format!("{front}{rest}{end}");
    Some(tensor)
}

/// Puts the six shares of every layer into one tensor of `shape` and the width.
fn fuse(tensors: &mut Vec<Stored>, part: &str, name: &str, shape: &[usize]) {
    let fronts: Vec<String> = tensors
        .iter()
        .filter_map(|tensor| tensor.name.strip_suffix(&format!("{part}r")))
        .map(str::to_owned)
        .collect();
    for front in fronts {
        let mut whole: Option<Stored> = None;
        for letter in ['r', 'w', 'k', 'v', 'a', 'g'] {
            let of = format!("{front}{part}{letter}");
            let at = tensors.iter().position(|tensor| tensor.name == of).unwrap();
            let share = tensors.remove(at);
            match &mut whole {
                Some(whole) => whole.bytes.extend(share.bytes),
                None => whole = Some(share),
            }
        }
        let mut whole = whole.unwrap();
        let width = *whole.shape.last().unwrap();
        whole.shape = [shape, &[width]].concat();
        whole.name = format!("{front}{name}");
        tensors.push(whole);
    }
}

/// A `.safetensors`.
pub(crate) fn safetensors(tensors: &[Stored]) -> Vec<u8> {
    use safetensors::Dtype;
    use safetensors::tensor::TensorView;
    let views = tensors.iter().map(|tensor| {
        let dtype = match tensor.dtype {
            TensorDType::F16 => Dtype::F16,
            TensorDType::BF16 => Dtype::BF16,
            _ => Dtype::F32,
        };
        let view = TensorView::new(dtype, tensor.shape.clone(), &tensor.bytes).unwrap();
        (tensor.name.clone(), view)
    });
    safetensors::serialize(views, None).unwrap()
}

/// The number that ggml has for a type.
fn ggml_type(dtype: TensorDType) -> u32 {
    match dtype {
        TensorDType::F32 => 0,
        TensorDType::F16 => 1,
        TensorDType::BF16 => 30,
        TensorDType::Blocks(BlockType::Q4_0) => 2,
        TensorDType::Blocks(BlockType::Q4_1) => 3,
        TensorDType::Blocks(BlockType::Q5_0) => 6,
        TensorDType::Blocks(BlockType::Q5_1) => 7,
        TensorDType::Blocks(BlockType::Q8_0) => 8,
        TensorDType::Blocks(BlockType::Q4K) => 12,
        TensorDType::Blocks(BlockType::Q5K) => 13,
        TensorDType::Blocks(BlockType::Q6K) => 14,
        other => panic!("{other:?}"),
    }
}

/// A value of a GGUF file.
#[derive(Clone)]
pub(crate) enum Value<'a> {
    U32(u32),
    Text(&'a str),
    Texts(&'a [&'a str]),
}

/// A GGUF file of `keys`, its data aligned to `alignment` bytes.
pub(crate) fn gguf_of(keys: &[(&str, Value<'_>)], tensors: &[Stored], alignment: usize) -> Vec<u8> {
    let text = |out: &mut Vec<u8>, text: &str| {
        out.extend((text.len() as u64).to_le_bytes());
        out.extend(text.as_bytes());
    };
    let mut out = b"GGUF\x03\0\0\0".to_vec();
    out.extend((tensors.len() as u64).to_le_bytes());
    out.extend((keys.len() as u64).to_le_bytes());
    for (key, value) in keys {
        text(&mut out, key);
        match value {
            Value::U32(number) => {
                out.extend(4_u32.to_le_bytes());
                out.extend(number.to_le_bytes());
            }
            Value::Text(value) => {
                out.extend(8_u32.to_le_bytes());
                text(&mut out, value);
            }
            Value::Texts(values) => {
                out.extend([9_u32.to_le_bytes(), 8_u32.to_le_bytes()].concat());
                out.extend((values.len() as u64).to_le_bytes());
                values.iter().for_each(|value| text(&mut out, value));
            }
        }
    }
    let mut offset = 0;
    for tensor in tensors {
        text(&mut out, &tensor.name);
        out.extend((tensor.shape.len() as u32).to_le_bytes());
        for size in tensor.shape.iter().rev() {
            out.extend((*size as u64).to_le_bytes());
        }
        out.extend(ggml_type(tensor.dtype).to_le_bytes());
        out.extend((offset as u64).to_le_bytes());
        offset = (offset + tensor.bytes.len()).next_multiple_of(alignment);
    }
    for tensor in tensors {
        out.resize(out.len().next_multiple_of(alignment), 0);
        out.extend(&tensor.bytes);
    }
    out
}

/// The GGUF file of a model of heads of `head_size`.
pub(crate) fn gguf(tensors: &[Stored], head_size: u32) -> Vec<u8> {
    let keys = [
        ("general.architecture", Value::Text("rwkv7")),
        ("rwkv7.wkv.head_size", Value::U32(head_size)),
        ("tokenizer.ggml.tokens", Value::Texts(&["<s>", "a"])),
    ];
    gguf_of(&keys, tensors, 32)
}

/// A `.bin` of rwkv.cpp.
pub(crate) fn ggml(tensors: &[Stored]) -> Vec<u8> {
    let mut out = b"fmgg".to_vec();
    let header = [101_u32, 4096, 256, 6, 1];
    out.extend(header.iter().flat_map(|number| number.to_le_bytes()));
    for tensor in tensors {
        let kind = match tensor.dtype {
            TensorDType::F32 => 0,
            TensorDType::F16 => 1,
            TensorDType::Blocks(BlockType::Q8_0) => 9,
            other => panic!("{other:?}"),
        };
        let numbers = [tensor.shape.len() as u32, tensor.name.len() as u32, kind];
        out.extend(numbers.iter().flat_map(|number| number.to_le_bytes()));
        let dims = tensor.shape.iter().rev();
        out.extend(dims.flat_map(|size| (*size as u32).to_le_bytes()));
        out.extend(tensor.name.as_bytes());
        out.extend(&tensor.bytes);
    }
    out
}
