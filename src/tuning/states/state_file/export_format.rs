//! One door to the writers: a format by name, its file names, and a file
//! that is there already.

use std::path::{Path, PathBuf};
use std::str::FromStr;

use super::sidecar::write_sidecar;
use super::{
    ExportReport, Metadata, Orientation, PthDType, TunedState, write_pth, write_python_snippet,
    write_raw, write_rmpack, write_s0_folder, write_safetensors, write_st, write_vllm,
};
use crate::error::{Error, Result};
use crate::format::shown;
use crate::model::Architecture;

/// What a state is exported as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExportFormat {
    /// For RWKV-Runner and the `rwkv` package.
    Pth(PthDType),
    /// For Ai00 and web-rwkv.
    St,
    /// Gosling's own.
    Safetensors,
    /// For rwkv.cpp.
    Raw,
    /// For rwkv-mobile and the RWKV app.
    Rmpack,
    /// For vLLM: a bf16 `.pth` and the manifest that names it.
    Vllm,
    /// A folder as s0-tuning saves its states.
    S0Folder,
}

/// Why there is no export for llama.cpp, and what works in its place.
pub const NO_LLAMA_CPP: &str = mark!(
    "There is no export for llama.cpp: it saves and restores no state of \
    recurrent models (ggml-org/llama.cpp issues 25913 and 28194), so a state would be ignored. \
    For GGUF models use the .rmpack with the RWKV app; else RWKV-Runner, rwkv_lightning, Ai00 or vLLM."
);

/// What a user should know who exports a state whose token shifts are tuned too.
pub const SHIFTS_NOTE: &str = mark!(
    "the token shifts are tuned too: Gosling, the script beside the \
    .pth and rwkv.cpp (.bin) use them; RWKV-Runner refuses the .pth with them, and the formats of Ai00, the RWKV app, vLLM and s0-tuning cannot hold them"
);

/// What was written beside a state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Companion {
    /// The script that loads it with the `rwkv` package.
    Script(PathBuf),
    /// The manifest for vLLM, and its SHA-256.
    Manifest(PathBuf, String),
}

impl Companion {
    /// A sentence for the user, without its end.
    pub fn words(&self) -> String {
        match self {
            Self::Script(path) => tr!("{}, which loads it with the rwkv package", shown(path)),
            Self::Manifest(path, sha256) => tr!(
                "{}; start vLLM with VLLM_RWKV7_STATE_PROFILE_MANIFEST={} and \
                 VLLM_RWKV7_STATE_PROFILE_MANIFEST_SHA256={sha256}",
                shown(path),
                shown(path),
                sha256
            ),
        }
    }
}

impl ExportFormat {
    /// The endings by which programs know the format, the usual one first.
    fn endings(self) -> &'static [&'static str] {
        match self {
            Self::Pth(_) => &["pth", "pt"],
            Self::St => &["st", "state"],
            Self::Safetensors => &["safetensors"],
            Self::Raw => &["bin"],
            Self::Rmpack => &["rmpack"],
            Self::Vllm => &["pth"],
            Self::S0Folder => &[],
        }
    }
}

impl FromStr for ExportFormat {
    type Err = Error;

    /// # Errors
    /// [`Error::Spec`] with what is allowed.
    fn from_str(text: &str) -> Result<Self> {
        match text {
            "pth" => Ok(Self::Pth(PthDType::F32)),
            "st" => Ok(Self::St),
            "safetensors" => Ok(Self::Safetensors),
            "bin" => Ok(Self::Raw),
            "rmpack" => Ok(Self::Rmpack),
            "vllm" => Ok(Self::Vllm),
            "s0" => Ok(Self::S0Folder),
            "gguf" | "llama.cpp" | "llamacpp" => Err(Error::spec("format", NO_LLAMA_CPP)),
            other => {
                let reason = tr!(
                    "`{other}` is unknown; choose pth, st, bin, safetensors, rmpack, vllm or s0",
                    other
                );
                Err(Error::spec("format", reason))
            }
        }
    }
}

