//! What stands in front of the first word of a text.
//!
//! RWKV models are pre-trained with token 0 between documents, so the untuned model
//! reads it in front of every text. Most programs that take a tuned state (the
//! `rwkv` package, RWKV-Runner, Ai00, rwkv-mobile) feed the text straight to the
//! state, and a state that was trained behind token 0 is another one there.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::tokenizer::END_OF_DOCUMENT;
use crate::error::{Error, Result};
use crate::random::SplitMix64;

/// What new runs train with: what does best in the programs that states are for
/// (`benches/RESULTS.md`).
pub const DEFAULT_LEADING_TOKEN: LeadingToken = LeadingToken::None;

/// Sets the draws of [`LeadingToken::Both`] apart from others of the same seed.
const STREAM: u64 = 0x5EAD_0F0D_D0C5_0001;

/// What a state is trained with in front of its texts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum LeadingToken {
    /// Token 0.
    Zero,
    /// Nothing: the first word meets the state. `None` alone reads as an absent value
    /// in RON, which prints it as `r#None`.
    #[serde(rename = "Nothing", alias = "None")]
    None,
    /// Either, drawn for every example.
    Both,
}

/// What one text begins with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TextStart {
    /// Token 0.
    Zero,
    /// Its first word.
    None,
}

impl Default for LeadingToken {
    fn default() -> Self {
        DEFAULT_LEADING_TOKEN
    }
}

impl LeadingToken {
    /// Every choice.
    pub const ALL: [Self; 3] = [Self::Zero, Self::None, Self::Both];

    /// The name in files and specifications.
    pub fn name(self) -> &'static str {
        match self {
            Self::Zero => "Zero",
            Self::None => "Nothing",
            Self::Both => "Both",
        }
    }

    /// The choice of that name, or of its short one.
    pub fn named(name: &str) -> Option<Self> {
        match name {
            "None" => Some(Self::None),
            name => Self::ALL.into_iter().find(|of| of.name() == name),
        }
    }

    /// What texts begin with when the state is used: as it was trained, and for
    /// [`Self::Both`] as other programs feed it.
    pub fn in_use(self) -> TextStart {
        match self {
            Self::Zero => TextStart::Zero,
            Self::None | Self::Both => TextStart::None,
        }
    }

    /// What the training example at `position` of the order of the data begins
    /// with; for [`Self::Both`] a draw that `seed` and `position` fix, so that a run
    /// can continue from any step.
    pub fn of_example(self, seed: u64, position: usize) -> TextStart {
        match self {
            Self::Zero => TextStart::Zero,
            Self::None => TextStart::None,
            Self::Both => {
                let position = (position as u64).wrapping_mul(0xD1B5_4A32_D192_ED03);
                match SplitMix64::new(seed ^ STREAM ^ position).next() >> 63 {
                    0 => TextStart::Zero,
                    _ => TextStart::None,
                }
            }
        }
    }
}

impl TextStart {
    /// The tokens in front of a text.
    pub fn tokens(self) -> &'static [u32] {
        match self {
            Self::Zero => &[END_OF_DOCUMENT],
            Self::None => &[],
        }
    }

    /// The tokens in front of `text`. A text without a token is read as token 0, for
    /// a model says nothing before it has read something.
    pub fn before(self, text: &[u32]) -> &'static [u32] {
        match (self, text) {
            (Self::Zero, _) | (Self::None, []) => &[END_OF_DOCUMENT],
            (Self::None, _) => &[],
        }
    }

    /// `text` with what stands in front of it; never empty.
    pub fn with(self, text: &[u32]) -> Vec<u32> {
        [self.before(text), text].concat()
    }
}

impl fmt::Display for TextStart {
    /// In words.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Zero => "token 0 in front",
            Self::None => "without token 0",
        })
    }
}

impl FromStr for TextStart {
    type Err = Error;

    /// # Errors
    /// [`Error::Spec`] with what is allowed.
    fn from_str(text: &str) -> Result<Self> {
        match text {
            "zero" => Ok(Self::Zero),
            "none" => Ok(Self::None),
            other => {
                let reason = tr!("`{other}` is unknown; choose zero or none", other);
                Err(Error::spec("leading token", reason))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_are_drawn_alike_often_and_always_the_same() {
        let drawn = |seed| -> Vec<TextStart> {
            let of = |position| LeadingToken::Both.of_example(seed, position);
            (0..4000).map(of).collect()
        };
        for seed in [0, 1, 99] {
            let starts = drawn(seed);
            let n_zero = starts.iter().filter(|of| **of == TextStart::Zero).count();
            // Four standard deviations.
            assert!((1874..2126).contains(&n_zero), "{n_zero}");
            let pairs = starts.windows(2).filter(|pair| pair[0] == pair[1]).count();
            assert!((1874..2126).contains(&pairs), "{pairs}");
            assert_eq!(starts, drawn(seed));
        }
        assert_ne!(drawn(0), drawn(1));
        assert_eq!(LeadingToken::Zero.of_example(3, 5), TextStart::Zero);
        assert_eq!(LeadingToken::None.of_example(3, 5), TextStart::None);
    }

    #[test]
    fn a_text_is_never_empty() {
        assert_eq!(TextStart::Zero.with(&[5]), [0, 5]);
        assert_eq!(TextStart::None.with(&[5]), [5]);
        assert_eq!(TextStart::None.with(&[]), [0]);
    }

    #[test]
    fn names_read_back() {
        for of in LeadingToken::ALL {
            assert_eq!(LeadingToken::named(of.name()), Some(of));
        }
        assert_eq!(LeadingToken::named("None"), Some(LeadingToken::None));
        assert_eq!(LeadingToken::named("zero"), None);
        assert_eq!("none".parse::<TextStart>().unwrap(), TextStart::None);
        let message = "both".parse::<TextStart>().unwrap_err().to_string();
        assert_eq!(
            message,
            "leading token: `both` is unknown; choose zero or none"
        );
    }
}
