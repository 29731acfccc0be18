//! The `meta.json` of a folder as s0-tuning saves its states: what it says of the
//! tensors in `states.safetensors` beside it.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use serde_json::{Value, json};

use super::metadata::Metadata;
use super::orientation::{Convention, Orientation};
use crate::error::{Error, Result};
use crate::format::json_words;
use crate::model::checkpoint::shown;
use crate::model::{Architecture, LeadingToken};

/// The file with the tensors.
pub(super) const STATES: &str = "states.safetensors";
/// The file that describes them.
pub(super) const META: &str = "meta.json";
/// It is half a page.
const MAX_BYTES: u64 = 1 << 20;

/// What `meta.json` says of a state of `n_layer` layers of `shape`: its dimensions are
/// [head, key, value] in Gated DeltaNet, as s0-tuning has them, and RWKV-7's own order
/// in RWKV-7.
pub(super) fn s0_meta(n_layer: usize, shape: [usize; 3], metadata: &Metadata) -> Value {
    json!({
        "arch": metadata.architecture.key(),
        "recurrent_layers": (0..n_layer).collect::<Vec<_>>(),
        "state_shape": shape,
        "orientation": match orientation_of(metadata.architecture) {
            Orientation::ValueKey => "[head, value, key]",
            Orientation::KeyValue => "[head, key, value]",
        },
        "base_model": metadata.base_model,
        "base_model_sha256": metadata.base_sha256,
        "template": metadata.template,
        "leading_token": metadata.leading_token.map(|token| token.name()),
    })
}

/// How a folder holds the states of an architecture.
pub(super) fn orientation_of(architecture: Architecture) -> Orientation {
    Convention::of_architecture(architecture)
        .map_or(Orientation::ValueKey, |convention| convention.orientation)
}

/// What the `meta.json` beside `states` says, where that is a file of such a folder;
/// none for any other.
///
/// # Errors
/// [`Error::Input`] for a description that is damaged or of another kind of state;
/// [`Error::Io`].
pub(super) fn read_s0_meta(states: &Path) -> Result<Option<(Metadata, Orientation)>> {
    let path = states.with_file_name(META);
    if states.file_name().is_none_or(|name| name != STATES) || !path.is_file() {
        return Ok(None);
    }
    let meta = read(&path)?;
    let text = |key: &str| meta.get(key).and_then(Value::as_str);
    let refuse = |key: &str, reason: String| Error::input(&path, key, reason);
    let Some(arch) = text("arch") else {
        let reason = tr!("is missing; it says what kind of model the state is for");
        return Err(refuse("arch", reason.into()));
    };
    let Some(architecture) = Architecture::by_key(arch) else {
        let reason = tr!(
            "is \"{}\"; Gosling reads states of rwkv7 and gated_deltanet",
            shown(arch)
        );
        return Err(refuse("arch", reason));
    };
    let orientation = match text("orientation") {
        None => orientation_of(architecture),
        Some(said) => Orientation::by_name(said).ok_or_else(|| {
            let reason = tr!("\"{}\" is not known", shown(said));
            refuse(tr!("orientation"), reason)
        })?,
    };
    let template = meta.get("template").cloned();
    let metadata = Metadata {
        architecture,
        base_model: text("base_model").map(str::to_owned),
        base_sha256: text("base_model_sha256").map(str::to_owned),
        leading_token: text("leading_token").and_then(LeadingToken::named),
        template: template.and_then(|template| serde_json::from_value(template).ok()),
        ..Metadata::default()
    };
    Ok(Some((metadata, orientation)))
}

fn read(path: &Path) -> Result<Value> {
    let fail = |source| Error::io("read", path, source);
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(fail)?;
    file.take(MAX_BYTES).read_to_end(&mut bytes).map_err(fail)?;
    serde_json::from_slice(&bytes).map_err(|error| {
        let reason = tr!("{}; save the states again", shown(&json_words(&error)));
        Error::input(path, tr!("line {}", error.line()), reason)
    })
}
