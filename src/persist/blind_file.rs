//! A blind test of two models on a list of prompts: which answer the user prefers without
//! knowing whose it is. A file of JSON lines: what is compared, then a line a judgement.

use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::json_lines::{add_line, read_lines};
use crate::bench::mcnemar_exact;
use crate::error::{Error, Result};
use crate::format::json_words;
use crate::random::SplitMix64;

/// The form of the file.
const FORMAT: &str = "gosling-blind-1";

/// One of the two models.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Contender {
    /// The one to compare with.
    A,
    /// The one that is tried.
    B,
}

/// What the user prefers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Preference {
    /// The answer of one of the two.
    A,
    /// That of the other.
    B,
    /// Neither.
    Tie,
}

/// What is compared: the first line of the file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BlindSetup {
    /// [`FORMAT`].
    format: String,
    /// Whose answers are called a.
    pub a: String,
    /// Whose answers are called b.
    pub b: String,
    /// How prompts are answered: template, limits and how tokens are drawn.
    pub settings: Value,
    /// All prompts.
    pub prompts: Vec<String>,
    /// Decides whose answer stands on the left.
    pub seed: u64,
}

/// What was preferred for a prompt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Judgement {
    /// The place of the prompt, from 0.
    pub prompt: usize,
    /// The answer of a.
    pub a: String,
    /// The answer of b.
    pub b: String,
    /// Whose answer stood on the left.
    pub left: Contender,
    /// What was preferred.
    pub preferred: Preference,
}

/// What came of the judgements.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BlindResult {
    /// Judgements.
    pub n: usize,
    /// Those for a.
    pub a: usize,
    /// Those for b.
    pub b: usize,
    /// Those for neither.
    pub ties: usize,
    /// Two-sided p-value of the sign test: how likely a split at least as uneven is
    /// where either is as likely to be preferred; ties are left out.
    pub p: f64,
}

impl BlindSetup {
    /// Of two models on prompts.
    pub fn new([a, b]: [String; 2], settings: Value, prompts: Vec<String>, seed: u64) -> Self {
        Self {
            format: FORMAT.into(),
            a,
            b,
            settings,
            prompts,
            seed,
        }
    }

    /// Whose answer to a prompt stands on the left; the seed and the place alone decide.
    pub fn left(&self, prompt: usize) -> Contender {
        match SplitMix64::mix(self.seed, prompt as u64) & 1 {
            0 => Contender::A,
            _ => Contender::B,
        }
    }

    /// The judgement of a prompt where `left` was preferred, or the right, or neither.
    pub fn judgement(
        &self,
        prompt: usize,
        [a, b]: [String; 2],
        prefers_left: Option<bool>,
    ) -> Judgement {
        let left = self.left(prompt);
        let preferred = match (prefers_left, left) {
            (None, _) => Preference::Tie,
            (Some(true), Contender::A) | (Some(false), Contender::B) => Preference::A,
            (Some(true), Contender::B) | (Some(false), Contender::A) => Preference::B,
        };
        Judgement {
            prompt,
            a,
            b,
            left,
            preferred,
        }
    }

    /// Begins the file, or goes on with one of the same test: then the order of the
    /// answers is that of the file. Gives the judgements that are there.
    ///
    /// # Errors
    /// [`Error::Input`] where the file is of another test or no such file;
    /// [`Error::Io`].
    pub fn begin(&mut self, path: &Path) -> Result<Vec<Judgement>> {
        let lines: Vec<Value> = read_lines(path)?;
        let mut lines = lines.into_iter();
        let Some(first) = lines.next() else {
            add_line(path, self)?;
            return Ok(Vec::new());
        };
        let known: Self = match serde_json::from_value::<Self>(first) {
            Ok(known) if known.format == FORMAT => known,
            Ok(_) | Err(_) => {
                let reason = tr!("is not a blind test of this version; name another file");
                return Err(Error::input(path, tr!("line 1"), reason));
            }
        };
        let reason = if (&known.a, &known.b) != (&self.a, &self.b) {
            Some(tr!("compares {} with {}", known.a, known.b))
        } else if known.prompts != self.prompts {
            Some(tr!("has other prompts").to_owned())
        } else if known.settings != self.settings {
            Some(tr!("has other settings of the answers").to_owned())
        } else {
            None
        };
        if let Some(reason) = reason {
            let reason = tr!(
                "{reason}; name another file, or set the test up as it was",
                reason
            );
            return Err(Error::input(path, tr!("blind test"), reason));
        }
        self.seed = known.seed;
        let mut judgements: Vec<Judgement> = Vec::new();
        for (idx, line) in lines.enumerate() {
            let bad = |reason: String| Error::input(path, tr!("line {}", idx + 2), reason);
            let judgement: Judgement =
                serde_json::from_value(line).map_err(|error| bad(json_words(&error)))?;
            let is_known = judgements.iter().any(|of| of.prompt == judgement.prompt);
            if is_known || judgement.prompt >= self.prompts.len() {
                return Err(bad(
                    tr!("judges a prompt twice, or one that is not there").into()
                ));
            }
            judgements.push(judgement);
        }
        Ok(judgements)
    }
}