/// Writes `state` in one of the formats, reads it back and compares. Formats without
/// room for `metadata` get a `.json` with it beside them, and a `.pth` its Python
/// script or its manifest, which is given too. A file that is there stays unless `overwrite`
/// is set.
///
/// # Errors
/// As the writers, and [`Error::Input`] for a file that exists or whose ending
/// other programs take for another format, and for a format that no program of the
/// state's architecture reads.
pub fn export(
    state: &TunedState,
    metadata: &Metadata,
    format: ExportFormat,
    path: impl AsRef<Path>,
    overwrite: bool,
) -> Result<(ExportReport, Option<Companion>)> {
    let path = path.as_ref();
    check_ending(path, format)?;
    check_architecture(metadata.architecture, format, path)?;
    if path.exists() && !overwrite {
        let reason = tr!("exists already; choose another name or overwrite it (--force)");
        return Err(Error::input(path, tr!("file"), reason));
    }
    match format {
        ExportFormat::Pth(dtype) => {
            let report = write_pth(state, path, dtype)?;
            let script = write_companions(path, metadata)?;
            Ok((report, Some(Companion::Script(script))))
        }
        ExportFormat::St => {
            let report = write_st(state, path)?;
            write_sidecar(path, metadata, Orientation::KeyValue)?;
            Ok((report, None))
        }
        ExportFormat::Safetensors => Ok((write_safetensors(state, path, metadata)?, None)),
        ExportFormat::Raw => {
            let report = write_raw(state, path)?;
            write_sidecar(path, metadata, Orientation::ValueKey)?;
            Ok((report, None))
        }
        ExportFormat::Rmpack => {
            let report = write_rmpack(state, path)?;
            write_sidecar(path, metadata, Orientation::ValueKey)?;
            Ok((report, None))
        }
        ExportFormat::Vllm => {
            let (report, manifest, sha256) = write_vllm(state, path, metadata)?;
            write_sidecar(path, metadata, Orientation::ValueKey)?;
            Ok((report, Some(Companion::Manifest(manifest, sha256))))
        }
        ExportFormat::S0Folder => Ok((write_s0_folder(state, path, metadata)?, None)),
    }
}

/// Writes what belongs beside a `.pth`: its description, and the script that loads
/// it with the vocabulary that the script reads. The script's path.
///
/// # Errors
/// [`Error::Io`] where one of them cannot be written, [`Error::Input`] for a path
/// without a file name.
pub fn write_companions(pth: impl AsRef<Path>, metadata: &Metadata) -> Result<PathBuf> {
    let pth = pth.as_ref();
    write_sidecar(pth, metadata, Orientation::ValueKey)?;
    write_python_snippet(pth, metadata)
}

/// Whether programs that run the model of a state read the format.
fn check_architecture(architecture: Architecture, format: ExportFormat, path: &Path) -> Result<()> {
    let is_for_all = matches!(format, ExportFormat::Safetensors | ExportFormat::S0Folder);
    if architecture == Architecture::Rwkv7 || is_for_all {
        return Ok(());
    }
    let reason = tr!(
        "is for programs that run RWKV-7, and the state is of {}; export it as \
         safetensors or s0",
        architecture.name()
    );
    Err(Error::input(path, tr!("format"), reason))
}

