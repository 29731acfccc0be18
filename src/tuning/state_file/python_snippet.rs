//! A Python script that loads an exported `.pth` into the `rwkv` package,
//! which has no loader for RWKV-7 states. The package's own examples transpose
//! the state, which is right for RWKV-6 and wrong here.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use crate::atomic::write_atomic;
use crate::error::{Error, Result};

const TEMPLATE: &str = r#""""Runs an RWKV-7 model from the tuned state @FILE@.

    pip install "rwkv>=0.8" torch
    python @SCRIPT@ path/to/model.pth "User: Hello" "cuda fp16"

The state belongs to the model that it was tuned for.
"""

import os
import sys

os.environ["RWKV_V7_ON"] = "1"  # before rwkv is imported
os.environ.setdefault("RWKV_JIT_ON", "1")
os.environ.setdefault("RWKV_CUDA_ON", "0")

import torch
from rwkv.model import RWKV
from rwkv.utils import PIPELINE, PIPELINE_ARGS

STATE_FILE = os.path.join(os.path.dirname(os.path.abspath(__file__)), @FILE@)


def load_state(model, path=STATE_FILE):
    """A fresh state for model.forward, which changes it: call this for each text."""
    tuned = torch.load(path, map_location="cpu", weights_only=True)
    like = model.z["blocks.0.ln1.weight"]
    state = []
    for i in range(model.args.n_layer):
        # [head, value, key], float32, not transposed.
        wkv = tuned[f"blocks.{i}.att.time_state"].to(like.device, torch.float32)
        state += [torch.zeros_like(like), wkv.contiguous(), torch.zeros_like(like)]
    return state


if __name__ == "__main__":
    strategy = sys.argv[3] if len(sys.argv) > 3 else "cpu fp32"
    model = RWKV(model=sys.argv[1].removesuffix(".pth"), strategy=strategy)
    pipeline = PIPELINE(model, "rwkv_vocab_v20230424")
    prompt = sys.argv[2] + "\n\nAssistant:"
    args = PIPELINE_ARGS(top_k=1, token_stop=[0])
    print(pipeline.generate(prompt, token_count=200, args=args, state=load_state(model)))
"#;

/// The script for the `.pth` called `file_name`, to be kept in the same folder
/// as `{stem}_rwkv_pip.py`. It needs `rwkv` 0.8 or newer.
pub fn python_snippet(file_name: &str) -> String {
    let stem = Path::new(file_name).file_stem().unwrap_or_default();
    let script = script_name(&stem.to_string_lossy());
    TEMPLATE
        .replace("@SCRIPT@", &text_in_docstring(&script))
        .replace("@FILE@", &python_string(file_name))
}

/// Writes [`python_snippet`] beside the `.pth` and gives the script's path.
///
/// # Errors
/// [`Error::Input`] when `pth` has no file name, [`Error::Io`] when the script
/// cannot be written.
pub fn write_python_snippet(pth: impl AsRef<Path>) -> Result<PathBuf> {
    let pth = pth.as_ref();
    let (Some(name), Some(stem)) = (pth.file_name(), pth.file_stem()) else {
        return Err(Error::input(pth, "path", "ends in no file name"));
    };
    let path = pth.with_file_name(script_name(&stem.to_string_lossy()));
    let script = python_snippet(&name.to_string_lossy());
    write_atomic(&path, |file| file.write_all(script.as_bytes()))?;
    Ok(path)
}

fn script_name(stem: &str) -> String {
    format!("{stem}_rwkv_pip.py")
}

/// A Python literal for `text`, on one line and safe inside a docstring.
fn python_string(text: &str) -> String {
    format!("\"{}\"", text_in_docstring(text))
}

fn text_in_docstring(text: &str) -> String {
    let mut literal = String::new();
    for char in text.chars() {
        match char {
            '"' | '\\' => literal.extend(['\\', char]),
            _ if char.is_control() => literal.push_str(&format!("\\x{:02x}", char as u32)),
            _ => literal.push(char),
        }
    }
    literal
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn awkward_names_stay_inside_their_literal() {
        let script = python_snippet("a\"b\\\n.pth");
        assert!(script.contains(r#"__file__)), "a\"b\\\x0a.pth")"#));
        assert!(script.contains(r#"python a\"b\\\x0a_rwkv_pip.py"#));
        assert!(!script.contains('@'));
    }

    #[test]
    fn the_script_lies_beside_the_state() {
        let folder = tempfile::tempdir().unwrap();
        let path = write_python_snippet(folder.path().join("gsm8k.pth")).unwrap();
        assert_eq!(path, folder.path().join("gsm8k_rwkv_pip.py"));
        let script = std::fs::read_to_string(path).unwrap();
        assert_eq!(script, python_snippet("gsm8k.pth"));
    }
}
