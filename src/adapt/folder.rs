//! The files of an adaptation. Lines are only ever added, each before what follows
//! from it is used, so that a process that is killed loses nothing but its last
//! line.
//!
//! | file | what |
//! |---|---|
//! | `spec.ron` | what is done |
//! | `results.jsonl` | one line a figure |
//! | `curve.jsonl` | one line a step, and one a score on the way |
//! | `parts.jsonl` | questions that are done, and what came of each |
//! | `guide.jsonl` | texts of a guide |
//! | `midway.safetensors` | states on their way |
//! | `states/*.safetensors`, `state.safetensors` | states to look at, and the one of a set |
//! | `results.csv`, `.md`, `.tex`, `.json`, `.txt` | the table of the figures |

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::cost::Cost;
use super::guide::GuideText;
use super::monitor::Point;
use super::outcome::Outcome;
use super::spec::AdaptSpec;
use super::states::Stop;
use crate::atomic::{sha256_hex, write_atomic};
use crate::error::{Error, Result};
use crate::kernels::device::DeviceChoice;
use crate::persist::json_lines::{add_line, read_lines};
use crate::persist::spec_file::{parse_ron, print_compact, print_ron, read_text};

/// The table of the figures.
pub const TABLE_FILE: &str = "results.csv";

/// What came of a question.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ItemSeen {
    /// The question's id.
    pub id: String,
    /// What the model read.
    #[serde(default)]
    pub prompt: String,
    /// Whether the adapted state is right.
    pub right: bool,
    /// What it answers: the number, or the place of the option.
    #[serde(default)]
    pub answer: Option<String>,
    /// What the base answers.
    #[serde(default)]
    pub before: Option<String>,
    /// Steps that its state took.
    pub steps: usize,
    /// How far the state went.
    pub drift: f32,
    /// Why it stopped, where it did.
    #[serde(default)]
    pub stop: Option<Stop>,
    /// The answers of its group in its last step, as they were written.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub answers: Vec<String>,
    /// The guide's text, as it is taught.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub guide: Option<String>,
    /// What the guide wrote, where that is not what is taught.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub guide_wrote: Option<String>,
    /// The answer that was read out of it: the number, or the place of the option.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub guide_answer: Option<String>,
}

/// A score on the way.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct ScoreSeen {
    /// Steps before it.
    pub step: usize,
    /// Tokens until then, of all questions of the part.
    pub cost: Cost,
    /// Right items of the part.
    pub n_correct: usize,
    /// Items of the part.
    pub n_items: usize,
}

/// Questions that are done.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AdaptedPart {
    /// The place of the first of them.
    pub first: usize,
    /// What adaptation cost.
    pub adapting: Cost,
    /// What answering cost.
    pub answering: Cost,
    /// Wall time.
    pub secs: f64,
    /// The share of items that have an answer.
    pub valid: f64,
    /// Each of them.
    pub items: Vec<ItemSeen>,
    /// What was seen of the steps.
    pub curve: Vec<Point>,
    /// Scores on the way.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub scored: Vec<ScoreSeen>,
}

/// A line of `curve.jsonl`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CurveLine {
    /// The first question of the part.
    pub part: usize,
    /// A step.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub point: Option<Point>,
    /// A score.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub score: Option<ScoreSeen>,
}

/// The folder of an adaptation.
#[derive(Debug, Clone)]
pub struct Folder {
    path: PathBuf,
}

impl Folder {
    /// Opens a new folder for `spec`, or the one of the same that is there.
    ///
    /// # Errors
    /// [`Error::Io`]; [`Error::Input`] where another adaptation is in it.
    pub fn open(path: &Path, spec: &AdaptSpec) -> Result<Self> {
        let folder = Self {
            path: path.to_path_buf(),
        };
        fs::create_dir_all(path).map_err(|source| Error::io("create", path, source))?;
        let file = folder.file("spec.ron");
        if file.is_file() {
            let other: AdaptSpec = parse_ron(&read_text(&file)?, &file)?;
            if fingerprint(&other)? != fingerprint(spec)? {
                let reason = tr!(
                    "belongs to another adaptation; choose another folder, or use the same \
                     specification to continue it"
                );
                return Err(Error::input(&file, tr!("spec"), reason));
            }
        } else {
            let text = format!("// An adaptation of Gosling.\n{}\n", print_ron(spec)?);
            write_atomic(&file, |writer| writer.write_all(text.as_bytes()))?;
        }
        Ok(folder)
    }

