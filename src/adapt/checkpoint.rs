//! What an adaptation that was cut off goes on from: a `.safetensors` file.
//!
//! | tensor | shape |
//! |---|---|
//! | `state`, `first_moment`, `second_moment` | flat, [I, L, H, N, N] |

use std::collections::HashMap;
use std::io::Write as _;
use std::path::Path;

use safetensors::{Dtype, SafeTensors, tensor::TensorView};
use serde::{Deserialize, Serialize};

use super::adaptation::Reached;
use super::states::{StateValues, Stop};
use crate::atomic::{sha256_hex, write_atomic};
use crate::error::{Error, Result};

const FORMAT: &str = "gosling-adaptation";
const NAMES: [&str; 3] = ["state", "first_moment", "second_moment"];
/// A header is a curve and a few numbers a state.
const MAX_BYTES: u64 = 16 << 30;

/// Everything beside the tensors.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Header {
    /// Which states these are: the first question of a batch.
    part: usize,
    /// The specification's hash.
    spec: String,
    steps: Vec<usize>,
    stopped: Vec<Option<Stop>>,
    drift: Vec<f32>,
    reached: Reached,
}

/// An adaptation on its way.
#[derive(Debug, Clone, PartialEq)]
pub struct Midway {
    /// Which of its parts.
    pub part: usize,
    /// The hash of what is being done.
    pub spec: String,
    /// The states.
    pub values: StateValues,
    /// How far they have come.
    pub reached: Reached,
}

/// Writes it; a reader sees all of it or the file that was there.
///
/// # Errors
/// [`Error::Io`] if it cannot be written.
pub fn write(path: &Path, midway: &Midway) -> Result<()> {
    let refuse = |reason: String| Error::input(path, tr!("checkpoint"), reason);
    let header = Header {
        part: midway.part,
        spec: midway.spec.clone(),
        steps: midway.values.steps.clone(),
        stopped: midway.values.stopped.clone(),
        drift: midway.values.drift.clone(),
        reached: midway.reached.clone(),
    };
    // RON gives every number back to the last bit; serde_json does not.
    let header = ron::to_string(&header).map_err(|error| refuse(error.to_string()))?;
    let pairs = NAMES.iter().zip(&midway.values.tensors);
    let views = pairs
        .map(|(name, values)| {
            let bytes = bytemuck::cast_slice(values);
            TensorView::new(Dtype::F32, vec![values.len()], bytes).map(|view| (*name, view))
        })
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| refuse(error.to_string()))?;
    let metadata = HashMap::from([
        ("format".to_owned(), FORMAT.to_owned()),
        ("sha256".to_owned(), checksum(&header, &midway.values)),
        ("header".to_owned(), header),
    ]);
    let bytes =
        safetensors::serialize(views, Some(metadata)).map_err(|error| refuse(error.to_string()))?;
    write_atomic(path, |file| file.write_all(&bytes))
}

/// Reads one; none where there is no file.
///
/// # Errors
/// [`Error::Input`] for a file that is damaged or something else.
pub fn read(path: &Path) -> Result<Option<Midway>> {
    if !path.is_file() {
        return Ok(None);
    }
    let refuse = |reason: &str| {
        let reason = tr!("{reason}; remove it to start this part again", reason);
        Error::input(path, tr!("checkpoint"), reason)
    };
    let too_long = || refuse(tr!("is too long for an adaptation"));
    let length = std::fs::metadata(path)
        .map_err(|source| Error::io("open", path, source))?
        .len();
    if length > MAX_BYTES {
        return Err(too_long());
    }
    let bytes = std::fs::read(path).map_err(|source| Error::io("read", path, source))?;
    let (_, metadata) =
        SafeTensors::read_metadata(&bytes).map_err(|_| refuse(tr!("is not a safetensors file")))?;
    let metadata = metadata.metadata().as_ref();
    let said = |key: &str| metadata.and_then(|of| of.get(key));
    if said("format").map(String::as_str) != Some(FORMAT) {
        return Err(refuse(tr!("is not a checkpoint of an adaptation")));
    }
    let header = said("header").ok_or_else(|| refuse(tr!("has no header")))?;
    let file = SafeTensors::deserialize(&bytes).map_err(|_| refuse(tr!("is damaged")))?;
    let tensor = |name: &str| -> Result<Vec<f32>> {
        let view = file
            .tensor(name)
            .map_err(|_| refuse(tr!("lacks a tensor")))?;
        if view.dtype() != Dtype::F32 {
            return Err(refuse(tr!("has numbers of another type")));
        }
        let values = view.data().chunks_exact(4);
        Ok(values
            .map(|of| f32::from_le_bytes([of[0], of[1], of[2], of[3]]))
            .collect())
    };
    let parsed: Header = ron::from_str(header).map_err(|_| refuse(tr!("has another header")))?;
    let values = StateValues {
        tensors: [tensor(NAMES[0])?, tensor(NAMES[1])?, tensor(NAMES[2])?],
        steps: parsed.steps,
        stopped: parsed.stopped,
        drift: parsed.drift,
    };
    if said("sha256") != Some(&checksum(header, &values)) {
        return Err(refuse(tr!("is damaged")));
    }
    Ok(Some(Midway {
        part: parsed.part,
        spec: parsed.spec,
        values,
        reached: parsed.reached,
    }))
}

fn checksum(header: &str, values: &StateValues) -> String {
    let mut bytes = header.as_bytes().to_vec();
    for tensor in &values.tensors {
        bytes.extend(bytemuck::cast_slice::<f32, u8>(tensor));
    }
    sha256_hex(&bytes)
}
