//! Writers for programs with a container of their own around the state: rwkv-mobile
//! (`.rmpack`), vLLM with RWKV's state profiles, and the folder of s0-tuning.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use half::f16;
use safetensors::tensor::{Dtype, TensorView};
use serde_json::json;

use super::export::{element_range, refuse_shifts};
use super::s0_meta::{META, STATES, orientation_of, s0_meta};
use super::{
    ExportReport, Metadata, Orientation, PthDType, TunedState, check_sound, tensor_name, write_pth,
};
use crate::atomic::{sha256_hex, write_atomic};
use crate::error::{Error, Result};

/// What an `.rmpack` begins with, and what every payload is aligned to
/// (rwkv-mobile `converter/convert_state_to_rmpack.py`).
const RMPACK_MAGIC: &[u8] = b"RWKVMBLE";
const RMPACK_ALIGNMENT: usize = 4096;

/// Writes the `.rmpack` of rwkv-mobile and the RWKV app: f16, one file a layer,
/// [n_head, value, key].
///
/// # Errors
/// As [`write_pth`], and [`Error::Input`] naming the number that f16 cannot hold.
pub fn write_rmpack(state: &TunedState, path: impl AsRef<Path>) -> Result<ExportReport> {
    let path = path.as_ref();
    check_sound(state, path)?;
    refuse_shifts(state, path, tr!("rwkv-mobile and the RWKV app"))?;
    element_range(state, path)?;
    let mut max_abs_rounding = 0.0_f32;
    let mut payloads = Vec::new();
    for layer in &state.layers {
        let mut payload = Vec::with_capacity(layer.len() * 2);
        for value in layer {
            let rounded = f16::from_f32(*value);
            max_abs_rounding = max_abs_rounding.max((value - rounded.to_f32()).abs());
            payload.extend(rounded.to_le_bytes());
        }
        payloads.push(payload);
    }
    let bytes = rmpack(state.n_head * state.head_size, &payloads);
    let bytes = bytes.map_err(|reason| Error::input(path, tr!("state"), reason))?;
    written(path, &bytes, max_abs_rounding)
}

/// The container: magic, the configuration as JSON, the names, sizes and places of
/// the payloads, and the payloads.
fn rmpack(n_embd: usize, payloads: &[Vec<u8>]) -> Result<Vec<u8>, &'static str> {
    let config = json!({ "hidden_size": n_embd }).to_string();
    let names: Vec<String> = (0..payloads.len()).map(tensor_name).collect();
    let header: usize = names.iter().map(|name| 4 + name.len() + 16).sum();
    let header = RMPACK_MAGIC.len() + 4 + config.len() + 4 + header;
    let number = |n: usize| u32::try_from(n).map(u32::to_le_bytes);
    let fail = |_| tr!("has more layers than the format can count");
    let mut bytes = RMPACK_MAGIC.to_vec();
    bytes.extend(number(config.len()).map_err(fail)?);
    bytes.extend(config.as_bytes());
    bytes.extend(number(payloads.len()).map_err(fail)?);
    let mut offset = header.next_multiple_of(RMPACK_ALIGNMENT);
    for (name, payload) in names.iter().zip(payloads) {
        bytes.extend(number(name.len()).map_err(fail)?);
        bytes.extend(name.as_bytes());
        bytes.extend((payload.len() as u64).to_le_bytes());
        bytes.extend((offset as u64).to_le_bytes());
        offset = (offset + payload.len()).next_multiple_of(RMPACK_ALIGNMENT);
    }
    for payload in payloads {
        bytes.resize(bytes.len().next_multiple_of(RMPACK_ALIGNMENT), 0);
        bytes.extend(payload);
    }
    Ok(bytes)
}