fn check_ending(path: &Path, format: ExportFormat) -> Result<()> {
    let ending = path.extension().unwrap_or_default().to_string_lossy();
    let ending = ending.to_ascii_lowercase();
    let Some(usual) = format.endings().first() else {
        return Ok(());
    };
    if format.endings().contains(&ending.as_str()) {
        return Ok(());
    }
    let reason = tr!(
        "must end in .{usual}, by which programs know how to read it",
        usual
    );
    Err(Error::input(path, tr!("name"), reason))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::checkpoint::Checkpoint;
    use crate::tuning::states::state_file::read_state;

    fn state() -> TunedState {
        TunedState {
            n_layer: 2,
            n_head: 1,
            head_size: 2,
            key_size: 2,
            layers: vec![vec![0.5, -1.0, 2.0, 0.25], vec![0.0, 3.0, -4.0, 1.0]],
            shifts: None,
        }
    }

    fn check(format: &str, name: &str) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(name);
        let format: ExportFormat = format.parse().unwrap();
        let metadata = Metadata::default();
        let (report, script) = export(&state(), &metadata, format, &path, false).unwrap();
        assert_eq!(report.path, path);
        let has_script = matches!(script, Some(Companion::Script(_)));
        assert_eq!(has_script, matches!(format, ExportFormat::Pth(_)));
        assert_eq!(read_state(&path, None).unwrap().0, state(), "{name}");
        let message = export(&state(), &metadata, format, &path, false)
            .unwrap_err()
            .to_string();
        assert!(message.contains(": file: exists already"), "{message}");
        export(&state(), &metadata, format, &path, true).unwrap();
    }

    #[test]
    fn every_format_reads_back_and_is_not_overwritten() {
        check("pth", "a.pth");
        check("st", "a.st");
        check("st", "a.state");
        check("safetensors", "a.safetensors");
        check("vllm", "a.pth");
    }

    /// By their names in the files of those that train the whole state.
    #[test]
    fn token_shifts_go_where_they_are_taken_and_are_refused_elsewhere() {
        let folder = tempfile::tempdir().unwrap();
        let metadata = Metadata::default();
        // C is 2: of time mixing, then of channel mixing.
        let shifted = TunedState {
            shifts: Some(vec![
                vec![0.5, -0.25, 1.0, 2.0],
                vec![0.0, 4.0, -8.0, 0.125],
            ]),
            ..state()
        };
        for (format, name) in [("pth", "a.pth"), ("safetensors", "a.safetensors")] {
            let path = folder.path().join(name);
            let format: ExportFormat = format.parse().unwrap();
            export(&shifted, &metadata, format, &path, false).unwrap();
            assert_eq!(read_state(&path, None).unwrap().0, shifted, "{name}");
            let file = Checkpoint::open(&path).unwrap();
            assert_eq!(file.names().len(), 6);
            let values = |name: &str| file.tensor(name).unwrap().to_f32();
            assert_eq!(values("blocks.0.att.ts_state"), [0.5, -0.25]);
            assert_eq!(values("blocks.1.ffn.ts_state"), [-8.0, 0.125]);
            assert_eq!(file.tensor("blocks.1.ffn.ts_state").unwrap().shape, [2]);
            let said = file.metadata().get("token_shifts");
            assert_eq!(said.is_some(), name.ends_with("safetensors"));
        }
        let path = folder.path().join("half.pth");
        let half = ExportFormat::Pth(PthDType::BF16);
        export(&shifted, &metadata, half, &path, false).unwrap();
        assert_eq!(read_state(&path, None).unwrap().0, shifted);
        for (format, name) in [
            ("st", "a.st"),
            ("rmpack", "a.rmpack"),
            ("vllm", "v.pth"),
            ("s0", "s0"),
        ] {
            let path = folder.path().join(name);
            let format: ExportFormat = format.parse().unwrap();
            let refused = export(&shifted, &metadata, format, &path, false).unwrap_err();
            let message = refused.to_string();
            assert!(message.contains("token shifts: are tuned too"), "{message}");
            assert!(!path.exists(), "{name}");
            // Those that are zero are no obstacle.
            let zero = TunedState {
                shifts: Some(vec![vec![0.0; 4]; 2]),
                ..state()
            };
            export(&zero, &metadata, format, &path, false).unwrap();
        }
        // As many numbers as there are channels.
        let mut short = shifted;
        short.shifts.as_mut().unwrap()[1].pop();
        let path = folder.path().join("short.pth");
        let format = ExportFormat::Pth(PthDType::F32);
        let refused = export(&short, &metadata, format, &path, false).unwrap_err();
        assert!(
            refused.to_string().contains("token shifts of another size"),
            "{refused}"
        );
    }

    #[test]
    fn other_architectures_go_to_formats_that_somebody_reads() {
        let folder = tempfile::tempdir().unwrap();
        let metadata = Metadata {
            architecture: Architecture::GatedDeltaNet,
            ..Metadata::default()
        };
        for (format, name) in [("pth", "a.pth"), ("st", "a.st"), ("vllm", "b.pth")] {
            let format: ExportFormat = format.parse().unwrap();
            let path = folder.path().join(name);
            let refused = export(&state(), &metadata, format, &path, false);
            let message = refused.unwrap_err().to_string();
            assert!(
                message.contains("the state is of Gated DeltaNet"),
                "{message}"
            );
            assert!(!path.exists());
        }
        for (format, name) in [("safetensors", "a.safetensors"), ("s0", "folder")] {
            let format: ExportFormat = format.parse().unwrap();
            let path = folder.path().join(name);
            export(&state(), &metadata, format, &path, false).unwrap();
            let file = crate::tuning::states::state_file::locate_state(&path).unwrap();
            let (read, said) = read_state(file, None).unwrap();
            assert_eq!(
                (read, said.architecture),
                (state(), Architecture::GatedDeltaNet)
            );
        }
    }

    #[test]
    fn a_name_that_lies_is_refused() {
        for (format, name) in [("pth", "a.st"), ("st", "a.safetensors"), ("st", "a")] {
            let format: ExportFormat = format.parse().unwrap();
            let metadata = Metadata::default();
            let message = export(&state(), &metadata, format, name, false)
                .unwrap_err()
                .to_string();
            assert!(message.contains(": name: must end in ."), "{message}");
        }
        let message = "onnx".parse::<ExportFormat>().unwrap_err().to_string();
        let expected =
            "format: `onnx` is unknown; choose pth, st, bin, safetensors, rmpack, vllm or s0";
        assert_eq!(message, expected);
        for name in ["gguf", "llama.cpp"] {
            let message = name.parse::<ExportFormat>().unwrap_err().to_string();
            assert!(message.contains("no export for llama.cpp"), "{message}");
        }
    }
}
