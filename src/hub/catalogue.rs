//! The published RWKV-7 checkpoints, the newest of each size.

use crate::error::{Error, Result};
use crate::model::ModelConfig;
use crate::model::random::{SHAPE_0_1B, SHAPE_0_4B};

/// The licence of all of them.
pub const LICENCE: &str = "Apache-2.0";
/// Where their makers publish them and say what they are.
pub const PAGE: &str = "https://huggingface.co/BlinkDL/rwkv7-g1";
/// The repository of all of them.
const REPOSITORY: &str = "BlinkDL/rwkv7-g1";

/// A published model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Published {
    /// What it is called here: its size.
    pub name: &'static str,
    /// Its file.
    pub file: &'static str,
    /// Its dimensions.
    pub shape: ModelConfig,
    /// Tokens of the texts it was trained on; no limit of the model.
    pub context: usize,
    /// Bytes of the file, where they were published.
    pub bytes: Option<u64>,
    /// Its SHA-256, where that was published; else the server is asked.
    pub sha256: Option<&'static str>,
}

const fn shape(n_layer: usize, n_embd: usize, ranks: [usize; 4]) -> ModelConfig {
    let [decay_rank, iclr_rank, value_rank, gate_rank] = ranks;
    ModelConfig {
        architecture: crate::model::Architecture::Rwkv7,
        n_layer,
        n_embd,
        n_head: n_embd / 64,
        head_size: 64,
        keys: None,
        end_of_document: 0,
        vocab_size: 65_536,
        n_ffn: 4 * n_embd,
        decay_rank,
        iclr_rank,
        value_rank,
        gate_rank,
    }
}

/// Every size. Sizes and checksums are those that projects which convert the files
/// have written down after their own checks; those of the others are not known here.
/// Dimensions agree with the sizes of the files to within their tables of contents.
pub const PUBLISHED: [Published; 6] = [
    Published {
        name: "0.1b",
        file: "rwkv7-g1d-0.1b-20260129-ctx8192.pth",
        shape: SHAPE_0_1B,
        context: 8192,
        bytes: None,
        sha256: None,
    },
    Published {
        name: "0.4b",
        file: "rwkv7-g1d-0.4b-20260210-ctx8192.pth",
        shape: SHAPE_0_4B,
        context: 8192,
        bytes: Some(901_776_749),
        sha256: Some("947cb9b8013224e06b112b72204256bec65096cc935a7767ce63d8e3ddef83bb"),
    },
    Published {
        name: "1.5b",
        file: "rwkv7-g1k-1.5b-20260930-ctx25600.pth",
        shape: shape(24, 2048, [96, 96, 64, 256]),
        context: 25_600,
        bytes: None,
        sha256: Some("dfc1fc450641d5e00c5f412b5530a17b2a734ac02bde04d98c57608f5daaf773"),
    },
    Published {
        name: "2.9b",
        file: "rwkv7-g1k-2.9b-20260930-ctx25600.pth",
        shape: shape(32, 2560, [96, 96, 64, 320]),
        context: 25_600,
        bytes: None,
        sha256: None,
    },
    Published {
        name: "7.2b",
        file: "rwkv7-g1k-7.2b-20260930-ctx25600.pth",
        shape: shape(32, 4096, [128, 128, 96, 480]),
        context: 25_600,
        bytes: None,
        sha256: None,
    },
    Published {
        name: "13.3b",
        file: "rwkv7-g1k-13.3b-20260930-ctx25600.pth",
        shape: shape(61, 4096, [192, 192, 128, 384]),
        context: 25_600,
        bytes: Some(26_540_868_485),
        sha256: Some("31799b3f8207e74c1b47f359184ac1c658c927ff697971447f7bf0fd18ae393f"),
    },
];

impl Published {
    /// Bytes of the file; two for every number where it was not published.
    pub fn about_bytes(&self) -> u64 {
        self.bytes.unwrap_or(2 * self.shape.n_params() as u64)
    }

    /// What a download of it asks for.
    pub fn wanted(&self) -> HubFile {
        HubFile {
            repository: REPOSITORY.into(),
            file: self.file.into(),
            bytes: self.bytes,
            sha256: self.sha256.map(str::to_owned),
        }
    }
}

/// A file of the hub, and what is known of it before the server is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HubFile {
    /// Owner and name.
    pub repository: String,
    /// The file's path in it.
    pub file: String,
    /// Its bytes.
    pub bytes: Option<u64>,
    /// Its SHA-256, in lower case.
    pub sha256: Option<String>,
}

