//! What a state says about where it came from and how it is used.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::data::PromptFormat;
use crate::error::{Error, Result};
use crate::format::json_words;
use crate::model::checkpoint::shown;
use crate::model::tokenizer::{MINI_FINGERPRINT, Tokenizer, WORLD_FINGERPRINT};
use crate::model::{Architecture, LeadingToken, TextStart};

/// What a state says about where it came from. All absent for states of other
/// programs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Metadata {
    /// What kind of model it is for. Files do not say it of RWKV-7.
    pub architecture: Architecture,
    /// [`crate::model::checkpoint::Checkpoint::fingerprint`] of the model that it
    /// was tuned for.
    pub base_fingerprint: Option<String>,
    /// The file name of that model.
    pub base_model: Option<String>,
    /// The SHA-256 of that file, where it was there when the state was written.
    pub base_sha256: Option<String>,
    /// The vocabulary that it was tuned with.
    pub vocabulary: Option<VocabularyMark>,
    /// Where that vocabulary lies, for states that are to be exported. It is
    /// written into no file.
    pub vocabulary_file: Option<PathBuf>,
    /// What stood around prompts.
    pub template: Option<PromptFormat>,
    /// What stood in front of texts.
    pub leading_token: Option<LeadingToken>,
    /// What was trained: the name of [`crate::tuning::spec::Method`]'s variant.
    pub method: Option<String>,
    /// The hash of the training and validation examples.
    pub data_fingerprint: Option<String>,
    /// The specification of the run, as RON.
    pub spec_ron: Option<String>,
    /// The figures of the run, as JSON.
    pub metrics_json: Option<String>,
    /// The version of Gosling that wrote the file. Writers put their own.
    pub gosling_version: Option<String>,
}

/// Which vocabulary it was.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct VocabularyMark {
    /// `mini`, `World`, or the name of its file.
    pub name: String,
    /// [`Tokenizer::fingerprint`].
    pub sha256: String,
}

/// Keys of the metadata of a `.safetensors` state.
mod keys {
    pub(super) const ARCHITECTURE: &str = "architecture";
    pub(super) const FINGERPRINT: &str = "base_model_fingerprint";
    pub(super) const BASE: &str = "base_model_file";
    pub(super) const BASE_HASH: &str = "base_model_sha256";
    pub(super) const VOCABULARY: &str = "vocabulary_name";
    pub(super) const VOCABULARY_HASH: &str = "vocabulary_sha256";
    pub(super) const TEMPLATE: &str = "template_json";
    pub(super) const LEADING_TOKEN: &str = "leading_token";
    pub(super) const METHOD: &str = "method";
    pub(super) const DATA_HASH: &str = "data_sha256";
    pub(super) const SPEC: &str = "spec_ron";
    pub(super) const METRICS: &str = "metrics_json";
    pub(super) const VERSION: &str = "gosling_version";
}

impl Metadata {
    /// Keys and values as they stand in a `.safetensors`, with this program's
    /// version.
    pub(in crate::tuning) fn to_text(&self) -> HashMap<String, String> {
        let vocabulary = self.vocabulary.as_ref();
        let template = self.template.as_ref();
        let architecture = self.architecture;
        let is_other = architecture != Architecture::Rwkv7;
        let fields = [
            (
                keys::ARCHITECTURE,
                is_other.then(|| architecture.key().to_owned()),
            ),
            (keys::FINGERPRINT, self.base_fingerprint.clone()),
            (keys::BASE, self.base_model.clone()),
            (keys::BASE_HASH, self.base_sha256.clone()),
            (keys::VOCABULARY, vocabulary.map(|of| of.name.clone())),
            (
                keys::VOCABULARY_HASH,
                vocabulary.map(|of| of.sha256.clone()),
            ),
            (
                keys::TEMPLATE,
                template.and_then(|of| serde_json::to_string(of).ok()),
            ),
            (
                keys::LEADING_TOKEN,
                self.leading_token.map(|of| of.name().to_owned()),
            ),
            (keys::METHOD, self.method.clone()),
            (keys::DATA_HASH, self.data_fingerprint.clone()),
            (keys::SPEC, self.spec_ron.clone()),
            (keys::METRICS, self.metrics_json.clone()),
            (keys::VERSION, Some(env!("CARGO_PKG_VERSION").to_owned())),
        ];
        let said = fields.into_iter();
        said.filter_map(|(key, value)| Some((key.to_owned(), value?)))
            .collect()
    }