/// Writes a bf16 `.pth` and beside it the manifest that vLLM's RWKV-7 takes states
/// from, `NAME.profiles.json` (`vllm.rwkv7-state-profiles.v1`). The manifest and its
/// SHA-256, which the server is told too.
///
/// # Errors
/// As [`write_pth`], and [`Error::Input`] for a state of zeros, which vLLM refuses.
pub fn write_vllm(
    state: &TunedState,
    path: impl AsRef<Path>,
    metadata: &Metadata,
) -> Result<(ExportReport, PathBuf, String)> {
    let path = path.as_ref();
    refuse_shifts(state, path, "vLLM")?;
    if state.layers.iter().flatten().all(|value| *value == 0.0) {
        return Err(Error::input(
            path,
            tr!("state"),
            tr!("is zero everywhere, which vLLM refuses"),
        ));
    }
    let report = write_pth(state, path, PthDType::BF16)?;
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    let base = metadata.base_model.as_deref().map(Path::new);
    let base = base
        .and_then(Path::file_stem)
        .map(|stem| stem.to_string_lossy());
    let pth = std::fs::read(path).map_err(|source| Error::io("read", path, source))?;
    let manifest = json!({
        "schema_version": "vllm.rwkv7-state-profiles.v1",
        "model_artifact": base.unwrap_or("unknown".into()),
        "model_revision": metadata.base_sha256.as_deref().unwrap_or("unknown"),
        "default_profile": "zero",
        "profiles": [{
            "id": profile_name(&stem),
            "format": "rwkv-peft-time-state.v1",
            "path": name,
            "sha256": sha256_hex(&pth),
        }],
    });
    let mut text = serde_json::to_vec_pretty(&manifest)
        .map_err(|error| Error::input(path, tr!("manifest"), error.to_string()))?;
    text.push(b'\n');
    let manifest = path.with_extension("profiles.json");
    write_atomic(&manifest, |file| file.write_all(&text))?;
    Ok((report, manifest, sha256_hex(&text)))
}

/// Letters, digits, points and hyphens, by which a request names a profile.
fn profile_name(stem: &str) -> String {
    let plain = |c: char| {
        if c.is_ascii_alphanumeric() || c == '.' {
            c
        } else {
            '-'
        }
    };
    let name: String = stem.chars().map(plain).collect();
    match name.trim_matches('-') {
        "" | "zero" => "tuned".into(),
        name => name.to_ascii_lowercase(),
    }
}

/// Writes a folder as s0-tuning saves its states: `states.safetensors` with a tensor
/// a layer, named by its number, f32, `meta.json` and `config.json`. Its axes are
/// [n_head, value, key] for RWKV-7 and [n_head, key, value], s0-tuning's own, for Gated
/// DeltaNet, which `meta.json` says.
///
/// # Errors
/// As [`write_pth`]; [`Error::Input`] for a path where a file is.
pub fn write_s0_folder(
    state: &TunedState,
    folder: impl AsRef<Path>,
    metadata: &Metadata,
) -> Result<ExportReport> {
    let folder = folder.as_ref();
    check_sound(state, folder)?;
    refuse_shifts(state, folder, tr!("programs that follow s0-tuning"))?;
    if folder.is_file() {
        return Err(Error::input(
            folder,
            tr!("path"),
            tr!("is a file; name a folder"),
        ));
    }
    std::fs::create_dir_all(folder).map_err(|source| Error::io("create", folder, source))?;
    let refuse =
        |error: safetensors::SafeTensorError| Error::input(folder, STATES, error.to_string());
    let state = &match orientation_of(metadata.architecture) {
        Orientation::ValueKey => state.clone(),
        Orientation::KeyValue => state.transposed(),
    };
    let shape = state.shape();
    let bytes = |layer: &Vec<f32>| layer.iter().flat_map(|x| x.to_le_bytes()).collect();
    let layers: Vec<Vec<u8>> = state.layers.iter().map(bytes).collect();
    let mut views = Vec::new();
    for (idx, layer) in layers.iter().enumerate() {
        let view = TensorView::new(Dtype::F32, shape.into(), layer).map_err(refuse)?;
        views.push((idx.to_string(), view));
    }
    let tensors = safetensors::serialize(views, None).map_err(refuse)?;
    let meta = s0_meta(state.n_layer, shape, metadata);
    // s0-tuning refuses a configuration with other names.
    let config = json!({ "alpha": 1.0 });
    for (name, value) in [(META, meta), ("config.json", config)] {
        let text = format!("{value:#}\n");
        write_atomic(folder.join(name), |file| file.write_all(text.as_bytes()))?;
    }
    let report = written(&folder.join(STATES), &tensors, 0.0)?;
    Ok(ExportReport {
        path: folder.to_path_buf(),
        ..report
    })
}