impl HubFile {
    /// A published model by its name or its file, or any file of the hub as
    /// `OWNER/REPOSITORY/FILE`. Of a file that is named in full nothing is expected but
    /// what the server says.
    ///
    /// # Errors
    /// [`Error::Spec`] with the names that there are.
    pub fn named(name: &str) -> Result<Self> {
        let is_it = |of: &&Published| of.name.eq_ignore_ascii_case(name) || of.file == name;
        if let Some(published) = PUBLISHED.iter().find(is_it) {
            return Ok(published.wanted());
        }
        let parts: Vec<&str> = name.split('/').collect();
        let (repository, file) = match parts.as_slice() {
            [file] if file.starts_with("rwkv7-") && file.ends_with(".pth") => {
                (REPOSITORY.to_owned(), (*file).to_owned())
            }
            [owner, repository, file @ ..] if !file.is_empty() => {
                (format!("{owner}/{repository}"), file.join("/"))
            }
            _ => {
                let names = PUBLISHED.map(|of| of.name).join(", ");
                let reason = tr!(
                    "\"{name}\" is unknown; choose {names}, or name a file of the hub as OWNER/REPOSITORY/FILE",
                    name,
                    names
                );
                return Err(Error::spec("NAME", reason));
            }
        };
        let is_plain = |part: &&str| {
            let is_allowed = |c: char| c.is_ascii_alphanumeric() || "._-+".contains(c);
            !part.is_empty() && !part.starts_with('.') && part.chars().all(is_allowed)
        };
        if !parts.iter().all(is_plain) {
            let reason = tr!("\"{name}\" is not a file of the hub", name);
            return Err(Error::spec("NAME", reason));
        }
        Ok(Self {
            repository,
            file,
            bytes: None,
            sha256: None,
        })
    }

    /// The name that the file gets on this machine.
    pub fn local_name(&self) -> &str {
        self.file.rsplit('/').next().unwrap_or(&self.file)
    }

    /// The page that the user looks at.
    pub fn page(&self) -> String {
        format!("https://huggingface.co/{}", self.repository)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_that_were_published_are_those_of_the_dimensions() {
        // A table of contents and alignment for every tensor, and nothing else.
        for of in &PUBLISHED {
            let Some(bytes) = of.bytes else { continue };
            let beside = bytes - 2 * of.shape.n_params() as u64;
            let a_tensor = beside / of.shape.expected_tensors().len() as u64;
            assert!((100..200).contains(&a_tensor), "{}: {beside}", of.name);
        }
        // The other sizes, from files of an older version of the same models.
        for (name, bytes) in [
            ("1.5b", 3_055_444_605),
            ("2.9b", 5_896_273_469),
            ("7.2b", 14_400_007_869),
        ] {
            let of = PUBLISHED.iter().find(|of| of.name == name).unwrap();
            let beside: u64 = bytes - of.about_bytes();
            assert!(beside < 200_000, "{name}: {beside}");
        }
    }

    #[test]
    fn checksums_are_written_as_they_are_compared() {
        for sha256 in PUBLISHED.iter().filter_map(|of| of.sha256) {
            let is_digit = |c: char| c.is_ascii_digit() || ('a'..='f').contains(&c);
            assert!(
                sha256.len() == 64 && sha256.chars().all(is_digit),
                "{sha256}"
            );
        }
    }

    #[test]
    fn models_are_found_by_their_names() {
        let wanted = HubFile::named("13.3B").unwrap();
        assert_eq!(wanted.bytes, Some(26_540_868_485));
        assert_eq!(HubFile::named(&wanted.file).unwrap(), wanted);
        let other = HubFile::named("rwkv7-g1h-1.5b-20260710-ctx10240.pth").unwrap();
        assert_eq!(
            (other.repository.as_str(), other.sha256),
            (REPOSITORY, None)
        );
        let full = HubFile::named("someone/models/a/b.gguf").unwrap();
        assert_eq!(full.repository, "someone/models");
        assert_eq!(
            (full.file.as_str(), full.local_name()),
            ("a/b.gguf", "b.gguf")
        );
        for wrong in [
            "",
            "5b",
            "someone/models",
            "someone/models/../x",
            "someone//x",
            "a/b/c d",
            "a/b/.x",
            "rwkv7-x\\..\\y.pth",
        ] {
            assert!(HubFile::named(wrong).is_err(), "{wrong}");
        }
    }
}