    /// The metadata in `text` of `file`.
    ///
    /// # Errors
    /// [`Error::Input`] for a value that decides how the state is used and is not
    /// known.
    pub(in crate::tuning) fn from_text(
        file: &Path,
        text: &BTreeMap<String, String>,
    ) -> Result<Self> {
        let value = |key: &str| text.get(key).cloned();
        let leading_token = match value(keys::LEADING_TOKEN) {
            None => None,
            Some(name) => Some(LeadingToken::named(&name).ok_or_else(|| {
                let reason = tr!(
                    "\"{}\" is not known; a newer Gosling wrote it",
                    shown(&name)
                );
                Error::input(file, keys::LEADING_TOKEN, reason)
            })?),
        };
        let architecture = match value(keys::ARCHITECTURE) {
            None => Architecture::Rwkv7,
            Some(key) => Architecture::by_key(&key).ok_or_else(|| {
                let reason = tr!("\"{}\" is not known; a newer Gosling wrote it", shown(&key));
                Error::input(file, keys::ARCHITECTURE, reason)
            })?,
        };
        let template = match value(keys::TEMPLATE) {
            None => None,
            Some(json) => Some(
                serde_json::from_str(&json)
                    .map_err(|error| Error::input(file, keys::TEMPLATE, json_words(&error)))?,
            ),
        };
        let vocabulary = match (value(keys::VOCABULARY), value(keys::VOCABULARY_HASH)) {
            (Some(name), Some(sha256)) => Some(VocabularyMark { name, sha256 }),
            (_, None) | (None, _) => None,
        };
        Ok(Self {
            architecture,
            base_fingerprint: value(keys::FINGERPRINT),
            base_model: value(keys::BASE),
            base_sha256: value(keys::BASE_HASH),
            vocabulary,
            vocabulary_file: None,
            template,
            leading_token,
            method: value(keys::METHOD),
            data_fingerprint: value(keys::DATA_HASH),
            spec_ron: value(keys::SPEC),
            metrics_json: value(keys::METRICS),
            gosling_version: value(keys::VERSION),
        })
    }

    /// What stood in front of texts in training: what the state says, else token 0
    /// for one of Gosling, whose versions that did not say put it there, else nothing,
    /// as other trainers have it.
    pub fn trained_behind(&self) -> LeadingToken {
        match (self.leading_token, &self.gosling_version) {
            (Some(said), _) => said,
            (None, Some(_)) => LeadingToken::Zero,
            (None, None) => LeadingToken::None,
        }
    }

    /// Whether that is known: the state says it, or is of a version of Gosling that
    /// had one form only.
    pub fn says_trained_behind(&self) -> bool {
        self.leading_token.is_some() || self.gosling_version.is_some()
    }

    /// What texts begin with when the state is used.
    pub fn text_start(&self) -> TextStart {
        self.trained_behind().in_use()
    }

    /// The vocabulary that the state was tuned with: one that ships with the
    /// program, or the file beside `state`; none where the state does not say which.
    ///
    /// # Errors
    /// [`Error::Input`] on `state` where it lies nowhere.
    pub fn tokenizer(&self, state: &Path) -> Result<Option<Tokenizer>> {
        let Some(mark) = &self.vocabulary else {
            return Ok(None);
        };
        match mark.sha256.as_str() {
            MINI_FINGERPRINT => return Tokenizer::mini().map(Some),
            WORLD_FINGERPRINT => return Tokenizer::world().map(Some),
            _ => {}
        }
        match mark.beside(state) {
            Some((_, tokenizer)) => Ok(Some(tokenizer)),
            None => {
                let reason = tr!(
                    "the state was tuned with {mark}, which is not next to it; name the file \
                     with --vocabulary",
                    mark
                );
                Err(Error::input(state, tr!("vocabulary"), reason))
            }
        }
    }
}

