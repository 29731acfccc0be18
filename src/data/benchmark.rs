//! Which benchmark, and which part of it.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// A benchmark whose official files can be read and scored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Benchmark {
    /// Grade-school word problems, answered in free text (Cobbe et al. 2021).
    Gsm8k,
    /// ARC-Challenge: science questions with options (Clark et al. 2018).
    Arc,
    /// 57 subjects with four options (Hendrycks et al. 2021).
    Mmlu,
    /// Which of two nouns fills the blank (Sakaguchi et al. 2020).
    WinoGrande,
}

impl Benchmark {
    /// Every benchmark, in the order in which they are listed to the user.
    pub const ALL: [Self; 4] = [Self::Gsm8k, Self::Arc, Self::Mmlu, Self::WinoGrande];

    /// The name used in specifications and on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Gsm8k => "gsm8k",
            Self::Arc => "arc",
            Self::Mmlu => "mmlu",
            Self::WinoGrande => "winogrande",
        }
    }

    /// The name of the mini benchmark in the same format, which is not the
    /// official benchmark and is never shown without its suffix.
    pub fn mini_name(self) -> &'static str {
        match self {
            Self::Gsm8k => "gsm8k-mini",
            Self::Arc => "arc-mini",
            Self::Mmlu => "mmlu-mini",
            Self::WinoGrande => "winogrande-mini",
        }
    }

    /// The split that is scored of official files where `split` is asked for: the
    /// answers to WinoGrande's test split are not public, and
    /// lm-evaluation-harness scores its validation split.
    pub fn scored_split(self, split: Split) -> Split {
        match (self, split) {
            (Self::WinoGrande, Split::Test) => Split::Validation,
            (_, split) => split,
        }
    }

    /// The name that its authors give it.
    pub fn title(self) -> &'static str {
        match self {
            Self::Gsm8k => "GSM8K",
            Self::Arc => "ARC-Challenge",
            Self::Mmlu => "MMLU",
            Self::WinoGrande => "WinoGrande",
        }
    }

    /// Where its official files are published.
    pub(super) fn published_at(self) -> &'static str {
        match self {
            Self::Gsm8k => {
                tr!(
                    "github.com/openai/grade-school-math (grade_school_math/data), and the \
                     Hugging Face data set openai/gsm8k (main)"
                )
            }
            Self::Arc => {
                tr!(
                    "allenai.org/data/arc (ARC-V1-Feb2018-2, ARC-Challenge), and the Hugging \
                     Face data set allenai/ai2_arc (ARC-Challenge)"
                )
            }
            Self::Mmlu => {
                tr!(
                    "github.com/hendrycks/test (data.tar), and the Hugging Face data set \
                     cais/mmlu (all)"
                )
            }
            Self::WinoGrande => {
                tr!(
                    "winogrande.allenai.org (winogrande_1.1), and the Hugging Face data set \
                     allenai/winogrande (winogrande_xl)"
                )
            }
        }
    }

    /// The folders that a Hugging Face data set keeps its `.parquet` files in,
    /// below the one that the user names; that one itself is looked in first.
    pub(super) fn hub_folders(self) -> &'static [&'static str] {
        match self {
            Self::Gsm8k => &["main"],
            Self::Arc => &["ARC-Challenge"],
            Self::Mmlu => &["all"],
            Self::WinoGrande => &[
                "winogrande_xl",
                "winogrande_l",
                "winogrande_m",
                "winogrande_s",
            ],
        }
    }

    /// The names that the file of a split goes by, best first. MMLU has folders
    /// instead, see `mmlu.rs`.
    pub(super) fn file_names(self, split: Split) -> &'static [&'static str] {
        match (self, split) {
            (Self::Arc, Split::Train) => &["train.jsonl", "ARC-Challenge-Train.jsonl"],
            (Self::Arc, Split::Validation) => {
                &["validation.jsonl", "dev.jsonl", "ARC-Challenge-Dev.jsonl"]
            }
            (Self::Arc, Split::Test) => &["test.jsonl", "ARC-Challenge-Test.jsonl"],
            (Self::WinoGrande, Split::Train) => &[
                "train.jsonl",
                "train_xl.jsonl",
                "train_l.jsonl",
                "train_m.jsonl",
                "train_s.jsonl",
                "train_xs.jsonl",
            ],
            (Self::WinoGrande, Split::Validation) => &["validation.jsonl", "dev.jsonl"],
            (Self::Gsm8k | Self::Mmlu, Split::Train) => &["train.jsonl"],
            (Self::Gsm8k | Self::Mmlu, Split::Validation) => &["validation.jsonl"],
            (Self::Gsm8k | Self::Mmlu | Self::WinoGrande, Split::Test) => &["test.jsonl"],
        }
    }
}

impl fmt::Display for Benchmark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Benchmark {
    type Err = Error;

    /// # Errors
    /// [`Error::Spec`] with the nearest name.
    fn from_str(name: &str) -> Result<Self> {
        by_name("benchmark", name, &Self::ALL, Self::name)
    }
}

/// Which part of a benchmark.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Split {
    /// What a state is tuned on.
    Train,
    /// What settings are chosen on.
    Validation,
    /// What is reported.
    Test,
}

impl Split {
    /// Every split.
    pub const ALL: [Self; 3] = [Self::Train, Self::Validation, Self::Test];

    /// The name used in specifications and on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Train => "train",
            Self::Validation => "validation",
            Self::Test => "test",
        }
    }
}

impl fmt::Display for Split {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Split {
    type Err = Error;

    /// # Errors
    /// [`Error::Spec`] with the nearest name.
    fn from_str(name: &str) -> Result<Self> {
        by_name("split", name, &Self::ALL, Self::name)
    }
}

/// The value of that name, or an error that offers the nearest one.
fn by_name<T: Copy>(
    field: &str,
    name: &str,
    all: &[T],
    name_of: impl Fn(T) -> &'static str,
) -> Result<T> {
    if let Some(found) = all.iter().find(|value| name_of(**value) == name) {
        return Ok(*found);
    }
    let names: Vec<_> = all.iter().map(|value| name_of(*value)).collect();
    let lower = name.to_lowercase();
    let nearest = names
        .iter()
        .map(|known| (strsim::damerau_levenshtein(&lower, known), known))
        .min()
        .filter(|(distance, _)| *distance <= 3);
    let names = names.join(", ");
    let reason = match nearest {
        Some((_, nearest)) => tr!(
            "`{name}` is unknown, did you mean `{nearest}`? ({names})",
            name,
            nearest,
            names
        ),
        None => tr!("`{name}` is unknown; choose from {names}", name, names),
    };
    Err(Error::spec(field, reason))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_error(name: &str, expected: &str) {
        let message = name.parse::<Benchmark>().unwrap_err().to_string();
        assert!(message.contains(expected), "{message}");
    }

    #[test]
    fn names_read_back() {
        for benchmark in Benchmark::ALL {
            assert_eq!(
                benchmark.to_string().parse::<Benchmark>().unwrap(),
                benchmark
            );
            let json = serde_json::to_string(&benchmark).unwrap();
            assert_eq!(json, format!("\"{benchmark}\""));
        }
        for split in Split::ALL {
            assert_eq!(split.to_string().parse::<Split>().unwrap(), split);
        }
    }

    #[test]
    fn wrong_names_offer_the_nearest() {
        check_error("gsm9k", "did you mean `gsm8k`?");
        check_error("WinoGrade", "did you mean `winogrande`?");
        check_error("ARC", "did you mean `arc`?");
        check_error("hellaswag", "choose from gsm8k, arc, mmlu, winogrande");
    }
}