/// Writes a file, reads it back and compares every byte.
///
/// # Errors
/// [`Error::Io`] when it cannot be written, [`Error::Input`] where it reads back
/// otherwise.
pub(super) fn written(path: &Path, bytes: &[u8], max_abs_rounding: f32) -> Result<ExportReport> {
    write_atomic(path, |file| file.write_all(bytes))?;
    let read = std::fs::read(path).map_err(|source| Error::io("read", path, source))?;
    if read != bytes {
        let reason = tr!("differs from what was written; check the disk");
        return Err(Error::input(path, tr!("read back"), reason));
    }
    Ok(ExportReport {
        path: path.to_path_buf(),
        bytes: bytes.len() as u64,
        max_abs_rounding,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tuning::states::state_file::read_state;

    /// Numbers that f16 holds exactly.
    fn state() -> TunedState {
        let layer = |first: f32| (0..8).map(|i| first + i as f32 * 0.25).collect();
        TunedState {
            n_layer: 2,
            n_head: 2,
            head_size: 2,
            key_size: 2,
            layers: vec![layer(0.5), layer(-3.0)],
            shifts: None,
        }
    }

    /// Reads the container as rwkv-mobile's `runtime.cpp` does.
    #[test]
    fn an_rmpack_has_the_layout_of_rwkv_mobile() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.rmpack");
        let report = write_rmpack(&state(), &path).unwrap();
        assert_eq!(report.max_abs_rounding, 0.0);
        let bytes = std::fs::read(&path).unwrap();
        assert_eq!(&bytes[..8], b"RWKVMBLE");
        let u32_at = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap()) as usize;
        let u64_at = |at: usize| u64::from_le_bytes(bytes[at..at + 8].try_into().unwrap()) as usize;
        let n_config = u32_at(8);
        let config: serde_json::Value = serde_json::from_slice(&bytes[12..12 + n_config]).unwrap();
        assert_eq!(config, json!({ "hidden_size": 4 }));
        let mut at = 12 + n_config;
        assert_eq!(u32_at(at), 2);
        at += 4;
        for layer in 0..2 {
            let n_name = u32_at(at);
            let name = std::str::from_utf8(&bytes[at + 4..at + 4 + n_name]).unwrap();
            assert_eq!(name, format!("blocks.{layer}.att.time_state"));
            at += 4 + n_name;
            let (size, offset) = (u64_at(at), u64_at(at + 8));
            assert_eq!((size, offset), (16, 4096 * (layer + 1)));
            at += 16;
            let numbers = bytes[offset..offset + size].chunks_exact(2);
            let numbers = numbers.map(|two| f16::from_le_bytes([two[0], two[1]]).to_f32());
            assert_eq!(numbers.collect::<Vec<_>>(), state().layers[layer]);
        }
        let mut large = state();
        large.layers[1][3] = 1e6;
        let message = write_rmpack(&large, &path).unwrap_err().to_string();
        assert!(
            message.contains("is 1000000, beyond the 65504"),
            "{message}"
        );
    }

    #[test]
    fn a_manifest_pins_the_state_and_is_pinned_itself() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("My persona.pth");
        let metadata = Metadata {
            base_model: Some("rwkv7-g1k.pth".into()),
            base_sha256: Some("ab".into()),
            ..Metadata::default()
        };
        let (_, manifest, hash) = write_vllm(&state(), &path, &metadata).unwrap();
        assert_eq!(read_state(&path, None).unwrap().0, state());
        let text = std::fs::read(&manifest).unwrap();
        assert_eq!(sha256_hex(&text), hash);
        let read: serde_json::Value = serde_json::from_slice(&text).unwrap();
        assert_eq!(read["schema_version"], "vllm.rwkv7-state-profiles.v1");
        assert_eq!(read["model_artifact"], "rwkv7-g1k");
        let profile = &read["profiles"][0];
        assert_eq!(
            (&profile["id"], &profile["path"]),
            (&json!("my-persona"), &json!("My persona.pth"))
        );
        assert_eq!(
            profile["sha256"],
            json!(sha256_hex(&std::fs::read(&path).unwrap()))
        );
        let mut zero = state();
        zero.layers
            .iter_mut()
            .flatten()
            .for_each(|value| *value = 0.0);
        assert!(write_vllm(&zero, &path, &metadata).is_err());
    }

    #[test]
    fn a_folder_reads_as_one_of_s0_tuning() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("adapter");
        write_s0_folder(&state(), &path, &Metadata::default()).unwrap();
        let bytes = std::fs::read(path.join("states.safetensors")).unwrap();
        let tensors = safetensors::SafeTensors::deserialize(&bytes).unwrap();
        let mut names = tensors.names();
        names.sort_unstable();
        assert_eq!(names, ["0", "1"]);
        let second = tensors.tensor("1").unwrap();
        assert_eq!(
            (second.dtype(), second.shape()),
            (Dtype::F32, &[2, 2, 2][..])
        );
        let first = f32::from_le_bytes(second.data()[..4].try_into().unwrap());
        assert_eq!(first, -3.0);
        let meta = std::fs::read(path.join("meta.json")).unwrap();
        let meta: serde_json::Value = serde_json::from_slice(&meta).unwrap();
        assert_eq!(meta["state_shape"], json!([2, 2, 2]));
        assert_eq!(meta["recurrent_layers"], json!([0, 1]));
        assert!(path.join("config.json").is_file());
        // It is read as it was written.
        let file = crate::tuning::states::state_file::locate_state(&path).unwrap();
        assert_eq!(read_state(file, None).unwrap().0, state());
    }

    /// s0-tuning keeps [head, key, value] of a Gated DeltaNet, and so does the folder.
    #[test]
    fn a_folder_of_a_gated_deltanet_is_key_by_value() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("adapter");
        let metadata = Metadata {
            architecture: crate::model::Architecture::GatedDeltaNet,
            leading_token: Some(crate::model::LeadingToken::Zero),
            ..Metadata::default()
        };
        write_s0_folder(&state(), &path, &metadata).unwrap();
        let meta = std::fs::read(path.join("meta.json")).unwrap();
        let meta: serde_json::Value = serde_json::from_slice(&meta).unwrap();
        assert_eq!(meta["arch"], "gated_deltanet");
        assert_eq!(meta["orientation"], "[head, key, value]");
        let file = path.join("states.safetensors");
        let bytes = std::fs::read(&file).unwrap();
        let tensors = safetensors::SafeTensors::deserialize(&bytes).unwrap();
        let of_layer = tensors.tensor("1").unwrap();
        let numbers = of_layer.data().chunks_exact(4);
        let numbers = numbers.map(|four| f32::from_le_bytes(four.try_into().unwrap()));
        // Layer 1 is -3, -2.75, -2.5, ... in the order [head, value, key].
        let want = [-3.0, -2.5, -2.75, -2.25, -2.0, -1.5, -1.75, -1.25];
        assert_eq!(numbers.collect::<Vec<f32>>(), want);
        let (read, said) = read_state(&file, None).unwrap();
        assert_eq!(read, state());
        assert_eq!(said.architecture, metadata.architecture);
        assert_eq!(said.leading_token, metadata.leading_token);
        // Without a word on the order it is s0-tuning's; another kind is refused.
        let write = |text: &str| std::fs::write(path.join("meta.json"), text).unwrap();
        write(r#"{"arch": "gated_deltanet", "state_shape": [2, 2, 2]}"#);
        assert_eq!(read_state(&file, None).unwrap().0, state());
        write(r#"{"arch": "mamba2"}"#);
        let message = read_state(&file, None).unwrap_err().to_string();
        assert!(message.contains("arch: is \"mamba2\""), "{message}");
    }
}