impl VocabularyMark {
    /// Of a vocabulary that the user calls `name`.
    pub fn new(name: String, tokenizer: &Tokenizer) -> Self {
        Self {
            name,
            sha256: tokenizer.fingerprint(),
        }
    }

    /// Where the vocabulary lies beside a state: as a run keeps it or as an export
    /// has it.
    pub fn beside(&self, state: &Path) -> Option<(PathBuf, Tokenizer)> {
        let of_run = state.with_file_name(VOCABULARY_FILE);
        let candidates = [of_run, exported_vocabulary(state)].into_iter();
        candidates
            .filter(|path| path.is_file())
            .filter_map(|path| Some((path.clone(), Tokenizer::from_file(&path).ok()?)))
            .find(|(_, tokenizer)| tokenizer.fingerprint() == self.sha256)
    }
}

impl std::fmt::Display for VocabularyMark {
    /// `the vocabulary v.txt (sha256 0123456789ab…)`.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let start: String = self.sha256.chars().take(12).collect();
        write!(
            f,
            "{}",
            tr!(
                "the vocabulary {} (sha256 {}…)",
                shown(&self.name),
                shown(&start)
            )
        )
    }
}

/// The file of a run's folder that holds its vocabulary, unless it is World's.
pub const VOCABULARY_FILE: &str = "vocabulary.txt";

/// Where the vocabulary of an exported state goes.
pub fn exported_vocabulary(state: &Path) -> PathBuf {
    let stem = state.file_stem().unwrap_or_default().to_string_lossy();
    state.with_file_name(format!("{stem}_vocab.txt"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_vocabulary_of_its_own_is_found_beside_the_state_by_its_hash() {
        let folder = tempfile::tempdir().unwrap();
        let state = folder.path().join("a.pth");
        let text = Tokenizer::mini().unwrap().to_text();
        let line = text.lines().last().unwrap();
        let own = text.replace(line, "");
        let tokenizer = Tokenizer::from_bytes("own.txt", own.as_bytes()).unwrap();
        let metadata = Metadata {
            vocabulary: Some(VocabularyMark::new("own.txt".into(), &tokenizer)),
            ..Metadata::default()
        };
        let found = || metadata.tokenizer(&state);
        let message = found().unwrap_err().to_string();
        assert!(
            message.contains("tuned with the vocabulary own.txt (sha256 "),
            "{message}"
        );
        // Another one, and then the right one, under either name.
        std::fs::write(folder.path().join(VOCABULARY_FILE), &text).unwrap();
        assert!(found().is_err());
        std::fs::write(folder.path().join("a_vocab.txt"), &own).unwrap();
        assert_eq!(
            found().unwrap().unwrap().fingerprint(),
            tokenizer.fingerprint()
        );
        std::fs::remove_file(folder.path().join("a_vocab.txt")).unwrap();
        std::fs::write(folder.path().join(VOCABULARY_FILE), &own).unwrap();
        assert_eq!(
            found().unwrap().unwrap().fingerprint(),
            tokenizer.fingerprint()
        );
    }

    #[test]
    fn a_form_that_is_not_known_is_refused_and_none_is_that_of_older_versions() {
        let read = |name: &str| {
            let text = BTreeMap::from([(keys::LEADING_TOKEN.to_owned(), name.to_owned())]);
            Metadata::from_text(Path::new("a.st"), &text)
        };
        for (name, start) in [
            ("Zero", TextStart::Zero),
            ("None", TextStart::None),
            ("Both", TextStart::None),
        ] {
            assert_eq!(read(name).unwrap().text_start(), start);
        }
        assert_eq!(
            read("Two\n").unwrap_err().to_string(),
            "a.st: leading_token: \"Two\\n\" is not known; a newer Gosling wrote it"
        );
        assert_eq!(Metadata::default().text_start(), TextStart::None);
        // Of a version that had no such key.
        let text = BTreeMap::from([(keys::VERSION.to_owned(), "0.1.0".to_owned())]);
        let older = Metadata::from_text(Path::new("a.st"), &text).unwrap();
        assert_eq!(older.text_start(), TextStart::Zero);
    }
}