    /// A folder to look into.
    pub fn at(path: &Path) -> Self {
        Self {
            path: path.to_path_buf(),
        }
    }

    /// The specification in it.
    ///
    /// # Errors
    /// [`Error::Io`] and [`Error::Input`].
    pub fn spec(&self) -> Result<AdaptSpec> {
        let file = self.file("spec.ron");
        parse_ron(&read_text(&file)?, &file)
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// A file in it.
    pub fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// Whether all is done, baselines included: the table is written last.
    pub fn is_complete(&self) -> bool {
        self.file(TABLE_FILE).is_file()
    }

    /// Where states on their way are.
    pub fn midway(&self) -> PathBuf {
        self.file("midway.safetensors")
    }

    /// The figures so far.
    ///
    /// # Errors
    /// As [`read_lines`].
    pub fn outcomes(&self) -> Result<Vec<Outcome>> {
        read_lines(&self.file("results.jsonl"))
    }

    /// Adds a figure.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn add_outcome(&self, outcome: &Outcome) -> Result<()> {
        add_line(&self.file("results.jsonl"), outcome)
    }

    /// The parts so far.
    ///
    /// # Errors
    /// As [`read_lines`].
    pub fn parts(&self) -> Result<Vec<AdaptedPart>> {
        read_lines(&self.file("parts.jsonl"))
    }

    /// Adds a part.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn add_part(&self, part: &AdaptedPart) -> Result<()> {
        add_line(&self.file("parts.jsonl"), part)
    }

    /// The steps and scores so far; those of a part that was begun anew come twice.
    ///
    /// # Errors
    /// As [`read_lines`].
    pub fn curve(&self) -> Result<Vec<CurveLine>> {
        read_lines(&self.file("curve.jsonl"))
    }

    /// Adds a step or a score.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn add_to_curve(&self, line: &CurveLine) -> Result<()> {
        add_line(&self.file("curve.jsonl"), line)
    }

    /// The guide's texts so far.
    ///
    /// # Errors
    /// As [`read_lines`].
    pub fn guide_texts(&self) -> Result<Vec<GuideText>> {
        read_lines(&self.file("guide.jsonl"))
    }

    /// Adds a text of a guide.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn add_guide_text(&self, text: &GuideText) -> Result<()> {
        add_line(&self.file("guide.jsonl"), text)
    }
}

/// The hash of all that decides the result: not where it is computed.
///
/// # Errors
/// [`Error::Spec`] where a path is not Unicode.
pub fn fingerprint(spec: &AdaptSpec) -> Result<String> {
    let spec = AdaptSpec {
        device: DeviceChoice::default(),
        name: String::new(),
        ..spec.clone()
    };
    Ok(sha256_hex(print_compact(&spec)?.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::adapt::spec::Mode;

    #[test]
    fn a_folder_holds_one_adaptation() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("new/one");
        let spec = AdaptSpec::default();
        Folder::open(&path, &spec).unwrap();
        let elsewhere = AdaptSpec {
            device: DeviceChoice::Cpu,
            ..spec.clone()
        };
        let opened = Folder::open(&path, &elsewhere).unwrap();
        assert_eq!(opened.spec().unwrap(), spec);
        let other = AdaptSpec {
            mode: Mode::Pool,
            ..spec
        };
        let error = Folder::open(&path, &other).unwrap_err().to_string();
        assert!(error.contains("belongs to another adaptation"), "{error}");
    }
}
