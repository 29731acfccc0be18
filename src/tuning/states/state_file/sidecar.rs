//! A `.json` beside a state whose format has no room for metadata: what it was
//! made from and how it is used. `state.pth` has `state.pth.json`.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::{Metadata, Orientation, VocabularyMark};
use crate::atomic::write_atomic;
use crate::data::PromptFormat;
use crate::error::{Error, Result};
use crate::format::json_words;
use crate::model::{Architecture, LeadingToken, TextStart};

const FORMAT: &str = "gosling-state-description";
/// It is a page of text with a specification in it.
const MAX_BYTES: u64 = 4 << 20;

/// What the file holds; the user and other programs read it too.
#[derive(Debug, Serialize, Deserialize)]
struct Sidecar {
    format: String,
    /// The name of the state's file, and its hash.
    file: String,
    sha256: String,
    gosling_version: Option<String>,
    model: Option<Model>,
    vocabulary: Option<VocabularyMark>,
    template: Option<PromptFormat>,
    leading_token: Option<LeadingToken>,
    /// How to feed it, in words.
    #[serde(default)]
    feed: String,
    /// The last two axes of the tensors in the file.
    orientation: String,
    method: Option<String>,
    data_sha256: Option<String>,
    /// The figures of the tuned model.
    #[serde(default)]
    accuracy: Vec<Figure>,
    metrics: Option<Value>,
    spec_ron: Option<String>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Model {
    file: Option<String>,
    fingerprint: String,
    /// Of the whole file.
    #[serde(default)]
    sha256: Option<String>,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Figure {
    benchmark: String,
    figure: String,
    correct: u64,
    n: u64,
    accuracy: f64,
}

/// Where the description of a file lies.
pub fn sidecar_path(file: &Path) -> PathBuf {
    let mut path = file.as_os_str().to_owned();
    path.push(".json");
    path.into()
}

/// Writes the description of the state in the file `state`, which is there.
///
/// # Errors
/// [`Error::Io`].
pub(in crate::tuning) fn write_sidecar(
    state: &Path,
    metadata: &Metadata,
    orientation: Orientation,
) -> Result<()> {
    let path = sidecar_path(state);
    let metrics = metadata.metrics_json.as_deref();
    let metrics: Option<Value> = metrics.and_then(|json| serde_json::from_str(json).ok());
    let fingerprint = metadata.base_fingerprint.clone();
    let sidecar = Sidecar {
        format: FORMAT.into(),
        file: state
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned(),
        sha256: file_sha256(state)?,
        gosling_version: Some(env!("CARGO_PKG_VERSION").into()),
        model: fingerprint.map(|fingerprint| Model {
            file: metadata.base_model.clone(),
            fingerprint,
            sha256: metadata.base_sha256.clone(),
        }),
        vocabulary: metadata.vocabulary.clone(),
        template: metadata.template.clone(),
        leading_token: metadata.leading_token,
        feed: match metadata.text_start() {
            TextStart::Zero => "token 0, then the text",
            TextStart::None => "the text, without token 0 in front",
        }
        .into(),
        orientation: orientation.name().into(),
        method: metadata.method.clone(),
        data_sha256: metadata.data_fingerprint.clone(),
        accuracy: metrics.as_ref().map(figures).unwrap_or_default(),
        metrics,
        spec_ron: metadata.spec_ron.clone(),
    };
    write_atomic(&path, |file| {
        serde_json::to_writer_pretty(&mut *file, &sidecar)?;
        file.write_all(b"\n")
    })
}

/// The description beside the state in the file `state`, with the order of its
/// axes; none where there is none.
///
/// # Errors
/// [`Error::Input`] for a description of ours that is damaged or is that of
/// another file; [`Error::Io`].
pub(crate) fn read_sidecar(state: &Path) -> Result<Option<(Metadata, Orientation)>> {
    let path = sidecar_path(state);
    if !path.is_file() || !state.is_file() {
        return Ok(None);
    }
    let fail = |source| Error::io("read", &path, source);
    let mut bytes = Vec::new();
    let file = File::open(&path).map_err(fail)?;
    file.take(MAX_BYTES + 1)
        .read_to_end(&mut bytes)
        .map_err(fail)?;
    let Some((sidecar, metadata, orientation)) = parse(&path, &bytes)? else {
        return Ok(None);
    };
    if sidecar.sha256 != file_sha256(state)? {
        let reason = tr!(
            "is not that of {}, which has changed since; remove the description, or \
             export again",
            state.display()
        );
        return Err(Error::input(&path, "sha256", reason));
    }
    Ok(Some((metadata, orientation)))
}

/// The description in `bytes`; none where they are another program's.
fn parse(path: &Path, bytes: &[u8]) -> Result<Option<(Sidecar, Metadata, Orientation)>> {
    let is_ours = bytes.len() as u64 <= MAX_BYTES
        && bytes
            .windows(FORMAT.len())
            .any(|part| part == FORMAT.as_bytes());
    if !is_ours {
        return Ok(None);
    }
    let sidecar: Sidecar = serde_json::from_slice(bytes).map_err(|error| {
        let place = tr!("line {}", error.line());
        Error::input(
            path,
            place,
            tr!(
                "{error}; remove the file, or export again",
                error = json_words(&error)
            ),
        )
    })?;
    let both = [Orientation::ValueKey, Orientation::KeyValue];
    let orientation = both.into_iter().find(|of| of.name() == sidecar.orientation);
    let orientation = orientation.ok_or_else(|| {
        Error::input(
            path,
            tr!("orientation"),
            tr!("is neither value,key nor key,value"),
        )
    })?;
    let metadata = Metadata {
        // Other architectures have no format with a description beside it.
        architecture: Architecture::Rwkv7,
        base_fingerprint: sidecar.model.as_ref().map(|of| of.fingerprint.clone()),
        base_model: sidecar.model.as_ref().and_then(|of| of.file.clone()),
        base_sha256: sidecar.model.as_ref().and_then(|of| of.sha256.clone()),
        vocabulary: sidecar.vocabulary.clone(),
        vocabulary_file: None,
        template: sidecar.template.clone(),
        leading_token: sidecar.leading_token,
        method: sidecar.method.clone(),
        data_fingerprint: sidecar.data_sha256.clone(),
        spec_ron: sidecar.spec_ron.clone(),
        metrics_json: sidecar.metrics.as_ref().map(Value::to_string),
        gosling_version: sidecar.gosling_version.clone(),
    };
    Ok(Some((sidecar, metadata, orientation)))
}

/// Whether the bytes are a description that can be used.
#[cfg(test)]
pub(crate) fn is_description(bytes: &[u8]) -> bool {
    parse(Path::new("a.pth.json"), bytes).is_ok_and(|parsed| parsed.is_some())
}

/// What a run measured of its tuned model.
fn figures(metrics: &Value) -> Vec<Figure> {
    let evaluations = metrics["evaluations"].as_array();
    let tuned = evaluations.into_iter().flatten();
    let tuned = tuned.filter(|of| of[0] == "After");
    tuned
        .flat_map(|of| {
            let scores = of[1]["scores"].as_array();
            scores.into_iter().flatten().filter_map(|score| {
                let (correct, n) = (score["n_correct"].as_u64()?, score["n_items"].as_u64()?);
                Some(Figure {
                    benchmark: of[1]["benchmark"].as_str()?.to_owned(),
                    figure: score["name"].as_str()?.to_owned(),
                    correct,
                    n,
                    accuracy: correct as f64 / n.max(1) as f64,
                })
            })
        })
        .collect()
}

/// The SHA-256 of a file, as hexadecimal digits.
///
/// # Errors
/// [`Error::Io`].
pub fn file_sha256(path: &Path) -> Result<String> {
    let fail = |source| Error::io("read", path, source);
    let mut file = File::open(path).map_err(fail)?;
    let mut hash = Sha256::new();
    std::io::copy(&mut file, &mut hash).map_err(fail)?;
    Ok(format!("{:x}", hash.finalize()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::Template;
    use crate::tuning::states::state_file::{
        PthDType, TunedState, read_state, write_pth, write_st,
    };

    fn state(first: f32) -> TunedState {
        TunedState {
            n_layer: 1,
            n_head: 1,
            head_size: 2,
            key_size: 2,
            layers: vec![vec![first, 1.0, 2.0, 3.0]],
            shifts: None,
        }
    }

    fn metadata() -> Metadata {
        let evaluation = r#"{"benchmark":"arc-mini","few_shot":0,"scores":[{"name":"acc","n_correct":3,"n_items":4}],"left_out":0,"secs":1.0}"#;
        Metadata {
            base_fingerprint: Some("ab12".into()),
            base_model: Some("m.pth".into()),
            base_sha256: Some("0123".into()),
            vocabulary: Some(VocabularyMark {
                name: "v.txt".into(),
                sha256: "cd34".into(),
            }),
            template: Some(Template::UserAssistant.prompt_format().unwrap()),
            leading_token: Some(LeadingToken::Both),
            method: Some("Standard".into()),
            data_fingerprint: Some("ef56".into()),
            spec_ron: Some("(name: \"a\")".into()),
            metrics_json: Some(format!(
                r#"{{"evaluations":[["Before",{evaluation}],["After",{evaluation}]],"step":7}}"#
            )),
            ..Metadata::default()
        }
    }

    #[test]
    fn what_a_state_is_stands_beside_it_and_reads_back_with_it() {
        let folder = tempfile::tempdir().unwrap();
        for (name, orientation) in [
            ("a.pth", Orientation::ValueKey),
            ("a.st", Orientation::KeyValue),
        ] {
            let path = folder.path().join(name);
            match orientation {
                Orientation::ValueKey => write_pth(&state(0.5), &path, PthDType::F32).unwrap(),
                Orientation::KeyValue => write_st(&state(0.5), &path).unwrap(),
            };
            write_sidecar(&path, &metadata(), orientation).unwrap();
            let (read, of_file) = read_state(&path, None).unwrap();
            assert_eq!(read, state(0.5));
            let expected = Metadata {
                gosling_version: Some(env!("CARGO_PKG_VERSION").into()),
                ..metadata()
            };
            // The order of keys in the figures says nothing.
            let figures = |of: &Metadata| -> Value {
                serde_json::from_str(of.metrics_json.as_deref().unwrap()).unwrap()
            };
            assert_eq!(figures(&of_file), figures(&expected));
            let without = |of: Metadata| Metadata {
                metrics_json: None,
                ..of
            };
            assert_eq!(without(of_file), without(expected));
            let text = std::fs::read_to_string(sidecar_path(&path)).unwrap();
            let json: Value = serde_json::from_str(&text).unwrap();
            assert_eq!(json["accuracy"][0]["n"], 4, "{text}");
            assert_eq!(json["accuracy"].as_array().unwrap().len(), 1);
            assert_eq!(json["accuracy"][0]["accuracy"], 0.75);
            assert_eq!(json["feed"], "the text, without token 0 in front");
            // Another state under the same name is told, not taken for this one.
            write_pth(&state(0.25), &path, PthDType::F32).unwrap();
            let message = read_state(&path, None).unwrap_err().to_string();
            let expected = format!("{name}.json: sha256: is not that of ");
            assert!(message.contains(&expected), "{message}");
        }
    }

    #[test]
    fn other_files_of_that_name_are_left_alone_and_damaged_ones_are_told() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.pth");
        write_pth(&state(0.5), &path, PthDType::F32).unwrap();
        for other in ["", "{\"size\": 3}", "no json"] {
            std::fs::write(sidecar_path(&path), other).unwrap();
            assert_eq!(read_state(&path, None).unwrap().1, Metadata::default());
        }
        write_sidecar(&path, &metadata(), Orientation::ValueKey).unwrap();
        let whole = std::fs::read_to_string(sidecar_path(&path)).unwrap();
        std::fs::write(sidecar_path(&path), &whole[..whole.len() / 2]).unwrap();
        let message = read_state(&path, None).unwrap_err().to_string();
        assert!(message.contains("a.pth.json: line "), "{message}");
    }
}