impl Judgement {
    /// Adds it to the file.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn add(&self, path: &Path) -> Result<()> {
        add_line(path, self)
    }
}

impl BlindResult {
    /// Of judgements.
    pub fn of(judgements: &[Judgement]) -> Self {
        let count = |of| {
            let fitting = judgements.iter().filter(|it| it.preferred == of);
            fitting.count()
        };
        let (a, b) = (count(Preference::A), count(Preference::B));
        Self {
            n: judgements.len(),
            a,
            b,
            ties: count(Preference::Tie),
            // The sign test is McNemar's exact test of the two counts.
            p: mcnemar_exact(a, b),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn setup(seed: u64) -> BlindSetup {
        let prompts = (0..40).map(|n| format!("prompt {n}")).collect();
        let names = ["untuned".to_owned(), "tuned".to_owned()];
        BlindSetup::new(names, serde_json::json!({"max_tokens": 8}), prompts, seed)
    }

    fn judged(setup: &BlindSetup, prompt: usize, prefers_left: Option<bool>) -> Judgement {
        setup.judgement(prompt, ["x".into(), "y".into()], prefers_left)
    }

    #[test]
    fn sides_are_drawn_and_judgements_follow_the_model() {
        let setup = setup(7);
        let n_left = (0..40)
            .filter(|prompt| setup.left(*prompt) == Contender::A)
            .count();
        assert!((10..=30).contains(&n_left), "{n_left} of 40");
        for prompt in 0..40 {
            let own = match setup.left(prompt) {
                Contender::A => Preference::A,
                Contender::B => Preference::B,
            };
            assert_eq!(judged(&setup, prompt, Some(true)).preferred, own);
            assert_ne!(judged(&setup, prompt, Some(false)).preferred, own);
            assert_eq!(judged(&setup, prompt, None).preferred, Preference::Tie);
        }
    }

    /// 8 against 2: 2 (1 + 10 + 45) / 1024; 5 against 0: 2 / 32.
    #[test]
    fn the_sign_test_leaves_ties_out() {
        let setup = setup(1);
        let result = |a: usize, b: usize, ties: usize| {
            let all = [
                vec![Preference::A; a],
                vec![Preference::B; b],
                vec![Preference::Tie; ties],
            ];
            let judgements = all.concat().into_iter().enumerate();
            let judgements: Vec<_> = judgements
                .map(|(prompt, preferred)| Judgement {
                    preferred,
                    ..judged(&setup, prompt, None)
                })
                .collect();
            BlindResult::of(&judgements)
        };
        let got = result(2, 8, 5);
        assert_eq!((got.n, got.a, got.b, got.ties), (15, 2, 8, 5));
        assert!((got.p - 112.0 / 1024.0).abs() < 1e-12, "{}", got.p);
        assert!((result(0, 5, 0).p - 2.0 / 32.0).abs() < 1e-12);
        assert_eq!(result(0, 0, 3).p, 1.0);
    }

    #[test]
    fn a_test_is_gone_on_with_under_its_own_order() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("blind.jsonl");
        let mut first = setup(11);
        assert_eq!(first.begin(&path).unwrap(), []);
        let all: Vec<_> = (0..3).map(|n| judged(&first, n, Some(true))).collect();
        for judgement in &all {
            judgement.add(&path).unwrap();
        }
        let mut again = setup(99);
        assert_eq!(again.begin(&path).unwrap(), all);
        assert_eq!(again.seed, 11);
        let mut other = setup(1);
        other.b = "another".into();
        let message = other.begin(&path).unwrap_err().to_string();
        assert!(message.contains("compares untuned with tuned"), "{message}");
        let mut other = setup(1);
        other.prompts.pop();
        let message = other.begin(&path).unwrap_err().to_string();
        assert!(message.contains("has other prompts"), "{message}");
        all[0].add(&path).unwrap();
        let message = again.begin(&path).unwrap_err().to_string();
        assert!(
            message.contains("line 5: judges a prompt twice"),
            "{message}"
        );
        std::fs::write(&path, "{\"messages\": []}\n").unwrap();
        let message = again.begin(&path).unwrap_err().to_string();
        assert!(message.contains("is not a blind test"), "{message}");
    }
}
